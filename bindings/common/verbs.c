/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* client_nat_test and end_media_session: the verbs that change no message. */
#include "state.h"

int glue_client_nat_test(const struct glue_message *message, uint32_t tests)
{
    static const char verb[] = "client_nat_test";
    struct glue_process *process = glue_parsed(message, verb);
    mp_status status;

    if (process == NULL)
        return GLUE_FALSE;
    status = mp_nat_test(process->worker, process->message, tests, MP_FIRST_MATCH,
                         process->verdict);
    if (status < MP_OK)
        return glue_failed(message, verb, status, mp_worker_last_error(process->worker));
    glue_judged(message->id);
    return mp_verdict_matched(process->verdict) != 0 ? GLUE_TRUE : GLUE_FALSE;
}

uint32_t glue_client_lists(const struct glue_message *message)
{
    static const char verb[] = "asymmetric";
    struct glue_process *process = glue_parsed(message, verb);
    uint32_t lists = 0;
    mp_status status;

    if (process == NULL)
        return 0;
    status = mp_client_lists(process->worker, process->message, &lists);
    if (status < MP_OK)
        glue_failed(message, verb, status, mp_worker_last_error(process->worker));
    return lists;
}

/* Ends a call by a message that does not say so itself: a script gives up an
 * INVITE in its request or failure route, or refuses an answer. */
static int end_by_identity(const struct glue_message *message, const char *verb)
{
    struct glue_call call;

    if (glue.server->identify(message->message, &call) != 0)
        return glue_failed(message, verb, MP_ERR_SYNTAX,
                           mp_text("Call-ID, From or To cannot be read"));
    /* As with the CANCEL of a re-INVITE, the call goes on. */
    if (call.is_request && call.is_invite && call.to_tag.len > 0)
        return GLUE_TRUE;
    return glue_end_call(call.call_id, call.from_tag, call.to_tag);
}

int glue_end_media_session(const struct glue_message *message)
{
    static const char verb[] = "end_media_session";
    struct glue_process *process;
    mp_status status;

    process = glue_disabled() ? NULL : glue_parsed(message, verb);
    if (process == NULL)
        return GLUE_FALSE;
    status = mp_end_session(process->worker, process->message, NULL);
    if (status == MP_ERR_ARGUMENT)
        return end_by_identity(message, verb);
    if (status < MP_OK)
        return glue_failed(message, verb, status, mp_worker_last_error(process->worker));
    return GLUE_TRUE;
}

int glue_end_call(mp_str call_id, mp_str from_tag, mp_str to_tag)
{
    struct glue_process *process = glue_process();
    mp_status status;
    mp_str why;

    if (process == NULL)
        return GLUE_FALSE;
    status = mp_end_call(process->worker, call_id, from_tag, to_tag);
    if (status >= MP_OK)
        return GLUE_TRUE;
    why = mp_worker_last_error(process->worker);
    glue_log(MP_LOG_ERROR, "ending a call: %.*s", (int)why.len, why.ptr);
    return GLUE_FALSE;
}
