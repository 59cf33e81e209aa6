/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How Kamailio's dialog module is told to keep a dialog. */
#include "kamailio.h"

/* The flag of a message that the dialog module keeps a dialog for (its parameter
 * dlg_flag); -1 when it has none. */
static int dialog_flag = -1;
static cmd_function dlg_manage;

int family_dialog_create(struct dlg_binds *api, struct sip_msg *msg)
{
    (void)api;
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

    if (module_loaded("dialog")) {
        flag = find_param_export(find_module_by_name("dialog"), "dlg_flag", PARAM_INT, &type);
        if (flag != NULL && !(type & PARAM_USE_FUNC))
            dialog_flag = *flag;
        dlg_manage = find_export("dlg_manage", 0, 0);
    }
    return family_dialog_init();
}
