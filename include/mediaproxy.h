/*
 * libmediaproxy: NAT traversal for SIP servers.
 *
 * A server gives the library a raw SIP message and its source. The library
 * answers with a verdict (mp_nat_test) or with edits against the original bytes
 * (mp_fix_contact, mp_rewrite_sdp). A byte that no edit names is unchanged.
 *
 * Before the fork:  mp_config, mp_engine, and mp_proxy for the built-in relay.
 * After the fork:   one mp_worker in each process or thread, and one mp_keeper
 *                   in one of them.
 * Reusable values:  mp_message, mp_options, mp_verdict, mp_edits.
 *
 * Rules for every function:
 * - A handle is an opaque pointer. It is made by a function _new or _start and
 *   freed once by the function _free of its type, which takes NULL too.
 *   Otherwise a NULL pointer is MP_ERR_NULL (an accessor returns 0 or the empty
 *   text) unless the comment allows NULL. A pointer that is neither NULL nor
 *   valid is undefined behaviour.
 * - Arguments come in this order: the handle, inputs, outputs. Outputs are
 *   written only on success.
 * - Texts are mp_str and may hold any bytes. A text that the library returns
 *   belongs to the library and lives as long as the comment says. Inputs are
 *   copied unless the comment says otherwise (mp_message_parse does not copy).
 * - One thread at a time uses a handle, except mp_engine, mp_keeper, mp_proxy
 *   and mp_error, which any number of threads may use at once. Different
 *   threads may use different handles at once.
 * - Enumerations and bits are uint32_t. An undefined value is MP_ERR_ARGUMENT.
 * - Times are milliseconds of CLOCK_MONOTONIC (mp_now).
 * - A function with an mp_error ** writes the reason of its failure there,
 *   unless it is NULL; the caller frees the mp_error. mp_worker_last_error
 *   explains the failure of a verb.
 * - No panic and no exception leaves the library: a panic becomes MP_ERR_PANIC.
 *   The library writes nothing to descriptors 0 to 2, installs no signal
 *   handler, raises no SIGPIPE, and does not change locale, umask or working
 *   directory.
 *
 * In the examples, functions without mp_ belong to the server.
 */

#ifndef MEDIAPROXY_H
#define MEDIAPROXY_H

#include <stddef.h>
#include <stdint.h>

/* The version of this header. mp_version() is the version of the library. */
#define MP_VERSION_MAJOR 0
#define MP_VERSION_MINOR 1
#define MP_VERSION_PATCH 0
#define MP_VERSION "0.1.0"

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/* --------------------------------------------------------------------------
 * Text: mp_str
 * -------------------------------------------------------------------------- */

// A text of len bytes at ptr. It may hold any bytes and needs no terminating
// NUL. NULL with len 0 is the empty text; NULL with another len is
// MP_ERR_NULL.
//
// As an argument, a text is only read during the call, unless the comment of
// the function says otherwise. As a result, the bytes belong to the library
// and live as long as the comment of the function says. Print a text with
// printf("%.*s", (int)text.len, text.ptr).
typedef struct {
    // The first byte. May be NULL when len is 0.
    const char *ptr;
    // The number of bytes.
    size_t len;
} mp_str;

/* A C string, which ends with a NUL, as an mp_str. NULL becomes the empty text.
 * Nothing is copied: the result lives as long as text. */
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
 * Outcomes of calls: mp_status
 * -------------------------------------------------------------------------- */

// The outcome of a call. 0 is success, positive numbers are outcomes that are
// not errors, negative numbers are errors. A number is never changed and never
// reused. Later versions may add numbers: treat an unknown negative number as
// an error.
enum mp_status
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // Success.
    MP_OK = 0,
    // The message has no SDP: there is nothing to rewrite.
    MP_NO_SDP = 1,
    // A non-blocking request waits for its relay.
    MP_PENDING = 2,
    // The message has no sip: or sips: Contact: there is nothing to fix.
    MP_NO_CONTACT = 3,
    // A pointer that must not be NULL is NULL, or a text is NULL with a length
    // above 0.
    MP_ERR_NULL = -1,
    // An argument is outside its range, or the handle is not ready for this
    // call.
    MP_ERR_ARGUMENT = -2,
    // The message cannot be parsed. The text of the error names the header and
    // the reason.
    MP_ERR_SYNTAX = -3,
    // A limit is exceeded: message 64 KiB, 512 headers, 64 streams, nesting
    // depth 8, or the length of an option.
    MP_ERR_LIMIT = -4,
    // The buffer of the caller is too small. The length it needs was written.
    MP_ERR_BUFFER_TOO_SMALL = -5,
    // The worker or keeper was made in another process, before a fork.
    MP_ERR_WRONG_PROCESS = -6,
    // The library panicked, which is a defect in it; the text of the error
    // says where. Every handle given to the call is poisoned, except
    // mp_engine, mp_keeper and mp_proxy.
    MP_ERR_PANIC = -7,
    // An earlier panic poisoned this handle: free it and make a new one.
    MP_ERR_POISONED = -8,
    // A setting has an unknown name or a bad value, or it cannot be honoured
    // together with the others.
    MP_ERR_SETTING = -9,
    // No usable relay: none is configured, or none could be reached.
    MP_ERR_NO_RELAY = -10,
    // A relay did not answer in time.
    MP_ERR_RELAY_TIMEOUT = -11,
    // A relay refused the request, or its answer cannot be used.
    MP_ERR_RELAY_ANSWER = -12,
    // The operating system refused a socket, memory or a file.
    MP_ERR_SYSTEM = -13,
    // The edits overlap, reach beyond the message or belong to another
    // message.
    MP_ERR_EDITS = -14,
    // The call or the dialog of the message has ended within the last 32
    // seconds (RFC 3261 17.1.1.2: 64 x T1), or while this request waited for
    // its relay. The message is unchanged, and nothing of that call or dialog
    // is left at the relay. Refuse a request (an INVITE with 487); forward a
    // reply or an ACK as it is.
    MP_ERR_ENDED = -15,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum mp_status mp_status;
#else
typedef int32_t mp_status;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// The name of a status as it stands in this header, for log lines: "MP_OK",
// "MP_ERR_NULL". Empty for a number that is not a status. The text is static.
// Any thread of any process may call this function.
mp_str mp_status_name(int32_t status);

/* --------------------------------------------------------------------------
 * Version of the library
 * -------------------------------------------------------------------------- */

// The version of the library that runs, as MAJOR.MINOR.PATCH; MP_VERSION is
// the version of this header. The two are compatible when their MAJOR is the
// same. The text is static and a NUL follows it. Any thread of any process may
// call this function.
mp_str mp_version(void);

/* --------------------------------------------------------------------------
 * Time
 * -------------------------------------------------------------------------- */

// Milliseconds of the monotonic clock (CLOCK_MONOTONIC): unit and origin of
// every argument now and of every deadline in this header. Any thread of any
// process may call this function.
uint64_t mp_now(void);

/* --------------------------------------------------------------------------
 * Reasons of failures: mp_error
 * -------------------------------------------------------------------------- */

// Why a call failed. The library makes an mp_error when a call that takes an
// mp_error ** fails, and writes it there; it writes nothing on success, and
// nothing when the pointer is NULL. The caller frees it with mp_error_free. An
// mp_error never changes: any thread may read it, also after a fork.
//
//     mp_error *error = NULL;
//     if (mp_engine_new(config, &engine, &error) != MP_OK) {
//         print(mp_error_text(error));
//         mp_error_free(error);
//     }
typedef struct mp_error mp_error;

// The status that the failed call returned. MP_ERR_NULL for NULL.
mp_status mp_error_status(const mp_error *error);

// A sentence for the operator: what is wrong, where (setting, file, line), and
// what to do. One line of UTF-8. It lives until mp_error_free. Empty for NULL.
mp_str mp_error_text(const mp_error *error);

