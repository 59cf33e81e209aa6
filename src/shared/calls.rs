//! The call table: what all processes must know of a call to treat its next
//! message right. Open addressing over 128-byte entries of atomic words; an
//! operation looks at `WINDOW` entries at most and retries a word a bounded
//! number of times. Every word is whole in itself, so a process that dies
//! between two of them leaves an entry that is merely older.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash};
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use crate::shared::calls::history::{OfferAnswerState, OfferAnswerUpdate};

mod branch;
mod entry;
pub mod history;

use entry::{
    ADDRESS_4, ADDRESS_6, ENDED_BIT, Entry, INVITE, MORE_MAX, MORE_SHIFT, NEW, PORTS, UPSTREAM_BIT,
    USE, is_claim, unpack_invite,
};

/// Words of one entry (128 bytes).
pub const ENTRY_WORDS: usize = 16;
/// How many entries an operation looks at.
const WINDOW: usize = 32;
/// How often an entry is claimed before the call goes on without memory.
const CLAIMS: usize = 32;
/// How often a claim gives way to one before it.
const PATIENT: usize = 8;

/// A call, by the keyed hash of its Call-ID, and the two sides of the message
/// at hand, by the keyed hashes of its tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallKey {
    call: u64,
    from: u32,
    to: u32,
}

impl CallKey {
    /// The keyed hash of the Call-ID.
    pub(super) fn call(self) -> u64 {
        self.call
    }

    /// Which side of which dialog the message comes from, or replies to. The
    /// factor (odd, its bits mixed) keeps the two sides of a dialog apart.
    fn direction(self) -> u32 {
        (self.from.wrapping_mul(0x9e37_79b1) ^ self.to) | 1
    }

    /// True for the tag of From, false for that of To.
    fn side(self, tag: u32) -> Option<bool> {
        (tag != 0 && (tag == self.to || tag == self.from)).then_some(tag != self.to)
    }
}

/// How far a branch is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BranchState {
    /// It had an early answer.
    Early,
    /// It was answered.
    Answered,
}

/// What an end means for the relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The whole call is over: tell the relay.
    Call,
    /// Another branch lives, and the relay can end this one alone: send the
    /// delete.
    Branch,
    /// Another branch lives: the relay's delete would take it along.
    Withheld,
}

/// Which message ends something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// BYE, from either side: its branch.
    Bye,
    /// CANCEL: all that is not answered yet.
    Cancel,
    /// A failure reply to INVITE: its own early branch.
    Failure,
    /// The server says so: all of it.
    Call,
}

/// What happened with a call's description, to be remembered.
#[derive(Clone, Copy, Debug)]
pub struct CallUpdate {
    /// The relay it is on: its identity.
    pub relay: u32,
    /// The branch of To's tag reached this.
    pub branch: Option<BranchState>,
    /// Offer or answer, as far as later messages depend on it.
    pub offer_answer: OfferAnswerUpdate,
    /// The relay's address and the ports it gave.
    pub media: Option<(IpAddr, u16, u16)>,
}

/// The call table over a run of shared words.
#[derive(Clone, Copy, Debug)]
pub struct Calls<'b> {
    words: &'b [AtomicU64],
    hash: &'b RandomState,
}

impl<'b> Calls<'b> {
    /// A table over `words` ([`ENTRY_WORDS`] per call). `hash` holds the key;
    /// it must be the same in all processes, so it is made before the fork.
    pub fn new(words: &'b [AtomicU64], hash: &'b RandomState) -> Self {
        Calls { words, hash }
    }

    /// The key of a message's call and sides.
    pub fn key(&self, call_id: &[u8], from_tag: &[u8], to_tag: &[u8]) -> CallKey {
        let tag = |tag: &[u8]| if tag.is_empty() { 0 } else { self.short(tag) };
        CallKey { call: self.long(call_id) | 1 << 63, from: tag(from_tag), to: tag(to_tag) }
    }

    /// The identity of a relay, by its text: never 0.
    pub fn identity(&self, relay: &str) -> u32 {
        self.short(relay)
    }

    fn long(&self, value: impl Hash) -> u64 {
        self.hash.hash_one(value) | 1
    }

    fn short(&self, value: impl Hash) -> u32 {
        (self.long(value) >> 32) as u32 | 1
    }

