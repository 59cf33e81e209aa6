/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The common part of a module for any SIP server ("mpm": MediaProxy module).
 * The server's own part defines mpm_server and calls the functions below; the
 * common part and the library depend on no server. bindings/README.md describes
 * the contract, c-tests/fake_server.c is the smallest module.
 *
 * Before the fork:  mpm_set for each parameter, mpm_socket for each socket that
 *                   the server listens on, mpm_start.
 * After the fork:   mpm_child in each process of the server; then the verbs, in
 *                   any process: the first verb makes the worker of its process.
 * Processes:        each mpm_process runs in a process of its own.
 * At the end:       mpm_stop.
 *
 * One thread a process. Texts are borrowed for the call unless a comment says
 * otherwise.
 */
#ifndef MPM_H
#define MPM_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "commands.h"
#include "mediaproxy.h"
#include "parameters.h"

/* What a verb returns to a script. */
#define MPM_TRUE 1
#define MPM_FALSE (-1)
/* The message carries no SDP. */
#define MPM_NO_SDP (-2)

/* The size of a buffer for the sentence of an error, which ends with a NUL. */
#define MPM_ERROR_SIZE 1024

/* Which verb made a lump: each verb removes its own lumps only. */
enum mpm_mark { MPM_CONTACT, MPM_SDP };

/* A message as the library reads it. */
struct mpm_message {
    /* Differs between the messages of one process. */
    uint64_t id;
    mp_str raw;
    mp_address source;
    /* Family 0 when it is not known. */
    mp_address local;
    /* One of MP_TRANSPORT_*. */
    uint32_t transport;
};

/* What identifies the call of a message. */
struct mpm_call {
    mp_str call_id, from_tag, to_tag;
    /* The method of the CSeq header is INVITE. */
    int is_invite;
    /* The status of a reply, 0 for a request. */
    unsigned int status;
};

/* What the script and the server say about a call. Each may be empty. */
struct mpm_options {
    mp_str set;
    mp_str signaling_ip;
    mp_str media_relay;
    mp_str ice_candidate;
    mp_str dialog_id;
    /* Where the server sends the message: the URI of a request's next hop, or
     * the host that a reply is sent to. A name has no effect. */
    mp_str next_hop;
    mp_str reply_host;
};

/* A SIP server. `message` is the server's own message, `dialog` its own dialog. */
struct mpm_server {
    /* Takes a log line, in any process. */
    mp_log_callback log;
    /* Takes over changed settings of the server, such as the log level; called
     * at least once a second in the processes of mpm_process. May be NULL. */
    void (*on_idle)(void);
    /* Where a script finds registrations kept alive instead: the end of the
     * error for natping_interval. */
    const char *keepalive_elsewhere;
    /* The directory of the server's configuration, the default of the setting
     * config_directory. */
    const char *config_directory;

    /* Fills all members. The raw bytes stay as they are during the verb. */
    void (*describe)(void *message, struct mpm_message *to);
    /* Fills all members: 0, or -1 when Call-ID, From, To or CSeq cannot be read. */
    int (*identify)(void *message, struct mpm_call *to);
    /* Adds what the script's variables and the routing say about the message;
     * members it knows nothing about stay. */
    void (*options)(void *message, struct mpm_options *to);
    /* 1 when the message is about one branch of a request that the server may
     * have forked: a reply that has not been chosen to go upstream, or a request
     * on the way to one of its targets. Else 0. */
    int (*is_branch)(void *message);
    /* 1 in a route where a script may give up an INVITE and then try another
     * target with it: the server calls mpm_route_ended after this route. May be
     * NULL. */
    int (*may_go_on)(void *message);

    /* Makes a lump under `mark`: the `remove` bytes at `offset` of the raw
     * message are replaced by `text`, which is copied into memory that lives as
     * long as the message. Offsets lie within the message. 0 or -1. */
    int (*replace)(void *message, enum mpm_mark mark, size_t offset, size_t remove, mp_str text);
    /* Removes all lumps under `mark`, those of an earlier route too, which the
     * server may have copied since. */
    void (*remove)(void *message, enum mpm_mark mark);
    /* The URI of the server's parsed Contact that contains the byte at `offset`,
     * as part of the raw message: 1. 0 when there is none, -1 when another
     * module has already changed the Contact. */
    int (*contact_uri)(void *message, size_t offset, mp_str *uri);
    /* Points the server's parsed Contacts at the lumps under MPM_CONTACT: 1. 0
     * when there is no such lump. */
    int (*contact_update)(void *message);
};

