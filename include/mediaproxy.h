/*
 * libmediaproxy: NAT traversal for SIP servers.
 *
 * A server hands over a raw SIP message and where it came from; the library
 * answers with a verdict (mp_nat_test) or with edits against the original
 * bytes (mp_fix_contact, mp_rewrite_sdp). A byte that no edit names is the byte
 * that came in.
 *
 * Before the fork:  mp_config, mp_engine, and mp_proxy for the built-in relay.
 * After the fork:   one mp_worker in each process or thread, and one mp_keeper
 *                   in one of them.
 * Reusable values:  mp_message, mp_options, mp_verdict, mp_edits.
 *
 * Rules that hold for every function:
 * - A handle is an opaque pointer made by a _new (or _start) and given back
 *   once to its _free. free(NULL) does nothing. Apart from _free, and where a
 *   comment says so, a NULL pointer is MP_ERR_NULL (accessors: 0 or empty), and
 *   a pointer that is neither NULL nor alive is undefined behaviour.
 * - Order of arguments: the handle, inputs, outputs. Outputs are written only
 *   on success.
 * - Texts are mp_str, any bytes; what the library returns as text belongs to
 *   it and lives as long as the comment says. Inputs are copied unless the
 *   comment says otherwise (mp_message_parse does not copy).
 * - A handle is used by one thread at a time, except mp_engine, mp_keeper,
 *   mp_proxy and mp_error. Different handles may be used by different threads
 *   at once.
 * - Enumerations and bits are given as uint32_t; a value that is not defined is
 *   MP_ERR_ARGUMENT.
 * - Time is milliseconds of CLOCK_MONOTONIC (mp_now).
 * - A function that takes an mp_error ** writes the reason of a failure there
 *   unless it is NULL; the caller frees it. Failures of verbs are explained by
 *   mp_worker_last_error.
 * - No panic or exception leaves the library; a panic is MP_ERR_PANIC. The
 *   library writes nothing to descriptors 0 to 2, installs no signal handler,
 *   raises no SIGPIPE, and does not change locale, umask or directory.
 */

#ifndef MEDIAPROXY_H
#define MEDIAPROXY_H
#include <stddef.h>
#include <stdint.h>

/* The version of this header; mp_version() is that of the library. */
#define MP_VERSION_MAJOR 0
#define MP_VERSION_MINOR 1
#define MP_VERSION_PATCH 0
#define MP_VERSION "0.1.0"

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/* --------------------------------------------------------------------------
 * `mp_str`.
 * -------------------------------------------------------------------------- */

// A text: len bytes at ptr, any bytes, no terminating NUL needed. NULL with
// length 0 is the empty text; NULL with another length is MP_ERR_NULL. As an
// argument the bytes are only read during the call, unless the function says
// otherwise. As a result they belong to the library and live as long as the
// function says; print them with printf("%.*s", (int)text.len, text.ptr).
typedef struct {
    // The first byte; may be NULL when len is 0.
    const char *ptr;
    // The number of bytes.
    size_t len;
} mp_str;

/* A C string, which ends with a NUL, as an mp_str; NULL becomes the empty text.
 * Borrows: the result lives as long as text. */
static inline mp_str mp_text(const char *text)
{
    mp_str result;
    result.ptr = text;
    result.len = 0;
    while (text != NULL && text[result.len] != '\0')
        result.len++;
    return result;
}

/* --------------------------------------------------------------------------
 * `mp_status`.
 * -------------------------------------------------------------------------- */

// The outcome of a call. 0 is success, positive numbers are outcomes that are
// no errors, negative numbers are errors. Numbers are never changed and never
// reused; new ones may come, so treat an unknown negative number as an error.
enum mp_status
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // Done.
    MP_OK = 0,
    // The message carries no session description: nothing to rewrite.
    MP_NO_SDP = 1,
    // A non-blocking call waits for its relay.
    MP_PENDING = 2,
    // The message has no sip: or sips: Contact: nothing to repair.
    MP_NO_CONTACT = 3,
    // A pointer that must not be NULL was NULL, or a text was NULL with a
    // length above 0.
    MP_ERR_NULL = -1,
    // An argument is outside its range, or the handle is not ready for this
    // call.
    MP_ERR_ARGUMENT = -2,
    // The message cannot be read; the text names header and reason.
    MP_ERR_SYNTAX = -3,
    // A bound was exceeded: message 64 KiB, 512 headers, 64 streams, nesting
    // depth 8, or an option's length.
    MP_ERR_LIMIT = -4,
    // The caller's buffer is too small; the needed length was written.
    MP_ERR_BUFFER_TOO_SMALL = -5,
    // The worker or keeper was made in another process, before a fork.
    MP_ERR_WRONG_PROCESS = -6,
    // The library panicked, which is a defect in it; the text says where.
    // Every handle given to the call is poisoned, except mp_engine, mp_keeper
    // and mp_proxy.
    MP_ERR_PANIC = -7,
    // An earlier panic poisoned this handle: free it and make a new one.
    MP_ERR_POISONED = -8,
    // A setting has an unknown name or a bad value, or cannot be honoured.
    MP_ERR_SETTING = -9,
    // No relay could be reached, or none is configured.
    MP_ERR_NO_RELAY = -10,
    // A relay did not answer in time.
    MP_ERR_RELAY_TIMEOUT = -11,
    // A relay refused the request, or its answer cannot be used.
    MP_ERR_RELAY_ANSWER = -12,
    // The operating system refused: socket, memory, file.
    MP_ERR_SYSTEM = -13,
    // The edits overlap, reach beyond the message or belong to another one.
    MP_ERR_EDITS = -14,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum mp_status mp_status;
#else
typedef int32_t mp_status;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// The name of a status as it stands in this header, for a log line: MP_OK,
// MP_ERR_NULL. Empty for a number that is no status. Static, never freed. Any
// thread, any process.
mp_str mp_status_name(int32_t status);

