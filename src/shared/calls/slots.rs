//! The slots of the table: which of them may have a leg, and how a leg gets one.
//!
//! A leg is in one of two buckets of [`BUCKET`] slots. The buckets follow from the
//! Call-ID alone, so that one search finds the leg by either tag. A new leg takes a
//! slot of the bucket that has more free ones; so the table is more than nine tenths
//! full before a leg finds both buckets full.
//!
//! The words of the table: one line of its own, the keys of all slots, the words
//! [`Leg::usage`], and then the [`BODY`] words of each leg.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::claim::{self, NEW, Slot, claims, is_abandoned, is_leg, same_call, same_leg};
use super::expiry;
use super::leg::Leg;
use super::message::CallKey;
use super::words::{BODY, ENTRY_WORDS};
use crate::shared::block::LINE;

/// Slots of a bucket.
pub(super) const BUCKET: usize = 32;
/// Attempts to claim a slot before the leg is not stored.
const CLAIMS: usize = 32;
/// In so many first attempts a claim yields to a competing claim in an earlier slot.
const YIELDS: usize = 8;

/// The word in the table's line with the last time (seconds) when it was full.
const FULL: usize = 0;
/// A table that was not full for so long becomes full again (seconds).
pub(super) const FULL_EVERY: u32 = 60;

/// No place.
const NOWHERE: (usize, u64) = (usize::MAX, 0);

/// The words of the call table, divided.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slots<'b> {
    header: &'b [AtomicU64],
    keys: &'b [AtomicU64],
    usages: &'b [AtomicU64],
    bodies: &'b [[AtomicU64; BODY]],
    buckets: usize,
}

impl<'b> Slots<'b> {
    pub(super) fn new(words: &'b [AtomicU64]) -> Self {
        let (header, rest) = words.split_at_checked(LINE).unwrap_or_default();
        let slots = rest.len() / ENTRY_WORDS;
        let (keys, rest) = rest.split_at_checked(slots).unwrap_or_default();
        let (usages, rest) = rest.split_at_checked(slots).unwrap_or_default();
        let buckets = slots.div_ceil(BUCKET);
        Slots { header, keys, usages, bodies: rest.as_chunks().0, buckets }
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// The leg's words at a place whose key was `word`.
    #[inline]
    pub(super) fn leg(&self, place: usize, word: u64) -> Option<Leg<'b>> {
        Some(Leg {
            place: place as u32,
            word,
            key: Slot(self.keys.get(place)?),
            usage: self.usages.get(place)?,
            body: self.bodies.get(place)?,
        })
    }

