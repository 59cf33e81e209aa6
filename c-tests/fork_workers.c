/* A server of eight workers and one process that runs the relay; engine and
 * proxy are made before the fork. One process rewrites the offer of a call,
 * another the answer, and a third terminates it. */
#include "check.h"

#include <pthread.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>

#define WORKERS 8
#define CALLS 24

/* A request of the parent to a child, and the answer. */
typedef struct order {
    int kind; /* OFFER, ANSWER, BYE; SESSIONS of the proxy; QUIT */
    int call;
} order;

typedef struct outcome {
    int status;
    int value;
} outcome;

enum { SESSIONS = 100, QUIT };

static outcome ask(int fd, int kind, int call)
{
    order what;
    outcome result;
    what.kind = kind;
    what.call = call;
    CHECK(write(fd, &what, sizeof what) == (ssize_t)sizeof what);
    CHECK(read(fd, &result, sizeof result) == (ssize_t)sizeof result);
    return result;
}

static void reply(int fd, int status, int value)
{
    outcome result;
    result.status = status;
    result.value = value;
    CHECK(write(fd, &result, sizeof result) == (ssize_t)sizeof result);
}

static void serve_calls(int fd, mp_engine *engine, mp_worker *of_parent)
{
    mp_worker *worker = worker_of(engine);
    mp_message *message = mp_message_new();
    mp_edits *edits = mp_edits_new();
    mp_verdict *verdict = mp_verdict_new();
    mp_request *request = NULL;
    mp_address alice = address_of("127.0.0.2", 40000);
    mp_address bob = address_of("127.0.0.3", 40000);
    written text;
    order what;

    /* With the parent's worker, verbs that need a relay fail here and the others
     * work. Freeing the copy of this process does not affect the parent. */
    write_message(&text, OFFER, 9999, 4000);
    parse(message, &text, &alice);
    STATUS(MP_ERR_WRONG_PROCESS,
           mp_rewrite_sdp(of_parent, message, NULL, edits));
    STATUS(MP_ERR_WRONG_PROCESS,
           mp_rewrite_start(of_parent, message, NULL, 0, &request));
    STATUS(MP_ERR_WRONG_PROCESS, mp_end_session(of_parent, message, NULL));
    STATUS(MP_ERR_WRONG_PROCESS,
           mp_end_call(of_parent, mp_text("x"), mp_text("y"), mp_text("")));
    CHECK(holds(mp_worker_last_error(of_parent), "process"));
    STATUS(MP_OK, mp_nat_test(of_parent, message, 1, 0, verdict));
    CHECK(mp_verdict_matched(verdict) == 1);
    mp_worker_free(of_parent);

    while (read(fd, &what, sizeof what) == (ssize_t)sizeof what &&
           what.kind != QUIT) {
        mp_status status;
        int port = 0;
        write_message(&text, what.kind, what.call, 4000 + 2 * what.call);
        parse(message, &text, what.kind == ANSWER ? &bob : &alice);
        STATUS(MP_OK, mp_edits_reset(edits));
        if (what.kind == BYE) {
            status = mp_end_session(worker, message, NULL);
        } else {
            status = mp_rewrite_sdp(worker, message, NULL, edits);
            if (status == MP_OK) {
                port = media_port(edited(edits, message));
            } else {
                mp_str why = mp_worker_last_error(worker);
                fprintf(stderr, "call %d: %.*s\n", what.call, (int)why.len, why.ptr);
            }
        }
        reply(fd, status, port);
    }
    mp_verdict_free(verdict);
    mp_edits_free(edits);
    mp_message_free(message);
    mp_worker_free(worker);
    mp_engine_free(engine);
    close(fd);
}

static void *run(void *proxy)
{
    mp_error *error = NULL;
    MADE(mp_proxy_run((mp_proxy *)proxy, &error), error);
    return NULL;
}