/* --------------------------------------------------------------------------
 * `mp_version`.
 * -------------------------------------------------------------------------- */

// The version of the library that runs, as MP_VERSION was of the header:
// MAJOR.MINOR.PATCH. Compatible when MAJOR is the header's. Static, never
// freed; a NUL follows it. Any thread, any process.
mp_str mp_version(void);

/* --------------------------------------------------------------------------
 * The clock of all times in this header.
 * -------------------------------------------------------------------------- */

// Milliseconds of the monotonic clock (CLOCK_MONOTONIC): the unit and origin
// of every argument now and of every deadline. Any thread, any process.
uint64_t mp_now(void);

/* --------------------------------------------------------------------------
 * `mp_error`.
 * -------------------------------------------------------------------------- */

// Why a constructor or a setting failed. Made by the library where an
// mp_error ** is given (NULL if the reason is not wanted) and the call fails;
// on success nothing is written. The caller frees it with mp_error_free.
// Never changes: any thread may read it, also after a fork.
typedef struct mp_error mp_error;

// The status of an error, the one the failed call returned. MP_ERR_NULL for
// NULL.
mp_status mp_error_status(const mp_error *error);

// The sentence of an error: what was wrong, where (setting, file, line), and
// what to do. UTF-8, one line. Lives until mp_error_free. Empty for NULL.
mp_str mp_error_text(const mp_error *error);

// Frees an error. NULL is fine.
void mp_error_free(mp_error *error);

/* --------------------------------------------------------------------------
 * The log callback.
 * -------------------------------------------------------------------------- */

// A call is harmed, or a setting cannot be honoured.
#define MP_LOG_ERROR 1

// Something is not as it should be, but served.
#define MP_LOG_WARNING 2

// What an operator wants to know of normal running.
#define MP_LOG_INFO 3

// For finding faults.
#define MP_LOG_DEBUG 4

// Receives log lines: arg as given to mp_config_set_log, one of MP_LOG_*, and
// a line of UTF-8 without line end that lives during the call only. Called on
// the thread that called the library, from within that call: it must not call
// the library with the same handles, nor leave by a C++ exception or longjmp.
// Higher levels may come in later versions; treat them as debug.
typedef void (*mp_log_callback)(void *arg, uint32_t level, mp_str text);

/* --------------------------------------------------------------------------
 * `mp_address`.
 * -------------------------------------------------------------------------- */

// An IP address and port, free of system types. From a struct sockaddr_in:
// family 4, memcpy of sin_addr to bytes, ntohs(sin_port); from a struct
// sockaddr_in6: family 6, memcpy of sin6_addr, ntohs(sin6_port). It has no
// padding.
typedef struct {
    // 4 or 6.
    uint16_t family;
    // The port in host byte order.
    uint16_t port;
    // The address in network byte order; IPv4 uses the first four bytes.
    uint8_t bytes[16];
} mp_address;

// Reads a literal IP address, IPv6 with or without brackets, no zone, and
// writes it with port to *address. An IPv4-mapped IPv6 address becomes IPv4.
// MP_ERR_ARGUMENT for anything else; a host name is never looked up. Any
// thread, any process.
mp_status mp_address_parse(mp_str text, uint16_t port, mp_address *address);

/* --------------------------------------------------------------------------
 * `mp_config`.
 * -------------------------------------------------------------------------- */

// Settings being collected. mp_engine_new and mp_proxy_new copy what they
// need: it may be changed or freed afterwards. One thread at a time; made
// before the fork, like what is made from it.
typedef struct mp_config mp_config;

// Makes settings with their defaults (the profile `seed`) and no log. The
// caller frees them with mp_config_free. Never NULL but after a panic.
mp_config *mp_config_new(void);

// Sets one setting from text, as a configuration line holds it; white space
// around it does not count. `relay` adds a relay each time, every other
// setting replaces. Both texts are copied. MP_ERR_SETTING for an unknown name
// (the error lists all) and for a bad value (the error names the accepted
// form); nothing is changed then. error may be NULL.
mp_status mp_config_set(mp_config *config,
                        mp_str name,
                        mp_str value,
                        mp_error **error);

// Hands log lines to callback, with arg. NULL forgets them (the default). The
// callback and what arg points to must live as long as every engine made from
// this config and its workers.
mp_status mp_config_set_log(mp_config *config,
                            mp_log_callback callback,
                            void *arg);

// Frees settings. NULL is fine.
void mp_config_free(mp_config *config);

/* --------------------------------------------------------------------------
 * `mp_engine`.
 * -------------------------------------------------------------------------- */

// What a server makes once, before it forks: settings, the first copy of the
// client lists, and the memory all its processes share. It has no thread, no
// lock and no descriptor, so it may cross a fork. It never changes: any
// thread of any process may make workers from it.
typedef struct mp_engine mp_engine;

// Makes an engine and writes it to *engine; call it once, before the server
// forks (mod_init). The config is copied. The caller frees it with
// mp_engine_free. MP_ERR_SETTING when settings cannot be honoured together,
// MP_ERR_SYSTEM when the shared memory cannot be had. Bad lines of the client
// lists are logged and skipped, a missing list is empty. error may be NULL.
mp_status mp_engine_new(const mp_config *config,
                        mp_engine **engine,
                        mp_error **error);

// Has all processes read the client lists and the relays file again, each with
// its next message. Not needed when a file changes, which is noticed within a
// second; for a management command. Any thread of any process.
mp_status mp_engine_reload(const mp_engine *engine);

// Frees an engine. Workers made from it keep what they need: the order does
// not matter. In each process only its own copy goes. NULL is fine.
void mp_engine_free(mp_engine *engine);

/* --------------------------------------------------------------------------
 * `mp_message`.
 * -------------------------------------------------------------------------- */

// UDP
#define MP_TRANSPORT_UDP 1

// TCP
#define MP_TRANSPORT_TCP 2

// TLS over TCP
#define MP_TRANSPORT_TLS 3

