//! Ends that their relay could not be told of yet: queued where all processes
//! see them, so that the one which is there when the relay comes back delivers
//! them, whatever became of the one that queued them. A place changes hands by
//! one compare-and-swap of its state; who was killed holding it loses it after
//! a while.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::shared::calls::CallKey;
use crate::shared::layout::LINE;

/// How many ends may wait.
pub const MAX_DELETES: usize = 4096;
/// Words of the identifiers of one end.
const BYTES_WORDS: usize = 60;
/// The most bytes that Call-ID and tags of one end may have together.
pub const MAX_DELETE_BYTES: usize = BYTES_WORDS * 8;
/// The states and calls of all places come first, so that looking through them
/// touches little memory.
const PLACES: usize = LINE;
const BODIES: usize = PLACES + 2 * MAX_DELETES;
const BODY_WORDS: usize = 4 + BYTES_WORDS;
pub(super) const DELETES_WORDS: usize = BODIES + BODY_WORDS * MAX_DELETES;

// The words before the places: see `is_empty`.
const PUSHED: usize = 0;
const SEEN_EMPTY: usize = 1;
// The words of a place.
const STATE: usize = 0; // kind (2) | sequence (14) | time in ms (48)
const CALL: usize = 1;
// The words of a body.
const RELAY: usize = 0; // relay identity (32)
const LENGTHS: usize = 1; // of Call-ID, From's tag, To's tag (16 each)
const QUEUED: usize = 2; // when (ms)
const SUM: usize = 3; // of all the above and the bytes
const BYTES: usize = 4;

/// How many places a push or cancel looks at.
const WINDOW: usize = 64;
/// Who holds a place this long is dead (milliseconds).
pub const CLAIM_FOR: u64 = 2_000;
/// An end is tried this long (milliseconds): by then its relay has ended the
/// call by silence.
pub const KEPT_FOR: u64 = 3_600_000;

const KIND_SHIFT: u32 = 62;
const SEQUENCE_SHIFT: u32 = 48;
const SEQUENCE_MASK: u64 = 0x3fff;
const TIME_MASK: u64 = (1 << 48) - 1;

/// What a place is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Free = 0,
    /// Being written since the time given.
    Writing = 1,
    /// Waiting; not to be tried before the time given.
    Ready = 2,
    /// Being delivered; taken over after the time given.
    Claimed = 3,
}

fn kind(state: u64) -> Kind {
    match state >> KIND_SHIFT {
        0 => Kind::Free,
        1 => Kind::Writing,
        2 => Kind::Ready,
        _ => Kind::Claimed,
    }
}

fn time(state: u64) -> u64 {
    state & TIME_MASK
}

/// The state after `state`. The sequence makes each one different from all that
/// a slow process may still hold.
fn next(state: u64, kind: Kind, time: u64) -> u64 {
    let sequence = (state >> SEQUENCE_SHIFT).wrapping_add(1) & SEQUENCE_MASK;
    (kind as u64) << KIND_SHIFT | sequence << SEQUENCE_SHIFT | time & TIME_MASK
}

/// One end to be delivered: to which relay, and the identifiers it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delete {
    /// The identity of the relay.
    pub relay: u32,
    /// Call-ID.
    pub call_id: Vec<u8>,
    /// The tag of From.
    pub from_tag: Vec<u8>,
    /// The tag of To.
    pub to_tag: Vec<u8>,
}

/// What became of a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Push {
    /// It waits.
    Queued,
    /// The same end waits already.
    Known,
    /// No place is free.
    Full,
    /// Its identifiers are longer than [`MAX_DELETE_BYTES`].
    TooLong,
}

/// An end that this process delivers. Until it is completed or released, or
/// [`CLAIM_FOR`] passes, no other process does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    at: usize,
    state: u64,
    /// What to deliver.
    pub delete: Delete,
    /// When it was queued (ms of the monotonic clock).
    pub queued: u64,
}

/// The queue over a run of shared words.
#[derive(Clone, Copy, Debug)]
pub struct Deletes<'b> {
    words: &'b [AtomicU64],
}

impl<'b> Deletes<'b> {
    /// The view over its words.
    pub fn new(words: &'b [AtomicU64]) -> Self {
        Deletes { words }
    }

    fn load(&self, at: usize) -> u64 {
        self.words.get(at).map_or(0, |word| word.load(Ordering::SeqCst))
    }

    fn store(&self, at: usize, value: u64) {
        if let Some(word) = self.words.get(at) {
            word.store(value, Ordering::SeqCst);
        }
    }

    fn state(&self, place: usize) -> u64 {
        self.load(PLACES + 2 * place + STATE)
    }

