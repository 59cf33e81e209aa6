/* What the files of the server share. */
#ifndef SERVER_H
#define SERVER_H

#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../support/sip.h"
#include "mediaproxy.h"

#define MAX_WORKERS 64
#define MAX_JOBS 1024

struct registrar;

/* A message in progress in one process. */
struct job {
    struct job *next;
    uint64_t call;       /* the same for all messages of a call */
    mp_request *request; /* NULL while it waits for an earlier message */
    uint64_t started;    /* when the request was started (mp_now) */
    mp_edits *edits;
    struct sockaddr_in from;
    bool natted;
    size_t length;
    char raw[]; /* ends with a NUL */
};

struct server {
    /* Made once, before the fork. */
    mp_config *config;
    mp_engine *engine;
    mp_proxy *proxy; /* NULL without the built-in relay */
    struct registrar *registrar;
    struct sockaddr_in own;
    char address[32]; /* the same, as it stands in Via and Record-Route */
    int sockets[MAX_WORKERS];
    int workers; /* 0: the first process serves */

    /* Made in each process that serves, after the fork. */
    int number; /* of this worker, from 1 */
    int socket;
    mp_worker *worker;
    mp_message *message;
    mp_verdict *verdict;
    mp_options *first_hop; /* a Contact that came through another proxy stays */
    struct job *jobs;
    size_t job_count;
    uint64_t turns;
    uint64_t longest; /* turn, in microseconds */
    char in[SIP_ROOM];
    char out[SIP_ROOM];
};

/* children.c: the processes and their signals. */
extern volatile sig_atomic_t stopping, child_ended;
bool serve(struct server *s);
void restart_children(struct server *s);

/* loop.c: serves until the process stops. False when it cannot start. */
bool work(struct server *s, const sigset_t *while_waiting);
void send_text(struct server *s, const char *text, const struct sockaddr_in *to);

/* media.c: the use of the library. */
bool start_job(struct server *s, struct job *job);
bool continue_job(struct server *s, struct job *job);

/* route.c: registrar and proxy. */
int own_answer(struct server *s, const char *request);
void route(struct server *s, char *text, const struct sockaddr_in *from, bool natted);
void answer(struct server *s, const char *request, const char *status, const char *more,
            const struct sockaddr_in *to);

/* minimal_server.c: logs one line; control bytes become '?'. */
void say(const struct server *s, const char *format, ...);

/* Closes all SIP sockets of this process except number but. */
void close_sockets(struct server *s, int but);

/* Frees what was made before the fork, the copy of this process. */
void end(struct server *s);

#endif
