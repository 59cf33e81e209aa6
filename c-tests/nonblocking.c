/* mp_rewrite_start in a poll loop: many requests at once on one worker, one
 * cancelled, one to a relay that does not answer. */
#include "check.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#define REQUESTS 8

static mp_config *config_for(const char *relay)
{
    mp_config *config = quiet_config();
    set(config, "relay", relay);
    return config;
}

/* Waits for all pending requests and continues those that are ready. */
static void serve(mp_request **requests, size_t count, mp_worker *worker,
                  mp_edits **edits, mp_status *results)
{
    for (;;) {
        struct pollfd waits[REQUESTS];
        size_t owner[REQUESTS], at, waiting = 0;
        uint64_t deadline = UINT64_MAX, now;
        for (at = 0; at < count; at++) {
            mp_wait wait;
            if (results[at] != MP_PENDING)
                continue;
            STATUS(MP_OK, mp_request_wait(requests[at], &wait));
            waits[waiting].fd = wait.descriptor;
            waits[waiting].events =
                (short)((wait.events & MP_WAIT_READ ? POLLIN : 0) |
                        (wait.events & MP_WAIT_WRITE ? POLLOUT : 0));
            waits[waiting].revents = 0;
            owner[waiting++] = at;
            if (wait.descriptor < 0 && wait.events == 0)
                deadline = 0;
            if (wait.deadline < deadline)
                deadline = wait.deadline;
        }
        if (waiting == 0)
            return;
        now = mp_now();
        CHECK(poll(waits, (nfds_t)waiting,
                   deadline > now ? (int)(deadline - now) : 0) >= 0);
        now = mp_now();
        for (at = 0; at < waiting; at++)
            if (waits[at].revents != 0 || waits[at].fd < 0 || deadline <= now)
                results[owner[at]] =
                    mp_request_continue(requests[owner[at]], worker, now,
                                        edits[owner[at]]);
    }
}

static void many_at_once(void)
{
    mp_proxy *proxy = NULL;
    mp_error *error = NULL;
    mp_config *config = config_for("embedded");
    mp_engine *engine;
    mp_worker *worker, *other;
    mp_message *message = mp_message_new();
    mp_address alice = address_of("127.0.0.2", 40000);
    mp_request *requests[REQUESTS], *cancelled = NULL, *none = NULL;
    mp_edits *edits[REQUESTS];
    mp_status results[REQUESTS];
    int ports[REQUESTS];
    size_t at, before;
    written text;

    set(config, "proxy_socket", in_place("proxy.sock"));
    set(config, "proxy_address", "127.0.0.1");
    set(config, "proxy_ports", "20000-29999");
    MADE(mp_proxy_new(config, &proxy, &error), error);
    engine = engine_of(config);
    worker = worker_of(engine);
    other = worker_of(engine);
    MADE(mp_proxy_start(proxy, &error), error);

    for (at = 0; at < REQUESTS; at++) {
        write_message(&text, OFFER, (int)at, 4000);
        parse(message, &text, &alice);
        requests[at] = NULL;
        edits[at] = mp_edits_new();
        results[at] = MP_PENDING;
        VERB(MP_OK, worker,
             mp_rewrite_start(worker, message, NULL, 0, &requests[at]));
        CHECK(requests[at] != NULL);
    }
    write_message(&text, OFFER, 1000, 4000);
    parse(message, &text, &alice);
    VERB(MP_OK, worker,
         mp_rewrite_start(worker, message, NULL, mp_now(), &cancelled));
    mp_request_free(cancelled);

    STATUS(MP_ERR_ARGUMENT,
           mp_request_continue(requests[0], other, 0, edits[0]));
    CHECK(holds(mp_worker_last_error(other), "another worker"));

    /* The bytes of the message are not needed any more. */
    memset(&text, 0, sizeof text);
    serve(requests, REQUESTS, worker, edits, results);
    for (at = 0; at < REQUESTS; at++) {
        VERB(MP_OK, worker, results[at]);
        STATUS(MP_ERR_ARGUMENT,
               mp_request_continue(requests[at], worker, 0, edits[at]));
        write_message(&text, OFFER, (int)at, 4000);
        parse(message, &text, &alice);
        ports[at] = media_port(edited(edits[at], message));
        for (before = 0; before < at; before++)
            CHECK(ports[at] != ports[before]);
        mp_request_free(requests[at]);
        mp_edits_free(edits[at]);
    }

    write_message(&text, BYE, 1, 0);
    parse(message, &text, &alice);
    VERB(MP_NO_SDP, worker, mp_rewrite_start(worker, message, NULL, 0, &none));
    CHECK(none == NULL);

    mp_message_free(message);
    mp_worker_free(other);
    mp_worker_free(worker);
    mp_engine_free(engine);
    mp_config_free(config);
    STATUS(MP_OK, mp_proxy_stop(proxy));
    mp_proxy_free(proxy);
}

/* A relay that accepts the connection and does not answer: the request ends at
 * its deadline, and no edit is added. */
static void silence(void)
{
    struct sockaddr_un own;
    char relay[120];
    const char *path = in_place("silent.sock");
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    mp_config *config;
    mp_engine *engine;
    mp_worker *worker;
    mp_message *message = mp_message_new();
    mp_edits *edits = mp_edits_new();
    mp_request *request = NULL;
    mp_status result = MP_PENDING;
    mp_address alice = address_of("127.0.0.2", 40000);
    uint64_t begin;
    written text;

    memset(&own, 0, sizeof own);
    own.sun_family = AF_UNIX;
    snprintf(own.sun_path, sizeof own.sun_path, "%.100s", path);
    CHECK(listener >= 0);
    CHECK(bind(listener, (struct sockaddr *)&own, sizeof own) == 0);
    CHECK(listen(listener, 8) == 0);

    snprintf(relay, sizeof relay, "mediaproxy2:%.100s", path);
    config = config_for(relay);
    set(config, "relay_timeout", "2000");
    set(config, "relay_try", "2000");
    engine = engine_of(config);
    worker = worker_of(engine);
    write_message(&text, OFFER, 1, 4000);
    parse(message, &text, &alice);
    VERB(MP_OK, worker, mp_fix_contact(worker, message, edits));
    CHECK(mp_edits_count(edits) == 1);
    begin = mp_now();
    VERB(MP_OK, worker, mp_rewrite_start(worker, message, NULL, 0, &request));
    result = mp_request_continue(request, worker, 0, edits);
    CHECK(result == MP_PENDING && mp_now() - begin < 2000);
    serve(&request, 1, worker, &edits, &result);
    VERB(MP_ERR_RELAY_TIMEOUT, worker, result);
    CHECK(mp_now() - begin >= 1990);
    CHECK(mp_edits_count(edits) == 1);

    mp_request_free(request);

    /* Freed after its worker, while the relay is tried or not. */
    request = NULL;
    (void)mp_rewrite_start(worker, message, NULL, 0, &request);
    mp_worker_free(worker);
    mp_request_free(request);
    mp_edits_free(edits);
    mp_message_free(message);
    mp_engine_free(engine);
    mp_config_free(config);
    close(listener);
    CHECK(unlink(path) == 0);
}

int main(void)
{
    many_at_once();
    silence();
    gone();
    return 0;
}
