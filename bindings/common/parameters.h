/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The parameters of a module. A server that calls a function for each parameter
 * without its name makes one function a name from this table:
 *
 *     #define SETTER(name) static int set_##name(...) { return mpm_set(#name, ...); }
 *     MPM_PARAMETERS(SETTER)
 */
#ifndef MPM_PARAMETERS_H
#define MPM_PARAMETERS_H

/* The settings of the library, then those of settings.c. */
#define MPM_PARAMETERS(each)                                                                       \
    each(profile)                                                                                  \
    each(config_directory)                                                                         \
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
    each(proxy_learn_from)                                                                         \
    each(trusted_media_networks)                                                                   \
    each(proxy_max_sessions)                                                                       \
    each(proxy_idle_timeout)                                                                       \
    each(proxy_unanswered_timeout)                                                                 \
    each(proxy_hold_timeout)                                                                       \
    each(disable)                                                                                  \
    each(mediaproxy_timeout)                                                                       \
    each(natping_interval)                                                                         \
    MPM_AVPS(each, _avp)

/* The members of struct mpm_options that a script sets in a variable of its
 * own; the parameter NAME_avp names that variable. */
#define MPM_AVPS(each, suffix)                                                                     \
    each(signaling_ip##suffix)                                                                     \
    each(media_relay##suffix)                                                                      \
    each(ice_candidate##suffix)

#endif