// SCTP
#define MP_TRANSPORT_SCTP 4

// WebSocket (RFC 7118)
#define MP_TRANSPORT_WS 5

// WebSocket over TLS (RFC 7118)
#define MP_TRANSPORT_WSS 6

// A view of one raw SIP message and where it came from. Reusable: parsing
// the next message into it allocates nothing. It copies no byte: the caller's
// buffer must stay as it is until the next mp_message_parse or
// mp_message_free on this handle. One thread at a time; may cross a fork.
typedef struct mp_message mp_message;

// Makes an empty message view. The caller frees it with mp_message_free.
// Never NULL but after a panic.
mp_message *mp_message_new(void);

// Takes a raw message as it came from the socket: raw is not copied and must
// stay until the next parse or free. source is the sender's address and port
// as the server's socket saw them; local the server's own address it came in
// on, NULL if unknown; transport one of MP_TRANSPORT_*. Both addresses are
// copied. Only the start line is read now (RFC 3261 7.1, 7.2), headers when
// a verb needs them. MP_ERR_LIMIT above 64 KiB, MP_ERR_SYNTAX when the first
// line is neither a request nor a reply of SIP/2.0, MP_ERR_ARGUMENT for an
// unknown transport or address family. After an error the handle holds no
// message; the reason is in mp_message_last_error.
mp_status mp_message_parse(mp_message *message,
                           mp_str raw,
                           const mp_address *source,
                           const mp_address *local,
                           uint32_t transport);

// Why the last mp_message_parse on this handle failed; empty if none did.
// Lives until the next call with this handle.
mp_str mp_message_last_error(const mp_message *message);

// Frees a message view; the caller's buffer is not touched. NULL is fine.
void mp_message_free(mp_message *message);

/* --------------------------------------------------------------------------
 * `mp_options`.
 * -------------------------------------------------------------------------- */

// Offer or answer is worked out from method, CSeq and what is known of the
// call (the default).
#define MP_ROLE_AUTO 0

// The session description is an offer (RFC 3264).
#define MP_ROLE_OFFER 1

// The session description is an answer (RFC 3264).
#define MP_ROLE_ANSWER 2

// As the setting ice_candidate says (the default).
#define MP_ICE_AS_SET 0

// No relay candidate is inserted.
#define MP_ICE_NONE 1

// A relay candidate is inserted that is used when nothing else works.
#define MP_ICE_LOW_PRIORITY 2

// A relay candidate is inserted that is preferred to the phone's own.
#define MP_ICE_HIGH_PRIORITY 3

// What a script says about one call, beyond what the message says. Where a
// verb takes options, NULL stands for none. Reusable. One thread at a time;
// may cross a fork.
typedef struct mp_options mp_options;

// Makes options that leave everything to the library. The caller frees them
// with mp_options_free. Never NULL but after a panic.
mp_options *mp_options_new(void);

// Sets one option from text, as a script holds it: role (auto, offer, answer),
// relay_set, media_relay, dialog_id, ice_candidate (none, low-priority,
// high-priority), signaling_address and receiver (an IP address), next_hop (a
// SIP URI). The empty text gives the option its default back. Both texts are
// copied and taken as they are. MP_ERR_ARGUMENT for an unknown name (the error
// lists all) and for a bad value (the error names the accepted form),
// MP_ERR_LIMIT above 1024 bytes; nothing is changed then. error may be NULL.
mp_status mp_options_set(mp_options *options,
                         mp_str name,
                         mp_str value,
                         mp_error **error);

// Says whether the session description is an offer or an answer (RFC 3264):
// one of MP_ROLE_*, else MP_ERR_ARGUMENT.
mp_status mp_options_set_role(mp_options *options, uint32_t role);

// Gives the phone's signalling address when the message came through another
// proxy; by default it is the message's source. Copied; the port does not
// matter. MP_ERR_ARGUMENT for an unknown family.
mp_status mp_options_set_signaling_address(mp_options *options,
                                           const mp_address *address);

// Says where the message goes next: of a relay with addresses of both families
// the receiver is then told one of his family. Without it an offer gets one of
// the sender's family, until the receiver has answered. Copied; the port does
// not matter. MP_ERR_ARGUMENT for an unknown family.
mp_status mp_options_set_receiver(mp_options *options,
                                  const mp_address *address);

// Says where the message goes next by the URI that the server sends it to (RFC
// 3261 8.1.2): where its host is an IP address, that is the receiver (see
// mp_options_set_receiver); where it is a name, or the scheme is neither sip:
// nor sips:, or the text is empty, the receiver is unknown. No name is
// resolved. Nothing of the text is kept. MP_ERR_SYNTAX when it is no URI;
// nothing is changed then.
mp_status mp_options_set_next_hop(mp_options *options, mp_str uri);

// Names the set of relays that a new call chooses from: the set= of their
// lines. Empty to choose by the SIP domains. Copied; MP_ERR_LIMIT above 1024
// bytes, MP_ERR_ARGUMENT for what is not UTF-8.
mp_status mp_options_set_relay_set(mp_options *options, mp_str set);

// Names the relay wanted for a new call, a hint to the dispatcher. Empty for
// none. Copied; MP_ERR_LIMIT above 1024 bytes.
mp_status mp_options_set_media_relay(mp_options *options, mp_str relay);

// Gives the server's dialog id, by which a media timeout can end the dialog.
// Empty for none. Copied; MP_ERR_LIMIT above 1024 bytes.
mp_status mp_options_set_dialog_id(mp_options *options, mp_str id);

// Says whether streams that use ICE (RFC 8445, RFC 8839) get a relay
// candidate: one of MP_ICE_*, else MP_ERR_ARGUMENT.
mp_status mp_options_set_ice_candidate(mp_options *options, uint32_t candidate);

// Forgets all options: they are as after mp_options_new.
mp_status mp_options_reset(mp_options *options);

// Frees options. NULL is fine.
void mp_options_free(mp_options *options);

