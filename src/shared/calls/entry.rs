//! One entry of the call table: its words, and what is done with each.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::shared::calls::history::OfferAnswerUpdate;

use super::branch::{ANSWERED_BITS, Branch, low};
use super::{BranchState, CallKey, ENTRY_WORDS};

/// Branches remembered per call; more are counted.
const BRANCHES: usize = 8;
/// An entry not used for this long may be taken for another call (seconds).
pub(super) const STALE_AFTER: u32 = 8 * 3600;
/// An ended call is remembered this long, for repeated messages (seconds).
pub(super) const ENDED_FOR: u32 = 32;
/// How often a word is tried before the operation gives up.
const TRIES: usize = 64;
/// Who was this long claiming or emptying an entry is dead (seconds).
pub(super) const BUSY_FOR: u32 = 2;

// What the word for the key holds: a call's key, which is odd and has the
// highest bit; or one of these, which are even.

/// The entry never held a call. None gets this back, so that nothing lies behind
/// it.
pub(super) const NEW: u64 = 0;
/// The entry was emptied.
pub(super) const EMPTIED: u64 = 4;

/// The entry is being emptied, since then.
pub(super) fn busy(seconds: u32) -> u64 {
    u64::from(seconds) << 3 | 2
}

/// The entry is claimed for a call, since then: nobody else writes into it
/// before the call's key stands there.
pub(super) fn claim(key: u64, seconds: u32) -> u64 {
    key & !0xffff | u64::from(seconds & 0x7fff) << 1
}

/// True for a claim for this call.
pub(super) fn is_claim(word: u64, key: u64) -> bool {
    word & 1 == 0 && word >> 16 == key >> 16
}

/// True for a word that somebody left who died over it.
fn is_abandoned(word: u64, seconds: u32) -> bool {
    let since = if word >> 63 == 1 {
        // The clocks of two processes may read a second apart.
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
pub(super) const INVITE: [usize; 3] = [2, 14, 15]; // with an offer: CSeq (32) | direction (32); 0: none
pub(super) const ADDRESS_4: usize = 3; // the relay's IPv4 media address
pub(super) const ADDRESS_6: usize = 4; // the hash of its IPv6 one
pub(super) const PORTS: usize = 5; // lowest (16) | highest (16) | flags (16): see below | more branches (16)
const BRANCH: usize = 6; // BRANCHES words: see `Branch`

pub(super) fn pack_invite(cseq: u32, direction: u32) -> u64 {
    u64::from(cseq) << 32 | u64::from(direction)
}

pub(super) fn unpack_invite(word: u64) -> (u32, u32) {
    ((word >> 32) as u32, word as u32)
}

// The flags: the call ended; its last offer was another proxy's to relay; which
// INVITE word is written next.
pub(super) const ENDED_BIT: u64 = 1 << 31;
pub(super) const UPSTREAM_BIT: u64 = 1 << 30;
const NEXT_SHIFT: u32 = 16;
const NEXT_MASK: u64 = 3 << NEXT_SHIFT;
pub(super) const MORE_SHIFT: u32 = 0;
pub(super) const MORE_MAX: u64 = 0xffff;

/// One entry: its words.
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

    /// Claims this entry for `key` if it is empty, or can be emptied.
    pub(super) fn claim(&self, key: u64, seconds: u32) -> bool {
        let mut old = self.key();
        if !matches!(old, NEW | EMPTIED) {
            let over =
                if old & 1 == 1 { self.is_over(seconds) } else { is_abandoned(old, seconds) };
            if !over || !self.swap(KEY, old, busy(seconds)) {
                return false;
            }
            self.empty(seconds);
            old = EMPTIED;
        }
        self.swap(KEY, old, claim(key, seconds))
    }

    /// The claimed entry is the call's. False when it was taken back by another
    /// process.
    pub(super) fn confirm(&self, key: u64, seconds: u32) -> bool {
        self.store(USE, u64::from(seconds));
        self.swap(KEY, claim(key, seconds), key)
    }

    /// The claimed entry is free again: nobody has written into it.
    pub(super) fn give_back(&self, key: u64, seconds: u32) {
        self.take_back(claim(key, seconds));
    }

    /// The same for the claim that was read there. False when it is no more.
    pub(super) fn take_back(&self, claim: u64) -> bool {
        self.swap(KEY, claim, EMPTIED)
    }

    /// Empties an entry that this process made busy.
    fn empty(&self, seconds: u32) {
        for word in USE..ENTRY_WORDS {
            self.store(word, 0);
        }
        self.swap(KEY, busy(seconds), EMPTIED);
    }

    pub(super) fn ended(&self) -> bool {
        self.load(PORTS) & ENDED_BIT != 0
    }

    pub(super) fn is_over(&self, seconds: u32) -> bool {
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

    pub(super) fn lives(&self) -> (usize, usize) {
        let early = self.branches().filter(|(_, b)| b.life == 1).count();
        let answered = self.branches().filter(|(_, b)| b.life == 2).count();
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

    /// The branch the message belongs to: one of its tags names it, To's
    /// unless only From's is known as such.
    pub(super) fn branch_of(&self, key: CallKey) -> Option<(usize, Branch)> {
        self.branch(key.to).or_else(|| self.branch(key.from))
    }

    /// Notes the time; the relay stays.
    pub(super) fn used(&self, seconds: u32) {
        self.update(USE, |word| word & !0xffff_ffff | u64::from(seconds));
    }

    /// Remembers what later descriptions depend on.
    pub(super) fn describe(
        &self,
        key: CallKey,
        life: Option<BranchState>,
        offer_answer: &OfferAnswerUpdate,
    ) {
        if let Some(cseq) = offer_answer.offered {
            self.offered(pack_invite(cseq, key.direction()));
        }
        self.change_branch(key, life, offer_answer);
    }

    /// Remembers an INVITE that carried an offer, in place of the oldest.
    pub(super) fn offered(&self, invite: u64) {
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

    /// Updates the branch the message belongs to, a new one where there is
    /// none: that of To's tag (the callee's).
    pub(super) fn change_branch(
        &self,
        key: CallKey,
        life: Option<BranchState>,
        offer_answer: &OfferAnswerUpdate,
    ) {
        let known = self.branch_of(key);
        let begins = life.is_some() || offer_answer.reply_offer.is_some();
        if known.is_none() && !begins {
            return;
        }
        let tag = known.map_or(key.to, |(_, branch)| branch.tag);
        let Some(to_branch) = key.side(tag) else { return };
        let changed = |old: Option<Branch>| {
            let mut branch = old.unwrap_or(Branch::new(tag));
            if life == Some(BranchState::Answered) {
                branch.life = 2;
            }
            if let Some(cseq) = offer_answer.reply_offer {
                branch.offered(to_branch, cseq);
            }
            if let Some(cseq) = offer_answer.answered_by
                && branch.offer != 0
            {
                branch.offer = 2;
                branch.answered_by = low(cseq, ANSWERED_BITS);
            }
            branch.pack()
        };
        if let Some((word, branch)) = known {
            let told = offer_answer.reply_offer.is_some() || offer_answer.answered_by.is_some();
            let further = life == Some(BranchState::Answered) && branch.life != 2;
            if !told && !further {
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
        if life == Some(BranchState::Answered) {
            self.update(PORTS, |ports| match ports >> MORE_SHIFT & MORE_MAX {
                MORE_MAX => ports,
                _ => ports + (1 << MORE_SHIFT),
            });
        }
    }
}
