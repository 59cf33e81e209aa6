/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Management: kamcmd mediaproxy.COMMAND, or over JSON-RPC. */
#include <stdio.h>

#include "core/rpc.h"

#include "kamailio.h"

/* An answer being written. */
struct answer {
    rpc_t *rpc;
    void *context;
    int failed;
};

static char *copy(char *to, size_t room, mp_str text)
{
    snprintf(to, room, "%.*s", (int)text.len, text.ptr);
    return to;
}

static int add_number(rpc_t *rpc, void *entry, const char *name, uint64_t number)
{
    return rpc->struct_add(entry, RPC_NUMBER, name, (rpc_number)number);
}

static void add_relay(void *arg, const mp_relay *relay)
{
    struct answer *answer = arg;
    rpc_t *rpc = answer->rpc;
    char uri[1100], set[300];
    void *entry;

    if (rpc->add(answer->context, "{", &entry) < 0 ||
        rpc->struct_add(entry, "ssssd", "uri", copy(uri, sizeof uri, relay->uri), "set",
                        copy(set, sizeof set, relay->set), "condition",
                        mpm_condition_name(relay->health), "order",
                        mpm_order_name(relay->admin_state), "listed", (int)relay->listed) < 0 ||
        rpc->struct_add(entry, "dd", "weight", (int)relay->weight, "priority",
                        (int)relay->priority) < 0 ||
        add_number(rpc, entry, "sessions", relay->active_calls) < 0 ||
        add_number(rpc, entry, "calls", relay->calls_total) < 0 ||
        add_number(rpc, entry, "requests", relay->requests) < 0 ||
        add_number(rpc, entry, "failures", relay->failures) < 0 ||
        add_number(rpc, entry, "refusals", relay->refusals) < 0 ||
        add_number(rpc, entry, "ends", relay->deletes) < 0 ||
        add_number(rpc, entry, "deletes_waiting", relay->deletes_waiting) < 0 ||
        add_number(rpc, entry, "probes", relay->probes) < 0)
        answer->failed = 1;
}

static void for_relays(rpc_t *rpc, void *context, mpm_relay_visit visit)
{
    struct answer answer = { rpc, context, 0 };
    char error[MPM_ERROR_SIZE];

    if (mpm_relays(visit, &answer, error) != 0)
        rpc->fault(context, 500, "%s", error);
    else if (answer.failed)
        rpc->fault(context, 500, "The answer could not be built");
}

static const char *relays_doc[] = { "The relays, as all processes see them.", NULL };

static void rpc_relays(rpc_t *rpc, void *context)
{
    for_relays(rpc, context, add_relay);
}

static void add_sessions(void *arg, const mp_relay *relay)
{
    struct answer *answer = arg;
    char uri[1100];
    void *entry;

    if (answer->rpc->add(answer->context, "{", &entry) < 0 ||
        answer->rpc->struct_add(entry, "s", "uri", copy(uri, sizeof uri, relay->uri)) < 0 ||
        add_number(answer->rpc, entry, "sessions", relay->active_calls) < 0)
        answer->failed = 1;
}

static const char *sessions_doc[] = { "How many calls are on each relay now.", NULL };

static void rpc_sessions(rpc_t *rpc, void *context)
{
    for_relays(rpc, context, add_sessions);
}

static const char *stats_doc[] = { "What all processes have done.", NULL };

static void rpc_stats(rpc_t *rpc, void *context)
{
    const struct mpm_number *number;
    void *entry;
    size_t i;

    if (rpc->add(context, "{", &entry) < 0) {
        rpc->fault(context, 500, "The answer could not be built");
        return;
    }
    for (i = 0; (number = mpm_number(i)) != NULL; i++)
        add_number(rpc, entry, number->name, mpm_number_value(i));
}

static void give_order(rpc_t *rpc, void *context, enum mpm_order order)
{
    char error[MPM_ERROR_SIZE];
    str uri;

    if (rpc->scan(context, "S", &uri) < 1) {
        rpc->fault(context, 400, "Give the uri of a relay, as mediaproxy.relays tells it");
        return;
    }
    if (mpm_order_relay(order, text_of(uri), error) != 0)
        rpc->fault(context, 404, "%s", error);
}

static const char *drain_doc[] = { "The relay takes no new calls: give its uri.", NULL };

static void rpc_drain(rpc_t *rpc, void *context)
{
    give_order(rpc, context, MPM_DRAIN);
}

static const char *enable_doc[] = { "The relay is used again: give its uri.", NULL };

static void rpc_enable(rpc_t *rpc, void *context)
{
    give_order(rpc, context, MPM_ENABLE);
}

static const char *disable_doc[] = { "The relay is not asked any more: give its uri.", NULL };

static void rpc_disable(rpc_t *rpc, void *context)
{
    give_order(rpc, context, MPM_DISABLE);
}

static const char *reload_doc[] = { "Client lists and relays file are read again.", NULL };

static void rpc_reload(rpc_t *rpc, void *context)
{
    if (mpm_reload() != 0)
        rpc->fault(context, 500, "The files could not be read again");
}

rpc_export_t commands[] = {
    { "mediaproxy.relays", rpc_relays, relays_doc, RET_ARRAY },
    { "mediaproxy.sessions", rpc_sessions, sessions_doc, RET_ARRAY },
    { "mediaproxy.stats", rpc_stats, stats_doc, 0 },
    { "mediaproxy.drain", rpc_drain, drain_doc, 0 },
    { "mediaproxy.enable", rpc_enable, enable_doc, 0 },
    { "mediaproxy.disable", rpc_disable, disable_doc, 0 },
    { "mediaproxy.reload", rpc_reload, reload_doc, 0 },
    { NULL, NULL, NULL, 0 },
};
