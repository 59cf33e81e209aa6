/*
 * A small SIP proxy for phones behind NAT, to copy from.
 *
 *   cargo build --release
 *   cc -std=c99 -O2 -I include \
 *      examples/proxy.c examples/proxy_sip.c examples/support/sip.c \
 *      target/release/libmediaproxy.a -lgcc_s -lutil -lrt -lpthread -lm -ldl -o proxy
 *   ./proxy 192.0.2.1:5060
 *
 * repair() uses the library and start() makes its handles; proxy_sip.c is the
 * SIP around them.
 *
 * It prints what it does on standard output, one fact a line; "stats" and "quit"
 * on standard input are commands. examples/natted_call uses both, and the option
 * --without FUNCTION, which omits one call to show what then goes wrong.
 */
#define _POSIX_C_SOURCE 200809L

#include <arpa/inet.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "mediaproxy.h"
#include "proxy_sip.h"

struct server {
    /* Made once, before the fork in a server that forks. */
    mp_config *config;
    mp_engine *engine;
    mp_proxy *proxy;
    /* Made once in each process or thread, after the fork. */
    mp_worker *worker;
    mp_message *message;
    mp_verdict *verdict;
    mp_options *first_hop;
    mp_edits *edits;

    mp_address local;
    char in[SIP_ROOM];
    struct sip sip;
};

/*
 * Prints what happens, and how long each call of the library takes. A server has
 * its own log and does not need this.
 */
static unsigned number; /* of the current message */
static struct timespec started;
static const char *omitted = "";

static void print_bytes(const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        printf("%02x", (unsigned char)bytes[i]);
    putchar('\n');
}

static void print_verdict(mp_verdict *verdict)
{
    printf("tested %u %u\n", number, mp_verdict_matched(verdict));
    for (size_t i = 0; i < mp_verdict_count(verdict); i++) {
        mp_str why = mp_verdict_text(verdict, i);
        printf("evidence %u %.*s\n", number, (int)why.len, why.ptr);
    }
}

static void print_error(mp_str why)
{
    printf("error %u %.*s\n", number, (int)why.len, why.ptr);
}

static mp_status time_of(const char *call, mp_status status)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    double us = (double)(now.tv_sec - started.tv_sec) * 1e6 +
                (double)(now.tv_nsec - started.tv_nsec) / 1e3;
    printf("time %u %s %.3f\n", number, call, us);
    return status;
}

/* Times a call, or omits it. A macro does not expand within itself, so the inner
 * name is the function. */
#define STEP(name, call)                                                       \
    (strcmp(omitted, name) != 0                                               \
         ? time_of(name, (clock_gettime(CLOCK_MONOTONIC, &started), call))     \
         : MP_OK)
#define mp_message_parse(...) STEP("mp_message_parse", mp_message_parse(__VA_ARGS__))
#define mp_nat_test(...) STEP("mp_nat_test", mp_nat_test(__VA_ARGS__))
#define mp_fix_contact_with(...) STEP("mp_fix_contact", mp_fix_contact_with(__VA_ARGS__))
#define mp_rewrite_sdp(...) STEP("mp_rewrite_sdp", mp_rewrite_sdp(__VA_ARGS__))
#define mp_end_session(...) STEP("mp_end_session", mp_end_session(__VA_ARGS__))
#define mp_edits_apply(...) STEP("mp_edits_apply", mp_edits_apply(__VA_ARGS__))

/*
 * The use of the library.
 */

/* Contact or Via is private, or the source differs from the Via. */
#define TESTS (MP_TEST_PRIVATE_CONTACT | MP_TEST_SOURCE_ADDRESS | MP_TEST_PRIVATE_VIA)

/* Writes the repaired message to s->sip.text and returns its length, 0 when raw
 * is not a SIP message. When one step fails, as without a relay, the edits of the
 * others are applied. */
static size_t repair(struct server *s, mp_str raw, const mp_address *source)
{
    size_t length = 0;
    mp_status status = mp_message_parse(s->message, raw, source, &s->local, MP_TRANSPORT_UDP);

    if (status != MP_OK)
        return 0;
    mp_edits_reset(s->edits);
    status = mp_nat_test(s->worker, s->message, TESTS, 0, s->verdict);
    if (status == MP_OK && mp_verdict_matched(s->verdict) != 0)
        status = mp_fix_contact_with(s->worker, s->message, s->first_hop, s->edits);
    /* MP_NO_CONTACT is not an error: a BYE has no Contact. An INVITE goes to one
     * phone here, and each failure reply goes back to the caller. A server that sends
     * it to several uses mp_options_set_scope for the reply of one phone. */
    if (status >= MP_OK && mp_message_terminates(s->message))
        status = mp_end_session(s->worker, s->message, NULL);
    else if (status >= MP_OK)
        status = mp_rewrite_sdp(s->worker, s->message, NULL, s->edits);
    if (status < MP_OK)
        print_error(mp_worker_last_error(s->worker));
    mp_edits_apply(s->edits, s->message, s->sip.text, SIP_ROOM - 1, &length);
    return length;
}

static mp_address address_of(const struct sockaddr_in *from)
{
    mp_address address = { .family = 4, .port = ntohs(from->sin_port) };

    memcpy(address.bytes, &from->sin_addr, 4);
    return address;
}

