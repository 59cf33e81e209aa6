//! `end_session`: requests the delete of a session from its relay, without
//! waiting for the answer; and flushes the queue of deletes, as the keeper does.

use std::sync::Arc;

use crate::error::{Error, Result, Status};
use crate::log::Level;
use crate::options::Options;
use crate::relay::{Exchange, Limits, Outcome, Purpose, Query, Relay, Scope};
use crate::shared::calls::{DeleteScope, EndScope};
use crate::shared::deletes::{Claim, KEPT_FOR, Push};
use crate::shared::health::{AdminState, RelayCounter, RelayHealth};
use crate::shared::{CallKey, CallMessage, Counter, Delete};
use crate::sip::{Message, Method};
use crate::worker::choose::Choice;
use crate::worker::{Worker, seconds};

/// Queued deletes sent during one verb.
const AT_ONCE: usize = 16;
/// The queue is not searched more often than this (milliseconds), nor is a
/// delete that could not be sent tried again.
const PAUSE: u64 = 200;

/// The position of this worker in the shared queue of deletes.
#[derive(Debug, Default)]
pub(super) struct Flush {
    cursor: usize,
    not_before: u64,
}

/// A query that was sent without waiting for its answer.
#[derive(Debug)]
pub(super) enum Sent {
    /// The delete of a session. It is queued when no answer comes.
    Delete(CallKey, Delete),
    /// A delete from the queue. It is completed by the answer.
    Queued(Claim),
    /// A report of a 200 without SDP. It is not repeated.
    Report,
}

impl Worker {
    pub(super) fn terminate_by_message(
        &mut self,
        message: &Message<'_>,
        options: &Options,
    ) -> Result<()> {
        let method = message.method()?;
        let to_tag = message.to_tag()?;
        match (method, message.status()) {
            // The CANCEL of a re-INVITE does not change the call.
            (Method::Cancel, None) if !to_tag.is_empty() => return Ok(()),
            (Method::Bye | Method::Cancel, _) | (Method::Invite, Some(300..)) => {}
            _ => {
                return Err(Error::new(
                    Status::Argument,
                    "this message ends no session; give BYE, CANCEL or a failure reply to INVITE",
                ));
            }
        }
        let (call_id, from_tag) = (message.call_id()?, message.from_tag()?);
        let call = self.call_message(message)?;
        let choice = self.choice(message, call, options)?;
        self.terminate(&choice, false, [call_id, from_tag, to_tag].map(<[u8]>::to_vec));
        Ok(())
    }

    pub(super) fn terminate_by_ids(
        &mut self,
        call_id: &[u8],
        from_tag: &[u8],
        to_tag: &[u8],
    ) -> Result<()> {
        if call_id.is_empty() {
            return Err(Error::new(Status::Argument, "the Call-ID of the call to end is empty"));
        }
        if from_tag.is_empty() {
            return Err(Error::new(
                Status::Argument,
                "the From tag of the call to end is empty; give the tag of one of its sides",
            ));
        }
        let key = self.engine.calls().key(call_id, from_tag, to_tag);
        let command = CallMessage { method: Method::Bye, ..CallMessage::command(key) };
        let choice = self.choice_by_id(call_id, command);
        self.terminate(&choice, to_tag.is_empty(), [call_id, from_tag, to_tag].map(<[u8]>::to_vec));
        Ok(())
    }

    fn terminate(&mut self, choice: &Choice, leg: bool, ids: [Vec<u8>; 3]) {
        let engine = self.engine.clone();
        let counters = engine.counters();
        counters.count(Counter::Terminations);
        let now = self.now();
        let relay = self.relay_of_call(choice, now);
        // Every delete is for the whole session.
        let (calls, seconds) = (engine.calls(), seconds(now));
        let ended = match leg {
            true => calls.terminate_leg(choice.message.key, seconds),
            false => calls.terminate(&choice.message, EndScope::Call, false, seconds),
        };
        match ended.scope {
            DeleteScope::Withheld => {
                counters.count(Counter::DeletesWithheld);
                return;
            }
            DeleteScope::Nothing => return,
            _ => {}
        }
        // For a call that is not stored (after a restart, or with a full table)
        // this is the relay that a new call would have.
        let Some(relay) = relay.or_else(|| self.choose_new(choice, &[], now)) else { return };
        let [call_id, from_tag, to_tag] = ids;
        let delete =
            Delete { relay: relay.identity, scope: Scope::Session, call_id, from_tag, to_tag };
        if !engine.health().state(relay.slot).is_usable() {
            return self.queue(choice.message.key, &relay, &delete, now);
        }
        let query = Query::delete(delete.scope, &delete.call_id, &delete.from_tag, &delete.to_tag);
        match self.send_unawaited(query, &relay, Sent::Delete(choice.message.key, delete), now) {
            Ok(()) => counters.count(Counter::DeletesSent),
            Err(sent) => self.not_answered(sent, &relay, now),
        }
    }

