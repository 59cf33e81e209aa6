/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The functions that a server's module must define: see mpm.h for each. */
#include "fake_server.h"

struct mpm_options script;
char last_line[MPM_ERROR_SIZE];
uint32_t last_level;
int no_memory, idle_calls;

static void log_line(void *arg, uint32_t level, mp_str text)
{
    (void)arg;
    last_level = level;
    snprintf(last_line, sizeof last_line, "%.*s", (int)text.len, text.ptr);
}

static void on_idle(void)
{
    idle_calls++;
}

static void describe(void *message, struct mpm_message *to)
{
    const struct message *msg = message;

    to->id = msg->id;
    to->raw.ptr = msg->bytes.bytes;
    to->raw.len = msg->bytes.length;
    to->source = msg->source;
    to->local = address_of("127.0.0.1", 5060);
    to->transport = MP_TRANSPORT_UDP;
}

static int identify(void *message, struct mpm_call *to)
{
    static char call_id[64], from_tag[32];
    const struct message *msg = message;

    snprintf(call_id, sizeof call_id, "call-%d@example.com", msg->call);
    snprintf(from_tag, sizeof from_tag, "a%d", msg->call);
    to->call_id = mp_text(call_id);
    to->from_tag = mp_text(from_tag);
    to->to_tag = mp_text(msg->has_to_tag ? "b" : "");
    to->is_invite = msg->is_invite;
    to->status = msg->status;
    return 0;
}

static void options(void *message, struct mpm_options *to)
{
    mp_str set = to->set;

    (void)message;
    *to = script;
    to->set = set;
}

static int is_branch(void *message)
{
    const struct message *msg = message;

    return msg->is_branch;
}

static int may_go_on(void *message)
{
    const struct message *msg = message;

    return msg->may_go_on;
}

/* Lumps are kept in the order of their offsets. */
static int replace(void *message, enum mpm_mark mark, size_t offset, size_t remove, mp_str text)
{
    struct message *msg = message;
    size_t at = msg->lump_count;
    struct lump *lump;

    if (no_memory || at == sizeof msg->lumps / sizeof *msg->lumps ||
        text.len > sizeof msg->lumps->text)
        return -1;
    while (at > 0 && msg->lumps[at - 1].offset > offset)
        at--;
    memmove(&msg->lumps[at + 1], &msg->lumps[at], (msg->lump_count - at) * sizeof *msg->lumps);
    msg->lump_count++;
    lump = &msg->lumps[at];
    lump->mark = mark;
    lump->offset = offset;
    lump->remove = remove;
    lump->length = text.len;
    if (text.len > 0)
        memcpy(lump->text, text.ptr, text.len);
    return 0;
}

static void remove_lumps(void *message, enum mpm_mark mark)
{
    struct message *msg = message;
    size_t kept = 0;

    for (size_t i = 0; i < msg->lump_count; i++)
        if (msg->lumps[i].mark != mark)
            msg->lumps[kept++] = msg->lumps[i];
    msg->lump_count = kept;
}

static int is_within(const struct message *msg, mp_str text)
{
    return text.ptr >= msg->bytes.bytes && text.ptr < msg->bytes.bytes + msg->bytes.length;
}

static int contact_uri(void *message, size_t offset, mp_str *uri)
{
    const struct message *msg = message;
    const char *wanted = msg->bytes.bytes + offset;
    int moved = 0;

    for (size_t i = 0; i < sizeof msg->contacts / sizeof *msg->contacts; i++) {
        *uri = msg->contacts[i];
        if (uri->len > 0 && wanted >= uri->ptr && wanted < uri->ptr + uri->len)
            return 1;
        moved |= uri->len > 0 && !is_within(msg, *uri);
    }
    return moved ? -1 : 0;
}

static int contact_update(void *message)
{
    struct message *msg = message;
    int count = 0;

    for (size_t i = 0; i < msg->lump_count; i++) {
        struct lump *lump = &msg->lumps[i];

        if (lump->mark != MPM_CONTACT)
            continue;
        count++;
        for (size_t k = 0; k < sizeof msg->contacts / sizeof *msg->contacts; k++) {
            mp_str *contact = &msg->contacts[k];

            if (contact->ptr == msg->bytes.bytes + lump->offset && contact->len == lump->remove) {
                contact->ptr = lump->text;
                contact->len = lump->length;
            }
        }
    }
    return count > 0;
}

const struct mpm_server mpm_server = {
    .log = log_line,
    .on_idle = on_idle,
    .keepalive_elsewhere = "another module",
    .config_directory = "/nowhere",
    .describe = describe,
    .identify = identify,
    .options = options,
    .is_branch = is_branch,
    .may_go_on = may_go_on,
    .replace = replace,
    .remove = remove_lumps,
    .contact_uri = contact_uri,
    .contact_update = contact_update,
};

void receive(struct message *to, int kind, int call)
{
    static uint64_t next_id;
    const char *contact;

    memset(to, 0, sizeof *to);
    /* Each process has calls of its own: those of another one have ended. */
    call += 100 * (int)(getpid() % 100000);
    write_message(&to->bytes, kind, call, 40000);
    to->source = address_of(kind == ANSWER ? "127.0.0.3" : "127.0.0.2", 40000);
    to->id = ++next_id;
    to->call = call;
    to->is_invite = kind != BYE;
    to->has_to_tag = kind != OFFER;
    to->status = kind == ANSWER ? 200 : 0;
    contact = strstr(to->bytes.bytes, "Contact: <");
    if (contact != NULL) {
        to->contacts[0].ptr = contact + strlen("Contact: <");
        to->contacts[0].len = (size_t)(strchr(contact, '>') - to->contacts[0].ptr);
    }
}

/* A server also sets Content-Length. */
const char *outgoing(const struct message *message)
{
    static char out[8192];
    const char *from = message->bytes.bytes;
    size_t at = 0, length = 0;

    for (size_t i = 0; i < message->lump_count; i++) {
        const struct lump *lump = &message->lumps[i];

        CHECK(lump->offset >= at && lump->offset + lump->remove <= message->bytes.length);
        memcpy(out + length, from + at, lump->offset - at);
        length += lump->offset - at;
        memcpy(out + length, lump->text, lump->length);
        length += lump->length;
        at = lump->offset + lump->remove;
    }
    memcpy(out + length, from + at, message->bytes.length - at);
    out[length + message->bytes.length - at] = '\0';
    return out;
}

size_t count_lumps(const struct message *message, enum mpm_mark mark)
{
    size_t count = 0;

    for (size_t i = 0; i < message->lump_count; i++)
        count += message->lumps[i].mark == mark;
    return count;
}
