/*
 * Just enough SIP for proxy.c, on the text of one message: a registrar in memory
 * and a stateless proxy (RFC 3261 16.11, RFC 3581), over UDP and IPv4, long
 * header names, one value a line. A server has its own.
 */
#define _POSIX_C_SOURCE 200809L

#include "proxy_sip.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

/* The first header of this name after `from`, or NULL. */
static char *header(const char *from, const char *name)
{
    size_t length = strlen(name);
    char *line = strstr(from, "\r\n");

    while (line && strncmp(line, "\r\n\r\n", 4)) {
        line += 2;
        if (!strncasecmp(line, name, length) && line[length] == ':')
            return line;
        line = strstr(line, "\r\n");
    }
    return NULL;
}

int sip_status(const char *message)
{
    return strncmp(message, "SIP/2.0 ", 8) ? 0 : atoi(message + 8);
}

bool sip_is_invite(const char *message)
{
    const char *cseq = header(message, "CSeq");
    char method[16];

    return cseq && sscanf(cseq + 5, "%*u %15[A-Z]", method) == 1 && !strcmp(method, "INVITE");
}

/* Puts `insert` in the place of `remove` bytes at `at`. */
static bool splice(struct sip *sip, char *at, size_t remove, const char *insert)
{
    size_t rest = strlen(at + remove) + 1, length = strlen(insert);

    if ((size_t)(at - sip->text) + length + rest > sizeof sip->text)
        return false;
    memmove(at + length, at + remove, rest);
    memcpy(at, insert, length);
    return true;
}

static bool remove_line(struct sip *sip, char *line)
{
    return splice(sip, line, (size_t)(strstr(line, "\r\n") + 2 - line), "");
}

/* The address in "sip:user@192.0.2.1:5060;...". */
static bool address_in(const char *uri, struct sockaddr_in *to)
{
    const char *at = strpbrk(uri, "@; >\r");
    char ip[16];
    unsigned port = 5060;

    memset(to, 0, sizeof *to);
    to->sin_family = AF_INET;
    if (strncmp(uri, "sip:", 4) || !at ||
        sscanf(*at == '@' ? at + 1 : uri + 4, "%15[0-9.]:%5u", ip, &port) < 1)
        return false;
    to->sin_port = htons((uint16_t)port);
    return port <= 65535 && inet_pton(AF_INET, ip, &to->sin_addr) == 1;
}

static void send_out(struct sip *sip, const struct sockaddr_in *to)
{
    if (sendto(sip->socket, sip->text, strlen(sip->text), 0, (const struct sockaddr *)to, sizeof *to) < 0)
        perror("sendto");
}

/* Answers the request itself (8.2.6): sip->text becomes the reply. */
static void reply(struct sip *sip, const char *status, const char *more,
                  const struct sockaddr_in *to)
{
    static const char *const copied[] = { "Via", "From", "To", "Call-ID", "CSeq" };
    static char text[sizeof sip->text];
    size_t used = (size_t)snprintf(text, sizeof text, "SIP/2.0 %s\r\n", status);

    for (size_t i = 0; i < sizeof copied / sizeof *copied; i++) {
        char *line = header(sip->text, copied[i]);
        for (; line && used < sizeof text; line = header(line, copied[i])) {
            int length = (int)strcspn(line, "\r");
            const char *tag = strstr(line, ";tag=");
            bool add = !strcmp(copied[i], "To") && (!tag || tag > line + length);
            used += (size_t)snprintf(text + used, sizeof text - used, "%.*s%s\r\n", length, line,
                                     add ? ";tag=proxy" : "");
        }
    }
    if (used < sizeof text)
        used += (size_t)snprintf(text + used, sizeof text - used,
                                 "%sContent-Length: 0\r\n\r\n", more);
    if (used < sizeof text) {
        memcpy(sip->text, text, used + 1);
        send_out(sip, to);
    }
}

/* The user a URI names, or a free place when `add` is set, or NULL. */
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

/* REGISTER (10.3): the Contact stored is the repaired one. */
static void register_user(struct sip *sip, const struct sockaddr_in *from)
{
    char *to = header(sip->text, "To"), *contact = header(sip->text, "Contact"), more[320];
    size_t length;
    struct user *user;

    to = to ? strstr(to, "sip:") : NULL;
    contact = contact ? strstr(contact, "sip:") : NULL;
    user = to && contact ? find_user(sip, to, true) : NULL;
    length = contact ? strcspn(contact, "> \r") : 0;
    if (!user || length >= sizeof user->contact) {
        reply(sip, "400 Bad Request", "", from);
        return;
    }
    memcpy(user->contact, contact, length);
    user->contact[length] = '\0';
    snprintf(more, sizeof more, "Contact: <%s>;expires=3600\r\n", user->contact);
    reply(sip, "200 OK", more, from);
}

/* Puts a request's source into its top Via (18.2.1, RFC 3581 4), so that the
 * reply finds back through the NAT. */