    fn entries(&self) -> &'b [[AtomicU64; ENTRY_WORDS]] {
        self.words.as_chunks().0
    }

    /// The entries that may hold this call: they are taken in this order.
    fn window(&self, key: CallKey) -> impl Iterator<Item = Entry<'b>> {
        let entries = self.entries();
        let start = (key.call >> 8) as usize % entries.len().max(1);
        let (before, from) = entries.split_at_checked(start).unwrap_or_default();
        let inside = from.get(..WINDOW).unwrap_or(from);
        let wrapped = before.get(..WINDOW.saturating_sub(inside.len())).unwrap_or(before);
        inside.iter().chain(wrapped).map(Entry)
    }

    fn find(&self, key: CallKey) -> Option<Entry<'b>> {
        let looked_at = |entry: Entry<'b>| match entry.key() {
            NEW => Some(None),
            found => (found == key.call).then_some(Some(entry)),
        };
        self.window(key).find_map(looked_at)?
    }

    /// Finds the call or takes a free entry. `None` when the window is full.
    fn find_or_take(&self, key: CallKey, seconds: u32) -> Option<Entry<'b>> {
        self.find(key).or_else(|| self.take(key, seconds))
    }

    /// Takes a free entry: empty, ended a while ago, or not used for hours.
    ///
    /// Two processes may want an entry for one call at once. Each claims one,
    /// looks for others, and confirms its claim when it prevails (claims and
    /// looks are sequentially consistent: at least one of the two sees the
    /// other). Nobody writes into an entry that is not confirmed.
    #[cold]
    fn take(&self, key: CallKey, seconds: u32) -> Option<Entry<'b>> {
        for attempt in 0..CLAIMS {
            if let Some(entry) = self.find(key) {
                return Some(entry);
            }
            let (place, mine) =
                self.window(key).enumerate().find(|(_, entry)| entry.claim(key.call, seconds))?;
            if self.prevails(key, place, attempt < PATIENT) && mine.confirm(key.call, seconds) {
                return Some(mine);
            }
            mine.give_back(key.call, seconds);
            match attempt {
                0..PATIENT => std::thread::yield_now(),
                _ => std::thread::sleep(Duration::from_micros(50)),
            }
        }
        None
    }

    /// True when nobody else has an entry for the call of the claim at `place`.
    /// Claims further on are taken back from those who made them, who then
    /// cannot confirm them; so are those before it without patience, for their
    /// owner may have died.
    fn prevails(&self, key: CallKey, place: usize, patient: bool) -> bool {
        for (at, entry) in self.window(key).enumerate().filter(|(at, _)| *at != place) {
            match entry.key() {
                NEW if at > place => break,
                found if found == key.call => return false,
                found if is_claim(found, key.call) => {
                    let before = at < place;
                    if before && patient || !entry.take_back(found) && entry.key() == key.call {
                        return false;
                    }
                }
                _ => {}
            }
        }
        true
    }

    /// True when the call is known and not over.
    pub fn is_known(&self, key: CallKey) -> bool {
        self.find(key).is_some_and(|entry| !entry.ended())
    }

    /// The identity of the relay the call is on.
    pub fn relay(&self, key: CallKey) -> Option<u32> {
        let relay = (self.find(key)?.load(USE) >> 32) as u32;
        (relay != 0).then_some(relay)
    }

    /// What is known for deciding a description's role. The message is a
    /// request of this CSeq from the side of From's tag, or a reply to it. The
    /// call's last three INVITEs with an offer and each branch's last delayed
    /// offer are known.
    pub fn known(&self, key: CallKey, cseq: u32) -> OfferAnswerState {
        let Some(entry) = self.find(key) else { return OfferAnswerState::default() };
        let mut known = OfferAnswerState::default();
        // The first INVITE of a call has no tag in To yet.
        let (dialog, first) = (key.direction(), CallKey { to: 0, ..key }.direction());
        for (of, direction) in INVITE.iter().map(|&word| unpack_invite(entry.load(word))) {
            if direction == dialog || direction == first {
                known.carried_offer |= of == cseq;
                known.newest_offer = known.newest_offer.max(Some(of));
            }
        }
        let branch =
            entry.branch_of(key).and_then(|(_, branch)| Some((branch, key.side(branch.tag)?)));
        known.reply_offer = branch.and_then(|(branch, from)| branch.reply_offer(from, cseq));
        known
    }

    /// True when an address and port were given to this call by its relay:
    /// the message passes here a second time (a spiral).
    pub fn is_ours(&self, key: CallKey, address: SocketAddr) -> bool {
        let Some(entry) = self.find(key) else { return false };
        let (at, known) = self.address(address.ip());
        let word = entry.load(at);
        let ports = entry.load(PORTS);
        let (low, high) = ((ports >> 48) as u16, (ports >> 32) as u16);
        word == known && (low..=high).contains(&address.port())
    }

    /// Remembers what happened at `seconds` (any clock that all processes
    /// share). False when the table is full here: the call then goes on
    /// without memory.
    pub fn record(&self, key: CallKey, event: &CallUpdate, seconds: u32) -> bool {
        let Some(entry) = self.find_or_take(key, seconds) else { return false };
        entry.store(USE, u64::from(event.relay) << 32 | u64::from(seconds));
        match event.media {
            Some((address, low, high)) => self.record_media(&entry, address, low, high),
            None => entry.update(PORTS, |ports| ports & !(ENDED_BIT | UPSTREAM_BIT)),
        }
        entry.describe(key, event.branch, &event.offer_answer);
        true
    }

    /// Remembers an offer that another proxy relays: its answer is then that
    /// one's too. False when the table is full here.
    pub fn mark_relayed_upstream(
        &self,
        key: CallKey,
        branch: Option<BranchState>,
        offer_answer: &OfferAnswerUpdate,
        seconds: u32,
    ) -> bool {
        let Some(entry) = self.find_or_take(key, seconds) else { return false };
        entry.used(seconds);
        entry.update(PORTS, |ports| ports & !ENDED_BIT | UPSTREAM_BIT);
        entry.describe(key, branch, offer_answer);
        true
    }

    /// True when the call's last offer was another proxy's to relay.
    pub fn relayed_upstream(&self, key: CallKey) -> bool {
        self.find(key).is_some_and(|entry| entry.load(PORTS) & UPSTREAM_BIT != 0)
    }

    /// The word for an address, and what it holds: an IPv4 address itself (an
    /// IPv4-mapped one too), the keyed hash of an IPv6 one; never 0.
    fn address(&self, ip: IpAddr) -> (usize, u64) {
        let v4 = match ip {
            IpAddr::V4(ip) => Ok(ip),
            IpAddr::V6(ip) => ip.to_ipv4_mapped().ok_or(ip),
        };
        match v4 {
            Ok(ip) => (ADDRESS_4, 1 << 32 | u64::from(ip.to_bits())),
            Err(ip) => (ADDRESS_6, self.long(ip.to_bits())),
        }
    }

    /// The call goes on, with these ports at its relay.
    fn record_media(&self, entry: &Entry<'_>, address: IpAddr, low: u16, high: u16) {
        let (at, address) = self.address(address);
        let moved = entry.load(at) != address;
        entry.store(at, address);
        entry.update(PORTS, |ports| {
            let (old_low, old_high) = ((ports >> 48) as u16, (ports >> 32) as u16);
            let (low, high) = if moved && old_low == 0 {
                (low, high)
            } else {
                (low.min(if old_low == 0 { low } else { old_low }), high.max(old_high))
            };
            let flags = ports & 0xffff_ffff & !(ENDED_BIT | UPSTREAM_BIT);
            u64::from(low) << 48 | u64::from(high) << 32 | flags
        });
    }

    /// A branch rings or was answered without a description of its own.
    pub fn reached(&self, key: CallKey, life: BranchState, seconds: u32) {
        let Some(entry) = self.find(key) else { return };
        entry.used(seconds);
        entry.change_branch(key, Some(life), &OfferAnswerUpdate::default());
    }

    /// An end came. Unknown calls end too: the relay may know them.
    ///
    /// `branch_delete`: the relay can end one branch and leave the others.
    pub fn end(&self, key: CallKey, ending: Ending, branch_delete: bool, seconds: u32) -> End {
        let Some(entry) = self.find(key) else { return End::Call };
        let own = match ending {
            Ending::Cancel | Ending::Call => None,
            Ending::Bye => entry.branch_of(key),
            Ending::Failure => entry.branch(key.to).filter(|(_, b)| b.life == 1),
        };
        match (ending, own) {
            (Ending::Cancel, _) => entry.free_branches(|branch| branch.life == 1),
            (Ending::Call, _) => {
                entry.free_branches(|_| true);
                entry.update(PORTS, |ports| ports & !(MORE_MAX << MORE_SHIFT));
            }
            (_, Some((_, own))) => entry.free_branches(|branch| branch.tag == own.tag),
            (Ending::Bye, None) => {
                entry.update(PORTS, |ports| match ports >> MORE_SHIFT & MORE_MAX {
                    0 => ports,
                    _ => ports - (1 << MORE_SHIFT),
                })
            }
            (Ending::Failure, None) => {}
        }
        let more = entry.load(PORTS) >> MORE_SHIFT & MORE_MAX;
        let (early, answered) = entry.lives();
        let others_live = answered > 0 || more > 0 || (ending == Ending::Failure && early > 0);
        // Once one branch was answered its BYE ends the call, whatever still
        // rings: the ringing branches are being cancelled.
        let others_live = others_live
            || (ending == Ending::Bye && early > 0 && own.is_some_and(|(_, b)| b.life == 1));
        if others_live {
            return if branch_delete { End::Branch } else { End::Withheld };
        }
        entry.free_branches(|_| true);
        entry.update(PORTS, |ports| ports | ENDED_BIT);
        entry.used(seconds);
        End::Call
    }

    fn live(&self) -> impl Iterator<Item = Entry<'b>> {
        self.entries().iter().map(Entry).filter(|entry| entry.key() & 1 == 1 && !entry.ended())
    }

    /// How many entries are in use.
    pub fn len(&self) -> usize {
        self.live().count()
    }

    /// How many calls fit.
    pub fn capacity(&self) -> usize {
        self.entries().len()
    }

    /// Names the relay of each call that is not over.
    pub fn for_each_relay(&self, mut told: impl FnMut(u32)) {
        self.live().for_each(|entry| told((entry.load(USE) >> 32) as u32));
    }

    /// True when no call is known.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests;
