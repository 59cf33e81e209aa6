/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The module's own processes: the keeper, and who looks after the relay. */
#include <stdlib.h>
#include <unistd.h>

#include "core/cfg/cfg_struct.h"
#include "core/pt.h"

#include "kamailio.h"

static int runs_relay(void)
{
    return mpm_relay_embedded() && !mpm_disabled();
}

int processes_register(void)
{
    int count = runs_relay() ? 2 : 1;

    cfg_register_child(count);
    return register_procs(count);
}

/* Takes over settings of the core that changed, the log level for one. */
void processes_on_idle(void)
{
    cfg_update();
}

static int start(char *description, void (*body)(pid_t parent))
{
    pid_t parent = getpid();
    int pid = fork_process(PROC_NOCHLDINIT, description, 0);

    if (pid == 0) {
        if (cfg_child_init() == 0)
            body(parent);
        _exit(0);
    }
    if (pid < 0)
        LM_ERR("no process for the %s\n", description);
    return pid < 0 ? -1 : 0;
}

int processes_start(void)
{
    if (start("MediaProxy keeper", mpm_keep) != 0)
        return -1;
    return runs_relay() ? start("MediaProxy relay", mpm_supervise) : 0;
}
