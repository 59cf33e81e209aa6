/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The server's message as the common part reads it. */
#include <string.h>

#include "family.h"

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

#define TRANSPORT(name)                                                                            \
    case PROTO_##name:                                                                             \
        return MP_TRANSPORT_##name;

static uint32_t transport_of(int protocol)
{
    switch (protocol) {
        FAMILY_PROTOCOLS(TRANSPORT)
    default:
        return MP_TRANSPORT_UDP;
    }
}

void family_describe(void *message, struct mpm_message *to)
{
    struct sip_msg *msg = message;

    to->id = family_message_id(msg);
    to->raw.ptr = msg->buf;
    to->raw.len = msg->len;
    to->source = address_of(&msg->rcv.src_ip, msg->rcv.src_port);
    to->local = address_of(&msg->rcv.dst_ip, msg->rcv.dst_port);
    /* A request that the server itself made has no source. */
    if (to->source.family == 0)
        to->source.family = 4;
    to->transport = transport_of(msg->rcv.proto);
}

int family_identify(void *message, struct mpm_call *to)
{
    struct sip_msg *msg = message;
    str call_id;

    if (parse_headers(msg, HDR_CALLID_F | HDR_FROM_F | HDR_TO_F | HDR_CSEQ_F, 0) < 0 ||
        msg->callid == NULL || msg->to == NULL || msg->cseq == NULL || parse_from_header(msg) < 0)
        return -1;
    call_id = msg->callid->body;
    trim(&call_id);
    to->call_id = family_text(call_id);
    to->from_tag = family_text(get_from(msg)->tag_value);
    to->to_tag = family_text(get_to(msg)->tag_value);
    to->is_invite = family_is_invite(msg);
    to->status = msg->first_line.type == SIP_REPLY ? msg->REPLY_STATUS : 0;
    return 0;
}

void family_next_hop(struct sip_msg *msg, struct mpm_options *to)
{
    if (msg->first_line.type != SIP_REPLY) {
        to->next_hop = family_text(msg->dst_uri.len > 0 ? msg->dst_uri : *GET_RURI(msg));
        return;
    }
    /* The first Via is this server's own (RFC 3261 section 16.11). */
    if (parse_headers(msg, HDR_VIA2_F, 0) < 0 || msg->via2 == NULL || msg->via2->error != PARSE_OK)
        return;
    if (msg->via2->received != NULL && msg->via2->received->value.len > 0)
        to->reply_host = family_text(msg->via2->received->value);
    else
        to->reply_host = family_text(msg->via2->host);
}
