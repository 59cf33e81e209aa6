/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The module's own processes. */
#define _GNU_SOURCE /* ppoll */

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "state.h"

static const struct mpm_process processes[] = {
    { "MediaProxy keeper", mpm_keep },
    { "MediaProxy relay", mpm_supervise },
};

const struct mpm_process *mpm_process(size_t index)
{
    size_t count = mpm_runs_relay() ? 2 : 1;

    return index < count ? &processes[index] : NULL;
}

static volatile sig_atomic_t must_end;
static sigset_t mask_while_waiting;
static pid_t parent_pid;

static void on_sigterm(int signal)
{
    (void)signal;
    must_end = 1;
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
    /* The server's handler would stop the whole server. */
    action.sa_handler = SIG_DFL;
    sigaction(SIGCHLD, &action, NULL);
    /* SIGTERM is delivered in mpm_wait only. */
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    sigprocmask(SIG_BLOCK, &blocked, &mask_while_waiting);
    sigdelset(&mask_while_waiting, SIGTERM);
    action.sa_handler = on_sigterm;
    sigaction(SIGTERM, &action, NULL);
    parent_pid = parent;
    prctl(PR_SET_PDEATHSIG, SIGTERM);
}

int mpm_wait(int descriptor, uint64_t milliseconds)
{
    struct pollfd wait = { .fd = descriptor, .events = POLLIN };
    struct timespec longest;

    /* The parent may have ended before prctl asked for a signal. */
    if (must_end || getppid() != parent_pid)
        return 0;
    longest.tv_sec = (time_t)(milliseconds / 1000);
    longest.tv_nsec = (long)(milliseconds % 1000) * 1000000;
    (void)ppoll(&wait, 1, &longest, &mask_while_waiting);
    if (mpm_server.on_idle != NULL)
        mpm_server.on_idle();
    return !must_end && getppid() == parent_pid;
}
