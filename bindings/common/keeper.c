/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The keeper, which does what is due without a message: in a process of its
 * own, or in the timer process of a server that gives modules none. */
#include <unistd.h>

#include "state.h"

/* How often the process checks that its parent is alive (milliseconds). */
#define LONGEST_WAIT 1000

/* The keeper of the current process, and the process that made it. */
static mp_keeper *keeper;
static pid_t owner;

void mpm_free_keeper(void)
{
    mp_keeper_free(keeper);
    keeper = NULL;
}

static void make_keeper(void)
{
    mp_error *error = NULL;
    mp_str why;

    mpm_free_keeper();
    owner = getpid();
    if (mp_keeper_new(mpm.engine, &keeper, &error) == MP_OK)
        return;
    why = mp_error_text(error);
    mpm_log(MP_LOG_ERROR,
            "cannot start keeper: failed relays are re-probed only by traffic: %.*s",
            (int)why.len, why.ptr);
    mp_error_free(error);
}

void mpm_tick(void)
{
    if (owner != getpid())
        make_keeper();
    if (keeper != NULL)
        mp_keeper_tick(keeper, 0);
}

void mpm_keep(pid_t parent)
{
    uint64_t next;

    mpm_child();
    mpm_own_process(parent);
    /* The process stays without a keeper too: Kamailio stops when one of its
     * processes ends. */
    do {
        mpm_tick();
        next = keeper != NULL ? mp_keeper_next(keeper, 0) : LONGEST_WAIT;
    } while (mpm_wait(mp_keeper_descriptor(keeper), next < LONGEST_WAIT ? next : LONGEST_WAIT));
    mpm_free_keeper();
}
