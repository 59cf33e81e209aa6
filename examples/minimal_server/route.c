/*
 * Routing: a registrar and a stateless proxy (RFC 3261 10.3, 16.11) that
 * record-routes dialogs (16.6, 16.12).
 */
#define _POSIX_C_SOURCE 200809L

#include "server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "registrar.h"

/* The seconds of a registration: the maximum, and the default. */
#define MAX_EXPIRES 3600

/* The To tag of replies that the server makes; it absorbs the ACK to them. */
#define OWN_TAG "minimal-server"

void answer(struct server *s, const char *request, const char *status, const char *more,
            const struct sockaddr_in *to)
{
    static char reply[SIP_ROOM];

    if (strncmp(request, "ACK ", 4) && sip_reply(request, status, OWN_TAG, more, reply) != 0)
        send_text(s, reply, to);
}

/* The user in "sip:user@host"; false when there is none. */
static bool user_of(const char *uri, char user[MAX_USER])
{
    size_t whole = strcspn(uri, "> \r"), length;

    if (strncasecmp(uri, "sip:", 4) || !memchr(uri, '@', whole))
        return false;
    length = strcspn(uri + 4, "@:;");
    if (length == 0 || length >= MAX_USER)
        return false;
    memcpy(user, uri + 4, length);
    user[length] = '\0';
    return true;
}

static bool is_own(const struct server *s, const char *uri)
{
    struct sockaddr_in address;

    return sip_address(uri, &address) && address.sin_port == s->own.sin_port &&
           address.sin_addr.s_addr == s->own.sin_addr.s_addr;
}

/* A request within a dialog that this server record-routed. */
static bool is_routed(const struct server *s, const char *request)
{
    const char *route = sip_header(request, "Route"), *to = sip_header(request, "To");
    size_t length;

    return route && to && *sip_tag(to) && is_own(s, sip_uri(route, &length));
}

/* The status of the reply that the server itself sends. 0: the request is
 * forwarded. -1: it is absorbed. */
int own_answer(struct server *s, const char *request)
{
    const char *uri = strchr(request, ' ') + 1, *hops = sip_header(request, "Max-Forwards"),
               *to = sip_header(request, "To");
    char user[MAX_USER], contact[MAX_CONTACT];

    if (!strncmp(request, "ACK ", 4) && to && !strncmp(sip_tag(to), OWN_TAG, strlen(OWN_TAG)))
        return -1;
    if (!strncmp(request, "REGISTER ", 9))
        return 200;
    if (hops && strtol(sip_value(hops), NULL, 10) <= 0)
        return 483;
    if (is_routed(s, request))
        return 0;
    if (!user_of(uri, user))
        return !strncmp(request, "OPTIONS ", 8) && is_own(s, uri) ? 200 : 404;
    return registrar_find(s->registrar, user, contact) ? 0 : 404;
}

/* The expires of the Contact, else of the message, else the maximum. */
static unsigned seconds_of(const char *request, const char *contact)
{
    const char *expires = sip_header(request, "Expires"), *own = NULL;
    size_t whole = contact ? sip_length(sip_value(contact)) : 0, length = 0;
    unsigned long seconds = MAX_EXPIRES;

    if (contact) {
        const char *uri = sip_uri(contact, &length);
        own = strstr(uri + length, ";expires=");
        if (own && own > sip_value(contact) + whole)
            own = NULL;
    }
    if (own)
        seconds = strtoul(own + 9, NULL, 10);
    else if (expires)
        seconds = strtoul(sip_value(expires), NULL, 10);
    return (unsigned)(seconds < MAX_EXPIRES ? seconds : MAX_EXPIRES);
}

/* REGISTER. It stores the fixed Contact; a user has one phone. */
static void register_user(struct server *s, const char *request, const struct sockaddr_in *from)
{
    const char *to = sip_header(request, "To"), *contact = sip_header(request, "Contact");
    const char *uri = "";
    char user[MAX_USER], stored[MAX_CONTACT], more[MAX_CONTACT + 64] = "";
    unsigned seconds = seconds_of(request, contact);
    size_t length = 0;

    if (!to || !user_of(sip_uri(to, &length), user)) {
        answer(s, request, "400 Bad Request", "", from);
        return;
    }
    if (contact)
        uri = sip_uri(contact, &length);
    if (contact && *uri == '*') {
        registrar_remove(s->registrar, user);
        say(s, "unregistered %s", user);
    } else if (contact) {
        snprintf(stored, sizeof stored, "%.*s", (int)(length < sizeof stored ? length : 0), uri);
        if (!*stored || !registrar_store(s->registrar, user, stored, seconds)) {
            answer(s, request, "500 Server Internal Error", "", from);
            return;
        }
        if (seconds > 0)
            say(s, "registered %s at %s for %u s", user, stored, seconds);
        else
            say(s, "unregistered %s", user);
    }
    seconds = registrar_find(s->registrar, user, stored);
    if (seconds > 0)
        snprintf(more, sizeof more, "Contact: <%s>;expires=%u\r\n", stored, seconds);
    answer(s, request, "200 OK", more, from);
}

/* Forwards a request along its Route, or to the contact of its user. */
static void forward(struct server *s, char *text)
{
    char *uri = strchr(text, ' ') + 1, *next = uri, *route;
    char user[MAX_USER], contact[MAX_CONTACT];
    struct sockaddr_in to;
    size_t length;

    if (is_routed(s, text)) {
        if (!sip_remove_value(text, sip_header(text, "Route")))
            return;
        route = sip_header(text, "Route");
        if (route)
            next = sip_uri(route, &length);
    } else if (!user_of(uri, user) || !registrar_find(s->registrar, user, contact) ||
               !sip_splice(text, uri, strcspn(uri, " "), contact)) {
        return;
    }
    if (sip_address(next, &to) && sip_hop(text) &&
        sip_pass_on(text, s->address, !strncmp(text, "INVITE ", 7)))
        send_text(s, text, &to);
}

/* Forwards the message, or replies to it. */
void route(struct server *s, char *text, const struct sockaddr_in *from, bool natted)
{
    struct sockaddr_in to;

    if (sip_status(text) != 0) {
        if (sip_pass_back(text, s->address, &to))
            send_text(s, text, &to);
        return;
    }
    if (!sip_stamp_via(text, from, natted))
        return;
    switch (own_answer(s, text)) {
    case 0:
        forward(s, text);
        break;
    case 200:
        if (!strncmp(text, "REGISTER ", 9))
            register_user(s, text, from);
        else
            answer(s, text, "200 OK", "", from);
        break;
    case 404:
        answer(s, text, "404 Not Found", "", from);
        break;
    case 483:
        answer(s, text, "483 Too Many Hops", "", from);
        break;
    }
}
