/* Where the users are: a table all processes share. */
#ifndef REGISTRAR_H
#define REGISTRAR_H

#include <stdbool.h>
#include <stdint.h>

#define MAX_USER 64
#define MAX_CONTACT 256

struct registrar;

/* Made before the fork; NULL when there is no memory. */
struct registrar *registrar_new(void);
void registrar_free(struct registrar *registrar);

/* Copies the user's contact and says for how many seconds it holds; 0 when
 * there is none. */
unsigned registrar_find(struct registrar *registrar, const char *user, char contact[MAX_CONTACT]);

/* Keeps the contact for so many seconds in place of an older one; 0 seconds
 * forget it, if it is the one that is kept. False when the table is full. */
bool registrar_keep(struct registrar *registrar, const char *user, const char *contact,
                    unsigned seconds);

/* Forgets whatever is kept. */
void registrar_forget(struct registrar *registrar, const char *user);

#endif
