/* The smallest program: it takes a message and its source, tests whether the
 * client is behind NAT, and fixes its Contact.
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

int main(void)
{
    const uint32_t tests = MP_TEST_PRIVATE_CONTACT | MP_TEST_SOURCE_ADDRESS | MP_TEST_PRIVATE_VIA;
    mp_config *config = mp_config_new(); /* settings, all with their defaults */
    mp_engine *engine = NULL;            /* one a server, before the fork */
    mp_worker *worker = NULL;            /* one a process, after the fork */
    mp_message *message = mp_message_new();
    mp_verdict *verdict = mp_verdict_new();
    mp_edits *edits = mp_edits_new();
    mp_address source;
    char edited[4096];
    size_t length, i;
    /* MP_OK is 0. proxy.c shows how to print the reason of an error. */
    int failed = mp_engine_new(config, &engine, NULL) || mp_worker_new(engine, &worker, NULL) ||
        mp_address_parse(mp_text("203.0.113.5"), 61234, &source) ||
        mp_message_parse(message, mp_text(message_text), &source, NULL, MP_TRANSPORT_UDP) ||
        mp_nat_test(worker, message, tests, 0, verdict) ||
        mp_fix_contact(worker, message, edits) ||
        mp_edits_apply(edits, message, edited, sizeof edited, &length);

    for (i = 0; i < mp_verdict_count(verdict); i++) {
        mp_str why = mp_verdict_text(verdict, i);
        printf("%.*s\n", (int)why.len, why.ptr);
    }
    if (!failed)
        printf("\n%.*s", (int)length, edited);

    mp_edits_free(edits);
    mp_verdict_free(verdict);
    mp_message_free(message);
    mp_worker_free(worker);
    mp_engine_free(engine);
    mp_config_free(config);
    return failed;
}
