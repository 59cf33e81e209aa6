/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Parameters. The server calls a function for each without its name, so there
 * is one function a name. Each is accepted as text and as a number. */
#include <stdio.h>

#include "kamailio.h"

static int set(const char *name, modparam_t type, void *value)
{
    char error[MPM_ERROR_SIZE];
    char number[32];

    if (PARAM_TYPE_MASK(type) == PARAM_INT) {
        snprintf(number, sizeof number, "%d", (int)(long)value);
        value = number;
    }
    if (mpm_set(name, value, error) == 0)
        return 0;
    LM_ERR("modparam %s\n", error);
    return -1;
}

/* The keepalive of the stock nat_traversal, which this module does not have. */
#define KEEPALIVE_PARAMETERS(each)                                                                 \
    each(keepalive_interval)                                                                       \
    each(keepalive_method)                                                                         \
    each(keepalive_from)                                                                           \
    each(keepalive_extra_headers)                                                                  \
    each(keepalive_state_file)                                                                     \
    each(contact_match)

static int refuse(const char *name)
{
    LM_ERR("modparam %s is a parameter of nat_traversal, and this module keeps nothing alive; "
           "load nat_traversal before this module and set it there\n", name);
    return -1;
}

#define SETTER(name)                                                                               \
    static int set_##name(modparam_t type, void *value)                                            \
    {                                                                                              \
        return set(#name, type, value);                                                            \
    }
#define REFUSER(name)                                                                              \
    static int set_##name(modparam_t type, void *value)                                            \
    {                                                                                              \
        (void)type;                                                                                \
        (void)value;                                                                               \
        return refuse(#name);                                                                      \
    }
#define EXPORT(name)                                                                               \
    { #name, PARAM_STRING | PARAM_USE_FUNC, (void *)set_##name },                                  \
    { #name, PARAM_INT | PARAM_USE_FUNC, (void *)set_##name },

MPM_PARAMETERS(SETTER)
KEEPALIVE_PARAMETERS(REFUSER)

param_export_t params[] = {
    MPM_PARAMETERS(EXPORT)
    KEEPALIVE_PARAMETERS(EXPORT)
    { NULL, 0, NULL },
};
