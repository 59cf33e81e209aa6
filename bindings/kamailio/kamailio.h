/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of this module share. */
#ifndef MPM_KAMAILIO_H
#define MPM_KAMAILIO_H

#include "family.h"

/* Tables that the server reads by the module's exports. */
extern cmd_export_t cmds[];
extern param_export_t params[];
extern rpc_export_t rpc_cmds[];
extern pv_export_t pvs[];

int dialog_init(void);
int routes_init(void);
/* is_branch and may_go_on of struct mpm_server. */
int routes_is_branch(void *message);
int routes_may_go_on(void *message);
/* Tells the common part which sockets the server listens on. */
void sockets_init(void);
int statistics_init(void);
int processes_init(void);
int processes_start(void);
void processes_on_idle(void);
int kemi_init(void);

#endif