// Frees an error. NULL is allowed.
void mp_error_free(mp_error *error);

/* --------------------------------------------------------------------------
 * Log lines
 * -------------------------------------------------------------------------- */

// A call is harmed, or a setting cannot be honoured.
#define MP_LOG_ERROR 1

// Something is wrong, but calls are served.
#define MP_LOG_WARNING 2

// What an operator wants to know of normal operation.
#define MP_LOG_INFO 3

// For troubleshooting.
#define MP_LOG_DEBUG 4

// Receives log lines: arg as given to mp_config_set_log, a level (one of
// MP_LOG_*), and a line of UTF-8 without line end, which lives only during the
// call. A later version may add higher levels: treat them as debug.
//
// The library calls it on the thread that called the library, from within that
// call. The callback must not call the library with the same handles, and must
// not leave by longjmp or a C++ exception.
typedef void (*mp_log_callback)(void *arg, uint32_t level, mp_str text);

/* --------------------------------------------------------------------------
 * Addresses: mp_address
 * -------------------------------------------------------------------------- */

// An IP address and port, without system types and without padding. From a
// struct sockaddr_in: family 4, memcpy of sin_addr to bytes, ntohs(sin_port).
// From a struct sockaddr_in6: family 6, memcpy of sin6_addr to bytes,
// ntohs(sin6_port).
typedef struct {
    // 4 or 6.
    uint16_t family;
    // The port in host byte order.
    uint16_t port;
    // The address in network byte order. IPv4 uses the first four bytes.
    uint8_t bytes[16];
} mp_address;

// Parses a literal IP address and writes it with port to *address. IPv6 may
// have brackets, and must not have a zone. An IPv4-mapped IPv6 address becomes
// IPv4. A host name is MP_ERR_ARGUMENT, as anything else is: it is never
// resolved. Any thread of any process may call this function.
//
//     mp_address source;
//     if (mp_address_parse(mp_text("203.0.113.5"), 5060, &source) != MP_OK)
//         return;
mp_status mp_address_parse(mp_str text, uint16_t port, mp_address *address);

/* --------------------------------------------------------------------------
 * Settings: mp_config
 * -------------------------------------------------------------------------- */

// The settings of an engine and of a proxy. mp_engine_new and mp_proxy_new
// copy them: the mp_config may be changed or freed afterwards. Make it before
// the server forks, as what is made from it. One thread at a time.
//
//     mp_config *config = mp_config_new();
//     mp_error *error = NULL;
//     mp_config_set_log(config, write_log, NULL);
//     if (mp_config_set(config, mp_text("relay"), mp_text("embedded"), &error)
//         != MP_OK) {
//         print(mp_error_text(error));
//         mp_error_free(error);
//     }
typedef struct mp_config mp_config;

// One setting, for a manual or a help text. The texts are UTF-8 and live as
// long as the mp_config.
typedef struct {
    // The heading of the group it belongs to.
    mp_str section;
    // Its name, which mp_config_set takes.
    mp_str name;
    // The accepted values, in words.
    mp_str accepted;
    // The default, in words.
    mp_str default_value;
    // Its effect: one sentence or more.
    mp_str help;
    // 1 when mp_config_set has set it, else 0.
    uint64_t is_set;
} mp_setting;

// Makes settings with the defaults of the profile "seed" and without a log.
// The caller frees them with mp_config_free. NULL only after a panic.
mp_config *mp_config_new(void);

// Sets one setting from text, as a line of a configuration file holds it;
// white space around name and value is removed. "relay" adds a relay each
// time, proxy_address and proxy_advertised_address replace the address of the
// same family, every other setting replaces its earlier value.
// docs/settings.md lists all settings. Both texts are copied. MP_ERR_SETTING
// for an unknown name (the error lists all names) and for a bad value (the
// error names the accepted form); nothing is changed then. Settings that have
// no effect together are refused later, by mp_engine_new. error may be NULL.
mp_status mp_config_set(mp_config *config,
                        mp_str name,
                        mp_str value,
                        mp_error **error);

// Writes the value of a setting that has effect, the default where it was not
// set, to buffer, at most capacity bytes, and its length to *length: text that
// mp_config_set accepts. A setting with several values (relay, proxy_address)
// has one a line. Empty where there is no value, and for relay_try where it
// depends on the relay. No NUL is added. buffer may be NULL with capacity 0.
//
// MP_ERR_SETTING for an unknown name (the error lists all names).
// MP_ERR_BUFFER_TOO_SMALL when the value does not fit: *length is the length it
// needs, and the buffer is unchanged. error may be NULL.
//
//     char text[256];
//     size_t length;
//     if (mp_config_get(config, mp_text("relay"), text, sizeof text, &length,
//                       NULL) == MP_OK)
//         forward(text, length);
mp_status mp_config_get(const mp_config *config,
                        mp_str name,
                        char *buffer,
                        size_t capacity,
                        size_t *length,
                        mp_error **error);

// The number of settings. 0 for NULL.
size_t mp_setting_count(const mp_config *config);

// Writes setting number index, from 0, to *setting. size is sizeof *setting: a
// program that was built with an older header gets the members it knows.
// MP_ERR_ARGUMENT beyond the last setting, and for a size that is 0 or not a
// multiple of 8.
//
//     mp_setting setting;
//     for (size_t i = 0; i < mp_setting_count(config); i++)
//         if (mp_setting_get(config, i, &setting, sizeof setting) == MP_OK) {
//             print(setting.name);
//             print(setting.help);
//         }
mp_status mp_setting_get(mp_config *config,
                         size_t index,
                         mp_setting *setting,
                         size_t size);

// Sends log lines to callback, with arg. A callback NULL turns logging off
// (the default). The callback and the object that arg points to must live as
// long as every engine made from this config and every worker of these
// engines.
mp_status mp_config_set_log(mp_config *config,
                            mp_log_callback callback,
                            void *arg);

// Frees settings. NULL is allowed.
void mp_config_free(mp_config *config);

/* --------------------------------------------------------------------------
 * Once a server, before it forks: mp_engine
 * -------------------------------------------------------------------------- */

// What a server makes once, before it forks: the settings, the first copy of
// the client lists and of the relays, and the memory that all its processes
// share (calls, health of relays, statistics). An engine has no thread, no
// lock and no descriptor, so it survives a fork. Any thread of any process may
// use it.
//
//     mp_engine *engine = NULL;
//     mp_error *error = NULL;
//     if (mp_engine_new(config, &engine, &error) != MP_OK) {
//         print(mp_error_text(error));
//         mp_error_free(error);
//     }
//     mp_config_free(config);
typedef struct mp_engine mp_engine;

// Makes an engine and writes it to *engine. Call it once, before the server
// forks (mod_init). The settings are copied. The caller frees the engine with
// mp_engine_free.
//
// MP_ERR_SETTING when settings contradict each other or one has no effect
// beside the others: mediaproxy_socket beside relay or relays, proxy_* without
// a relay "embedded", relay_try longer than relay_timeout. MP_ERR_SYSTEM when
// the system gives no shared memory. Bad lines of the client lists are logged
// and skipped; a missing list is an empty list. error may be NULL.
mp_status mp_engine_new(const mp_config *config,
                        mp_engine **engine,
                        mp_error **error);

// Makes all processes read the client lists and the relays file again, each
// with its next message. It is meant for a management command: without it a
// changed file is detected within a second. Any thread of any process may call
// it.
mp_status mp_engine_reload(const mp_engine *engine);

// Frees the engine of this process; other processes keep theirs. Workers,
// keepers and relay lists made from it stay valid. NULL is allowed.
void mp_engine_free(mp_engine *engine);

