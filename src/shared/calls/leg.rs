//! The words of one leg that are not of a single dialog: its INVITE transaction,
//! its relay, and whether it has ended.

use std::sync::atomic::{AtomicU64, Ordering};

use super::claim::Slot;
use super::words::{BODY, STATE};

/// The words of a leg. Each is valid without the others, so a process that dies
/// between two writes leaves a leg that is only out of date.
#[derive(Clone, Copy, Debug)]
pub(super) struct Leg<'b> {
    pub(super) place: u32,
    /// The key that the slot had when the leg was found.
    pub(super) word: u64,
    pub(super) key: Slot<'b>,
    /// Relay identity (32) | the second after which the leg expires (32).
    pub(super) usage: &'b AtomicU64,
    pub(super) body: &'b [AtomicU64; BODY],
}

/// What came of a change of the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Changed {
    /// It is changed; it was this.
    From(State),
    /// The operation does not change such a state.
    Refused,
    /// Other processes changed it in each of [`TRIES`] attempts.
    GaveUp,
}

impl Changed {
    pub(super) fn is_changed(self) -> bool {
        matches!(self, Changed::From(_))
    }
}

/// Attempts to change a word before an operation gives up.
const TRIES: usize = 64;

/// The phase of the initial INVITE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// It did not pass here: the leg was stored in the middle of the call.
    None = 0,
    /// It has no final reply yet.
    Pending = 1,
    /// A 2xx reply came.
    Completed = 2,
    /// It was cancelled and has no final reply yet.
    Cancelled = 3,
}

/// The word [`STATE`]. From the low bits: the CSeq of the initial INVITE (32); its
/// phase (2); the leg has ended (1); the initial INVITE carried an offer (1); another
/// proxy has rewritten that offer (1); [`MASK`] is valid (1); a dialog without words
/// was confirmed (1); a 2xx has crossed the CANCEL (1); the leg was stored in the middle of
/// the call and has had a request (1); free (7); how often the leg has ended (16).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct State(pub(super) u64);

const PHASE_SHIFT: u32 = 32;
const ENDED: u64 = 1 << 34;
const OFFERED: u64 = 1 << 35;
const UPSTREAM: u64 = 1 << 36;
const MASKED: u64 = 1 << 37;
const MORE: u64 = 1 << 38;
const CROSSED: u64 = 1 << 39;
const REQUESTED: u64 = 1 << 40;
const ENDS_SHIFT: u32 = 48;

impl State {
    /// The state of a leg whose initial INVITE with this CSeq has come.
    pub(super) fn pending(cseq: u32) -> State {
        State(u64::from(cseq) | (Phase::Pending as u64) << PHASE_SHIFT)
    }

    pub(super) fn cseq(self) -> u32 {
        self.0 as u32
    }

    pub(super) fn phase(self) -> Phase {
        match self.0 >> PHASE_SHIFT & 3 {
            0 => Phase::None,
            1 => Phase::Pending,
            2 => Phase::Completed,
            _ => Phase::Cancelled,
        }
    }

    /// True while the initial INVITE has no final reply.
    pub(super) fn is_unanswered(self) -> bool {
        matches!(self.phase(), Phase::Pending | Phase::Cancelled)
    }

    pub(super) fn with_phase(self, phase: Phase) -> State {
        State(self.0 & !(3 << PHASE_SHIFT) | (phase as u64) << PHASE_SHIFT)
    }

    pub(super) fn has_ended(self) -> bool {
        self.0 & ENDED != 0
    }

    /// The CSeq of the initial INVITE, if it carried an offer.
    pub(super) fn offered(self) -> Option<u32> {
        (self.0 & OFFERED != 0).then_some(self.cseq())
    }

    pub(super) fn with_offered(self) -> State {
        State(self.0 | OFFERED)
    }

    pub(super) fn upstream(self) -> bool {
        self.0 & UPSTREAM != 0
    }

    pub(super) fn with_upstream(self, upstream: bool) -> State {
        State(self.0 & !UPSTREAM | if upstream { UPSTREAM } else { 0 })
    }

    pub(super) fn masked(self) -> bool {
        self.0 & MASKED != 0
    }

    pub(super) fn with_masked(self) -> State {
        State(self.0 | MASKED)
    }

    /// True when a dialog was confirmed for which no words were free. Which ones these
    /// are is not stored: no BYE ends the leg, it expires.
    pub(super) fn has_more(self) -> bool {
        self.0 & MORE != 0
    }

