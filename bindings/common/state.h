/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What the files of this directory know of each other. */
#ifndef GLUE_STATE_H
#define GLUE_STATE_H

#include "glue.h"

/* The server's only ones, made before the fork. */
struct glue_state {
    const struct glue_server *server;
    mp_config *config;
    mp_engine *engine;
    mp_proxy *proxy;
};

extern struct glue_state glue;

/* What one process needs; see worker.c. */
struct glue_process {
    mp_worker *worker;
    mp_message *message;
    mp_verdict *verdict;
    mp_options *options;
    mp_edits *edits;
};

/* Those of the current process; NULL when they cannot be made, which was
 * logged. */
struct glue_process *glue_process(void);
/* The same with the message parsed; NULL when it cannot be. */
struct glue_process *glue_parsed(const struct glue_message *message, const char *verb);

/* log.c */
void glue_log(uint32_t level, const char *format, ...)
#ifdef __GNUC__
    __attribute__((format(printf, 2, 3)))
#endif
    ;
/* Copies the sentence of an error and frees it. Always -1. */
int glue_refuse(mp_error *error, char to[GLUE_ERROR_ROOM]);
/* Logs why a verb failed and remembers it for glue_last_error. */
int glue_failed(const struct glue_message *message, const char *verb, mp_status status, mp_str why);

/* evidence.c */
void glue_judged(uint64_t id);
void glue_said(uint64_t id, const char *verb, mp_str why);

/* lumps.c */
/* Makes all edits under the mark, or none. 0 or -1. */
int glue_make_lumps(const struct glue_message *message, enum glue_mark mark, const mp_edits *edits);

/* process.c */
/* Prepares a process of the module's own: it is to end on SIGTERM, and when
 * `parent` does, which forked it. */
void glue_own_process(pid_t parent);
/* Waits for the descriptor (-1: none), so many milliseconds at most; 0 when
 * the process is to end. */
int glue_wait(int descriptor, uint64_t milliseconds);

/* settings.c */
int glue_settings_finish(char error[GLUE_ERROR_ROOM]);

/* relay_process.c */
int glue_relay_prepare(char error[GLUE_ERROR_ROOM]);

#endif