/* --------------------------------------------------------------------------
 * SIP messages: mp_message
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

// A view of one raw SIP message and of where it came from. Reusable: parsing
// the next message into it allocates no memory. It copies no byte of the
// message: the buffer of the caller must stay unchanged until the next
// mp_message_parse or mp_message_free with this handle. One thread at a time.
// It survives a fork.
//
//     mp_message *message = mp_message_new();
//     mp_str raw = { received, received_length };
//     if (mp_message_parse(message, raw, &source, NULL, MP_TRANSPORT_UDP)
//         != MP_OK)
//         print(mp_message_last_error(message));
typedef struct mp_message mp_message;

// Makes an empty message view. The caller frees it with mp_message_free. NULL
// only after a panic.
mp_message *mp_message_new(void);

// Parses a message as the socket received it. raw is not copied: it must stay
// unchanged until the next mp_message_parse or mp_message_free. source is the
// address and port of the sender as the socket of the server saw them. local
// is the server's own address that received the message, NULL when it is
// unknown. transport is one of MP_TRANSPORT_*. Both addresses are copied.
//
// Only the start line is parsed now (RFC 3261 7.1, 7.2), a header when a verb
// needs it. MP_ERR_LIMIT above 64 KiB, MP_ERR_SYNTAX when the first line is
// neither a request nor a reply of SIP/2.0, MP_ERR_ARGUMENT for an unknown
// transport or address family. After an error the handle holds no message, and
// mp_message_last_error gives the reason.
mp_status mp_message_parse(mp_message *message,
                           mp_str raw,
                           const mp_address *source,
                           const mp_address *local,
                           uint32_t transport);

// 1 for a message to give to mp_end_session: a BYE or CANCEL request, or a
// failure reply (300 to 699) to an INVITE (RFC 3261 9, 12.3, 15). 0 for every
// other message, for one whose CSeq cannot be parsed, and for NULL. Whether
// such a message ends its call depends on the call: give each of them to
// mp_end_session.
//
//     if (mp_message_terminates(message))
//         mp_end_session(worker, message, NULL);
int32_t mp_message_terminates(const mp_message *message);

// Why the last failed mp_message_parse with this handle failed. Empty when
// none failed. It lives until the next call with this handle.
mp_str mp_message_last_error(const mp_message *message);

// Frees a message view; the buffer of the caller is not touched. NULL is
// allowed.
void mp_message_free(mp_message *message);

/* --------------------------------------------------------------------------
 * Options of one call: mp_options
 * -------------------------------------------------------------------------- */

// Offer or answer is decided from the method, the CSeq and the dialog state
// (the default).
#define MP_ROLE_AUTO 0

// The SDP is an offer (RFC 3264).
#define MP_ROLE_OFFER 1

// The SDP is an answer (RFC 3264).
#define MP_ROLE_ANSWER 2

// The setting ice_candidate decides (the default).
#define MP_ICE_AS_SET 0

// No relay candidate is inserted.
#define MP_ICE_NONE 1

// A relay candidate is inserted that is used when no other works.
#define MP_ICE_LOW_PRIORITY 2

// A relay candidate is inserted that is preferred to the phone's own.
#define MP_ICE_HIGH_PRIORITY 3

// A failure reply to the INVITE of a call terminates the call: it is the reply
// that goes to the caller (the default).
#define MP_SCOPE_CALL 0

// A failure reply to the INVITE of a call terminates only the early dialogs of
// the branch it came on: the server has sent the INVITE to several
// destinations (RFC 3261 16.7).
#define MP_SCOPE_BRANCH 1

// What a script knows about one call beyond the message. A verb that takes
// options takes NULL for none. Reusable. One thread at a time. It survives a
// fork.
//
//     mp_options *options = mp_options_new();
//     mp_options_set_relay_set(options, mp_text("west"));
//     mp_options_set_next_hop(options, mp_text("sip:bob@192.0.2.7:5060"));
typedef struct mp_options mp_options;

// Makes options with all defaults. The caller frees them with mp_options_free.
// NULL only after a panic.
mp_options *mp_options_new(void);

// Sets one option from text, as the variable of a script holds it. The names
// are role (auto, offer, answer), scope (call, branch), relay_set,
// media_relay, dialog_id, ice_candidate (none, low-priority, high-priority),
// signaling_address and receiver (an IP address), next_hop (a SIP URI): each
// does what the function with that name at its end does. first_hop (yes, no)
// is for mp_fix_contact_with. The empty text restores the default. The value
// is copied as it is.
//
// Three options have no function of their own, and matter to a relay that
// speaks MediaProxy 1.x: request_uri is the Request-URI where the server has
// changed it (the default is that of the message), from and to say whether
// the domain of From and of the Request-URI is the server's own (local) or
// not (remote, the default).
//
// MP_ERR_ARGUMENT for an unknown name (the error lists all names) and for a
// bad value (the error names the accepted form), MP_ERR_LIMIT above 1024
// bytes; nothing is changed then. error may be NULL.
//
//     mp_error *error = NULL;
//     if (mp_options_set(options, mp_text("ice_candidate"), value, &error)
//         != MP_OK) {
//         print(mp_error_text(error));
//         mp_error_free(error);
//     }
mp_status mp_options_set(mp_options *options,
                         mp_str name,
                         mp_str value,
                         mp_error **error);

// Says whether the SDP is an offer or an answer (RFC 3264): one of MP_ROLE_*.
// MP_ERR_ARGUMENT for another number.
mp_status mp_options_set_role(mp_options *options, uint32_t role);

// Says what mp_end_session terminates when it is given a failure reply to the
// INVITE of a call: one of MP_SCOPE_*. Other messages are not affected.
// MP_ERR_ARGUMENT for another number.
//
//     mp_options_set_scope(options, MP_SCOPE_BRANCH);
//     mp_end_session(worker, message, options);
mp_status mp_options_set_scope(mp_options *options, uint32_t scope);

// Gives the signalling address of the phone, for a message that came through
// another proxy. The default is the source of the message. The address is
// copied; its port is not used. MP_ERR_ARGUMENT for an unknown family.
mp_status mp_options_set_signaling_address(mp_options *options,
                                           const mp_address *address);

// Gives the address that the message goes to next. A relay with IPv4 and IPv6
// addresses then gives the receiver an address of its own family. Without it,
// an offer carries an address of the sender's family until the receiver has
// answered. The address is copied; its port is not used. MP_ERR_ARGUMENT for
// an unknown family.
mp_status mp_options_set_receiver(mp_options *options,
                                  const mp_address *address);

// Gives the URI that the server sends the message to (RFC 3261 8.1.2). When
// the host of the URI is an IP address, the effect is that of
// mp_options_set_receiver. When it is a host name, the receiver is unknown: no
// name is resolved. The same holds for the empty text and for a scheme other
// than sip: and sips:. Nothing of the text is kept. MP_ERR_SYNTAX when the
// text is not a URI; nothing is changed then.
mp_status mp_options_set_next_hop(mp_options *options, mp_str uri);

// Names the set of relays that a new call may use: the set= of their lines.
// Empty: the SIP domains decide (the default). Copied. MP_ERR_LIMIT above 1024
// bytes, MP_ERR_ARGUMENT for text that is not UTF-8.
mp_status mp_options_set_relay_set(mp_options *options, mp_str set);

// Names the media relay wanted for a new call, a hint to a MediaProxy
// dispatcher. Empty for none (the default). Copied. MP_ERR_LIMIT above 1024
// bytes.
mp_status mp_options_set_media_relay(mp_options *options, mp_str relay);

// Gives the id of the server's dialog. With it, a media timeout at a
// MediaProxy dispatcher can terminate the dialog. Empty for none (the
// default). Copied. MP_ERR_LIMIT above 1024 bytes.
mp_status mp_options_set_dialog_id(mp_options *options, mp_str id);

