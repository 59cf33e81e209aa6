/*
 * The processes: one that runs the built-in relay and the keeper, and with
 * --workers N that many workers. A process that dies is replaced; the parent
 * keeps its socket open meanwhile.
 */
#define _GNU_SOURCE /* ppoll, prctl */

#include "server.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* The server stops when more processes than these exit within a second of their
 * start. */
#define MAX_EARLY_EXITS 4

volatile sig_atomic_t stopping, child_ended;

/* children[0] runs the relay and the keeper. */
static struct child {
    pid_t pid;
    uint64_t started;
} children[MAX_WORKERS + 1];
static int early_exits;
static pid_t parent;
static sigset_t while_waiting, blocked;

static void on_signal(int signal)
{
    if (signal == SIGCHLD)
        child_ended = 1;
    else
        stopping = 1;
}

/* From now on a signal is handled only in ppoll. */
static void catch_signals(void)
{
    static const int signals[] = { SIGTERM, SIGINT, SIGCHLD };
    struct sigaction action;

    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    sigemptyset(&blocked);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        sigaddset(&blocked, signals[i]);
        sigaction(signals[i], &action, NULL);
    }
    sigprocmask(SIG_BLOCK, &blocked, &while_waiting);
}

static bool failed(const struct server *s, const char *what, mp_error *error)
{
    mp_str why = mp_error_text(error);

    say(s, "cannot start the %s: %.*s", what, (int)why.len, why.ptr);
    mp_error_free(error);
    return false;
}

/* Starts the relay, which has threads of its own, and runs the keeper: it probes
 * failed relays and reloads changed files. */
static bool keep(struct server *s)
{
    mp_error *error = NULL;
    mp_keeper *keeper = NULL;
    mp_proxy_counters done;

    if (s->proxy && mp_proxy_start(s->proxy, &error) != MP_OK)
        return failed(s, "relay", error);
    if (mp_keeper_new(s->engine, &keeper, &error) != MP_OK)
        return failed(s, "keeper", error);
    while (!stopping) {
        struct pollfd wait = { mp_keeper_descriptor(keeper), POLLIN, 0 };
        mp_keeper_tick(keeper, 0);
        ppoll(&wait, 1, NULL, &while_waiting);
    }
    mp_keeper_free(keeper);
    if (!s->proxy)
        return true;
    if (mp_proxy_statistics(s->proxy, &done, sizeof done) == MP_OK)
        say(s, "relay: %llu sessions, %llu left; %llu packets, %llu relayed",
            (unsigned long long)done.sessions_total, (unsigned long long)done.sessions,
            (unsigned long long)done.received, (unsigned long long)done.relayed);
    mp_proxy_stop(s->proxy);
    return true;
}

/* Frees the inherited handles of the parent's worker. In a child that only closes
 * inherited descriptors. */
static void free_inherited(struct server *s)
{
    while (s->jobs) {
        struct job *job = s->jobs;
        s->jobs = job->next;
        mp_request_free(job->request);
        mp_edits_free(job->edits);
        free(job);
    }
    mp_options_free(s->first_hop);
    mp_verdict_free(s->verdict);
    mp_message_free(s->message);
    mp_worker_free(s->worker);
    s->verdict = NULL;
    s->message = NULL;
    s->worker = NULL;
}

static void start_child(struct server *s, int place)
{
    pid_t pid = fork();
    bool well;

    if (pid < 0) {
        say(s, "cannot fork: %s", strerror(errno));
        stopping = 1;
        return;
    }
    children[place].pid = pid;
    children[place].started = mp_now();
    if (pid != 0)
        return;

    /* A child stops when its parent dies. */
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        stopping = 1;
    memset(children, 0, sizeof children);
    child_ended = 0;
    free_inherited(s);
    s->number = place;
    close_sockets(s, place - 1);
    if (place == 0) {
        well = keep(s);
    } else {
        /* A worker only uses the relay; an inherited listening socket would
         * accept connections after the relay died. */
        mp_proxy_free(s->proxy);
        s->proxy = NULL;
        s->socket = s->sockets[place - 1];
        well = work(s, &while_waiting);
    }
    end(s);
    exit(well ? 0 : 1);
}

/* Replaces children that have exited. */
void restart_children(struct server *s)
{
    child_ended = 0;
    for (int place = 0; place <= MAX_WORKERS; place++) {
        struct child *child = &children[place];
        int status;
        if (child->pid == 0 || waitpid(child->pid, &status, WNOHANG) != child->pid)
            continue;
        child->pid = 0;
        say(s, "%s %d exited, status %d", place == 0 ? "keeper" : "worker", place, status);
        if (mp_now() - child->started < 1000 && ++early_exits > MAX_EARLY_EXITS)
            stopping = 1;
        if (!stopping)
            start_child(s, place);
    }
}

/* Serves until SIGTERM or SIGINT. False when a process failed. */
bool serve(struct server *s)
{
    bool well = true;

    catch_signals();
    parent = getpid();
    for (int place = 0; place <= s->workers; place++)
        start_child(s, place);
    say(s, "listening on %s", s->address);
    if (s->workers == 0) {
        s->socket = s->sockets[0];
        well = work(s, &while_waiting);
    }
    while (!stopping) {
        ppoll(NULL, 0, NULL, &while_waiting);
        if (child_ended)
            restart_children(s);
    }
    well = well && early_exits <= MAX_EARLY_EXITS;
    for (int place = MAX_WORKERS; place >= 0; place--) {
        int status = 0;
        if (children[place].pid == 0)
            continue;
        kill(children[place].pid, SIGTERM);
        if (waitpid(children[place].pid, &status, 0) < 0 || status != 0)
            well = false;
    }
    return well;
}
