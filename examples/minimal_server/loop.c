/*
 * The event loop of one process: the SIP socket, and a descriptor and a deadline
 * for each message that waits for a relay. It blocks only in ppoll.
 */
#define _GNU_SOURCE /* ppoll, RUSAGE_THREAD */

#include "server.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

/* Messages received in one turn of the loop. */
#define AT_ONCE 8

void send_text(struct server *s, const char *text, const struct sockaddr_in *to)
{
    if (sendto(s->socket, text, strlen(text), MSG_DONTWAIT, (const struct sockaddr *)to,
               sizeof *to) < 0) {
        char address[32];
        sip_print(to, address);
        say(s, "cannot send to %s: %s", address, strerror(errno));
    }
}

static void free_job(struct job *job)
{
    mp_request_free(job->request);
    mp_edits_free(job->edits);
    free(job);
}

/* True when an earlier message of the same call is in progress. */
static bool must_wait(const struct server *s, const struct job *job)
{
    const struct job *other = s->jobs;

    while (other && other != job && other->call != job->call)
        other = other->next;
    return other && other != job;
}

/* True for a retransmission of a message that is in progress. */
static bool is_repeated(const struct server *s, const struct job *job)
{
    const struct job *other = s->jobs;

    while (other && (other->length != job->length || memcmp(other->raw, job->raw, job->length) ||
                     memcmp(&other->from, &job->from, sizeof job->from)))
        other = other->next;
    return other != NULL;
}

/* Starts a message. The messages of one call are processed one after the other:
 * a CANCEL must not overtake its INVITE, nor a 200 its 183. */
static void take(struct server *s, struct job *job)
{
    struct job **end = &s->jobs;

    if (is_repeated(s, job) || (!must_wait(s, job) && !start_job(s, job))) {
        free_job(job);
        return;
    }
    while (*end)
        end = &(*end)->next;
    *end = job;
    s->job_count++;
}

/* Joins folded header lines (RFC 3261 7.3.1). */
static void unfold(char *text)
{
    char *line = text, *end = strstr(text, "\r\n\r\n");

    while ((line = strstr(line, "\r\n")) != NULL && line < end) {
        if (line[2] == ' ' || line[2] == '\t')
            line[0] = line[1] = ' ';
        line += 2;
    }
}

static bool is_whole(const char *text)
{
    return strstr(text, "\r\n\r\n") && strchr(text, ' ') < strstr(text, "\r\n") &&
           sip_header(text, "Via") && sip_header(text, "From") && sip_header(text, "To") &&
           sip_header(text, "Call-ID") && sip_header(text, "CSeq");
}

/* Receives one datagram. False when there is none. */
static bool receive(struct server *s)
{
    struct sockaddr_in from = { 0 };
    socklen_t size = sizeof from;
    ssize_t received = recvfrom(s->socket, s->in, sizeof s->in - 1, MSG_DONTWAIT,
                                (struct sockaddr *)&from, &size);
    const char *text = s->in, *call;
    struct job *job;

    if (received < 0)
        return false;
    s->in[received] = '\0';
    /* Empty lines before a message (RFC 3261 7.5); alone they are keepalives. */
    text += strspn(text, "\r\n");
    /* The SIP code handles C strings: no NUL within a message. */
    if (!*text || text + strlen(text) != s->in + received || !strstr(text, "\r\n\r\n"))
        return true;
    unfold(s->in + (text - s->in));
    if (!is_whole(text))
        return true;
    job = calloc(1, sizeof *job + strlen(text) + 1);
    if (!job)
        return true;
    job->length = strlen(text);
    memcpy(job->raw, text, job->length + 1);
    job->from = from;
    call = sip_value(sip_header(job->raw, "Call-ID"));
    job->call = sip_hash(SIP_SEED, call, strcspn(call, "\r"));
    job->edits = mp_edits_new();
    take(s, job);
    return true;
}

/* Fills fds in the order of the jobs. Returns the time until the next deadline
 * in milliseconds, -1 without one. */