// Says whether streams that use ICE (RFC 8445, RFC 8839) get a relay
// candidate: one of MP_ICE_*. MP_ERR_ARGUMENT for another number.
mp_status mp_options_set_ice_candidate(mp_options *options, uint32_t candidate);

// Restores all defaults, as after mp_options_new.
mp_status mp_options_reset(mp_options *options);

// Frees options. NULL is allowed.
void mp_options_free(mp_options *options);

/* --------------------------------------------------------------------------
 * Outcome of NAT tests: mp_verdict
 * -------------------------------------------------------------------------- */

// The host of the Contact, or its maddr (RFC 3261 19.1.1), is a private address
// (setting private_networks).
#define MP_TEST_PRIVATE_CONTACT 1

// Source IP or port differ from the sent-by of the top Via (RFC 3261 18.2.1),
// in a reply from the Contact. The port is not compared for a SIP-asymmetric
// client, nor on a transport other than UDP, where a client connects from a
// port of its own (RFC 3261 18.1.1, RFC 5923).
#define MP_TEST_SOURCE_ADDRESS 2

// The host of the top Via is a private address. Never in a reply.
#define MP_TEST_PRIVATE_VIA 4

// The connection address of a stream is private (RFC 4566 5.7).
#define MP_TEST_PRIVATE_SDP 8

// The source port differs from the port of the top Via, on any transport.
#define MP_TEST_SOURCE_PORT 16

// The source IP differs from the host of the Contact or from its maddr.
#define MP_TEST_SOURCE_CONTACT 256

// The source port differs from the port of the Contact, on any transport, or a
// maddr other than the source IP sends requests to a port of another host.
#define MP_TEST_CONTACT_PORT 512

// The source itself is a private address.
#define MP_TEST_PRIVATE_SOURCE 1024

// The connection address of a stream differs from the source IP.
#define MP_TEST_SOURCE_SDP 2048

// The message came over WS or WSS (RFC 7118).
#define MP_TEST_WEBSOCKET 4096

// The message comes from the phone itself and not through another proxy, as
// far as it shows: a request with exactly one Via (RFC 3261 16.6), or a reply
// without Record-Route or whose topmost Record-Route is the server's own, and
// not to REGISTER (RFC 3327). No sign of NAT: test it on its own.
#define MP_TEST_FIRST_HOP 8192

// The outcome of mp_nat_test: which tests ran, which matched, and why.
// Reusable: after the first messages, filling it allocates no memory. One
// thread at a time. It survives a fork.
typedef struct mp_verdict mp_verdict;

// Makes an empty verdict. The caller frees it with mp_verdict_free. NULL only
// after a panic.
mp_verdict *mp_verdict_new(void);

// The tests that ran, MP_TEST_* ORed: all that were given, or those up to the
// first match. 0 for NULL.
uint32_t mp_verdict_tested(const mp_verdict *verdict);

// The tests that matched, MP_TEST_* ORed. A bit other than MP_TEST_FIRST_HOP:
// the client is behind NAT. 0 for NULL.
uint32_t mp_verdict_matched(const mp_verdict *verdict);

// The number of tests that matched. 0 for NULL.
size_t mp_verdict_count(const mp_verdict *verdict);

// The test of match number index, from 0, in the order of the bits: a single
// MP_TEST_* bit. 0 beyond the last match.
uint32_t mp_verdict_test(const mp_verdict *verdict, size_t index);

// Why match number index matched, for an operator: the header and the two
// values that were compared, as in "private_contact: Contact 192.168.1.10:5060
// is private". Empty beyond the last match. Host names come from the message
// and may hold any bytes. The text lives until the verdict is filled again or
// freed.
mp_str mp_verdict_text(mp_verdict *verdict, size_t index);

// Frees a verdict. NULL is allowed.
void mp_verdict_free(mp_verdict *verdict);

// Parses tests as a script writes them, and writes the bits to *tests: a
// number, or names separated by comma, |, + or spaces. The names are
// private_contact, source_address, private_via, private_sdp, source_port,
// source_contact, contact_port, private_source, source_sdp, websocket,
// first_hop.
// MP_ERR_ARGUMENT for anything else, also for no test at all. Any thread of
// any process may call this function.
//
//     uint32_t tests = 0;
//     if (mp_tests_parse(mp_text("private_contact,source_port"), &tests)
//         != MP_OK)
//         return;
mp_status mp_tests_parse(mp_str text, uint32_t *tests);

// The name of one test, as mp_tests_parse accepts it. Empty for a number that
// is not a single MP_TEST_* bit. The text is static. Any thread of any process
// may call this function.
mp_str mp_test_name(uint32_t test);

/* --------------------------------------------------------------------------
 * Edits of a message: mp_edits
 * -------------------------------------------------------------------------- */

// A list of edits against the original bytes of one message, sorted by offset
// and disjoint. A verb that is called twice with one list replaces its own
// earlier edits and keeps those of other verbs. Reusable: reset it for the
// next message. One thread at a time. It survives a fork.
//
// Applied by the library, in one buffer:
//
//     char buffer[65535];
//     size_t length;
//     if (mp_edits_apply(edits, message, buffer, sizeof buffer, &length)
//         == MP_OK)
//         forward(buffer, length);
//     else
//         print(mp_edits_last_error(edits));
//
// Applied by a server that has its own representation of changes:
//
//     mp_edit edit;
//     for (size_t i = 0; i < mp_edits_count(edits); i++)
//         if (mp_edits_get(edits, i, &edit) == MP_OK)
//             add_lump(edit.offset, edit.remove, edit.insert.ptr,
//                      edit.insert.len);
typedef struct mp_edits mp_edits;

// One edit: at offset, remove bytes are removed and insert is inserted. Either
// may be empty.
typedef struct {
    // Bytes from the start of the raw message.
    size_t offset;
    // The number of original bytes that are removed.
    size_t remove;
    // The bytes that are inserted. They live until the list changes or is
    // freed.
    mp_str insert;
} mp_edit;

// Makes an empty list. The caller frees it with mp_edits_free. NULL only after
// a panic.
mp_edits *mp_edits_new(void);

// The number of edits. 0 when the message stays as it is, and for NULL.
size_t mp_edits_count(const mp_edits *edits);

// Writes edit number index, from 0, in order of offset, to *edit. A server
// that applies edits itself must also set Content-Length where the body
// changes (RFC 3261 20.14). MP_ERR_ARGUMENT beyond the last edit.
mp_status mp_edits_get(const mp_edits *edits, size_t index, mp_edit *edit);

// Writes the edited message to buffer, at most capacity bytes, and its length
// to *length. When an edit changes the body, every Content-Length header is
// set to the new length of the body (RFC 3261 20.14); none is added. The
// buffer must not overlap the message, and may be NULL with capacity 0.
//
// MP_ERR_BUFFER_TOO_SMALL when the message does not fit: *length is the length
// it needs, and the buffer is unchanged. MP_ERR_EDITS when an edit reaches
// beyond the message, because the list was made for another one.
// mp_edits_last_error gives the reason.
mp_status mp_edits_apply(mp_edits *edits,
                         const mp_message *message,
                         char *buffer,
                         size_t capacity,
                         size_t *length);

// Writes the edited bytes of one part of the message, for instance a Contact
// URI or the body: the part of length bytes at offset goes to buffer, at most
// capacity bytes, and the number of bytes to *written. Content-Length is not
// changed. All edits of the list must lie within the part, so that none is
// lost: MP_ERR_EDITS else. An insertion at the start or at the end lies within
// it. Otherwise as mp_edits_apply.
//
//     char uri[512];
//     size_t length;
//     if (mp_edits_apply_range(edits, message, uri_offset, uri_length, uri,
//                              sizeof uri, &length) == MP_OK)
//         replace_contact(uri, length);
mp_status mp_edits_apply_range(mp_edits *edits,
                               const mp_message *message,
                               size_t offset,
                               size_t length,
                               char *buffer,
                               size_t capacity,
                               size_t *written);