    /// The leg at a place, if the slot has one.
    pub(super) fn leg_at(&self, place: usize) -> Option<Leg<'b>> {
        let word = self.keys.get(place)?.load(Ordering::SeqCst);
        if is_leg(word) { self.leg(place, word) } else { None }
    }

    /// The places of the two buckets for a Call-ID. The second is empty when there is
    /// only one bucket.
    pub(super) fn buckets(&self, call: u64) -> [Range<usize>; 2] {
        [self.first(call), self.second(call)]
    }

    #[inline]
    fn first(&self, call: u64) -> Range<usize> {
        self.places(self.scaled(call))
    }

    #[inline]
    fn second(&self, call: u64) -> Range<usize> {
        let first = self.scaled(call);
        match self.scaled(call.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) {
            other if other != first => self.places(other),
            _ if self.buckets <= 1 => 0..0,
            _ if first + 1 == self.buckets => self.places(0),
            _ => self.places(first + 1),
        }
    }

    /// The bucket for the low 32 of these bits.
    #[inline]
    fn scaled(&self, bits: u64) -> usize {
        (((bits & 0xffff_ffff) * self.buckets as u64) >> 32) as usize
    }

    #[inline]
    fn places(&self, bucket: usize) -> Range<usize> {
        let start = bucket * BUCKET;
        start..(start + BUCKET).min(self.keys.len())
    }

    /// The words of a bucket with their places.
    #[inline]
    fn bucket(
        &self,
        places: Range<usize>,
    ) -> impl Iterator<Item = (usize, &'b AtomicU64)> + use<'b> {
        let start = places.start;
        let slots = self.keys.get(places).unwrap_or_default();
        slots.iter().enumerate().map(move |(at, slot)| (start + at, slot))
    }

    /// Finds the leg whose caller sent the message, else the one whose caller
    /// receives it. With the leg: true for the first.
    #[inline(always)]
    pub(super) fn find(&self, key: CallKey, seconds: u32) -> Option<(Leg<'b>, bool)> {
        let (from, to) = (key.leg_of_from(), key.leg_of_to());
        let mut receiver = NOWHERE;
        let mut sender = self.search(self.first(key.call), from, to, seconds, &mut receiver);
        if sender == NOWHERE {
            sender = self.search(self.second(key.call), from, to, seconds, &mut receiver);
        }
        let by_caller = sender != NOWHERE;
        let (place, word) = if by_caller { sender } else { receiver };
        Some((self.leg(place, word)?, by_caller))
    }

    /// Finds the leg whose caller receives the message.
    pub(super) fn find_receiver(&self, key: CallKey, seconds: u32) -> Option<Leg<'b>> {
        let to = key.leg_of_to();
        let mut found = NOWHERE;
        for places in self.buckets(key.call) {
            if found == NOWHERE {
                found = self.search(places, to, to, seconds, &mut NOWHERE.clone());
            }
        }
        self.leg(found.0, found.1)
    }

    /// Finds place and word of the leg with the key `from` in one bucket. If it meets
    /// the leg with the key `to`, `receiver` is that.
    #[inline]
    fn search(
        &self,
        places: Range<usize>,
        from: u64,
        to: u64,
        seconds: u32,
        receiver: &mut (usize, u64),
    ) -> (usize, u64) {
        let start = places.start;
        let slots = self.keys.get(places).unwrap_or_default();
        let load = |slot: &AtomicU64| slot.load(Ordering::Acquire);
        let mut at = 0;
        while let Some(word) = slots.get(at).map(load) {
            let place = start + at;
            if same_call(word, from) {
                if same_leg(word, from) && !self.is_expired(place, seconds) {
                    return (place, word);
                }
                if same_leg(word, to) && !self.is_expired(place, seconds) {
                    *receiver = (place, word);
                }
            } else if word == NEW {
                break;
            }
            at += 1;
            // Most slots are of other Call-IDs, and `NEW` ones are the last.
            while let Some(four) = slots.get(at..).and_then(|slots| slots.first_chunk()) {
                let [a, b, c, d] = four.each_ref().map(load);
                let same = |word| same_call(word, from);
                if (d == NEW) | same(a) | same(b) | same(c) | same(d) {
                    break;
                }
                at += four.len();
            }
        }
        NOWHERE
    }

    #[inline]
    fn is_expired(&self, place: usize, seconds: u32) -> bool {
        let usage = self.usages.get(place).map_or(0, |usage| usage.load(Ordering::SeqCst));
        seconds > usage as u32
    }

    /// Finds a leg of the Call-ID one of whose dialogs has the tag of From.
    pub(super) fn find_by_callee(&self, key: CallKey, seconds: u32) -> Option<Leg<'b>> {
        let places = self.buckets(key.call).into_iter().flatten();
        let legs = places.filter_map(|place| self.leg_at(place));
        let mut legs = legs.filter(|leg| same_call(leg.word, key.leg_of_from()));
        legs.find(|leg| !leg.is_expired(seconds) && leg.dialog(key.from).is_some())
    }

    /// Finds the leg with this key, expired or not.
    fn find_any(&self, call: u64, key: u64) -> Option<Leg<'b>> {
        for places in self.buckets(call) {
            for (place, slot) in self.bucket(places) {
                match slot.load(Ordering::SeqCst) {
                    NEW => break,
                    word if is_leg(word) && same_leg(word, key) => return self.leg(place, word),
                    _ => {}
                }
            }
        }
        None
    }

    /// Takes a slot for a leg that is not stored; true with the leg if this process made it. `None`
    /// when both buckets are full.
    ///
    /// Two processes may take a slot for one leg at the same time. Each claims one,
    /// searches for other claims, and confirms its own if it wins. Claiming and
    /// searching are sequentially consistent, so at least one of the two sees the
    /// other. Before its claim is confirmed, a process writes into a slot only the
    /// time of its use.
    #[cold]
    pub(super) fn take(&self, call: u64, key: u64, seconds: u32) -> Option<(Leg<'b>, bool)> {
        for attempt in 0..CLAIMS {
            // The caller has searched. A slot taken since then shows in `wins`.
            let found = if attempt == 0 { None } else { self.find_any(call, key) };
            match found {
                Some(leg) if !leg.is_expired(seconds) => return Some((leg, false)),
                Some(leg) => {
                    leg.key.empty(leg.word, seconds, || leg.clear());
                    continue;
                }
                None => {}
            }
            let (place, claim) = self.claim(call, key, seconds)?;
            let slot = Slot(self.keys.get(place)?);
            if self.wins(call, key, place, attempt < YIELDS) {
                let fresh = self.leg(place, claim)?;
                fresh.start_expiry(seconds.saturating_add(expiry::PENDING));
                if let Some(word) = slot.confirm(claim, key) {
                    return Some((self.leg(place, word)?, true));
                }
            }
            slot.revoke(claim);
            match attempt {
                0..YIELDS => std::thread::yield_now(),
                _ => std::thread::sleep(Duration::from_micros(50)),
            }
        }
        None
    }

    /// Claims the first free slot of the bucket with more of them, else of the other
    /// one. Its place and the claim.
    fn claim(&self, call: u64, key: u64, seconds: u32) -> Option<(usize, u64)> {
        let [first, second] = self.buckets(call);
        let free = [&first, &second].map(|places| self.free(places.clone(), seconds));
        let order = match free {
            [0, 0] => return None,
            [few, more] if more > few => second.chain(first),
            _ => first.chain(second),
        };
        order.into_iter().find_map(|place| {
            let slot = Slot(self.keys.get(place)?);
            let mut word = slot.word();
            if !self.is_free(place, word, seconds) {
                return None;
            }
            if !claim::is_empty(word) {
                let leg = self.leg(place, word)?;
                word = slot.empty(word, seconds, || leg.clear())?;
            }
            Some((place, slot.claim(word, key, seconds)?))
        })
    }

    /// The number of free slots of a bucket.
    fn free(&self, places: Range<usize>, seconds: u32) -> usize {
        let mut free = 0;
        let end = places.end;
        for (place, slot) in self.bucket(places) {
            match slot.load(Ordering::SeqCst) {
                NEW => return free + (end - place),
                word => free += usize::from(self.is_free(place, word, seconds)),
            }
        }
        free
    }

    /// True for an empty slot, one of an expired leg, and one whose process died.
    fn is_free(&self, place: usize, word: u64, seconds: u32) -> bool {
        match is_leg(word) {
            true => self.leg(place, word).is_some_and(|leg| leg.is_expired(seconds)),
            false => claim::is_empty(word) || is_abandoned(word, seconds),
        }
    }

    /// True when the claim at `place` is the only one for its leg. Claims of other
    /// processes in later slots are revoked, so that they cannot be confirmed. Claims
    /// in earlier slots are revoked unless `yields`: the process that made them may
    /// have died.
    fn wins(&self, call: u64, key: u64, place: usize, yields: bool) -> bool {
        let mut before = true;
        for places in self.buckets(call) {
            for (at, slot) in self.bucket(places) {
                let slot = Slot(slot);
                if at == place {
                    before = false;
                    continue;
                }
                let word = slot.word();
                if word == NEW {
                    break;
                }
                if is_leg(word) && same_leg(word, key) {
                    return false;
                }
                if claims(word, key) {
                    let confirmed = |word| is_leg(word) && same_leg(word, key);
                    if before && yields || !slot.revoke(word) && confirmed(slot.word()) {
                        return false;
                    }
                }
            }
        }
        true
    }

    /// Every stored leg that has not expired, and its place. Reads every slot.
    pub(super) fn legs(&self, seconds: u32) -> impl Iterator<Item = Leg<'b>> + use<'b> {
        let slots = *self;
        let legs = (0..self.len()).filter_map(move |place| slots.leg_at(place));
        legs.filter(move |leg| !leg.is_expired(seconds))
    }

    /// Notes that a leg found no slot. True when the table was not full for
    /// [`FULL_EVERY`] seconds before.
    pub(super) fn note_full(&self, seconds: u32) -> bool {
        let Some(word) = self.header.get(FULL) else { return false };
        let now = u64::from(seconds) + 1;
        let last = word.fetch_max(now, Ordering::SeqCst);
        last == 0 || now.saturating_sub(last) > u64::from(FULL_EVERY)
    }
}