    fn call(&self, place: usize) -> u64 {
        self.load(PLACES + 2 * place + CALL)
    }

    fn swap(&self, place: usize, old: u64, new: u64) -> bool {
        self.words.get(PLACES + 2 * place + STATE).is_some_and(|word| {
            word.compare_exchange(old, new, Ordering::SeqCst, Ordering::SeqCst).is_ok()
        })
    }

    fn window(call: u64) -> impl Iterator<Item = usize> {
        let start = (call >> 20) as usize % MAX_DELETES;
        (0..WINDOW).map(move |step| (start + step) % MAX_DELETES)
    }

    /// Queues an end of the call `key` at `now`.
    pub fn push(&self, key: CallKey, delete: &Delete, now: u64) -> Push {
        let parts = [&delete.call_id, &delete.from_tag, &delete.to_tag];
        if parts.iter().map(|part| part.len()).sum::<usize>() > MAX_DELETE_BYTES {
            return Push::TooLong;
        }
        let call = key.call();
        let sum = sum(delete);
        let waits = |place| {
            matches!(kind(self.state(place)), Kind::Ready | Kind::Claimed)
                && self.call(place) == call
                && self.load(Self::body(place) + SUM) == sum
        };
        if Self::window(call).any(waits) {
            return Push::Known;
        }
        for place in Self::window(call) {
            let old = self.state(place);
            let free = match kind(old) {
                Kind::Free => true,
                Kind::Writing => now.saturating_sub(time(old)) > CLAIM_FOR,
                Kind::Ready => self.is_over(place, now),
                Kind::Claimed => false,
            };
            let writing = next(old, Kind::Writing, now);
            if !free || !self.swap(place, old, writing) {
                continue;
            }
            // Before the end can be seen: who dies from here on is at worst
            // taken for one that still writes.
            if let Some(pushed) = self.words.get(PUSHED) {
                pushed.fetch_add(1, Ordering::SeqCst);
            }
            self.store(PLACES + 2 * place + CALL, call);
            self.write(place, delete, sum, now);
            if self.swap(place, writing, next(writing, Kind::Ready, now)) {
                return Push::Queued;
            }
        }
        Push::Full
    }

    fn is_over(&self, place: usize, now: u64) -> bool {
        now.saturating_sub(self.load(Self::body(place) + QUEUED)) > KEPT_FOR
    }

    fn body(place: usize) -> usize {
        BODIES + BODY_WORDS * place
    }

    fn write(&self, place: usize, delete: &Delete, sum: u64, now: u64) {
        let body = Self::body(place);
        let parts = [&delete.call_id, &delete.from_tag, &delete.to_tag];
        let lengths = parts.iter().fold(0, |all, part| all << 16 | part.len() as u64);
        self.store(body + RELAY, u64::from(delete.relay));
        self.store(body + LENGTHS, lengths);
        self.store(body + QUEUED, now);
        self.store(body + SUM, sum);
        let bytes = parts.map(Vec::as_slice).concat();
        for (at, chunk) in bytes.chunks(8).enumerate() {
            let mut word = [0; 8];
            word.iter_mut().zip(chunk).for_each(|(to, from)| *to = *from);
            self.store(body + BYTES + at, u64::from_le_bytes(word));
        }
    }

    fn read(&self, place: usize) -> Option<(Delete, u64)> {
        let body = Self::body(place);
        let lengths = self.load(body + LENGTHS);
        let length = |shift: u32| (lengths >> shift & 0xffff) as usize;
        let (call_id, from_tag, to_tag) = (length(32), length(16), length(0));
        let all = call_id + from_tag + to_tag;
        if all > MAX_DELETE_BYTES {
            return None;
        }
        let words = (0..all.div_ceil(8)).map(|at| self.load(body + BYTES + at).to_le_bytes());
        let bytes: Vec<u8> = words.flatten().take(all).collect();
        let (call_id, tags) = bytes.split_at_checked(call_id)?;
        let (from_tag, to_tag) = tags.split_at_checked(from_tag)?;
        let delete = Delete {
            relay: self.load(body + RELAY) as u32,
            call_id: call_id.to_vec(),
            from_tag: from_tag.to_vec(),
            to_tag: to_tag.to_vec(),
        };
        // A process that was stopped while it wrote, and lost its place, may
        // have written into this end when it went on.
        let whole = sum(&delete) == self.load(body + SUM);
        whole.then(|| (delete, self.load(body + QUEUED)))
    }

