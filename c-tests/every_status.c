/* Provokes each status from C. tests/c/programs.rs checks that every one of
 * the header stands in a PROVOKE here or, with a reason, in
 * unprovoked-statuses.txt. */
#include "check.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>
#include <sys/wait.h>

#define PROVOKE(wanted, call) STATUS(wanted, call)

static mp_message *message;
static mp_edits *edits;
static mp_verdict *verdict;
static mp_address source;
static written text;

static void offer(void)
{
    write_message(&text, OFFER, 1, 4000);
    parse(message, &text, &source);
    STATUS(MP_OK, mp_edits_reset(edits));
}

/* A worker whose only relay listens on path, with this relay_timeout. */
static mp_worker *worker_with(const char *path, const char *milliseconds)
{
    char relay[120];
    mp_config *config = quiet_config();
    mp_engine *engine;
    mp_worker *worker;
    snprintf(relay, sizeof relay, "mediaproxy2:%.100s", path);
    set(config, "relay", relay);
    set(config, "relay_timeout", milliseconds);
    set(config, "relay_try", milliseconds);
    engine = engine_of(config);
    worker = worker_of(engine);
    mp_engine_free(engine);
    mp_config_free(config);
    return worker;
}

static int listen_on(const char *path)
{
    struct sockaddr_un own;
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    memset(&own, 0, sizeof own);
    own.sun_family = AF_UNIX;
    snprintf(own.sun_path, sizeof own.sun_path, "%.100s", path);
    CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&own, sizeof own) == 0);
    CHECK(listen(fd, 4) == 0);
    return fd;
}

/* Answers the request on the last of the connections that wait. */
static void answer_one(int listener)
{
    char request[8192];
    struct pollfd wait;
    int fd = -1;
    wait.fd = listener;
    wait.events = POLLIN;
    while (poll(&wait, 1, fd < 0 ? -1 : 100) == 1) {
        if (fd >= 0)
            close(fd);
        fd = accept(listener, NULL, NULL);
    }
    CHECK(read(fd, request, sizeof request) > 0);
    CHECK(write(fd, "127.0.0.1 50000\r\n", 17) == 17);
    close(fd);
}

static void pure(mp_worker *worker)
{
    char *huge;
    mp_str raw;
    size_t length = 0;
    mp_address none = source;
    mp_edit edit;

    offer();
    PROVOKE(MP_OK, mp_nat_test(worker, message, 7, 0, verdict));
    CHECK(mp_verdict_matched(verdict) != 0);
    PROVOKE(MP_ERR_NULL, mp_nat_test(worker, NULL, 7, 0, verdict));
    CHECK(holds(mp_worker_last_error(worker), "message is NULL"));
    PROVOKE(MP_ERR_ARGUMENT, mp_nat_test(worker, message, 32, 0, verdict));
    CHECK(mp_verdict_matched(verdict) == 0);
    PROVOKE(MP_ERR_ARGUMENT, mp_nat_test(worker, message, 0, 0, verdict));
    PROVOKE(MP_ERR_ARGUMENT, mp_nat_test(worker, message, 7, 2, verdict));
    PROVOKE(MP_ERR_ARGUMENT, mp_edits_get(edits, 0, &edit));
    none.family = 5;
    PROVOKE(MP_ERR_ARGUMENT, mp_message_parse(message, mp_text(text.bytes),
                                              &none, NULL, MP_TRANSPORT_UDP));
    PROVOKE(MP_ERR_ARGUMENT,
            mp_message_parse(message, mp_text(text.bytes), &source, NULL, 7));
    CHECK(holds(mp_message_last_error(message), "transport"));
    /* After an error the handle holds no message. */
    PROVOKE(MP_ERR_ARGUMENT, mp_fix_contact(worker, message, edits));
    PROVOKE(MP_ERR_SYNTAX,
            mp_message_parse(message, mp_text("GET / HTTP/1.1\r\n\r\n"),
                             &source, NULL, MP_TRANSPORT_TCP));
    huge = (char *)malloc(65537);
    CHECK(huge != NULL);
    memset(huge, ' ', 65537);
    memcpy(huge, text.bytes, text.length);
    raw.ptr = huge;
    raw.len = 65537;
    PROVOKE(MP_ERR_LIMIT,
            mp_message_parse(message, raw, &source, NULL, MP_TRANSPORT_UDP));
    free(huge);

    offer();
    STATUS(MP_OK, mp_fix_contact(worker, message, edits));
    PROVOKE(MP_ERR_BUFFER_TOO_SMALL,
            mp_edits_apply(edits, message, NULL, 0, &length));
    CHECK(length > text.length - 20 && length < text.length + 20);
    STATUS(MP_OK,
           mp_message_parse(message,
                            mp_text("BYE sip:b@example.com SIP/2.0\r\n\r\n"),
                            &source, NULL, MP_TRANSPORT_UDP));
    length = 4711;
    PROVOKE(MP_ERR_EDITS, mp_edits_apply(edits, message, NULL, 0, &length));
    CHECK(length == 4711);
    CHECK(mp_edits_last_error(edits).len > 0);
    PROVOKE(MP_NO_CONTACT, mp_fix_contact(worker, message, edits));
}

