/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The callbacks of the server's dialog module, for engage_media_proxy. */
#include <stdio.h>

#include "family.h"

static struct dlg_binds api;
static struct rr_binds rr;
static struct tm_binds tm;

static str variable = str_init("mediaproxy_engaged");
static str value = str_init("yes");

/* The parameter in Record-Route, and so in the Route of later requests. */
static str mark = str_init(";mpe=1");
static str mark_name = str_init("mpe");

static void on_request(struct dlg_cell *dlg, int type, struct dlg_cb_params *parameters)
{
    struct sip_msg *msg = family_dialog_request(parameters);

    (void)type;
    if (msg != NULL)
        mpm_dialog_request(dlg, *parameters->param, msg);
}

static void on_reply(struct dlg_cell *dlg, int type, struct dlg_cb_params *parameters)
{
    struct sip_msg *msg = family_dialog_reply(parameters);

    (void)type;
    if (msg != NULL && msg != FAKED_REPLY)
        mpm_dialog_reply(dlg, *parameters->param, msg, msg->REPLY_STATUS);
}

static void on_terminated(struct dlg_cell *dlg, int type, struct dlg_cb_params *parameters)
{
    struct sip_msg *invite = family_dialog_request(parameters);

    if (type == DLGCB_FAILED && invite != NULL && invite != FAKED_REPLY) {
        mpm_dialog_failed(*parameters->param, invite);
        return;
    }
    /* A BYE terminates the dialog it belongs to; a dialog that expires leaves
     * nothing of its call. */
    mpm_dialog_terminated(*parameters->param, family_text(dlg->callid),
                          family_text(family_caller_tag(dlg)),
                          type == DLGCB_TERMINATED ? family_text(family_callee_tag(dlg))
                                                   : mp_text(NULL));
}

static void on_marked_reply(struct cell *transaction, int type, struct tmcb_params *parameters)
{
    (void)transaction;
    (void)type;
    if (parameters->rpl != NULL && parameters->rpl != FAKED_REPLY)
        mpm_dialog_marked_reply(parameters->rpl, parameters->rpl->REPLY_STATUS);
}

static void on_route(struct sip_msg *msg, str *parameters, void *unused)
{
    str found;

    (void)parameters;
    (void)unused;
    if (rr.get_route_param(msg, &mark_name, &found) == 0 && mpm_dialog_marked_request(msg) &&
        msg->REQ_METHOD != METHOD_ACK &&
        tm.register_tmcb(msg, NULL, TMCB_RESPONSE_FWDED, on_marked_reply, NULL, NULL) <= 0)
        LM_ERR("cannot register a callback for the replies to a request\n");
}

static int mark_route(void *message)
{
    return rr.add_rr_param(message, &mark);
}

static void on_created(struct dlg_cell *dlg, int type, struct dlg_cb_params *parameters)
{
    struct sip_msg *msg = family_dialog_request(parameters);

    (void)type;
    if (msg != NULL)
        mpm_dialog_created(dlg, msg);
}

static void on_loaded(struct dlg_cell *dlg, int type, struct dlg_cb_params *parameters)
{
    (void)type;
    (void)parameters;
    mpm_dialog_loaded(dlg);
}

static void free_state(void *state)
{
    shm_free(state);
}

static struct mpm_dialog *watch(void *dialog, const struct mpm_dialog *first)
{
    struct mpm_dialog *state = shm_malloc(sizeof *state);

    if (state == NULL) {
        LM_ERR("no shared memory for an engaged dialog\n");
        return NULL;
    }
    *state = *first;
    /* The state is freed with the last callback of this registration; the dialog
     * module runs the one for DLGCB_DESTROY before it frees any. */
    if (api.register_dlgcb(dialog,
                           DLGCB_TERMINATED | DLGCB_FAILED | DLGCB_EXPIRED | DLGCB_DESTROY,
                           on_terminated, state, free_state) != 0) {
        LM_ERR("cannot register the callbacks of a dialog\n");
        shm_free(state);
        return NULL;
    }
    if (api.register_dlgcb(dialog, FAMILY_DIALOG_REQUESTS, on_request, state, NULL) != 0 ||
        api.register_dlgcb(dialog, DLGCB_RESPONSE_FWDED | DLGCB_RESPONSE_WITHIN, on_reply, state,
                           NULL) != 0)
        LM_ERR("cannot register all callbacks of a dialog: some messages are not rewritten\n");
    return state;
}

static void *find(void *message)
{
    return family_dialog_find(&api, message);
}

static void release(void *dialog)
{
    family_dialog_release(&api, dialog);
}

static int create(void *message)
{
    return family_dialog_create(&api, message);
}

static int is_engaged(void *dialog)
{
    return family_dialog_has_variable(&api, dialog, &variable);
}

static int set_engaged(void *dialog)
{
    return family_dialog_set_variable(&api, dialog, &variable, &value);
}

static void id(void *dialog, char *to, size_t size)
{
    family_dialog_id((struct dlg_cell *)dialog, to, size);
}

int family_dialog_init(void)
{
    static const struct mpm_dialogs dialogs = {
        .find = find,
        .release = release,
        .create = create,
        .is_engaged = is_engaged,
        .set_engaged = set_engaged,
        .mark_route = mark_route,
        .watch = watch,
        .id = id,
    };

    if (!module_loaded("dialog"))
        return 0;
    if (load_dlg_api(&api) != 0) {
        LM_ERR("the dialog module has no interface for other modules\n");
        return -1;
    }
    /* The dialog module does not start without these two. */
    if (load_rr_api(&rr) != 0 || load_tm_api(&tm) != 0) {
        LM_ERR("tm or rr has no interface for other modules\n");
        return -1;
    }
    if (api.register_dlgcb(NULL, DLGCB_CREATED, on_created, NULL, NULL) != 0 ||
        api.register_dlgcb(NULL, DLGCB_LOADED, on_loaded, NULL, NULL) != 0 ||
        rr.register_rrcb(on_route, NULL) != 0) {
        LM_ERR("cannot register callbacks with the modules dialog and rr\n");
        return -1;
    }
    mpm_use_dialogs(&dialogs);
    return 0;
}
