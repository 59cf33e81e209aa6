/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The counters of the library and of the embedded relay, by name. */
#include <string.h>

#include "state.h"

/* For so long they are of one moment (milliseconds): all are asked for one
 * after the other, and each time the call table is looked through. */
#define MOMENT 100

struct numbers {
    mp_statistics library;
    mp_proxy_counters relay;
    uint64_t relay_starts;
};

#define AT(member) offsetof(struct numbers, member)

static const struct {
    struct mpm_number number;
    size_t at;
} numbers[] = {
    { { "sessions", "calls known now", 1 }, AT(library.active_calls) },
    { { "sessions_max", "calls that can be known", 1 }, AT(library.max_calls) },
    { { "requests", "times a relay was asked", 0 }, AT(library.requests) },
    { { "offers", "offers among them", 0 }, AT(library.offers) },
    { { "answers", "answers among them", 0 }, AT(library.answers) },
    { { "rewritten", "session descriptions rewritten", 0 }, AT(library.rewritten) },
    { { "failed_no_relay", "failures: no relay to be had", 0 }, AT(library.failed_no_relay) },
    { { "failed_timeout", "failures: a relay was silent", 0 }, AT(library.failed_timeout) },
    { { "failed_answer", "failures: a relay refused", 0 }, AT(library.failed_answer) },
    { { "failed_other", "failures of other kinds", 0 }, AT(library.failed_other) },
    { { "failovers", "offers that went on to another relay", 0 }, AT(library.failovers) },
    { { "ends", "ends of calls and branches", 0 }, AT(library.terminations) },
    { { "ends_withheld", "ends kept back for a branch that lives", 0 },
      AT(library.deletes_withheld) },
    { { "ends_told", "ends told to a relay at once", 0 }, AT(library.deletes_sent) },
    { { "deletes_waiting", "ends that wait for their relay", 1 }, AT(library.deletes_waiting) },
    { { "deletes_queued", "ends that had to wait", 0 }, AT(library.deletes_queued) },
    { { "deletes_delivered", "of these, delivered", 0 }, AT(library.deletes_flushed) },
    { { "deletes_cancelled", "of these, forgotten for a new offer", 0 },
      AT(library.deletes_cancelled) },
    { { "deletes_dropped", "ends that were given up", 0 }, AT(library.deletes_dropped) },
    { { "calls_forgotten", "calls the table had no room for", 0 }, AT(library.calls_not_stored) },
    { { "relays_failed", "times a relay fell silent", 0 }, AT(library.relays_failed) },
    { { "relays_recovered", "times a relay came back", 0 }, AT(library.relays_recovered) },
    { { "probes", "probes of relays", 0 }, AT(library.probes) },
    { { "list_changes", "changes of the client lists", 0 }, AT(library.client_list_changes) },
    { { "relay_changes", "changes of the relays file", 0 }, AT(library.relays_file_changes) },
    { { "embedded_sessions", "sessions on the embedded relay", 1 }, AT(relay.sessions) },
    { { "embedded_ports", "its open ports", 1 }, AT(relay.open_ports) },
    { { "embedded_received", "packets it received since it was started", 0 },
      AT(relay.received) },
    { { "embedded_relayed", "of these, forwarded", 0 }, AT(relay.relayed) },
    { { "embedded_dropped", "of these, dropped", 0 }, AT(relay.dropped) },
    { { "embedded_refused", "requests it refused", 0 }, AT(relay.refused) },
    { { "embedded_starts", "times it was started", 0 }, AT(relay_starts) },
};

const struct mpm_number *mpm_number(size_t index)
{
    return index < sizeof numbers / sizeof *numbers ? &numbers[index].number : NULL;
}

uint64_t mpm_number_value(size_t index)
{
    static struct numbers now;
    static uint64_t taken;
    uint64_t time = mp_now(), value = 0;

    if (mpm_number(index) == NULL || mpm.engine == NULL)
        return 0;
    if (taken == 0 || time - taken >= MOMENT) {
        memset(&now, 0, sizeof now);
        (void)mp_statistics_get(mpm.engine, &now.library, sizeof now.library);
        (void)mpm_relay_counters(&now.relay, &now.relay_starts);
        taken = time;
    }
    memcpy(&value, (const char *)&now + numbers[index].at, sizeof value);
    return value;
}