/* --------------------------------------------------------------------------
 * `mp_verdict` and the bits of `mp_nat_test`.
 * -------------------------------------------------------------------------- */

// The Contact host is a private address (setting private_networks).
#define MP_TEST_PRIVATE_CONTACT 1

// Source IP or port differs from the top Via's sent-by (RFC 3261 18.2.1); in
// a reply, from the Contact. The port is not compared for SIP-asymmetric
// clients.
#define MP_TEST_SOURCE_ADDRESS 2

// The top Via host is a private address; never in a reply.
#define MP_TEST_PRIVATE_VIA 4

// A stream's connection address is private (RFC 4566 5.7).
#define MP_TEST_PRIVATE_SDP 8

// The source port differs from the top Via's.
#define MP_TEST_SOURCE_PORT 16

// The source IP differs from the Contact host.
#define MP_TEST_SOURCE_CONTACT 256

// The source port differs from the Contact port.
#define MP_TEST_CONTACT_PORT 512

// The source itself is private.
#define MP_TEST_PRIVATE_SOURCE 1024

// A stream's connection address differs from the source IP.
#define MP_TEST_SOURCE_SDP 2048

// The message came over WS or WSS (RFC 7118).
#define MP_TEST_WEBSOCKET 4096

// The outcome of mp_nat_test: which tests ran, which matched, and why.
// Reusable: filling it again allocates nothing after warm-up. One thread at a
// time; may cross a fork.
typedef struct mp_verdict mp_verdict;

// Makes an empty verdict. The caller frees it with mp_verdict_free. Never
// NULL but after a panic.
mp_verdict *mp_verdict_new(void);

// The tests that ran, MP_TEST_* ORed: all that were asked for, or up to the
// first match. 0 for NULL.
uint32_t mp_verdict_tested(const mp_verdict *verdict);

// The tests that matched, MP_TEST_* ORed; not 0 means the client is behind
// NAT. 0 for NULL.
uint32_t mp_verdict_matched(const mp_verdict *verdict);

// How many tests matched. 0 for NULL.
size_t mp_verdict_count(const mp_verdict *verdict);

// The test of match number index, from 0, in the order of the bits: a single
// MP_TEST_* bit; 0 beyond the last one.
uint32_t mp_verdict_test(const mp_verdict *verdict, size_t index);

// Why match number index matched, for an operator to read: the header and the
// two values that were compared, as in
// "private_contact: Contact 192.168.1.10:5060 is private". Empty beyond the
// last match. Host names come from the message: any bytes. Lives until the
// verdict is filled again or freed.
mp_str mp_verdict_text(mp_verdict *verdict, size_t index);

// Frees a verdict. NULL is fine.
void mp_verdict_free(mp_verdict *verdict);

// Reads tests as a script writes them: a number, or names separated by `,`,
// `|`, `+` or spaces (private_contact, source_address, private_via,
// private_sdp, source_port, source_contact, contact_port, private_source,
// source_sdp, websocket). Writes the bits to *tests. MP_ERR_ARGUMENT for
// anything else, also for no test at all. Any thread, any process.
mp_status mp_tests_parse(mp_str text, uint32_t *tests);

// The name of one test, as mp_tests_parse reads it; empty for what is not a
// single MP_TEST_* bit. Static, never freed. Any thread, any process.
mp_str mp_test_name(uint32_t test);

/* --------------------------------------------------------------------------
 * `mp_edits`.
 * -------------------------------------------------------------------------- */

// A list of edits against the original bytes of one message, sorted by offset
// and disjoint. A verb called twice on one list replaces its own earlier edits
// and leaves the other verbs'. Reusable: reset it for the next message. One
// thread at a time; may cross a fork.
typedef struct mp_edits mp_edits;

// One edit of a message: at offset, remove bytes go and insert comes. Either
// may be empty.
typedef struct {
    // Bytes from the start of the raw message.
    size_t offset;
    // How many of the original bytes go.
    size_t remove;
    // The bytes that come. Lives until the list changes or is freed.
    mp_str insert;
} mp_edit;

// Makes an empty list. The caller frees it with mp_edits_free. Never NULL but
// after a panic.
mp_edits *mp_edits_new(void);

// How many edits there are; 0 means the message stays byte for byte. 0 for
// NULL.
size_t mp_edits_count(const mp_edits *edits);

// Writes edit number index, from 0, in order of offset, to *edit. Apply them
// yourself only if you also set Content-Length where the body changes (RFC
// 3261 20.14), or let the server do it. MP_ERR_ARGUMENT beyond the last one.
mp_status mp_edits_get(const mp_edits *edits, size_t index, mp_edit *edit);

// Writes the edited message to the capacity bytes at buffer and its length to
// *length. When an edit touches the body, every Content-Length header is set
// to the body's new length (RFC 3261 20.14); none is added. The buffer must
// not overlap the message's own bytes and may be NULL with capacity 0.
// MP_ERR_BUFFER_TOO_SMALL with the needed length in *length when it does not
// fit, the buffer untouched; MP_ERR_EDITS when an edit reaches beyond the
// message, which was then made for another one. The reason is in
// mp_edits_last_error.
mp_status mp_edits_apply(mp_edits *edits,
                         const mp_message *message,
                         char *buffer,
                         size_t capacity,
                         size_t *length);

// As mp_edits_apply, for one part of the message: the length bytes from offset
// on, as a Contact URI or a body. Writes these bytes with the edits made, at
// most size bytes, to buffer, and their number to *written. Content-Length is
// not set. MP_ERR_EDITS also when an edit is not wholly within the part (an
// insertion at its end is), for no edit is left out silently.
mp_status mp_edits_apply_range(mp_edits *edits,
                               const mp_message *message,
                               size_t offset,
                               size_t length,
                               char *buffer,
                               size_t size,
                               size_t *written);

// Why the last mp_edits_apply on this list failed; empty if none did. Lives
// until the next call with this list.
mp_str mp_edits_last_error(const mp_edits *edits);

