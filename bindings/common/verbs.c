/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* client_nat_test and end_media_session: the verbs that change no message. */
#include "state.h"

int mpm_client_nat_test(void *message, mp_str tests)
{
    static const char verb[] = "client_nat_test";
    struct mpm_process_state *process;
    struct mpm_message described;
    char error[MPM_ERROR_SIZE];
    mp_status status;
    uint32_t bits;

    if (mpm_tests(tests, &bits, error) != 0) {
        mpm_log(MP_LOG_ERROR, "%s", error);
        return MPM_FALSE;
    }
    process = mpm_parsed(message, verb, &described);
    if (process == NULL)
        return MPM_FALSE;
    status = mp_nat_test(process->worker, process->message, bits, MP_FIRST_MATCH,
                         process->verdict);
    if (status < MP_OK)
        return mpm_failed(described.id, verb, status, mp_worker_last_error(process->worker));
    mpm_note_verdict(described.id);
    return mp_verdict_matched(process->verdict) != 0 ? MPM_TRUE : MPM_FALSE;
}

uint32_t mpm_client_lists(void *message)
{
    static const char verb[] = "asymmetric";
    struct mpm_message described;
    struct mpm_process_state *process = mpm_parsed(message, verb, &described);
    uint32_t lists = 0;
    mp_status status;

    if (process == NULL)
        return 0;
    status = mp_client_lists(process->worker, process->message, &lists);
    if (status < MP_OK)
        mpm_failed(described.id, verb, status, mp_worker_last_error(process->worker));
    return lists;
}

static const char end_verb[] = "end_media_session";

/* Gives the message to mp_end_session. */
static int end(void *message, int is_branch)
{
    struct mpm_process_state *process;
    struct mpm_message described;
    mp_status status;

    process = mpm_parsed(message, end_verb, &described);
    if (process == NULL)
        return MPM_FALSE;
    mp_options_reset(process->options);
    mp_options_set_scope(process->options, is_branch ? MP_SCOPE_BRANCH : MP_SCOPE_CALL);
    status = mp_end_session(process->worker, process->message, process->options);
    if (status < MP_OK)
        return mpm_failed(described.id, end_verb, status,
                          mp_worker_last_error(process->worker));
    return MPM_TRUE;
}

/* The INVITE that a script has given up in a route that may still use the relay
 * for it again. */
static uint64_t given_up;
static int has_given_up;

void mpm_use_again(uint64_t id)
{
    if (given_up == id)
        has_given_up = 0;
}

void mpm_invite_failed(void *invite)
{
    end(invite, 0);
}

void mpm_route_ended(void *message)
{
    struct mpm_message described;

    if (!has_given_up)
        return;
    mpm_server.describe(message, &described);
    if (described.id != given_up)
        return;
    has_given_up = 0;
    mpm_invite_failed(message);
}

/* A message that terminates nothing by itself. Only the INVITE that begins a
 * call can be given up by a script, in its request or failure route: the final
 * reply is the server's own then. A re-INVITE that is given up leaves its call
 * alone (RFC 3261 14.1), and so does every other message. */
static int give_up(void *message, uint64_t id, int is_branch)
{
    struct mpm_call call;

    if (mpm_server.identify(message, &call) != 0)
        return mpm_failed(id, end_verb, MP_ERR_SYNTAX,
                          mp_text("Call-ID, From or To cannot be read"));
    if (call.status != 0 || !call.is_invite || call.to_tag.len > 0 || is_branch)
        return MPM_TRUE;
    if (mpm_server.may_go_on != NULL && mpm_server.may_go_on(message)) {
        given_up = id;
        has_given_up = 1;
        return MPM_TRUE;
    }
    return end(message, 0);
}

int mpm_end_media_session(void *message)
{
    struct mpm_process_state *process;
    struct mpm_message described;
    int is_branch;

    process = mpm_disabled() ? NULL : mpm_parsed(message, end_verb, &described);
    if (process == NULL)
        return MPM_FALSE;
    is_branch = mpm_server.is_branch(message);
    if (!mp_message_terminates(process->message))
        return give_up(message, described.id, is_branch);
    return end(message, is_branch);
}

int mpm_end_call(mp_str call_id, mp_str from_tag, mp_str to_tag)
{
    struct mpm_process_state *process = mpm_process_state();
    mp_status status;
    mp_str why;

    if (process == NULL)
        return MPM_FALSE;
    status = mp_end_call(process->worker, call_id, from_tag, to_tag);
    if (status >= MP_OK)
        return MPM_TRUE;
    why = mp_worker_last_error(process->worker);
    mpm_log(MP_LOG_ERROR, "cannot terminate a call: %.*s", (int)why.len, why.ptr);
    return MPM_FALSE;
}
