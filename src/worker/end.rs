//! `end_session`: telling the relay that a call is over, without waiting.

use std::sync::Arc;

use crate::error::{Error, Result, Status};
use crate::log::Level;
use crate::now;
use crate::options::Options;
use crate::relay::{Found, Query, Relay, mediaproxy2};
use crate::shared::calls::{End, Ending};
use crate::shared::deletes::{KEPT_FOR, Push};
use crate::shared::health::{AdminState, RelayCounter, RelayHealth};
use crate::shared::{CallKey, Counter, Delete};
use crate::sip::{Message, Method};
use crate::worker::choose::Choice;
use crate::worker::{Worker, seconds};

/// Queued ends tried on one call of a verb.
const AT_ONCE: usize = 16;
/// The queue is not looked through more often than this (milliseconds), nor is
/// an end that could not be delivered tried again.
const PAUSE: u64 = 200;

/// Where this worker is in the queue of ends that all processes share.
#[derive(Debug, Default)]
pub(super) struct Pending {
    cursor: usize,
    not_before: u64,
}

/// Why a relay was not told.
enum Untold {
    /// It cannot be reached.
    Failed,
    /// It takes no more just now, or this process is hindered.
    Later,
}

impl Worker {
    pub(super) fn end_by_message(
        &mut self,
        message: &Message<'_>,
        options: &Options,
    ) -> Result<()> {
        let method = message.method()?;
        let to_tag = message.to_tag()?;
        let ending = match (method, message.status()) {
            (Method::Bye, _) => Ending::Bye,
            // The CANCEL of a re-INVITE leaves the call as it is.
            (Method::Cancel, _) if !to_tag.is_empty() && message.status().is_none() => {
                return Ok(());
            }
            (Method::Cancel, _) => Ending::Cancel,
            (Method::Invite, Some(300..)) => Ending::Failure,
            _ => {
                return Err(Error::new(
                    Status::Argument,
                    "this message ends no session; give BYE, CANCEL or a failure reply to INVITE",
                ));
            }
        };
        let (call_id, from_tag) = (message.call_id()?, message.from_tag()?);
        let key = self.engine.calls().key(call_id, from_tag, to_tag);
        let choice = self.choice(message, key, options)?;
        self.end(&choice, ending, [call_id, from_tag, to_tag].map(<[u8]>::to_vec));
        Ok(())
    }

    pub(super) fn end_by_ids(
        &mut self,
        call_id: &[u8],
        from_tag: &[u8],
        to_tag: &[u8],
    ) -> Result<()> {
        if call_id.is_empty() {
            return Err(Error::new(Status::Argument, "the Call-ID of the call to end is empty"));
        }
        let ending = if to_tag.is_empty() { Ending::Call } else { Ending::Bye };
        let key = self.engine.calls().key(call_id, from_tag, to_tag);
        let choice = self.choice_by_id(call_id, key);
        self.end(&choice, ending, [call_id, from_tag, to_tag].map(<[u8]>::to_vec));
        Ok(())
    }

    fn end(&mut self, choice: &Choice, ending: Ending, ids: [Vec<u8>; 3]) {
        let engine = self.engine.clone();
        let counters = engine.counters();
        counters.count(Counter::Terminations);
        let now = now();
        if engine.calls().end(choice.key, ending, seconds(now)) == End::Withheld {
            counters.count(Counter::DeletesWithheld);
            return;
        }
        // Of a call that is not known (a restart, a full table) the relay is
        // worked out anew.
        let relay = self.relay_of_call(choice).or_else(|| self.choose_new(choice, &[], now));
        let Some(relay) = relay else { return };
        let [call_id, from_tag, to_tag] = ids;
        let delete = Delete { relay: relay.identity, call_id, from_tag, to_tag };
        if engine.health().state(relay.slot).is_usable() {
            match self.tell(&relay, &delete) {
                Ok(()) => return counters.count(Counter::DeletesSent),
                Err(Untold::Failed) => self.judge(&relay, Found::Away, now),
                Err(Untold::Later) => {}
            }
        }
        self.queue(choice.key, &relay, &delete, now);
    }

    /// Leaves an end for whoever is there when its relay answers.
    fn queue(&self, key: CallKey, relay: &Relay, delete: &Delete, now: u64) {
        let counters = self.engine.counters();
        let reason = match self.engine.deletes().push(key, delete, now) {
            Push::Queued => return counters.count(Counter::DeletesQueued),
            Push::Known => return,
            Push::Full => "too many ended calls wait for their relays",
            Push::TooLong => "its Call-ID and tags are too long to be kept",
        };
        counters.count(Counter::DeletesDropped);
        let name = &relay.uri.text;
        let text = format_args!("relay {name} is not told of an ended call: {reason}");
        self.engine.log().write(Level::Warning, text);
    }

    /// A call that is offered again must not be ended by what still waits.
    pub(super) fn cancel_ends(&self, key: CallKey) {
        let cancelled = self.engine.deletes().cancel(key);
        if cancelled > 0 {
            self.engine.counters().add(Counter::DeletesCancelled, cancelled as u64);
        }
    }

    /// Delivers some of the ends whose relay answers now.
    pub(super) fn deliver_pending(&mut self) {
        let engine = self.engine.clone();
        let deletes = engine.deletes();
        if deletes.is_empty() {
            return;
        }
        let now = now();
        if now < self.pending.not_before {
            return;
        }
        for _ in 0..AT_ONCE {
            let mut cursor = self.pending.cursor;
            let wanted = |relay: u32| {
                let slot = engine.health().slot(relay);
                let state = engine.health().state(slot);
                state.is_usable()
                    || state.health == RelayHealth::Unreachable
                        && state.admin_state != AdminState::Disabled
                    || slot.is_some_and(|slot| engine.health().trial_due(slot, now))
            };
            let claim = deletes.claim(&mut cursor, now, wanted);
            self.pending.cursor = cursor;
            let Some(claim) = claim else {
                self.pending.not_before = now.saturating_add(PAUSE);
                let expired = deletes.expire(now) as u64;
                engine.counters().add(Counter::DeletesDropped, expired);
                // Lets the next verbs see that nothing waits.
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
            let may = self.may_ask(&relay, now) || self.is_away(&relay);
            let told = if may && deletes.is_held(&claim) {
                self.tell(&relay, &claim.delete)
            } else {
                Err(Untold::Later)
            };
            match told {
                Ok(()) => {
                    if deletes.complete(&claim) {
                        engine.counters().count(Counter::DeletesFlushed);
                    }
                    // Only a relay that was overdue is not up: it was reached.
                    self.judge(&relay, Found::Answered, now);
                }
                Err(untold) => {
                    deletes.release(&claim, now.saturating_add(PAUSE));
                    if matches!(untold, Untold::Failed) {
                        self.judge(&relay, Found::Away, now);
                    }
                }
            }
        }
    }

    fn tell(&mut self, relay: &Arc<Relay>, delete: &Delete) -> std::result::Result<(), Untold> {
        let query = Query::removal(&delete.call_id, &delete.from_tag, &delete.to_tag);
        let mut bytes = Vec::new();
        // A removal can always be written.
        mediaproxy2::encode(&query, relay.uri.own, &mut bytes).map_err(|_| Untold::Later)?;
        match self.pool.tell(relay, &bytes) {
            Ok(()) => {
                self.count_for(relay, RelayCounter::Deletes);
                Ok(())
            }
            Err(error) => Err(if crate::sys::stream::is_local_failure(&error) {
                Untold::Later
            } else {
                Untold::Failed
            }),
        }
    }
}
