/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Kamailio as bindings/ser-family needs it: its headers, its names where those
 * of other servers differ, and the differences between its versions. */
#ifndef MPM_KAMAILIO_COMPAT_H
#define MPM_KAMAILIO_COMPAT_H

#if VERSIONVAL < 5005000
#error "Kamailio 5.5 or newer is needed"
#endif

#include "core/data_lump.h"
#include "core/dprint.h"
#include "core/mem/mem.h"
#include "core/mem/shm_mem.h"
#include "core/parser/contact/parse_contact.h"
#include "core/parser/msg_parser.h"
#include "core/parser/parse_cseq.h"
#include "core/parser/parse_from.h"
#include "core/parser/parse_to.h"
#include "core/parser/parse_via.h"
#include "core/pvar.h"
#include "core/sr_module.h"
#include "core/str.h"
#include "core/trim.h"
#include "core/usr_avp.h"
#include "modules/dialog/dlg_hash.h"
#include "modules/dialog/dlg_load.h"
#include "modules/rr/api.h"
#include "modules/tm/tm_load.h"

/* message.c */
#define FAMILY_PROTOCOLS(each) each(UDP) each(TCP) each(TLS) each(SCTP) each(WS) each(WSS)
#define family_message_id(msg) ((uint64_t)(unsigned)(msg)->pid << 32 | (msg)->id)
#define family_is_invite(msg) (get_cseq(msg)->method_id == METHOD_INVITE)

/* lumps.c */
typedef enum _hdr_types_t family_lump_type;
#define family_lump_shares_text(lump) ((lump)->flags & LUMPFLAG_DUPED)
#define family_anchor_lump(msg, offset, type) anchor_lump(msg, offset, 0, type)

/* avps.c */
#if VERSIONVAL < 6000000
typedef unsigned short family_avp_type;
#else
typedef avp_flags_t family_avp_type;
#endif
typedef int_str family_avp_name;
#define FAMILY_NO_AVP { 0 }
#define FAMILY_AVP_TEXT(value) ((value).s)

static inline int family_has_avps(void)
{
    static const avp_flags_t lists[] = {
        AVP_CLASS_URI | AVP_TRACK_FROM,    AVP_CLASS_URI | AVP_TRACK_TO,
        AVP_CLASS_USER | AVP_TRACK_FROM,   AVP_CLASS_USER | AVP_TRACK_TO,
        AVP_CLASS_DOMAIN | AVP_TRACK_FROM, AVP_CLASS_DOMAIN | AVP_TRACK_TO,
        AVP_CLASS_GLOBAL,
    };
    size_t i;

    for (i = 0; i < sizeof lists / sizeof *lists; i++)
        if (get_avp_list(lists[i]) != NULL)
            return 1;
    return 0;
}

/* dialog.c */
#define FAMILY_DIALOG_REQUESTS (DLGCB_REQ_WITHIN | DLGCB_CONFIRMED)
#define family_dialog_request(parameters) ((parameters)->req)
#define family_dialog_reply(parameters) ((parameters)->rpl)
#define family_caller_tag(dlg) ((dlg)->tag[DLG_CALLER_LEG])
#define family_callee_tag(dlg) ((dlg)->tag[DLG_CALLEE_LEG])
#define family_dialog_find(api, msg) ((api)->get_dlg(msg))
#define family_dialog_release(api, dlg) ((api)->release_dlg(dlg))
#define family_dialog_set_variable(api, dlg, name, value) ((api)->set_dlg_var(dlg, name, value))
#if VERSIONVAL < 5006002
#define family_dialog_has_variable(api, dlg, name) ((api)->get_dlg_var(dlg, name) != NULL)
#else
#define family_dialog_has_variable(api, dlg, name) ((api)->get_dlg_varstatus(dlg, name) > 0)
#endif
/* As the stock module writes it. */
#define family_dialog_id(dlg, to, size) snprintf(to, size, "%u:%u", (dlg)->h_entry, (dlg)->h_id)
int family_dialog_create(struct dlg_binds *api, struct sip_msg *msg);

/* A counter in an RPC answer. */
#if VERSIONVAL < 5006000
#define RPC_NUMBER "u"
typedef unsigned int rpc_number;
#else
#define RPC_NUMBER "j"
typedef unsigned long rpc_number;
#endif

#endif
