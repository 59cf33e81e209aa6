/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The process that does what must happen without a message. */
#include "state.h"

/* As often the process looks whether its parent lives. */
#define LONGEST_WAIT 1000

void glue_keep(pid_t parent)
{
    mp_keeper *keeper = NULL;
    mp_error *error = NULL;
    uint64_t next = 0;

    glue_child();
    glue_own_process(parent);
    if (mp_keeper_new(glue.engine, &keeper, &error) != MP_OK) {
        mp_str why = mp_error_text(error);
        glue_log(MP_LOG_ERROR, "no keeper, so dead relays come back late: %.*s", (int)why.len,
                 why.ptr);
        mp_error_free(error);
    }
    /* Without a keeper it stays all the same: a server whose process ends
     * would end as well. */
    do {
        mp_keeper_tick(keeper, 0);
        next = keeper != NULL ? mp_keeper_next(keeper, 0) : LONGEST_WAIT;
    } while (glue_wait(mp_keeper_descriptor(keeper), next < LONGEST_WAIT ? next : LONGEST_WAIT));
    mp_keeper_free(keeper);
}
