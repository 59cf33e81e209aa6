//! One entry of the call table: the layout of its words, and their changes.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::shared::calls::history::OfferAnswerUpdate;

use super::branch::{ANSWERED, ANSWERED_BITS, Branch, EARLY, low};
use super::{BranchState, CallKey, ENTRY_WORDS};

/// The branches stored for each call. Of further branches only the number is
/// stored.
const BRANCHES: usize = 8;
/// An entry not used for this long may be taken for another call (seconds).
pub(super) const STALE_AFTER: u32 = 8 * 3600;
/// A terminated call is stored this long, for retransmissions (seconds).
pub(super) const ENDED_FOR: u32 = 32;
/// Attempts to change a word before an operation gives up.
const TRIES: usize = 64;
/// A process that claims or empties an entry for longer has died (seconds).
pub(super) const BUSY_FOR: u32 = 2;

// The values of the word `KEY`: a call's key, which is odd and has its highest bit
// set, or one of the following, which are even.

/// The entry has never stored a call. No entry gets this value back, so a search
/// may stop here.
pub(super) const NEW: u64 = 0;
/// The entry was emptied.
pub(super) const EMPTIED: u64 = 4;

/// A process empties the entry, since this time.
pub(super) fn busy(seconds: u32) -> u64 {
    u64::from(seconds) << 3 | 2
}

/// A process has claimed the entry for a call at this time. No other process
/// writes into it until the word is the call's key.
pub(super) fn claim(key: u64, seconds: u32) -> u64 {
    key & !0xffff | u64::from(seconds & 0x7fff) << 1
}

/// True when the word is a claim for this call.
pub(super) fn is_claim(word: u64, key: u64) -> bool {
    word & 1 == 0 && word >> 16 == key >> 16
}

/// True for a claim, or for an entry being emptied, whose process has died.
fn is_abandoned(word: u64, seconds: u32) -> bool {
    let since = if word >> 63 == 1 {
        // The times that two processes read may differ by a second.
        match seconds.wrapping_sub((word >> 1) as u32 & 0x7fff) & 0x7fff {
            ahead if ahead > 0x7fff - BUSY_FOR => 0,
            since => since,
        }
    } else if word & 7 == 2 {
        seconds.saturating_sub((word >> 3) as u32)
    } else {
        0
    };
    word & 1 == 0 && since > BUSY_FOR
}

// The words of an entry.
pub(super) const KEY: usize = 0;
pub(super) const USE: usize = 1; // relay identity (32) | last use in seconds (32)
pub(super) const INVITE: [usize; 3] = [2, 14, 15]; // INVITEs with an offer: CSeq (32) | direction (32); 0: none
pub(super) const ADDRESS_4: usize = 3; // the relay's IPv4 media address
pub(super) const ADDRESS_6: usize = 4; // the hash of the relay's IPv6 media address
pub(super) const PORTS: usize = 5; // lowest (16) | highest (16) | flags (16): see below | further branches (16)
const BRANCH: usize = 6; // BRANCHES words: see `Branch`

pub(super) fn pack_invite(cseq: u32, direction: u32) -> u64 {
    u64::from(cseq) << 32 | u64::from(direction)
}

pub(super) fn unpack_invite(word: u64) -> (u32, u32) {
    ((word >> 32) as u32, word as u32)
}

// The flags: the call has terminated; another proxy has rewritten its last offer;
// the index of the INVITE word that is written next.
pub(super) const ENDED_BIT: u64 = 1 << 31;
pub(super) const UPSTREAM_BIT: u64 = 1 << 30;
const NEXT_SHIFT: u32 = 16;
const NEXT_MASK: u64 = 3 << NEXT_SHIFT;
pub(super) const MORE_SHIFT: u32 = 0;
pub(super) const MORE_MAX: u64 = 0xffff;

/// One entry of the table.
#[derive(Clone, Copy)]
pub(super) struct Entry<'b>(pub(super) &'b [AtomicU64; ENTRY_WORDS]);

