/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where phones reach the server, they reach its relay: on the first address of
 * each family it listens on, and by the one it advertises.
 */
#include <stdio.h>

#include "core/socket_info.h"

#include "kamailio.h"

/* The better of two: one that is not loopback. */
static struct socket_info *better(struct socket_info *one, struct socket_info *other)
{
    if (one == NULL)
        return other;
    return (one->flags & SI_IS_LO) && !(other->flags & SI_IS_LO) ? other : one;
}

static int set(const char *parameter, mp_str address, char error[MPM_ERROR_SIZE])
{
    char text[64];

    snprintf(text, sizeof text, "%.*s", (int)address.len, address.ptr);
    LM_INFO("%s of the embedded relay: %s\n", parameter, text);
    return mpm_set(parameter, text, error);
}

static int give(const struct socket_info *socket, int advertise, char error[MPM_ERROR_SIZE])
{
    mp_str own = text_of(socket->address_str);
    mp_str told = text_of(socket->useinfo.name);
    mp_address address;

    if (set("proxy_address", own, error) != 0)
        return -1;
    /* A name is for SIP only. */
    if (!advertise || told.len == 0 || mp_address_parse(told, 0, &address) != MP_OK)
        return 0;
    return set("proxy_advertised_address", told, error);
}

int sockets_to_relay(char error[MPM_ERROR_SIZE])
{
    static const unsigned short protocols[] = { PROTO_UDP, PROTO_TCP, PROTO_TLS, PROTO_SCTP };
    struct socket_info *ipv4 = NULL, *ipv6 = NULL, *socket;
    struct socket_info **list;
    int advertise;
    size_t i;

    for (i = 0; i < sizeof protocols / sizeof *protocols; i++) {
        list = get_sock_info_list(protocols[i]);
        for (socket = list != NULL ? *list : NULL; socket != NULL; socket = socket->next) {
            if (socket->flags & (SI_IS_ANY | SI_IS_MCAST))
                continue;
            if (socket->address.af == AF_INET)
                ipv4 = better(ipv4, socket);
            else
                ipv6 = better(ipv6, socket);
        }
    }
    if (ipv4 == NULL && ipv6 == NULL) {
        snprintf(error, MPM_ERROR_SIZE,
                 "relay = embedded: no address to receive media on follows from listen; give "
                 "proxy_address, the IP address phones send media to");
        return -1;
    }
    advertise = !mpm_relay_advertises();
    if (ipv4 != NULL && give(ipv4, advertise, error) != 0)
        return -1;
    return ipv6 != NULL ? give(ipv6, advertise, error) : 0;
}
