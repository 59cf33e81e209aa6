/* A panic does not leave the library and poisons the handles of the call. It
 * needs a library with the feature test-panic, in which a User-Agent "panic"
 * makes mp_nat_test panic. Nothing may be written to descriptor 2. */
#include "check.h"

#include <fcntl.h>

static const char invite[] =
    "INVITE sip:bob@example.com SIP/2.0\r\n"
    "Via: SIP/2.0/UDP 192.168.1.10:5060;branch=z9hG4bK1\r\n"
    "From: <sip:alice@example.com>;tag=a\r\n"
    "To: <sip:bob@example.com>\r\n"
    "Call-ID: 1\r\n"
    "CSeq: 1 INVITE\r\n"
    "Contact: <sip:alice@192.168.1.10>\r\n"
    "User-Agent: panic\r\n"
    "Content-Length: 0\r\n"
    "\r\n";

static void take(mp_message *message)
{
    mp_address source = address_of("203.0.113.5", 5060);
    STATUS(MP_OK, mp_message_parse(message, mp_text(invite), &source, NULL,
                                   MP_TRANSPORT_UDP));
}

int main(void)
{
    mp_config *config = quiet_config();
    mp_engine *engine = engine_of(config);
    mp_worker *worker = worker_of(engine), *fresh;
    mp_message *message = mp_message_new(), *next = mp_message_new();
    mp_verdict *verdict = mp_verdict_new(), *second = mp_verdict_new();
    mp_edits *edits = mp_edits_new();
    mp_request *request = NULL;
    mp_status status;
    char said[256];
    int pipes[2], saved;
    ssize_t length;

    take(message);
    CHECK(pipe(pipes) == 0);
    CHECK(fcntl(pipes[0], F_SETFL, O_NONBLOCK) == 0);
    saved = dup(2);
    CHECK(saved >= 0 && dup2(pipes[1], 2) == 2);
    status = mp_nat_test(worker, message, 1, 0, verdict);
    CHECK(dup2(saved, 2) == 2);
    length = read(pipes[0], said, sizeof said);
    CHECK(length < 0);
    STATUS(MP_ERR_PANIC, status);
    CHECK(holds(mp_worker_last_error(worker), "the User-Agent is"));
    CHECK(holds(mp_worker_last_error(worker), "src/capi/worker.rs"));

    /* Every handle of that call is poisoned, for all functions. */
    take(next);
    STATUS(MP_ERR_POISONED, mp_nat_test(worker, next, 1, 0, second));
    STATUS(MP_ERR_POISONED, mp_fix_contact(worker, next, edits));
    STATUS(MP_ERR_POISONED, mp_rewrite_sdp(worker, next, NULL, edits));
    STATUS(MP_ERR_POISONED,
           mp_rewrite_start(worker, next, NULL, 0, &request));
    STATUS(MP_ERR_POISONED, mp_end_session(worker, next, NULL));
    STATUS(MP_ERR_POISONED,
           mp_end_call(worker, mp_text("1"), mp_text("a"), mp_text("")));
    CHECK(request == NULL);
    CHECK(holds(mp_worker_last_error(worker), "the User-Agent is"));
    CHECK(mp_verdict_matched(verdict) == 0);
    CHECK(mp_verdict_text(verdict, 0).len == 0);
    {
        mp_address source = address_of("203.0.113.5", 5060);
        STATUS(MP_ERR_POISONED,
               mp_message_parse(message, mp_text(invite), &source, NULL,
                                MP_TRANSPORT_UDP));
    }

    /* The engine and the other handles still work. */
    fresh = worker_of(engine);
    STATUS(MP_ERR_POISONED, mp_fix_contact(fresh, message, edits));
    STATUS(MP_OK, mp_fix_contact(fresh, next, edits));
    CHECK(mp_edits_count(edits) == 1);

    mp_worker_free(fresh);
    mp_worker_free(worker);
    mp_message_free(message);
    mp_message_free(next);
    mp_verdict_free(verdict);
    mp_verdict_free(second);
    mp_edits_free(edits);
    mp_engine_free(engine);
    mp_config_free(config);
    close(pipes[0]);
    close(pipes[1]);
    close(saved);
    return 0;
}