/* Defined by the server's own part. */
extern const struct mpm_server mpm_server;

/* settings.c */

/* Takes one parameter. 0, or -1 with the sentence in `error`. */
int mpm_set(const char *name, const char *value, char error[MPM_ERROR_SIZE]);
/* The variable that the parameter NAME_avp names, for NAME of MPM_AVPS:
 * "$avp(NAME)" where it is not set. Lives until the process ends. */
const char *mpm_avp(const char *parameter);
/* 1 when the parameter `disable` turns the media functions off. */
int mpm_disabled(void);

/* sockets.c */

/* A socket the server listens on, before mpm_start: an IP address where the
 * embedded relay can receive media if proxy_address is not set. `advertised` is
 * the address or name that the server puts into its own headers instead, or
 * empty. Not for a socket on all addresses. The texts are copied. */
void mpm_socket(mp_str address, int is_loopback, mp_str advertised);

/* start.c */

/* Makes the engine, and the embedded relay's socket. 0, or -1 with the sentence
 * in `error`. */
int mpm_start(char error[MPM_ERROR_SIZE]);
/* In a process of the server: closes its copy of the embedded relay's socket. */
void mpm_child(void);
/* Frees what the current process has, and in the process that called mpm_start
 * all that it made. No other process needs to call it. */
void mpm_stop(void);

/* processes.c */

struct mpm_process {
    const char *name;
    /* The body of the process, given the pid of the process that forked it.
     * Returns on SIGTERM and when the parent has ended. */
    void (*run)(pid_t parent);
};

/* The processes that the server must fork: NULL after the last. After
 * mpm_start. */
const struct mpm_process *mpm_process(size_t index);
/* For a server without processes for modules: instead of the first one, called
 * by a timer in always the same process, at least once a second. */
void mpm_tick(void);

/* test_flags.c */

/* Reads the argument of client_nat_test. 0, or -1 with the sentence in `error`. */
int mpm_tests(mp_str text, uint32_t *tests, char error[MPM_ERROR_SIZE]);

/* contact.c */

/* Reads the argument of fix_contact. 0, or -1 with the sentence in `error`. */
int mpm_contact_option(mp_str text, int *first_hop, char error[MPM_ERROR_SIZE]);

/* verbs.c, contact.c, media.c: MPM_TRUE, MPM_FALSE, MPM_NO_SDP. */

int mpm_client_nat_test(void *message, mp_str tests);
/* `option` is empty or "first_hop": fix only a message from the phone itself. */
int mpm_fix_contact(void *message, mp_str option);
int mpm_use_media_proxy(void *message, mp_str set);
/* The message terminates its call or dialog, or it is the INVITE of a call that
 * the script gives up; of a branch only, where is_branch of the server says so.
 * Every other message ends nothing: MPM_TRUE. */
int mpm_end_media_session(void *message);
/* The script's route for this message is over: ends the call of an INVITE that
 * was given up, unless the route has used the relay for it afterwards. */
void mpm_route_ended(void *message);
/* The same by identifiers; an empty `to_tag` stands for the whole call. */
int mpm_end_call(mp_str call_id, mp_str from_tag, mp_str to_tag);

/* dialog.c: engage_media_proxy. */

/* What is stored for an engaged dialog, in memory that all processes share. */
struct mpm_dialog {
    int terminated;
    /* The ICE candidate that the script wanted when the dialog began. */
    size_t ice_length;
    char ice[16];
};

