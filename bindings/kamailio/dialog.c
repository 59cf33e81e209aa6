/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * engage_media_proxy: the dialog module tells of each message of a dialog and of
 * its end. A dialog that is followed bears a variable, so that it is not
 * followed twice, and is followed again when it is loaded from the database.
 */
#include <stdio.h>
#include <string.h>

#include "modules/dialog/dlg_hash.h"
#include "modules/dialog/dlg_load.h"

#include "kamailio.h"

/* What is kept for a dialog, in shared memory. */
struct followed {
    int ended;
    /* The ICE candidate that was wanted when it began. */
    size_t ice_length;
    char ice[16];
};

static struct dlg_binds dialog;
static int has_dialog;
/* The flag by which the dialog module knows what to track; -1 for none. */
static int dialog_flag = -1;
static cmd_function dlg_manage;

/* The message that engage_media_proxy was called for last. */
static uint64_t engaged;
static int is_engaged;

static str variable = str_init("mediaproxy");
static str following = str_init("following");

static void use(struct sip_msg *msg, struct dlg_cell *dlg, const struct followed *state)
{
    struct mpm_message message = message_of(msg);
    struct mpm_options options = { .set = { NULL, 0 } };
    char id[32];

    options.receiver = receiver_of(msg);
    avps_to_options(&options);
    options.ice_candidate.ptr = state->ice;
    options.ice_candidate.len = state->ice_length;
    snprintf(id, sizeof id, "%u:%u", dlg->h_entry, dlg->h_id);
    options.dialog_id = mp_text(id);
    mpm_use_media_proxy(&message, &options);
}

static void on_request(struct dlg_cell *dlg, int type, struct dlg_cb_params *parameters)
{
    (void)type;
    if (parameters->req != NULL)
        use(parameters->req, dlg, *parameters->param);
}

static void on_reply(struct dlg_cell *dlg, int type, struct dlg_cb_params *parameters)
{
    struct sip_msg *reply = parameters->rpl;

    (void)type;
    if (reply != NULL && reply != FAKED_REPLY && reply->REPLY_STATUS > 100 &&
        reply->REPLY_STATUS < 300)
        use(reply, dlg, *parameters->param);
}

static void on_end(struct dlg_cell *dlg, int type, struct dlg_cb_params *parameters)
{
    struct followed *state = *parameters->param;
    mp_str to_tag = { NULL, 0 };

    if (state->ended)
        return;
    state->ended = 1;
    /* A BYE ends what it was for; else nothing of the call is left. */
    if (type == DLGCB_TERMINATED)
        to_tag = text_of(dlg->tag[DLG_CALLEE_LEG]);
    mpm_end_call(text_of(dlg->callid), text_of(dlg->tag[DLG_CALLER_LEG]), to_tag);
}

static void free_followed(void *state)
{
    shm_free(state);
}

static int is_followed(struct dlg_cell *dlg)
{
    return dialog_has_variable(&dialog, dlg, &variable);
}

/* Has the dialog module tell of all that happens to a dialog. */
static struct followed *follow(struct dlg_cell *dlg)
{
    struct followed *state = shm_malloc(sizeof *state);
    struct mpm_options options;

    if (state == NULL) {
        SHM_MEM_ERROR;
        return NULL;
    }
    memset(state, 0, sizeof *state);
    avps_to_options(&options);
    if (options.ice_candidate.len > 0 && options.ice_candidate.len <= sizeof state->ice) {
        memcpy(state->ice, options.ice_candidate.ptr, options.ice_candidate.len);
        state->ice_length = options.ice_candidate.len;
    }
    /* The state goes with the last of them, and the dialog module runs the one
     * for DLGCB_DESTROY before it frees any. */
    if (dialog.register_dlgcb(dlg,
                              DLGCB_TERMINATED | DLGCB_FAILED | DLGCB_EXPIRED | DLGCB_DESTROY,
                              on_end, state, free_followed) != 0) {
        LM_ERR("the dialog cannot be followed\n");
        shm_free(state);
        return NULL;
    }
    if (dialog.register_dlgcb(dlg, DLGCB_REQ_WITHIN | DLGCB_CONFIRMED, on_request, state, NULL) !=
            0 ||
        dialog.register_dlgcb(dlg, DLGCB_RESPONSE_FWDED | DLGCB_RESPONSE_WITHIN, on_reply, state,
                              NULL) != 0)
        LM_ERR("not all messages of the dialog will be seen\n");
    return state;
}

static int begin(struct dlg_cell *dlg, struct sip_msg *msg)
{
    struct followed *state;

    if (is_followed(dlg))
        return MPM_TRUE;
    state = follow(dlg);
    if (state == NULL)
        return MPM_FALSE;
    if (dialog.set_dlg_var(dlg, &variable, &following) != 0)
        LM_WARN("the dialog will not be followed after a restart\n");
    use(msg, dlg, state);
    return MPM_TRUE;
}

static void on_created(struct dlg_cell *dlg, int type, struct dlg_cb_params *parameters)
{
    (void)type;
    if (is_engaged && parameters->req != NULL && engaged == message_of(parameters->req).id &&
        parameters->req->REQ_METHOD == METHOD_INVITE)
        begin(dlg, parameters->req);
}

static void on_loaded(struct dlg_cell *dlg, int type, struct dlg_cb_params *parameters)
{
    (void)type;
    (void)parameters;
    if (is_followed(dlg))
        follow(dlg);
}

int engage_media_proxy(struct sip_msg *msg)
{
    struct dlg_cell *dlg;
    int result;

    if (mpm_disabled())
        return MPM_FALSE;
    if (!has_dialog) {
        LM_ERR("engage_media_proxy: the dialog module is not loaded\n");
        return MPM_FALSE;
    }
    if (msg->first_line.type != SIP_REQUEST || msg->REQ_METHOD != METHOD_INVITE)
        return MPM_TRUE;
    engaged = message_of(msg).id;
    is_engaged = 1;
    /* It may be there already: dlg_manage came first, or this is a re-INVITE. */
    dlg = dialog.get_dlg(msg);
    if (dlg != NULL) {
        result = begin(dlg, msg);
        dialog.release_dlg(dlg);
        return result;
    }
    if (dialog_flag >= 0) {
        setflag(msg, dialog_flag);
        return MPM_TRUE;
    }
    return dlg_manage != NULL && dlg_manage(msg, NULL, NULL) > 0 ? MPM_TRUE : MPM_FALSE;
}

int dialog_init(void)
{
    modparam_t type;
    int *flag;

    if (!module_loaded("dialog"))
        return 0;
    if (load_dlg_api(&dialog) != 0) {
        LM_ERR("the dialog module offers no interface\n");
        return -1;
    }
    flag = find_param_export(find_module_by_name("dialog"), "dlg_flag", PARAM_INT, &type);
    if (flag != NULL && !(type & PARAM_USE_FUNC))
        dialog_flag = *flag;
    dlg_manage = find_export("dlg_manage", 0, 0);
    if (dialog.register_dlgcb(NULL, DLGCB_CREATED, on_created, NULL, NULL) != 0 ||
        dialog.register_dlgcb(NULL, DLGCB_LOADED, on_loaded, NULL, NULL) != 0) {
        LM_ERR("the dialog module takes no callbacks\n");
        return -1;
    }
    has_dialog = 1;
    return 0;
}
