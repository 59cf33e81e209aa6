/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Parameters. The server calls a function for each without telling which one it
 * is, so there is a function a name. Each is taken as text and as a number.
 */
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

/* Those of the library and of the common part, which a check compares. */
#define PARAMETERS(each)                                                                           \
    each(profile)                                                                                  \
    each(mediaproxy_socket)                                                                        \
    each(sip_asymmetrics)                                                                          \
    each(rtp_asymmetrics)                                                                          \
    each(private_networks)                                                                         \
    each(local_networks)                                                                           \
    each(relay)                                                                                    \
    each(relays)                                                                                   \
    each(relay_timeout)                                                                            \
    each(relay_try)                                                                                \
    each(ice_candidate)                                                                            \
    each(max_calls)                                                                                \
    each(watch)                                                                                    \
    each(loop_marker)                                                                              \
    each(rewrite_origin)                                                                           \
    each(proxy_socket)                                                                             \
    each(proxy_address)                                                                            \
    each(proxy_advertised_address)                                                                 \
    each(proxy_ports)                                                                              \
    each(proxy_idle_timeout)                                                                       \
    each(proxy_unanswered_timeout)                                                                 \
    each(proxy_hold_timeout)                                                                       \
    each(disable)                                                                                  \
    each(mediaproxy_timeout)                                                                       \
    each(natping_interval)                                                                         \
    each(keepalive_interval)                                                                       \
    each(keepalive_method)                                                                         \
    each(keepalive_from)                                                                           \
    each(keepalive_extra_headers)                                                                  \
    each(keepalive_state_file)                                                                     \
    each(contact_match)

#define SETTER(name)                                                                               \
    static int set_##name(modparam_t type, void *value)                                            \
    {                                                                                              \
        return set(#name, type, value);                                                            \
    }

#define EXPORT(name)                                                                               \
    { #name, PARAM_STRING | PARAM_USE_FUNC, (void *)set_##name },                                  \
    { #name, PARAM_INT | PARAM_USE_FUNC, (void *)set_##name },

PARAMETERS(SETTER)

param_export_t parameters[] = {
    PARAMETERS(EXPORT)
    { "signaling_ip_avp", PARAM_STR | PARAM_USE_FUNC, (void *)avps_set_signaling_ip },
    { "media_relay_avp", PARAM_STR | PARAM_USE_FUNC, (void *)avps_set_media_relay },
    { "ice_candidate_avp", PARAM_STR | PARAM_USE_FUNC, (void *)avps_set_ice_candidate },
    { NULL, 0, NULL },
};
