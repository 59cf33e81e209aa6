//! What all processes know of the relays: which answer, which are to be left
//! alone, when a dead one is asked again, and what the operator ordered. By the
//! relay's identity, so that it follows a relay through every change of the
//! list. An operation looks at `WINDOW` slots at most; every word is whole in
//! itself, so a process may die between any two.

use std::sync::atomic::{AtomicU64, Ordering};

/// Words of one slot (two cache lines: what is read at each choice, and what is
/// counted).
const SLOT_WORDS: usize = 16;
/// How many relays a server may have seen within a minute.
pub const RELAY_SLOTS: usize = 1024;
pub(super) const HEALTH_WORDS: usize = SLOT_WORDS * RELAY_SLOTS;
/// How many slots an operation looks at.
const WINDOW: usize = 64;
/// How often a word is tried before the operation gives up.
const TRIES: usize = 64;
/// How often a slot is claimed.
const CLAIMS: usize = 8;
/// A relay in nobody's list for this long may lose its slot (seconds).
const UNLISTED_FOR: u32 = 60;
/// A relay that does not answer is asked again after this long (milliseconds).
pub const PROBE_EVERY: u64 = 10_000;

// The words of a slot.
const IDENTITY: usize = 0;
const STATE: usize = 1; // health (2) | order (2) | tag (12) | next probe in ms (48)
const LISTED: usize = 2; // when it was last in a list that was loaded (seconds)
const SINCE: usize = 3; // when its health changed (ms)
const COUNTED: usize = 8;

const NEXT_MASK: u64 = (1 << 48) - 1;
const TAG_MASK: u64 = 0xfff << 48;
const ORDER_SHIFT: u32 = 60;
const HEALTH_SHIFT: u32 = 62;

/// Whether a relay answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Condition {
    /// It answers, as far as anybody knows.
    #[default]
    Up,
    /// A message could not reach it, or was not answered in time. It is left
    /// alone until a probe is answered.
    Suspect,
    /// A probe was not answered either.
    Dead,
}

/// What the operator ordered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Nothing: it is used.
    #[default]
    Enabled,
    /// It keeps its calls and takes no new ones.
    Draining,
    /// It is not asked at all.
    Disabled,
}

/// A relay as all processes see it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Whether it answers.
    pub condition: Condition,
    /// What was ordered.
    pub order: Order,
    /// When it is to be probed (ms of the monotonic clock); 0 when it is up.
    pub next_probe: u64,
}

impl State {
    /// It may be asked.
    pub fn is_usable(self) -> bool {
        self.condition == Condition::Up && self.order != Order::Disabled
    }

    /// It may take a new call.
    pub fn takes_calls(self) -> bool {
        self.condition == Condition::Up && self.order == Order::Enabled
    }

    fn unpack(word: u64, identity: u32) -> State {
        if word & TAG_MASK != tag(identity) {
            return State::default();
        }
        State {
            condition: match word >> HEALTH_SHIFT {
                0 => Condition::Up,
                1 => Condition::Suspect,
                _ => Condition::Dead,
            },
            order: match word >> ORDER_SHIFT & 3 {
                0 => Order::Enabled,
                1 => Order::Draining,
                _ => Order::Disabled,
            },
            next_probe: word & NEXT_MASK,
        }
    }

    fn pack(self, identity: u32) -> u64 {
        (self.condition as u64) << HEALTH_SHIFT
            | (self.order as u64) << ORDER_SHIFT
            | tag(identity)
            | self.next_probe & NEXT_MASK
    }
}

/// A slot is taken with one step, so its state may still be the relay's before
/// it: this part of the identity tells whose it is. Never 0.
fn tag(identity: u32) -> u64 {
    u64::from(identity >> 20 | 1) << 48
}

/// What is counted per relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelayCounter {
    /// Requests for ports that were sent.
    Requests,
    /// Of these, those it did not answer or could not be given.
    Failures,
    /// Of these, those it refused or answered with what cannot be used.
    Refusals,
    /// New calls it took.
    Calls,
    /// Ends it was told of.
    Ends,
    /// Probes sent to it.
    Probes,
}