    pub(super) fn with_more(self) -> State {
        State(self.0 | MORE)
    }

    /// True for a leg that was stored in the middle of the call and has had a request.
    pub(super) fn requested(self) -> bool {
        self.0 & REQUESTED != 0
    }

    pub(super) fn with_requested(self) -> State {
        State(self.0 | REQUESTED)
    }

    /// True when a 2xx came after the CANCEL.
    pub(super) fn crossed(self) -> bool {
        self.0 & CROSSED != 0
    }

    /// The state after a 2xx to the initial INVITE.
    pub(super) fn completed(self) -> State {
        let crossed = if self.phase() == Phase::Cancelled { CROSSED } else { 0 };
        State(self.with_phase(Phase::Completed).0 | crossed)
    }

    /// How often the leg has ended.
    pub(super) fn ends(self) -> u16 {
        (self.0 >> ENDS_SHIFT) as u16
    }

    pub(super) fn ended(self) -> State {
        State((self.0 & !MORE).wrapping_add(1 << ENDS_SHIFT) | ENDED)
    }

    /// The state for a new INVITE in the same leg.
    pub(super) fn new_try(self, cseq: u32) -> State {
        State(self.0 >> ENDS_SHIFT << ENDS_SHIFT | self.0 & MORE | State::pending(cseq).0)
    }
}

impl Leg<'_> {
    pub(super) fn load(&self, word: usize) -> u64 {
        self.body.get(word).map_or(0, |w| w.load(Ordering::Acquire))
    }

    pub(super) fn store(&self, word: usize, value: u64) {
        if let Some(word) = self.body.get(word) {
            word.store(value, Ordering::Release);
        }
    }

    /// Replaces a word if it still is `old`.
    pub(super) fn swap(&self, word: usize, old: u64, new: u64) -> bool {
        self.body.get(word).is_some_and(|word| {
            word.compare_exchange(old, new, Ordering::SeqCst, Ordering::SeqCst).is_ok()
        })
    }

    #[inline]
    pub(super) fn state(&self) -> State {
        State(self.body.get(STATE).map_or(0, |word| word.load(Ordering::SeqCst)))
    }

    /// Changes the state, unless `change` returns `None`.
    pub(super) fn change(&self, change: impl Fn(State) -> Option<State>) -> Changed {
        let mut old = self.state();
        for _ in 0..TRIES {
            let Some(new) = change(old) else { return Changed::Refused };
            if new == old || self.swap(STATE, old.0, new.0) {
                return Changed::From(old);
            }
            old = self.state();
        }
        Changed::GaveUp
    }

    /// The relay's identity; 0 before one has answered.
    #[inline]
    pub(super) fn relay(&self) -> u32 {
        (self.usage.load(Ordering::SeqCst) >> 32) as u32
    }

    /// The second after which the leg expires.
    #[inline]
    pub(super) fn expires(&self) -> u32 {
        self.usage.load(Ordering::SeqCst) as u32
    }

    pub(super) fn is_expired(&self, seconds: u32) -> bool {
        seconds > self.expires()
    }

    /// Changes relay identity and expiry.
    pub(super) fn change_usage(&self, change: impl Fn(u32, u32) -> (u32, u32)) {
        let mut old = self.usage.load(Ordering::SeqCst);
        for _ in 0..TRIES {
            let (relay, expires) = change((old >> 32) as u32, old as u32);
            let new = u64::from(relay) << 32 | u64::from(expires);
            let (success, failure) = (Ordering::SeqCst, Ordering::SeqCst);
            match self.usage.compare_exchange(old, new, success, failure) {
                Ok(_) => return,
                Err(now) => old = now,
            }
        }
    }

    /// Sets the expiry of a claimed slot, so that the leg is not expired when the claim
    /// is confirmed. Does nothing when the claim was revoked.
    pub(super) fn start_expiry(&self, expires: u32) {
        let old = self.usage.load(Ordering::SeqCst);
        let new = u64::from(expires);
        if self.is_here() {
            let _ = self.usage.compare_exchange(old, new, Ordering::SeqCst, Ordering::SeqCst);
        }
    }

    /// True while the slot still has this leg.
    pub(super) fn is_here(&self) -> bool {
        self.key.word() == self.word
    }

    /// Clears all words.
    pub(super) fn clear(&self) {
        self.usage.store(0, Ordering::SeqCst);
        self.body.iter().for_each(|word| word.store(0, Ordering::Release));
    }
}
