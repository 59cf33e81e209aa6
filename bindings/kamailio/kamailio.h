/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of this module know of each other. */
#ifndef MEDIAPROXY_KAMAILIO_H
#define MEDIAPROXY_KAMAILIO_H

#include "compat.h"

#include "core/dprint.h"
#include "core/mem/mem.h"
#include "core/parser/msg_parser.h"
#include "core/sr_module.h"
#include "core/str.h"

#include "mpm.h"

/* message.c */
/* The message as the library takes it. */
struct mpm_message message_of(struct sip_msg *msg);
/* Where the server sends it next, as far as that is known. */
mp_str receiver_of(struct sip_msg *msg);
/* mpm_server.identify */
int identify(void *message, struct mpm_call *call);

/* log.c */
void log_line(void *arg, uint32_t level, mp_str text);

/* lumps.c */
int lumps_replace(void *message, enum mpm_mark mark, size_t offset, size_t remove, mp_str text);
void lumps_forget(void *message, enum mpm_mark mark);
/* The lump that replaces the Contact's URI, or NULL. */
struct lump *lumps_contact(struct sip_msg *msg);

/* contact.c */
int contact_uri(void *message, size_t offset, mp_str *uri);
int contact_update(void *message);

/* parameters.c */
extern param_export_t parameters[];

/* functions.c */
extern cmd_export_t functions[];
int client_nat_test(struct sip_msg *msg, mp_str tests);
int fix_contact(struct sip_msg *msg);
int use_media_proxy(struct sip_msg *msg, mp_str set);
int end_media_session(struct sip_msg *msg);

/* avps.c */
int avps_set_signaling_ip(modparam_t type, void *value);
int avps_set_media_relay(modparam_t type, void *value);
int avps_set_ice_candidate(modparam_t type, void *value);
int avps_init(void);
/* What the AVPs say for the message at hand. */
void avps_to_options(struct mpm_options *options);

/* dialog.c */
int dialog_init(void);
int engage_media_proxy(struct sip_msg *msg);

/* rpc.c */
extern rpc_export_t commands[];

/* pseudo_variables.c */
extern pv_export_t pseudo_variables[];

/* statistics.c */
int statistics_register(void);

/* kemi.c */
int kemi_register(void);

/* sockets.c */
/* Gives the embedded relay the addresses the server listens on. 0 or -1. */
int sockets_to_relay(char error[MPM_ERROR_SIZE]);

/* processes.c */
int processes_register(void);
int processes_start(void);
void processes_on_idle(void);

static inline mp_str text_of(str from)
{
    mp_str text = { from.s, from.len > 0 ? (size_t)from.len : 0 };

    return text;
}

#endif