    /// Sends a query without waiting for its answer, and records the outcome if
    /// that fails. The error is the query that was not sent.
    fn send_unawaited(
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
            Sent::Delete(key, _) if self.is_offered_again(key, now) => {
                self.engine.counters().count(Counter::DeletesCancelled);
            }
            Sent::Delete(key, delete) => self.queue(key, relay, &delete, now),
            Sent::Queued(claim) => {
                self.engine.deletes().release(&claim, now.saturating_add(PAUSE));
            }
            Sent::Report => {}
        }
    }

    /// True when a new offer has come for a call that this process has terminated.
    fn is_offered_again(&self, key: CallKey, now: u64) -> bool {
        let command = CallMessage::command(key);
        self.engine.calls().look_up(&command, seconds(now)).is_active()
    }

    /// Queues a delete. Any process sends it when its relay answers again.
    fn queue(&self, key: CallKey, relay: &Relay, delete: &Delete, now: u64) {
        let counters = self.engine.counters();
        let reason = match self.engine.deletes().push(key, delete, now) {
            Push::Queued => return counters.count(Counter::DeletesQueued),
            Push::Duplicate => return,
            Push::Full => "the queue is full",
            Push::TooLong => "Call-ID and tags are too long for the queue",
        };
        counters.count(Counter::DeletesDropped);
        let (name, call_id) = (&relay.uri.text, delete.call_id.escape_ascii());
        let text = format_args!("relay {name}: call {call_id}: delete request dropped: {reason}");
        self.engine.log().write(Level::Warning, text);
    }

    /// Removes the queued deletes of a call, because of a new offer.
    pub(super) fn cancel_deletes(&self, key: CallKey) {
        let cancelled = self.engine.deletes().cancel(key);
        if cancelled > 0 {
            self.engine.counters().add(Counter::DeletesCancelled, cancelled as u64);
        }
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
        if now < self.flush.not_before {
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
                let expired = deletes.expire(now) as u64;
                engine.counters().add(Counter::DeletesDropped, expired);
                // Shows the next verbs when the queue is empty.
                deletes.len();
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
                let delete = &claim.delete;
                let query =
                    Query::delete(delete.scope, &delete.call_id, &delete.from_tag, &delete.to_tag);
                self.send_unawaited(query, &relay, Sent::Queued(claim), now)
            } else {
                Err(Sent::Queued(claim))
            };
            if let Err(sent) = sent {
                self.not_answered(sent, &relay, now);
            }
        }
    }

    /// Handles a reply to INVITE without SDP: stores the state of its branch, and
    /// sends a 200 to a relay with the capability `bodyless_200`, without waiting
    /// for the answer.
    pub(super) fn report_bodyless(
        &mut self,
        message: &Message<'_>,
        call: &CallMessage,
        options: &Options,
        now: u64,
    ) -> Result<()> {
        let engine = self.engine.clone();
        let calls = engine.calls();
        let leg = calls.look_up(call, seconds(now));
        let is_invite = call.method == Method::Invite && call.status.is_some();
        if !is_invite || !leg.is_active() {
            return Ok(());
        }
        calls.reply_without_sdp(call, seconds(now));
        if call.status.is_some_and(|status| status < 200) || leg.relayed_upstream() {
            return Ok(());
        }
        let choice = self.choice(message, *call, options)?;
        let health = engine.health();
        let relay = self.relay_of_call(&choice, now).filter(|r| health.state(r.slot).is_usable());
        let Some(relay) = relay.filter(|r| r.capabilities(self.facts(r)).bodyless_200) else {
            return Ok(());
        };
        let mut query = Query::default();
        self.fill_query(&mut query, message, message.cseq()?.number, options)?;
        if self.send_unawaited(query, &relay, Sent::Report, now).is_err() {
            let (name, call_id) = (&relay.uri.text, message.call_id()?.escape_ascii());
            let text = format_args!("relay {name}: call {call_id}: 200 without SDP not sent");
            engine.log().write(Level::Warning, text);
        }
        Ok(())
    }
}