// Why the last failed mp_edits_apply or mp_edits_apply_range with this list
// failed. Empty when none failed. It lives until the next call with this list.
mp_str mp_edits_last_error(const mp_edits *edits);

// Removes all edits and keeps the memory, for the next message.
mp_status mp_edits_reset(mp_edits *edits);

// Frees a list. NULL is allowed.
void mp_edits_free(mp_edits *edits);

/* --------------------------------------------------------------------------
 * The verbs, in each process: mp_worker
 * -------------------------------------------------------------------------- */

// The client is on the list of the setting sip_asymmetrics.
#define MP_ASYMMETRIC_SIP 1

// The client is on the list of the setting rtp_asymmetrics.
#define MP_ASYMMETRIC_RTP 2

// Flag of mp_nat_test: stop at the first test that matches.
#define MP_FIRST_MATCH 1

// The part of the library that serves messages: each process or thread makes
// its own, after the fork, at the latest with its first message. A worker owns
// its sockets, buffers and its copy of the client lists. One thread at a time.
// In another process than the one that made it, verbs that need a relay return
// MP_ERR_WRONG_PROCESS, and mp_worker_free only closes the inherited
// descriptors.
//
//     mp_worker *worker = NULL;
//     mp_error *error = NULL;
//     if (mp_worker_new(engine, &worker, &error) != MP_OK) {
//         print(mp_error_text(error));
//         mp_error_free(error);
//     }
typedef struct mp_worker mp_worker;

// Makes a worker in the current process and writes it to *worker. It opens no
// socket yet. The caller frees it with mp_worker_free; the engine may be freed
// before. Any thread may call this function. It fails only for NULL and after
// a panic. error may be NULL.
mp_status mp_worker_new(const mp_engine *engine,
                        mp_worker **worker,
                        mp_error **error);

// Why the last failed verb of this worker failed: which line, header or relay,
// and what to do. One line of UTF-8. Empty when none failed; success does not
// clear it. It lives until the next call with this worker.
mp_str mp_worker_last_error(const mp_worker *worker);

// Frees a worker and closes its sockets. A request that was started on it can
// only be freed afterwards. NULL is allowed.
void mp_worker_free(mp_worker *worker);

// Tests whether the client that sent the message is behind NAT: runs tests
// (MP_TEST_* ORed) and fills the verdict. flags is 0 or MP_FIRST_MATCH.
// Addresses are compared by value; a host name never equals an address, and no
// name is resolved (RFC 3261 18.2.1, 20.10, 20.42; RFC 1918).
//
// The Contact that is tested is the one that mp_fix_contact would fix. A GRUU
// (RFC 5627) names a domain and not the phone: no test of the Contact matches.
// MP_FIRST_MATCH does not stop at MP_TEST_FIRST_HOP, which is no sign of NAT.
//
// MP_ERR_ARGUMENT for no test, an unknown bit or an unknown flag.
// MP_ERR_SYNTAX or MP_ERR_LIMIT when a header that a test needs cannot be
// parsed; a broken body does not affect tests of headers. After an error the
// verdict says that no test ran. It needs no relay: it works in any process.
//
//     uint32_t tests = MP_TEST_PRIVATE_CONTACT | MP_TEST_SOURCE_ADDRESS;
//     if (mp_nat_test(worker, message, tests, 0, verdict) != MP_OK)
//         print(mp_worker_last_error(worker));
//     for (size_t i = 0; i < mp_verdict_count(verdict); i++)
//         print(mp_verdict_text(verdict, i));
mp_status mp_nat_test(mp_worker *worker,
                      const mp_message *message,
                      uint32_t tests,
                      uint32_t flags,
                      mp_verdict *verdict);

// Writes to *lists on which client lists the sender of the message is, by its
// User-Agent header, or Server where that is missing: MP_ASYMMETRIC_* ORed, 0
// for none. A SIP-asymmetric client receives on another port than it sends
// from: replies must go to the port in its Via, and RFC 3581 must not be
// applied. MP_ERR_SYNTAX or MP_ERR_LIMIT when the headers cannot be parsed. It
// needs no relay: it works in any process.
//
//     uint32_t lists = 0;
//     if (mp_client_lists(worker, message, &lists) == MP_OK &&
//         (lists & MP_ASYMMETRIC_SIP) == 0)
//         force_rport();
mp_status mp_client_lists(mp_worker *worker,
                          const mp_message *message,
                          uint32_t *lists);

// Replaces host and port of the sender's Contact by the source of the message
// (RFC 3261 20.10), as edits: IPv6 in brackets, maddr is removed, everything
// else stays. For a SIP-asymmetric client the port stays too. The sender's
// Contact is the first sip: or sips: Contact. In a REGISTER with several
// Contacts it is the first one that adds a binding, and the first one at all
// when each removes its binding (expires=0).
//
// No edit is made for "Contact: *", for other schemes, for a GRUU (RFC 5627,
// parameter gr), in 3xx replies, in replies to REGISTER and when the Contact
// already is the source and has no maddr. MP_NO_CONTACT when there is no sip:
// or sips: Contact.
//
// Replaces the edits that an earlier mp_fix_contact made in this list.
// MP_ERR_SYNTAX or MP_ERR_LIMIT when the headers cannot be parsed; no edit is
// made then. It needs no relay: it works in any process.
//
//     if (mp_fix_contact(worker, message, edits) < MP_OK)
//         print(mp_worker_last_error(worker));
mp_status mp_fix_contact(mp_worker *worker,
                         const mp_message *message,
                         mp_edits *edits);

// As mp_fix_contact, with options, which may be NULL. The option first_hop =
// yes leaves the Contact of a message that came through another proxy as it
// is: its source is the proxy and not the phone. It makes no edit then and
// returns MP_OK. MP_TEST_FIRST_HOP says what a message shows of the proxies on
// its way. The other options have no effect.
//
// MP_ERR_SYNTAX also when the option needs a Via, CSeq or Record-Route that
// cannot be parsed.
//
//     mp_options_set(options, mp_text("first_hop"), mp_text("yes"), NULL);
//     if (mp_fix_contact_with(worker, message, options, edits) < MP_OK)
//         print(mp_worker_last_error(worker));
mp_status mp_fix_contact_with(mp_worker *worker,
                              const mp_message *message,
                              const mp_options *options,
                              mp_edits *edits);

// Requests ports from a relay and replaces the addresses in the SDP (RFC 4566,
// RFC 3264) by those of the relay, as edits: all of them or none. It blocks
// for the setting relay_timeout at most, failover included. Replaces the edits
// that an earlier rewrite made in this list. options may be NULL. Calling it
// again for the same message gives the same result.
//
// MP_NO_SDP when the message has no SDP. MP_ERR_ENDED when the call or the
// dialog has ended within the last 32 seconds, or ended while its relay worked
// on the request; a repeated or late answer gets the same ports as before while
// they are stored. MP_ERR_SYNTAX or MP_ERR_LIMIT for a message that cannot be
// parsed, and for SDP that is announced and cannot be read: its
// Content-Encoding is not identity, it has lines that end in CR alone, or the
// body is shorter than Content-Length or goes on beyond it (RFC 3261 18.3,
// 20.12). Other bytes after the body are ignored. MP_ERR_NO_RELAY,
// MP_ERR_RELAY_TIMEOUT or MP_ERR_RELAY_ANSWER when no relay served the request.
// MP_ERR_WRONG_PROCESS after a fork.
//
// For an INVITE:
//
//     mp_status status = mp_rewrite_sdp(worker, message, options, edits);
//     if (status == MP_ERR_ENDED) {
//         reply(487, "Request Terminated");
//     } else if (status < MP_OK) {
//         print(mp_worker_last_error(worker));
//         reply(503, "Service Unavailable");
//     }
mp_status mp_rewrite_sdp(mp_worker *worker,
                         const mp_message *message,
                         const mp_options *options,
                         mp_edits *edits);

