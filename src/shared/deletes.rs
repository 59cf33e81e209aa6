//! Shared queue of delete requests for unreachable relays. Any process may flush
//! it, even if the one that queued an entry has died. Each step of a slot is one
//! compare-and-swap of its state; a process that is killed while it holds a slot
//! loses it after a timeout.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::shared::block::LINE;
use crate::shared::calls::CallKey;

mod delete;

pub use delete::{Delete, Scope};
use delete::{detail, sum};

/// The most deletes in the queue.
pub const MAX_DELETES: usize = 4096;
/// Words for the identifiers of one delete.
const BYTES_WORDS: usize = 59;
/// The most bytes of Call-ID and tags together.
pub const MAX_DELETE_BYTES: usize = BYTES_WORDS * 8;
/// The states and calls of all slots come first, so that a search touches little
/// memory.
const SLOTS: usize = LINE;
const BODIES: usize = SLOTS + 2 * MAX_DELETES;
const BODY_WORDS: usize = 5 + BYTES_WORDS;
pub(super) const DELETES_WORDS: usize = BODIES + BODY_WORDS * MAX_DELETES;

// The words before the slots: see `is_empty`, `is_due` and `note_full`.
const PUSHED: usize = 0;
const SEEN_EMPTY: usize = 1;
const DUE: usize = 2;
const LOGGED: usize = 3;
// The words of a slot.
const STATE: usize = 0; // kind (2) | sequence (14) | time in ms (48)
const CALL: usize = 1;
// The words of a body.
const RELAY: usize = 0; // CSeq + 1 or branch (32), relay identity (32)
const LENGTHS: usize = 1; // scope (16), lengths of Call-ID, From's tag, To's tag (16 each)
const QUEUED: usize = 2; // time (ms)
const SUM: usize = 3; // checksum over relay, lengths and bytes
const TAGS: usize = 4; // hashes of the tags (32 each)
const BYTES: usize = 5;

/// The slots that a push or cancel visits.
const WINDOW: usize = 64;
/// A process that holds a slot longer than this has died (milliseconds).
pub const CLAIM_FOR: u64 = 2_000;
/// A queue that is not empty is swept at least this often (milliseconds), whatever a
/// process did that died.
const SWEEP_EVERY: u64 = 10_000;
/// A full queue is logged this often (milliseconds).
const LOG_EVERY: u64 = 60_000;
/// A delete is tried for this time (milliseconds): by then the relay has ended the
/// session because of its own timeout.
pub const KEPT_FOR: u64 = 3_600_000;

const KIND_SHIFT: u32 = 62;
const SEQUENCE_SHIFT: u32 = 48;
const SEQUENCE_MASK: u64 = 0x3fff;
const TIME_MASK: u64 = (1 << 48) - 1;

/// The state of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Free = 0,
    /// Being written since the time in the word.
    Writing = 1,
    /// Queued; not to be sent before the time in the word.
    Ready = 2,
    /// Being sent; another process may claim it after the time in the word.
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

/// The state after `state`. The sequence number makes it different from each state
/// that a slow process may still have read.
fn next(state: u64, kind: Kind, time: u64) -> u64 {
    let sequence = (state >> SEQUENCE_SHIFT).wrapping_add(1) & SEQUENCE_MASK;
    (kind as u64) << KIND_SHIFT | sequence << SEQUENCE_SHIFT | time & TIME_MASK
}

/// The result of a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Push {
    /// The delete is queued.
    Queued,
    /// An equal delete is queued already.
    Duplicate,
    /// No slot is free.
    Full,
    /// The identifiers are longer than [`MAX_DELETE_BYTES`].
    TooLong,
}

/// A delete that this process sends. No other process sends it until it is
/// completed or released, or [`CLAIM_FOR`] has passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    at: usize,
    state: u64,
    /// The request.
    pub delete: Delete,
    /// When it was queued (ms of the monotonic clock).
    pub queued: u64,
}

/// The queue, over its words in the shared block.
#[derive(Clone, Copy, Debug)]
pub struct Deletes<'b> {
    words: &'b [AtomicU64],
}

impl<'b> Deletes<'b> {
    /// A view over its words.
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

    fn state(&self, slot: usize) -> u64 {
        self.load(SLOTS + 2 * slot + STATE)
    }

    fn call(&self, slot: usize) -> u64 {
        self.load(SLOTS + 2 * slot + CALL)
    }

    fn swap(&self, slot: usize, old: u64, new: u64) -> bool {
        self.replace(SLOTS + 2 * slot + STATE, old, new)
    }

    fn window(call: u64) -> impl Iterator<Item = usize> {
        let start = (call >> 20) as usize % MAX_DELETES;
        (0..WINDOW).map(move |step| (start + step) % MAX_DELETES)
    }

    /// Queues a delete of the call `key` at `now`.
    pub fn push(&self, key: CallKey, delete: &Delete, now: u64) -> Push {
        self.push_for(key, delete, now, now)
    }

