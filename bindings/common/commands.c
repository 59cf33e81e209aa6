/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The management commands of commands.h. */
#include <stdio.h>

#include "state.h"

/* A command's answer while it is written. */
struct writer {
    const struct mpm_answer *answer;
    void *arg;
    int failed;
};

static void start_entry(struct writer *to)
{
    to->failed |= to->answer->entry(to->arg) != 0;
}

static void text(struct writer *to, const char *name, mp_str value)
{
    to->failed |= to->failed || to->answer->text(to->arg, name, value) != 0;
}

static void number(struct writer *to, const char *name, uint64_t value)
{
    to->failed |= to->failed || to->answer->number(to->arg, name, value) != 0;
}

static void write_relay(struct writer *to, const mp_relay *relay)
{
    start_entry(to);
    text(to, "uri", relay->uri);
    text(to, "set", relay->set);
    text(to, "health", mp_relay_health_name(relay->health));
    text(to, "admin_state", mp_relay_admin_state_name(relay->admin_state));
    number(to, "listed", relay->listed);
    number(to, "weight", relay->weight);
    number(to, "priority", relay->priority);
    number(to, "active_calls", relay->active_calls);
    number(to, "calls_total", relay->calls_total);
    number(to, "requests", relay->requests);
    number(to, "failures", relay->failures);
    number(to, "refusals", relay->refusals);
    number(to, "deletes", relay->deletes);
    number(to, "deletes_waiting", relay->deletes_waiting);
    number(to, "probes", relay->probes);
}

static void write_active_calls(struct writer *to, const mp_relay *relay)
{
    start_entry(to);
    text(to, "uri", relay->uri);
    number(to, "active_calls", relay->active_calls);
}

static int write_relays(struct writer *to, void (*write)(struct writer *, const mp_relay *),
                        char error[MPM_ERROR_SIZE])
{
    mp_relay_list *list = NULL;
    mp_error *why = NULL;
    mp_relay relay;

    if (mp_relay_list_new(mpm.engine, &list, &why) != MP_OK) {
        mpm_refuse(why, error);
        return 500;
    }
    for (size_t i = 0; i < mp_relay_list_count(list); i++)
        if (mp_relay_list_get(list, i, &relay, sizeof relay) == MP_OK)
            write(to, &relay);
    mp_relay_list_free(list);
    return 0;
}

static void write_numbers(struct writer *to)
{
    struct mpm_number counter;

    start_entry(to);
    for (size_t i = 0; mpm_number(i, &counter) == 0; i++)
        number(to, counter.name, mpm_number_value(i));
}

static int set_admin_state(mp_status (*set)(const mp_engine *, mp_str, mp_error **), mp_str uri,
                           char error[MPM_ERROR_SIZE])
{
    mp_error *why = NULL;

    if (uri.len == 0) {
        snprintf(error, MPM_ERROR_SIZE,
                 "the URI of a relay is missing; mediaproxy.relays lists them");
        return 400;
    }
    if (set(mpm.engine, uri, &why) == MP_OK)
        return 0;
    mpm_refuse(why, error);
    return 404;
}

static int reload(char error[MPM_ERROR_SIZE])
{
    if (mp_engine_reload(mpm.engine) == MP_OK)
        return 0;
    snprintf(error, MPM_ERROR_SIZE, "cannot reload the files");
    return 500;
}

int mpm_command(enum mpm_command command, mp_str argument, const struct mpm_answer *answer,
                void *arg, char error[MPM_ERROR_SIZE])
{
    struct writer to = { answer, arg, 0 };
    int code = 0;

    switch (command) {
    case MPM_COMMAND_relays:
        code = write_relays(&to, write_relay, error);
        break;
    case MPM_COMMAND_sessions:
        code = write_relays(&to, write_active_calls, error);
        break;
    case MPM_COMMAND_stats:
        write_numbers(&to);
        break;
    case MPM_COMMAND_drain:
        return set_admin_state(mp_relay_drain, argument, error);
    case MPM_COMMAND_enable:
        return set_admin_state(mp_relay_enable, argument, error);
    case MPM_COMMAND_disable:
        return set_admin_state(mp_relay_disable, argument, error);
    case MPM_COMMAND_reload:
        return reload(error);
    default:
        snprintf(error, MPM_ERROR_SIZE, "there is no such command");
        return 404;
    }
    if (code == 0 && to.failed) {
        snprintf(error, MPM_ERROR_SIZE, "the answer does not fit into the server's memory");
        return 500;
    }
    return code;
}
