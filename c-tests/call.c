/* A whole call through a relay in this process: offer, answer, media in both
 * directions, BYE. Both phones send from other addresses than their SDP names. */
#include "check.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

static int phone(const char *ip)
{
    struct sockaddr_in own;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    CHECK(fd >= 0);
    memset(&own, 0, sizeof own);
    own.sin_family = AF_INET;
    CHECK(inet_pton(AF_INET, ip, &own.sin_addr) == 1);
    CHECK(bind(fd, (struct sockaddr *)&own, sizeof own) == 0);
    return fd;
}

/* An RTP packet: version 2, payload type 0, and the sequence number. */
static void speak(int fd, int port, int sequence)
{
    struct sockaddr_in to;
    unsigned char packet[172];
    memset(packet, 0x55, sizeof packet);
    packet[0] = 0x80;
    packet[1] = 0;
    packet[2] = 0;
    packet[3] = (unsigned char)sequence;
    memset(&to, 0, sizeof to);
    to.sin_family = AF_INET;
    to.sin_port = htons((uint16_t)port);
    CHECK(inet_pton(AF_INET, "127.0.0.1", &to.sin_addr) == 1);
    CHECK(sendto(fd, packet, sizeof packet, 0, (struct sockaddr *)&to,
                 sizeof to) == (ssize_t)sizeof packet);
}

/* The sequence number of the next packet, -1 when none arrives in time. */
static int heard(int fd, int milliseconds)
{
    unsigned char packet[2048];
    struct pollfd wait;
    wait.fd = fd;
    wait.events = POLLIN;
    wait.revents = 0;
    if (poll(&wait, 1, milliseconds) != 1)
        return -1;
    CHECK(recv(fd, packet, sizeof packet, 0) == 172);
    CHECK(packet[171] == 0x55);
    return packet[3];
}

/* Packets of the learning phase may still arrive. */
static void await_packet(int fd, int sequence)
{
    int found = heard(fd, 20000);
    while (found >= 0 && found < 100)
        found = heard(fd, 20000);
    CHECK(found == sequence);
}

static int reports;

/* The relay reports once in a call that a private address which did not signal is
 * sent nothing before it sends. */
static void count_reports(void *arg, uint32_t level, mp_str text)
{
    char line[300];
    CHECK(arg == NULL);
    snprintf(line, sizeof line, "%.*s", (int)text.len, text.ptr);
    if (strstr(line, "embedded relay: ") == NULL)
        return;
    if (level == MP_LOG_DEBUG) {
        /* The second BYE, which may have reached the relay too. */
        CHECK(strstr(line, "refused, call") != NULL);
        return;
    }
    CHECK(level == MP_LOG_WARNING);
    CHECK(strstr(line, "warning, call \"") != NULL);
    CHECK(strstr(line, "192.168.1.10:4000 is private") != NULL);
    reports++;
}

static mp_proxy_counters counters_of(const mp_proxy *proxy)
{
    mp_proxy_counters counters;
    STATUS(MP_OK, mp_proxy_statistics(proxy, &counters, sizeof counters));
    return counters;
}

int main(void)
{
    mp_config *config = quiet_config();
    mp_proxy *proxy = NULL;
    mp_error *error = NULL;
    mp_engine *engine;
    mp_worker *worker;
    mp_message *message = mp_message_new();
    mp_edits *edits = mp_edits_new();
    mp_address alice = address_of("127.0.0.2", 40000);
    mp_address bob = address_of("127.0.0.3", 40000);
    written text;
    const char *out;
    char socket_path[100];
    int a = phone("127.0.0.2"), b = phone("127.0.0.3");
    int for_bob, for_alice, from_a, from_b, turn;

    snprintf(socket_path, sizeof socket_path, "%s", in_place("proxy.sock"));
    set(config, "relay", "embedded");
    set(config, "proxy_socket", socket_path);
    set(config, "proxy_address", "127.0.0.1");
    set(config, "proxy_ports", "20000-29999");
    STATUS(MP_OK, mp_config_set_log(config, count_reports, NULL));
    MADE(mp_proxy_new(config, &proxy, &error), error);
    CHECK(same(mp_proxy_socket(proxy), socket_path));
    engine = engine_of(config);
    mp_config_free(config);
    worker = worker_of(engine);
    MADE(mp_proxy_start(proxy, &error), error);

    write_message(&text, OFFER, 1, 4000);
    parse(message, &text, &alice);
    VERB(MP_OK, worker, mp_fix_contact(worker, message, edits));
    VERB(MP_OK, worker, mp_rewrite_sdp(worker, message, NULL, edits));
    out = edited(edits, message);
    CHECK(strstr(out, "Contact: <sip:user@127.0.0.2:40000>") != NULL);
    CHECK(strstr(out, "c=IN IP4 127.0.0.1\r\n") != NULL);
    CHECK(strstr(out, "o=- 1 1 IN IP4 192.168.1.10") != NULL);
    for_bob = media_port(out);
    CHECK(for_bob >= 20000 && for_bob <= 29999 && for_bob % 2 == 0);

    /* Called again: the same port, no second set of edits. */
    VERB(MP_OK, worker, mp_rewrite_sdp(worker, message, NULL, edits));
    CHECK(media_port(edited(edits, message)) == for_bob);

    write_message(&text, ANSWER, 1, 4000);
    parse(message, &text, &bob);
    STATUS(MP_OK, mp_edits_reset(edits));
    VERB(MP_OK, worker, mp_rewrite_sdp(worker, message, NULL, edits));
    for_alice = media_port(edited(edits, message));
    CHECK(for_alice != for_bob);
    CHECK(reports == 0);
    CHECK(counters_of(proxy).sessions == 1);
    CHECK(reports == 1);

    /* The relay learns each side from its first packet: both sides send until
     * both have received one. */
    from_a = from_b = -1;
    for (turn = 0; turn < 50 && (from_a < 0 || from_b < 0); turn++) {
        speak(a, for_alice, 1);
        speak(b, for_bob, 2);
        from_b = from_b < 0 ? heard(a, 100) : from_b;
        from_a = from_a < 0 ? heard(b, 100) : from_a;
    }
    CHECK(from_b == 2 && from_a == 1);
    for (turn = 0; turn < 20; turn++) {
        speak(a, for_alice, 100 + turn);
        await_packet(b, 100 + turn);
        speak(b, for_bob, 150 + turn);
        await_packet(a, 150 + turn);
    }
    CHECK(counters_of(proxy).relayed >= 40);

    write_message(&text, BYE, 1, 0);
    parse(message, &text, &alice);
    VERB(MP_OK, worker, mp_end_session(worker, message, NULL));
    VERB(MP_OK, worker, mp_end_session(worker, message, NULL));
    for (turn = 0; turn < 2000 && counters_of(proxy).sessions != 0; turn++)
        poll(NULL, 0, 10);
    CHECK(counters_of(proxy).sessions == 0);
    CHECK(counters_of(proxy).sessions_total == 1);
    CHECK(reports == 1);

    mp_edits_free(edits);
    mp_message_free(message);
    mp_worker_free(worker);
    mp_engine_free(engine);
    STATUS(MP_OK, mp_proxy_stop(proxy));
    mp_proxy_free(proxy);
    CHECK(access(socket_path, F_OK) != 0);
    gone();
    close(a);
    close(b);
    return 0;
}
