/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The embedded relay, in a child of the module's own process: Kamailio stops
 * when one of its children crashes, and this child is not Kamailio's. While the
 * relay is restarted its listening socket stays open, and workers wait.
 */
#define _GNU_SOURCE /* MAP_ANONYMOUS */

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "state.h"

/* How often the relay publishes its counters (milliseconds). */
#define REPORT_INTERVAL 200
/* A relay that ended this soon after its start is restarted after a pause, which
 * doubles each time (milliseconds). */
#define EARLY_END 1000
#define FIRST_PAUSE 100
#define LONGEST_PAUSE 5000

/* Shared by all processes. */
static volatile struct report {
    mp_proxy_counters counters;
    uint64_t starts;
} *report;

int mpm_relay_prepare(char error[MPM_ERROR_SIZE])
{
    mp_error *why = NULL;
    void *page = mmap(NULL, sizeof *report, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
                      0);

    if (page == MAP_FAILED) {
        snprintf(error, MPM_ERROR_SIZE, "cannot allocate shared memory for the relay: %s",
                 strerror(errno));
        return -1;
    }
    report = page;
    if (mp_proxy_new(mpm.config, &mpm.proxy, &why) != MP_OK)
        return mpm_refuse(why, error);
    return 0;
}

int mpm_relay_counters(mp_proxy_counters *counters, uint64_t *starts)
{
    if (report == NULL)
        return -1;
    *counters = report->counters;
    *starts = report->starts;
    return 0;
}

/* The relay has two descriptors a port and four ports a stream. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* The body of the relay's process. `pipe_end` closes with it. */
static void run_relay(pid_t supervisor, int pipe_end)
{
    mp_proxy_counters now;
    mp_error *error = NULL;

    mpm_own_process(supervisor);
    prctl(PR_SET_NAME, "mediaproxy");
    raise_descriptor_limit();
    if (mp_proxy_start(mpm.proxy, &error) != MP_OK) {
        mp_str why = mp_error_text(error);
        mpm_log(MP_LOG_ERROR, "cannot start the embedded relay: %.*s", (int)why.len, why.ptr);
        _exit(1);
    }
    do {
        if (mp_proxy_statistics(mpm.proxy, &now, sizeof now) == MP_OK)
            report->counters = now;
    } while (mpm_wait(-1, REPORT_INTERVAL));
    mp_proxy_stop(mpm.proxy);
    mpm_child();
    close(pipe_end);
    _exit(0);
}

/* Forks the relay. Its end of a pipe closes when it ends, for whatever reason;
 * the other end is written to `ended`. */
static pid_t start(int *ended)
{
    static const mp_proxy_counters none;
    pid_t self = getpid();
    int ends[2];
    pid_t child;

    if (pipe(ends) != 0)
        return -1;
    report->counters = none;
    report->starts++;
    child = fork();
    if (child == 0) {
        close(ends[0]);
        run_relay(self, ends[1]);
    }
    close(ends[1]);
    if (child < 0)
        close(ends[0]);
    else
        *ended = ends[0];
    return child;
}

/* Waits until the relay ends: 1, or 0 when this process must end first. */
static int watch(pid_t child, int ended, int *status)
{
    while (waitpid(child, status, WNOHANG) == 0) {
        if (!mpm_wait(ended, REPORT_INTERVAL)) {
            kill(child, SIGTERM);
            while (waitpid(child, status, 0) < 0 && errno == EINTR)
                ;
            return 0;
        }
    }
    return 1;
}

static void log_end(int status)
{
    uint64_t lost = report->counters.sessions;

    if (WIFSIGNALED(status))
        mpm_log(MP_LOG_ERROR,
                 "signal %d ended the embedded relay: %" PRIu64
                 " calls lost their media; restarting it",
                 WTERMSIG(status), lost);
    else
        mpm_log(MP_LOG_ERROR,
                 "the embedded relay ended with status %d: %" PRIu64
                 " calls lost their media; restarting it",
                 WEXITSTATUS(status), lost);
}

void mpm_supervise(pid_t parent)
{
    uint64_t pause = FIRST_PAUSE;
    uint64_t started;
    int ended = -1, status = 0, go_on = 1;
    pid_t child;

    mpm_own_process(parent);
    while (go_on) {
        started = mp_now();
        child = start(&ended);
        if (child < 0) {
            mpm_log(MP_LOG_ERROR, "cannot fork a process for the embedded relay: %s", strerror(errno));
            go_on = mpm_wait(-1, LONGEST_PAUSE);
            continue;
        }
        go_on = watch(child, ended, &status);
        close(ended);
        if (!go_on)
            break;
        log_end(status);
        if (mp_now() - started >= EARLY_END) {
            pause = FIRST_PAUSE;
            continue;
        }
        go_on = mpm_wait(-1, pause);
        pause = pause * 2 < LONGEST_PAUSE ? pause * 2 : LONGEST_PAUSE;
    }
}
