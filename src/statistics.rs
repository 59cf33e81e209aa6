//! The metrics of a server, all its processes together, at one moment.

use std::collections::BTreeMap;

use crate::Engine;
use crate::now;
use crate::relay::{Relay, RelayLine};
use crate::shared::counters::LATENCY_BUCKETS;
use crate::shared::health::State;

pub use crate::metrics::{Kind, Metric};
pub use crate::shared::counters::{Counter, RelayCounter};

mod write;

/// The metrics of one relay, which is in a list, or has a slot in the health table
/// from an earlier list.
#[derive(Clone, Debug)]
pub struct RelayStatistics {
    /// The relay's name.
    pub name: String,
    /// The relay's line in the list: set, weight and priority. `None` for a relay
    /// that is in no list any more. A relay with two lines comes twice.
    pub line: Option<RelayLine>,
    /// The health and the admin state.
    pub state: State,
    /// A value for each row of [`RelayCounter::TABLE`].
    pub values: [u64; RelayCounter::ALL.len()],
}

impl RelayStatistics {
    /// The value of one metric.
    pub fn value(&self, counter: RelayCounter) -> u64 {
        self.values.get(counter as usize).copied().unwrap_or(0)
    }
}

/// The metrics of a server and of its relays.
#[derive(Clone, Debug)]
pub struct Statistics {
    /// A value for each row of [`Counter::TABLE`].
    pub values: [u64; Counter::ALL.len()],
    /// SDP rewrites by their duration: see
    /// [`crate::shared::counters::LATENCY_BOUNDS`].
    pub latency: [u64; LATENCY_BUCKETS],
    /// Sum of their durations (milliseconds).
    pub latency_sum: u64,
    /// The relays in the order of the list, then those that were removed from
    /// it.
    pub relays: Vec<RelayStatistics>,
}

impl Statistics {
    /// Reads the counters of all processes, the whole call table, which takes about
    /// a millisecond, and the relays file.
    pub fn of(engine: &Engine) -> Statistics {
        let (counters, health) = (engine.counters(), engine.health());
        let deletes = engine.deletes();
        let mut calls: BTreeMap<u32, u64> = BTreeMap::new();
        let seconds = u32::try_from(now() / 1000).unwrap_or(u32::MAX);
        let count = |relay| *calls.entry(relay).or_default() += 1;
        engine.calls().for_each_relay(seconds, count);
        let total = calls.values().sum();
        let about = |relay: &Relay, line: Option<RelayLine>| RelayStatistics {
            name: relay.uri.text.clone(),
            line,
            state: health.state(relay.slot),
            values: RelayCounter::ALL.map(|counter| match counter {
                RelayCounter::ActiveCalls => calls.get(&relay.identity).copied().unwrap_or(0),
                RelayCounter::DeletesWaiting => deletes.len_of(relay.identity) as u64,
                _ => relay.slot.map_or(0, |slot| health.counted(slot, counter)),
            }),
        };
        let listed = engine.load_relays_quietly();
        let mut relays: Vec<_> =
            listed.lines().map(|(line, relay)| about(relay, Some(line.clone()))).collect();
        for slot in health.slots().filter(|slot| listed.find(slot.identity()).is_none()) {
            relays.extend(engine.relay(slot.identity()).map(|relay| about(&relay, None)));
        }
        Statistics {
            values: Counter::ALL.map(|counter| match counter {
                Counter::ActiveCalls => total,
                Counter::MaxCalls => engine.calls().capacity() as u64,
                Counter::DeletesWaiting => deletes.len() as u64,
                _ => counters.get(counter),
            }),
            latency: counters.latency(),
            latency_sum: counters.latency_sum(),
            relays,
        }
    }

    /// The value of one metric.
    pub fn value(&self, counter: Counter) -> u64 {
        self.values.get(counter as usize).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests;
