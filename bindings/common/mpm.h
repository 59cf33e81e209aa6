/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What the modules of all SIP servers share. A module hands over the message
 * its server holds and a small table of functions that change it; what is
 * decided here and in the library below has no server in it.
 *
 * Before the fork:  mpm_set for each parameter, then mpm_start.
 * After the fork:   mpm_child in each process (not needed, but tidy), the
 *                   verbs anywhere: what a process needs is made on first use.
 * A process each:   mpm_keep, and with an embedded relay mpm_supervise.
 *
 * Servers have one thread a process, and so has this.
 */
#ifndef MPM_H
#define MPM_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "mediaproxy.h"

/* What a verb answers, as scripts of all servers know it. */
#define MPM_TRUE 1
#define MPM_FALSE (-1)
/* There is no session description to rewrite. */
#define MPM_NO_SDP (-2)

/* Room for the sentence of an error. */
#define MPM_ERROR_SIZE 1024

/* Which verb made a lump: it takes back its own ones only. */
enum mpm_mark { MPM_CONTACT, MPM_SDP };

/* What names a call, for ends that the message itself does not tell. */
struct mpm_call {
    mp_str call_id, from_tag, to_tag;
    int is_request;
    int is_invite;
};

/* How a server's message is changed. `message` is the server's own. */
struct mpm_server {
    /* Receives log lines in any process. */
    mp_log_callback log;
    /* Makes the `remove` bytes at `offset` of the raw message go and `text`
     * come, under `mark`. The text is copied into memory that lives as long as
     * the message. 0, or -1 when it cannot be done; offsets were checked. */
    int (*replace)(void *message, enum mpm_mark mark, size_t offset, size_t remove, mp_str text);
    /* Takes back all that was made under `mark`, also in an earlier route, of
     * which the server may have made a copy since. */
    void (*forget)(void *message, enum mpm_mark mark);
    /* The URI of the server's parsed Contact which the byte at `offset` lies
     * in, as part of the raw message: 1. 0 when there is none, -1 when the
     * Contact was already changed by somebody else. */
    int (*contact_uri)(void *message, size_t offset, mp_str *uri);
    /* Points the server's parsed Contact at what replace made under
     * MPM_CONTACT: 1; 0 when nothing is there. */
    int (*contact_update)(void *message);
    /* Reads what names the call: 0, or -1 when it cannot be read. */
    int (*identify)(void *message, struct mpm_call *call);
    /* What the server wants done now and then in the processes below; may be
     * NULL. */
    void (*on_idle)(void);
};

/* One message. Texts are borrowed for the call. */
struct mpm_message {
    void *message;
    /* Any number that differs for each message of this process. */
    uint64_t id;
    mp_str raw;
    mp_address source;
    /* Family 0 when it is not known. */
    mp_address local;
    uint32_t transport;
};

/* What a script or the server says about a call. All may be empty. */
struct mpm_options {
    mp_str set;
    mp_str media_relay;
    mp_str signaling_ip;
    mp_str ice_candidate;
    mp_str dialog_id;
    /* The host the message goes to next; what is no address does not count. */
    mp_str receiver;
};

/* settings.c */

/* Takes one parameter; the sentence of an error goes to `error`. 0 or -1. */
int mpm_set(const char *name, const char *value, char error[MPM_ERROR_SIZE]);
/* The parameters that are no settings of the library, by position; NULL at the
 * end. */
const char *mpm_parameter(size_t index);
/* True when a relay of the server's own was asked for and no address given. */
int mpm_relay_needs_address(void);
/* True when it was said what address phones are told in its place. */
int mpm_relay_advertises(void);
/* True when a relay of the server's own was asked for. */
int mpm_relay_embedded(void);
/* True when the parameter `disable` turns the media functions off. */
int mpm_disabled(void);

/* start.c */

int mpm_start(const struct mpm_server *server, char error[MPM_ERROR_SIZE]);
/* In a process that only uses the relay: gives up its part of the listener. */
void mpm_child(void);
void mpm_stop(void);

/* uri.c */

/* The host of a URI, in brackets where it has them; empty when there is none. */
mp_str mpm_uri_host(mp_str uri);

/* test_flags.c */

/* Reads tests as a script writes them. 0 or -1. */
int mpm_tests(mp_str text, uint32_t *tests, char error[MPM_ERROR_SIZE]);

/* verbs.c, contact.c, media.c */

int mpm_client_nat_test(const struct mpm_message *message, uint32_t tests);
/* Which client lists the sender is on, MP_ASYMMETRIC_* ORed; 0 when the message
 * cannot be read. */
uint32_t mpm_client_lists(const struct mpm_message *message);
int mpm_fix_contact(const struct mpm_message *message);
int mpm_use_media_proxy(const struct mpm_message *message, const struct mpm_options *options);
int mpm_end_media_session(const struct mpm_message *message);
/* The same without a message. */
int mpm_end_call(mp_str call_id, mp_str from_tag, mp_str to_tag);

/* evidence.c */

/* What the last verbs of this process said about the message of this id.
 * Texts live until the next verb; empty when nothing was said. */
uint32_t mpm_matched(uint64_t id);
mp_str mpm_matched_names(uint64_t id);
mp_str mpm_evidence(uint64_t id);
mp_str mpm_last_error(uint64_t id);

/* keeper.c, relay_process.c: bodies of processes, given the pid of the process
 * that forked them. They return when that ends, and on SIGTERM. */

void mpm_keep(pid_t parent);
/* For a server without processes for modules: called by a timer, always in the
 * same process, at least once a second. */
void mpm_tick(void);
void mpm_supervise(pid_t parent);

/* relay_process.c */

/* What the embedded relay did since it was started last, and how often it was
 * started. 0, or -1 when there is none. */
int mpm_relay_counters(mp_proxy_counters *counters, uint64_t *starts);

/* numbers.c */

struct mpm_number {
    const char *name;
    const char *help;
    /* It may fall. */
    int gauge;
};

/* The numbers of mpm_number_value; NULL at the end. */
const struct mpm_number *mpm_number(size_t index);
/* The value now; numbers asked for within 100 ms of each other are of one
 * moment. */
uint64_t mpm_number_value(size_t index);

/* manage.c */

/* Called for each relay. */
typedef void (*mpm_relay_visit)(void *arg, const mp_relay *relay);
int mpm_relays(mpm_relay_visit visit, void *arg, char error[MPM_ERROR_SIZE]);
const char *mpm_condition_name(uint32_t condition);
const char *mpm_order_name(uint32_t order);

enum mpm_order { MPM_DRAIN, MPM_ENABLE, MPM_DISABLE };
int mpm_order_relay(enum mpm_order order, mp_str uri, char error[MPM_ERROR_SIZE]);
/* All processes read client lists and relays file again with their next
 * message. */
int mpm_reload(void);

#endif
