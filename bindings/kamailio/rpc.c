/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Management: kamcmd mediaproxy.COMMAND, or over JSON-RPC. */
#include <stdio.h>

#include "core/rpc.h"

#include "kamailio.h"

/* An answer that is being written. */
struct reply {
    rpc_t *rpc;
    void *context;
    void *entry;
};

static int add_entry(void *arg)
{
    struct reply *to = arg;

    return to->rpc->add(to->context, "{", &to->entry);
}

static int add_text(void *arg, const char *name, mp_str value)
{
    struct reply *to = arg;
    char text[1100];

    snprintf(text, sizeof text, "%.*s", (int)value.len, value.ptr);
    return to->rpc->struct_add(to->entry, "s", name, text);
}

static int add_number(void *arg, const char *name, uint64_t value)
{
    struct reply *to = arg;

    return to->rpc->struct_add(to->entry, RPC_NUMBER, name, (rpc_number)value);
}

static void run(enum mpm_command command, rpc_t *rpc, void *context)
{
    static const struct mpm_answer answer = { add_entry, add_text, add_number };
    struct reply to = { rpc, context, NULL };
    char error[MPM_ERROR_SIZE];
    str argument = { NULL, 0 };
    int code;

    if (rpc->scan(context, "*S", &argument) < 1)
        argument.len = 0;
    code = mpm_command(command, family_text(argument), &answer, &to, error);
    if (code != 0)
        rpc->fault(context, code, "%s", error);
}

#define COMMAND(name, answers, help)                                                               \
    static const char *doc_##name[] = { help, NULL };                                              \
    static void rpc_##name(rpc_t *rpc, void *context)                                              \
    {                                                                                              \
        run(MPM_COMMAND_##name, rpc, context);                                                     \
    }
#define EXPORT(name, answers, help)                                                                \
    { "mediaproxy." #name, rpc_##name, doc_##name, (answers) == MPM_LIST ? RET_ARRAY : 0 },

MPM_COMMANDS(COMMAND)

rpc_export_t rpc_cmds[] = {
    MPM_COMMANDS(EXPORT)
    { NULL, NULL, NULL, 0 },
};