    /// Claims an end that may be tried at `now` and whose relay `wanted`
    /// accepts by identity: from place `*cursor` on, which moves behind it, so
    /// that calls in a row go through all. `None` after the last place; the
    /// cursor is then 0. Whoever claims an end of a call should look at
    /// [`Deletes::is_held`] right before it sends.
    pub fn claim(
        &self,
        cursor: &mut usize,
        now: u64,
        wanted: impl Fn(u32) -> bool,
    ) -> Option<Claim> {
        while *cursor < MAX_DELETES {
            let at = *cursor;
            *cursor += 1;
            let old = self.state(at);
            let due = matches!(kind(old), Kind::Ready | Kind::Claimed) && now >= time(old);
            if !due || !wanted(self.load(Self::body(at) + RELAY) as u32) {
                continue;
            }
            let state = next(old, Kind::Claimed, now.saturating_add(CLAIM_FOR));
            if !self.swap(at, old, state) {
                continue;
            }
            match self.read(at) {
                Some((delete, queued)) if wanted(delete.relay) => {
                    return Some(Claim { at, state, delete, queued });
                }
                Some(_) => {
                    self.swap(at, state, next(state, Kind::Ready, now));
                }
                None => {
                    self.swap(at, state, next(state, Kind::Free, now));
                }
            }
        }
        *cursor = 0;
        None
    }

    /// Frees the places of ends that waited [`KEPT_FOR`], and of processes that
    /// died while they wrote. Tells how many ends were given up. Looks at every
    /// place.
    pub fn expire(&self, now: u64) -> usize {
        let mut expired = 0;
        for place in 0..MAX_DELETES {
            let old = self.state(place);
            let over = match kind(old) {
                Kind::Ready => self.is_over(place, now),
                Kind::Writing => now.saturating_sub(time(old)) > CLAIM_FOR,
                Kind::Free | Kind::Claimed => false,
            };
            if over && self.swap(place, old, next(old, Kind::Free, 0)) {
                expired += 1;
            }
        }
        expired
    }

    /// True while the claim holds: the call was not offered again, and no
    /// other process took the end over.
    pub fn is_held(&self, claim: &Claim) -> bool {
        self.state(claim.at) == claim.state
    }

    /// The end was delivered, or given up: it is forgotten. False when the
    /// claim was lost meanwhile.
    pub fn complete(&self, claim: &Claim) -> bool {
        self.swap(claim.at, claim.state, next(claim.state, Kind::Free, 0))
    }

    /// It could not be delivered: it waits until `not_before` (ms). False when
    /// the claim was lost meanwhile.
    pub fn release(&self, claim: &Claim, not_before: u64) -> bool {
        self.swap(claim.at, claim.state, next(claim.state, Kind::Ready, not_before))
    }

    /// The call is offered again: its ends are forgotten. Tells how many.
    pub fn cancel(&self, key: CallKey) -> usize {
        if self.is_empty() {
            return 0;
        }
        let mut cancelled = 0;
        for place in Self::window(key.call()) {
            let old = self.state(place);
            if matches!(kind(old), Kind::Ready | Kind::Claimed)
                && self.call(place) == key.call()
                && self.swap(place, old, next(old, Kind::Free, 0))
            {
                cancelled += 1;
            }
        }
        cancelled
    }

    /// True when surely no end waits: two loads. May say false for an empty
    /// queue until [`Deletes::len`] has seen that it is.
    pub fn is_empty(&self) -> bool {
        self.load(SEEN_EMPTY) == self.load(PUSHED)
    }

    /// How many ends wait or are being delivered: looks at every place.
    pub fn len(&self) -> usize {
        let pushed = self.load(PUSHED);
        let kinds = || (0..MAX_DELETES).map(|place| kind(self.state(place)));
        if kinds().all(|kind| kind == Kind::Free) {
            self.store(SEEN_EMPTY, pushed);
            return 0;
        }
        kinds().filter(|kind| matches!(kind, Kind::Ready | Kind::Claimed)).count()
    }

    /// How many ends wait for this relay: looks at every place.
    pub fn len_of(&self, relay: u32) -> usize {
        (0..MAX_DELETES)
            .filter(|&at| matches!(kind(self.state(at)), Kind::Ready | Kind::Claimed))
            .filter(|&at| self.load(Self::body(at) + RELAY) as u32 == relay)
            .count()
    }
}

/// A sum over all that an end says (FNV-1a).
fn sum(delete: &Delete) -> u64 {
    let parts = [&delete.call_id, &delete.from_tag, &delete.to_tag];
    let lengths = parts.iter().flat_map(|part| (part.len() as u32).to_le_bytes());
    let bytes = parts.iter().flat_map(|part| part.iter().copied());
    let all = delete.relay.to_le_bytes().into_iter().chain(lengths).chain(bytes);
    all.fold(0xcbf2_9ce4_8422_2325, |sum, byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests;
