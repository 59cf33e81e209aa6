/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the modules for SER, OpenSER, OpenSIPS and Kamailio share in source. It
 * is compiled against the headers of each server: compat.h is that server's
 * own and lies in its module's directory. ../README.md lists what it must define.
 */
#ifndef MPM_FAMILY_H
#define MPM_FAMILY_H

#include "compat.h"
#include "mpm.h"

/* The functions of mpm_server; `message` is a struct sip_msg. */

/* log.c */
void family_log(void *arg, uint32_t level, mp_str text);

/* message.c */
void family_describe(void *message, struct mpm_message *to);
int family_identify(void *message, struct mpm_call *to);
/* The members next_hop and reply_host. */
void family_next_hop(struct sip_msg *msg, struct mpm_options *to);

/* lumps.c */
int family_replace(void *message, enum mpm_mark mark, size_t offset, size_t remove, mp_str text);
void family_remove(void *message, enum mpm_mark mark);
/* The lump that replaces the URI of the Contact, or NULL. */
struct lump *family_contact_lump(struct lump *lump);

/* contact.c */
int family_contact_uri(void *message, size_t offset, mp_str *uri);
int family_contact_update(void *message);

/* avps.c: for servers with AVPs named by pseudo-variables. */

/* Finds the AVPs of the parameters NAME_avp, before the fork. 0 or -1, logged. */
int family_avps_init(void);
/* The members of MPM_AVPS. */
void family_avps(struct mpm_options *to);

/* dialog.c: for servers with a dialog module. */

/* Finds the dialog module, before the fork: 0 also when it is not loaded. -1,
 * logged, when it cannot be used. */
int family_dialog_init(void);

static inline mp_str family_text(str from)
{
    mp_str text;

    text.ptr = from.s;
    text.len = from.len > 0 ? (size_t)from.len : 0;
    return text;
}

#endif