/* One datagram from the network. */
static void handle(struct server *s, mp_str message, const struct sockaddr_in *from)
{
    mp_address source = address_of(from);
    char ip[INET_ADDRSTRLEN] = "";
    size_t length;

    /* Empty lines before a message (RFC 3261 7.5); alone they are keepalives. */
    while (message.len > 0 && (*message.ptr == '\r' || *message.ptr == '\n')) {
        message.ptr++;
        message.len--;
    }
    if (message.len == 0)
        return;
    inet_ntop(AF_INET, &from->sin_addr, ip, sizeof ip);
    printf("received %u %s:%u ", ++number, ip, source.port);
    print_bytes(message.ptr, message.len);

    length = repair(s, message, &source);
    if (length == 0)
        return;
    s->sip.text[length] = '\0';
    print_verdict(s->verdict);
    printf("edited %u ", number);
    print_bytes(s->sip.text, length);

    /* The SIP code below handles C strings: no NUL within a message. */
    if (strlen(s->sip.text) == length)
        sip_route(&s->sip, from);
}

/*
 * Start and stop.
 */

static mp_str text(const char *string)
{
    mp_str result = { string, strlen(string) };
    return result;
}

/* Prints the reason of a failure and exits. It takes a pointer to the reason,
 * because C may evaluate an argument before the call beside it. */
static void must(mp_status status, mp_error *const *error)
{
    if (status != MP_OK) {
        mp_str why = mp_error_text(*error);
        fprintf(stderr, "proxy: %.*s\n", (int)why.len, why.ptr);
        exit(1);
    }
}

static void set(struct server *s, const char *name, const char *value)
{
    mp_error *error = NULL;
    must(mp_config_set(s->config, text(name), text(value), &error), &error);
}

/* Makes the handles. A server that forks does so after mp_proxy_new, makes a
 * worker in each of its processes, and calls mp_proxy_run in a process of its
 * own. */
static void start(struct server *s, const char *where)
{
    mp_error *error = NULL;
    struct sockaddr_in own;
    char ip[INET_ADDRSTRLEN] = "";

    s->sip.socket = sip_listen(where, false, &own);
    if (s->sip.socket < 0) {
        fprintf(stderr, "proxy: cannot listen on %s\n", where);
        exit(1);
    }
    s->local = address_of(&own);
    sip_print(&own, s->sip.address);
    inet_ntop(AF_INET, &own.sin_addr, ip, sizeof ip);
    s->config = mp_config_new();
    set(s, "relay", "embedded");
    set(s, "proxy_address", ip);
    must(mp_engine_new(s->config, &s->engine, &error), &error);
    must(mp_proxy_new(s->config, &s->proxy, &error), &error);

    must(mp_proxy_start(s->proxy, &error), &error);
    must(mp_worker_new(s->engine, &s->worker, &error), &error);
    s->message = mp_message_new();
    s->verdict = mp_verdict_new();
    /* A Contact that came through another proxy stays as it is. */
    s->first_hop = mp_options_new();
    must(mp_options_set(s->first_hop, mp_text("first_hop"), mp_text("yes"), &error), &error);
    s->edits = mp_edits_new();
    printf("listening %s\n", s->sip.address);
}

static void stop(struct server *s)
{
    mp_edits_free(s->edits);
    mp_options_free(s->first_hop);
    mp_verdict_free(s->verdict);
    mp_message_free(s->message);
    mp_worker_free(s->worker);
    mp_proxy_stop(s->proxy);
    mp_proxy_free(s->proxy);
    mp_engine_free(s->engine);
    mp_config_free(s->config);
    close(s->sip.socket);
}

/* Executes one line of standard input. False: stop. */
static bool command(struct server *s)
{
    char line[16];
    ssize_t length = read(STDIN_FILENO, line, sizeof line);
    mp_proxy_counters now;

    if (length <= 0 || !strncmp(line, "quit", 4))
        return false;
    if (mp_proxy_statistics(s->proxy, &now, sizeof now) == MP_OK)
        printf("stats sessions=%llu open_ports=%llu received=%llu relayed=%llu dropped=%llu\n",
               (unsigned long long)now.sessions, (unsigned long long)now.open_ports,
               (unsigned long long)now.received, (unsigned long long)now.relayed,
               (unsigned long long)now.dropped);
    return true;
}

int main(int argc, char **argv)
{
    static struct server s;
    struct pollfd wait[2] = { { .events = POLLIN }, { .fd = STDIN_FILENO, .events = POLLIN } };

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc != 2 && !(argc == 4 && !strcmp(argv[2], "--without"))) {
        fprintf(stderr, "usage: proxy ADDRESS:PORT [--without FUNCTION]\n");
        return 2;
    }
    if (argc == 4)
        omitted = argv[3];
    start(&s, argv[1]);
    wait[0].fd = s.sip.socket;
    for (;;) {
        struct sockaddr_in from;
        socklen_t size = sizeof from;
        ssize_t length;

        if (poll(wait, 2, -1) < 0)
            continue;
        if (wait[1].revents && !command(&s))
            break;
        if (!wait[0].revents)
            continue;
        length = recvfrom(s.sip.socket, s.in, sizeof s.in - 1, 0, (struct sockaddr *)&from, &size);
        if (length > 0) {
            mp_str message = { s.in, (size_t)length };
            s.in[length] = '\0';
            handle(&s, message, &from);
        }
    }
    stop(&s);
    return 0;
}