// Forgets all edits and keeps the memory, for the next message.
mp_status mp_edits_reset(mp_edits *edits);

// Frees a list. NULL is fine.
void mp_edits_free(mp_edits *edits);

/* --------------------------------------------------------------------------
 * `mp_worker` and the verbs.
 * -------------------------------------------------------------------------- */

// List of mp_client_lists: the setting sip_asymmetrics.
#define MP_ASYMMETRIC_SIP 1

// List of mp_client_lists: the setting rtp_asymmetrics.
#define MP_ASYMMETRIC_RTP 2

// Flag of mp_nat_test: stop at the first test that matches.
#define MP_FIRST_MATCH 1

// What a process or thread makes for itself, after the fork; lazily is fine.
// It owns its sockets, buffers and its copy of the client lists. One thread at
// a time. In a process other than the one that made it, the verbs that talk
// to a relay answer MP_ERR_WRONG_PROCESS, and mp_worker_free only closes the
// inherited descriptors.
typedef struct mp_worker mp_worker;

// Makes a worker in the current process and writes it to *worker; opens
// nothing yet. The caller frees it with mp_worker_free. Any thread may call
// this with one engine. error may be NULL.
mp_status mp_worker_new(const mp_engine *engine,
                        mp_worker **worker,
                        mp_error **error);

// The sentence for the last verb on this worker that failed: which line,
// header or relay, and what to do. UTF-8, one line; empty if none failed yet.
// Success does not clear it. Lives until the worker's next call.
mp_str mp_worker_last_error(const mp_worker *worker);

// Frees a worker and closes its sockets. Requests started on it that still
// live can only be freed. NULL is fine.
void mp_worker_free(mp_worker *worker);

// Is the client behind NAT? Runs tests (MP_TEST_* ORed) on the message and
// fills the verdict; mp_verdict_matched says which matched. flags is 0 or
// MP_FIRST_MATCH. No test asks DNS; addresses compare by value, a host name
// never equals an address. MP_ERR_ARGUMENT for no test, an unknown bit or
// flag; MP_ERR_SYNTAX or MP_ERR_LIMIT when a header that a test needs cannot
// be read (a broken body never fails a header test). On these errors the
// verdict says that nothing was tested. Talks to nobody: also in another
// process than the worker's. (RFC 3261 18.2.1, 20.10, 20.42; RFC 1918)
mp_status mp_nat_test(mp_worker *worker,
                      const mp_message *message,
                      uint32_t tests,
                      uint32_t flags,
                      mp_verdict *verdict);

// Which client lists the message's User-Agent (else Server) is on: MP_ASYMMETRIC_*
// ORed, 0 for none, written to lists. A SIP-asymmetric client hears on another
// port than it sends from, so replies must go to the port in its Via, not to
// where its request came from (RFC 3581 does not hold for it). MP_ERR_SYNTAX or
// MP_ERR_LIMIT when the headers cannot be read. Talks to nobody: also in
// another process than the worker's.
mp_status mp_client_lists(mp_worker *worker,
                          const mp_message *message,
                          uint32_t *lists);

// Makes host and port of the first sip: or sips: Contact the message's source
// (RFC 3261 20.10), as edits: IPv6 in brackets, maddr goes, all else stays;
// for SIP-asymmetric clients the port stays too. `Contact: *`, other schemes,
// 3xx replies, replies to REGISTER and Contacts that already say the source
// get no edit; MP_NO_CONTACT when there is no sip: or sips: Contact at all.
// Replaces the edits an earlier mp_fix_contact made in this list.
// MP_ERR_SYNTAX or MP_ERR_LIMIT when the headers cannot be read; no edit is
// added then. Talks to nobody: also in another process than the worker's.
mp_status mp_fix_contact(mp_worker *worker,
                         const mp_message *message,
                         mp_edits *edits);

// Asks a relay for ports and makes the session description (RFC 4566, RFC
// 3264) point at them, as edits: all of them or none. Blocks at most the
// setting relay_timeout, failovers included. Replaces the edits an earlier
// rewrite made in this list. options may be NULL. MP_NO_SDP when there is no
// session description. MP_ERR_SYNTAX or MP_ERR_LIMIT for a message that
// cannot be read, MP_ERR_NO_RELAY, MP_ERR_RELAY_TIMEOUT and
// MP_ERR_RELAY_ANSWER for relays, MP_ERR_WRONG_PROCESS after a fork. Asking
// again for the same message gives the same result.
mp_status mp_rewrite_sdp(mp_worker *worker,
                         const mp_message *message,
                         const mp_options *options,
                         mp_edits *edits);

// Tells the relay that this message ends its call or branch: a BYE, a CANCEL
// or a failure reply (RFC 3261 15, 9, 13.3.1.3). Never waits; what cannot be
// sent now is sent later. Idempotent. options may be NULL. MP_ERR_ARGUMENT for
// a message that ends nothing, MP_ERR_SYNTAX when Call-ID or tags cannot be
// read, MP_ERR_WRONG_PROCESS after a fork.
mp_status mp_end_session(mp_worker *worker,
                         const mp_message *message,
                         const mp_options *options);

// The same by identifiers, for a server that has no message at hand: ends the
// branch to_tag, or the whole call when that is empty. The texts are copied.
// MP_ERR_ARGUMENT for an empty Call-ID.
mp_status mp_end_call(mp_worker *worker,
                      mp_str call_id,
                      mp_str from_tag,
                      mp_str to_tag);

/* --------------------------------------------------------------------------
 * `mp_request`: a rewrite that does not block.
 * -------------------------------------------------------------------------- */

// Wait until the descriptor can be read (POLLIN).
#define MP_WAIT_READ 1

// Wait until the descriptor can be written (POLLOUT).
#define MP_WAIT_WRITE 2

