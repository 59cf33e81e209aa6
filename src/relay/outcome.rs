//! The outcomes of exchanges. Here alone an outcome changes the health and the
//! counters of a relay and causes a log line.

use crate::log::{Level, Log};
use crate::relay::{Protocol, Relay};
use crate::shared::health::{RelayCounter, RelayHealth, Slot};
use crate::shared::{Counter, Counters, HealthTable};

/// The outcome of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The relay answered.
    Answered,
    /// The relay refused the query, or its answer cannot be used for the message.
    Refused,
    /// The relay closed the connection after the query, or sent bytes that are not
    /// an answer. The reason may be the message, so the health does not change.
    ProtocolError,
    /// The connection to the relay failed.
    Unreachable,
    /// The relay did not answer in time.
    TimedOut,
    /// This process had no descriptor, no memory or not enough time for the query.
    LocalFailure,
}

/// The purpose of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To rewrite a message.
    Message,
    /// To delete a session.
    Delete,
    /// A delete or a report sent without waiting. It was counted when it was sent,
    /// and its answer was read later.
    Unawaited,
    /// To find out whether the relay works.
    Probe,
}

/// Records outcomes in the health table, the counters and the log.
#[derive(Clone, Copy, Debug)]
pub struct Records<'r> {
    /// The health of the relays.
    pub health: HealthTable<'r>,
    /// The counters of the server.
    pub counters: Counters<'r>,
    /// The log for changes of health.
    pub log: &'r Log,
}

impl Records<'_> {
    /// Records the outcome of an exchange that is over, at `now` (milliseconds of
    /// the monotonic clock).
    ///
    /// | outcome | message | delete | probe |
    /// |---|---|---|---|
    /// | answered | up | up, counted | up |
    /// | refused | up, counted as refusal | up, counted | dead |
    /// | protocol error | counted as refusal | | unreachable |
    /// | unreachable | unreachable, counted as failure | unreachable | unreachable |
    /// | timed out | suspect, counted as failure | suspect | dead |
    /// | local failure | counted as failure | | probed again at once |
    ///
    /// One process logs that a relay went down or answers again. A relay that did
    /// not answer may be started again as another version, so its stored protocol
    /// is cleared.
    pub fn record(&self, relay: &Relay, outcome: Outcome, purpose: Purpose, now: u64) {
        if let Some(slot) = relay.slot {
            self.record_slot(relay, slot, outcome, purpose, now);
        }
    }

    /// Records the protocol that a relay has answered in.
    pub fn record_protocol(&self, relay: &Relay, protocol: Protocol) {
        if let Some(slot) = relay.slot {
            self.health.set_protocol(slot, protocol as u64);
        }
    }

    /// Records that a query was sent whose answer has not come yet. An unreachable
    /// relay is then up; other states do not change.
    pub fn record_sent(&self, relay: &Relay, now: u64) {
        let Some(slot) = relay.slot else { return };
        if self.health.state(relay.slot).health == RelayHealth::Unreachable
            && self.health.mark_alive(slot, now)
        {
            self.report(relay, Outcome::Answered, Purpose::Unawaited);
        }
    }

    fn record_slot(&self, relay: &Relay, slot: Slot, outcome: Outcome, purpose: Purpose, now: u64) {
        let health = self.health;
        match (purpose, outcome) {
            (Purpose::Message, Outcome::Refused | Outcome::ProtocolError) => {
                health.count(slot, RelayCounter::Refusals);
            }
            (
                Purpose::Message,
                Outcome::Unreachable | Outcome::TimedOut | Outcome::LocalFailure,
            ) => health.count(slot, RelayCounter::Failures),
            (Purpose::Delete, Outcome::Answered | Outcome::Refused) => {
                health.count(slot, RelayCounter::Deletes);
            }
            _ => {}
        }
        let changed = match (purpose, outcome) {
            (Purpose::Probe, Outcome::Refused | Outcome::TimedOut) => {
                health.mark_dead(slot, now);
                false
            }
            (Purpose::Probe, Outcome::ProtocolError) => {
                health.mark_unreachable(slot, now);
                false
            }
            (Purpose::Probe, Outcome::LocalFailure) => {
                health.probe_now(slot, now);
                false
            }
            (_, Outcome::Answered | Outcome::Refused) => {
                // Nearly always nothing changes, and this costs one load.
                let is_down = health.state(relay.slot).health != RelayHealth::Up;
                is_down && health.mark_alive(slot, now)
            }
            (_, Outcome::Unreachable) => {
                health.mark_unreachable(slot, now) && purpose != Purpose::Probe
            }
            (_, Outcome::TimedOut) => health.mark_suspect(slot, now),
            (_, Outcome::ProtocolError | Outcome::LocalFailure) => false,
        };
        if matches!(outcome, Outcome::ProtocolError | Outcome::Unreachable | Outcome::TimedOut) {
            health.set_protocol(slot, 0);
        }
        if changed {
            self.report(relay, outcome, purpose);
        }
    }

    #[cold]
    fn report(&self, relay: &Relay, outcome: Outcome, purpose: Purpose) {
        let name = &relay.uri.text;
        let what = match outcome {
            Outcome::Unreachable => "unreachable",
            Outcome::TimedOut => "timed out",
            _ => {
                self.counters.count(Counter::RelaysRecovered);
                return self.log.write(Level::Info, format_args!("relay {name} answers again"));
            }
        };
        let then = match purpose {
            Purpose::Delete => "delete requests stay queued",
            Purpose::Message | Purpose::Unawaited | Purpose::Probe => {
                "not used until a probe succeeds"
            }
        };
        self.counters.count(Counter::RelaysFailed);
        self.log.write(Level::Warning, format_args!("relay {name} {what}; {then}"));
    }
}

#[cfg(test)]
mod tests;
