/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The common part of a server's module, driven by a fake server: parameters,
 * processes, every verb, dialogs, variables and management. */
#include "fake_server.h"

#include <signal.h>
#include <sys/types.h>
#include <sys/wait.h>

static void set_parameter(const char *name, const char *value)
{
    char error[MPM_ERROR_SIZE] = "";

    if (mpm_set(name, value, error) != 0) {
        fprintf(stderr, "%s\n", error);
        exit(1);
    }
}

static void is_refused(const char *name, const char *value, const char *reason)
{
    char error[MPM_ERROR_SIZE] = "";

    CHECK(mpm_set(name, value, error) == -1);
    CHECK(strncmp(error, name, strlen(name)) == 0 && strstr(error, reason) != NULL);
}

static void set_parameters(void)
{
    is_refused("relay_timeout", "soon", "milliseconds from 1 to 60000");
    is_refused("mediaproxy_timeout", "0", "milliseconds from 1 to 60000");
    is_refused("disable", "perhaps", "0, or 1");
    is_refused("natping_interval", "20", "which another module can do");
    is_refused("ice_candidate_avp", "", "an AVP");
    set_parameter("natping_interval", "0");
    set_parameter("sip_asymmetrics", "");
    set_parameter("rtp_asymmetrics", "");
    set_parameter("max_calls", "1024");
    set_parameter("mediaproxy_timeout", "20000");
    set_parameter("ice_candidate_avp", "$avp(ice)");
    CHECK(strcmp(mpm_avp("ice_candidate_avp"), "$avp(ice)") == 0);
    CHECK(strcmp(mpm_avp("media_relay_avp"), "$avp(media_relay)") == 0);
}

/* MPM_PARAMETERS has every setting of the library, and no name that mpm_set
 * does not know. */
static void every_parameter_is_known(pid_t parent)
{
#define NAME(name) #name,
    static const char *const names[] = { MPM_PARAMETERS(NAME) };
    char error[MPM_ERROR_SIZE] = "";
    const char *setting;
    size_t settings = 0;

    (void)parent;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (mpm_set(names[i], "\x01", error) != 0)
            CHECK(strstr(error, "there are:") == NULL);
    CHECK(mpm_set("moon_phase", "1", error) == -1 && strstr(error, "there are:") != NULL);
    for (setting = strtok(strstr(error, "there are:") + strlen("there are:"), ", ");
         setting != NULL; setting = strtok(NULL, ", ")) {
        int found = 0;

        for (size_t i = 0; i < sizeof names / sizeof *names; i++)
            found |= strcmp(names[i], setting) == 0;
        if (!found)
            fprintf(stderr, "parameters.h lacks %s\n", setting);
        CHECK(found);
        settings++;
    }
    CHECK(settings > 20);
}

static struct mpm_value value_of(const char *name, struct message *message)
{
    char error[MPM_ERROR_SIZE];
    struct mpm_value value;
    int variable = mpm_variable(mp_text(name), error);

    CHECK(variable >= 0);
    mpm_variable_get(variable, message, &value);
    return value;
}

static void nat_tests(void)
{
    char error[MPM_ERROR_SIZE];
    struct message message;

    receive(&message, OFFER, 1);
    CHECK(value_of("tests", &message).kind == MPM_VALUE_NONE);
    CHECK(mpm_client_nat_test(&message, mp_text("private_contact,websocket")) == MPM_TRUE);
    CHECK(value_of("matched", &message).number == MP_TEST_PRIVATE_CONTACT);
    CHECK(same(value_of("tests", &message).text, "private_contact"));
    CHECK(holds(value_of("evidence", &message).text, "192.168.1.10"));
    CHECK(value_of("error", &message).kind == MPM_VALUE_NONE);
    CHECK(value_of("sip_asymmetric", &message).number == 0);
    CHECK(value_of("rtp_asymmetric", &message).number == 0);
    CHECK(mpm_client_nat_test(&message, mp_text("websocket")) == MPM_FALSE);
    CHECK(mpm_client_nat_test(&message, mp_text("moon_phase")) == MPM_FALSE);
    CHECK(strstr(last_line, "moon_phase") != NULL);
    CHECK(mpm_variable(mp_text("moon"), error) == -1);
    CHECK(strstr(error, "sip_asymmetric or rtp_asymmetric") != NULL);
    /* Nothing is known of another message. */
    receive(&message, OFFER, 1);
    CHECK(value_of("matched", &message).number == 0);
}