// A rewrite under way that does not block. It holds its own relay connection;
// message and options may be gone before it ends. It belongs to the worker it
// was started on: same thread rule, same process.
typedef struct mp_request mp_request;

// What a request waits for.
typedef struct {
    // When to continue at the latest, in milliseconds as mp_now counts them;
    // at once when that has passed, as 0 has.
    uint64_t deadline;
    // The descriptor to watch; -1 when there is none and only the deadline
    // counts. It belongs to the library: never read, write or close it.
    int32_t descriptor;
    // MP_WAIT_READ and MP_WAIT_WRITE, ORed; 0 when there is no descriptor.
    uint32_t events;
} mp_wait;

// mp_rewrite_sdp without blocking: start, then wait with poll or epoll for
// what mp_request_wait says, mp_request_continue, until that says something
// else than MP_PENDING. now is milliseconds as mp_now counts them, 0 lets the
// library read the clock. Writes the request to *request; the caller frees it
// with mp_request_free, which also cancels it. MP_NO_SDP: nothing to do, no
// request is written. Errors as for mp_rewrite_sdp.
mp_status mp_rewrite_start(mp_worker *worker,
                           const mp_message *message,
                           const mp_options *options,
                           uint64_t now,
                           mp_request **request);

// Writes to *wait what the request waits for now. It may change with each
// mp_request_continue: ask again after it.
mp_status mp_request_wait(const mp_request *request, mp_wait *wait);

// Goes on after the descriptor became ready or the deadline passed; calling it
// too early does no harm. worker is the one the request was started on, else
// MP_ERR_ARGUMENT. MP_PENDING: wait again, edits is unchanged. MP_OK: done, all
// edits are in the list, in place of those an earlier rewrite made. An error,
// as of mp_rewrite_sdp, ends it as well: edits is unchanged. After the end a
// further call is MP_ERR_ARGUMENT. now as for mp_rewrite_start.
mp_status mp_request_continue(mp_request *request,
                              mp_worker *worker,
                              uint64_t now,
                              mp_edits *edits);

// Frees a request; one that still waits is cancelled. Also fine after its
// worker was freed. NULL is fine.
void mp_request_free(mp_request *request);

/* --------------------------------------------------------------------------
 * `mp_relay`: which relays there are, and what is ordered of them.
 * -------------------------------------------------------------------------- */

// The relay answers, as far as any process knows.
#define MP_RELAY_UP 0

// A message was not answered in time; a probe will tell.
#define MP_RELAY_SUSPECT 1

// A probe was not answered either.
#define MP_RELAY_DEAD 2

// Connections to it fail.
#define MP_RELAY_UNREACHABLE 3

// The relay is used.
#define MP_RELAY_ENABLED 0

// The relay keeps its calls and takes no new ones.
#define MP_RELAY_DRAINING 1

// The relay is not asked at all.
#define MP_RELAY_DISABLED 2

// The relays at one moment: those of the setting relay, those of the relays
// file, then those that were removed while a process still knows them. A
// relay that was named twice comes twice. Never changes; one thread at a time.
typedef struct mp_relay_list mp_relay_list;

// One relay, as all processes of the server see it.
typedef struct {
    // Its name: what mp_relay_drain takes.
    mp_str uri;
    // The set it is in; empty for the unnamed one.
    mp_str set;
    // 1 when it is in the settings or the relays file now; 0 when it was, and
    // may still have calls.
    uint32_t listed;
    // Its share of the calls; 0 for a backup.
    uint32_t weight;
    // Lower numbers come first.
    uint32_t priority;
    // MP_RELAY_UP, _SUSPECT, _DEAD or _UNREACHABLE.
    uint32_t health;
    // MP_RELAY_ENABLED, _DRAINING or _DISABLED.
    uint32_t admin_state;
    // Always 0.
    uint32_t reserved;
    // Calls on this relay now.
    uint64_t active_calls;
    // New calls this relay accepted.
    uint64_t calls_total;
    // Requests for ports sent to this relay.
    uint64_t requests;
    // Requests that did not reach this relay or timed out.
    uint64_t failures;
    // Requests that this relay refused or answered with an unusable answer.
    uint64_t refusals;
    // Delete requests sent to this relay.
    uint64_t deletes;
    // Delete requests queued for this relay.
    uint64_t deletes_waiting;
    // Probes sent to this relay.
    uint64_t probes;
} mp_relay;

// Looks up the relays and writes the list to *list; the caller frees it with
// mp_relay_list_free. Any thread of any process may call this. Reads the
// relays file and the whole call table: for a management command, not for
// each message. error may be NULL.
mp_status mp_relay_list_new(const mp_engine *engine,
                            mp_relay_list **list,
                            mp_error **error);

// How many relays there are. 0 for NULL.
size_t mp_relay_list_count(const mp_relay_list *list);

// Writes relay number index, from 0, to *relay. size is sizeof *relay: a
// program built with an older header gets what it knows. The texts live as
// long as the list. MP_ERR_ARGUMENT beyond the last relay, and for a size that
// is 0 or no multiple of 8.
mp_status mp_relay_list_get(const mp_relay_list *list,
                            size_t index,
                            mp_relay *relay,
                            size_t size);

// Frees a list. NULL is fine.
void mp_relay_list_free(mp_relay_list *list);

// The relay takes no new calls any more; those on it stay until they end. In
// all processes at once, until mp_relay_enable or the server's end, also over
// changes of the relays file. uri is the relay's name (mp_relay), or the line
// that names it. MP_ERR_ARGUMENT for a relay that is not known,
// MP_ERR_SETTING for what is no relay. Any thread of any process. error may be
// NULL.
mp_status mp_relay_drain(const mp_engine *engine, mp_str uri, mp_error **error);

// The relay is used again, if it answers; undoes mp_relay_drain and
// mp_relay_disable. Otherwise as mp_relay_drain.
mp_status mp_relay_enable(const mp_engine *engine,
                          mp_str uri,
                          mp_error **error);

