/* Reads a directory of SIP messages and SDPs of other projects and gives each
 * file, or every STEP-th, to the verbs:
 *
 *   corpus DIRECTORY [STEP]
 *
 * Every buffer is exactly as long as its content, so that memcheck and
 * AddressSanitizer report an access to the first byte after it. The relay is a
 * thread that gives every stream a port. */
#include "check.h"

#include <dirent.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define ALL_TESTS                                                              \
    (MP_TEST_PRIVATE_CONTACT | MP_TEST_SOURCE_ADDRESS | MP_TEST_PRIVATE_VIA |  \
     MP_TEST_PRIVATE_SDP | MP_TEST_SOURCE_PORT | MP_TEST_SOURCE_CONTACT |      \
     MP_TEST_CONTACT_PORT | MP_TEST_PRIVATE_SOURCE | MP_TEST_SOURCE_SDP |      \
     MP_TEST_WEBSOCKET)
/* The longest file that is read. A message of more than 65536 bytes must be
 * refused, so some files must be longer than that. */
#define LONGEST (16L * 1024 * 1024)

static struct {
    unsigned long files, messages, natted, fixed, rewritten, refused;
} count;

static mp_worker *worker;
static mp_message *message, *again;
static mp_verdict *verdict;
static mp_edits *edits;
static unsigned long step = 1, seen;

/* The relay: one client, one connection at a time. */

static void answer(int client, const char *request)
{
    char line[700];
    const char *media = strstr(request, "\r\nmedia: ");
    int length, port = 50000;
    if (strncmp(request, "remove\r\n", 8) == 0) {
        length = snprintf(line, sizeof line, "removed\r\n");
    } else {
        length = snprintf(line, sizeof line, "203.0.113.9");
        for (; media != NULL && port < 50000 + 64 * 4; port += 4) {
            length += snprintf(line + length, sizeof line - (size_t)length,
                               " %d", port);
            media = strchr(media, ',');
            if (media != NULL)
                media++;
        }
        length += snprintf(line + length, sizeof line - (size_t)length, "\r\n");
    }
    /* The client may have closed its end. */
    (void)!send(client, line, (size_t)length, MSG_NOSIGNAL);
}

static void serve(int client)
{
    static char input[200000];
    size_t held = 0;
    char *end;
    for (;;) {
        ssize_t got = recv(client, input + held, sizeof input - 1 - held, 0);
        if (got <= 0)
            return;
        held += (size_t)got;
        input[held] = '\0';
        while ((end = strstr(input, "\r\n\r\n")) != NULL) {
            size_t length = (size_t)(end - input) + 4;
            *end = '\0';
            answer(client, input);
            memmove(input, input + length, held - length + 1);
            held -= length;
        }
        CHECK(held < sizeof input - 1);
    }
}

static void *relay(void *listener)
{
    for (;;) {
        int client = accept(*(int *)listener, NULL, NULL);
        if (client < 0)
            return NULL;
        serve(client);
        close(client);
    }
}

static int listen_at(const char *path)
{
    struct sockaddr_un own;
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK(fd >= 0);
    memset(&own, 0, sizeof own);
    own.sun_family = AF_UNIX;
    CHECK(strlen(path) < sizeof own.sun_path);
    memcpy(own.sun_path, path, strlen(path));
    CHECK(bind(fd, (struct sockaddr *)&own, sizeof own) == 0);
    CHECK(listen(fd, 8) == 0);
    return fd;
}

/* Gives one message to the verbs. */

static void judge(void)
{
    size_t at;
    mp_status status = mp_nat_test(worker, message, ALL_TESTS, 0, verdict);
    if (status != MP_OK) {
        CHECK(status == MP_ERR_SYNTAX || status == MP_ERR_LIMIT);
        CHECK(mp_worker_last_error(worker).len > 0);
        CHECK(mp_verdict_tested(verdict) == 0);
        return;
    }
    CHECK(mp_verdict_tested(verdict) == ALL_TESTS);
    count.natted += mp_verdict_matched(verdict) != 0;
    for (at = 0; at < mp_verdict_count(verdict); at++) {
        mp_str test = mp_test_name(mp_verdict_test(verdict, at));
        mp_str why = mp_verdict_text(verdict, at);
        CHECK(why.len > test.len && memcmp(why.ptr, test.ptr, test.len) == 0);
    }
}

