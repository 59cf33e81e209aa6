/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What the files of this directory share. */
#ifndef MPM_STATE_H
#define MPM_STATE_H

#include "mpm.h"

/* Made once, before the fork. */
struct mpm_state {
    mp_config *config;
    mp_engine *engine;
    mp_proxy *proxy;
};

extern struct mpm_state mpm;

/* What one process has; see worker.c. */
struct mpm_process_state {
    mp_worker *worker;
    mp_message *message;
    mp_verdict *verdict;
    mp_options *options;
    mp_edits *edits;
};

/* That of the current process; NULL when it cannot be made, which was logged. */
struct mpm_process_state *mpm_process_state(void);
/* Frees it. After a fork: only closes the descriptors that were inherited. */
void mpm_free_process_state(void);
/* The state of the current process with the message parsed and described in `to`; NULL when it cannot
 * be, which was logged. */
struct mpm_process_state *mpm_parsed(void *message, const char *verb, struct mpm_message *to);

/* log.c */
void mpm_log(uint32_t level, const char *format, ...)
#ifdef __GNUC__
    __attribute__((format(printf, 2, 3)))
#endif
    ;
/* Copies the sentence of an error and frees it. Always -1. */
int mpm_refuse(mp_error *error, char to[MPM_ERROR_SIZE]);
/* Logs why a verb failed and keeps it for $mediaproxy(error). MPM_FALSE. */
int mpm_failed(uint64_t id, const char *verb, mp_status status, mp_str why);

/* variables.c */
/* The verdict of this process is now about the message of this id. */
void mpm_note_verdict(uint64_t id);
void mpm_note_error(uint64_t id, const char *verb, mp_str why);

/* media.c */
/* As mpm_use_media_proxy, with the options of an engaged dialog. */
int mpm_rewrite(void *message, const struct mpm_options *options);

/* verbs.c */
/* A script that has given up the INVITE of this id uses the relay for it again. */
void mpm_use_again(uint64_t id);
/* The server sends a failure reply to this INVITE, which has no To tag. */
void mpm_invite_failed(void *invite);
/* Which client lists the sender is on, MP_ASYMMETRIC_* ORed; 0 when the message
 * cannot be read. */
uint32_t mpm_client_lists(void *message);

/* lumps.c */
/* Makes a lump of each edit, or none. 0 or -1. */
int mpm_make_lumps(void *message, mp_str raw, enum mpm_mark mark, const mp_edits *edits);

/* keeper.c */
/* Frees the keeper of the current process. After a fork: only closes the
 * descriptors that were inherited. */
void mpm_free_keeper(void);

/* keeper.c, relay_process.c: bodies of processes. */
void mpm_keep(pid_t parent);
void mpm_supervise(pid_t parent);

/* processes.c */
/* Prepares a process of the module's own, which ends on SIGTERM and when
 * `parent`, which forked it, ends. */
void mpm_own_process(pid_t parent);
/* Waits for the descriptor (-1: none), at most this many milliseconds; 0 when
 * the process must end. */
int mpm_wait(int descriptor, uint64_t milliseconds);

/* settings.c */
/* Makes the settings with the stock modules' defaults, once. 0 or -1. */
int mpm_settings_begin(char error[MPM_ERROR_SIZE]);
/* Refuses parameters that have no effect in a module. 0 or -1. */
int mpm_settings_check(char error[MPM_ERROR_SIZE]);
/* 1 when there is an embedded relay to run. */
int mpm_runs_relay(void);
/* 1 when this setting of the library has a value. */
int mpm_has_value(const char *name);

/* sockets.c */
/* Sets proxy_address, and proxy_advertised_address, from the server's sockets
 * where the embedded relay has none. */
int mpm_address_from_sockets(char error[MPM_ERROR_SIZE]);

/* relay_process.c */
int mpm_relay_prepare(char error[MPM_ERROR_SIZE]);
/* What the embedded relay has done since its last start, and how often it was
 * started. 0, or -1 when there is none. */
int mpm_relay_counters(mp_proxy_counters *counters, uint64_t *starts);

#endif