// The relay is not asked at all any more: answers for calls on it fail, new
// offers go to others, ends wait. Otherwise as mp_relay_drain.
mp_status mp_relay_disable(const mp_engine *engine,
                           mp_str uri,
                           mp_error **error);

// The name of a relay's health, for an operator to read: up, suspect, dead,
// unreachable. Empty for any other number. Static, never freed. Any thread,
// any process.
mp_str mp_relay_health_name(uint32_t health);

// The name of a relay's admin state: enabled, draining, disabled. Otherwise as
// mp_relay_health_name.
mp_str mp_relay_admin_state_name(uint32_t admin_state);

// Sets the admin state of a relay by its name: enabled, draining or disabled.
// MP_ERR_ARGUMENT also for another name. Otherwise as mp_relay_drain.
mp_status mp_relay_set_admin_state(const mp_engine *engine,
                                   mp_str uri,
                                   mp_str admin_state,
                                   mp_error **error);

/* --------------------------------------------------------------------------
 * `mp_statistics`.
 * -------------------------------------------------------------------------- */

// A statistic that only grows.
#define MP_STATISTIC_COUNTER 0

// A statistic that rises and falls.
#define MP_STATISTIC_GAUGE 1

// The metrics of all processes of a server since its engine was made.
typedef struct {
    // The sum of the durations of all SDP rewrites that needed a relay, in
    // milliseconds.
    uint64_t latency_sum;
    // How many of these took up to 1, 2, 5, 10, 20, 50, 100, 200, 400, 1000
    // and 5000 milliseconds (each longer than the one before), and how many
    // took longer.
    uint64_t latency[12];
    // Calls in the call table.
    uint64_t active_calls;
    // Calls that fit into the call table (setting max_calls).
    uint64_t max_calls;
    // Delete requests queued for a relay.
    uint64_t deletes_waiting;
    // SDP rewrites that needed a relay.
    uint64_t requests;
    // SDP rewrites of an offer (RFC 3264).
    uint64_t offers;
    // SDP rewrites of an answer (RFC 3264).
    uint64_t answers;
    // SDP rewrites that succeeded.
    uint64_t rewritten;
    // SDP rewrites that failed because no relay could be reached.
    uint64_t failed_no_relay;
    // SDP rewrites that failed because no relay answered in time.
    uint64_t failed_timeout;
    // SDP rewrites that failed because the relay refused the request or its
    // answer was unusable.
    uint64_t failed_answer;
    // SDP rewrites that failed for another reason.
    uint64_t failed_other;
    // SDP rewrites that the caller gave up before their end.
    uint64_t cancelled;
    // Offers sent to another relay because one failed.
    uint64_t failovers;
    // Session terminations processed.
    uint64_t terminations;
    // Deletes not sent because another branch of the call is alive.
    uint64_t deletes_withheld;
    // Delete requests sent to their relay without queueing.
    uint64_t deletes_sent;
    // Delete requests queued because their relay could not be reached.
    uint64_t deletes_queued;
    // Queued deletes completed.
    uint64_t deletes_flushed;
    // Queued deletes cancelled by a new offer.
    uint64_t deletes_cancelled;
    // Delete requests dropped: no room in the queue, too long, or expired.
    uint64_t deletes_dropped;
    // Calls not stored because the call table was full.
    uint64_t calls_not_stored;
    // Times a relay stopped answering.
    uint64_t relays_failed;
    // Times a relay answered again.
    uint64_t relays_recovered;
    // Probes sent to relays.
    uint64_t probes;
    // Changes of the client list files detected.
    uint64_t client_list_changes;
    // Changes of the relays file detected.
    uint64_t relays_file_changes;
} mp_statistics;

// Writes what all processes have done to *statistics. size is sizeof
// *statistics: a program built with an older header gets what it knows.
// MP_ERR_ARGUMENT when it is no multiple of 8, or 0. Looks through the whole
// call table. Any thread of any process.
mp_status mp_statistics_get(const mp_engine *engine,
                            mp_statistics *statistics,
                            size_t size);

// How many statistics have a name: the values of mp_statistics in its order,
// latency_sum and latency excepted. With the four functions below a server
// offers each under its own statistics. Any thread, any process.
size_t mp_statistics_count(void);

// The name of statistic number index, from 0: that of its member in
// mp_statistics. Empty beyond the last one. Static, never freed. Any thread,
// any process.
mp_str mp_statistics_name(size_t index);

// A sentence that says what statistic number index is. Otherwise as
// mp_statistics_name.
mp_str mp_statistics_help(size_t index);

// MP_STATISTIC_COUNTER or MP_STATISTIC_GAUGE; MP_STATISTIC_COUNTER beyond the
// last statistic. Any thread, any process.
uint32_t mp_statistics_kind(size_t index);

// The value of statistic number index in what mp_statistics_get wrote: size is
// sizeof *statistics. 0 beyond the last statistic, beyond size and for NULL.
// Any thread, any process.
uint64_t mp_statistics_value(const mp_statistics *statistics,
                             size_t size,
                             size_t index);

// Writes the same, and each relay, as text for Prometheus (text format 0.0.4)
// to the capacity bytes at buffer, and its length to *length. The buffer may
// be NULL with capacity 0. MP_ERR_BUFFER_TOO_SMALL with the needed length in
// *length when it does not fit, the buffer untouched; the next text may be
// longer by a few bytes. No terminating NUL is written. Any thread of any
// process.
mp_status mp_statistics_prometheus(const mp_engine *engine,
                                   char *buffer,
                                   size_t capacity,
                                   size_t *length);

// Writes the same as one JSON object (RFC 8259); otherwise as
// mp_statistics_prometheus.
mp_status mp_statistics_json(const mp_engine *engine,
                             char *buffer,
                             size_t capacity,
                             size_t *length);

/* --------------------------------------------------------------------------
 * `mp_keeper`.
 * -------------------------------------------------------------------------- */

