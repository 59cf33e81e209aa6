//! The call table: what all processes must know of a call to treat its next
//! message right. Open addressing over 128-byte entries of atomic words; an
//! operation looks at `WINDOW` entries at most and retries a word a bounded
//! number of times. Every word is whole in itself, so a process that dies
//! between two of them leaves an entry that is merely older.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash};
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::media::role::{Invite, Known, ReplyOffer};

/// Words of one entry (128 bytes).
pub const ENTRY_WORDS: usize = 16;
/// How many entries an operation looks at.
const WINDOW: usize = 32;
/// Branches remembered per call; more are counted.
const BRANCHES: usize = 8;
/// An entry not used for this long may be taken for another call (seconds).
const STALE_AFTER: u32 = 8 * 3600;
/// An ended call is remembered this long, for repeated messages (seconds).
const ENDED_FOR: u32 = 32;
/// How often a word is tried before the operation gives up.
const TRIES: usize = 64;
/// How often an entry is claimed before the call goes on without memory.
const CLAIMS: usize = 8;
/// The key of an entry that is being emptied; every real key is odd.
const BUSY: u64 = 2;
/// Who was this long emptying an entry is dead (seconds).
const BUSY_FOR: u32 = 2;

// The words of an entry.
const KEY: usize = 0;
const USE: usize = 1; // relay identity (32) | last use in seconds (32)
const INVITE: usize = 2; // CSeq (32) | side (31) | carried an offer (1); 0: none
const ADDRESS_4: usize = 3; // hash of the relay's IPv4 media address
const ADDRESS_6: usize = 4; // and of its IPv6 one
const PORTS: usize = 5; // lowest (16) | highest (16) | ended (1) | more branches (16)
const BRANCH: usize = 6; // BRANCHES words: see `Branch`

/// A call, by the keyed hash of its Call-ID, and the two sides of the message
/// at hand, by the keyed hashes of its tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallKey {
    call: u64,
    from: u32,
    to: u32,
}

/// How far a branch is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
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

/// One branch word: tag (32) | CSeq of the answering request, low bits (24) |
/// delayed offer: 0 none, 1 due, 2 answered (2) | life: 0 free, 1 early,
/// 2 answered (2).
#[derive(Clone, Copy, PartialEq, Eq)]
struct Branch {
    tag: u32,
    answered_by: u32,
    offer: u64,
    life: u64,
}

const CSEQ_BITS: u32 = 0x00ff_ffff;

impl Branch {
    fn unpack(word: u64) -> Option<Branch> {
        let life = word & 3;
        (life != 0).then_some(Branch {
            tag: (word >> 32) as u32,
            answered_by: (word >> 4) as u32 & CSEQ_BITS,
            offer: word >> 2 & 3,
            life,
        })
    }

    fn pack(self) -> u64 {
        u64::from(self.tag) << 32
            | u64::from(self.answered_by & CSEQ_BITS) << 4
            | self.offer << 2
            | self.life
    }
}

/// What happened with a call's description, to be remembered.
#[derive(Clone, Copy, Debug)]
pub struct Event {
    /// The relay it is on: its identity.
    pub relay: u32,
    /// An INVITE, or a reply to one: its CSeq, and whether the request carried
    /// the offer.
    pub invite: Option<(u32, bool)>,
    /// The branch of To's tag reached this.
    pub branch: Option<Life>,
    /// The description came as an offer in a reply: its answer is due.
    pub reply_offer: bool,
    /// It answered a delayed offer, in the request of this CSeq.
    pub answered_by: Option<u32>,
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
        CallKey { call: self.long(call_id), from: tag(from_tag), to: tag(to_tag) }
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

