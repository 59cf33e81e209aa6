/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Counters by index: the statistics of the library, then the counters of the
 * embedded relay, then how often that was started. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "state.h"

/* How long values are kept (milliseconds): a server reads all of them, one after
 * the other, and each new set costs a walk over the call table. */
#define MOMENT 100

static const struct mpm_number starts = {
    "embedded_starts", "Embedded relay: times it was started.", 0
};

/* All but the last one, with a NUL after each text. */
static struct mpm_number *numbers;

static const char *copy(const char *before, mp_str text)
{
    size_t size = strlen(before) + text.len + 1;
    char *made = malloc(size);

    if (made == NULL)
        return "";
    snprintf(made, size, "%s%.*s", before, (int)text.len, text.ptr);
    return made;
}

static int make_numbers(size_t of_library, size_t of_relay)
{
    struct mpm_number *made;

    if (numbers != NULL)
        return 0;
    made = calloc(of_library + of_relay, sizeof *made);
    if (made == NULL)
        return -1;
    for (size_t i = 0; i < of_library; i++) {
        made[i].name = copy("", mp_statistics_name(i));
        made[i].help = copy("", mp_statistics_help(i));
        made[i].gauge = mp_statistics_kind(i) == MP_STATISTIC_GAUGE;
    }
    for (size_t i = 0; i < of_relay; i++) {
        made[of_library + i].name = copy("embedded_", mp_proxy_counters_name(i));
        made[of_library + i].help = copy("Embedded relay: ", mp_proxy_counters_help(i));
        made[of_library + i].gauge = mp_proxy_counters_kind(i) == MP_STATISTIC_GAUGE;
    }
    numbers = made;
    return 0;
}

int mpm_number(size_t index, struct mpm_number *number)
{
    size_t of_library = mp_statistics_count(), of_relay = mp_proxy_counters_count();

    if (index > of_library + of_relay || make_numbers(of_library, of_relay) != 0)
        return -1;
    *number = index < of_library + of_relay ? numbers[index] : starts;
    return 0;
}

uint64_t mpm_number_value(size_t index)
{
    static mp_statistics library;
    static mp_proxy_counters relay;
    static uint64_t relay_starts, read_at;
    size_t of_library = mp_statistics_count(), of_relay = mp_proxy_counters_count();
    uint64_t now = mp_now();

    if (mpm.engine == NULL || index > of_library + of_relay)
        return 0;
    if (read_at == 0 || now - read_at >= MOMENT) {
        memset(&library, 0, sizeof library);
        memset(&relay, 0, sizeof relay);
        relay_starts = 0;
        (void)mp_statistics_get(mpm.engine, &library, sizeof library);
        (void)mpm_relay_counters(&relay, &relay_starts);
        read_at = now;
    }
    if (index < of_library)
        return mp_statistics_value(&library, sizeof library, index);
    if (index < of_library + of_relay)
        return mp_proxy_counters_value(&relay, sizeof relay, index - of_library);
    return relay_starts;
}