/* Applies the edits and parses the result. */
static void apply(mp_str raw, const mp_address *source)
{
    size_t needed = 0, length = 0, at, expected = raw.len, end = 0;
    mp_edit edit;
    mp_str out;
    char *buffer;
    mp_status status = mp_edits_apply(edits, message, NULL, 0, &needed);
    CHECK(status == MP_ERR_BUFFER_TOO_SMALL);
    buffer = (char *)malloc(needed);
    CHECK(buffer != NULL);
    STATUS(MP_ERR_BUFFER_TOO_SMALL,
           mp_edits_apply(edits, message, buffer, needed - 1, &length));
    STATUS(MP_OK, mp_edits_apply(edits, message, buffer, needed, &length));
    CHECK(length == needed);
    for (at = 0; at < mp_edits_count(edits); at++) {
        STATUS(MP_OK, mp_edits_get(edits, at, &edit));
        CHECK(edit.offset >= end);
        end = edit.offset + edit.remove;
        CHECK(end <= raw.len);
        expected = expected - edit.remove + edit.insert.len;
    }
    /* Each Content-Length may have become longer or shorter. */
    CHECK(length + 512 > expected && length < expected + 512);
    out.ptr = buffer;
    out.len = length;
    if (length <= 65536)
        STATUS(MP_OK, mp_message_parse(again, out, source, NULL,
                                       MP_TRANSPORT_UDP));
    free(buffer);
}

static void handle(mp_str raw, const mp_address *source)
{
    mp_status status =
        mp_message_parse(message, raw, source, NULL, MP_TRANSPORT_UDP);
    if (status != MP_OK) {
        CHECK(status == MP_ERR_SYNTAX || status == MP_ERR_LIMIT);
        CHECK(mp_message_last_error(message).len > 0);
        return;
    }
    count.messages++;
    judge();
    STATUS(MP_OK, mp_edits_reset(edits));
    status = mp_fix_contact(worker, message, edits);
    CHECK(status == MP_OK || status == MP_NO_CONTACT || status == MP_ERR_SYNTAX ||
          status == MP_ERR_LIMIT);
    CHECK(status == MP_OK || mp_edits_count(edits) == 0);
    count.fixed += mp_edits_count(edits) > 0;
    if (status == MP_OK)
        apply(raw, source);
    status = mp_rewrite_sdp(worker, message, NULL, edits);
    if (status == MP_OK) {
        count.rewritten++;
        apply(raw, source);
    } else if (status != MP_NO_SDP) {
        /* Messages of one call stand in several files, also after its end. */
        if (status != MP_ERR_SYNTAX && status != MP_ERR_LIMIT &&
            status != MP_ERR_RELAY_ANSWER && status != MP_ERR_ENDED)
            VERB(MP_OK, worker, status);
        CHECK(mp_worker_last_error(worker).len > 0);
        count.refused++;
    }
    /* It would end the call of an INVITE, of which other messages follow. */
    if (raw.len >= 6 && memcmp(raw.ptr, "INVITE", 6) == 0)
        return;
    status = mp_end_session(worker, message, NULL);
    CHECK(status == MP_OK || status == MP_ERR_ARGUMENT ||
          status == MP_ERR_SYNTAX || status == MP_ERR_LIMIT);
}

