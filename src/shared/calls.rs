//! The call table in the shared block: the state of each call that its next message
//! depends on, as SIP has it.
//!
//! A **leg** is what one INVITE without To tag makes: Call-ID and the tag of the side
//! that sent it, the *caller*. All dialogs of that INVITE (RFC 3261 12) belong to it. A
//! message is in the leg that has the dialog of its two tags; if there is none, in the
//! leg of its From tag, else in that of its To tag. A B2BUA may use the Call-ID for
//! another leg with other tags. A leg that was first seen in the middle of the call
//! (after a restart) takes the sender for the caller; both sides' messages find it.
//!
//! What is stored of a leg, in at most 256 bytes:
//! - the initial INVITE: its CSeq, whether it carried an offer, and whether it is
//!   pending, completed or cancelled (`leg`);
//! - up to eight dialogs with their offers, and whether there are more confirmed ones
//!   (`dialog`);
//! - the relay, and its exact addresses by m= line and side (`ports`);
//! - whether and how often the leg has ended (`ends`), and when it expires
//!   (`expiry`).
//!
//! All of it consists of atomic words and needs no lock: see `slots` and `claim`.
//! Any process may be killed at any point. An operation reads at most two buckets and
//! retries a word a bounded number of times.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::AtomicU64;

mod claim;
mod dialog;
mod ends;
mod expiry;
pub mod history;
mod leg;
mod message;
mod ports;
mod record;
mod scope;
mod slots;
mod state;
pub mod update;
mod words;

pub use message::{CallKey, CallMessage};

pub use scope::{DeleteScope, EndScope, Termination};
pub use state::{LegState, LegStatus, StoredDialog};
pub use update::{CallUpdate, Recorded, RelayPorts, Ticket};
pub use words::table_words;

use dialog::Dialog;
use leg::{Leg, Phase};
use slots::Slots;

/// The call table over a run of shared words.
#[derive(Clone, Copy, Debug)]
pub struct Calls<'b> {
    slots: Slots<'b>,
    hash: &'b RandomState,
}

/// The leg that a message belongs to.
#[derive(Clone, Copy, Debug)]
struct Located<'b> {
    leg: Leg<'b>,
    /// The message's From is the leg's caller.
    by_caller: bool,
    /// The message's dialog, if it is stored.
    dialog: Option<Dialog>,
}

impl Leg<'_> {
    /// True when a message to the leg's caller may be in a dialog of the leg that is not
    /// stored. Without To tag it starts a leg. A leg that was first seen in the middle of
    /// the call has only the dialogs that were seen.
    fn may_have_dialog(&self, key: CallKey) -> bool {
        let state = self.state();
        // An INVITE that made no dialog has none after its end.
        let seen = match state.has_ended() {
            true => self.dialogs().next().is_some(),
            false => state.phase() != Phase::None,
        };
        key.to != 0 && (seen || state.has_more())
    }
}

impl<'b> Calls<'b> {
    /// A table over `words` ([`table_words`]). `hash` holds the key of the hashes; it
    /// must be the same in all processes, so it is made before the fork.
    pub fn new(words: &'b [AtomicU64], hash: &'b RandomState) -> Self {
        Calls { slots: Slots::new(words), hash }
    }

    /// The key for a message's Call-ID and tags. A tag that is not there is empty.
    pub fn key(&self, call_id: &[u8], from_tag: &[u8], to_tag: &[u8]) -> CallKey {
        let tag = |tag: &[u8]| if tag.is_empty() { 0 } else { self.short(tag) };
        CallKey { call: self.long(call_id), from: tag(from_tag), to: tag(to_tag) }
    }

    /// The identity of a relay: the keyed hash of its text, never 0.
    pub fn identity(&self, relay: &str) -> u32 {
        self.short(relay.as_bytes())
    }

    /// The keyed hash of the branch of a top Via, never 0. 0 for the empty branch.
    pub fn branch(&self, branch: &[u8]) -> u32 {
        if branch.is_empty() { 0 } else { self.short(branch) }
    }

    /// The bytes alone, without their number as `Hash` has it: nothing follows them.
    fn long(&self, value: &[u8]) -> u64 {
        let mut hasher = self.hash.build_hasher();
        hasher.write(value);
        hasher.finish()
    }

    fn short(&self, value: &[u8]) -> u32 {
        (self.long(value) >> 32) as u32 | 1
    }

    /// Finds the leg of a message.
    #[inline(always)]
    fn locate(&self, key: CallKey, seconds: u32) -> Option<Located<'b>> {
        let (leg, by_caller) = self.slots.find(key, seconds)?;
        match leg.dialog(key.callee_tag(by_caller)) {
            None => self.locate_without_dialog((leg.place, leg.word), by_caller, key, seconds),
            dialog => Some(Located { leg, by_caller, dialog }),
        }
    }

    /// The leg of a message with the tags of no dialog of the leg at this place, which has
    /// its From or To tag.
    ///
    /// Anybody can make a leg with the callee's tag of another one: so the leg that has the
    /// dialog comes before the leg of the sender, and one with dialogs that are not stored.
    #[cold]
    fn locate_without_dialog(
        &self,
        (place, word): (u32, u64),
        by_caller: bool,
        key: CallKey,
        seconds: u32,
    ) -> Option<Located<'b>> {
        let leg = self.slots.leg(place as usize, word)?;
        let own = Located { leg, by_caller, dialog: None };
        if !by_caller {
            return leg.may_have_dialog(key).then_some(own);
        }
        let starts_leg = key.to == 0 && leg.state().phase() != Phase::None;
        let other = self.slots.find_receiver(key, seconds).filter(|_| !starts_leg);
        let Some(leg) = other else { return Some(own) };
        let (dialog, state) = (leg.dialog(key.from), leg.state());
        let unstored = (state.has_more() || state.has_ended()) && leg.may_have_dialog(key);
        match dialog.is_some() || unstored {
            true => Some(Located { leg, by_caller: false, dialog }),
            false => Some(own),
        }
    }

    /// The legs that have not ended.
    fn active(&self, seconds: u32) -> impl Iterator<Item = Leg<'b>> {
        let legs = self.slots.legs(seconds);
        let has_ended = move |leg: &Leg<'_>| {
            let state = leg.state();
            leg.status(state, seconds) == LegStatus::Ended
                || state.phase() == Phase::None && leg.is_left()
        };
        legs.filter(move |leg| !has_ended(leg))
    }

    /// The number of legs that have not ended. Reads every entry.
    pub fn len(&self, seconds: u32) -> usize {
        self.active(seconds).count()
    }

    /// The number of legs that fit.
    pub fn capacity(&self) -> usize {
        self.slots.len()
    }

    /// Calls `visit` with the relay's identity of each leg that has not ended; 0 for
    /// a leg that no relay has answered.
    pub fn for_each_relay(&self, seconds: u32, mut visit: impl FnMut(u32)) {
        self.active(seconds).for_each(|leg| visit(leg.relay()));
    }

    /// True when every stored leg has ended. Reads every entry.
    pub fn is_empty(&self, seconds: u32) -> bool {
        self.len(seconds) == 0
    }
}

#[cfg(test)]
mod tests;
