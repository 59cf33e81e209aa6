/* The rules for calls through the C interface, with a relay in this process:
 * which messages end a call, and what a message of an ended call gets. The
 * names of the functions have the numbers of the rules in tests/scenarios/legs. */
#include "check.h"

#include <poll.h>

static mp_proxy *proxy;
static mp_config *config;
static mp_engine *engine;
static mp_worker *worker;
static mp_message *message;
static mp_edits *edits;
static mp_options *branch_only;
static const char *call_id;

static const char SDP[] = "v=0\r\n"
                          "o=- 1 1 IN IP4 192.168.1.10\r\n"
                          "s=-\r\n"
                          "c=IN IP4 192.168.1.10\r\n"
                          "t=0 0\r\n"
                          "m=audio 4000 RTP/AVP 0\r\n";

/* Parses a message of the current call. start is a method, or a status line
 * without its version for a reply to an INVITE. */
static void read_message(const char *start, int cseq, const char *from,
                         const char *to, const char *branch, int with_sdp)
{
    static char bytes[2048];
    mp_address source = address_of("127.0.0.2", 5060);
    mp_str raw;
    int reply = start[0] >= '0' && start[0] <= '9';
    int total = snprintf(
        bytes, sizeof bytes,
        "%s%s%s\r\n"
        "Via: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK%s\r\n"
        "From: <sip:alice@example.com>%s%s\r\n"
        "To: <sip:bob@example.com>%s%s\r\n"
        "Call-ID: %s\r\n"
        "CSeq: %d %s\r\n"
        "Contact: <sip:user@192.168.1.10>\r\n"
        "%sContent-Length: %d\r\n\r\n%s",
        reply ? "SIP/2.0 " : "", start,
        reply ? "" : " sip:bob@example.com SIP/2.0", branch,
        from[0] ? ";tag=" : "", from, to[0] ? ";tag=" : "", to, call_id, cseq,
        reply ? "INVITE" : start,
        with_sdp ? "Content-Type: application/sdp\r\n" : "",
        with_sdp ? (int)strlen(SDP) : 0, with_sdp ? SDP : "");
    CHECK(total > 0 && (size_t)total < sizeof bytes);
    raw.ptr = bytes;
    raw.len = (size_t)total;
    STATUS(MP_OK, mp_message_parse(message, raw, &source, NULL,
                                   MP_TRANSPORT_UDP));
    STATUS(MP_OK, mp_edits_reset(edits));
}

/* Rewrites the message; the port of its SDP afterwards. */
static int rewritten(const char *start, int cseq, const char *from,
                     const char *to)
{
    read_message(start, cseq, from, to, "1", 1);
    CHECK(mp_message_terminates(message) == 0);
    VERB(MP_OK, worker, mp_rewrite_sdp(worker, message, NULL, edits));
    return media_port(edited(edits, message));
}

static void without_sdp(const char *start, int cseq, const char *from,
                        const char *to)
{
    read_message(start, cseq, from, to, "1", 0);
    VERB(MP_NO_SDP, worker, mp_rewrite_sdp(worker, message, NULL, edits));
}

/* The rewrite of the message is refused and makes no edit. */
static void ended(const char *start, int cseq, const char *from, const char *to)
{
    read_message(start, cseq, from, to, "1", 1);
    VERB(MP_ERR_ENDED, worker, mp_rewrite_sdp(worker, message, NULL, edits));
    CHECK(mp_edits_count(edits) == 0);
    CHECK(holds(mp_worker_last_error(worker), "ended"));
}

static void end_with(const char *start, int cseq, const char *from,
                     const char *to, const char *branch,
                     const mp_options *options)
{
    read_message(start, cseq, from, to, branch, 0);
    CHECK(mp_message_terminates(message) == 1);
    VERB(MP_OK, worker, mp_end_session(worker, message, options));
}

static void end(const char *start, int cseq, const char *from, const char *to)
{
    end_with(start, cseq, from, to, "1", NULL);
}

static mp_proxy_counters counters(void)
{
    mp_proxy_counters now;
    STATUS(MP_OK, mp_proxy_statistics(proxy, &now, sizeof now));
    return now;
}