    /// Queues a delete that is not to be sent before `not_before` (ms). One for later gets
    /// at most every second slot: a flood of cancelled calls leaves the others for those
    /// that are sent now.
    pub fn push_for(&self, key: CallKey, delete: &Delete, not_before: u64, now: u64) -> Push {
        let parts = [&delete.call_id, &delete.from_tag, &delete.to_tag];
        if parts.iter().map(|part| part.len()).sum::<usize>() > MAX_DELETE_BYTES {
            return Push::TooLong;
        }
        let call = key.call();
        let sum = sum(delete);
        let waits = |slot| {
            matches!(kind(self.state(slot)), Kind::Ready | Kind::Claimed)
                && self.call(slot) == call
                && self.load(Self::body(slot) + SUM) == sum
        };
        if Self::window(call).any(waits) {
            return Push::Duplicate;
        }
        let later = not_before > now;
        for slot in Self::window(call).filter(|slot| !later || slot.is_multiple_of(2)) {
            let old = self.state(slot);
            let free = match kind(old) {
                Kind::Free => true,
                Kind::Writing => now.saturating_sub(time(old)) > CLAIM_FOR,
                Kind::Ready => self.is_over(slot, now),
                Kind::Claimed => false,
            };
            let writing = next(old, Kind::Writing, now);
            if !free || !self.swap(slot, old, writing) {
                continue;
            }
            // Counted before the delete is visible: a process that dies after
            // this leaves a slot in state `Writing`.
            if let Some(pushed) = self.words.get(PUSHED) {
                pushed.fetch_add(1, Ordering::SeqCst);
            }
            self.store(SLOTS + 2 * slot + CALL, call);
            self.write(slot, delete, sum, now);
            self.store(Self::body(slot) + TAGS, key.tags());
            if self.swap(slot, writing, next(writing, Kind::Ready, not_before)) {
                self.lower_due(not_before);
                return Push::Queued;
            }
        }
        Push::Full
    }

    /// True when a full queue is to be logged: at most once a minute.
    pub fn note_full(&self, now: u64) -> bool {
        let last = self.load(LOGGED);
        let is_due = last == 0 || now.saturating_sub(last) >= LOG_EVERY;
        is_due && self.replace(LOGGED, last, now.max(1))
    }

    fn replace(&self, at: usize, old: u64, new: u64) -> bool {
        let order = Ordering::SeqCst;
        self.words.get(at).is_some_and(|word| word.compare_exchange(old, new, order, order).is_ok())
    }

    fn lower_due(&self, time: u64) {
        if let Some(due) = self.words.get(DUE) {
            due.fetch_min(time, Ordering::SeqCst);
        }
    }

    fn is_over(&self, slot: usize, now: u64) -> bool {
        now.saturating_sub(self.load(Self::body(slot) + QUEUED)) > KEPT_FOR
    }

    fn body(slot: usize) -> usize {
        BODIES + BODY_WORDS * slot
    }