static int watch(const struct server *s, struct pollfd *fds)
{
    uint64_t next = UINT64_MAX, now = mp_now();

    fds->fd = s->socket;
    /* With MAX_JOBS in progress, messages stay in the socket. */
    fds->events = s->job_count < MAX_JOBS ? POLLIN : 0;
    for (const struct job *job = s->jobs; job; job = job->next) {
        mp_wait wait = { UINT64_MAX, -1, 0 };
        if (job->request)
            mp_request_wait(job->request, &wait);
        fds++;
        fds->fd = wait.descriptor;
        fds->events = (short)((wait.events & MP_WAIT_READ ? POLLIN : 0) |
                              (wait.events & MP_WAIT_WRITE ? POLLOUT : 0));
        if (wait.deadline < next)
            next = wait.deadline;
    }
    if (next == UINT64_MAX)
        return -1;
    return next > now ? (int)(next - now) : 0;
}

static bool is_due(const struct job *job, uint64_t now)
{
    mp_wait wait;

    return mp_request_wait(job->request, &wait) == MP_OK && now >= wait.deadline;
}

/* Continues the jobs that are ready. */
static void advance(struct server *s, const struct pollfd *fds)
{
    uint64_t now = mp_now();
    struct job **at = &s->jobs;

    while (*at) {
        struct job *job = *at;
        bool ready = (++fds)->revents != 0, lives = true;
        if (job->request && (ready || is_due(job, now)))
            lives = continue_job(s, job);
        else if (!job->request && !must_wait(s, job))
            lives = start_job(s, job);
        if (lives) {
            at = &job->next;
        } else {
            *at = job->next;
            s->job_count--;
            free_job(job);
        }
    }
}

/* The duration of a turn. A turn must not block. When it did, its elapsed time
 * counts, else its CPU time, which other processes of a busy machine do not
 * change. */
struct turn {
    struct timespec clock, processor;
    long waits;
};

static struct turn turn_now(void)
{
    struct turn turn;
    struct rusage usage;

    clock_gettime(CLOCK_MONOTONIC, &turn.clock);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &turn.processor);
    getrusage(RUSAGE_THREAD, &usage);
    turn.waits = usage.ru_nvcsw;
    return turn;
}

static void count_turn(struct server *s, const struct turn *start)
{
    struct turn end = turn_now();
    bool waited = end.waits != start->waits;
    const struct timespec *from = waited ? &start->clock : &start->processor,
                          *to = waited ? &end.clock : &end.processor;
    int64_t us = (int64_t)(to->tv_sec - from->tv_sec) * 1000000 +
                 (to->tv_nsec - from->tv_nsec) / 1000;

    s->turns++;
    if (us > (int64_t)s->longest)
        s->longest = (uint64_t)us;
}

static bool make(struct server *s)
{
    mp_error *error = NULL;

    if (mp_worker_new(s->engine, &s->worker, &error) != MP_OK) {
        mp_str why = mp_error_text(error);
        say(s, "cannot start the worker: %.*s", (int)why.len, why.ptr);
        mp_error_free(error);
        return false;
    }
    s->message = mp_message_new();
    s->verdict = mp_verdict_new();
    s->first_hop = mp_options_new();
    return mp_options_set(s->first_hop, mp_text("first_hop"), mp_text("yes"), NULL) == MP_OK;
}

/* Receives and sends messages until the server stops. */
bool work(struct server *s, const sigset_t *while_waiting)
{
    static struct pollfd fds[MAX_JOBS + AT_ONCE + 1];

    if (!make(s))
        return false;
    while (!stopping) {
        int timeout = watch(s, fds);
        struct timespec until = { timeout / 1000, (timeout % 1000) * 1000000L };
        bool some = ppoll(fds, s->job_count + 1, timeout < 0 ? NULL : &until, while_waiting) >= 0;
        struct turn start = turn_now();

        if (child_ended)
            restart_children(s);
        if (some)
            advance(s, fds);
        for (int i = 0; some && fds->revents && i < AT_ONCE && receive(s); i++)
            ;
        count_turn(s, &start);
    }
    while (s->jobs) {
        struct job *job = s->jobs;
        s->jobs = job->next;
        free_job(job);
    }
    say(s, "%llu turns, the longest %llu us", (unsigned long long)s->turns,
        (unsigned long long)s->longest);
    mp_options_free(s->first_hop);
    mp_verdict_free(s->verdict);
    mp_message_free(s->message);
    mp_worker_free(s->worker);
    return true;
}
