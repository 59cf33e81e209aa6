/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The host of a URI (RFC 3261 section 19.1.1), where a message goes next. A
 * server's own parser takes all the rest apart as well.
 */
#include <string.h>

#include "mpm.h"

mp_str mpm_uri_host(mp_str uri)
{
    mp_str host = { NULL, 0 };
    const char *end, *from, *stop;
    int bracketed;

    if (uri.len == 0)
        return host;
    end = uri.ptr + uri.len;
    /* An at sign stands in it once at most. */
    from = memchr(uri.ptr, '@', uri.len);
    if (from == NULL)
        from = memchr(uri.ptr, ':', uri.len);
    if (from == NULL)
        return host;
    host.ptr = stop = from + 1;
    bracketed = stop < end && *stop == '[';
    while (stop < end && *stop != ';' && *stop != '?' && (*stop != ':' || bracketed))
        if (*stop++ == ']')
            break;
    host.len = (size_t)(stop - host.ptr);
    return host;
}
