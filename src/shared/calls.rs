//! The call table: what all processes must know of a call to treat its next
//! message right. Open addressing over 128-byte entries of atomic words; an
//! operation looks at `WINDOW` entries at most and retries a word a bounded
//! number of times. Every word is whole in itself, so a process that dies
//! between two of them leaves an entry that is merely older.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash};
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::media::role::{Known, Memory, ReplyOffer};

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
const INVITE: [usize; 3] = [2, 14, 15]; // with an offer: CSeq (32) | direction (32); 0: none
const ADDRESS_4: usize = 3; // hash of the relay's IPv4 media address
const ADDRESS_6: usize = 4; // and of its IPv6 one
const PORTS: usize = 5; // lowest (16) | highest (16) | flags (16): see below | more branches (16)
const BRANCH: usize = 6; // BRANCHES words: see `Branch`

/// A call, by the keyed hash of its Call-ID, and the two sides of the message
/// at hand, by the keyed hashes of its tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallKey {
    call: u64,
    from: u32,
    to: u32,
}

impl CallKey {
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

fn pack_invite(cseq: u32, direction: u32) -> u64 {
    u64::from(cseq) << 32 | u64::from(direction)
}

fn unpack_invite(word: u64) -> (u32, u32) {
    ((word >> 32) as u32, word as u32)
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

/// One branch word: tag (32) | the last delayed offer was in a reply to the
/// branch's own party (1) | low bits of that INVITE's CSeq (13) and of the
/// answering request's (14) | delayed offer: 0 none, 1 due, 2 answered (2) |
/// life: 0 free, 1 early, 2 answered (2).
#[derive(Clone, Copy, PartialEq, Eq)]
struct Branch {
    tag: u32,
    to_branch: bool,
    offered_in: u32,
    answered_by: u32,
    offer: u64,
    life: u64,
}

/// Of a CSeq only so many bits are kept: enough to tell the requests of a
/// dialog that are under way at one time.
const OFFERED_BITS: u32 = 13;
const ANSWERED_BITS: u32 = 14;

fn low(cseq: u32, bits: u32) -> u32 {
    cseq & !(u32::MAX << bits)
}

/// The CSeq with these low bits that is nearest to `near`.
fn nearest(near: u32, low_bits: u32, bits: u32) -> u32 {
    let ahead = low(low_bits.wrapping_sub(near), bits);
    let far = ahead >> (bits - 1) != 0;
    near.wrapping_add(ahead).wrapping_sub(u32::from(far) << bits)
}

impl Branch {
    fn new(tag: u32) -> Branch {
        Branch { tag, to_branch: false, offered_in: 0, answered_by: 0, offer: 0, life: 1 }
    }

    fn unpack(word: u64) -> Option<Branch> {
        let life = word & 3;
        (life != 0).then_some(Branch {
            tag: (word >> 32) as u32,
            to_branch: word >> 31 & 1 == 1,
            offered_in: low((word >> 18) as u32, OFFERED_BITS),
            answered_by: low((word >> 4) as u32, ANSWERED_BITS),
            offer: word >> 2 & 3,
            life,
        })
    }

    fn pack(self) -> u64 {
        u64::from(self.tag) << 32
            | u64::from(self.to_branch) << 31
            | u64::from(self.offered_in) << 18
            | u64::from(self.answered_by) << 4
            | self.offer << 2
            | self.life
    }

    /// The delayed offer, for a message of this CSeq from the side that the
    /// offer was sent to (or a reply to that side).
    fn reply_offer(self, to_branch: bool, cseq: u32) -> Option<ReplyOffer> {
        (self.offer != 0 && self.to_branch == to_branch).then(|| ReplyOffer {
            cseq: nearest(cseq, self.offered_in, OFFERED_BITS),
            answered_by: (self.offer == 2).then(|| nearest(cseq, self.answered_by, ANSWERED_BITS)),
        })
    }

    /// Takes note of a delayed offer; a repeated or older one changes nothing.
    fn offered(&mut self, to_branch: bool, cseq: u32) {
        let known = self.reply_offer(to_branch, cseq);
        if known.is_none_or(|known| known.cseq < cseq) {
            self.to_branch = to_branch;
            self.offered_in = low(cseq, OFFERED_BITS);
            self.offer = 1;
        }
    }
}

/// What happened with a call's description, to be remembered.
#[derive(Clone, Copy, Debug)]
pub struct Event {
    /// The relay it is on: its identity.
    pub relay: u32,
    /// The branch of To's tag reached this.
    pub branch: Option<Life>,
    /// Offer or answer, as far as later messages depend on it.
    pub description: Memory,
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
    /// request of this CSeq from the side of From's tag, or a reply to it. The
    /// call's last three INVITEs with an offer and each branch's last delayed
    /// offer are known.
    pub fn known(&self, key: CallKey, cseq: u32) -> Known {
        let Some(entry) = self.find(key) else { return Known::default() };
        let mut known = Known::default();
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
        entry.update(PORTS, |ports| ports & !(ENDED_BIT | PASSED_BIT));
        entry.describe(key, event.branch, &event.description);
        if let Some((address, low, high)) = event.media {
            self.record_media(&entry, address, low, high);
        }
        true
    }

    /// Remembers an offer that another proxy relays: its answer is then that
    /// one's too. False when the table is full here.
    pub fn pass_by(
        &self,
        key: CallKey,
        branch: Option<Life>,
        description: &Memory,
        seconds: u32,
    ) -> bool {
        let Some(entry) = self.find_or_take(key, seconds) else { return false };
        entry.used(seconds);
        entry.update(PORTS, |ports| ports & !ENDED_BIT | PASSED_BIT);
        entry.describe(key, branch, description);
        true
    }

    /// True when the call's last offer was another proxy's to relay.
    pub fn is_passed_by(&self, key: CallKey) -> bool {
        self.find(key).is_some_and(|entry| entry.load(PORTS) & PASSED_BIT != 0)
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

    /// A branch rings or was answered without a description of its own.
    pub fn reached(&self, key: CallKey, life: Life, seconds: u32) {
        let Some(entry) = self.find(key) else { return };
        entry.used(seconds);
        entry.change_branch(key, Some(life), &Memory::default());
    }

    /// An end came. Unknown calls end too: the relay may know them.
    pub fn end(&self, key: CallKey, ending: Ending, seconds: u32) -> End {
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
            return End::Withheld;
        }
        entry.free_branches(|_| true);
        entry.update(PORTS, |ports| ports | ENDED_BIT);
        entry.used(seconds);
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

// The flags: the call ended; its last offer was another proxy's to relay; which
// INVITE word is written next.
const ENDED_BIT: u64 = 1 << 31;
const PASSED_BIT: u64 = 1 << 30;
const NEXT_SHIFT: u32 = 16;
const NEXT_MASK: u64 = 3 << NEXT_SHIFT;
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

    /// The branch the message belongs to: one of its tags names it, To's
    /// unless only From's is known as such.
    fn branch_of(&self, key: CallKey) -> Option<(usize, Branch)> {
        self.branch(key.to).or_else(|| self.branch(key.from))
    }

    /// Notes the time; the relay stays.
    fn used(&self, seconds: u32) {
        self.update(USE, |word| word & !0xffff_ffff | u64::from(seconds));
    }

    /// Remembers what later descriptions depend on.
    fn describe(&self, key: CallKey, life: Option<Life>, description: &Memory) {
        if let Some(cseq) = description.offered {
            self.offered(pack_invite(cseq, key.direction()));
        }
        self.change_branch(key, life, description);
    }

    /// Remembers an INVITE that carried an offer, in place of the oldest.
    fn offered(&self, invite: u64) {
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
    fn change_branch(&self, key: CallKey, life: Option<Life>, description: &Memory) {
        let known = self.branch_of(key).map(|(_, branch)| branch.tag);
        let begins = life.is_some() || description.reply_offer.is_some();
        if known.is_none() && !begins {
            return;
        }
        let tag = known.unwrap_or(key.to);
        let Some(to_branch) = key.side(tag) else { return };
        let changed = |old: Option<Branch>| {
            let mut branch = old.unwrap_or(Branch::new(tag));
            if life == Some(Life::Answered) {
                branch.life = 2;
            }
            if let Some(cseq) = description.reply_offer {
                branch.offered(to_branch, cseq);
            }
            if let Some(cseq) = description.answered_by
                && branch.offer != 0
            {
                branch.offer = 2;
                branch.answered_by = low(cseq, ANSWERED_BITS);
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
        if life == Some(Life::Answered) {
            self.update(PORTS, |ports| match ports >> MORE_SHIFT & MORE_MAX {
                MORE_MAX => ports,
                _ => ports + (1 << MORE_SHIFT),
            });
        }
    }
}

#[cfg(test)]
mod tests;
