/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The common part of a server's module, driven by a fake server: parameters,
 * processes, every verb, dialogs, variables and management. */
#include "fake_server.h"

#include <signal.h>
#include <sys/types.h>
#include <sys/wait.h>

#include "module_commands.h"
#include "module_dialogs.h"
#include "module_media.h"
#include "module_nat.h"

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
    ends();
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