// Terminates what the message ends. Give it each message for which
// mp_message_terminates is 1; whether that ends the call depends on the call:
//
// - A BYE ends its dialog, and the call with its last dialog (RFC 3261 15).
// - A failure reply to the INVITE of a call ends the call with all its early
//   dialogs, whatever its To tag (RFC 3261 12.3): give it the reply that goes
//   to the caller. With the option scope = branch it is the reply of one branch
//   of several, and ends the early dialogs of that branch only.
// - An INVITE without To tag, for which mp_message_terminates is 0, stands for
//   the failure reply that the server itself sends to it.
// - A CANCEL sends nothing: the final reply to the INVITE ends the call, or 32
//   seconds without one (RFC 3261 9.1).
// - A failure reply to a later INVITE ends nothing (RFC 3261 14.1).
//
// Sends a delete request to the relay. It never waits: a delete that cannot be
// sent now is queued and sent later. Calling it again for the same message
// does no harm. options may be NULL.
//
// MP_ERR_ARGUMENT for a message that ends no session, MP_ERR_SYNTAX when
// Call-ID or tags cannot be parsed, MP_ERR_WRONG_PROCESS after a fork.
//
//     if (mp_end_session(worker, message, NULL) != MP_OK)
//         print(mp_worker_last_error(worker));
mp_status mp_end_session(mp_worker *worker,
                         const mp_message *message,
                         const mp_options *options);

// Terminates a dialog by its identifiers, or the whole call when to_tag is
// empty, for a server that has no message at hand, as when a dialog times out.
// The two tags may be given in either order; for the whole call from_tag is the
// tag of either side, or the caller's where the relay is AG Projects' dispatcher.
// Otherwise as mp_end_session. The texts are copied.
// MP_ERR_ARGUMENT for an empty Call-ID, and for an empty from_tag, unless the
// call table has a call in which it is a phone's null tag (RFC 3261 12.1.1).
//
//     if (mp_end_call(worker, call_id, from_tag, mp_text("")) != MP_OK)
//         print(mp_worker_last_error(worker));
mp_status mp_end_call(mp_worker *worker,
                      mp_str call_id,
                      mp_str from_tag,
                      mp_str to_tag);

/* --------------------------------------------------------------------------
 * The SDP verb without blocking: mp_request
 * -------------------------------------------------------------------------- */

// Wait until the descriptor is readable (POLLIN).
#define MP_WAIT_READ 1

// Wait until the descriptor is writable (POLLOUT).
#define MP_WAIT_WRITE 2

// A rewrite of an SDP that does not block. It holds its own connection to a
// relay. Message and options may be freed before it ends. It belongs to the
// worker that it was started on, with the same rule for threads and the same
// process.
//
//     mp_request *request = NULL;
//     mp_status status = mp_rewrite_start(worker, message, NULL, 0, &request);
//     if (status == MP_OK)
//         do {
//             mp_wait wait;
//             mp_request_wait(request, &wait);
//             wait_for(wait.descriptor, wait.events, wait.deadline);
//             status = mp_request_continue(request, worker, 0, edits);
//         } while (status == MP_PENDING);
//     if (status < MP_OK)
//         print(mp_worker_last_error(worker));
//     mp_request_free(request);
typedef struct mp_request mp_request;

// What a request waits for.
typedef struct {
    // When to continue at the latest, in milliseconds of mp_now. Continue at
    // once when that time has passed; 0 has always passed.
    uint64_t deadline;
    // The descriptor to watch, -1 when only the deadline counts. It belongs to
    // the library: never read, write or close it.
    int32_t descriptor;
    // MP_WAIT_READ and MP_WAIT_WRITE, ORed. 0 when there is no descriptor.
    uint32_t events;
} mp_wait;

// Starts what mp_rewrite_sdp does, and writes the request to *request. Then
// wait with poll or epoll for what mp_request_wait says, and call
// mp_request_continue, until that returns something other than MP_PENDING. now
// is in milliseconds of mp_now; 0 lets the library read the clock. The caller
// frees the request with mp_request_free, which also cancels it. MP_NO_SDP:
// there is nothing to do and no request is written. Errors as for
// mp_rewrite_sdp.
mp_status mp_rewrite_start(mp_worker *worker,
                           const mp_message *message,
                           const mp_options *options,
                           uint64_t now,
                           mp_request **request);

// Writes to *wait what the request waits for. It may change with each
// mp_request_continue: call this function again after it.
mp_status mp_request_wait(const mp_request *request, mp_wait *wait);

// Continues a request after its descriptor became ready or its deadline
// passed; calling it too early does no harm. worker is the one that the
// request was started on, else MP_ERR_ARGUMENT. now as for mp_rewrite_start.
//
// MP_PENDING: wait again; edits is unchanged. MP_OK: the request has ended and
// all its edits are in the list, in place of those that an earlier rewrite
// made. An error, as of mp_rewrite_sdp, ends the request too, and edits is
// unchanged. After the end a further call is MP_ERR_ARGUMENT.
mp_status mp_request_continue(mp_request *request,
                              mp_worker *worker,
                              uint64_t now,
                              mp_edits *edits);

// Frees a request; one that still waits is cancelled. Its worker may have been
// freed before. NULL is allowed.
void mp_request_free(mp_request *request);

/* --------------------------------------------------------------------------
 * Relays, for management commands: mp_relay
 * -------------------------------------------------------------------------- */

// The relay answers, as far as any process knows.
#define MP_RELAY_UP 0

// A request timed out; a probe will decide.
#define MP_RELAY_SUSPECT 1

// A probe timed out too.
#define MP_RELAY_DEAD 2

// Connections to the relay fail.
#define MP_RELAY_UNREACHABLE 3

// The relay is used.
#define MP_RELAY_ENABLED 0

// The relay keeps its calls and gets no new ones.
#define MP_RELAY_DRAINING 1

// No request is sent to the relay.
#define MP_RELAY_DISABLED 2

// The relays at one moment: those of the setting relay, those of the relays
// file, then those that were removed while a process still stores their calls.
// A relay that is named twice is in the list twice. A list never changes. One
// thread at a time.
//
//     mp_relay_list *list = NULL;
//     mp_relay relay;
//     if (mp_relay_list_new(engine, &list, NULL) != MP_OK)
//         return;
//     for (size_t i = 0; i < mp_relay_list_count(list); i++)
//         if (mp_relay_list_get(list, i, &relay, sizeof relay) == MP_OK) {
//             print(relay.uri);
//             print(mp_relay_health_name(relay.health));
//         }
//     mp_relay_list_free(list);
typedef struct mp_relay_list mp_relay_list;

