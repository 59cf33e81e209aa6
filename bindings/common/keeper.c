/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What must happen without a message: in a process of its own, or where a
 * server has none to give, in the process of its timers. */
#include <unistd.h>

#include "state.h"

/* As often the process looks whether its parent lives. */
#define LONGEST_WAIT 1000

/* That of the current process, and whose it is. */
static mp_keeper *keeper;
static pid_t owner;

static void make(void)
{
    mp_error *error = NULL;
    mp_str why;

    /* A parent's: that only closes what was inherited. */
    mp_keeper_free(keeper);
    keeper = NULL;
    owner = getpid();
    if (mp_keeper_new(mpm.engine, &keeper, &error) == MP_OK)
        return;
    why = mp_error_text(error);
    mpm_log(MP_LOG_ERROR, "no keeper, so dead relays come back late: %.*s", (int)why.len,
             why.ptr);
    mp_error_free(error);
}

void mpm_tick(void)
{
    if (owner != getpid())
        make();
    if (keeper != NULL)
        mp_keeper_tick(keeper, 0);
}

void mpm_keep(pid_t parent)
{
    uint64_t next;

    mpm_child();
    mpm_own_process(parent);
    /* Without a keeper it stays all the same: a server whose process ends
     * would end as well. */
    do {
        mpm_tick();
        next = keeper != NULL ? mp_keeper_next(keeper, 0) : LONGEST_WAIT;
    } while (mpm_wait(mp_keeper_descriptor(keeper), next < LONGEST_WAIT ? next : LONGEST_WAIT));
    mp_keeper_free(keeper);
    keeper = NULL;
}
