/*
 * The registrations, in memory that all processes share. A process may be killed
 * while it holds the lock: the mutex is robust, and an entry is valid only while
 * its time is set, which is written last and cleared first.
 */
#define _GNU_SOURCE /* MAP_ANONYMOUS */

#include "registrar.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define PLACES 4096
#define REACH 64 /* places after the hashed one where a user may be */

struct binding {
    char user[MAX_USER];
    char contact[MAX_CONTACT];
    time_t until; /* CLOCK_MONOTONIC; in the past: a free place */
};

struct registrar {
    pthread_mutex_t lock;
    struct binding bindings[PLACES];
};

struct registrar *registrar_new(void)
{
    pthread_mutexattr_t kind;
    struct registrar *made = mmap(NULL, sizeof *made, PROT_READ | PROT_WRITE,
                                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (made == MAP_FAILED)
        return NULL;
    pthread_mutexattr_init(&kind);
    pthread_mutexattr_setpshared(&kind, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&kind, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&made->lock, &kind);
    pthread_mutexattr_destroy(&kind);
    return made;
}

void registrar_free(struct registrar *registrar)
{
    if (registrar)
        munmap(registrar, sizeof *registrar);
}

static void lock(struct registrar *registrar)
{
    if (pthread_mutex_lock(&registrar->lock) == EOWNERDEAD)
        pthread_mutex_consistent(&registrar->lock);
}

static void unlock(struct registrar *registrar)
{
    pthread_mutex_unlock(&registrar->lock);
}

static time_t now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + 1; /* never 0 */
}

/* The place of a user. Where there is none: a free one with `add`, else NULL. */
static struct binding *place_of(struct registrar *registrar, const char *user, bool add)
{
    struct binding *place = NULL;
    unsigned at = 5381;

    for (const char *byte = user; *byte; byte++)
        at = at * 33 + (unsigned char)*byte;
    for (unsigned i = 0; i < REACH; i++) {
        struct binding *binding = &registrar->bindings[(at + i) % PLACES];
        if (binding->until <= now()) {
            if (add && !place)
                place = binding;
        } else if (!strcmp(binding->user, user)) {
            return binding;
        }
    }
    return place;
}

unsigned registrar_find(struct registrar *registrar, const char *user, char contact[MAX_CONTACT])
{
    struct binding *binding;
    unsigned left = 0;

    lock(registrar);
    binding = place_of(registrar, user, false);
    if (binding) {
        left = (unsigned)(binding->until - now());
        strcpy(contact, binding->contact);
    }
    unlock(registrar);
    return left;
}

bool registrar_store(struct registrar *registrar, const char *user, const char *contact,
                    unsigned seconds)
{
    struct binding *binding;
    bool removed = false;

    if (strlen(user) >= MAX_USER || strlen(contact) >= MAX_CONTACT)
        return false;
    lock(registrar);
    binding = place_of(registrar, user, seconds > 0);
    if (binding && seconds > 0) {
        binding->until = 0;
        strcpy(binding->user, user);
        strcpy(binding->contact, contact);
        binding->until = now() + (time_t)seconds;
    } else if (seconds == 0) {
        removed = true;
        if (binding && !strcmp(binding->contact, contact))
            binding->until = 0;
    }
    unlock(registrar);
    return binding || removed;
}

void registrar_remove(struct registrar *registrar, const char *user)
{
    struct binding *binding;

    lock(registrar);
    binding = place_of(registrar, user, false);
    if (binding)
        binding->until = 0;
    unlock(registrar);
}
