//! What an exchange says about its relay: the health, the counters and the log
//! line that follow from each outcome. Nobody else draws conclusions.

use crate::log::{Level, Log};
use crate::relay::{Protocol, Relay};
use crate::shared::health::{RelayCounter, RelayHealth, Slot};
use crate::shared::{Counter, Counters, HealthTable};

/// How an exchange ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The relay answered.
    Answered,
    /// It answered, and refused, or with what cannot be used for this message.
    Refused,
    /// It closed the connection behind our bytes, or sent what is no answer.
    /// That may be this message's fault.
    ProtocolError,
    /// No connection to it could be made.
    Unreachable,
    /// It was silent for its whole time.
    TimedOut,
    /// This process had no means or no time to ask: the relay is not to blame.
    LocalFailure,
}

/// What an exchange was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To rewrite a message.
    Message,
    /// To delete a session.
    Delete,
    /// A query that was sent without waiting, and counted then; its answer was
    /// read later.
    Unawaited,
    /// To learn whether the relay works.
    Probe,
}

/// Where outcomes are recorded.
#[derive(Clone, Copy, Debug)]
pub struct Records<'r> {
    /// The health of the relays.
    pub health: HealthTable<'r>,
    /// The counters of the server.
    pub counters: Counters<'r>,
    /// Where changes of health are reported.
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
    /// A relay that went down or came back is reported once for the server. One
    /// that did not answer may come back as another version: the protocol that it
    /// answered in is cleared.
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

    /// A query was sent to the relay and its answer is not known yet. That refutes
    /// `unreachable`, and nothing else.
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
                // One load where nothing changes, which is nearly always.
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
            Purpose::Delete | Purpose::Unawaited => "delete requests stay queued",
            Purpose::Message | Purpose::Probe => "not used until a probe succeeds",
        };
        self.counters.count(Counter::RelaysFailed);
        self.log.write(Level::Warning, format_args!("relay {name} {what}; {then}"));
    }
}

#[cfg(test)]
mod tests;
