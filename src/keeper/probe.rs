//! Probes relays that do not answer.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use crate::Engine;
use crate::keeper::duty::{ANSWER_WITHIN, Duty, WAITING};
use crate::relay::link::{Pool, Wire};
use crate::relay::{Exchange, Facts, Limits, Purpose, Query};
use crate::shared::Counter;
use crate::shared::health::{AdminState, RelayCounter, Slot};

/// A relay with queued deletes is probed this often (milliseconds), so that they
/// are sent soon after it answers again.
const PROBE_WAITED_FOR_EVERY: u64 = 2000;

/// The pending probes.
#[derive(Debug)]
pub(super) struct Probes {
    running: Vec<Probe>,
    pool: Pool<()>,
    /// The key for the Call-IDs of probes, which cannot be guessed.
    secret: RandomState,
    count: u64,
    /// When relays with queued deletes are probed next (milliseconds).
    probe_now_at: u64,
}

#[derive(Debug)]
struct Probe {
    slot: Slot,
    exchange: Exchange,
    wire: Wire<()>,
}

impl Probes {
    pub(super) fn new(pool: Pool<()>) -> Self {
        Probes { running: Vec::new(), pool, secret: RandomState::new(), count: 0, probe_now_at: 0 }
    }

    /// Makes the probes of relays with queued deletes due at once.
    fn probe_waited_for(&mut self, engine: &Engine, now: u64) {
        let (health, deletes) = (engine.health(), engine.deletes());
        if now < self.probe_now_at || !health.slots().any(|slot| is_down(engine, slot)) {
            return;
        }
        self.probe_now_at = now.saturating_add(PROBE_WAITED_FOR_EVERY);
        if deletes.is_empty() {
            return;
        }
        for slot in health.slots().filter(|slot| is_down(engine, *slot)) {
            if deletes.len_of(slot.identity()) > 0 {
                health.probe_now(slot, now);
            }
        }
    }

    /// Starts the probe of a relay. `None` when its name is no longer stored, or
    /// when no probe can be sent.
    fn begin(&mut self, engine: &Engine, slot: Slot, now: u64) -> Option<Probe> {
        let relay = engine.relay(slot.identity())?;
        let facts = Facts::of(engine.health(), &relay);
        let until = now.saturating_add(ANSWER_WITHIN);
        let limits = Limits { since: now, until, enough: 0 };
        let mut exchange = Exchange::new(Query::probe(self.call_id().as_bytes()));
        exchange.begin(&Arc::new(relay), facts, limits).ok()?;
        engine.health().count(slot, RelayCounter::Probes);
        engine.counters().count(Counter::Probes);
        Some(Probe { slot, exchange, wire: Wire::default() })
    }

    fn call_id(&mut self) -> String {
        self.count = self.count.wrapping_add(1);
        let half = |which: u8| self.secret.hash_one((self.count, which, std::process::id()));
        format!("probe-{:016x}{:016x}", half(0), half(1))
    }

    /// Drives a probe; `None` when it is over.
    fn drive(&mut self, engine: &Engine, mut probe: Probe, now: u64) -> Option<Probe> {
        if !probe.wire.drive(&mut probe.exchange, &mut self.pool, now) {
            return Some(probe);
        }
        self.pool.clear();
        probe.exchange.record(&engine.records(), Purpose::Probe, now);
        None
    }
}

impl Duty for Probes {
    fn turn(&mut self, engine: &Engine, now: u64) -> u64 {
        for probe in std::mem::take(&mut self.running) {
            let probe = self.drive(engine, probe, now);
            self.running.extend(probe);
        }
        self.probe_waited_for(engine, now);
        let health = engine.health();
        for slot in health.slots().filter(|slot| is_down(engine, *slot)) {
            let is_running = self.running.iter().any(|probe| probe.slot == slot);
            if is_running || !health.claim_probe(slot, now) {
                continue;
            }
            if let Some(probe) = self.begin(engine, slot, now) {
                let probe = self.drive(engine, probe, now);
                self.running.extend(probe);
            }
        }
        if self.running.is_empty() { u64::MAX } else { now.saturating_add(WAITING) }
    }

    fn release(&mut self, _: &Engine, _: u64) {
        self.running.clear();
        self.pool.clear();
    }
}

fn is_down(engine: &Engine, slot: Slot) -> bool {
    let state = engine.health().state(Some(slot));
    !state.is_usable() && state.admin_state != AdminState::Disabled
}
