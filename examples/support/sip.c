/* SIP on the text of one message; see sip.h. */
#define _GNU_SOURCE /* SO_REUSEPORT */

#include "sip.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

/* The header names that have a compact form (7.3.3) and matter here. */
static const struct {
    const char *name;
    char compact;
} compact_forms[] = {
    { "Call-ID", 'i' }, { "Contact", 'm' }, { "From", 'f' }, { "To", 't' }, { "Via", 'v' },
};

static bool is_named(const char *line, const char *name, size_t length)
{
    if (strncasecmp(line, name, length))
        return false;
    line += length;
    while (*line == ' ' || *line == '\t')
        line++;
    return *line == ':';
}

char *sip_header(const char *from, const char *name)
{
    size_t length = strlen(name);
    const char *line = strstr(from, "\r\n"), *compact = NULL;

    for (size_t i = 0; i < sizeof compact_forms / sizeof *compact_forms; i++)
        if (!strcmp(name, compact_forms[i].name))
            compact = &compact_forms[i].compact;
    while (line && strncmp(line, "\r\n\r\n", 4)) {
        line += 2;
        if (is_named(line, name, length) || (compact && is_named(line, compact, 1)))
            return (char *)line;
        line = strstr(line, "\r\n");
    }
    return NULL;
}

char *sip_value(const char *line)
{
    const char *value = strchr(line, ':') + 1;

    return (char *)value + strspn(value, " \t");
}

size_t sip_length(const char *value)
{
    bool quoted = false, bracketed = false;
    size_t length = 0;

    for (; value[length] && value[length] != '\r'; length++) {
        char byte = value[length];
        if (quoted && byte == '\\' && value[length + 1] >= ' ')
            length++;
        else if (byte == '"')
            quoted = !quoted;
        else if (!quoted && (byte == '<' || byte == '>'))
            bracketed = byte == '<';
        else if (!quoted && !bracketed && byte == ',')
            break;
    }
    return length;
}

int sip_status(const char *message)
{
    return strncmp(message, "SIP/2.0 ", 8) ? 0 : atoi(message + 8);
}

void sip_method(const char *message, char method[16])
{
    const char *cseq = sip_header(message, "CSeq");

    if (!cseq || sscanf(sip_value(cseq), "%*u %15[A-Z]", method) != 1)
        *method = '\0';
}

char *sip_uri(const char *line, size_t *length)
{
    char *value = sip_value(line);
    size_t whole = sip_length(value);
    char *open = memchr(value, '"', whole), *close;

    /* A '<' within a display name opens nothing. */
    if (open) {
        close = memchr(open + 1, '"', whole - (size_t)(open + 1 - value));
        open = close ? memchr(close, '<', whole - (size_t)(close - value)) : NULL;
    } else {
        open = memchr(value, '<', whole);
    }
    if (open) {
        *length = strcspn(open + 1, ">\r");
        return open + 1;
    }
    *length = strcspn(value, ";, \t\r");
    return value;
}

const char *sip_tag(const char *line)
{
    size_t length;
    const char *uri = sip_uri(line, &length), *tag = strstr(uri + length, ";tag=");

    return tag && tag < strchr(line, '\r') ? tag + 5 : "";
}

bool sip_address(const char *uri, struct sockaddr_in *to)
{
    const char *at = strpbrk(uri, "@; >\r");
    char ip[16];
    unsigned port = 5060;

    memset(to, 0, sizeof *to);
    to->sin_family = AF_INET;
    if (strncasecmp(uri, "sip:", 4) || !at ||
        sscanf(*at == '@' ? at + 1 : uri + 4, "%15[0-9.]:%5u", ip, &port) < 1)
        return false;
    to->sin_port = htons((uint16_t)port);
    return port <= 65535 && inet_pton(AF_INET, ip, &to->sin_addr) == 1;
}

void sip_print(const struct sockaddr_in *address, char text[32])
{
    char ip[INET_ADDRSTRLEN] = "";

    inet_ntop(AF_INET, &address->sin_addr, ip, sizeof ip);
    snprintf(text, 32, "%s:%u", ip, ntohs(address->sin_port));
}

bool sip_splice(char *text, char *at, size_t remove, const char *insert)
{
    size_t rest = strlen(at + remove) + 1, length = strlen(insert);

    if ((size_t)(at - text) + length + rest > SIP_ROOM)
        return false;
    memmove(at + length, at + remove, rest);
    memcpy(at, insert, length);
    return true;
}

bool sip_remove_value(char *text, char *line)
{
    char *value = sip_value(line);
    size_t length = sip_length(value);

    if (value[length] == ',')
        return sip_splice(text, value, length + 1, "");
    return sip_splice(text, line, (size_t)(strstr(line, "\r\n") + 2 - line), "");
}

/* The parameter `;name` in the first value of a Via line, or NULL. */
static char *parameter(const char *line, const char *name)
{
    char *value = sip_value(line), *found = value;
    size_t length = strlen(name), whole = sip_length(value);

    while ((found = memchr(found, ';', whole - (size_t)(found - value))) != NULL) {
        found += 1 + strspn(found + 1, " \t");
        if (!strncasecmp(found, name, length) && strchr("=;, \t\r", found[length]))
            return found;
        if (found >= value + whole)
            break;
    }
    return NULL;
}

