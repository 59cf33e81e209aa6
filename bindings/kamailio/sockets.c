/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where phones reach the server, they reach its relay: the first address of
 * each family it listens on, or the one it advertises instead.
 */
#include <stdio.h>
#include <string.h>

#include "core/socket_info.h"

#include "kamailio.h"

/* The better of two: one that is not loopback. */
static struct socket_info *better(struct socket_info *one, struct socket_info *other)
{
    if (one == NULL)
        return other;
    return (one->flags & SI_IS_LO) && !(other->flags & SI_IS_LO) ? other : one;
}

/* The address others are told: advertised as an IP, else the socket's. */
static mp_str told(const struct socket_info *socket, mp_address *address)
{
    mp_str name = text_of(socket->useinfo.name);

    if (name.len > 0 && mp_address_parse(name, 0, address) == MP_OK)
        return name;
    name = text_of(socket->address_str);
    if (mp_address_parse(name, 0, address) != MP_OK)
        memset(address, 0, sizeof *address);
    return name;
}

static int give(const struct socket_info *socket, char error[GLUE_ERROR_ROOM])
{
    char text[64];
    mp_address address;
    mp_str name = told(socket, &address);

    snprintf(text, sizeof text, "%.*s", (int)name.len, name.ptr);
    if (glue_set("proxy_address", text, error) != 0)
        return -1;
    LM_INFO("the embedded relay receives media on %s\n", text);
    return 0;
}

int sockets_to_relay(char error[GLUE_ERROR_ROOM])
{
    static const unsigned short protocols[] = { PROTO_UDP, PROTO_TCP, PROTO_TLS, PROTO_SCTP };
    struct socket_info *ipv4 = NULL, *ipv6 = NULL, *socket;
    struct socket_info **list;
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
        snprintf(error, GLUE_ERROR_ROOM,
                 "relay = embedded: no address to receive media on follows from listen; give "
                 "proxy_address, the IP address phones send media to");
        return -1;
    }
    if (ipv4 != NULL && give(ipv4, error) != 0)
        return -1;
    return ipv6 != NULL ? give(ipv6, error) : 0;
}
