//! Delete requests: sent without waiting for the answer, queued when they cannot be
//! sent, and flushed from the shared queue, as the keeper does.

use std::sync::Arc;

use crate::engine::Engine;
use crate::log::Level;
use crate::relay::{Exchange, Limits, Outcome, Purpose, Query, Relay, Scope};
use crate::shared::deletes::{Claim, KEPT_FOR, Push};
use crate::shared::health::{AdminState, RelayCounter, RelayHealth};
use crate::shared::{CallKey, CallMessage, Counter, Delete};
use crate::worker::{Worker, seconds};

/// Queued deletes sent during one verb.
const AT_ONCE: usize = 16;
/// The queue is not searched more often than this (milliseconds), nor is a
/// delete that could not be sent tried again.
const PAUSE: u64 = 200;
/// A cancelled INVITE that gets no final reply is over after this time
/// (milliseconds): 64 x T1 (RFC 3261 9.1).
const CANCELLED_FOR: u64 = 32_000;

/// The position of this worker in the shared queue of deletes.
#[derive(Debug, Default)]
pub(super) struct Flush {
    cursor: usize,
    not_before: u64,
}

/// A query that was sent without waiting for its answer.
#[derive(Debug)]
pub(super) enum Sent {
    /// A delete. It is queued when no answer comes.
    Delete(CallKey, Delete),
    /// A delete from the queue. It is completed by the answer.
    Queued(Claim),
    /// A report of a reply without SDP. It is not repeated.
    Report,
}

impl Worker {
    /// Sends a delete to the relay, or queues it.
    pub(super) fn delete(&mut self, key: CallKey, delete: Delete, relay: &Arc<Relay>, now: u64) {
        if !self.engine.health().state(relay.slot).is_usable() {
            return queue(&self.engine, key, relay, &delete, now, now);
        }
        let query = Query::of_delete(&delete);
        match self.send_unawaited(query, relay, Sent::Delete(key, delete), now) {
            Ok(()) => self.engine.counters().count(Counter::DeletesSent),
            Err(sent) => self.not_answered(sent, relay, now),
        }
    }

    /// Queues the delete of a cancelled INVITE for the case that it gets no final
    /// reply.
    pub(super) fn schedule(&self, key: CallKey, delete: Delete, relay: &Relay, now: u64) {
        // A 2xx that crossed the CANCEL may be known to the relay only.
        let scope = match relay.capabilities(self.facts(relay)).branch_delete {
            true => Scope::Unanswered,
            false => Scope::Session,
        };
        let then = now.saturating_add(CANCELLED_FOR);
        queue(&self.engine, key, relay, &Delete { scope, ..delete }, then, now);
    }

    /// Sends a query without waiting for its answer, and records the outcome if
    /// that fails. The error is the query that was not sent.
    pub(super) fn send_unawaited(
        &mut self,
        query: Query,
        relay: &Arc<Relay>,
        sent: Sent,
        now: u64,
    ) -> std::result::Result<(), Sent> {
        let is_delete = !matches!(sent, Sent::Report);
        let mut exchange = Exchange::new(query);
        let limits = Limits { since: now, until: u64::MAX, enough: 0 };
        if let Err(error) = exchange.begin(relay, self.facts(relay), limits) {
            let (name, call_id) = (&relay.uri.text, exchange.query().call_id.escape_ascii());
            let text = format_args!("relay {name}: call {call_id}: not sent: {error}");
            self.engine.log().write(Level::Warning, text);
            return Err(sent);
        }
        let result = self.pool.send_unawaited(&mut exchange, sent, now);
        let records = self.engine.records();
        match &result {
            Ok(()) => {
                records.record_sent(relay, now);
                if is_delete {
                    self.count_for(relay, RelayCounter::Deletes);
                }
            }
            Err(_) if is_delete => exchange.record(&records, Purpose::Delete, now),
            Err(_) => exchange.record(&records, Purpose::Unawaited, now),
        }
        result
    }

    /// Handles a query that was not sent, or whose answer did not come.
    fn not_answered(&self, sent: Sent, relay: &Relay, now: u64) {
        match sent {
            // A late delete would remove the session of the new offer.
            Sent::Delete(key, delete)
                if delete.scope.is_session() && self.is_offered_again(key, now) =>
            {
                self.engine.counters().count(Counter::DeletesCancelled);
            }
            Sent::Delete(key, delete) => queue(&self.engine, key, relay, &delete, now, now),
            Sent::Queued(claim) => {
                self.engine.deletes().release(&claim, now.saturating_add(PAUSE));
            }
            Sent::Report => {}
        }
    }

