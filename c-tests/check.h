/* Shared by the C test programs: checks that exit, and the messages of one call
 * from behind NAT. It is valid C99 and C++11. */
#ifndef CHECK_H
#define CHECK_H

#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mediaproxy.h"

#define CHECK(condition)                                                       \
    do {                                                                       \
        if (!(condition)) {                                                    \
            fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__,       \
                    #condition);                                               \
            exit(1);                                                           \
        }                                                                      \
    } while (0)

/* Checks the status of a call. */
#define STATUS(wanted, call)                                                   \
    do {                                                                       \
        mp_status status_ = (call);                                            \
        if (status_ != (wanted)) {                                             \
            mp_str name_ = mp_status_name(status_);                            \
            fprintf(stderr, "%s:%d: %.*s (%d), wanted %s: %s\n", __FILE__,     \
                    __LINE__, (int)name_.len, name_.ptr, (int)status_,         \
                    #wanted, #call);                                           \
            exit(1);                                                           \
        }                                                                      \
    } while (0)

/* Checks the status of a verb, and prints the reason of the worker. */
#define VERB(wanted, worker, call)                                             \
    do {                                                                       \
        mp_status verb_ = (call);                                              \
        if (verb_ != (wanted)) {                                               \
            mp_str why_ = mp_worker_last_error(worker);                        \
            fprintf(stderr, "%.*s\n", (int)why_.len, why_.ptr);                \
            STATUS(wanted, verb_);                                             \
        }                                                                      \
    } while (0)

/* Checks that a call succeeds, and prints the reason of its error. */
#define MADE(call, error)                                                      \
    do {                                                                       \
        if ((call) != MP_OK) {                                                 \
            mp_str why_ = mp_error_text(error);                                \
            fprintf(stderr, "%s:%d: %s: %.*s\n", __FILE__, __LINE__, #call,    \
                    (int)why_.len, why_.ptr);                                  \
            exit(1);                                                           \
        }                                                                      \
    } while (0)

static inline int same(mp_str text, const char *wanted)
{
    return text.len == strlen(wanted) && memcmp(text.ptr, wanted, text.len) == 0;
}

static inline int holds(mp_str text, const char *part)
{
    size_t at, length = strlen(part);
    for (at = 0; at + length <= text.len; at++)
        if (memcmp(text.ptr + at, part, length) == 0)
            return 1;
    return 0;
}

static inline void set(mp_config *config, const char *name, const char *value)
{
    mp_error *error = NULL;
    MADE(mp_config_set(config, mp_text(name), mp_text(value), &error), error);
}

/* Settings without client lists, so that no file of the machine is used, and with
 * long timeouts for memcheck. */
static inline mp_config *quiet_config(void)
{
    mp_config *config = mp_config_new();
    CHECK(config != NULL);
    set(config, "sip_asymmetrics", "");
    set(config, "rtp_asymmetrics", "");
    set(config, "max_calls", "1024");
    set(config, "relay_timeout", "20000");
    set(config, "relay_try", "20000");
    return config;
}

static inline mp_engine *engine_of(const mp_config *config)
{
    mp_engine *engine = NULL;
    mp_error *error = NULL;
    MADE(mp_engine_new(config, &engine, &error), error);
    return engine;
}

static inline mp_worker *worker_of(const mp_engine *engine)
{
    mp_worker *worker = NULL;
    mp_error *error = NULL;
    MADE(mp_worker_new(engine, &worker, &error), error);
    return worker;
}

static inline mp_address address_of(const char *text, uint16_t port)
{
    mp_address address;
    memset(&address, 0, sizeof address);
    STATUS(MP_OK, mp_address_parse(mp_text(text), port, &address));
    return address;
}

/* A path in a new directory, which gone() removes. */
static inline const char *place(void)
{
    static char path[64];
    if (path[0] == '\0') {
        snprintf(path, sizeof path, "/tmp/mp-test-XXXXXX");
        CHECK(mkdtemp(path) != NULL);
    }
    return path;
}

static inline const char *in_place(const char *name)
{
    static char path[2][100];
    static int turn;
    turn = !turn;
    snprintf(path[turn], sizeof path[turn], "%.60s/%.30s", place(), name);
    return path[turn];
}

static inline void gone(void)
{
    CHECK(rmdir(place()) == 0);
}

/* One message of a call between alice at 127.0.0.2 and bob at 127.0.0.3. Their
 * SDPs hold private addresses. */
typedef struct written {
    char bytes[2048];
    size_t length;
} written;

enum { OFFER, ANSWER, BYE };

static inline void write_message(written *out, int kind, int call, int port)
{
    static const char *const start[] = {
        "INVITE sip:bob@example.com SIP/2.0\r\n",
        "SIP/2.0 200 OK\r\n",
        "BYE sip:bob@192.168.2.20 SIP/2.0\r\n",
    };
    char body[512];
    int length = 0, total;
    body[0] = '\0';
    if (kind != BYE) {
        length = snprintf(body, sizeof body,
                          "v=0\r\n"
                          "o=- 1 1 IN IP4 192.168.%d.10\r\n"
                          "s=-\r\n"
                          "c=IN IP4 192.168.%d.10\r\n"
                          "t=0 0\r\n"
                          "m=audio %d RTP/AVP 0 101\r\n"
                          "a=rtpmap:101 telephone-event/8000\r\n",
                          kind + 1, kind + 1, port);
        CHECK(length > 0 && (size_t)length < sizeof body);
    }
    total = snprintf(out->bytes, sizeof out->bytes,
                     "%s"
                     "Via: SIP/2.0/UDP 192.168.1.10:5060;branch=z9hG4bK%d%d\r\n"
                     "From: <sip:alice@example.com>;tag=a%d\r\n"
                     "To: <sip:bob@example.com>%s\r\n"
                     "Call-ID: call-%d@example.com\r\n"
                     "CSeq: %d %s\r\n"
                     "Contact: <sip:user@192.168.%d.10:5060>\r\n"
                     "User-Agent: Phone 1.0\r\n"
                     "%s"
                     "Content-Length: %d\r\n"
                     "\r\n%s",
                     start[kind], kind, call, call,
                     kind == OFFER ? "" : ";tag=b", call, kind == BYE ? 2 : 1,
                     kind == BYE ? "BYE" : "INVITE", kind == ANSWER ? 2 : 1,
                     kind == BYE ? "" : "Content-Type: application/sdp\r\n",
                     length, body);
    CHECK(total > 0 && (size_t)total < sizeof out->bytes);
    out->length = (size_t)total;
}

static inline void parse(mp_message *message, const written *text,
                         const mp_address *source)
{
    mp_str raw;
    mp_address local = address_of("127.0.0.1", 5060);
    raw.ptr = text->bytes;
    raw.len = text->length;
    STATUS(MP_OK, mp_message_parse(message, raw, source, &local,
                                   MP_TRANSPORT_UDP));
}

/* The edited message, followed by a NUL. */
static inline const char *edited(mp_edits *edits, const mp_message *message)
{
    static char buffer[4096];
    size_t length = 0;
    STATUS(MP_OK, mp_edits_apply(edits, message, buffer, sizeof buffer - 1,
                                 &length));
    buffer[length] = '\0';
    return buffer;
}

/* The port of the first m= line in a message. */
static inline int media_port(const char *text)
{
    const char *line = strstr(text, "\r\nm=audio ");
    CHECK(line != NULL);
    return atoi(line + strlen("\r\nm=audio "));
}

#endif
