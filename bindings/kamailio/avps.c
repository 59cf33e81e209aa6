/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a script says about a call in AVPs, named by parameters. */
#include "core/pvar.h"
#include "core/usr_avp.h"

#include "kamailio.h"

static struct avp {
    const char *parameter;
    str spec;
    AVP_NAME_KIND type;
    int_str name;
} avps[] = {
    { "signaling_ip_avp", str_init("$avp(s:signaling_ip)"), 0, { 0 } },
    { "media_relay_avp", str_init("$avp(s:media_relay)"), 0, { 0 } },
    { "ice_candidate_avp", str_init("$avp(s:ice_candidate)"), 0, { 0 } },
};

enum { SIGNALING_IP, MEDIA_RELAY, ICE_CANDIDATE };

static int refuse(const struct avp *avp, const str *value)
{
    LM_ERR("modparam %s = \"%.*s\" is not accepted; give an AVP, as $avp(name)\n", avp->parameter,
           value->len, value->s);
    return -1;
}

static int set(struct avp *avp, const str *value)
{
    if (value->len <= 0)
        return refuse(avp, value);
    avp->spec.s = pkg_malloc(value->len);
    if (avp->spec.s == NULL) {
        PKG_MEM_ERROR;
        return -1;
    }
    memcpy(avp->spec.s, value->s, value->len);
    avp->spec.len = value->len;
    return 0;
}

int avps_set_signaling_ip(modparam_t type, void *value)
{
    (void)type;
    return set(&avps[SIGNALING_IP], value);
}

int avps_set_media_relay(modparam_t type, void *value)
{
    (void)type;
    return set(&avps[MEDIA_RELAY], value);
}

int avps_set_ice_candidate(modparam_t type, void *value)
{
    (void)type;
    return set(&avps[ICE_CANDIDATE], value);
}

int avps_init(void)
{
    pv_spec_t spec;
    size_t i;

    for (i = 0; i < sizeof avps / sizeof *avps; i++) {
        struct avp *avp = &avps[i];

        if (pv_parse_spec(&avp->spec, &spec) == NULL || spec.type != PVT_AVP ||
            pv_get_avp_name(NULL, &spec.pvp, &avp->name, &avp->type) != 0)
            return refuse(avp, &avp->spec);
    }
    return 0;
}

static mp_str value_of(const struct avp *avp)
{
    int_str value;

    if (search_first_avp(avp->type | AVP_VAL_STR, avp->name, &value, NULL) == NULL)
        return mp_text(NULL);
    return text_of(value.s);
}

/* True when an AVP is set at all: looking for one by its name costs more. */
static int are_any(void)
{
    static const avp_flags_t lists[] = {
        AVP_CLASS_URI | AVP_TRACK_FROM,    AVP_CLASS_URI | AVP_TRACK_TO,
        AVP_CLASS_USER | AVP_TRACK_FROM,   AVP_CLASS_USER | AVP_TRACK_TO,
        AVP_CLASS_DOMAIN | AVP_TRACK_FROM, AVP_CLASS_DOMAIN | AVP_TRACK_TO,
        AVP_CLASS_GLOBAL,
    };
    size_t i;

    for (i = 0; i < sizeof lists / sizeof *lists; i++)
        if (get_avp_list(lists[i]) != NULL)
            return 1;
    return 0;
}

void avps_to_options(struct mpm_options *options)
{
    static const mp_str none = { NULL, 0 };
    int any = are_any();

    options->signaling_ip = any ? value_of(&avps[SIGNALING_IP]) : none;
    options->media_relay = any ? value_of(&avps[MEDIA_RELAY]) : none;
    options->ice_candidate = any ? value_of(&avps[ICE_CANDIDATE]) : none;
}