static void serve_media(int fd, mp_proxy *proxy)
{
    pthread_t thread;
    mp_proxy_counters counters;
    order what;
    CHECK(pthread_create(&thread, NULL, run, proxy) == 0);
    while (read(fd, &what, sizeof what) == (ssize_t)sizeof what &&
           what.kind != QUIT) {
        STATUS(MP_OK, mp_proxy_statistics(proxy, &counters, sizeof counters));
        reply(fd, MP_OK, (int)counters.sessions);
    }
    STATUS(MP_OK, mp_proxy_stop(proxy));
    CHECK(pthread_join(thread, NULL) == 0);
    mp_proxy_free(proxy);
    close(fd);
}

static void wait_for_sessions(int media, int wanted)
{
    int turn;
    for (turn = 0; ask(media, SESSIONS, 0).value != wanted; turn++) {
        struct timespec moment = {0, 10 * 1000 * 1000};
        CHECK(turn < 2000);
        nanosleep(&moment, NULL);
    }
}

int main(void)
{
    mp_config *config = quiet_config();
    mp_proxy *proxy = NULL;
    mp_error *error = NULL;
    mp_engine *engine;
    mp_worker *own;
    int fds[WORKERS + 1], ports[CALLS];
    pid_t children[WORKERS + 1];
    int child, call, other;

    set(config, "relay", "embedded");
    set(config, "proxy_socket", in_place("proxy.sock"));
    set(config, "proxy_address", "127.0.0.1");
    set(config, "proxy_ports", "20000-29999");
    MADE(mp_proxy_new(config, &proxy, &error), error);
    engine = engine_of(config);
    mp_config_free(config);
    own = worker_of(engine);

    for (child = 0; child <= WORKERS; child++) {
        int pair[2];
        CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
        children[child] = fork();
        CHECK(children[child] >= 0);
        if (children[child] == 0) {
            for (other = 0; other < child; other++)
                close(fds[other]);
            close(pair[0]);
            if (child == WORKERS) {
                mp_worker_free(own);
                mp_engine_free(engine);
                serve_media(pair[1], proxy);
            } else {
                /* Closes the inherited copy of the listening socket. */
                mp_proxy_free(proxy);
                serve_calls(pair[1], engine, own);
            }
            exit(0);
        }
        close(pair[1]);
        fds[child] = pair[0];
    }
    CHECK(access(in_place("proxy.sock"), F_OK) == 0);

    for (call = 0; call < CALLS; call++) {
        outcome offered = ask(fds[call % WORKERS], OFFER, call);
        STATUS(MP_OK, (mp_status)offered.status);
        ports[call] = offered.value;
        for (other = 0; other < call; other++)
            CHECK(ports[other] != ports[call]);
    }
    for (call = 0; call < CALLS; call++) {
        outcome answered = ask(fds[(call + 1) % WORKERS], ANSWER, call);
        outcome again = ask(fds[(call + 3) % WORKERS], OFFER, call);
        STATUS(MP_OK, (mp_status)answered.status);
        CHECK(answered.value != ports[call]);
        CHECK(again.status == MP_OK && again.value == ports[call]);
    }
    CHECK(ask(fds[WORKERS], SESSIONS, 0).value == CALLS);
    for (call = 0; call < CALLS; call++) {
        outcome terminated = ask(fds[(call + 2) % WORKERS], BYE, call);
        STATUS(MP_OK, (mp_status)terminated.status);
    }
    wait_for_sessions(fds[WORKERS], 0);

    for (child = 0; child <= WORKERS; child++) {
        order quit;
        int status = -1;
        quit.kind = QUIT;
        quit.call = 0;
        CHECK(write(fds[child], &quit, sizeof quit) == (ssize_t)sizeof quit);
        CHECK(waitpid(children[child], &status, 0) == children[child]);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        close(fds[child]);
    }
    mp_worker_free(own);
    mp_engine_free(engine);
    mp_proxy_free(proxy);
    CHECK(access(in_place("proxy.sock"), F_OK) != 0);
    gone();
    return 0;
}
