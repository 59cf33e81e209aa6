/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* client_nat_test and end_media_session: the verbs that change no message. */
#include "state.h"

int mpm_client_nat_test(const struct mpm_message *message, uint32_t tests)
{
    static const char verb[] = "client_nat_test";
    struct mpm_process *process = mpm_parsed(message, verb);
    mp_status status;

    if (process == NULL)
        return MPM_FALSE;
    status = mp_nat_test(process->worker, process->message, tests, MP_FIRST_MATCH,
                         process->verdict);
    if (status < MP_OK)
        return mpm_failed(message, verb, status, mp_worker_last_error(process->worker));
    mpm_judged(message->id);
    return mp_verdict_matched(process->verdict) != 0 ? MPM_TRUE : MPM_FALSE;
}

uint32_t mpm_client_lists(const struct mpm_message *message)
{
    static const char verb[] = "asymmetric";
    struct mpm_process *process = mpm_parsed(message, verb);
    uint32_t lists = 0;
    mp_status status;

    if (process == NULL)
        return 0;
    status = mp_client_lists(process->worker, process->message, &lists);
    if (status < MP_OK)
        mpm_failed(message, verb, status, mp_worker_last_error(process->worker));
    return lists;
}

/* Ends a call by a message that does not say so itself: a script gives up an
 * INVITE in its request or failure route, or refuses an answer. */
static int end_by_identity(const struct mpm_message *message, const char *verb)
{
    struct mpm_call call;

    if (mpm.server->identify(message->message, &call) != 0)
        return mpm_failed(message, verb, MP_ERR_SYNTAX,
                           mp_text("Call-ID, From or To cannot be read"));
    /* As with the CANCEL of a re-INVITE, the call goes on. */
    if (call.is_request && call.is_invite && call.to_tag.len > 0)
        return MPM_TRUE;
    return mpm_end_call(call.call_id, call.from_tag, call.to_tag);
}

int mpm_end_media_session(const struct mpm_message *message)
{
    static const char verb[] = "end_media_session";
    struct mpm_process *process;
    mp_status status;

    process = mpm_disabled() ? NULL : mpm_parsed(message, verb);
    if (process == NULL)
        return MPM_FALSE;
    status = mp_end_session(process->worker, process->message, NULL);
    if (status == MP_ERR_ARGUMENT)
        return end_by_identity(message, verb);
    if (status < MP_OK)
        return mpm_failed(message, verb, status, mp_worker_last_error(process->worker));
    return MPM_TRUE;
}

int mpm_end_call(mp_str call_id, mp_str from_tag, mp_str to_tag)
{
    struct mpm_process *process = mpm_process();
    mp_status status;
    mp_str why;

    if (process == NULL)
        return MPM_FALSE;
    status = mp_end_call(process->worker, call_id, from_tag, to_tag);
    if (status >= MP_OK)
        return MPM_TRUE;
    why = mp_worker_last_error(process->worker);
    mpm_log(MP_LOG_ERROR, "ending a call: %.*s", (int)why.len, why.ptr);
    return MPM_FALSE;
}
