/* A server with a relay in its process, and messages of one call after the other.
 * Alice is the phone with the From tag "a" in most of them. */
#ifndef SCENE_H
#define SCENE_H

#include "check.h"

extern mp_proxy *proxy;
extern mp_config *config;
extern mp_engine *engine;
extern mp_worker *worker;
extern mp_message *message;
extern mp_edits *edits;
/* The Call-ID of the next messages. */
extern const char *call_id;
/* The SDP of the next messages that have one. */
extern const char *sdp;

/* One audio line at a private address. */
extern const char AUDIO[];

/* The settings are those of quiet_config(), with a relay in this process. A test may
 * change config before start_scene(). */
void make_scene(void);
void start_scene(void);
void free_scene(void);
/* The server restarts, and its call table is empty. The relay goes on. */
void restart_server(void);

/* Parses a message of the current call. start is a method, or a status line
 * without its version for a reply to an INVITE. branch is the one of its Via. */
void read_message(const char *start, int cseq, const char *from, const char *to,
                  const char *branch, int with_sdp);
/* Rewrites the message with sdp. The message afterwards, until the next rewrite. */
const char *rewritten_text(const char *start, int cseq, const char *from,
                           const char *to);
/* The same. The port of its first audio line afterwards. */
int rewritten(const char *start, int cseq, const char *from, const char *to);
/* The message without SDP has nothing to rewrite. */
void without_sdp(const char *start, int cseq, const char *from, const char *to);
/* Gives the message to mp_end_session. */
void end_with(const char *start, int cseq, const char *from, const char *to,
              const char *branch, const mp_options *options);
void end(const char *start, int cseq, const char *from, const char *to);

mp_proxy_counters counters(void);
/* Waits until the relay has so many sessions. */
void sessions(uint64_t wanted);
/* The relay still has so many sessions, after all that was sent to it. */
void still_sessions(uint64_t wanted);

#endif