static void contacts(void)
{
    static const char fixed[] = "sip:user@127.0.0.2:40000";
    struct message message;

    receive(&message, OFFER, 2);
    CHECK(mpm_fix_contact(&message, mp_text(NULL)) == MPM_TRUE);
    CHECK(count_lumps(&message, MPM_CONTACT) == 1 && same(message.contacts[0], fixed));
    /* A second call, also after the server has parsed its Contact again. */
    message.contacts[0].ptr = strstr(message.bytes.bytes, "sip:user@192");
    message.contacts[0].len = strlen("sip:user@192.168.1.10:5060");
    CHECK(mpm_fix_contact(&message, mp_text(NULL)) == MPM_TRUE);
    CHECK(count_lumps(&message, MPM_CONTACT) == 1 && same(message.contacts[0], fixed));
    CHECK(strstr(outgoing(&message), "Contact: <sip:user@127.0.0.2:40000>\r\n") != NULL);

    receive(&message, OFFER, 2);
    message.contacts[0] = mp_text("sip:elsewhere");
    CHECK(mpm_fix_contact(&message, mp_text(NULL)) == MPM_FALSE && message.lump_count == 0);
    CHECK(holds(value_of("error", &message).text, "another module"));
    /* The server did not parse it. */
    receive(&message, OFFER, 2);
    message.contacts[0] = mp_text("");
    CHECK(mpm_fix_contact(&message, mp_text(NULL)) == MPM_TRUE);
    CHECK(strstr(outgoing(&message), "Contact: <sip:user@127.0.0.2:40000>\r\n") != NULL);

    receive(&message, OFFER, 2);
    no_memory = 1;
    CHECK(mpm_fix_contact(&message, mp_text(NULL)) == MPM_FALSE && message.lump_count == 0);
    CHECK(holds(value_of("error", &message).text, "cannot add lump to the message"));
    no_memory = 0;
}

/* The server parsed this message, with the Contacts at these URIs. */
static void receive_text(struct message *to, const char *text, const char *const uris[3])
{
    receive(to, OFFER, 2);
    to->bytes.length = strlen(text);
    CHECK(to->bytes.length < sizeof to->bytes.bytes);
    memcpy(to->bytes.bytes, text, to->bytes.length + 1);
    for (size_t i = 0; i < 3; i++) {
        to->contacts[i] = mp_text(uris[i]);
        if (uris[i] != NULL)
            to->contacts[i].ptr = strstr(to->bytes.bytes, uris[i]);
    }
}

#define VIA "Via: SIP/2.0/UDP 192.168.1.10:5060;branch=z9hG4bK1\r\n"

/* Each URI that is fixed gets a lump of its own, and the server sees each. */
static void several_contacts(void)
{
    static const char text[] =
        "REGISTER sip:example.com SIP/2.0\r\n" VIA
        "Contact: <sip:old@10.0.0.7>;expires=0, <sip:a@192.168.1.10;maddr=10.0.0.1;x=y>\r\n"
        "m: <sip:b@192.168.1.10:5060>\r\nContent-Length: 0\r\n\r\n";
    static const char *const uris[3] = { "sip:old@10.0.0.7", "sip:a@192.168.1.10;maddr=10.0.0.1;x=y",
                                         "sip:b@192.168.1.10:5060" };
    struct message message;

    for (int unparsed = 0; unparsed < 2; unparsed++) {
        receive_text(&message, text, uris);
        if (unparsed)
            message.contacts[1] = mp_text(NULL);
        CHECK(mpm_fix_contact(&message, mp_text(NULL)) == MPM_TRUE);
        CHECK(strstr(outgoing(&message),
                     "Contact: <sip:old@10.0.0.7>;expires=0, <sip:a@127.0.0.2:40000;x=y>\r\n"
                     "m: <sip:b@127.0.0.2:40000>\r\nContent-Length: 0\r\n") != NULL);
        CHECK(same(message.contacts[0], uris[0]));
        CHECK(unparsed || same(message.contacts[1], "sip:a@127.0.0.2:40000;x=y"));
        CHECK(same(message.contacts[2], "sip:b@127.0.0.2:40000"));
        CHECK(count_lumps(&message, MPM_CONTACT) == (unparsed ? 3 : 2));
        CHECK(mpm_fix_contact(&message, mp_text(NULL)) == MPM_TRUE);
        CHECK(count_lumps(&message, MPM_CONTACT) == (unparsed ? 3 : 2));
    }
}

