/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a script says about a call in AVPs. */
#include <string.h>

#include "family.h"

#define AVP(name) { #name "_avp", 0, FAMILY_NO_AVP },
#define AVP_NUMBER(name) AVP_##name,

static struct {
    const char *parameter;
    family_avp_type type;
    family_avp_name name;
} avps[] = { MPM_AVPS(AVP, ) };

enum { MPM_AVPS(AVP_NUMBER, ) AVPS };

int family_avps_init(void)
{
    pv_spec_t spec;
    str text;
    int i;

    for (i = 0; i < AVPS; i++) {
        text.s = (char *)(uintptr_t)mpm_avp(avps[i].parameter);
        text.len = (int)strlen(text.s);
        if (pv_parse_spec(&text, &spec) == NULL || spec.type != PVT_AVP ||
            pv_get_avp_name(NULL, &spec.pvp, &avps[i].name, &avps[i].type) != 0) {
            LM_ERR("modparam %s = \"%s\" is not accepted; give an AVP, as $avp(name)\n",
                   avps[i].parameter, text.s);
            return -1;
        }
    }
    return 0;
}

static mp_str value_of(int avp)
{
    int_str value;

    if (search_first_avp(avps[avp].type | AVP_VAL_STR, avps[avp].name, &value, NULL) == NULL)
        return mp_text(NULL);
    return family_text(FAMILY_AVP_TEXT(value));
}

#define MEMBER(name) to->name = value_of(AVP_##name);

void family_avps(struct mpm_options *to)
{
    /* To search for an AVP by its name costs more than to find that there are
     * none. */
    if (family_has_avps()) {
        MPM_AVPS(MEMBER, )
    }
}