// One relay, as all processes of the server see it.
typedef struct {
    // Its name, which mp_relay_drain takes.
    mp_str uri;
    // Its set; empty for the unnamed set.
    mp_str set;
    // 1 when the settings or the relays file name it now; 0 when they named it
    // before and it may still have calls.
    uint32_t listed;
    // Its share of the calls; 0 for a backup.
    uint32_t weight;
    // Lower numbers are used first.
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

// Makes a list of the relays and writes it to *list; the caller frees it with
// mp_relay_list_free. It reads the relays file and the whole call table: call
// it for a management command, not for each message. Any thread of any process
// may call it. It fails only for NULL and after a panic. error may be NULL.
mp_status mp_relay_list_new(const mp_engine *engine,
                            mp_relay_list **list,
                            mp_error **error);

// The number of relays in the list. 0 for NULL.
size_t mp_relay_list_count(const mp_relay_list *list);

// Writes relay number index, from 0, to *relay. size is sizeof *relay: a
// program that was built with an older header gets the members it knows. The
// texts live as long as the list. MP_ERR_ARGUMENT beyond the last relay, and
// for a size that is 0 or not a multiple of 8.
mp_status mp_relay_list_get(const mp_relay_list *list,
                            size_t index,
                            mp_relay *relay,
                            size_t size);

// Frees a list. NULL is allowed.
void mp_relay_list_free(mp_relay_list *list);

// Sets the admin state of a relay to draining: it gets no new calls and keeps
// those it has until they end. It holds for all processes at once, and until
// another admin state is set or the server ends, also when the relays file
// changes. uri is the name of the relay (mp_relay), or the line that names it.
// MP_ERR_ARGUMENT for an unknown relay, MP_ERR_SETTING for text that is not a
// relay. Any thread of any process may call it. error may be NULL.
//
//     mp_error *error = NULL;
//     if (mp_relay_drain(engine, uri, &error) != MP_OK) {
//         print(mp_error_text(error));
//         mp_error_free(error);
//     }
mp_status mp_relay_drain(const mp_engine *engine, mp_str uri, mp_error **error);

// Sets the admin state of a relay to enabled: it is used again when it
// answers. Otherwise as mp_relay_drain.
mp_status mp_relay_enable(const mp_engine *engine,
                          mp_str uri,
                          mp_error **error);

// Sets the admin state of a relay to disabled: no request is sent to it. New
// offers go to other relays, answers for its calls fail, delete requests stay
// queued. Otherwise as mp_relay_drain.
mp_status mp_relay_disable(const mp_engine *engine,
                           mp_str uri,
                           mp_error **error);

// The name of a health (MP_RELAY_UP and so on) for an operator: "up",
// "suspect", "dead", "unreachable". Empty for another number. The text is
// static. Any thread of any process may call this function.
mp_str mp_relay_health_name(uint32_t health);

// The name of an admin state (MP_RELAY_ENABLED and so on): "enabled",
// "draining", "disabled". Empty for another number. The text is static. Any
// thread of any process may call this function.
mp_str mp_relay_admin_state_name(uint32_t admin_state);

// Sets the admin state of a relay by the name of the state: "enabled",
// "draining" or "disabled". MP_ERR_ARGUMENT also for another name. Otherwise
// as mp_relay_drain.
mp_status mp_relay_set_admin_state(const mp_engine *engine,
                                   mp_str uri,
                                   mp_str admin_state,
                                   mp_error **error);

/* --------------------------------------------------------------------------
 * Statistics: mp_statistics
 * -------------------------------------------------------------------------- */

// The value only grows.
#define MP_STATISTIC_COUNTER 0

// The value rises and falls.
#define MP_STATISTIC_GAUGE 1

// The statistics of a server, all its processes together, since the engine was
// made. The members are counters, except active_calls, max_calls and
// deletes_waiting, which are values of the moment.
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
    // SDP rewrites refused because their call had ended, or ended meanwhile.
    uint64_t failed_ended;
    // SDP rewrites that failed for another reason.
    uint64_t failed_other;
    // SDP rewrites that the caller gave up before their end.
    uint64_t cancelled;
    // Offers sent to another relay because one failed.
    uint64_t failovers;
    // Session terminations processed.
    uint64_t terminations;
    // Session terminations whose tags are those of no dialog of the call.
    uint64_t terminations_unmatched;
    // Calls that ended while their relay worked on a request; a delete
    // followed.
    uint64_t ended_meanwhile;
    // Deletes not sent because another dialog of the call is alive.
    uint64_t deletes_withheld;
    // Delete requests sent to their relay without queueing.
    uint64_t deletes_sent;
    // Delete requests queued: their relay could not be reached, or a rewrite
    // was cancelled.
    uint64_t deletes_queued;
    // Delete requests queued for the case that a cancelled INVITE gets no
    // final reply.
    uint64_t deletes_scheduled;
    // Queued deletes completed.
    uint64_t deletes_flushed;
    // Queued deletes cancelled by a new INVITE or by the reply to a cancelled
    // one.
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

// Writes the statistics to *statistics. size is sizeof *statistics: a program
// that was built with an older header gets the members it knows. It reads the
// whole call table. MP_ERR_ARGUMENT for a size that is 0 or not a multiple of
// 8. Any thread of any process may call it.
//
//     mp_statistics now;
//     if (mp_statistics_get(engine, &now, sizeof now) != MP_OK)
//         return;
//     for (size_t i = 0; i < mp_statistics_count(); i++) {
//         print(mp_statistics_name(i));
//         print_number(mp_statistics_value(&now, sizeof now, i));
//     }
mp_status mp_statistics_get(const mp_engine *engine,
                            mp_statistics *statistics,
                            size_t size);

// The number of statistics that have a name: every member of mp_statistics
// except latency_sum and latency, in their order. A server offers them as its
// own statistics without a table. Any thread of any process may call this
// function.
size_t mp_statistics_count(void);

// The name of statistic number index, from 0: that of its member in
// mp_statistics. Empty beyond the last one. The text is static. Any thread of
// any process may call this function.
mp_str mp_statistics_name(size_t index);

// A sentence that explains statistic number index. Otherwise as
// mp_statistics_name.
mp_str mp_statistics_help(size_t index);

// The kind of statistic number index: MP_STATISTIC_COUNTER or
// MP_STATISTIC_GAUGE. MP_STATISTIC_COUNTER beyond the last one. Any thread of
// any process may call this function.
uint32_t mp_statistics_kind(size_t index);

// The value of statistic number index in the statistics that mp_statistics_get
// wrote; size is sizeof *statistics. 0 beyond the last one, for a member
// beyond size and for NULL. Any thread of any process may call this function.
uint64_t mp_statistics_value(const mp_statistics *statistics,
                             size_t size,
                             size_t index);

// Writes the statistics of the server and of each relay as text for Prometheus
// (text format 0.0.4) to buffer, at most capacity bytes, and its length to
// *length. No NUL is added. buffer may be NULL with capacity 0.
// MP_ERR_BUFFER_TOO_SMALL when the text does not fit: *length is the length it
// needs, and the buffer is unchanged; the next text may be longer by a few
// bytes. Any thread of any process may call it.
//
//     char text[65536];
//     size_t length;
//     if (mp_statistics_prometheus(engine, text, sizeof text, &length)
//         == MP_OK)
//         forward(text, length);
mp_status mp_statistics_prometheus(const mp_engine *engine,
                                   char *buffer,
                                   size_t capacity,
                                   size_t *length);

// Writes the same values as one JSON object (RFC 8259). Otherwise as
// mp_statistics_prometheus.
mp_status mp_statistics_json(const mp_engine *engine,
                             char *buffer,
                             size_t capacity,
                             size_t *length);

/* --------------------------------------------------------------------------
 * Tasks without a message: mp_keeper
 * -------------------------------------------------------------------------- */

// Does the tasks of a server that no message triggers: it watches the client
// lists and the relays file, probes relays that do not answer, and sends
// queued delete requests. One is enough for a server, in a timer process, a
// process of its own or a thread. Several do no harm: one of them works, and
// another takes over within a second when that one dies.
//
// Make it after the fork, in the process that uses it. Either call
// mp_keeper_tick from an event loop, or give mp_keeper_run a thread. Without a
// keeper, workers do the most necessary part of these tasks with their next
// message. Any thread may use it; in another process than the one that made it
// only mp_keeper_free works.
//
// With a thread of its own:
//
//     mp_keeper *keeper = NULL;
//     if (mp_keeper_new(engine, &keeper, NULL) == MP_OK)
//         mp_keeper_run(keeper, NULL);
//
// In an event loop:
//
//     while (serving) {
//         uint64_t next = mp_now() + mp_keeper_next(keeper, 0);
//         wait_for(mp_keeper_descriptor(keeper), MP_WAIT_READ, next);
//         if (mp_keeper_tick(keeper, 0) != MP_OK)
//             break;
//     }
typedef struct mp_keeper mp_keeper;

// Makes a keeper in the current process and writes it to *keeper. The caller
// frees it with mp_keeper_free; the engine may be freed before. MP_ERR_SYSTEM
// when the system gives no descriptor. error may be NULL.
mp_status mp_keeper_new(const mp_engine *engine,
                        mp_keeper **keeper,
                        mp_error **error);

// Does the tasks that are due, and never waits. Call it when
// mp_keeper_descriptor is readable, when mp_keeper_next has passed, or simply
// five times a second. now is in milliseconds of mp_now; 0 lets the library
// read the clock. Log lines come on the calling thread. It does nothing while
// the keeper of another process works. The first tick that works starts one
// thread, which blocks all signals, unless the setting watch is "poll".
// MP_ERR_WRONG_PROCESS after a fork, MP_ERR_ARGUMENT while mp_keeper_run runs.
mp_status mp_keeper_tick(const mp_keeper *keeper, uint64_t now);

// A descriptor that is readable when mp_keeper_tick should be called: a task
// is due, a file changed, or a relay answered. Use it for poll, epoll and the
// like only; never read or close it. It is the same until mp_keeper_free. -1
// for NULL.
int32_t mp_keeper_descriptor(const mp_keeper *keeper);

// The milliseconds from now (see mp_keeper_tick) until the next tick is due; 0
// when it is due. It is meant for a server whose event loop has timers and
// takes no descriptor. 0 for NULL.
uint64_t mp_keeper_next(const mp_keeper *keeper, uint64_t now);

// Ticks on the calling thread until another thread calls mp_keeper_stop.
// MP_ERR_WRONG_PROCESS after a fork, MP_ERR_ARGUMENT when it already runs,
// MP_ERR_SYSTEM when the system refuses to wait. error may be NULL.
mp_status mp_keeper_run(const mp_keeper *keeper, mp_error **error);

// Stops mp_keeper_run from any thread of the same process; the keeper of
// another process may then take over at once. When it is called before
// mp_keeper_run, mp_keeper_run returns at once.
mp_status mp_keeper_stop(const mp_keeper *keeper);

// Frees a keeper; that of another process may then take over. Not while
// mp_keeper_run runs: stop it and wait for its return. In another process than
// the one that made it, it only closes the inherited descriptors. NULL is
// allowed.
void mp_keeper_free(mp_keeper *keeper);

/* --------------------------------------------------------------------------
 * The built-in media relay: mp_proxy
 * -------------------------------------------------------------------------- */

// The built-in media relay: pairs of RTP and RTCP ports on this machine,
// configured by the settings proxy_*. A worker reaches it by the setting relay
// = "embedded". One is enough for a server.
//
// Make it before the fork, so that workers may connect before it runs. Then
// run it in one process, after the fork: mp_proxy_run blocks, mp_proxy_start
// has its own thread. Every other process calls mp_proxy_free, which there
// only closes the inherited copy of the listening socket. Any thread may use
// it.
//
//     mp_proxy *proxy = NULL;
//     mp_config_set(config, mp_text("relay"), mp_text("embedded"), NULL);
//     mp_config_set(config, mp_text("proxy_address"), mp_text("203.0.113.9"),
//                   NULL);
//     if (mp_proxy_new(config, &proxy, NULL) != MP_OK)
//         return;
//     if (fork() == 0) {
//         mp_proxy_run(proxy, NULL);
//         _exit(0);
//     }
//     mp_proxy_free(proxy);
typedef struct mp_proxy mp_proxy;

// The statistics of a proxy since it was made. sessions and open_ports are
// values of the moment, the others are counters.
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
    // Sessions that point at themselves or, with others, in a circle: nothing
    // is sent there.
    uint64_t loops;
    // Sessions whose SDP names a private address that is not the source of
    // signaling: nothing is sent there before it sends.
    uint64_t waits_for_packet;
} mp_proxy_counters;