static void first_hop(void)
{
    static const char direct[] = "INVITE sip:b@example.com SIP/2.0\r\n" VIA
                                 "Contact: <sip:a@192.168.1.10>\r\n\r\n";
    static const char proxied[] = "INVITE sip:b@example.com SIP/2.0\r\n" VIA VIA
                                  "Contact: <sip:a@192.168.1.10>\r\n\r\n";
    static const char *const uris[3] = { "sip:a@192.168.1.10", NULL, NULL };
    struct message message;

    receive_text(&message, direct, uris);
    CHECK(mpm_client_nat_test(&message, mp_text("first_hop")) == MPM_TRUE);
    CHECK(same(value_of("tests", &message).text, "first_hop"));
    CHECK(mpm_fix_contact(&message, mp_text("first_hop")) == MPM_TRUE);
    CHECK(same(message.contacts[0], "sip:a@127.0.0.2:40000"));
    receive_text(&message, proxied, uris);
    CHECK(mpm_client_nat_test(&message, mp_text("8192")) == MPM_FALSE);
    CHECK(mpm_fix_contact(&message, mp_text("first_hop")) == MPM_TRUE);
    CHECK(message.lump_count == 0 && same(message.contacts[0], uris[0]));
    CHECK(mpm_fix_contact(&message, mp_text("")) == MPM_TRUE && message.lump_count == 1);
    receive_text(&message, direct, uris);
    CHECK(mpm_fix_contact(&message, mp_text("second_hop")) == MPM_FALSE);
    CHECK(message.lump_count == 0 && strstr(last_line, "second_hop") != NULL);
}

static int rewritten_port(const struct message *message)
{
    const char *out = outgoing(message);

    CHECK(strstr(out, "\r\nc=IN IP4 127.0.0.1\r\n") != NULL);
    return media_port(out);
}

static void media(void)
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
    /* The script gives up an INVITE; a re-INVITE leaves its call alone. */
    receive(&other, OFFER, 4);
    CHECK(mpm_end_media_session(&other) == MPM_TRUE);
    other.has_to_tag = 1;
    CHECK(mpm_end_media_session(&other) == MPM_TRUE);
    CHECK(mpm_end_call(mp_text(""), mp_text("a"), mp_text("")) == MPM_FALSE);
}

/* The server's only dialog. */
static struct {
    int exists, is_engaged, releases;
    struct mpm_dialog *state;
} dialog;

static void *find(void *message)
{
    (void)message;
    return dialog.exists ? &dialog : NULL;
}

static void release(void *found)
{
    CHECK(found == &dialog);
    dialog.releases++;
}

/* As a server does that makes the dialog when it forwards the INVITE. */
static int create(void *message)
{
    (void)message;
    return MPM_TRUE;
}

static int is_engaged(void *found)
{
    CHECK(found == &dialog);
    return dialog.is_engaged;
}

static int set_engaged(void *found)
{
    CHECK(found == &dialog);
    dialog.is_engaged = 1;
    return 0;
}

static struct mpm_dialog *watch(void *found, const struct mpm_dialog *first)
{
    static struct mpm_dialog stored;

    CHECK(found == &dialog);
    stored = *first;
    dialog.state = &stored;
    return &stored;
}

static void dialog_id(void *found, char *to, size_t size)
{
    CHECK(found == &dialog);
    snprintf(to, size, "1:2");
}

static const struct mpm_dialogs dialogs = { find, release, create, is_engaged, set_engaged, watch,
                                            dialog_id };

