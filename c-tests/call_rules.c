/* The rules for calls through the C interface, with a relay in this process:
 * which messages end a call, and what a message of an ended call gets. The
 * names of the functions have the numbers of the rules in tests/scenarios/legs. */
#include "scene.h"

#include <poll.h>

static mp_options *branch_only;

/* The rewrite of the message is refused and makes no edit. */
static void ended(const char *start, int cseq, const char *from, const char *to)
{
    read_message(start, cseq, from, to, "1", 1);
    VERB(MP_ERR_ENDED, worker, mp_rewrite_sdp(worker, message, NULL, edits));
    CHECK(mp_edits_count(edits) == 0);
    CHECK(holds(mp_worker_last_error(worker), "ended"));
}

static void begin_call_from(const char *id, const char *from)
{
    call_id = id;
    sessions(0);
    rewritten("INVITE", 1, from, "");
}

static void begin_call(const char *id)
{
    begin_call_from(id, "a");
}

static void rule_1_reinvite_failure_keeps_the_call(void)
{
    begin_call("rule-1");
    rewritten("200 OK", 1, "a", "b");
    rewritten("INVITE", 2, "a", "b");
    end("488 Not Acceptable Here", 2, "a", "b");
    still_sessions(1);
    restart_server();
    rewritten("INVITE", 3, "a", "b");
    end("491 Request Pending", 3, "a", "b");
    end_with("491 Request Pending", 3, "a", "b", "1", branch_only);
    still_sessions(1);
    end("BYE", 4, "b", "a");
    sessions(0);
}

static void rule_2_failure_of_the_invite(void)
{
    begin_call("rule-2-branches");
    end_with("486 Busy Here", 1, "a", "t1", "x", branch_only);
    end_with("603 Decline", 1, "a", "t3", "z", branch_only);
    without_sdp("180 Ringing", 1, "a", "t2");
    still_sessions(1);
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
    still_sessions(1);
    end("486 Busy Here", 2, "a", "b");
    sessions(0);
}

/* The server itself refuses the INVITE, or a copy of it when it was answered. */
static void rule_2_invite_that_is_refused(void)
{
    begin_call("rule-2-refused");
    without_sdp("180 Ringing", 1, "a", "t1");
    read_message("INVITE", 1, "a", "", "1", 0);
    VERB(MP_OK, worker, mp_end_session(worker, message, NULL));
    sessions(0);

    begin_call("rule-2-copy");
    rewritten("200 OK", 1, "a", "b");
    for (int cseq = 1; cseq < 3; cseq++) {
        read_message("INVITE", cseq, "a", "", "2", 0);
        VERB(MP_OK, worker, mp_end_session(worker, message, NULL));
        read_message("INVITE", cseq, "a", "b", "2", 0);
        VERB(MP_ERR_ARGUMENT, worker, mp_end_session(worker, message, NULL));
        still_sessions(1);
    }
    restart_server();
    read_message("INVITE", 1, "a", "", "2", 0);
    VERB(MP_OK, worker, mp_end_session(worker, message, NULL));
    still_sessions(1);
    end("BYE", 3, "b", "a");
    sessions(0);
}

