//! Flushes the queue of delete requests.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::Engine;
use crate::keeper::duty::{ANSWER_WITHIN, Duty, WAITING};
use crate::relay::link::{Pool, Wire};
use crate::relay::{Exchange, Facts, Limits, Outcome, Purpose, Query};
use crate::shared::Counter;
use crate::shared::deletes::{Claim, KEPT_FOR};

/// The maximum number of pending requests to one relay, each on its own
/// connection.
const AT_ONCE: usize = 16;
/// The maximum number of pending requests to all relays.
const ALL_AT_ONCE: usize = 128;
/// A delete that failed is tried again after this (milliseconds). Until then no
/// other delete is sent to its relay, which would most likely fail too.
const PAUSE: u64 = 500;

/// The pending delete requests.
#[derive(Debug)]
pub(super) struct Flush {
    running: Vec<Running>,
    pool: Pool<()>,
    cursor: usize,
    /// The relays that are paused, by identity, and until when (milliseconds).
    paused: BTreeMap<u32, u64>,
}

#[derive(Debug)]
struct Running {
    claim: Claim,
    exchange: Exchange,
    wire: Wire<()>,
}

impl Flush {
    pub(super) fn new(pool: Pool<()>) -> Flush {
        Flush { running: Vec::new(), pool, cursor: 0, paused: BTreeMap::new() }
    }

    /// Drives a request; `None` when it is over.
    fn drive(&mut self, engine: &Engine, mut running: Running, now: u64) -> Option<Running> {
        if !running.wire.drive(&mut running.exchange, &mut self.pool, now) {
            return Some(running);
        }
        let deletes = engine.deletes();
        match running.exchange.outcome() {
            Some(Outcome::Answered | Outcome::Refused) => {
                if deletes.complete(&running.claim) {
                    engine.counters().count(Counter::DeletesFlushed);
                }
            }
            _ => {
                let not_before = now.saturating_add(PAUSE);
                deletes.release(&running.claim, not_before);
                self.paused.insert(running.claim.delete.relay, not_before);
            }
        }
        running.exchange.record(&engine.records(), Purpose::Delete, now);
        None
    }

    /// Starts the request of a claimed delete. `None` when it is over at once.
    fn begin(&mut self, engine: &Engine, claim: Claim, now: u64) -> Option<Running> {
        let deletes = engine.deletes();
        let is_old = now.saturating_sub(claim.queued) > KEPT_FOR;
        let relay = engine.relay(claim.delete.relay).filter(|_| !is_old);
        let begun = relay.and_then(|relay| {
            let mut exchange = Exchange::new(Query::of_delete(&claim.delete));
            let facts = Facts::of(engine.health(), &relay);
            let until = now.saturating_add(ANSWER_WITHIN);
            let limits = Limits { since: now, until, enough: 0 };
            exchange.begin(&Arc::new(relay), facts, limits).ok()?;
            Some(exchange)
        });
        let Some(exchange) = begun else {
            // The relay's address is no longer stored, or the relay has removed the
            // call by now because of its own timeout.
            if deletes.complete(&claim) {
                engine.counters().count(Counter::DeletesDropped);
            }
            return None;
        };
        // A new offer of the call may have cancelled the delete.
        if !deletes.is_held(&claim) {
            return None;
        }
        self.drive(engine, Running { claim, exchange, wire: Wire::default() }, now)
    }

    /// Claims a queued delete of a relay that is usable, not paused, and has fewer
    /// than [`AT_ONCE`] pending requests.
    fn claim(&mut self, engine: &Engine, now: u64) -> Option<Claim> {
        let health = engine.health();
        let (running, paused) = (&self.running, &self.paused);
        let wanted = |relay: u32| {
            let of_relay = |r: &&Running| r.claim.delete.relay == relay;
            !paused.contains_key(&relay)
                && running.iter().filter(of_relay).count() < AT_ONCE
                && health.state(health.slot(relay)).is_usable()
        };
        engine.deletes().claim(&mut self.cursor, now, wanted)
    }
}

impl Duty for Flush {
    fn turn(&mut self, engine: &Engine, now: u64) -> u64 {
        let deletes = engine.deletes();
        if deletes.is_empty() && self.running.is_empty() {
            return u64::MAX;
        }
        for running in std::mem::take(&mut self.running) {
            let running = self.drive(engine, running, now);
            self.running.extend(running);
        }
        self.paused.retain(|_, until| now < *until);
        let is_due = deletes.is_due(now);
        while is_due && self.running.len() < ALL_AT_ONCE {
            let Some(claim) = self.claim(engine, now) else { break };
            let running = self.begin(engine, claim, now);
            self.running.extend(running);
        }
        // An idle connection is not kept: its relay may close it, and the keeper's
        // descriptor would be ready until the connection is used again.
        self.pool.clear();
        if is_due {
            let dropped = deletes.sweep(now) as u64;
            engine.counters().add(Counter::DeletesDropped, dropped);
        }
        if self.running.is_empty() { u64::MAX } else { now.saturating_add(WAITING) }
    }

    fn release(&mut self, engine: &Engine, now: u64) {
        for running in self.running.drain(..) {
            engine.deletes().release(&running.claim, now);
        }
        self.pool.clear();
    }
}