    fn window(&self, key: CallKey) -> impl Iterator<Item = Entry<'b>> {
        let entries = self.words.len() / ENTRY_WORDS;
        let start = (key.call >> 8) as usize % entries.max(1);
        let words = self.words;
        (0..WINDOW.min(entries)).filter_map(move |step| {
            let first = ((start + step) % entries) * ENTRY_WORDS;
            words.get(first..first + ENTRY_WORDS).map(Entry)
        })
    }

    fn find(&self, key: CallKey) -> Option<Entry<'b>> {
        self.window(key).find(|entry| entry.key() == key.call)
    }

    /// Finds the call or takes a free entry: empty, ended a while ago, or not
    /// used for hours. `None` when the window is full.
    ///
    /// Two processes may take an entry for one call at once. Each looks again
    /// after its claim; who sees another copy gives its own back, so that one
    /// copy stays (claims and looks are sequentially consistent: at least one
    /// of the two sees the other).
    fn find_or_take(&self, key: CallKey, seconds: u32) -> Option<Entry<'b>> {
        for _ in 0..CLAIMS {
            if let Some(entry) = self.find(key) {
                return Some(entry);
            }
            let (place, mine) =
                self.window(key).enumerate().find(|(_, entry)| entry.take(key.call, seconds))?;
            let other =
                self.window(key).enumerate().any(|(at, e)| at != place && e.key() == key.call);
            if !other {
                return Some(mine);
            }
            mine.give_back(key.call, seconds);
        }
        None
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
    /// request from the side of From's tag, or a reply to it.
    pub fn known(&self, key: CallKey) -> Known {
        let Some(entry) = self.find(key) else { return Known::default() };
        let word = entry.load(INVITE);
        let invite = (word != 0).then_some(Invite {
            cseq: (word >> 32) as u32,
            same_side: word as u32 & !1 == key.from & !1,
            carried_offer: word & 1 == 1,
        });
        let reply_offer = entry.branch(key.to).and_then(|(_, branch)| match branch.offer {
            1 => Some(ReplyOffer::Due),
            2 => Some(ReplyOffer::Answered(branch.answered_by)),
            _ => None,
        });
        Known { invite, reply_offer }
    }

    /// True when an address and port were given to this call by its relay:
    /// the message passes here a second time (a spiral).
    pub fn is_ours(&self, key: CallKey, address: SocketAddr) -> bool {
        let Some(entry) = self.find(key) else { return false };
        let ip = address.ip().to_canonical();
        let word = entry.load(if ip.is_ipv4() { ADDRESS_4 } else { ADDRESS_6 });
        let ports = entry.load(PORTS);
        let (low, high) = ((ports >> 48) as u16, (ports >> 32) as u16);
        word == self.long(ip) && (low..=high).contains(&address.port())
    }

    /// Remembers what happened at `seconds` (any clock that all processes
    /// share). False when the table is full here: the call then goes on
    /// without memory.
    pub fn record(&self, key: CallKey, event: &Event, seconds: u32) -> bool {
        let Some(entry) = self.find_or_take(key, seconds) else { return false };
        entry.store(USE, u64::from(event.relay) << 32 | u64::from(seconds));
        if let Some((cseq, carried)) = event.invite {
            entry.store(
                INVITE,
                u64::from(cseq) << 32 | u64::from(key.from & !1) | u64::from(carried),
            );
        }
        entry.update(PORTS, |ports| ports & !ENDED_BIT);
        if let Some((address, low, high)) = event.media {
            self.record_media(&entry, address, low, high);
        }
        if event.branch.is_some() || event.reply_offer || event.answered_by.is_some() {
            entry.change_branch(key, event);
        }
        true
    }

    fn record_media(&self, entry: &Entry<'_>, address: IpAddr, low: u16, high: u16) {
        let address = address.to_canonical();
        let word = if address.is_ipv4() { ADDRESS_4 } else { ADDRESS_6 };
        let moved = entry.load(word) != self.long(address);
        entry.store(word, self.long(address));
        entry.update(PORTS, |ports| {
            let (old_low, old_high) = ((ports >> 48) as u16, (ports >> 32) as u16);
            let (low, high) = if moved && old_low == 0 {
                (low, high)
            } else {
                (low.min(if old_low == 0 { low } else { old_low }), high.max(old_high))
            };
            u64::from(low) << 48 | u64::from(high) << 32 | ports & 0xffff_ffff
        });
    }

    /// A branch was answered without a description of its own.
    pub fn answered(&self, key: CallKey, seconds: u32) {
        let Some(entry) = self.find(key) else { return };
        entry.update(USE, |word| word & !0xffff_ffff | u64::from(seconds));
        let event = Event {
            relay: 0,
            invite: None,
            branch: Some(Life::Answered),
            reply_offer: false,
            answered_by: None,
            media: None,
        };
        entry.change_branch(key, &event);
    }

    /// An end came. Unknown calls end too: the relay may know them.
    pub fn end(&self, key: CallKey, ending: Ending, seconds: u32) -> End {
        let Some(entry) = self.find(key) else { return End::Call };
        let own = match ending {
            Ending::Cancel | Ending::Call => None,
            Ending::Bye => entry.branch(key.to).or_else(|| entry.branch(key.from)),
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
            return End::Withheld;
        }
        entry.free_branches(|_| true);
        entry.update(PORTS, |ports| ports | ENDED_BIT);
        entry.update(USE, |word| word & !0xffff_ffff | u64::from(seconds));
        End::Call
    }

    /// How many entries are in use.
    pub fn len(&self) -> usize {
        self.words
            .chunks_exact(ENTRY_WORDS)
            .map(Entry)
            .filter(|e| e.key() & 1 == 1 && !e.ended())
            .count()
    }

    /// True when no call is known.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