static void settings(void)
{
    mp_config *config = quiet_config();
    mp_proxy *proxy = NULL, *second = NULL;
    mp_error *error = NULL;
    PROVOKE(MP_ERR_SETTING, mp_proxy_new(config, &proxy, &error));
    CHECK(proxy == NULL && holds(mp_error_text(error), "proxy_address"));
    mp_error_free(error);
    error = NULL;
    set(config, "proxy_address", "127.0.0.1");
    set(config, "proxy_socket", "/dev/null/proxy.sock");
    PROVOKE(MP_ERR_SYSTEM, mp_proxy_new(config, &proxy, &error));
    CHECK(proxy == NULL && holds(mp_error_text(error), "/dev/null"));
    STATUS(MP_ERR_SYSTEM, mp_error_status(error));
    mp_error_free(error);
    error = NULL;

    /* Two proxies cannot serve one socket. */
    set(config, "proxy_socket", in_place("proxy.sock"));
    MADE(mp_proxy_new(config, &proxy, &error), error);
    PROVOKE(MP_ERR_SYSTEM, mp_proxy_new(config, &second, NULL));
    CHECK(second == NULL && access(in_place("proxy.sock"), F_OK) == 0);
    mp_proxy_free(proxy);
    mp_config_free(config);
}

static void relays(void)
{
    const char *path = in_place("relay.sock");
    mp_worker *worker = worker_with(path, "20000");
    mp_request *request = NULL;
    mp_status status;
    pid_t child;
    int listener, result = -1;

    offer();
    PROVOKE(MP_ERR_NO_RELAY, mp_rewrite_sdp(worker, message, NULL, edits));
    CHECK(holds(mp_worker_last_error(worker), "relay.sock"));
    CHECK(mp_edits_count(edits) == 0);
    mp_worker_free(worker);

    listener = listen_on(path);
    worker = worker_with(path, "20000");
    STATUS(MP_OK, mp_rewrite_start(worker, message, NULL, 0, &request));
    status = mp_request_continue(request, worker, 0, edits);
    PROVOKE(MP_PENDING, status);
    mp_request_free(request);
    mp_worker_free(worker);

    /* The call ends before the relay answers. */
    worker = worker_with(path, "20000");
    STATUS(MP_OK, mp_rewrite_start(worker, message, NULL, 0, &request));
    STATUS(MP_OK, mp_end_call(worker, mp_text("call-1@example.com"),
                              mp_text("a1"), mp_text("")));
    answer_one(listener);
    do
        status = mp_request_continue(request, worker, 0, edits);
    while (status == MP_PENDING);
    PROVOKE(MP_ERR_ENDED, status);
    mp_request_free(request);
    mp_worker_free(worker);

    worker = worker_with(path, "300");
    PROVOKE(MP_ERR_RELAY_TIMEOUT, mp_rewrite_sdp(worker, message, NULL, edits));
    mp_worker_free(worker);
    close(listener);
    CHECK(unlink(path) == 0);

    /* A relay that refuses every request. */
    listener = listen_on(path);
    child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        char request_text[8192];
        int fd = accept(listener, NULL, NULL);
        while (fd >= 0 && read(fd, request_text, sizeof request_text) > 0)
            if (write(fd, "error\r\n", 7) != 7)
                break;
        close(fd);
        close(listener);
        _exit(0);
    }
    close(listener);
    worker = worker_with(path, "20000");
    PROVOKE(MP_ERR_RELAY_ANSWER, mp_rewrite_sdp(worker, message, NULL, edits));
    CHECK(mp_edits_count(edits) == 0);
    mp_worker_free(worker);
    CHECK(waitpid(child, &result, 0) == child && result == 0);
    CHECK(unlink(path) == 0);
}

int main(void)
{
    mp_worker *worker;
    pid_t child;
    int result = -1;

    message = mp_message_new();
    edits = mp_edits_new();
    verdict = mp_verdict_new();
    source = address_of("127.0.0.2", 40000);
    worker = worker_with(in_place("nobody.sock"), "20000");
    pure(worker);
    settings();
    relays();

    write_message(&text, BYE, 1, 0);
    parse(message, &text, &source);
    PROVOKE(MP_NO_SDP, mp_rewrite_sdp(worker, message, NULL, edits));

    child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        PROVOKE(MP_ERR_WRONG_PROCESS, mp_end_session(worker, message, NULL));
        _exit(0);
    }
    CHECK(waitpid(child, &result, 0) == child && result == 0);
    mp_worker_free(worker);
    mp_verdict_free(verdict);
    mp_edits_free(edits);
    mp_message_free(message);
    gone();
    return 0;
}
