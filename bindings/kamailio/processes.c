/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The module's own processes. */
#include <stdlib.h>
#include <unistd.h>

#include "core/cfg/cfg_struct.h"
#include "core/pt.h"

#include "kamailio.h"

int processes_init(void)
{
    int count = 0;

    while (mpm_process(count) != NULL)
        count++;
    cfg_register_child(count);
    return register_procs(count);
}

/* Takes over settings of the core that changed, such as the log level. */
void processes_on_idle(void)
{
    cfg_update();
}

int processes_start(void)
{
    const struct mpm_process *process;
    pid_t parent = getpid();
    size_t i;
    int pid;

    for (i = 0; (process = mpm_process(i)) != NULL; i++) {
        pid = fork_process(PROC_NOCHLDINIT, (char *)(uintptr_t)process->name, 0);
        if (pid == 0) {
            if (cfg_child_init() == 0)
                process->run(parent);
            _exit(0);
        }
        if (pid < 0) {
            LM_ERR("cannot fork a process: %s\n", process->name);
            return -1;
        }
    }
    return 0;
}