/* How a server keeps dialogs. */
struct mpm_dialogs {
    /* The dialog of a message, NULL when there is none yet. The caller gives it
     * back with `release`, which may be NULL. */
    void *(*find)(void *message);
    void (*release)(void *dialog);
    /* Has the server make a dialog for this INVITE, now or when it forwards it;
     * mpm_dialog_created follows. MPM_TRUE or MPM_FALSE. */
    int (*create)(void *message);
    /* The variable of a dialog that says it is engaged; it is stored with the
     * dialog. `set_engaged` returns 0 or -1. */
    int (*is_engaged)(void *dialog);
    int (*set_engaged)(void *dialog);
    /* Has the requests of all dialogs that this INVITE makes carry a mark, such
     * as a parameter in Record-Route; the server calls mpm_dialog_marked_request
     * for each of them. 0 or -1. */
    int (*mark_route)(void *message);
    /* Stores `first` in shared memory and has the server call mpm_dialog_request,
     * mpm_dialog_reply, mpm_dialog_terminated and mpm_dialog_failed with it. The
     * stored copy, or NULL, which was logged. */
    struct mpm_dialog *(*watch)(void *dialog, const struct mpm_dialog *first);
    /* Writes the dialog's id, by which a media timeout can end it. */
    void (*id)(void *dialog, char *to, size_t size);
};

/* Says that the server has dialogs; before the fork. Without this call
 * mpm_engage_media_proxy fails. */
void mpm_use_dialogs(const struct mpm_dialogs *dialogs);
int mpm_engage_media_proxy(void *message);
/* What happened to a dialog; for all dialogs, engaged or not: the first two. */
void mpm_dialog_created(void *dialog, void *message);
void mpm_dialog_loaded(void *dialog);
void mpm_dialog_request(void *dialog, const struct mpm_dialog *state, void *message);
void mpm_dialog_reply(void *dialog, const struct mpm_dialog *state, void *message,
                      unsigned int status);
/*
 * Two phones may answer one INVITE, and a server that keeps one dialog of an
 * INVITE does not find it for the messages of the second one. A marked request
 * without a dialog is handled as those of an engaged one. 1 when its replies
 * are to come to mpm_dialog_marked_reply.
 */
int mpm_dialog_marked_request(void *message);
void mpm_dialog_marked_reply(void *message, unsigned int status);
/* `to_tag` is empty unless a BYE ended the dialog. */
void mpm_dialog_terminated(struct mpm_dialog *state, mp_str call_id, mp_str from_tag,
                           mp_str to_tag);
/* The INVITE of the dialog got a failure reply. */
void mpm_dialog_failed(struct mpm_dialog *state, void *invite);

/* variables.c: $mediaproxy(NAME). */

enum mpm_value_kind { MPM_VALUE_NONE, MPM_VALUE_NUMBER, MPM_VALUE_TEXT };

struct mpm_value {
    enum mpm_value_kind kind;
    uint64_t number;
    /* Lives until the next verb of this process. */
    mp_str text;
};

/* The number of a variable, for mpm_variable_get; -1 with the sentence in `error`
 * when there is no variable of this name. */
int mpm_variable(mp_str name, char error[MPM_ERROR_SIZE]);
void mpm_variable_get(int variable, void *message, struct mpm_value *value);

/* numbers.c: the counters, by index from 0, for the server's own statistics. */

struct mpm_number {
    /* Each ends with a NUL and lives until the process ends. */
    const char *name;
    const char *help;
    /* The value may fall. */
    int gauge;
};

/* 0, or -1 after the last one. */
int mpm_number(size_t index, struct mpm_number *number);
/* The value now. Values read within 100 ms belong to one moment. */
uint64_t mpm_number_value(size_t index);

/* commands.c */

/* Writes a command's answer; `arg` is that of mpm_command. Each returns 0 or -1. */
struct mpm_answer {
    /* Starts an entry: the fields that follow belong to it. */
    int (*entry)(void *arg);
    int (*text)(void *arg, const char *name, mp_str value);
    int (*number)(void *arg, const char *name, uint64_t value);
};

/* Runs a command. `argument` is empty when there is none. 0, or a status as in
 * SIP (400, 404, 500) with the sentence in `error`. */
int mpm_command(enum mpm_command command, mp_str argument, const struct mpm_answer *answer,
                void *arg, char error[MPM_ERROR_SIZE]);

#endif
