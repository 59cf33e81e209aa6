/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The functions for scripts in other languages: KSR.mediaproxy.NAME(...). */
#include <stdio.h>

#include "core/kemi.h"

#include "kamailio.h"

static int kemi_client_nat_test(struct sip_msg *msg, str *tests)
{
    return client_nat_test(msg, text_of(*tests));
}

/* Where the language has numbers of its own. */
static int kemi_client_nat_test_number(struct sip_msg *msg, int tests)
{
    char text[16];

    snprintf(text, sizeof text, "%d", tests);
    return client_nat_test(msg, mp_text(text));
}

static int kemi_use_media_proxy(struct sip_msg *msg)
{
    return use_media_proxy(msg, mp_text(NULL));
}

static int kemi_use_media_proxy_set(struct sip_msg *msg, str *set)
{
    return use_media_proxy(msg, text_of(*set));
}

#define MODULE str_init("mediaproxy")
#define NO_ARGUMENT                                                                                \
    {                                                                                              \
        SR_KEMIP_NONE, SR_KEMIP_NONE, SR_KEMIP_NONE, SR_KEMIP_NONE, SR_KEMIP_NONE, SR_KEMIP_NONE   \
    }
#define ONE_ARGUMENT(type)                                                                         \
    {                                                                                              \
        type, SR_KEMIP_NONE, SR_KEMIP_NONE, SR_KEMIP_NONE, SR_KEMIP_NONE, SR_KEMIP_NONE            \
    }

static sr_kemi_t kemi[] = {
    { MODULE, str_init("client_nat_test"), SR_KEMIP_INT, kemi_client_nat_test,
      ONE_ARGUMENT(SR_KEMIP_STR) },
    { MODULE, str_init("client_nat_test_number"), SR_KEMIP_INT, kemi_client_nat_test_number,
      ONE_ARGUMENT(SR_KEMIP_INT) },
    { MODULE, str_init("fix_contact"), SR_KEMIP_INT, fix_contact, NO_ARGUMENT },
    { MODULE, str_init("use_media_proxy"), SR_KEMIP_INT, kemi_use_media_proxy, NO_ARGUMENT },
    { MODULE, str_init("use_media_proxy_set"), SR_KEMIP_INT, kemi_use_media_proxy_set,
      ONE_ARGUMENT(SR_KEMIP_STR) },
    { MODULE, str_init("engage_media_proxy"), SR_KEMIP_INT, engage_media_proxy, NO_ARGUMENT },
    { MODULE, str_init("end_media_session"), SR_KEMIP_INT, end_media_session, NO_ARGUMENT },
    { { NULL, 0 }, { NULL, 0 }, 0, NULL, NO_ARGUMENT },
};

int kemi_register(void)
{
    return sr_kemi_modules_add(kemi);
}