/* Waits until the relay has so many sessions. */
static void sessions(uint64_t wanted)
{
    int turn;
    for (turn = 0; turn < 2000 && counters().sessions != wanted; turn++)
        poll(NULL, 0, 5);
    CHECK(counters().sessions == wanted);
}

/* The relay still has this one session, after all that was sent to it. */
static void still_one_session(void)
{
    poll(NULL, 0, 100);
    CHECK(counters().sessions == 1);
}

static void begin_call(const char *id)
{
    call_id = id;
    sessions(0);
    rewritten("INVITE", 1, "a", "");
}

static void new_server(void)
{
    mp_worker_free(worker);
    mp_engine_free(engine);
    engine = engine_of(config);
    worker = worker_of(engine);
}

static void rule_1_reinvite_failure_keeps_the_call(void)
{
    begin_call("rule-1");
    rewritten("200 OK", 1, "a", "b");
    rewritten("INVITE", 2, "a", "b");
    end("488 Not Acceptable Here", 2, "a", "b");
    still_one_session();
    new_server();
    rewritten("INVITE", 3, "a", "b");
    end("491 Request Pending", 3, "a", "b");
    end_with("491 Request Pending", 3, "a", "b", "1", branch_only);
    still_one_session();
    end("BYE", 4, "b", "a");
    sessions(0);
}

static void rule_2_failure_of_the_invite(void)
{
    begin_call("rule-2-branches");
    end_with("486 Busy Here", 1, "a", "t1", "x", branch_only);
    end_with("603 Decline", 1, "a", "t3", "z", branch_only);
    without_sdp("180 Ringing", 1, "a", "t2");
    still_one_session();
    rewritten("200 OK", 1, "a", "t2");
    end("BYE", 2, "a", "t2");
    sessions(0);

    begin_call("rule-2-final");
    rewritten("183 Session Progress", 1, "a", "t1");
    without_sdp("180 Ringing", 1, "a", "t2");
    end("480 Temporarily Unavailable", 1, "a", "t9");
    sessions(0);

    begin_call("rule-2-tries");
    end("407 Proxy Authentication Required", 1, "a", "s");
    sessions(0);
    rewritten("INVITE", 2, "a", "");
    end("407 Proxy Authentication Required", 1, "a", "s");
    still_one_session();
    end("486 Busy Here", 2, "a", "b");
    sessions(0);
}

static void rule_3_cancel_waits_for_the_final_reply(void)
{
    begin_call("rule-3");
    end("CANCEL", 1, "a", "");
    still_one_session();
    end("487 Request Terminated", 1, "a", "b");
    sessions(0);

    begin_call("rule-3-crossing");
    end("CANCEL", 1, "a", "");
    rewritten("200 OK", 1, "a", "b");
    still_one_session();
    end("BYE", 2, "a", "b");
    sessions(0);
}

static void rule_4_ended_call_stays_ended(void)
{
    int port;
    uint64_t total;
    begin_call("rule-4");
    port = rewritten("200 OK", 1, "a", "b");
    end("BYE", 2, "b", "a");
    end("BYE", 2, "b", "a");
    sessions(0);
    total = counters().sessions_total;
    CHECK(rewritten("200 OK", 1, "a", "b") == port);
    ended("INVITE", 3, "a", "b");
    ended("INVITE", 1, "a", "");
    CHECK(counters().sessions_total == total);

    begin_call("rule-4-two-answers");
    rewritten("200 OK", 1, "a", "b");
    rewritten("200 OK", 1, "a", "c");
    end("BYE", 2, "a", "b");
    end("BYE", 2, "a", "x");
    still_one_session();
    end("BYE", 3, "c", "a");
    sessions(0);
}

/* The relay's answer is there, and the call has ended before it is read. */
static void rule_5_end_meets_rewrite(void)
{
    mp_request *request = NULL;
    mp_status status;
    call_id = "rule-5";
    read_message("INVITE", 1, "a", "", "1", 1);
    VERB(MP_OK, worker,
         mp_rewrite_start(worker, message, NULL, mp_now(), &request));
    end("487 Request Terminated", 1, "a", "s");
    read_message("INVITE", 1, "a", "", "1", 1);
    do {
        status = mp_request_continue(request, worker, 0, edits);
        poll(NULL, 0, 2);
    } while (status == MP_PENDING);
    VERB(MP_ERR_ENDED, worker, status);
    CHECK(mp_edits_count(edits) == 0);
    mp_request_free(request);
    sessions(0);
}

