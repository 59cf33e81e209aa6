/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The functions of a configuration. */
#include "core/mod_fix.h"

#include "kamailio.h"

int client_nat_test(struct sip_msg *msg, mp_str text)
{
    char error[MPM_ERROR_SIZE];
    struct mpm_message message;
    uint32_t tests;

    if (mpm_tests(text, &tests, error) != 0) {
        LM_ERR("%s\n", error);
        return MPM_FALSE;
    }
    message = message_of(msg);
    return mpm_client_nat_test(&message, tests);
}

int fix_contact(struct sip_msg *msg)
{
    struct mpm_message message = message_of(msg);

    return mpm_fix_contact(&message);
}

/* A 200 to INVITE is told to a relay also without a session description, and
 * scripts know that as success. */
static int no_sdp_is_fine(struct sip_msg *msg, int result)
{
    struct mpm_call call;

    if (result == MPM_NO_SDP && msg->first_line.type == SIP_REPLY && msg->REPLY_STATUS == 200 &&
        identify(msg, &call) == 0 && call.is_invite)
        return MPM_TRUE;
    return result;
}

int use_media_proxy(struct sip_msg *msg, mp_str set)
{
    struct mpm_message message = message_of(msg);
    struct mpm_options options = { .set = set };

    options.receiver = receiver_of(msg);
    avps_to_options(&options);
    return no_sdp_is_fine(msg, mpm_use_media_proxy(&message, &options));
}

int end_media_session(struct sip_msg *msg)
{
    struct mpm_message message = message_of(msg);

    return mpm_end_media_session(&message);
}

/* A text, or one with variables; its value for this message. */
static int value_of(struct sip_msg *msg, char *parameter, const char *function, mp_str *value)
{
    str text;

    if (fixup_get_svalue(msg, (gparam_t *)parameter, &text) != 0) {
        LM_ERR("%s: its argument has no value\n", function);
        return -1;
    }
    *value = text_of(text);
    return 0;
}

static int w_client_nat_test(struct sip_msg *msg, char *tests, char *unused)
{
    mp_str text;

    (void)unused;
    if (value_of(msg, tests, "client_nat_test", &text) != 0)
        return MPM_FALSE;
    return client_nat_test(msg, text);
}

static int w_fix_contact(struct sip_msg *msg, char *unused1, char *unused2)
{
    (void)unused1;
    (void)unused2;
    return fix_contact(msg);
}

static int w_use_media_proxy(struct sip_msg *msg, char *set, char *unused)
{
    mp_str text = { NULL, 0 };

    (void)unused;
    if (set != NULL && value_of(msg, set, "use_media_proxy", &text) != 0)
        return MPM_FALSE;
    return use_media_proxy(msg, text);
}

static int w_engage_media_proxy(struct sip_msg *msg, char *unused1, char *unused2)
{
    (void)unused1;
    (void)unused2;
    return engage_media_proxy(msg);
}

static int w_end_media_session(struct sip_msg *msg, char *unused1, char *unused2)
{
    (void)unused1;
    (void)unused2;
    return end_media_session(msg);
}

/* The argument of client_nat_test: what has no variable is read now, so that a
 * mistake is found when the server starts. */
static int fixup_tests(void **parameter, int number)
{
    char error[MPM_ERROR_SIZE];
    gparam_t *fixed;
    uint32_t tests;

    if (fixup_spve_null(parameter, number) != 0)
        return -1;
    fixed = *parameter;
    if (fixed->type == GPARAM_TYPE_STR && mpm_tests(text_of(fixed->v.str), &tests, error) != 0) {
        LM_ERR("%s\n", error);
        return -1;
    }
    return 0;
}

cmd_export_t functions[] = {
    { "client_nat_test", (cmd_function)w_client_nat_test, 1, fixup_tests, fixup_free_spve_null,
      ANY_ROUTE },
    { "fix_contact", (cmd_function)w_fix_contact, 0, NULL, NULL, ANY_ROUTE },
    { "use_media_proxy", (cmd_function)w_use_media_proxy, 0, NULL, NULL, ANY_ROUTE },
    { "use_media_proxy", (cmd_function)w_use_media_proxy, 1, fixup_spve_null,
      fixup_free_spve_null, ANY_ROUTE },
    { "engage_media_proxy", (cmd_function)w_engage_media_proxy, 0, NULL, NULL,
      REQUEST_ROUTE | BRANCH_ROUTE },
    { "end_media_session", (cmd_function)w_end_media_session, 0, NULL, NULL, ANY_ROUTE },
    { NULL, NULL, 0, NULL, NULL, 0 },
};
