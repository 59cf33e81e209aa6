/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "module_media.h"

#include "module_commands.h"
#include "module_nat.h"

int rewritten_port(const struct message *message)
{
    const char *out = outgoing(message);

    CHECK(strstr(out, "\r\nc=IN IP4 127.0.0.1\r\n") != NULL);
    return media_port(out);
}

void media(void)
{
    struct message message, other;
    int port;
    size_t lumps;

    receive(&message, OFFER, 3);
    CHECK(mpm_fix_contact(&message, mp_text(NULL)) == MPM_TRUE);
    CHECK(mpm_use_media_proxy(&message, mp_text(NULL)) == MPM_TRUE);
    port = rewritten_port(&message);
    lumps = count_lumps(&message, MPM_SDP);
    /* The second call replaces the lumps of the first one, and no others. */
    CHECK(mpm_use_media_proxy(&message, mp_text(NULL)) == MPM_TRUE);
    CHECK(count_lumps(&message, MPM_SDP) == lumps && rewritten_port(&message) == port);
    CHECK(count_lumps(&message, MPM_CONTACT) == 1);
    receive(&other, ANSWER, 3);
    CHECK(mpm_use_media_proxy(&other, mp_text(NULL)) == MPM_TRUE);
    CHECK(rewritten_port(&other) != port);

    /* What fails leaves the message as it was. */
    CHECK(mpm_use_media_proxy(&other, mp_text("\xff")) == MPM_FALSE);
    receive(&other, OFFER, 4);
    CHECK(mpm_use_media_proxy(&other, mp_text("nowhere")) == MPM_FALSE);
    CHECK(holds(value_of("error", &other).text, "use_media_proxy: "));
    CHECK(holds(value_of("error", &other).text, "nowhere") && other.lump_count == 0);
    no_memory = 1;
    CHECK(mpm_use_media_proxy(&other, mp_text(NULL)) == MPM_FALSE);
    CHECK(holds(value_of("error", &other).text, "cannot add lump to the message"));
    no_memory = 0;
    /* A bad value in a variable of the script has no effect. */
    script.ice_candidate = mp_text("perhaps");
    script.next_hop = mp_text("sip:bob@127.0.0.3;transport=udp");
    CHECK(mpm_use_media_proxy(&other, mp_text(NULL)) == MPM_TRUE);
    CHECK(strstr(last_line, "invalid option ignored: ice_candidate = \"perhaps\"") != NULL);
    memset(&script, 0, sizeof script);

    /* Without SDP; a 200 to INVITE is no failure then. */
    receive(&other, BYE, 3);
    CHECK(mpm_use_media_proxy(&other, mp_text(NULL)) == MPM_NO_SDP);
    other.is_invite = 1;
    other.status = 200;
    CHECK(mpm_use_media_proxy(&other, mp_text(NULL)) == MPM_TRUE);
    other.bytes.length = 20;
    CHECK(mpm_use_media_proxy(&other, mp_text(NULL)) == MPM_FALSE);

    receive(&other, BYE, 3);
    CHECK(mpm_end_media_session(&other) == MPM_TRUE);
    receive(&other, OFFER, 4);
    CHECK(mpm_end_media_session(&other) == MPM_TRUE);
    CHECK(mpm_end_call(mp_text(""), mp_text("a"), mp_text("")) == MPM_FALSE);
    CHECK(mpm_end_call(mp_text("call-4@example.com"), mp_text(""), mp_text("")) == MPM_FALSE);
    CHECK(strstr(last_line, "cannot terminate a call: ") == last_line);
}

/* The answer of a call as a failure reply to its INVITE. */
static void receive_failure(struct message *to, int call)
{
    receive(to, ANSWER, call);
    memcpy(to->bytes.bytes + strlen("SIP/2.0 "), "486 No", strlen("486 No"));
    to->status = 486;
}

/* Gives a message to end_media_session; how many calls end by it. */
static unsigned long ended_by(struct message *message)
{
    unsigned long before = active_calls();

    CHECK(mpm_end_media_session(message) == MPM_TRUE);
    return before - active_calls();
}

void ends(void)
{
    struct message offer, other;
    unsigned long calls;

    receive(&offer, OFFER, 20);
    CHECK(mpm_use_media_proxy(&offer, mp_text(NULL)) == MPM_TRUE);
    /* A re-INVITE that the script gives up, an answer, a branch. */
    receive(&other, OFFER, 20);
    other.has_to_tag = 1;
    CHECK(ended_by(&other) == 0);
    receive(&other, ANSWER, 20);
    CHECK(ended_by(&other) == 0);
    receive(&other, OFFER, 20);
    other.is_branch = 1;
    CHECK(ended_by(&other) == 0);
    receive_failure(&other, 20);
    other.is_branch = 1;
    CHECK(ended_by(&other) == 0);
    other.is_branch = 0;
    /* The reply that goes back to the caller; and once more. */
    CHECK(ended_by(&other) == 1 && ended_by(&other) == 0);
    /* The same INVITE belongs to a call that has ended. */
    CHECK(mpm_use_media_proxy(&offer, mp_text(NULL)) == MPM_FALSE);
    CHECK(holds(value_of("error", &offer).text, "ended") && last_level == MP_LOG_INFO);
    /* The script gives up an INVITE. */
    receive(&other, OFFER, 21);
    CHECK(mpm_use_media_proxy(&other, mp_text(NULL)) == MPM_TRUE);
    CHECK(ended_by(&other) == 1);
    /* The script gives up an INVITE with the tags of an answered call. */
    receive(&other, OFFER, 23);
    CHECK(mpm_use_media_proxy(&other, mp_text(NULL)) == MPM_TRUE);
    receive(&offer, ANSWER, 23);
    CHECK(mpm_use_media_proxy(&offer, mp_text(NULL)) == MPM_TRUE);
    CHECK(ended_by(&other) == 0);
    other.may_go_on = 1;
    CHECK(ended_by(&other) == 0);
    calls = active_calls();
    mpm_route_ended(&other);
    CHECK(active_calls() == calls);
    /* In a route that may try another target, and does so once. */
    receive(&other, OFFER, 22);
    other.may_go_on = 1;
    CHECK(mpm_use_media_proxy(&other, mp_text(NULL)) == MPM_TRUE);
    CHECK(ended_by(&other) == 0);
    CHECK(mpm_use_media_proxy(&other, mp_text(NULL)) == MPM_TRUE);
    calls = active_calls();
    mpm_route_ended(&other);
    CHECK(active_calls() == calls && ended_by(&other) == 0);
    mpm_route_ended(&offer);
    CHECK(active_calls() == calls);
    mpm_route_ended(&other);
    CHECK(active_calls() == calls - 1);
    mpm_route_ended(&other);
}
