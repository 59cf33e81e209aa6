/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The functions for scripts in other languages: KSR.mediaproxy.NAME(...). */
#include <stdio.h>

#include "core/kemi.h"

#include "kamailio.h"

static int ki_client_nat_test(struct sip_msg *msg, str *tests)
{
    return mpm_client_nat_test(msg, family_text(*tests));
}

/* For a language that has numbers. */
static int ki_client_nat_test_number(struct sip_msg *msg, int tests)
{
    char text[16];

    snprintf(text, sizeof text, "%d", tests);
    return mpm_client_nat_test(msg, mp_text(text));
}

static int ki_fix_contact(struct sip_msg *msg)
{
    return mpm_fix_contact(msg, mp_text(NULL));
}

static int ki_fix_contact_option(struct sip_msg *msg, str *option)
{
    return mpm_fix_contact(msg, family_text(*option));
}

static int ki_use_media_proxy(struct sip_msg *msg)
{
    return mpm_use_media_proxy(msg, mp_text(NULL));
}

static int ki_use_media_proxy_set(struct sip_msg *msg, str *set)
{
    return mpm_use_media_proxy(msg, family_text(*set));
}

static int ki_engage_media_proxy(struct sip_msg *msg)
{
    return mpm_engage_media_proxy(msg);
}

static int ki_end_media_session(struct sip_msg *msg)
{
    return mpm_end_media_session(msg);
}

#define FUNCTION(name, argument)                                                                   \
    { str_init("mediaproxy"), str_init(#name), SR_KEMIP_INT, ki_##name,                            \
      { argument, SR_KEMIP_NONE, SR_KEMIP_NONE, SR_KEMIP_NONE, SR_KEMIP_NONE, SR_KEMIP_NONE } },

static sr_kemi_t functions[] = {
    FUNCTION(client_nat_test, SR_KEMIP_STR)
    FUNCTION(client_nat_test_number, SR_KEMIP_INT)
    FUNCTION(fix_contact, SR_KEMIP_NONE)
    FUNCTION(fix_contact_option, SR_KEMIP_STR)
    FUNCTION(use_media_proxy, SR_KEMIP_NONE)
    FUNCTION(use_media_proxy_set, SR_KEMIP_STR)
    FUNCTION(engage_media_proxy, SR_KEMIP_NONE)
    FUNCTION(end_media_session, SR_KEMIP_NONE)
    { .mname = { NULL, 0 } },
};

int kemi_init(void)
{
    return sr_kemi_modules_add(functions);
}