static void engaged_dialogs(void)
{
    struct message invite, other;
    struct mpm_call call;

    receive(&invite, OFFER, 5);
    CHECK(mpm_engage_media_proxy(&invite) == MPM_FALSE);
    CHECK(strstr(last_line, "the dialog module is not loaded") != NULL);
    mpm_use_dialogs(&dialogs);
    receive(&other, BYE, 5);
    CHECK(mpm_engage_media_proxy(&other) == MPM_TRUE && dialog.state == NULL);

    script.ice_candidate = mp_text("low-priority");
    CHECK(mpm_engage_media_proxy(&invite) == MPM_TRUE && dialog.state == NULL);
    dialog.exists = 1;
    /* The server made a dialog for another message. */
    receive(&other, OFFER, 6);
    mpm_dialog_created(&dialog, &other);
    CHECK(dialog.state == NULL);
    mpm_dialog_created(&dialog, &invite);
    CHECK(dialog.is_engaged && dialog.state->ice_length == strlen("low-priority"));
    CHECK(rewritten_port(&invite) > 0);
    memset(&script, 0, sizeof script);
    /* Once only. */
    CHECK(mpm_engage_media_proxy(&invite) == MPM_TRUE && dialog.releases == 1);

    receive(&other, ANSWER, 5);
    mpm_dialog_reply(&dialog, dialog.state, &other, 100);
    mpm_dialog_reply(&dialog, dialog.state, &other, 486);
    CHECK(other.lump_count == 0);
    mpm_dialog_reply(&dialog, dialog.state, &other, 200);
    CHECK(rewritten_port(&other) != rewritten_port(&invite));
    receive(&other, OFFER, 5);
    mpm_dialog_request(&dialog, dialog.state, &other);
    CHECK(rewritten_port(&other) > 0);

    CHECK(mpm_server.identify(&other, &call) == 0);
    mpm_dialog_terminated(dialog.state, call.call_id, call.from_tag, mp_text("b"));
    CHECK(dialog.state->terminated);
    mpm_dialog_terminated(dialog.state, call.call_id, call.from_tag, mp_text("b"));
    /* The server has read its database. */
    dialog.state = NULL;
    mpm_dialog_loaded(&dialog);
    CHECK(dialog.state != NULL && !dialog.state->terminated);
}

/* What a command wrote, as text. */
static char answered[8192];

static int add_entry(void *arg)
{
    CHECK(arg == answered);
    strcat(answered, "entry\n");
    return 0;
}

static int add_text(void *arg, const char *name, mp_str value)
{
    size_t length = strlen(answered);

    CHECK(arg == answered);
    snprintf(answered + length, sizeof answered - length, "%s: %.*s\n", name, (int)value.len,
             value.ptr);
    return 0;
}

static int add_number(void *arg, const char *name, uint64_t value)
{
    size_t length = strlen(answered);

    CHECK(arg == answered);
    snprintf(answered + length, sizeof answered - length, "%s: %lu\n", name,
             (unsigned long)value);
    return 0;
}

static int no_entry(void *arg)
{
    (void)arg;
    return -1;
}

static int command(enum mpm_command which, const char *argument)
{
    static const struct mpm_answer answer = { add_entry, add_text, add_number };
    char error[MPM_ERROR_SIZE] = "";
    int code;

    answered[0] = '\0';
    code = mpm_command(which, mp_text(argument), &answer, answered, error);
    CHECK((code == 0) == (error[0] == '\0'));
    return code;
}

static void management(void)
{
    static const struct mpm_answer failing = { no_entry, add_text, add_number };
    char error[MPM_ERROR_SIZE];
    struct mpm_number number;
    size_t count = 0, embedded = 0;

    CHECK(command(MPM_COMMAND_relays, "") == 0);
    CHECK(strstr(answered, "entry\nuri: embedded\n") == answered);
    CHECK(strstr(answered, "health: up\nadmin_state: enabled\n") != NULL);
    CHECK(command(MPM_COMMAND_drain, "embedded") == 0);
    CHECK(command(MPM_COMMAND_relays, "") == 0);
    CHECK(strstr(answered, "admin_state: draining\n") != NULL);
    CHECK(command(MPM_COMMAND_disable, "embedded") == 0);
    CHECK(command(MPM_COMMAND_enable, "embedded") == 0);
    CHECK(command(MPM_COMMAND_sessions, "") == 0);
    CHECK(strstr(answered, "entry\nuri: embedded\nactive_calls: ") == answered);
    CHECK(command(MPM_COMMAND_stats, "") == 0 && strstr(answered, "offers: ") != NULL);
    CHECK(command(MPM_COMMAND_reload, "") == 0);
    CHECK(command(MPM_COMMAND_enable, "") == 400);
    CHECK(command(MPM_COMMAND_enable, "mediaproxy:/nowhere") == 404);
    CHECK(command(MPM_COMMANDS_COUNT, "") == 404);
    CHECK(mpm_command(MPM_COMMAND_stats, mp_text(""), &failing, answered, error) == 500);

    while (mpm_number(count, &number) == 0) {
        CHECK(number.name[0] != '\0' && number.help[0] != '\0');
        if (strcmp(number.name, "offers") == 0)
            CHECK(mpm_number_value(count) > 0 && !number.gauge);
        embedded += strncmp(number.name, "embedded_", strlen("embedded_")) == 0;
        count++;
    }
    CHECK(embedded == mp_proxy_counters_count() + 1 && count > 20 && mpm_number_value(count) == 0);
}