/// The slot of a relay: where its health is found without a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    at: u32,
    identity: u32,
}

/// The health of the relays over a run of shared words.
#[derive(Clone, Copy, Debug)]
pub struct Health<'b> {
    words: &'b [AtomicU64],
}

impl<'b> Health<'b> {
    /// The view over its words.
    pub fn new(words: &'b [AtomicU64]) -> Self {
        Health { words }
    }

    fn word(&self, at: u32, word: usize) -> Option<&'b AtomicU64> {
        self.words.get(at as usize * SLOT_WORDS + word)
    }

    fn identity(&self, at: u32) -> u32 {
        self.word(at, IDENTITY).map_or(0, |word| word.load(Ordering::SeqCst) as u32)
    }

    fn window(&self, identity: u32) -> impl Iterator<Item = u32> + use<> {
        let slots = self.words.len() / SLOT_WORDS;
        let start = identity as usize >> 1;
        (0..WINDOW.min(slots)).map(move |step| ((start + step) % slots.max(1)) as u32)
    }

    /// The slot of a relay that was listed.
    pub fn slot(&self, identity: u32) -> Option<Slot> {
        let at = self.window(identity).find(|&at| self.identity(at) == identity)?;
        Some(Slot { at, identity })
    }

    /// The slot of a relay in the list just loaded, `seconds` being the time;
    /// a new one where it has none: free, or of a relay that has not been
    /// listed for a minute. `None` when there is no room: such a relay counts
    /// as up.
    pub fn list(&self, identity: u32, seconds: u32) -> Option<Slot> {
        if identity == 0 {
            return None;
        }
        for _ in 0..CLAIMS {
            let slot = match self.slot(identity) {
                Some(slot) => slot,
                None => self.take(identity, seconds)?,
            };
            if let Some(listed) = self.word(slot.at, LISTED) {
                listed.store(u64::from(seconds), Ordering::SeqCst);
            }
            // Two processes may take two slots for one relay at once; who sees
            // the other's gives its own back.
            let copies = || self.window(identity).filter(|&at| self.identity(at) == identity);
            if self.identity(slot.at) != identity {
                continue;
            }
            if copies().count() == 1 {
                return Some(slot);
            }
            if let Some(word) = self.word(slot.at, IDENTITY) {
                let own = u64::from(identity);
                let _ = word.compare_exchange(own, 0, Ordering::SeqCst, Ordering::SeqCst);
            }
        }
        self.slot(identity)
    }

    fn take(&self, identity: u32, seconds: u32) -> Option<Slot> {
        let at = self.window(identity).find(|&at| {
            let (Some(owner), Some(listed)) = (self.word(at, IDENTITY), self.word(at, LISTED))
            else {
                return false;
            };
            let old = owner.load(Ordering::SeqCst);
            let unlisted = seconds.saturating_sub(listed.load(Ordering::SeqCst) as u32);
            (old == 0 || unlisted > UNLISTED_FOR)
                && owner
                    .compare_exchange(old, u64::from(identity), Ordering::SeqCst, Ordering::SeqCst)
                    .is_ok()
        })?;
        for word in SINCE..SLOT_WORDS {
            if let Some(word) = self.word(at, word) {
                word.store(0, Ordering::Relaxed);
            }
        }
        let slot = Slot { at, identity };
        self.update(slot, |_| Some(State::default()));
        Some(slot)
    }

    /// The state of a relay; of one without a slot: up.
    pub fn state(&self, slot: Option<Slot>) -> State {
        let Some(slot) = slot else { return State::default() };
        match self.word(slot.at, STATE) {
            Some(word) => State::unpack(word.load(Ordering::Acquire), slot.identity),
            None => State::default(),
        }
    }

    /// True when nothing speaks against a new call on it: one load.
    #[inline]
    pub fn is_free(&self, slot: Slot) -> bool {
        let word = self.word(slot.at, STATE).map_or(0, |word| word.load(Ordering::Acquire));
        word >> ORDER_SHIFT == 0
    }

    /// Changes a state by `change` until that sticks or says `None`. True when
    /// it was changed.
    fn update(&self, slot: Slot, change: impl Fn(State) -> Option<State>) -> bool {
        let Some(word) = self.word(slot.at, STATE) else { return false };
        if self.identity(slot.at) != slot.identity {
            return false;
        }
        let mut old = word.load(Ordering::Acquire);
        for _ in 0..TRIES {
            let Some(new) = change(State::unpack(old, slot.identity)) else { return false };
            let new = new.pack(slot.identity);
            match word.compare_exchange_weak(old, new, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return true,
                Err(now) => old = now,
            }
        }
        false
    }

    fn changed(&self, slot: Slot, now: u64) {
        if let Some(since) = self.word(slot.at, SINCE) {
            since.store(now, Ordering::Relaxed);
        }
    }

    /// A message could not reach it or was not answered in time: it is left
    /// alone, and a probe is due at once. True for the one caller that made it
    /// suspect; it should tell the log.
    pub fn mark_failed(&self, slot: Slot, now: u64) -> bool {
        let failed = self.update(slot, |state| {
            (state.condition == Condition::Up).then_some(State {
                condition: Condition::Suspect,
                next_probe: now,
                ..state
            })
        });
        if failed {
            self.changed(slot, now);
        }
        failed
    }

    /// A probe was not answered. True when that is news.
    pub fn mark_dead(&self, slot: Slot, now: u64) -> bool {
        let dead = self.update(slot, |state| {
            (state.condition != Condition::Dead).then_some(State {
                condition: Condition::Dead,
                next_probe: now.saturating_add(PROBE_EVERY),
                ..state
            })
        });
        if dead {
            self.changed(slot, now);
        }
        dead
    }

    /// It answered. True when that is news.
    pub fn mark_alive(&self, slot: Slot, now: u64) -> bool {
        let alive = self.update(slot, |state| {
            (state.condition != Condition::Up).then_some(State {
                condition: Condition::Up,
                next_probe: 0,
                ..state
            })
        });
        if alive {
            self.changed(slot, now);
        }
        alive
    }

    /// Claims the probe of a relay that does not answer: true for exactly one
    /// process when its time has come; the next probe is then due
    /// [`PROBE_EVERY`] later, whatever becomes of the claimer. For the keeper.
    pub fn due(&self, slot: Slot, now: u64) -> bool {
        self.claim(slot, now, |next| now >= next, now.saturating_add(PROBE_EVERY))
    }

    /// The same for a server without a keeper: true for one message that may
    /// try the relay, each time a probe is overdue by [`PROBE_EVERY`]. Where a
    /// keeper probes, none ever is.
    pub fn overdue(&self, slot: Slot, now: u64) -> bool {
        self.claim(slot, now, |next| now >= next.saturating_add(PROBE_EVERY), now)
    }

    /// Makes a probe due at once.
    pub fn hasten(&self, slot: Slot, now: u64) {
        self.update(slot, |state| {
            (state.condition != Condition::Up && state.next_probe > now)
                .then_some(State { next_probe: now, ..state })
        });
    }

    fn claim(&self, slot: Slot, now: u64, due: impl Fn(u64) -> bool, next_probe: u64) -> bool {
        self.update(slot, |state| {
            let asleep = state.condition != Condition::Up && state.order != Order::Disabled;
            (now != 0 && asleep && due(state.next_probe)).then_some(State { next_probe, ..state })
        })
    }

    /// Takes an order of the operator. False when the relay has no slot any
    /// more.
    pub fn order(&self, slot: Slot, order: Order) -> bool {
        self.update(slot, |state| Some(State { order, ..state }))
    }

    /// Since when its health is as it is (ms of the monotonic clock); 0: from
    /// the start.
    pub fn since(&self, slot: Slot) -> u64 {
        self.word(slot.at, SINCE).map_or(0, |word| word.load(Ordering::Relaxed))
    }

    /// Counts one.
    pub fn count(&self, slot: Slot, counter: RelayCounter) {
        if let Some(word) = self.word(slot.at, COUNTED + counter as usize) {
            word.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What was counted.
    pub fn counted(&self, slot: Slot, counter: RelayCounter) -> u64 {
        self.word(slot.at, COUNTED + counter as usize).map_or(0, |w| w.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests;
