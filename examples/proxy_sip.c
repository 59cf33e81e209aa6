/*
 * The SIP of proxy.c: a registrar in memory and a stateless proxy (RFC 3261
 * 16.11, RFC 3581). support/sip.c is shared with minimal_server.
 */
#define _POSIX_C_SOURCE 200809L

#include "proxy_sip.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static void send_out(struct sip *sip, const char *text, const struct sockaddr_in *to)
{
    if (sendto(sip->socket, text, strlen(text), 0, (const struct sockaddr *)to, sizeof *to) < 0)
        perror("sendto");
}

/* Replies to the request in sip->text. */
static void reply(struct sip *sip, const char *status, const char *more,
                  const struct sockaddr_in *to)
{
    static char text[SIP_ROOM];

    if (sip_reply(sip->text, status, "proxy", more, text))
        send_out(sip, text, to);
}

/* The user that a URI names. Where there is none: a new one with `add`, else
 * NULL. */
static struct user *find_user(struct sip *sip, const char *uri, bool add)
{
    char name[sizeof sip->users->name];

    if (sscanf(uri, "sip:%63[^@;> \r]@", name) != 1)
        return NULL;
    for (size_t i = 0; i < MAX_USERS; i++) {
        struct user *user = &sip->users[i];
        if (add && !*user->name)
            strcpy(user->name, name);
        if (*user->name && !strcmp(user->name, name))
            return user;
    }
    return NULL;
}

/* REGISTER (RFC 3261 10.3). It stores the fixed Contact. */
static void register_user(struct sip *sip, const struct sockaddr_in *from)
{
    const char *to = sip_header(sip->text, "To"), *contact = sip_header(sip->text, "Contact");
    char more[320];
    size_t length = 0;
    struct user *user;

    to = to ? sip_uri(to, &length) : NULL;
    contact = contact ? sip_uri(contact, &length) : NULL;
    user = to && contact ? find_user(sip, to, true) : NULL;
    if (!user || length >= sizeof user->contact) {
        reply(sip, "400 Bad Request", "", from);
        return;
    }
    memcpy(user->contact, contact, length);
    user->contact[length] = '\0';
    snprintf(more, sizeof more, "Contact: <%s>;expires=3600\r\n", user->contact);
    reply(sip, "200 OK", more, from);
}

/* Forwards a request to its Request-URI, which the registrar replaces outside of
 * a dialog. */
static void forward_request(struct sip *sip, const struct sockaddr_in *from)
{
    char *route = sip_header(sip->text, "Route"), *uri = strchr(sip->text, ' ') + 1;
    struct sockaddr_in to;

    if (!sip_hop(sip->text)) {
        reply(sip, "483 Too Many Hops", "", from);
        return;
    }
    if (route && strstr(route, sip->address)) {
        /* Within a dialog: the Route names this proxy, the Request-URI the phone. */
        if (!sip_remove_value(sip->text, sip_header(sip->text, "Route")))
            return;
    } else {
        struct user *user = find_user(sip, uri, false);
        if (!user) {
            if (strncmp(sip->text, "ACK ", 4))
                reply(sip, "404 Not Found", "", from);
            return;
        }
        if (!sip_splice(sip->text, uri, strcspn(uri, " "), user->contact))
            return;
    }
    if (sip_address(uri, &to) &&
        sip_pass_on(sip->text, sip->address, !strncmp(sip->text, "INVITE ", 7)))
        send_out(sip, sip->text, &to);
}

void sip_route(struct sip *sip, const struct sockaddr_in *from)
{
    struct sockaddr_in to;

    if (!sip_header(sip->text, "Via") || !strstr(sip->text, "\r\n\r\n"))
        return;
    if (sip_status(sip->text) != 0) {
        if (sip_pass_back(sip->text, sip->address, &to))
            send_out(sip, sip->text, &to);
    } else if (!sip_stamp_via(sip->text, from, false)) {
        return;
    } else if (!strncmp(sip->text, "REGISTER ", 9)) {
        register_user(sip, from);
    } else {
        forward_request(sip, from);
    }
}
