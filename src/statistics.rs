//! What a server has done, of all its processes together, at one moment.

use std::collections::BTreeMap;

use crate::Engine;
use crate::relay::{Relay, RelayLine};
use crate::shared::Counter;
use crate::shared::counters::LATENCY_BUCKETS;
use crate::shared::health::{RelayCounter, State};

mod write;

/// A relay that is listed, or was while a process still knows it.
#[derive(Clone, Debug)]
pub struct RelayStatistics {
    /// Its name.
    pub name: String,
    /// What the list says of when it is chosen; none for a relay that is in no
    /// list any more. One that was named twice comes twice.
    pub line: Option<RelayLine>,
    /// Whether it answers, and what was ordered.
    pub state: State,
    /// Calls on it.
    pub active_calls: u64,
    /// Ends that wait for it.
    pub deletes_waiting: u64,
    /// What was counted, in the order of [`RelayCounter::ALL`].
    pub counted: [u64; RelayCounter::ALL.len()],
}

impl RelayStatistics {
    /// One of what was counted.
    pub fn counted(&self, counter: RelayCounter) -> u64 {
        self.counted.get(counter as usize).copied().unwrap_or(0)
    }
}

/// All of it.
#[derive(Clone, Debug)]
pub struct Statistics {
    /// In the order of [`Counter::ALL`].
    pub counted: [u64; Counter::ALL.len()],
    /// Rewrites by the time they took: see
    /// [`crate::shared::counters::LATENCY_BOUNDS`].
    pub latency: [u64; LATENCY_BUCKETS],
    /// Their time together (milliseconds).
    pub latency_sum: u64,
    /// Calls in the call table.
    pub active_calls: u64,
    /// How many fit into it.
    pub max_calls: u64,
    /// Ends that wait for their relay.
    pub deletes_waiting: u64,
    /// The relays, as they are listed, then those that were.
    pub relays: Vec<RelayStatistics>,
}

impl Statistics {
    /// Reads the counters; looks through the whole call table, which takes a
    /// millisecond or so, and reads the relays file.
    pub fn of(engine: &Engine) -> Statistics {
        let (counters, health) = (engine.counters(), engine.health());
        let deletes = engine.deletes();
        let mut sessions: BTreeMap<u32, u64> = BTreeMap::new();
        engine.calls().for_each_relay(|relay| *sessions.entry(relay).or_default() += 1);
        let total = sessions.values().sum();
        let about = |relay: &Relay, line: Option<RelayLine>| RelayStatistics {
            name: relay.uri.text.clone(),
            line,
            state: health.state(relay.slot),
            active_calls: sessions.get(&relay.identity).copied().unwrap_or(0),
            deletes_waiting: deletes.len_of(relay.identity) as u64,
            counted: RelayCounter::ALL
                .map(|counter| relay.slot.map_or(0, |slot| health.counted(slot, counter))),
        };
        let listed = engine.load_relays_quietly();
        let mut relays: Vec<_> =
            listed.lines().map(|(line, relay)| about(relay, Some(line.clone()))).collect();
        for slot in health.slots().filter(|slot| listed.find(slot.identity()).is_none()) {
            relays.extend(engine.relay(slot.identity()).map(|relay| about(&relay, None)));
        }
        Statistics {
            counted: Counter::ALL.map(|counter| counters.get(counter)),
            latency: counters.latency(),
            latency_sum: counters.latency_sum(),
            active_calls: total,
            max_calls: engine.calls().capacity() as u64,
            deletes_waiting: deletes.len() as u64,
            relays,
        }
    }

    /// One of what was counted.
    pub fn counted(&self, counter: Counter) -> u64 {
        self.counted.get(counter as usize).copied().unwrap_or(0)
    }
}
