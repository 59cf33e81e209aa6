/*
 * SIP on the text of one message, as far as the example proxies need it: over
 * UDP and IPv4, CRLF line ends, no folded headers. A server has its own.
 *
 * A text ends with a NUL; one that is changed lies in SIP_ROOM bytes.
 */
#ifndef SIP_H
#define SIP_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIP_ROOM 65536

/* The first header of this name, or its compact form, after `from`; or NULL. */
char *sip_header(const char *from, const char *name);

/* The value in a header line; it ends at the line's '\r'. */
char *sip_value(const char *line);

/* The length of the first of the values that commas separate. */
size_t sip_length(const char *value);

/* The status of a reply, 0 for a request. */
int sip_status(const char *message);

/* The method in CSeq, of requests and replies alike; empty when there is none. */
void sip_method(const char *message, char method[16]);

/* The URI in the first value of a header line, its length in *length. */
char *sip_uri(const char *line, size_t *length);

/* The tag in a From or To line; "" when there is none. It ends before one of
 * "; \r". */
const char *sip_tag(const char *line);

/* Where "sip:user@192.0.2.1:5060;..." points; false for a host name. */
bool sip_address(const char *uri, struct sockaddr_in *to);

/* "192.0.2.1:5060" */
void sip_print(const struct sockaddr_in *address, char text[32]);

/* Puts `insert` in the place of `remove` bytes at `at`; false when it does not
 * fit, as all that change a text. */
bool sip_splice(char *text, char *at, size_t remove, const char *insert);

/* Removes the first value of a header line, with the line if it is the last. */
bool sip_remove_value(char *text, char *line);

/* Puts a request's source into its top Via, so that the reply finds back
 * (18.2.1; RFC 3581, asked for by the phone or `forced` by us). */
bool sip_stamp_via(char *text, const struct sockaddr_in *from, bool forced);

/* One hop less in Max-Forwards (16.6); false when none is left. */
bool sip_hop(char *text);

/* The request as it leaves here (16.6): our Via on top, with a branch that is
 * the same for retransmissions, CANCEL and the ACK of a failure (16.11), and
 * Record-Route when wanted. */
bool sip_pass_on(char *text, const char *own, bool record);

/* Takes our Via off a reply (16.7) and says where the one below sends it. */
bool sip_pass_back(char *text, const char *own, struct sockaddr_in *to);

/* Writes our own reply to a request (8.2.6), with the header lines `more`.
 * `tag` is put into To when it has none. The length; 0 when it does not fit. */
size_t sip_reply(const char *request, const char *status, const char *tag, const char *more,
                 char *reply);

/* A hash (FNV-1a) of these bytes after those that made `seed`; SIP_SEED first. */
#define SIP_SEED UINT64_C(14695981039346656037)
uint64_t sip_hash(uint64_t seed, const char *bytes, size_t length);

/* A socket on "192.0.2.1:5060", shared with others of this user when `shared`;
 * port 0 takes any. Its address goes to *own. -1 with errno on failure. */
int sip_listen(const char *where, bool shared, struct sockaddr_in *own);

#endif
