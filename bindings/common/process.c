/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Processes of the module's own. */
#define _GNU_SOURCE /* ppoll */

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "state.h"

static volatile sig_atomic_t ending;
static sigset_t while_waiting;
static pid_t parent_pid;

static void end(int signal)
{
    (void)signal;
    ending = 1;
}

void mpm_own_process(pid_t parent)
{
    static const int ignored[] = { SIGINT, SIGHUP, SIGPIPE, SIGUSR1, SIGUSR2 };
    struct sigaction action;
    sigset_t blocked;

    memset(&action, 0, sizeof action);
    action.sa_handler = SIG_IGN;
    for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
        sigaction(ignored[i], &action, NULL);
    /* The server's own handler would stop the whole server. */
    action.sa_handler = SIG_DFL;
    sigaction(SIGCHLD, &action, NULL);
    /* From here on it is taken only while waiting. */
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    sigprocmask(SIG_BLOCK, &blocked, &while_waiting);
    sigdelset(&while_waiting, SIGTERM);
    action.sa_handler = end;
    sigaction(SIGTERM, &action, NULL);
    parent_pid = parent;
    prctl(PR_SET_PDEATHSIG, SIGTERM);
}

int mpm_wait(int descriptor, uint64_t milliseconds)
{
    struct pollfd wait = { .fd = descriptor, .events = POLLIN };
    struct timespec most;

    /* The parent may have died before its death was a signal. */
    if (ending || getppid() != parent_pid)
        return 0;
    most.tv_sec = (time_t)(milliseconds / 1000);
    most.tv_nsec = (long)(milliseconds % 1000) * 1000000;
    (void)ppoll(&wait, 1, &most, &while_waiting);
    if (mpm.server->on_idle != NULL)
        mpm.server->on_idle();
    return !ending && getppid() == parent_pid;
}
