/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The statistics of the library and the counters of the embedded relay, by
 * index: first the former, then the latter. */
#include <stdlib.h>
#include <string.h>

#include "state.h"

/* How long values are kept (milliseconds): a server reads all of them, one after
 * the other, and each new set costs a walk over the call table. */
#define MOMENT 100

struct embedded {
    mp_proxy_counters counters;
    uint64_t starts;
};

#define AT(member) offsetof(struct embedded, member)

static const struct {
    struct mpm_number number;
    size_t at;
} embedded[] = {
    { { "embedded_sessions", "Sessions on the embedded relay now.", 1 }, AT(counters.sessions) },
    { { "embedded_ports", "UDP sockets the embedded relay has open for media now.", 1 },
      AT(counters.open_ports) },
    { { "embedded_received", "Media packets the embedded relay received since its start.", 0 },
      AT(counters.received) },
    { { "embedded_relayed", "Media packets it forwarded.", 0 }, AT(counters.relayed) },
    { { "embedded_dropped", "Media packets it dropped.", 0 }, AT(counters.dropped) },
    { { "embedded_refused", "Requests it answered with an error.", 0 }, AT(counters.refused) },
    { { "embedded_starts", "Times the embedded relay was started.", 0 }, AT(starts) },
};

/* The statistics of the library, with a NUL after each text. */
static struct mpm_number *library;

static const char *copy(mp_str text)
{
    char *made = malloc(text.len + 1);

    if (made == NULL)
        return "";
    memcpy(made, text.ptr, text.len);
    made[text.len] = '\0';
    return made;
}

static int read_library(void)
{
    size_t count = mp_statistics_count();
    struct mpm_number *made;

    if (library != NULL)
        return 0;
    made = calloc(count, sizeof *made);
    if (made == NULL)
        return -1;
    for (size_t i = 0; i < count; i++) {
        made[i].name = copy(mp_statistics_name(i));
        made[i].help = copy(mp_statistics_help(i));
        made[i].gauge = mp_statistics_kind(i) == MP_STATISTIC_GAUGE;
    }
    library = made;
    return 0;
}

int mpm_number(size_t index, struct mpm_number *number)
{
    size_t count = mp_statistics_count();

    if (index >= count + sizeof embedded / sizeof *embedded)
        return -1;
    if (index >= count)
        *number = embedded[index - count].number;
    else if (read_library() == 0)
        *number = library[index];
    else
        return -1;
    return 0;
}

uint64_t mpm_number_value(size_t index)
{
    static mp_statistics statistics;
    static struct embedded relay;
    static uint64_t read_at;
    size_t count = mp_statistics_count();
    uint64_t now = mp_now(), value = 0;

    if (mpm.engine == NULL || index >= count + sizeof embedded / sizeof *embedded)
        return 0;
    if (read_at == 0 || now - read_at >= MOMENT) {
        memset(&statistics, 0, sizeof statistics);
        memset(&relay, 0, sizeof relay);
        (void)mp_statistics_get(mpm.engine, &statistics, sizeof statistics);
        (void)mpm_relay_counters(&relay.counters, &relay.starts);
        read_at = now;
    }
    if (index < count)
        return mp_statistics_value(&statistics, sizeof statistics, index);
    memcpy(&value, (const char *)&relay + embedded[index - count].at, sizeof value);
    return value;
}