bool sip_stamp_via(char *text, const struct sockaddr_in *from, bool forced)
{
    char stamp[64], ip[INET_ADDRSTRLEN] = "", *via = sip_header(text, "Via"), *rport;
    unsigned port = ntohs(from->sin_port);
    size_t old = 0;

    if (!via)
        return false;
    inet_ntop(AF_INET, &from->sin_addr, ip, sizeof ip);
    rport = parameter(via, "rport");
    if (rport) {
        old = strcspn(rport, ";, \t\r");
        snprintf(stamp, sizeof stamp, "rport=%u;received=%s", port, ip);
    } else {
        rport = sip_value(via) + sip_length(sip_value(via));
        if (forced)
            snprintf(stamp, sizeof stamp, ";rport=%u;received=%s", port, ip);
        else
            snprintf(stamp, sizeof stamp, ";received=%s", ip);
    }
    return sip_splice(text, rport, old, stamp);
}

bool sip_hop(char *text)
{
    char *hops = sip_header(text, "Max-Forwards"), left[16];
    unsigned long count;

    if (!hops)
        return sip_splice(text, strstr(text, "\r\n") + 2, 0, "Max-Forwards: 70\r\n");
    hops = sip_value(hops);
    count = strtoul(hops, NULL, 10);
    if (count == 0 || count > 255)
        return false;
    snprintf(left, sizeof left, "%lu", count - 1);
    return sip_splice(text, hops, strcspn(hops, "\r"), left);
}

uint64_t sip_hash(uint64_t seed, const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        seed = (seed ^ (unsigned char)bytes[i]) * UINT64_C(1099511628211);
    return seed;
}

bool sip_pass_on(char *text, const char *own, bool record)
{
    const char *via = sip_header(text, "Via"), *call = sip_header(text, "Call-ID"),
               *cseq = sip_header(text, "CSeq");
    uint64_t branch = SIP_SEED;
    char lines[256];
    int length;

    if (!via || !call || !cseq)
        return false;
    branch = sip_hash(branch, sip_value(via), sip_length(sip_value(via)));
    branch = sip_hash(branch, sip_value(call), strcspn(sip_value(call), "\r"));
    branch = sip_hash(branch, sip_value(cseq), strspn(sip_value(cseq), "0123456789"));
    length = snprintf(lines, sizeof lines, "Via: SIP/2.0/UDP %s;branch=z9hG4bK%016llx\r\n", own,
                      (unsigned long long)branch);
    if (record)
        snprintf(lines + length, sizeof lines - (size_t)length, "Record-Route: <sip:%s;lr>\r\n", own);
    return sip_splice(text, strstr(text, "\r\n") + 2, 0, lines);
}

bool sip_pass_back(char *text, const char *own, struct sockaddr_in *to)
{
    char *via = sip_header(text, "Via"), *sent_by, *received, *rport, uri[96];
    size_t length = strlen(own);

    sent_by = via ? strpbrk(sip_value(via), " \t\r") : NULL;
    if (!sent_by)
        return false;
    sent_by += strspn(sent_by, " \t");
    if (strncmp(sent_by, own, length) || !strchr(";, \t\r", sent_by[length]) ||
        !sip_remove_value(text, via))
        return false;
    via = sip_header(text, "Via");
    sent_by = via ? strpbrk(sip_value(via), " \t\r") : NULL;
    if (!sent_by)
        return false;
    sent_by += strspn(sent_by, " \t");
    snprintf(uri, sizeof uri, "sip:%.*s;", (int)strcspn(sent_by, ";, \t\r"), sent_by);
    received = parameter(via, "received");
    rport = parameter(via, "rport");
    if (received) {
        char *port = strchr(uri + 4, ':');
        unsigned at = port ? (unsigned)strtoul(port + 1, NULL, 10) : 5060;
        if (rport && rport[5] == '=')
            at = (unsigned)strtoul(rport + 6, NULL, 10);
        received += received[8] == '=' ? 9 : 8;
        snprintf(uri, sizeof uri, "sip:%.*s:%u;", (int)strcspn(received, ";, \t\r"), received, at);
    }
    return sip_address(uri, to);
}

size_t sip_reply(const char *request, const char *status, const char *tag, const char *more,
                 char *reply)
{
    static const char *const copied[] = { "Via", "From", "To", "Call-ID", "CSeq" };
    size_t used = (size_t)snprintf(reply, SIP_ROOM, "SIP/2.0 %s\r\n", status);

    for (size_t i = 0; i < sizeof copied / sizeof *copied; i++) {
        const char *line = sip_header(request, copied[i]);
        for (; line && used < SIP_ROOM; line = sip_header(line, copied[i])) {
            bool add = !strcmp(copied[i], "To") && !*sip_tag(line);
            used += (size_t)snprintf(reply + used, SIP_ROOM - used, "%.*s%s%s\r\n",
                                     (int)strcspn(line, "\r"), line, add ? ";tag=" : "",
                                     add ? tag : "");
        }
    }
    if (used < SIP_ROOM)
        used += (size_t)snprintf(reply + used, SIP_ROOM - used, "%sContent-Length: 0\r\n\r\n", more);
    return used < SIP_ROOM ? used : 0;
}

int sip_listen(const char *where, bool shared, struct sockaddr_in *own)
{
    socklen_t length = sizeof *own;
    char uri[64];
    int socket_of_ours, yes = 1, failed;

    snprintf(uri, sizeof uri, "sip:%s;", where);
    errno = EINVAL;
    if (!sip_address(uri, own))
        return -1;
    socket_of_ours = socket(AF_INET, SOCK_DGRAM, 0);
    if (socket_of_ours < 0)
        return -1;
    if ((!shared || !setsockopt(socket_of_ours, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof yes)) &&
        !bind(socket_of_ours, (struct sockaddr *)own, length) &&
        !getsockname(socket_of_ours, (struct sockaddr *)own, &length))
        return socket_of_ours;
    failed = errno;
    close(socket_of_ours);
    errno = failed;
    return -1;
}
