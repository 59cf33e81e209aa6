//! Delivering ends that wait for their relay.

use std::sync::Arc;

use crate::Engine;
use crate::keeper::ask::{Ask, Line, Outcome};
use crate::keeper::event_loop::EventLoop;
use crate::log::Level;
use crate::relay::{Query, mediaproxy2};
use crate::shared::Counter;
use crate::shared::deletes::{Claim, KEPT_FOR};
use crate::shared::health::RelayCounter;

/// Connections to one relay at a time, with one question on each.
const LINES: usize = 16;
/// And to all relays.
const ALL_LINES: usize = 128;
/// What could not be delivered is tried again after this (milliseconds).
const PAUSE: u64 = 500;
/// The queue is cleared of what is too old this often (milliseconds).
const EXPIRE_EVERY: u64 = 10_000;

/// The deliveries under way.
#[derive(Debug, Default)]
pub(super) struct Deliveries {
    running: Vec<Delivery>,
    cursor: usize,
    expire_at: u64,
}

#[derive(Debug)]
struct Delivery {
    claim: Claim,
    line: Line,
    ask: Ask,
}

impl Deliveries {
    /// Takes answers, and delivers what can be delivered.
    pub(super) fn turn(&mut self, engine: &Engine, ready: &Arc<EventLoop>, now: u64) {
        let deletes = engine.deletes();
        if deletes.is_empty() && self.running.is_empty() {
            return;
        }
        let mut free = Vec::new();
        for mut delivery in std::mem::take(&mut self.running) {
            match delivery.ask.turn(&mut delivery.line, now) {
                None => self.running.push(delivery),
                Some(outcome) => free.extend(ended(engine, delivery, &outcome, now)),
            }
        }
        while self.running.len() < ALL_LINES {
            let Some(claim) = self.claim(engine, now) else { break };
            let relay = claim.delete.relay;
            let line = free.iter().position(|line: &Line| line.relay.identity == relay);
            let line = match line {
                Some(at) => Some(free.swap_remove(at)),
                None => engine.relay(relay).map(|relay| Line::new(Arc::new(relay), ready)),
            };
            let Some(line) = line.filter(|_| now.saturating_sub(claim.queued) <= KEPT_FOR) else {
                // Nobody knows any more where it is, or it has forgotten the
                // call by now.
                if deletes.complete(&claim) {
                    engine.counters().count(Counter::DeletesDropped);
                }
                continue;
            };
            let ask = Ask::new(question(&claim, line.relay.uri.own), now);
            let mut delivery = Delivery { claim, line, ask };
            // The call may have been offered again since.
            if !deletes.is_held(&delivery.claim) {
                free.push(delivery.line);
                continue;
            }
            match delivery.ask.turn(&mut delivery.line, now) {
                None => self.running.push(delivery),
                Some(outcome) => free.extend(ended(engine, delivery, &outcome, now)),
            }
        }
        if now >= self.expire_at {
            self.expire_at = now.saturating_add(EXPIRE_EVERY);
            let expired = deletes.expire(now) as u64;
            engine.counters().add(Counter::DeletesDropped, expired);
        }
        // Lets all processes see when nothing waits.
        deletes.len();
    }

    /// An end whose relay answers and has a line left, if one waits.
    fn claim(&mut self, engine: &Engine, now: u64) -> Option<Claim> {
        let health = engine.health();
        let running = &self.running;
        let wanted = |relay: u32| {
            let lines = running.iter().filter(|d| d.line.relay.identity == relay).count();
            lines < LINES && health.state(health.slot(relay)).is_usable()
        };
        engine.deletes().claim(&mut self.cursor, now, wanted)
    }

    /// True while an answer is waited for.
    pub(super) fn are_running(&self) -> bool {
        !self.running.is_empty()
    }

    /// Another process delivers now: what was claimed here it may claim.
    pub(super) fn rest(&mut self, engine: &Engine, now: u64) {
        for delivery in self.running.drain(..) {
            engine.deletes().release(&delivery.claim, now);
        }
    }
}

/// Takes the end from the queue, or leaves it for later. The line, where it is
/// still of use.
fn ended(engine: &Engine, delivery: Delivery, outcome: &Outcome, now: u64) -> Option<Line> {
    let (deletes, health) = (engine.deletes(), engine.health());
    let relay = &delivery.line.relay;
    if let Outcome::Answered(_) = outcome {
        if deletes.complete(&delivery.claim) {
            engine.counters().count(Counter::DeletesFlushed);
        }
        if let Some(slot) = relay.slot {
            health.count(slot, RelayCounter::Deletes);
        }
        return Some(delivery.line);
    }
    deletes.release(&delivery.claim, now.saturating_add(PAUSE));
    let failed = relay.slot.is_some_and(|slot| match outcome {
        Outcome::Away => health.mark_unreachable(slot, now),
        Outcome::Silent => health.mark_suspect(slot, now),
        Outcome::Answered(_) | Outcome::Hindered => false,
    });
    if failed {
        engine.counters().count(Counter::RelaysFailed);
        let text = format_args!("relay {} takes no ends of calls: they wait", relay.uri.text);
        engine.log().write(Level::Warning, text);
    }
    None
}

fn question(claim: &Claim, own: bool) -> Vec<u8> {
    let delete = &claim.delete;
    let query = Query::removal(&delete.call_id, &delete.from_tag, &delete.to_tag);
    let mut bytes = Vec::new();
    // A removal can always be written.
    let _ = mediaproxy2::encode(&query, own, &mut bytes);
    bytes
}