const ENDED_BIT: u64 = 1 << 31;
const MORE_SHIFT: u32 = 0;
const MORE_MAX: u64 = 0xffff;

/// One entry: its words.
#[derive(Clone, Copy)]
struct Entry<'b>(&'b [AtomicU64]);

impl Entry<'_> {
    fn load(&self, word: usize) -> u64 {
        self.0.get(word).map_or(0, |w| w.load(Ordering::Acquire))
    }

    fn store(&self, word: usize, value: u64) {
        if let Some(word) = self.0.get(word) {
            word.store(value, Ordering::Release);
        }
    }

    fn update(&self, word: usize, change: impl Fn(u64) -> u64) {
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

    fn key(&self) -> u64 {
        self.0.get(KEY).map_or(0, |w| w.load(Ordering::SeqCst))
    }

    fn swap(&self, word: usize, from: u64, to: u64) -> bool {
        self.0.get(word).is_some_and(|w| {
            w.compare_exchange(from, to, Ordering::SeqCst, Ordering::SeqCst).is_ok()
        })
    }

    /// Takes this entry for `key` if it is empty, or can be emptied.
    fn take(&self, key: u64, seconds: u32) -> bool {
        let old = self.key();
        if old != 0 {
            let used = self.load(USE);
            let mine = if old == BUSY {
                seconds.saturating_sub(used as u32) > BUSY_FOR
                    && self.swap(USE, used, u64::from(seconds))
            } else {
                self.is_over(seconds) && self.swap(KEY, old, BUSY)
            };
            if !mine {
                return false;
            }
            self.empty(seconds);
        }
        let taken = self.swap(KEY, 0, key);
        if taken {
            self.store(USE, u64::from(seconds));
        }
        taken
    }

    fn give_back(&self, key: u64, seconds: u32) {
        if self.swap(KEY, key, BUSY) {
            self.empty(seconds);
        }
    }

    /// Empties an entry that this process made BUSY. The time of use goes
    /// last: it tells others how long the entry has been busy.
    fn empty(&self, seconds: u32) {
        self.store(USE, u64::from(seconds));
        for word in USE + 1..ENTRY_WORDS {
            self.store(word, 0);
        }
        self.swap(KEY, BUSY, 0);
    }

    fn ended(&self) -> bool {
        self.load(PORTS) & ENDED_BIT != 0
    }

    fn is_over(&self, seconds: u32) -> bool {
        let unused = seconds.saturating_sub(self.load(USE) as u32);
        unused > if self.ended() { ENDED_FOR } else { STALE_AFTER }
    }

    fn branches(&self) -> impl Iterator<Item = (usize, Branch)> + '_ {
        (BRANCH..BRANCH + BRANCHES)
            .filter_map(|word| Branch::unpack(self.load(word)).map(|branch| (word, branch)))
    }

    fn branch(&self, tag: u32) -> Option<(usize, Branch)> {
        self.branches().find(|(_, branch)| tag != 0 && branch.tag == tag)
    }

    fn lives(&self) -> (usize, usize) {
        let early = self.branches().filter(|(_, b)| b.life == 1).count();
        let answered = self.branches().filter(|(_, b)| b.life == 2).count();
        (early, answered)
    }

    fn free_branches(&self, which: impl Fn(Branch) -> bool) {
        for word in BRANCH..BRANCH + BRANCHES {
            self.update(word, |old| match Branch::unpack(old) {
                Some(branch) if which(branch) => 0,
                _ => old,
            });
        }
    }

    /// Updates the branch the message belongs to. Which of its tags names the
    /// branch: the one already known as such, else To's (the callee's).
    fn change_branch(&self, key: CallKey, event: &Event) {
        let tag = match (self.branch(key.to), self.branch(key.from)) {
            (None, Some(_)) => key.from,
            _ => key.to,
        };
        if tag == 0 {
            return;
        }
        let changed = |old: Option<Branch>| {
            let mut branch = old.unwrap_or(Branch { tag, answered_by: 0, offer: 0, life: 1 });
            if event.branch == Some(Life::Answered) {
                branch.life = 2;
            }
            if event.reply_offer && branch.offer == 0 {
                branch.offer = 1;
            }
            if let Some(cseq) = event.answered_by {
                branch.offer = 2;
                branch.answered_by = cseq & CSEQ_BITS;
            }
            branch.pack()
        };
        if let Some((word, _)) = self.branch(tag) {
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
        if event.branch == Some(Life::Answered) {
            self.update(PORTS, |ports| match ports >> MORE_SHIFT & MORE_MAX {
                MORE_MAX => ports,
                _ => ports + (1 << MORE_SHIFT),
            });
        }
    }
}

#[cfg(test)]
mod tests;
