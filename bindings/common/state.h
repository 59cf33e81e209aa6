/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What the files of this directory know of each other. */
#ifndef MPM_STATE_H
#define MPM_STATE_H

#include "mpm.h"

/* The server's only ones, made before the fork. */
struct mpm_state {
    const struct mpm_server *server;
    mp_config *config;
    mp_engine *engine;
    mp_proxy *proxy;
};

extern struct mpm_state mpm;

/* What one process needs; see worker.c. */
struct mpm_process {
    mp_worker *worker;
    mp_message *message;
    mp_verdict *verdict;
    mp_options *options;
    mp_edits *edits;
};

/* Those of the current process; NULL when they cannot be made, which was
 * logged. */
struct mpm_process *mpm_process(void);
/* The same with the message parsed; NULL when it cannot be. */
struct mpm_process *mpm_parsed(const struct mpm_message *message, const char *verb);

/* log.c */
void mpm_log(uint32_t level, const char *format, ...)
#ifdef __GNUC__
    __attribute__((format(printf, 2, 3)))
#endif
    ;
/* Copies the sentence of an error and frees it. Always -1. */
int mpm_refuse(mp_error *error, char to[MPM_ERROR_SIZE]);
/* Logs why a verb failed and remembers it for mpm_last_error. */
int mpm_failed(const struct mpm_message *message, const char *verb, mp_status status, mp_str why);

/* evidence.c */
void mpm_judged(uint64_t id);
void mpm_said(uint64_t id, const char *verb, mp_str why);

/* lumps.c */
/* Makes all edits under the mark, or none. 0 or -1. */
int mpm_make_lumps(const struct mpm_message *message, enum mpm_mark mark, const mp_edits *edits);

/* process.c */
/* Prepares a process of the module's own: it is to end on SIGTERM, and when
 * `parent` does, which forked it. */
void mpm_own_process(pid_t parent);
/* Waits for the descriptor (-1: none), so many milliseconds at most; 0 when
 * the process is to end. */
int mpm_wait(int descriptor, uint64_t milliseconds);

/* settings.c */
int mpm_settings_finish(char error[MPM_ERROR_SIZE]);

/* relay_process.c */
int mpm_relay_prepare(char error[MPM_ERROR_SIZE]);

#endif