/* Makes an INVITE with an SDP as its body. */
static mp_str as_invite(mp_str sdp)
{
    char head[400];
    mp_str raw;
    char *buffer;
    int length = snprintf(
        head, sizeof head,
        "INVITE sip:bob@example.com SIP/2.0\r\n"
        "Via: SIP/2.0/UDP 192.168.1.10:5060;branch=z9hG4bK1\r\n"
        "From: <sip:alice@example.com>;tag=a\r\n"
        "To: <sip:bob@example.com>\r\n"
        "Call-ID: description-%lu\r\n"
        "CSeq: 1 INVITE\r\n"
        "Contact: <sip:alice@192.168.1.10>\r\n"
        "Content-Type: application/sdp\r\n"
        "Content-Length: %lu\r\n\r\n",
        count.files, (unsigned long)sdp.len);
    CHECK(length > 0 && (size_t)length < sizeof head);
    buffer = (char *)malloc((size_t)length + sdp.len);
    CHECK(buffer != NULL);
    memcpy(buffer, head, (size_t)length);
    memcpy(buffer + length, sdp.ptr, sdp.len);
    raw.ptr = buffer;
    raw.len = (size_t)length + sdp.len;
    return raw;
}

static void handle_file(const char *path, size_t length)
{
    char *buffer = (char *)malloc(length);
    FILE *file = fopen(path, "rb");
    mp_address outside = address_of("203.0.113.5", 61234);
    mp_address ipv6 = address_of("2001:db8::5", 5060);
    mp_str raw;

    CHECK(buffer != NULL && file != NULL);
    CHECK(fread(buffer, 1, length, file) == length);
    fclose(file);
    count.files++;
    raw.ptr = buffer;
    raw.len = length;
    if (length > 2 && memcmp(buffer, "v=", 2) == 0) {
        raw = as_invite(raw);
        free(buffer);
    }
    handle(raw, &outside);
    handle(raw, &ipv6);
    free((void *)raw.ptr);
}

static void walk(const char *directory)
{
    DIR *open = opendir(directory);
    struct dirent *entry;
    CHECK(open != NULL);
    while ((entry = readdir(open)) != NULL) {
        char path[2000];
        struct stat about;
        int length;
        if (entry->d_name[0] == '.')
            continue;
        length = snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
        CHECK(length > 0 && (size_t)length < sizeof path);
        CHECK(stat(path, &about) == 0);
        if (S_ISDIR(about.st_mode))
            walk(path);
        else if (about.st_size > 0 && about.st_size < LONGEST &&
                 seen++ % step == 0)
            handle_file(path, (size_t)about.st_size);
    }
    closedir(open);
}

int main(int argc, char **argv)
{
    mp_config *config = quiet_config();
    mp_engine *engine;
    pthread_t thread;
    char path[100], uri[140];
    int listener;

    if (argc < 2) {
        fprintf(stderr, "usage: corpus DIRECTORY [STEP]\n");
        return 2;
    }
    if (argc > 2)
        step = strtoul(argv[2], NULL, 10);
    CHECK(step > 0);
    snprintf(path, sizeof path, "%s", in_place("relay.sock"));
    listener = listen_at(path);
    CHECK(pthread_create(&thread, NULL, relay, &listener) == 0);
    snprintf(uri, sizeof uri, "mediaproxy2:%s;ipv6=yes", path);
    set(config, "relay", uri);
    set(config, "ice_candidate", "high-priority");
    engine = engine_of(config);
    mp_config_free(config);
    worker = worker_of(engine);
    message = mp_message_new();
    again = mp_message_new();
    verdict = mp_verdict_new();
    edits = mp_edits_new();

    walk(argv[1]);
    printf("%lu files, %lu messages, %lu behind NAT, %lu Contacts fixed, "
           "%lu descriptions rewritten, %lu refused\n",
           count.files, count.messages, count.natted, count.fixed,
           count.rewritten, count.refused);

    mp_edits_free(edits);
    mp_verdict_free(verdict);
    mp_message_free(again);
    mp_message_free(message);
    mp_worker_free(worker);
    mp_engine_free(engine);
    CHECK(shutdown(listener, SHUT_RDWR) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    close(listener);
    CHECK(unlink(path) == 0);
    gone();
    return 0;
}