// Makes a proxy and writes it to *proxy: it opens its listening Unix socket,
// nothing else. A stale socket file is replaced; a missing directory is made
// with mode 0700. The settings are copied. The caller frees it with
// mp_proxy_free. MP_ERR_SETTING when the setting proxy_address is missing,
// MP_ERR_SYSTEM when the socket cannot be opened or another proxy serves it.
// error may be NULL.
mp_status mp_proxy_new(const mp_config *config,
                       mp_proxy **proxy,
                       mp_error **error);

// The path of its Unix socket. It lives as long as the proxy. Empty for NULL.
mp_str mp_proxy_socket(const mp_proxy *proxy);

// Serves on the calling thread until another thread of this process calls
// mp_proxy_stop; a proxy that was stopped before returns MP_OK at once and
// serves nothing. MP_ERR_ARGUMENT when it already runs, also by
// mp_proxy_start. MP_ERR_SYSTEM when the system refuses sockets or memory.
// error may be NULL.
mp_status mp_proxy_run(const mp_proxy *proxy, mp_error **error);

// Starts a thread that serves and blocks all signals, and returns at once.
// Call it after the fork, in one process. Errors as for mp_proxy_run.
// MP_ERR_SYSTEM also when the system refuses a thread. error may be NULL.
mp_status mp_proxy_start(const mp_proxy *proxy, mp_error **error);

// Stops mp_proxy_run or mp_proxy_start: closes the media sockets and drops the
// sessions. The thread of mp_proxy_start has ended when it returns. A stopped
// proxy cannot run again.
mp_status mp_proxy_stop(const mp_proxy *proxy);

// Writes the statistics of a proxy that runs in this process to *counters, and
// to the log of its mp_config why requests were refused since the last call and
// which calls have a side that is sent nothing, at most 64 lines: call it about
// once a second. size is sizeof *counters: a program that was built with an
// older header gets the members it knows. MP_ERR_ARGUMENT for a size that is 0 or not a multiple
// of 8.
mp_status mp_proxy_statistics(const mp_proxy *proxy,
                              mp_proxy_counters *counters,
                              size_t size);

// The number of values in mp_proxy_counters. With the four functions below a
// server offers them as its own statistics without a table, as with
// mp_statistics_count. Any thread of any process may call this function.
//
//     mp_proxy_counters now;
//     if (mp_proxy_statistics(proxy, &now, sizeof now) != MP_OK)
//         return;
//     for (size_t i = 0; i < mp_proxy_counters_count(); i++) {
//         print(mp_proxy_counters_name(i));
//         print_number(mp_proxy_counters_value(&now, sizeof now, i));
//     }
size_t mp_proxy_counters_count(void);

// The name of value number index, from 0: that of its member in
// mp_proxy_counters. Empty beyond the last one. The text is static. Any thread
// of any process may call this function.
mp_str mp_proxy_counters_name(size_t index);

// A sentence that explains value number index. Otherwise as
// mp_proxy_counters_name.
mp_str mp_proxy_counters_help(size_t index);

// The kind of value number index: MP_STATISTIC_COUNTER or MP_STATISTIC_GAUGE.
// MP_STATISTIC_COUNTER beyond the last one. Any thread of any process may call
// this function.
uint32_t mp_proxy_counters_kind(size_t index);

// The value of number index in the counters that mp_proxy_statistics wrote;
// size is sizeof *counters. 0 beyond the last one, for a member beyond size and
// for NULL. Any thread of any process may call this function.
uint64_t mp_proxy_counters_value(const mp_proxy_counters *counters,
                                 size_t size,
                                 size_t index);

// Frees a proxy. In the process that runs it, it stops the proxy first, and in
// the one that made it, it removes the socket file. In another process it only
// closes the inherited descriptors. Not while mp_proxy_run runs: stop it and
// wait for its return. NULL is allowed.
void mp_proxy_free(mp_proxy *proxy);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif /* MEDIAPROXY_H */
