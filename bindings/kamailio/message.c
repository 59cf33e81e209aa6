/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The server's message as the library takes it. */
#include <string.h>

#include "core/parser/parse_cseq.h"
#include "core/parser/parse_from.h"
#include "core/parser/parse_to.h"
#include "core/parser/parse_via.h"
#include "core/trim.h"

#include "kamailio.h"

static mp_address address_of(const struct ip_addr *ip, unsigned short port)
{
    mp_address address;

    memset(&address, 0, sizeof address);
    address.port = port;
    if (ip->af == AF_INET || ip->af == AF_INET6) {
        address.family = ip->af == AF_INET ? 4 : 6;
        memcpy(address.bytes, ip->u.addr, address.family == 4 ? 4 : 16);
    }
    return address;
}

static uint32_t transport_of(int protocol)
{
    switch (protocol) {
    case PROTO_TCP:
        return MP_TRANSPORT_TCP;
    case PROTO_TLS:
        return MP_TRANSPORT_TLS;
    case PROTO_SCTP:
        return MP_TRANSPORT_SCTP;
    case PROTO_WS:
        return MP_TRANSPORT_WS;
    case PROTO_WSS:
        return MP_TRANSPORT_WSS;
    default:
        return MP_TRANSPORT_UDP;
    }
}

struct mpm_message message_of(struct sip_msg *msg)
{
    struct mpm_message message;

    message.message = msg;
    message.id = ((uint64_t)(unsigned)msg->pid << 32) | msg->id;
    message.raw.ptr = msg->buf;
    message.raw.len = msg->len;
    message.source = address_of(&msg->rcv.src_ip, msg->rcv.src_port);
    message.local = address_of(&msg->rcv.dst_ip, msg->rcv.dst_port);
    /* A request of the server's own came from nowhere. */
    if (message.source.family == 0)
        message.source.family = 4;
    message.transport = transport_of(msg->rcv.proto);
    return message;
}

mp_str receiver_of(struct sip_msg *msg)
{
    if (msg->first_line.type == SIP_REPLY) {
        /* The first Via is this server's own (RFC 3261 section 16.11). */
        if (parse_headers(msg, HDR_VIA2_F, 0) < 0 || msg->via2 == NULL || msg->via2->error != PARSE_OK)
            return mp_text(NULL);
        if (msg->via2->received != NULL && msg->via2->received->value.len > 0)
            return text_of(msg->via2->received->value);
        return text_of(msg->via2->host);
    }
    return mpm_uri_host(text_of(msg->dst_uri.len > 0 ? msg->dst_uri : *GET_RURI(msg)));
}

int identify(void *message, struct mpm_call *call)
{
    struct sip_msg *msg = message;
    str call_id;

    if (parse_headers(msg, HDR_CALLID_F | HDR_FROM_F | HDR_TO_F | HDR_CSEQ_F, 0) < 0 ||
        msg->callid == NULL || msg->to == NULL || msg->cseq == NULL || parse_from_header(msg) < 0)
        return -1;
    call_id = msg->callid->body;
    trim(&call_id);
    call->call_id = text_of(call_id);
    call->from_tag = text_of(get_from(msg)->tag_value);
    call->to_tag = text_of(get_to(msg)->tag_value);
    call->is_request = msg->first_line.type == SIP_REQUEST;
    call->is_invite = get_cseq(msg)->method_id == METHOD_INVITE;
    return 0;
}
