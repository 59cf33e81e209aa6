/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A SIP server without SIP: what bindings/common needs of a server, and nothing
 * else. The page for the author of the next module; module.c drives it. */
#ifndef FAKE_SERVER_H
#define FAKE_SERVER_H

#include "check.h"

#include "../bindings/common/mpm.h"

/* A change that the server makes when it sends the message. */
struct lump {
    enum mpm_mark mark;
    size_t offset, remove;
    /* The server's memory, which lives as long as the message. */
    char text[1024];
    size_t length;
};

/* The server's own message, as struct sip_msg is Kamailio's. */
struct message {
    struct written bytes;
    mp_address source;
    uint64_t id;
    /* What the server's parser found out. */
    int call;
    int is_invite, has_to_tag, is_branch, may_go_on;
    unsigned int status;
    /* The URIs of the parsed Contacts; empty after the last one. */
    mp_str contacts[3];
    struct lump lumps[16];
    size_t lump_count;
};

/* What the script has in its variables; the routing is part of it here. */
extern struct mpm_options script;
/* The last log line, and its level. */
extern char last_line[MPM_ERROR_SIZE];
extern uint32_t last_level;
/* The server has no memory for another lump. */
extern int no_memory;
/* How often the server's own work was done in a process of the module. */
extern int idle_calls;

/* A message of a call (check.h: OFFER, ANSWER or BYE), as it comes in. */
void receive(struct message *to, int kind, int call);
/* The message after its lumps, as it goes out. NUL-terminated. */
const char *outgoing(const struct message *message);
/* The number of its lumps under a mark. */
size_t count_lumps(const struct message *message, enum mpm_mark mark);

#endif
