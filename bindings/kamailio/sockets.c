/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sockets that the server listens on. */
#include "core/socket_info.h"

#include "kamailio.h"

void sockets_init(void)
{
    static const unsigned short protocols[] = { PROTO_UDP, PROTO_TCP, PROTO_TLS, PROTO_SCTP };
    struct socket_info **list, *socket;
    size_t i;

    for (i = 0; i < sizeof protocols / sizeof *protocols; i++) {
        list = get_sock_info_list(protocols[i]);
        for (socket = list != NULL ? *list : NULL; socket != NULL; socket = socket->next)
            if (!(socket->flags & (SI_IS_ANY | SI_IS_MCAST)))
                mpm_socket(family_text(socket->address_str), (socket->flags & SI_IS_LO) != 0,
                           family_text(socket->useinfo.name));
    }
}