impl Entry<'_> {
    pub(super) fn load(&self, word: usize) -> u64 {
        self.0.get(word).map_or(0, |w| w.load(Ordering::Acquire))
    }

    pub(super) fn store(&self, word: usize, value: u64) {
        if let Some(word) = self.0.get(word) {
            word.store(value, Ordering::Release);
        }
    }

    pub(super) fn update(&self, word: usize, change: impl Fn(u64) -> u64) {
        let Some(word) = self.0.get(word) else { return };
        let mut old = word.load(Ordering::Acquire);
        for _ in 0..TRIES {
            match word.compare_exchange_weak(old, change(old), Ordering::AcqRel, Ordering::Acquire)
            {
                Ok(_) => return,
                Err(now) => old = now,
            }
        }
    }

    pub(super) fn key(&self) -> u64 {
        self.0.get(KEY).map_or(0, |w| w.load(Ordering::SeqCst))
    }

    pub(super) fn swap(&self, word: usize, from: u64, to: u64) -> bool {
        self.0.get(word).is_some_and(|w| {
            w.compare_exchange(from, to, Ordering::SeqCst, Ordering::SeqCst).is_ok()
        })
    }

    /// Claims this entry for `key` if it is free. An expired entry is emptied
    /// first.
    pub(super) fn claim(&self, key: u64, seconds: u32) -> bool {
        let mut old = self.key();
        if !matches!(old, NEW | EMPTIED) {
            let free =
                if old & 1 == 1 { self.is_expired(seconds) } else { is_abandoned(old, seconds) };
            if !free || !self.swap(KEY, old, busy(seconds)) {
                return false;
            }
            self.empty(seconds);
            old = EMPTIED;
        }
        self.swap(KEY, old, claim(key, seconds))
    }

    /// Makes the claimed entry the call's. False when another process has revoked
    /// the claim.
    pub(super) fn confirm(&self, key: u64, seconds: u32) -> bool {
        self.store(USE, u64::from(seconds));
        self.swap(KEY, claim(key, seconds), key)
    }

    /// Frees the entry that this process claimed at `seconds`.
    pub(super) fn release(&self, key: u64, seconds: u32) {
        self.revoke(claim(key, seconds));
    }

    /// Frees the entry if its word still is `claim`. False when it is not.
    pub(super) fn revoke(&self, claim: u64) -> bool {
        self.swap(KEY, claim, EMPTIED)
    }

    /// Empties an entry that this process has marked [`busy`].
    fn empty(&self, seconds: u32) {
        for word in USE..ENTRY_WORDS {
            self.store(word, 0);
        }
        self.swap(KEY, busy(seconds), EMPTIED);
    }

    pub(super) fn ended(&self) -> bool {
        self.load(PORTS) & ENDED_BIT != 0
    }

    pub(super) fn is_expired(&self, seconds: u32) -> bool {
        let unused = seconds.saturating_sub(self.load(USE) as u32);
        unused > if self.ended() { ENDED_FOR } else { STALE_AFTER }
    }

    pub(super) fn branches(&self) -> impl Iterator<Item = (usize, Branch)> + '_ {
        (BRANCH..BRANCH + BRANCHES)
            .filter_map(|word| Branch::unpack(self.load(word)).map(|branch| (word, branch)))
    }

    #[inline]
    pub(super) fn branch(&self, tag: u32) -> Option<(usize, Branch)> {
        let words = if tag == 0 { 0..0 } else { BRANCH..BRANCH + BRANCHES };
        words.map(|word| (word, self.load(word))).find_map(|(word, packed)| {
            let branch = if Branch::tag_of(packed) == tag { Branch::unpack(packed) } else { None };
            branch.map(|branch| (word, branch))
        })
    }

    /// The number of early and of answered branches.
    pub(super) fn count_branches(&self) -> (usize, usize) {
        let early = self.branches().filter(|(_, b)| b.state == EARLY).count();
        let answered = self.branches().filter(|(_, b)| b.state == ANSWERED).count();
        (early, answered)
    }

    pub(super) fn free_branches(&self, which: impl Fn(Branch) -> bool) {
        for word in BRANCH..BRANCH + BRANCHES {
            self.update(word, |old| match Branch::unpack(old) {
                Some(branch) if which(branch) => 0,
                _ => old,
            });
        }
    }

    /// The branch that the message belongs to: that of To's tag, else that of
    /// From's.
    pub(super) fn branch_of(&self, key: CallKey) -> Option<(usize, Branch)> {
        self.branch(key.to).or_else(|| self.branch(key.from))
    }

    /// Stores the time of the last use. The relay stays.
    pub(super) fn touch(&self, seconds: u32) {
        self.update(USE, |word| word & !0xffff_ffff | u64::from(seconds));
    }

    /// Stores an offer or answer, and the new state of the branch.
    pub(super) fn store_offer_answer(
        &self,
        key: CallKey,
        state: Option<BranchState>,
        offer_answer: &OfferAnswerUpdate,
    ) {
        if let Some(cseq) = offer_answer.offered {
            self.store_invite(pack_invite(cseq, key.direction()));
        }
        self.update_branch(key, state, offer_answer);
    }

    /// Stores an INVITE that carried an offer. It replaces the oldest one.
    fn store_invite(&self, invite: u64) {
        if INVITE.iter().any(|&word| self.load(word) == invite) {
            return;
        }
        let next = (self.load(PORTS) & NEXT_MASK) >> NEXT_SHIFT;
        if let Some(&word) = INVITE.get(next as usize) {
            self.store(word, invite);
        }
        let after = (next + 1) % INVITE.len() as u64;
        self.update(PORTS, |ports| ports & !NEXT_MASK | after << NEXT_SHIFT);
    }

    /// Updates the branch that the message belongs to. Without one a branch is
    /// created for To's tag (the callee's).
    pub(super) fn update_branch(
        &self,
        key: CallKey,
        state: Option<BranchState>,
        offer_answer: &OfferAnswerUpdate,
    ) {
        let stored = self.branch_of(key);
        let creates = state.is_some() || offer_answer.reply_offer.is_some();
        if stored.is_none() && !creates {
            return;
        }
        let tag = stored.map_or(key.to, |(_, branch)| branch.tag);
        let Some(to_branch) = key.side(tag) else { return };
        let changed = |old: Option<Branch>| {
            let mut branch = old.unwrap_or(Branch::new(tag));
            if state == Some(BranchState::Answered) {
                branch.state = ANSWERED;
            }
            if let Some(cseq) = offer_answer.reply_offer {
                branch.store_reply_offer(to_branch, cseq);
            }
            if let Some(cseq) = offer_answer.answered_by
                && branch.offer != 0
            {
                branch.offer = 2;
                branch.answered_by = low(cseq, ANSWERED_BITS);
            }
            branch.pack()
        };
        if let Some((word, branch)) = stored {
            let has_sdp = offer_answer.reply_offer.is_some() || offer_answer.answered_by.is_some();
            let becomes_answered = state == Some(BranchState::Answered) && branch.state != ANSWERED;
            if !has_sdp && !becomes_answered {
                return;
            }
            self.update(word, |old| match Branch::unpack(old) {
                Some(branch) if branch.tag == tag => changed(Some(branch)),
                _ => old,
            });
            return;
        }
        for word in BRANCH..BRANCH + BRANCHES {
            let Some(word) = self.0.get(word) else { return };
            if word.load(Ordering::Acquire) == 0
                && word
                    .compare_exchange(0, changed(None), Ordering::AcqRel, Ordering::Acquire)
                    .is_ok()
            {
                return;
            }
        }
        if state == Some(BranchState::Answered) {
            self.update(PORTS, |ports| match ports >> MORE_SHIFT & MORE_MAX {
                MORE_MAX => ports,
                _ => ports + (1 << MORE_SHIFT),
            });
        }
    }
}
