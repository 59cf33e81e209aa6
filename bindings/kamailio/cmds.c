/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The functions of a configuration. */
#include "core/mod_fix.h"

#include "kamailio.h"

/* The value of an argument that may contain variables, for this message. */
static int value_of(struct sip_msg *msg, char *argument, const char *function, mp_str *value)
{
    str text;

    if (fixup_get_svalue(msg, (gparam_t *)argument, &text) != 0) {
        LM_ERR("%s: its argument has no value\n", function);
        return -1;
    }
    *value = family_text(text);
    return 0;
}

static int w_client_nat_test(struct sip_msg *msg, char *tests, char *unused)
{
    mp_str text;

    (void)unused;
    if (value_of(msg, tests, "client_nat_test", &text) != 0)
        return MPM_FALSE;
    return mpm_client_nat_test(msg, text);
}

static int w_fix_contact(struct sip_msg *msg, char *option, char *unused)
{
    mp_str text = { NULL, 0 };

    (void)unused;
    if (option != NULL && value_of(msg, option, "fix_contact", &text) != 0)
        return MPM_FALSE;
    return mpm_fix_contact(msg, text);
}

static int w_use_media_proxy(struct sip_msg *msg, char *set, char *unused)
{
    mp_str text = { NULL, 0 };

    (void)unused;
    if (set != NULL && value_of(msg, set, "use_media_proxy", &text) != 0)
        return MPM_FALSE;
    return mpm_use_media_proxy(msg, text);
}

#define WITHOUT_ARGUMENT(name)                                                                     \
    static int w_##name(struct sip_msg *msg, char *unused1, char *unused2)                         \
    {                                                                                              \
        (void)unused1;                                                                             \
        (void)unused2;                                                                             \
        return mpm_##name(msg);                                                                    \
    }

WITHOUT_ARGUMENT(engage_media_proxy)
WITHOUT_ARGUMENT(end_media_session)

/* The argument of client_nat_test. Without a variable it is read now, so that a
 * mistake is found when the server starts. */
static int fixup_tests(void **argument, int number)
{
    char error[MPM_ERROR_SIZE];
    gparam_t *fixed;
    uint32_t tests;

    if (fixup_spve_null(argument, number) != 0)
        return -1;
    fixed = *argument;
    if (fixed->type == GPARAM_TYPE_STR &&
        mpm_tests(family_text(fixed->v.str), &tests, error) != 0) {
        LM_ERR("%s\n", error);
        return -1;
    }
    return 0;
}

/* The argument of fix_contact, in the same way. */
static int fixup_contact(void **argument, int number)
{
    char error[MPM_ERROR_SIZE];
    gparam_t *fixed;
    int first_hop;

    if (fixup_spve_null(argument, number) != 0)
        return -1;
    fixed = *argument;
    if (fixed->type == GPARAM_TYPE_STR &&
        mpm_contact_option(family_text(fixed->v.str), &first_hop, error) != 0) {
        LM_ERR("%s\n", error);
        return -1;
    }
    return 0;
}

cmd_export_t cmds[] = {
    { "client_nat_test", (cmd_function)w_client_nat_test, 1, fixup_tests, fixup_free_spve_null,
      ANY_ROUTE },
    { "fix_contact", (cmd_function)w_fix_contact, 0, NULL, NULL, ANY_ROUTE },
    { "fix_contact", (cmd_function)w_fix_contact, 1, fixup_contact, fixup_free_spve_null,
      ANY_ROUTE },
    { "use_media_proxy", (cmd_function)w_use_media_proxy, 0, NULL, NULL, ANY_ROUTE },
    { "use_media_proxy", (cmd_function)w_use_media_proxy, 1, fixup_spve_null,
      fixup_free_spve_null, ANY_ROUTE },
    { "engage_media_proxy", (cmd_function)w_engage_media_proxy, 0, NULL, NULL,
      REQUEST_ROUTE | BRANCH_ROUTE },
    { "end_media_session", (cmd_function)w_end_media_session, 0, NULL, NULL, ANY_ROUTE },
    { NULL, NULL, 0, NULL, NULL, 0 },
};
