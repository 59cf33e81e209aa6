/* Just enough SIP for proxy.c. */
#ifndef PROXY_SIP_H
#define PROXY_SIP_H

#include <netinet/in.h>
#include <stdbool.h>

#define MAX_MESSAGE 65536
#define MAX_USERS 64

struct user {
    char name[64];
    char contact[256];
};

struct sip {
    int socket;
    char address[32]; /* our own, as it stands in Via and Record-Route */
    struct user users[MAX_USERS];
    char text[MAX_MESSAGE + 1]; /* the message at hand, with a NUL at its end */
};

/* Opens the socket on "192.0.2.1:5060"; port 0 takes any. Writes to *own where
 * it is. */
bool sip_listen(struct sip *sip, const char *where, struct sockaddr_in *own);

/* The status of a reply, 0 for a request. */
int sip_status(const char *message);

/* True for INVITE and the replies to it. */
bool sip_is_invite(const char *message);

/* Answers sip->text, which came from *from, or sends it to where it must go. */
void sip_route(struct sip *sip, const struct sockaddr_in *from);

#endif
