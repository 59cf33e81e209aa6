/* What the parts of the server know of each other. */
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

/* A message on its way through one process. */
struct job {
    struct job *next;
    uint64_t call;       /* the same for all messages of a call */
    mp_request *request; /* waits for a relay; NULL: for an earlier message */
    uint64_t started;    /* when the relay was asked, as mp_now counts */
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
    mp_proxy *proxy; /* NULL: the relays are others' */
    struct registrar *registrar;
    struct sockaddr_in own;
    char address[32]; /* the same, as it stands in Via and Record-Route */
    int sockets[MAX_WORKERS];
    int workers; /* 0: the first process does the work itself */

    /* Made in each process that works, after the fork. */
    int number; /* of this worker, from 1 */
    int socket;
    mp_worker *worker;
    mp_message *message;
    mp_verdict *verdict;
    struct job *jobs;
    size_t job_count;
    uint64_t turns;
    uint64_t longest; /* turn, in microseconds */
    char in[SIP_ROOM];
    char out[SIP_ROOM];
};

/* children.c: the processes, and what the signals said. */
extern volatile sig_atomic_t stopping, child_ended;
bool serve(struct server *s);
void restart_children(struct server *s);

/* loop.c: messages in, messages out, until it is to stop; false when it cannot. */
bool work(struct server *s, const sigset_t *while_waiting);
void send_text(struct server *s, const char *text, const struct sockaddr_in *to);

/* media.c: the library at work. */
bool start_job(struct server *s, struct job *job);
bool continue_job(struct server *s, struct job *job);

/* route.c: who gets a message. */
int own_answer(struct server *s, const char *request);
void route(struct server *s, char *text, const struct sockaddr_in *from, bool natted);
void answer(struct server *s, const char *request, const char *status, const char *more,
            const struct sockaddr_in *to);

/* minimal_server.c: one line on standard output; control bytes become '?'. */
void say(const struct server *s, const char *format, ...);

/* Closes the SIP sockets of this process, all but one. */
void close_sockets(struct server *s, int but);

/* Frees what was made before the fork, in each process its own. */
void end(struct server *s);

#endif
