/* The least a program does: take a message and its source, ask whether the
 * client is behind NAT, and repair its Contact.
 *
 *   cc -Iinclude examples/minimal.c libmediaproxy.so -o minimal
 */
#include <stdio.h>

#include "mediaproxy.h"

static const char message_text[] =
    "REGISTER sip:example.com SIP/2.0\r\n"
    "Via: SIP/2.0/UDP 192.168.1.10:5060;branch=z9hG4bK776asdhds\r\n"
    "From: <sip:alice@example.com>;tag=1928301774\r\n"
    "To: <sip:alice@example.com>\r\n"
    "Call-ID: a84b4c76e66710@192.168.1.10\r\n"
    "CSeq: 1 REGISTER\r\n"
    "Contact: <sip:alice@192.168.1.10:5060>;expires=3600\r\n"
    "Content-Length: 0\r\n\r\n";

/* The reason is asked for after the call has failed, not before. */
#define MUST(call, reason)                                                     \
    do {                                                                       \
        if ((call) != MP_OK) {                                                 \
            mp_str why_ = (reason);                                            \
            fprintf(stderr, "%.*s\n", (int)why_.len, why_.ptr);                \
            return 1;                                                          \
        }                                                                      \
    } while (0)

int main(void)
{
    mp_config *config = mp_config_new();
    mp_engine *engine = NULL;
    mp_worker *worker = NULL;
    mp_error *error = NULL;
    mp_message *message = mp_message_new();
    mp_verdict *verdict = mp_verdict_new();
    mp_edits *edits = mp_edits_new();
    mp_address source;
    char edited[4096];
    size_t length, i;

    /* Once, before a server forks; then a worker in each process. */
    MUST(mp_engine_new(config, &engine, &error), mp_error_text(error));
    MUST(mp_worker_new(engine, &worker, &error), mp_error_text(error));

    /* For each message: its bytes, and where they came from. */
    MUST(mp_address_parse(mp_text("203.0.113.5"), 61234, &source), mp_text(""));
    MUST(mp_message_parse(message, mp_text(message_text), &source, NULL,
                          MP_TRANSPORT_UDP), mp_message_last_error(message));
    MUST(mp_nat_test(worker, message, MP_TEST_PRIVATE_CONTACT |
                     MP_TEST_SOURCE_ADDRESS | MP_TEST_PRIVATE_VIA, 0, verdict),
         mp_worker_last_error(worker));
    for (i = 0; i < mp_verdict_count(verdict); i++) {
        mp_str why = mp_verdict_text(verdict, i);
        printf("%.*s\n", (int)why.len, why.ptr);
    }
    MUST(mp_fix_contact(worker, message, edits), mp_worker_last_error(worker));
    MUST(mp_edits_apply(edits, message, edited, sizeof edited, &length),
         mp_edits_last_error(edits));
    printf("\n%.*s", (int)length, edited);

    mp_edits_free(edits);
    mp_verdict_free(verdict);
    mp_message_free(message);
    mp_worker_free(worker);
    mp_engine_free(engine);
    mp_config_free(config);
    return 0;
}
