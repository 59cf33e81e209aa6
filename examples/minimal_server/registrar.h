/* The registrations, in memory that all processes share. */
#ifndef REGISTRAR_H
#define REGISTRAR_H

#include <stdbool.h>
#include <stdint.h>

#define MAX_USER 64
#define MAX_CONTACT 256

struct registrar;

/* Call it before the fork. NULL when there is no memory. */
struct registrar *registrar_new(void);
void registrar_free(struct registrar *registrar);

/* Copies the contact of a user and returns the seconds it is still valid, 0 when
 * there is none. */
unsigned registrar_find(struct registrar *registrar, const char *user, char contact[MAX_CONTACT]);

/* Stores the contact for some seconds in place of an older one. With 0 seconds it
 * removes the contact if it is the stored one. False when the table is full. */
bool registrar_store(struct registrar *registrar, const char *user, const char *contact,
                    unsigned seconds);

/* Removes the contact of a user. */
void registrar_remove(struct registrar *registrar, const char *user);

#endif