static bool stamp_via(struct sip *sip, char *via, const struct sockaddr_in *from)
{
    char stamp[64], ip[INET_ADDRSTRLEN] = "";
    size_t length = strcspn(via, "\r");
    char *rport = strstr(via, ";rport");
    bool asked = rport && rport < via + length && strchr(";\r", rport[6]);

    inet_ntop(AF_INET, &from->sin_addr, ip, sizeof ip);
    if (asked)
        snprintf(stamp, sizeof stamp, "=%u;received=%s", ntohs(from->sin_port), ip);
    else
        snprintf(stamp, sizeof stamp, ";received=%s", ip);
    return splice(sip, asked ? rport + 6 : via + length, 0, stamp);
}

/* Sends a request to where its Request-URI points, after the registrar. */
static void forward_request(struct sip *sip, const struct sockaddr_in *from)
{
    char *via = header(sip->text, "Via"), *hops = header(sip->text, "Max-Forwards");
    char *route, *uri = strchr(sip->text, ' ') + 1, lines[256];
    struct sockaddr_in to;
    unsigned hash = 2166136261u;

    /* The same branch for a retransmission, and for its CANCEL (16.11). */
    for (const char *c = via; *c != '\r'; c++)
        hash = (hash ^ (unsigned char)*c) * 16777619u;
    if (hops) {
        unsigned left = (unsigned)strtoul(hops + 13, NULL, 10);
        if (left == 0 || left > 255) {
            reply(sip, "483 Too Many Hops", "", from);
            return;
        }
        snprintf(lines, sizeof lines, " %u", left - 1);
        if (!splice(sip, hops + 13, strcspn(hops + 13, "\r"), lines))
            return;
    }
    route = header(sip->text, "Route");
    if (route && strstr(route, sip->address)) {
        /* Within a dialog: the Route is us, the Request-URI the phone. */
        remove_line(sip, route);
    } else {
        struct user *user = find_user(sip, uri, false);
        if (!user) {
            if (strncmp(sip->text, "ACK ", 4))
                reply(sip, "404 Not Found", "", from);
            return;
        }
        if (!splice(sip, uri, strcspn(uri, " "), user->contact))
            return;
    }
    if (!address_in(uri, &to))
        return;
    snprintf(lines, sizeof lines, "Via: SIP/2.0/UDP %s;branch=z9hG4bK%08x\r\n", sip->address, hash);
    if (!splice(sip, strstr(sip->text, "\r\n") + 2, 0, lines))
        return;
    snprintf(lines, sizeof lines, "Record-Route: <sip:%s;lr>\r\n", sip->address);
    if (!strncmp(sip->text, "INVITE ", 7) && !splice(sip, header(sip->text, "Via"), 0, lines))
        return;
    send_out(sip, &to);
}

/* Sends a reply where the Via below ours says (16.7, 18.2.2). */
static void forward_reply(struct sip *sip)
{
    char *via = header(sip->text, "Via"), *below;
    const char *ip, *port;
    char uri[64];
    struct sockaddr_in to;

    if (!strstr(via, sip->address) || strstr(via, sip->address) > strchr(via, '\r'))
        return;
    remove_line(sip, via);
    below = header(sip->text, "Via");
    ip = below ? strstr(below, ";received=") : NULL;
    port = below ? strstr(below, ";rport=") : NULL;
    if (ip) {
        snprintf(uri, sizeof uri, "sip:%.*s:%u;", (int)strcspn(ip + 10, ";\r"), ip + 10,
                 port ? (unsigned)strtoul(port + 7, NULL, 10) : 5060);
        if (address_in(uri, &to))
            send_out(sip, &to);
    }
}

void sip_route(struct sip *sip, const struct sockaddr_in *from)
{
    char *via = header(sip->text, "Via");

    if (!via || !strstr(sip->text, "\r\n\r\n"))
        return;
    if (sip_status(sip->text) != 0)
        forward_reply(sip);
    else if (!stamp_via(sip, via, from))
        return;
    else if (!strncmp(sip->text, "REGISTER ", 9))
        register_user(sip, from);
    else
        forward_request(sip, from);
}

bool sip_listen(struct sip *sip, const char *where, struct sockaddr_in *own)
{
    socklen_t length = sizeof *own;
    char uri[64], ip[INET_ADDRSTRLEN] = "";

    snprintf(uri, sizeof uri, "sip:%s;", where);
    sip->socket = socket(AF_INET, SOCK_DGRAM, 0);
    if (!address_in(uri, own) || bind(sip->socket, (struct sockaddr *)own, length) != 0 ||
        getsockname(sip->socket, (struct sockaddr *)own, &length) != 0)
        return false;
    inet_ntop(AF_INET, &own->sin_addr, ip, sizeof ip);
    snprintf(sip->address, sizeof sip->address, "%s:%u", ip, ntohs(own->sin_port));
    return true;
}
