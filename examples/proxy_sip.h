/* Just enough SIP for proxy.c. */
#ifndef PROXY_SIP_H
#define PROXY_SIP_H

#include "support/sip.h"

#define MAX_USERS 64

struct user {
    char name[64];
    char contact[256];
};

struct sip {
    int socket;
    char address[32]; /* our own, as it stands in Via and Record-Route */
    struct user users[MAX_USERS];
    char text[SIP_ROOM]; /* the message at hand, with a NUL at its end */
};

/* Answers sip->text, which came from *from, or sends it to where it must go. */
void sip_route(struct sip *sip, const struct sockaddr_in *from);

#endif
