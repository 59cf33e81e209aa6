#include "scene.h"

#include <poll.h>

mp_proxy *proxy;
mp_config *config;
mp_engine *engine;
mp_worker *worker;
mp_message *message;
mp_edits *edits;
const char *call_id;
const char *sdp;

const char AUDIO[] = "v=0\r\n"
                     "o=- 1 1 IN IP4 192.168.1.10\r\n"
                     "s=-\r\n"
                     "c=IN IP4 192.168.1.10\r\n"
                     "t=0 0\r\n"
                     "m=audio 4000 RTP/AVP 0\r\n";

void make_scene(void)
{
    config = quiet_config();
    set(config, "relay", "embedded");
    set(config, "proxy_socket", in_place("proxy.sock"));
    set(config, "proxy_address", "127.0.0.1");
    message = mp_message_new();
    edits = mp_edits_new();
    sdp = AUDIO;
}

void start_scene(void)
{
    mp_error *error = NULL;
    MADE(mp_proxy_new(config, &proxy, &error), error);
    engine = engine_of(config);
    worker = worker_of(engine);
    MADE(mp_proxy_start(proxy, &error), error);
}

void free_scene(void)
{
    mp_edits_free(edits);
    mp_message_free(message);
    mp_worker_free(worker);
    mp_engine_free(engine);
    STATUS(MP_OK, mp_proxy_stop(proxy));
    mp_proxy_free(proxy);
    mp_config_free(config);
    gone();
}

void restart_server(void)
{
    mp_worker_free(worker);
    mp_engine_free(engine);
    engine = engine_of(config);
    worker = worker_of(engine);
}

void read_message(const char *start, int cseq, const char *from, const char *to,
                  const char *branch, int with_sdp)
{
    static char bytes[4096];
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
        with_sdp ? (int)strlen(sdp) : 0, with_sdp ? sdp : "");
    CHECK(total > 0 && (size_t)total < sizeof bytes);
    raw.ptr = bytes;
    raw.len = (size_t)total;
    STATUS(MP_OK, mp_message_parse(message, raw, &source, NULL,
                                   MP_TRANSPORT_UDP));
    STATUS(MP_OK, mp_edits_reset(edits));
}

const char *rewritten_text(const char *start, int cseq, const char *from,
                           const char *to)
{
    read_message(start, cseq, from, to, "1", 1);
    CHECK(mp_message_terminates(message) == 0);
    VERB(MP_OK, worker, mp_rewrite_sdp(worker, message, NULL, edits));
    return edited(edits, message);
}

int rewritten(const char *start, int cseq, const char *from, const char *to)
{
    return media_port(rewritten_text(start, cseq, from, to));
}

void without_sdp(const char *start, int cseq, const char *from, const char *to)
{
    read_message(start, cseq, from, to, "1", 0);
    VERB(MP_NO_SDP, worker, mp_rewrite_sdp(worker, message, NULL, edits));
}

void end_with(const char *start, int cseq, const char *from, const char *to,
              const char *branch, const mp_options *options)
{
    read_message(start, cseq, from, to, branch, 0);
    CHECK(mp_message_terminates(message) == 1);
    VERB(MP_OK, worker, mp_end_session(worker, message, options));
}

void end(const char *start, int cseq, const char *from, const char *to)
{
    end_with(start, cseq, from, to, "1", NULL);
}

mp_proxy_counters counters(void)
{
    mp_proxy_counters now;
    STATUS(MP_OK, mp_proxy_statistics(proxy, &now, sizeof now));
    return now;
}

void sessions(uint64_t wanted)
{
    int turn;
    for (turn = 0; turn < 2000 && counters().sessions != wanted; turn++)
        poll(NULL, 0, 5);
    CHECK(counters().sessions == wanted);
}

void still_sessions(uint64_t wanted)
{
    poll(NULL, 0, 100);
    CHECK(counters().sessions == wanted);
}