    /// True when a new INVITE has come for a call that this process has terminated.
    fn is_offered_again(&self, key: CallKey, now: u64) -> bool {
        self.engine.calls().look_up(&CallMessage::command(key), seconds(now)).is_active()
    }

    /// Reads the answers to queries that were sent without waiting.
    pub(super) fn collect_answers(&mut self) {
        if !self.pool.has_unread() {
            return;
        }
        let now = self.now();
        self.pool.collect(now);
        let engine = self.engine.clone();
        for finished in self.pool.take_finished() {
            let list = self.relays.clone();
            let Some(relay) = self.relay_by_identity(finished.relay, &list) else { continue };
            if !matches!(finished.outcome, Outcome::Answered | Outcome::Refused) {
                self.not_answered(finished.token, &relay, now);
                continue;
            }
            engine.records().record(&relay, finished.outcome, Purpose::Unawaited, now);
            if let Sent::Queued(claim) = finished.token
                && engine.deletes().complete_answered(&claim)
            {
                engine.counters().count(Counter::DeletesFlushed);
            }
        }
    }

    /// Sends some of the queued deletes whose relay may answer now.
    pub(super) fn flush_deletes(&mut self) {
        let engine = self.engine.clone();
        let deletes = engine.deletes();
        if deletes.is_empty() {
            return;
        }
        let now = self.now();
        if now < self.flush.not_before || !deletes.is_due(now) {
            return;
        }
        for _ in 0..AT_ONCE {
            let mut cursor = self.flush.cursor;
            let wanted = |relay: u32| {
                let slot = engine.health().slot(relay);
                let state = engine.health().state(slot);
                state.is_usable()
                    || state.health == RelayHealth::Unreachable
                        && state.admin_state != AdminState::Disabled
                    || slot.is_some_and(|slot| engine.health().trial_due(slot, now))
            };
            let claim = deletes.claim(&mut cursor, now, wanted);
            self.flush.cursor = cursor;
            let Some(claim) = claim else {
                self.flush.not_before = now.saturating_add(PAUSE);
                let dropped = deletes.sweep(now) as u64;
                engine.counters().add(Counter::DeletesDropped, dropped);
                return;
            };
            let list = self.relays.clone();
            let relay = self.relay_by_identity(claim.delete.relay, &list);
            let Some(relay) = relay.filter(|_| now.saturating_sub(claim.queued) <= KEPT_FOR) else {
                if deletes.complete(&claim) {
                    engine.counters().count(Counter::DeletesDropped);
                }
                continue;
            };
            let may = self.may_use(&relay, now) || self.is_unreachable(&relay);
            let sent = if may && deletes.is_held(&claim) {
                let query = Query::of_delete(&claim.delete);
                self.send_unawaited(query, &relay, Sent::Queued(claim), now)
            } else {
                Err(Sent::Queued(claim))
            };
            if let Err(sent) = sent {
                self.not_answered(sent, &relay, now);
            }
        }
    }
}

/// Removes the queued deletes of a leg: a new INVITE or a final reply has come
/// for it.
pub(super) fn cancel_deletes(engine: &Engine, key: CallKey) {
    let cancelled = engine.deletes().cancel(key);
    if cancelled > 0 {
        engine.counters().add(Counter::DeletesCancelled, cancelled as u64);
    }
}

/// Removes the delete of a cancelled INVITE that a 2xx has answered. To be called after
/// the CANCEL and its delete are stored, and after the 2xx is: whichever process is the
/// later one finds both.
pub(super) fn cancel_crossed_delete(engine: &Engine, call: &CallMessage, now: u64) {
    let crossed = || engine.calls().look_up(call, seconds(now)).crossed_cancel();
    if !engine.deletes().is_empty() && crossed() {
        cancel_deletes(engine, call.key);
    }
}

/// Queues a delete. Any process sends it when its relay answers again, but not
/// before `not_before`.
pub(super) fn queue(
    engine: &Engine,
    key: CallKey,
    relay: &Relay,
    delete: &Delete,
    not_before: u64,
    now: u64,
) {
    let queued = if not_before > now { Counter::DeletesScheduled } else { Counter::DeletesQueued };
    let counters = engine.counters();
    let reason = match engine.deletes().push_for(key, delete, not_before, now) {
        Push::Queued => return counters.count(queued),
        Push::Duplicate => return,
        Push::Full => "the queue is full",
        Push::TooLong => "Call-ID and tags are too long for the queue",
    };
    counters.count(Counter::DeletesDropped);
    if !engine.deletes().note_full(now) {
        return;
    }
    let (name, call_id) = (&relay.uri.text, delete.call_id.escape_ascii());
    let text = format_args!("relay {name}: call {call_id}: delete request dropped: {reason}");
    engine.log().write(Level::Warning, text);
}
