/* What each C peer offers the bench. */
#ifndef PEER_H
#define PEER_H

#include <stddef.h>

/* What a peer found, so that the bench can tell a peer that reads a message
 * from one that gave up on it. Ports are 0 where none is written. */
struct seen {
    unsigned via_host_length, via_port;
    unsigned contact_host_length, contact_port;
    unsigned streams;
};

/* Called once, before the others. 0 when it worked. */
int peer_start(void);

/* Reads a whole message, looks at the top Via and the first Contact, and lets
 * go of it. 0 when it worked. */
int peer_headers(const char *raw, size_t length, struct seen *seen);

/* Reads a session description, counts its streams, and lets go of it. A NUL
 * follows the text. 0 when it worked. */
int peer_description(const char *text, size_t length, struct seen *seen);

#endif
