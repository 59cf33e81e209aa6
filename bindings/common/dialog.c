/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * engage_media_proxy: the relay is used for all messages of a dialog, until the
 * dialog terminates. An engaged dialog has a variable, so that it is engaged
 * once only, and again when the server loads it from its database.
 */
#include <string.h>

#include "state.h"

static const struct mpm_dialogs *dialogs;

/* The message that engage_media_proxy was called for last. */
static uint64_t engaged_message;
static int has_engaged;

void mpm_use_dialogs(const struct mpm_dialogs *of_server)
{
    dialogs = of_server;
}

static void rewrite(void *dialog, const struct mpm_dialog *state, void *message)
{
    struct mpm_options options = { .set = { NULL, 0 } };
    char id[64];

    mpm_server.options(message, &options);
    options.ice_candidate.ptr = state->ice;
    options.ice_candidate.len = state->ice_length;
    dialogs->id(dialog, id, sizeof id);
    options.dialog_id = mp_text(id);
    mpm_rewrite(message, &options);
}

static int engage(void *dialog, void *message)
{
    struct mpm_options options = { .set = { NULL, 0 } };
    struct mpm_dialog first, *state;

    if (dialogs->is_engaged(dialog))
        return MPM_TRUE;
    memset(&first, 0, sizeof first);
    mpm_server.options(message, &options);
    if (options.ice_candidate.len > 0 && options.ice_candidate.len <= sizeof first.ice) {
        memcpy(first.ice, options.ice_candidate.ptr, options.ice_candidate.len);
        first.ice_length = options.ice_candidate.len;
    }
    state = dialogs->watch(dialog, &first);
    if (state == NULL)
        return MPM_FALSE;
    if (dialogs->set_engaged(dialog) != 0)
        mpm_log(MP_LOG_WARNING, "a dialog will not be engaged after a restart of the server: "
                                "its variable cannot be set");
    if (dialogs->mark_route(message) != 0)
        mpm_log(MP_LOG_WARNING, "if two phones answer, one of the dialogs will not be engaged: "
                                "Record-Route cannot be marked");
    rewrite(dialog, state, message);
    return MPM_TRUE;
}

int mpm_engage_media_proxy(void *message)
{
    struct mpm_message described;
    struct mpm_call call;
    void *dialog;
    int result;

    if (mpm_disabled())
        return MPM_FALSE;
    if (dialogs == NULL) {
        mpm_log(MP_LOG_ERROR, "engage_media_proxy: the dialog module is not loaded");
        return MPM_FALSE;
    }
    if (mpm_server.identify(message, &call) != 0 || call.status != 0 || !call.is_invite)
        return MPM_TRUE;
    mpm_server.describe(message, &described);
    engaged_message = described.id;
    has_engaged = 1;
    /* There is one already when the script made it, and for a re-INVITE. */
    dialog = dialogs->find(message);
    if (dialog == NULL)
        return dialogs->create(message);
    result = engage(dialog, message);
    if (dialogs->release != NULL)
        dialogs->release(dialog);
    return result;
}

void mpm_dialog_created(void *dialog, void *message)
{
    struct mpm_message described;

    mpm_server.describe(message, &described);
    if (has_engaged && engaged_message == described.id)
        engage(dialog, message);
}

void mpm_dialog_loaded(void *dialog)
{
    static const struct mpm_dialog first;

    if (dialogs->is_engaged(dialog))
        dialogs->watch(dialog, &first);
}

void mpm_dialog_request(void *dialog, const struct mpm_dialog *state, void *message)
{
    rewrite(dialog, state, message);
}

void mpm_dialog_reply(void *dialog, const struct mpm_dialog *state, void *message,
                      unsigned int status)
{
    if (status > 100 && status < 300)
        rewrite(dialog, state, message);
}

int mpm_dialog_marked_request(void *message)
{
    struct mpm_options options = { .set = { NULL, 0 } };
    struct mpm_process_state *process;
    struct mpm_message described;
    void *dialog = mpm_disabled() ? NULL : dialogs->find(message);

    if (dialog != NULL) {
        if (dialogs->release != NULL)
            dialogs->release(dialog);
        return 0;
    }
    process = mpm_disabled() ? NULL : mpm_parsed(message, "engage_media_proxy", &described);
    if (process == NULL)
        return 0;
    if (mp_message_terminates(process->message)) {
        mpm_end_media_session(message);
        return 0;
    }
    mpm_server.options(message, &options);
    mpm_rewrite(message, &options);
    return 1;
}

void mpm_dialog_marked_reply(void *message, unsigned int status)
{
    struct mpm_options options = { .set = { NULL, 0 } };

    if (status <= 100 || status >= 300)
        return;
    mpm_server.options(message, &options);
    mpm_rewrite(message, &options);
}

void mpm_dialog_terminated(struct mpm_dialog *state, mp_str call_id, mp_str from_tag,
                           mp_str to_tag)
{
    if (state->terminated)
        return;
    state->terminated = 1;
    mpm_end_call(call_id, from_tag, to_tag);
}

/* By its message and not by its tags: another INVITE with the same tags may have
 * been answered. */
void mpm_dialog_failed(struct mpm_dialog *state, void *invite)
{
    if (state->terminated)
        return;
    state->terminated = 1;
    mpm_invite_failed(invite);
}