static void rule_3_cancel_waits_for_the_final_reply(void)
{
    begin_call("rule-3");
    end("CANCEL", 1, "a", "");
    still_sessions(1);
    end("487 Request Terminated", 1, "a", "b");
    sessions(0);

    begin_call("rule-3-crossing");
    end("CANCEL", 1, "a", "");
    rewritten("200 OK", 1, "a", "b");
    still_sessions(1);
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
    still_sessions(1);
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

/* The message of the last rewrite, until the next keep(). */
static const char *keep(const char *text)
{
    static char kept[2][4096];
    static int turn;
    turn = !turn;
    snprintf(kept[turn], sizeof kept[turn], "%s", text);
    return kept[turn];
}

static int gives_again(const char *wanted, const char *start, int cseq,
                       const char *from, const char *to)
{
    return strcmp(wanted, rewritten_text(start, cseq, from, to)) == 0;
}

static const char OFFERED[] = "v=0\r\n"
                              "o=- 1 1 IN IP4 192.168.1.10\r\n"
                              "s=-\r\n"
                              "c=IN IP4 192.168.1.10\r\n"
                              "t=0 0\r\n"
                              "m=image 4002 udptl t38\r\n"
                              "m=audio 4000 RTP/AVP 0\r\n";
static const char REFUSED[] = "v=0\r\n"
                              "o=- 1 1 IN IP4 192.168.2.20\r\n"
                              "s=-\r\n"
                              "c=IN IP4 192.168.2.20\r\n"
                              "t=0 0\r\n"
                              "m=image 0 TCP t38\r\n"
                              "m=audio 4000 RTP/AVP 0\r\n";

static void rule_6_repeated_messages(void)
{
    const char *for_bob, *for_alice;
    begin_call("rule-6");
    for_bob = keep(rewritten_text("INVITE", 1, "a", ""));
    for_alice = keep(rewritten_text("200 OK", 1, "a", "b"));
    CHECK(gives_again(for_bob, "INVITE", 1, "a", ""));
    CHECK(gives_again(for_alice, "200 OK", 1, "a", "b"));
    end("BYE", 2, "a", "b");
    sessions(0);
}

/* The answer refuses the first line, with another transport. */
static void rule_6_after_a_refused_stream(void)
{
    const char *for_bob, *for_alice;
    int cseq;
    sdp = OFFERED;
    begin_call("rule-6-refused");
    for (cseq = 1; cseq < 3; cseq++) {
        const char *to = cseq == 1 ? "" : "b";
        sdp = OFFERED;
        for_bob = keep(rewritten_text("INVITE", cseq, "a", to));
        CHECK(strstr(for_bob, "m=image 4002") == NULL);
        CHECK(strstr(for_bob, "192.168.1.10\r\nt=") == NULL);
        sdp = REFUSED;
        for_alice = keep(rewritten_text("200 OK", cseq, "a", "b"));
        CHECK(strstr(for_alice, "m=image 0 TCP t38\r\n") != NULL);
        CHECK(media_port(for_alice) != 4000);
        CHECK(gives_again(for_alice, "200 OK", cseq, "a", "b"));
        sdp = OFFERED;
        CHECK(gives_again(for_bob, "INVITE", cseq, "a", to));
        sdp = REFUSED;
        CHECK(gives_again(for_alice, "200 OK", cseq, "a", "b"));
    }
    still_sessions(1);
    sdp = AUDIO;
    end("BYE", 3, "a", "b");
    sessions(0);
}

static void rule_7_without_state(void)
{
    begin_call("rule-7");
    rewritten("200 OK", 1, "a", "b");
    restart_server();
    rewritten("INVITE", 5, "b", "a");
    rewritten("200 OK", 5, "b", "a");
    restart_server();
    end("CANCEL", 1, "a", "");
    end("487 Request Terminated", 1, "a", "b");
    still_sessions(1);
    end("BYE", 9, "a", "b");
    sessions(0);
}

static void rule_8_ringing_keeps_the_session(void)
{
    begin_call("rule-8");
    without_sdp("180 Ringing", 1, "a", "b");
    without_sdp("180 Ringing", 1, "a", "c");
    without_sdp("200 OK", 1, "a", "b");
    still_sessions(1);
    end("BYE", 2, "a", "b");
    sessions(0);
}

/* Provisional replies that come after the answer make no dialog and get the edits
 * that they got before it. */
static void rule_9_late_provisional_replies(void)
{
    const char *from_b, *from_c;
    uint64_t total;
    begin_call("rule-9");
    from_b = keep(rewritten_text("183 Session Progress", 1, "a", "b"));
    from_c = keep(rewritten_text("183 Session Progress", 1, "a", "c"));
    rewritten("200 OK", 1, "a", "b");
    total = counters().sessions_total;
    CHECK(gives_again(from_b, "183 Session Progress", 1, "a", "b"));
    CHECK(gives_again(from_c, "183 Session Progress", 1, "a", "c"));
    without_sdp("180 Ringing", 1, "a", "b");
    without_sdp("180 Ringing", 1, "a", "d");
    CHECK(gives_again(from_b, "183 Session Progress", 1, "a", "b"));
    CHECK(counters().sessions_total == total);
    still_sessions(1);
    end("BYE", 2, "b", "a");
    sessions(0);
}

static void rule_10_null_tags(void)
{
    call_id = "rule-10-caller";
    rewritten("INVITE", 1, "", "");
    rewritten("200 OK", 1, "", "b");
    still_sessions(1);
    rewritten("INVITE", 7, "b", "");
    still_sessions(1);
    end("BYE", 8, "b", "");
    sessions(0);

    call_id = "rule-10-callee";
    rewritten("INVITE", 1, "a", "");
    rewritten("200 OK", 1, "a", "");
    rewritten("INVITE", 7, "", "a");
    still_sessions(1);
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
    still_sessions(1);
    VERB(MP_OK, worker, mp_end_call(worker, mp_text(call_id), mp_text("a"), none));
    sessions(0);
}

/* The empty From tag is the tag of a caller without tags (RFC 2543). */
static void command_for_a_call_without_tags(void)
{
    mp_str none = mp_text("");
    begin_call_from("command-null", "");
    VERB(MP_OK, worker, mp_end_call(worker, mp_text(call_id), none, none));
    VERB(MP_OK, worker, mp_end_call(worker, mp_text(call_id), none, none));
    sessions(0);
    VERB(MP_ERR_ARGUMENT, worker, mp_end_call(worker, mp_text("other"), none, none));

    begin_call_from("command-null-dialog", "");
    rewritten("200 OK", 1, "", "b");
    VERB(MP_OK, worker, mp_end_call(worker, mp_text(call_id), none, mp_text("b")));
    sessions(0);
}

int main(void)
{
    mp_error *error = NULL;
    make_scene();
    start_scene();
    branch_only = mp_options_new();
    MADE(mp_options_set(branch_only, mp_text("scope"), mp_text("branch"),
                        &error), error);

    rule_1_reinvite_failure_keeps_the_call();
    rule_2_failure_of_the_invite();
    rule_2_invite_that_is_refused();
    rule_3_cancel_waits_for_the_final_reply();
    rule_4_ended_call_stays_ended();
    rule_5_end_meets_rewrite();
    rule_6_repeated_messages();
    rule_6_after_a_refused_stream();
    rule_7_without_state();
    rule_8_ringing_keeps_the_session();
    rule_9_late_provisional_replies();
    rule_10_null_tags();
    command_of_the_server();
    command_for_a_call_without_tags();

    mp_options_free(branch_only);
    free_scene();
    return 0;
}
