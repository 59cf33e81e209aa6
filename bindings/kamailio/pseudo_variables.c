/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * $mediaproxy(NAME): what the last verbs said about this message, $null where
 * they said nothing; and what the client lists say about its sender.
 */
#include "core/pvar.h"

#include "kamailio.h"

enum { MATCHED, TESTS, EVIDENCE, ERROR, SIP_ASYMMETRIC, RTP_ASYMMETRIC };

static const struct {
    const char *name;
    int number;
} names[] = {
    /* The tests that matched, as bits. */
    { "matched", MATCHED },
    /* The same by name. */
    { "tests", TESTS },
    /* Why they matched. */
    { "evidence", EVIDENCE },
    /* Why the last verb failed. */
    { "error", ERROR },
    /* Is the sender on the client list: 1 or 0. */
    { "sip_asymmetric", SIP_ASYMMETRIC },
    { "rtp_asymmetric", RTP_ASYMMETRIC },
};

static int parse_name(pv_spec_p spec, str *in)
{
    size_t i;

    for (i = 0; i < sizeof names / sizeof *names; i++) {
        mp_str name = mp_text(names[i].name);

        if ((size_t)in->len == name.len && memcmp(in->s, name.ptr, name.len) == 0) {
            spec->pvp.pvn.type = PV_NAME_INTSTR;
            spec->pvp.pvn.u.isname.type = 0;
            spec->pvp.pvn.u.isname.name.n = names[i].number;
            return 0;
        }
    }
    LM_ERR("$mediaproxy(%.*s) is not accepted; give matched, tests, evidence, error, "
           "sip_asymmetric or rtp_asymmetric\n", in->len, in->s);
    return -1;
}

static int get(struct sip_msg *msg, pv_param_t *parameter, pv_value_t *result)
{
    struct mpm_message message = message_of(msg);
    uint64_t id = message.id;
    uint32_t list;
    mp_str text;
    str value;

    switch (parameter->pvn.u.isname.name.n) {
    case MATCHED:
        return pv_get_uintval(msg, parameter, result, mpm_matched(id));
    case SIP_ASYMMETRIC:
    case RTP_ASYMMETRIC:
        list = parameter->pvn.u.isname.name.n == SIP_ASYMMETRIC ? MP_ASYMMETRIC_SIP
                                                                 : MP_ASYMMETRIC_RTP;
        return pv_get_uintval(msg, parameter, result, (mpm_client_lists(&message) & list) != 0);
    case TESTS:
        text = mpm_matched_names(id);
        break;
    case EVIDENCE:
        text = mpm_evidence(id);
        break;
    default:
        text = mpm_last_error(id);
        break;
    }
    if (text.len == 0)
        return pv_get_null(msg, parameter, result);
    value.s = (char *)(uintptr_t)text.ptr;
    value.len = (int)text.len;
    return pv_get_strval(msg, parameter, result, &value);
}

pv_export_t pseudo_variables[] = {
    { str_init("mediaproxy"), PVT_OTHER, get, NULL, parse_name, NULL, NULL, 0 },
    { { NULL, 0 }, 0, NULL, NULL, NULL, NULL, NULL, 0 },
};