    fn write(&self, slot: usize, delete: &Delete, sum: u64, now: u64) {
        let body = Self::body(slot);
        let parts = [&delete.call_id, &delete.from_tag, &delete.to_tag];
        let lengths = parts.iter().fold(delete.scope as u64, |all, p| all << 16 | p.len() as u64);
        self.store(body + RELAY, detail(delete) << 32 | u64::from(delete.relay));
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

    fn read(&self, slot: usize) -> Option<(Delete, u64)> {
        let body = Self::body(slot);
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
        let relay = self.load(body + RELAY);
        let (scope, detail) = (Scope::from_number(lengths >> 48)?, (relay >> 32) as u32);
        let delete = Delete {
            relay: relay as u32,
            scope,
            cseq: detail.checked_sub(1).filter(|_| scope != Scope::Branch),
            branch: if scope == Scope::Branch { detail } else { 0 },
            call_id: call_id.to_vec(),
            from_tag: from_tag.to_vec(),
            to_tag: to_tag.to_vec(),
        };
        // A process that was stopped while it wrote, and lost its slot, may have
        // written into this delete when it continued.
        let whole = sum(&delete) == self.load(body + SUM);
        whole.then(|| (delete, self.load(body + QUEUED)))
    }

    /// Claims a delete that may be sent at `now` and whose relay `wanted` accepts
    /// by identity. The search starts at slot `*cursor`, which moves on, so that
    /// repeated calls visit all. `None` after the last slot, with the cursor at 0.
    /// The caller must check [`Deletes::is_held`] just before it sends.
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

    /// True when a delete may be due: a search is worth its time. Takes three loads.
    pub fn is_due(&self, now: u64) -> bool {
        !self.is_empty() && now >= self.load(DUE)
    }

    /// Frees the slots of deletes older than [`KEPT_FOR`] and of processes that died
    /// while they wrote, and finds out when the next one is due. Returns how many were
    /// dropped. Visits all slots; to be called when [`Deletes::claim`] finds nothing.
    pub fn sweep(&self, now: u64) -> usize {
        let (pushed, due) = (self.load(PUSHED), self.load(DUE));
        let (mut dropped, mut earliest) = (0, u64::MAX);
        for slot in 0..MAX_DELETES {
            let old = self.state(slot);
            let over = match kind(old) {
                Kind::Ready => self.is_over(slot, now),
                Kind::Writing => now.saturating_sub(time(old)) > CLAIM_FOR,
                Kind::Free | Kind::Claimed => false,
            };
            if over && self.swap(slot, old, next(old, Kind::Free, 0)) {
                dropped += 1;
                continue;
            }
            earliest = earliest.min(match kind(old) {
                Kind::Ready | Kind::Claimed => time(old),
                // Its process sets the time when it has written the delete.
                Kind::Writing => now,
                Kind::Free => u64::MAX,
            });
        }
        if earliest == u64::MAX {
            self.store(SEEN_EMPTY, pushed);
        }
        self.replace(DUE, due, earliest.min(now.saturating_add(SWEEP_EVERY)));
        // A slot that was visited before may have been filled.
        if self.load(PUSHED) != pushed {
            self.lower_due(0);
        }
        dropped
    }

    /// True while the claim is valid: no new offer has cancelled the delete, and
    /// no other process has claimed it.
    pub fn is_held(&self, claim: &Claim) -> bool {
        self.state(claim.at) == claim.state
    }

    /// Removes a delete that was answered or is given up. False when the claim was
    /// lost meanwhile.
    pub fn complete(&self, claim: &Claim) -> bool {
        self.lower_due(0);
        self.swap(claim.at, claim.state, next(claim.state, Kind::Free, 0))
    }

    /// Removes a delete that was answered, whichever process holds it by now: a
    /// worker reads the answer with its next message, long after its claim may
    /// have expired. False when the delete was cancelled or completed meanwhile.
    pub fn complete_answered(&self, claim: &Claim) -> bool {
        let (state, body) = (self.state(claim.at), Self::body(claim.at));
        self.lower_due(0);
        matches!(kind(state), Kind::Ready | Kind::Claimed)
            && self.load(body + QUEUED) == claim.queued
            && self.load(body + SUM) == sum(&claim.delete)
            && self.swap(claim.at, state, next(state, Kind::Free, 0))
    }

    /// Puts a delete back that could not be sent, not to be sent before
    /// `not_before` (ms). False when the claim was lost meanwhile.
    pub fn release(&self, claim: &Claim, not_before: u64) -> bool {
        let released = self.swap(claim.at, claim.state, next(claim.state, Kind::Ready, not_before));
        self.lower_due(not_before);
        released
    }

    /// Removes the deletes of a session, because a new INVITE or the final reply of
    /// a cancelled one has come. A session is that of a Call-ID and one of the two
    /// tags: a B2BUA may use the Call-ID for another one (RFC 3261 12). The deletes of
    /// single dialogs and branches stay. Returns how many were removed.
    pub fn cancel(&self, key: CallKey) -> usize {
        if self.is_empty() {
            return 0;
        }
        let mut cancelled = 0;
        for slot in Self::window(key.call()) {
            let old = self.state(slot);
            if matches!(kind(old), Kind::Ready | Kind::Claimed)
                && self.call(slot) == key.call()
                && share_a_tag(self.load(Self::body(slot) + TAGS), key.tags())
                && Scope::from_number(self.load(Self::body(slot) + LENGTHS) >> 48)
                    .is_some_and(Scope::is_session)
                && self.swap(slot, old, next(old, Kind::Free, 0))
            {
                cancelled += 1;
            }
        }
        cancelled
    }

    /// True when the queue is empty; takes two loads. May be false for an empty
    /// queue until the next [`Deletes::sweep`].
    pub fn is_empty(&self) -> bool {
        self.load(SEEN_EMPTY) == self.load(PUSHED)
    }

    /// The number of queued and claimed deletes. Visits all slots.
    pub fn len(&self) -> usize {
        let kinds = (0..MAX_DELETES).map(|slot| kind(self.state(slot)));
        kinds.filter(|kind| matches!(kind, Kind::Ready | Kind::Claimed)).count()
    }

    /// The number of queued and claimed deletes of a relay. Visits all slots.
    pub fn len_of(&self, relay: u32) -> usize {
        (0..MAX_DELETES)
            .filter(|&at| matches!(kind(self.state(at)), Kind::Ready | Kind::Claimed))
            .filter(|&at| self.load(Self::body(at) + RELAY) as u32 == relay)
            .count()
    }
}

/// True when two pairs of tags have one in common, or when one pair is empty.
fn share_a_tag(these: u64, those: u64) -> bool {
    let tags = |pair: u64| [(pair >> 32) as u32, pair as u32];
    let common = |tag: &u32| *tag != 0 && tags(those).contains(tag);
    these == 0 || those == 0 || tags(these).iter().any(common)
}

#[cfg(test)]
mod tests;
