//! The word of a slot that says whose it is, and the claims with which processes
//! take a slot without a lock.
//!
//! | word | bits from the top |
//! |---|---|
//! | key of a leg | Call-ID hash (32, the highest set), caller tag hash (28), generation (3), 1 |
//! | claim for a leg | Call-ID hash (32), caller tag hash (16), time (12), generation (3), 0 |
//! | being emptied | 0 (24), time (32), generation (3), 2 (5) |
//! | emptied | generation (3), 4 (5) |
//! | [`NEW`] | 0 |
//!
//! The generation changes each time a slot is emptied. A process that was stopped
//! for a while so cannot take its slot's new word for the old one.

use std::sync::atomic::{AtomicU64, Ordering};

use super::message::CallKey;

/// The slot has never had a leg. No slot gets this value back, so a search of its
/// bucket may stop here.
pub(super) const NEW: u64 = 0;
/// A process that claims or empties a slot for longer has died (seconds).
pub(super) const BUSY_FOR: u32 = 2;

const LEG: u64 = 1;
const GENERATION_SHIFT: u32 = 1;
const GENERATION: u64 = 7 << GENERATION_SHIFT;
const TIME_SHIFT: u32 = 4;
const TIME: u32 = 0xfff;
/// The bits of a claim that say whose it is.
const WHOSE_SHIFT: u32 = 16;
const EMPTYING: u64 = 2;
const EMPTIED: u64 = 4;
const KIND: u64 = 0x1f;
const OTHER_GENERATION_SHIFT: u32 = 5;
const SINCE_SHIFT: u32 = 8;

/// The key of the leg of this Call-ID and caller tag, of generation 0.
pub(super) fn leg_key(call: u64, tag: u32) -> u64 {
    call & !0xffff_ffff | 1 << 63 | u64::from(tag) & 0xffff_fff0 | LEG
}

/// True when both words are of one Call-ID.
pub(super) fn same_call(word: u64, key: u64) -> bool {
    (word ^ key) >> 32 == 0
}

/// True when the word is the key of this leg.
pub(super) fn same_leg(word: u64, key: u64) -> bool {
    (word ^ key) & !GENERATION == 0
}

pub(super) fn is_leg(word: u64) -> bool {
    word & LEG != 0
}

fn is_claim(word: u64) -> bool {
    word >> 63 == 1 && !is_leg(word)
}

/// True when the word is a claim for this leg.
pub(super) fn claims(word: u64, key: u64) -> bool {
    !is_leg(word) && word >> WHOSE_SHIFT == key >> WHOSE_SHIFT
}

fn generation(word: u64) -> u64 {
    match word >> 63 {
        1 => (word & GENERATION) >> GENERATION_SHIFT,
        _ => word >> OTHER_GENERATION_SHIFT & 7,
    }
}

/// A process empties the slot with `word`, since this time.
fn emptying(word: u64, seconds: u32) -> u64 {
    u64::from(seconds) << SINCE_SHIFT | generation(word) << OTHER_GENERATION_SHIFT | EMPTYING
}

/// The word after `word` when the slot is empty: of the next generation.
fn emptied(word: u64) -> u64 {
    ((generation(word) + 1) & 7) << OTHER_GENERATION_SHIFT | EMPTIED
}

fn claim(key: u64, old: u64, seconds: u32) -> u64 {
    let time = u64::from(seconds & TIME) << TIME_SHIFT;
    key >> WHOSE_SHIFT << WHOSE_SHIFT | time | generation(old) << GENERATION_SHIFT
}

/// True for a slot without a leg and without a claim.
pub(super) fn is_empty(word: u64) -> bool {
    word == NEW || word >> 63 == 0 && word & KIND == EMPTIED
}

/// True for a claim, or for a slot being emptied, whose process has died.
pub(super) fn is_abandoned(word: u64, seconds: u32) -> bool {
    let since = if is_claim(word) {
        // The times that two processes read may differ by a second.
        match seconds.wrapping_sub((word >> TIME_SHIFT) as u32) & TIME {
            ahead if ahead > TIME - BUSY_FOR => 0,
            since => since,
        }
    } else if word & KIND == EMPTYING && word >> 63 == 0 {
        seconds.saturating_sub((word >> SINCE_SHIFT) as u32)
    } else {
        0
    };
    since > BUSY_FOR
}

/// The word of a slot.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot<'b>(pub(super) &'b AtomicU64);

impl Slot<'_> {
    pub(super) fn word(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    fn swap(&self, from: u64, to: u64) -> bool {
        self.0.compare_exchange(from, to, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    /// Claims an empty slot whose word is `old`. `None` when another process was
    /// faster.
    pub(super) fn claim(&self, old: u64, key: u64, seconds: u32) -> Option<u64> {
        let claim = claim(key, old, seconds);
        self.swap(old, claim).then_some(claim)
    }

    /// Makes the claimed slot the leg's. `None` when another process has revoked the
    /// claim.
    pub(super) fn confirm(&self, claim: u64, key: u64) -> Option<u64> {
        let word = key | claim & GENERATION;
        self.swap(claim, word).then_some(word)
    }

    /// Frees the slot if its word still is `claim`. False when it is not.
    pub(super) fn revoke(&self, claim: u64) -> bool {
        self.swap(claim, emptied(claim))
    }

    /// Empties the slot with `clear` if its word still is `old`: that of an expired
    /// leg or of a process that died. The new word, or `None` when another process
    /// was faster.
    pub(super) fn empty(&self, old: u64, seconds: u32, clear: impl FnOnce()) -> Option<u64> {
        let during = emptying(old, seconds);
        if !self.swap(old, during) {
            return None;
        }
        clear();
        self.swap(during, emptied(old)).then_some(emptied(old))
    }
}

impl CallKey {
    /// The key of the leg whose caller sent the message.
    pub(super) fn leg_of_from(self) -> u64 {
        leg_key(self.call, self.from)
    }

    /// The key of the leg whose caller receives the message.
    pub(super) fn leg_of_to(self) -> u64 {
        leg_key(self.call, self.to)
    }
}
