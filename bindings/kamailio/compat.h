/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where the versions of Kamailio differ. It comes before their headers. */
#ifndef MEDIAPROXY_COMPAT_H
#define MEDIAPROXY_COMPAT_H

#if VERSIONVAL < 5005000
#error "Kamailio 5.5 or newer is needed"
#endif

/* The field for an AVP's kind of name. */
#if VERSIONVAL < 6000000
#define AVP_NAME_KIND unsigned short
#else
#define AVP_NAME_KIND avp_flags_t
#endif

/* A counter in an RPC answer. */
#if VERSIONVAL < 5006000
#define RPC_NUMBER "u"
typedef unsigned int rpc_number;
#else
#define RPC_NUMBER "j"
typedef unsigned long rpc_number;
#endif

/* Whether a dialog has a variable. */
#if VERSIONVAL < 5006002
#define dialog_has_variable(api, dlg, name) ((api)->get_dlg_var(dlg, name) != NULL)
#else
#define dialog_has_variable(api, dlg, name) ((api)->get_dlg_varstatus(dlg, name) > 0)
#endif

#endif
