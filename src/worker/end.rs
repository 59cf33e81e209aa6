//! `end_session`: telling the relay that a call is over, without waiting.

use std::collections::VecDeque;

use crate::error::{Error, Result, Status};
use crate::log::Level;
use crate::options::Options;
use crate::relay::{Query, mediaproxy2};
use crate::shared::calls::{End, Ending};
use crate::sip::{Message, Method};
use crate::text;
use crate::worker::{Worker, now, seconds};

/// Ends kept for a relay that cannot be reached just now; the oldest is
/// dropped beyond (its relay then ends the call by silence).
const MAX_PENDING: usize = 1024;
/// Kept ends tried on one call of a verb.
const AT_ONCE: usize = 16;
/// A relay that could not be reached is left alone this long (milliseconds).
const PAUSE: u64 = 1000;

/// Ends not delivered yet.
#[derive(Debug, Default)]
pub(super) struct Pending {
    removals: VecDeque<Removal>,
    not_before: u64,
}

#[derive(Debug)]
struct Removal {
    relay: usize,
    query: Query,
}

impl Pending {
    /// A call that is offered again must not be ended by what is still kept.
    pub(super) fn forget(&mut self, call_id: &[u8]) {
        self.removals.retain(|removal| removal.query.call_id != call_id);
    }
}

impl Worker {
    pub(super) fn end_by_message(
        &mut self,
        message: &Message<'_>,
        _options: &Options,
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
        let unfolded = |value: &[u8]| {
            let mut out = Vec::with_capacity(value.len());
            text::unfold(value, &mut out);
            out
        };
        let (call_id, from_tag) = (message.call_id()?, message.from_tag()?);
        self.end(call_id, from_tag, to_tag, ending, unfolded)
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
        self.end(call_id, from_tag, to_tag, ending, <[u8]>::to_vec)
    }

    fn end(
        &mut self,
        call_id: &[u8],
        from_tag: &[u8],
        to_tag: &[u8],
        ending: Ending,
        unfolded: impl Fn(&[u8]) -> Vec<u8>,
    ) -> Result<()> {
        let calls = self.engine.calls();
        let key = calls.key(call_id, from_tag, to_tag);
        if calls.end(key, ending, seconds(now())) == End::Withheld {
            return Ok(());
        }
        let query = Query::removal(&unfolded(call_id), &unfolded(from_tag), &unfolded(to_tag));
        if let Some(&relay) = self.candidates(key).first() {
            self.deliver(Removal { relay, query });
        }
        Ok(())
    }

    /// Sends a removal, or keeps it for the next call.
    fn deliver(&mut self, removal: Removal) {
        if self.pending.removals.is_empty() && self.send(&removal) {
            return;
        }
        if self.pending.removals.len() >= MAX_PENDING {
            self.pending.removals.pop_front();
            let text = "too many ended calls wait for their relays; the oldest is forgotten";
            self.engine.log().write(Level::Warning, text);
        }
        self.pending.removals.push_back(removal);
    }

    /// Tries again what could not be sent.
    pub(super) fn deliver_pending(&mut self) {
        if self.pending.removals.is_empty() || now() < self.pending.not_before {
            return;
        }
        for _ in 0..AT_ONCE {
            let Some(removal) = self.pending.removals.pop_front() else { return };
            if !self.send(&removal) {
                self.pending.removals.push_front(removal);
                return;
            }
        }
    }

    fn send(&mut self, removal: &Removal) -> bool {
        let engine = self.engine.clone();
        let Some(uri) = engine.relays().get(removal.relay) else { return true };
        let mut bytes = Vec::new();
        if mediaproxy2::encode(&removal.query, uri.own, &mut bytes).is_err() {
            return true;
        }
        match self.pool.tell(removal.relay, uri, &bytes) {
            Ok(()) => true,
            Err(error) => {
                self.pending.not_before = now().saturating_add(PAUSE);
                let text = format!("relay {}: an ended call is kept for later: {error}", uri.text);
                engine.log().write(Level::Warning, text);
                false
            }
        }
    }
}