// What must happen in a server without a message: watching the client lists
// and the file of relays, asking dead relays whether they live, delivering
// ends that wait for theirs. One a server, in a timer process, a process of
// its own or a thread; several do no harm, one of them works, and another
// takes over within a second when that one dies. Make it after the fork, in
// the process that uses it. Either call mp_keeper_tick from an event loop or
// give mp_keeper_run a thread. Without a keeper the workers do the least
// themselves, each with its next message. Any thread may call it; in another
// process than its own only mp_keeper_free works.
typedef struct mp_keeper mp_keeper;

// Makes a keeper in the current process and writes it to *keeper. The caller
// frees it with mp_keeper_free; the engine may be freed before. MP_ERR_SYSTEM
// when its descriptor cannot be had. error may be NULL.
mp_status mp_keeper_new(const mp_engine *engine,
                        mp_keeper **keeper,
                        mp_error **error);

// Does what is due and never waits: call it when mp_keeper_descriptor is
// readable or mp_keeper_next has passed, or simply five times a second. now is
// milliseconds of CLOCK_MONOTONIC (mp_now), 0 lets the library read it. Log
// lines come on the calling thread. Where another process works for the
// server it does nothing. The first tick that works starts one thread, which
// blocks all signals, unless the setting watch is "poll". MP_ERR_WRONG_PROCESS
// after a fork, MP_ERR_ARGUMENT while mp_keeper_run runs.
mp_status mp_keeper_tick(const mp_keeper *keeper, uint64_t now);

// A descriptor that is readable when mp_keeper_tick should be called: its time
// has come, a file changed, a relay said something. Only for poll, epoll and
// the like, never to be read or closed. The same until mp_keeper_free. -1 for
// NULL.
int32_t mp_keeper_descriptor(const mp_keeper *keeper);

// In how many milliseconds from now (see mp_keeper_tick) the next tick is due;
// 0: at once. For servers whose loop has a timer and no place for a
// descriptor. 0 for NULL.
uint64_t mp_keeper_next(const mp_keeper *keeper, uint64_t now);

// Ticks on the calling thread until another thread calls mp_keeper_stop.
// MP_ERR_WRONG_PROCESS after a fork, MP_ERR_ARGUMENT when it runs already,
// MP_ERR_SYSTEM when the system refuses to wait. error may be NULL.
mp_status mp_keeper_run(const mp_keeper *keeper, mp_error **error);

// Ends mp_keeper_run, from any thread of the same process; it then gives up
// its place to another process at once. Called before mp_keeper_run, that
// returns at once.
mp_status mp_keeper_stop(const mp_keeper *keeper);

// Frees a keeper and gives up its place. Not while mp_keeper_run is still
// running: stop it and wait for its return. In another process only the
// inherited descriptors are closed. NULL is fine.
void mp_keeper_free(mp_keeper *keeper);

/* --------------------------------------------------------------------------
 * `mp_proxy`: the built-in media relay.
 * -------------------------------------------------------------------------- */

// The built-in media relay: RTP and RTCP port pairs on this machine, set up by
// the settings proxy_*; a worker reaches it with the setting relay =
// "embedded". One a server. Make it before the fork, so that workers may
// connect before it runs; then run it in one process, or start it in one,
// after the fork. A process that only uses it calls mp_proxy_free: there, that
// closes its inherited copy of the listening socket and nothing else. Any
// thread may call it.
typedef struct mp_proxy mp_proxy;

// The metrics of a proxy since it was made.
typedef struct {
    // Sessions now.
    uint64_t sessions;
    // Sessions created.
    uint64_t sessions_total;
    // UDP sockets open for media now.
    uint64_t open_ports;
    // Packets received on media ports.
    uint64_t received;
    // Packets forwarded.
    uint64_t relayed;
    // Packets dropped: the source is not accepted, or the other side's address
    // is not known yet.
    uint64_t dropped;
    // Control requests answered with an error.
    uint64_t refused;
} mp_proxy_counters;

// Makes a proxy: opens its listening Unix socket, nothing more, and writes it
// to *proxy. A stale socket file is replaced; the directory is made (mode
// 0700) when it is missing. The config is copied. The caller frees it with
// mp_proxy_free. MP_ERR_SETTING when the setting proxy_address is missing,
// MP_ERR_SYSTEM when the socket cannot be opened or another proxy serves it.
// error may be NULL.
mp_status mp_proxy_new(const mp_config *config,
                       mp_proxy **proxy,
                       mp_error **error);

// The path of the Unix socket it listens on. Lives as long as the proxy. Empty
// for NULL.
mp_str mp_proxy_socket(const mp_proxy *proxy);

// Serves on the calling thread until mp_proxy_stop is called by another
// thread of this process. Once only, and not beside mp_proxy_start.
// MP_ERR_SYSTEM when the system refuses what it needs. error may be NULL.
mp_status mp_proxy_run(const mp_proxy *proxy, mp_error **error);

// Serves on threads of its own, which block all signals, and returns at once.
// Call it after the fork, in one process. error may be NULL.
mp_status mp_proxy_start(const mp_proxy *proxy, mp_error **error);

// Ends mp_proxy_run or mp_proxy_start: media sockets are closed and sessions
// forgotten. After mp_proxy_start its threads have ended when this returns.
mp_status mp_proxy_stop(const mp_proxy *proxy);

// Writes what the proxy has done to *counters. size is sizeof *counters: a
// program built with an older header gets the counters it knows.
// MP_ERR_ARGUMENT when it is no multiple of 8, or 0. Counts what this process
// did.
mp_status mp_proxy_statistics(const mp_proxy *proxy,
                              mp_proxy_counters *counters,
                              size_t size);

// Frees a proxy, stops it first if this process runs it, and removes the
// socket file if this process made it. In another process only the inherited
// descriptors are closed. Not while mp_proxy_run is still running: stop it and
// wait for its return. NULL is fine.
void mp_proxy_free(mp_proxy *proxy);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif /* MEDIAPROXY_H */