static pid_t start(void (*run)(pid_t), pid_t parent)
{
    pid_t child = fork();

    CHECK(child >= 0);
    if (child == 0) {
        run(parent);
        mpm_stop();
        exit(0);
    }
    return child;
}

static void ends_well(pid_t child)
{
    int status = -1;

    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* A process of the server. */
static void serve(pid_t parent)
{
    (void)parent;
    mpm_child();
    nat_tests();
    contacts();
    several_contacts();
    first_hop();
    media();
    engaged_dialogs();
    management();
}

/* One without a process for the keeper: a timer. */
static void tick(pid_t parent)
{
    (void)parent;
    mpm_child();
    mpm_tick();
    mpm_tick();
}

/* A server whose script must not use a relay. */
static void disabled(pid_t parent)
{
    char error[MPM_ERROR_SIZE] = "";
    struct message message;

    (void)parent;
    set_parameters();
    set_parameter("relay", "embedded");
    set_parameter("disable", "1");
    CHECK(mpm_start(error) == 0);
    CHECK(mpm_process(0) != NULL && mpm_process(1) == NULL);
    receive(&message, OFFER, 1);
    CHECK(mpm_use_media_proxy(&message, mp_text(NULL)) == MPM_FALSE);
    CHECK(mpm_engage_media_proxy(&message) == MPM_FALSE);
    CHECK(mpm_end_media_session(&message) == MPM_FALSE && message.lump_count == 0);
    CHECK(mpm_client_nat_test(&message, mp_text("1")) == MPM_TRUE);
    CHECK(mpm_fix_contact(&message, mp_text(NULL)) == MPM_TRUE);
}

/* A relays file may name a relay "embedded", but this module runs none. */
static void without_relay(pid_t parent)
{
    char error[MPM_ERROR_SIZE] = "";

    (void)parent;
    set_parameters();
    set_parameter("relays", "/nowhere");
    set_parameter("proxy_ports", "20000-29999");
    CHECK(mpm_start(error) == -1);
    CHECK(strstr(error, "proxy_ports belongs to the embedded relay") == error);
}

int main(void)
{
    char error[MPM_ERROR_SIZE] = "";
    const struct mpm_process *process;
    pid_t self = getpid(), children[4];
    size_t count = 0;

    ends_well(start(every_parameter_is_known, self));
    ends_well(start(disabled, self));
    ends_well(start(without_relay, self));

    set_parameters();
    set_parameter("relay", "embedded");
    set_parameter("proxy_socket", in_place("relay.sock"));
    set_parameter("proxy_ports", "20000-29999");
    CHECK(mpm_start(error) == -1 && strstr(error, "give proxy_address") != NULL);
    mpm_socket(mp_text("example.com"), 0, mp_text(""));
    mpm_socket(mp_text("127.0.0.1"), 1, mp_text("sip.example.com"));
    CHECK(mpm_start(error) == 0);
    for (; (process = mpm_process(count)) != NULL; count++)
        children[count] = start(process->run, self);
    CHECK(count == 2);
    ends_well(start(serve, self));
    ends_well(start(serve, self));
    ends_well(start(tick, self));
    while (count > 0) {
        CHECK(kill(children[--count], SIGTERM) == 0);
        ends_well(children[count]);
    }
    mpm_stop();
    gone();
    return 0;
}