static void rule_6_repeated_messages(void)
{
    int for_bob, for_alice;
    begin_call("rule-6");
    for_bob = rewritten("INVITE", 1, "a", "");
    for_alice = rewritten("200 OK", 1, "a", "b");
    CHECK(rewritten("INVITE", 1, "a", "") == for_bob);
    CHECK(rewritten("200 OK", 1, "a", "b") == for_alice);
    end("BYE", 2, "a", "b");
    sessions(0);
}

static void rule_7_without_state(void)
{
    begin_call("rule-7");
    rewritten("200 OK", 1, "a", "b");
    new_server();
    rewritten("INVITE", 5, "b", "a");
    rewritten("200 OK", 5, "b", "a");
    new_server();
    end("CANCEL", 1, "a", "");
    end("487 Request Terminated", 1, "a", "b");
    still_one_session();
    end("BYE", 9, "a", "b");
    sessions(0);
}

static void rules_8_and_9_provisional_replies(void)
{
    begin_call("rule-8");
    without_sdp("180 Ringing", 1, "a", "b");
    without_sdp("180 Ringing", 1, "a", "c");
    without_sdp("200 OK", 1, "a", "b");
    without_sdp("180 Ringing", 1, "a", "c");
    still_one_session();
    end("BYE", 2, "a", "b");
    sessions(0);
}

static void rule_10_null_tags(void)
{
    call_id = "rule-10-caller";
    rewritten("INVITE", 1, "", "");
    rewritten("200 OK", 1, "", "b");
    still_one_session();
    rewritten("INVITE", 7, "b", "");
    still_one_session();
    end("BYE", 8, "b", "");
    sessions(0);

    call_id = "rule-10-callee";
    rewritten("INVITE", 1, "a", "");
    rewritten("200 OK", 1, "a", "");
    rewritten("INVITE", 7, "", "a");
    still_one_session();
    end("BYE", 8, "", "a");
    sessions(0);
}

static void command_of_the_server(void)
{
    mp_str none = mp_text("");
    begin_call("command");
    rewritten("200 OK", 1, "a", "b");
    VERB(MP_ERR_ARGUMENT, worker,
         mp_end_call(worker, mp_text(call_id), none, none));
    CHECK(holds(mp_worker_last_error(worker), "From tag"));
    VERB(MP_OK, worker, mp_end_call(worker, mp_text("other"), mp_text("a"), none));
    VERB(MP_OK, worker, mp_end_call(worker, mp_text(call_id), mp_text("x"), none));
    still_one_session();
    VERB(MP_OK, worker, mp_end_call(worker, mp_text(call_id), mp_text("a"), none));
    sessions(0);
}

int main(void)
{
    mp_error *error = NULL;
    char path[100];
    snprintf(path, sizeof path, "%s", in_place("proxy.sock"));
    config = quiet_config();
    set(config, "relay", "embedded");
    set(config, "proxy_socket", path);
    set(config, "proxy_address", "127.0.0.1");
    MADE(mp_proxy_new(config, &proxy, &error), error);
    engine = engine_of(config);
    worker = worker_of(engine);
    MADE(mp_proxy_start(proxy, &error), error);
    message = mp_message_new();
    edits = mp_edits_new();
    branch_only = mp_options_new();
    MADE(mp_options_set(branch_only, mp_text("scope"), mp_text("branch"),
                        &error), error);

    rule_1_reinvite_failure_keeps_the_call();
    rule_2_failure_of_the_invite();
    rule_3_cancel_waits_for_the_final_reply();
    rule_4_ended_call_stays_ended();
    rule_5_end_meets_rewrite();
    rule_6_repeated_messages();
    rule_7_without_state();
    rules_8_and_9_provisional_replies();
    rule_10_null_tags();
    command_of_the_server();

    mp_options_free(branch_only);
    mp_edits_free(edits);
    mp_message_free(message);
    mp_worker_free(worker);
    mp_engine_free(engine);
    STATUS(MP_OK, mp_proxy_stop(proxy));
    mp_proxy_free(proxy);
    mp_config_free(config);
    gone();
    return 0;
}
