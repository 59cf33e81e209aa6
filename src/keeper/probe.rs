//! Asking relays that do not answer whether they do again.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use crate::Engine;
use crate::bytes;
use crate::keeper::ask::{Ask, Line, Outcome};
use crate::keeper::event_loop::EventLoop;
use crate::log::Level;
use crate::relay::{Query, Relay, mediaproxy2};
use crate::shared::Counter;
use crate::shared::health::{AdminState, RelayCounter, Slot};

/// A relay that ends wait for is asked this often (milliseconds), so that they
/// reach it soon after it is back.
const WAITED_FOR_EVERY: u64 = 2000;

/// The probes under way.
#[derive(Debug)]
pub(super) struct Probes {
    running: Vec<Probe>,
    /// Where the number of a probe becomes a Call-ID nobody can guess.
    secret: RandomState,
    count: u64,
    /// When relays that ends wait for are asked next.
    probe_now_at: u64,
}

#[derive(Debug)]
struct Probe {
    slot: Slot,
    line: Line,
    ask: Ask,
}

impl Probes {
    pub(super) fn new() -> Self {
        let secret = RandomState::new();
        Probes { running: Vec::new(), secret, count: 0, probe_now_at: 0 }
    }

    /// Takes answers, and asks whom it is time to ask.
    pub(super) fn turn(&mut self, engine: &Engine, ready: &Arc<EventLoop>, now: u64) {
        self.running.retain_mut(|probe| {
            let Some(outcome) = probe.ask.turn(&mut probe.line, now) else { return true };
            judge(engine, &probe.line.relay, probe.slot, &outcome, now);
            false
        });
        let health = engine.health();
        let down = |slot: &Slot| {
            let state = health.state(Some(*slot));
            !state.is_usable() && state.admin_state != AdminState::Disabled
        };
        if now >= self.probe_now_at && health.slots().any(|slot| down(&slot)) {
            self.probe_now_at = now.saturating_add(WAITED_FOR_EVERY);
            let deletes = engine.deletes();
            if !deletes.is_empty() {
                let waited_for = |slot: &Slot| deletes.len_of(slot.identity()) > 0;
                for slot in health.slots().filter(down).filter(waited_for) {
                    health.probe_now(slot, now);
                }
            }
        }
        for slot in health.slots().filter(down) {
            if self.running.iter().any(|probe| probe.slot == slot) || !health.claim_probe(slot, now)
            {
                continue;
            }
            // Nobody remembers where one is whose name was lost.
            let Some(relay) = engine.relay(slot.identity()) else { continue };
            health.count(slot, RelayCounter::Probes);
            engine.counters().count(Counter::Probes);
            let mut probe = Probe {
                slot,
                ask: Ask::new(self.question(relay.uri.own), now),
                line: Line::new(Arc::new(relay), ready),
            };
            match probe.ask.turn(&mut probe.line, now) {
                Some(outcome) => judge(engine, &probe.line.relay, slot, &outcome, now),
                None => self.running.push(probe),
            }
        }
    }

    /// The removal of a call that does not exist: a relay answers it and does
    /// nothing.
    fn question(&mut self, own: bool) -> Vec<u8> {
        self.count = self.count.wrapping_add(1);
        let half = |which: u8| self.secret.hash_one((self.count, which, std::process::id()));
        let call_id = format!("probe-{:016x}{:016x}", half(0), half(1));
        let query = Query::removal(call_id.as_bytes(), b"probe", b"");
        let mut bytes = Vec::new();
        // A removal can always be written.
        let _ = mediaproxy2::encode(&query, own, &mut bytes);
        bytes
    }

    /// True while an answer is waited for.
    pub(super) fn are_running(&self) -> bool {
        !self.running.is_empty()
    }

    /// Another process probes now.
    pub(super) fn rest(&mut self) {
        self.running.clear();
    }
}

fn judge(engine: &Engine, relay: &Relay, slot: Slot, outcome: &Outcome, now: u64) {
    let health = engine.health();
    match outcome {
        Outcome::Answered(line) if matches!(bytes::trim(line), b"error" | b"removed") => {
            if health.mark_alive(slot, now) {
                engine.counters().count(Counter::RelaysRecovered);
                let text = format_args!("relay {} answers again", relay.uri.text);
                engine.log().write(Level::Info, text);
            }
        }
        Outcome::Away => drop(health.mark_unreachable(slot, now)),
        Outcome::Answered(_) | Outcome::Silent => drop(health.mark_dead(slot, now)),
        Outcome::Hindered => health.probe_now(slot, now),
    }
}
