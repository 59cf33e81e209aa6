/* SPDX-License-Identifier: GPL-2.0-or-later */
/* $mediaproxy(NAME) */
#include "kamailio.h"

static int parse_name(pv_spec_p spec, str *name)
{
    char error[MPM_ERROR_SIZE];
    int variable = mpm_variable(family_text(*name), error);

    if (variable < 0) {
        LM_ERR("%s\n", error);
        return -1;
    }
    spec->pvp.pvn.type = PV_NAME_INTSTR;
    spec->pvp.pvn.u.isname.type = 0;
    spec->pvp.pvn.u.isname.name.n = variable;
    return 0;
}

static int get(struct sip_msg *msg, pv_param_t *parameter, pv_value_t *result)
{
    struct mpm_value value;
    str text;

    mpm_variable_get(parameter->pvn.u.isname.name.n, msg, &value);
    switch (value.kind) {
    case MPM_VALUE_NUMBER:
        return pv_get_uintval(msg, parameter, result, value.number);
    case MPM_VALUE_TEXT:
        text.s = (char *)(uintptr_t)value.text.ptr;
        text.len = (int)value.text.len;
        return pv_get_strval(msg, parameter, result, &text);
    default:
        return pv_get_null(msg, parameter, result);
    }
}

pv_export_t pvs[] = {
    { str_init("mediaproxy"), PVT_OTHER, get, NULL, parse_name, NULL, NULL, 0 },
    { .name = { NULL, 0 } },
};
