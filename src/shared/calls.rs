//! The call table in the shared block: the state of each call that its next
//! message depends on. Open addressing over 128-byte entries of atomic words. An
//! operation reads at most `WINDOW` entries and retries a word a bounded number
//! of times. Each word is valid without the others, so a process that dies
//! between two writes leaves an entry that is only out of date.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash};
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use crate::shared::calls::history::{OfferAnswerState, OfferAnswerUpdate};
use crate::sip::Method;

mod branch;
mod ends;
mod entry;
pub mod history;
mod message;
mod state;
pub mod update;

use branch::EARLY;
use entry::{
    ADDRESS_4, ADDRESS_6, ENDED_BIT, Entry, INVITE, MORE_MAX, MORE_SHIFT, NEW, PORTS, UPSTREAM_BIT,
    USE, is_claim, unpack_invite,
};

pub use ends::{DeleteScope, EndScope, Termination};
pub use message::{CallKey, CallMessage};
pub use state::{LegState, LegStatus};
pub use update::{CallUpdate, Recorded, RelayPorts, Ticket};

/// Words of one entry (128 bytes).
pub const ENTRY_WORDS: usize = 16;
/// The number of entries that an operation reads at most.
const WINDOW: usize = 32;
/// Attempts to claim an entry before the call state is not stored.
const CLAIMS: usize = 32;
/// In so many first attempts a claim yields to a competing claim in an earlier
/// entry.
const YIELDS: usize = 8;

impl CallKey {
    /// The dialog and the side that sent the message, or that a reply goes to.
    /// The odd factor with mixed bits makes the two sides of a dialog differ.
    fn direction(self) -> u32 {
        (self.from.wrapping_mul(0x9e37_79b1) ^ self.to) | 1
    }

    /// True for the tag of From, false for the tag of To.
    fn side(self, tag: u32) -> Option<bool> {
        (tag != 0 && (tag == self.to || tag == self.from)).then_some(tag != self.to)
    }
}

/// The state of a branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BranchState {
    /// A provisional reply came: an early dialog (RFC 3261 section 12).
    Early,
    /// A 2xx reply to the INVITE came.
    Answered,
}

/// The message or the command that terminates a call or a branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TerminatedBy {
    /// BYE from either side: terminates its branch.
    Bye,
    /// CANCEL: terminates all branches without a 2xx reply.
    Cancel,
    /// A failure reply to INVITE: terminates its own early branch.
    Failure,
    /// The SIP server: terminates all branches.
    Server,
}

impl CallMessage {
    /// The state that a reply to INVITE gives its dialog.
    fn branch_state(&self) -> Option<BranchState> {
        match (self.method, self.status?) {
            (Method::Invite, 101..=199) => Some(BranchState::Early),
            (Method::Invite, 200..=299) => Some(BranchState::Answered),
            _ => None,
        }
    }
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

    /// The key for a message's Call-ID and tags. A tag that is not there yet is
    /// empty.
    pub fn key(&self, call_id: &[u8], from_tag: &[u8], to_tag: &[u8]) -> CallKey {
        let tag = |tag: &[u8]| if tag.is_empty() { 0 } else { self.short(tag) };
        CallKey { call: self.long(call_id) | 1 << 63, from: tag(from_tag), to: tag(to_tag) }
    }

    /// The identity of a relay: the keyed hash of its text, never 0.
    pub fn identity(&self, relay: &str) -> u32 {
        self.short(relay)
    }

    /// The keyed hash of the branch of a top Via, never 0. 0 for the empty branch.
    pub fn branch(&self, branch: &[u8]) -> u32 {
        if branch.is_empty() { 0 } else { self.short(branch) }
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

    /// The entries that may hold this call, in the order of the search.
    fn window(&self, key: CallKey) -> impl Iterator<Item = Entry<'b>> {
        let entries = self.entries();
        let start = (key.call >> 8) as usize % entries.len().max(1);
        let (before, from) = entries.split_at_checked(start).unwrap_or_default();
        let inside = from.get(..WINDOW).unwrap_or(from);
        let wrapped = before.get(..WINDOW.saturating_sub(inside.len())).unwrap_or(before);
        inside.iter().chain(wrapped).map(Entry)
    }

    fn find(&self, key: CallKey) -> Option<Entry<'b>> {
        let search = |entry: Entry<'b>| match entry.key() {
            NEW => Some(None),
            found => (found == key.call).then_some(Some(entry)),
        };
        self.window(key).find_map(search)?
    }

    /// Finds the call or takes a free entry. `None` when the window is full.
    fn find_or_take(&self, key: CallKey, seconds: u32) -> Option<Entry<'b>> {
        self.find(key).or_else(|| self.take(key, seconds))
    }

    /// Takes a free entry: an empty one, one of a call that terminated more than
    /// [`entry::ENDED_FOR`] ago, or one not used for [`entry::STALE_AFTER`].
    ///
    /// Two processes may take an entry for one call at the same time. Each claims
    /// an entry, searches for other claims, and confirms its own if it wins.
    /// Claiming and searching are sequentially consistent, so at least one of the
    /// two sees the other. No process writes into an entry before its claim is
    /// confirmed.
    #[cold]
    fn take(&self, key: CallKey, seconds: u32) -> Option<Entry<'b>> {
        for attempt in 0..CLAIMS {
            if let Some(entry) = self.find(key) {
                return Some(entry);
            }
            let (place, mine) =
                self.window(key).enumerate().find(|(_, entry)| entry.claim(key.call, seconds))?;
            if self.wins(key, place, attempt < YIELDS) && mine.confirm(key.call, seconds) {
                return Some(mine);
            }
            mine.release(key.call, seconds);
            match attempt {
                0..YIELDS => std::thread::yield_now(),
                _ => std::thread::sleep(Duration::from_micros(50)),
            }
        }
        None
    }

    /// True when the claim at `place` is the only entry for its call. Claims of
    /// other processes in later entries are revoked, so that they cannot be
    /// confirmed. Claims in earlier entries are revoked unless `yields`: the
    /// process that made them may have died.
    fn wins(&self, key: CallKey, place: usize, yields: bool) -> bool {
        for (at, entry) in self.window(key).enumerate().filter(|(at, _)| *at != place) {
            match entry.key() {
                NEW if at > place => break,
                found if found == key.call => return false,
                found if is_claim(found, key.call) => {
                    let before = at < place;
                    if before && yields || !entry.revoke(found) && entry.key() == key.call {
                        return false;
                    }
                }
                _ => {}
            }
        }
        true
    }

    /// True when the call is stored and has not terminated.
    fn is_active(&self, key: CallKey) -> bool {
        self.find(key).is_some_and(|entry| !entry.ended())
    }

    /// The stored offer/answer state that decides the role of an SDP. The message
    /// is a request with this CSeq from the side of From's tag, or a reply to such
    /// a request. An entry stores the last three INVITEs of the call that carried
    /// an offer, and the last delayed offer of each branch.
    fn offer_answer_state(&self, key: CallKey, cseq: u32) -> OfferAnswerState {
        let Some(entry) = self.find(key) else { return OfferAnswerState::default() };
        let mut state = OfferAnswerState::default();
        // The first INVITE of a call has no tag in To yet.
        let (dialog, first) = (key.direction(), CallKey { to: 0, ..key }.direction());
        for (of, direction) in INVITE.iter().map(|&word| unpack_invite(entry.load(word))) {
            if direction == dialog || direction == first {
                state.carried_offer |= of == cseq;
                state.newest_offer = state.newest_offer.max(Some(of));
            }
        }
        let branch =
            entry.branch_of(key).and_then(|(_, branch)| Some((branch, key.side(branch.tag)?)));
        state.reply_offer = branch.and_then(|(branch, from)| branch.reply_offer(from, cseq));
        state
    }

    /// True when the call's relay answered with this address and a port range
    /// that has this port. An SDP with such an address was rewritten here before:
    /// the message is a spiral (RFC 3261 section 16.3).
    fn is_relay_address(&self, key: CallKey, address: SocketAddr) -> bool {
        let Some(entry) = self.find(key) else { return false };
        let (at, packed) = self.address(address.ip());
        let word = entry.load(at);
        let ports = entry.load(PORTS);
        let (low, high) = ((ports >> 48) as u16, (ports >> 32) as u16);
        word == packed && (low..=high).contains(&address.port())
    }

    /// Stores the state of a call at the time `seconds` (of a clock that all
    /// processes share). False when no entry is free: the call is then not
    /// stored.
    pub fn record(
        &self,
        message: &CallMessage,
        _ticket: Ticket,
        update: &CallUpdate,
        seconds: u32,
    ) -> Recorded {
        let key = message.key;
        let first = !self.is_active(key);
        let Some(entry) = self.find_or_take(key, seconds) else {
            return Recorded::Full { log: true };
        };
        entry.store(USE, u64::from(update.relay) << 32 | u64::from(seconds));
        let used = || (0..update::LINES).filter_map(|line| update.media.get(line));
        let ports = || used().map(|address| address.port());
        match (used().next(), ports().min(), ports().max()) {
            (Some(address), Some(low), Some(high)) => {
                self.record_media(&entry, address.ip(), low, high)
            }
            _ => entry.update(PORTS, |ports| ports & !(ENDED_BIT | UPSTREAM_BIT)),
        }
        entry.store_offer_answer(key, message.branch_state(), &update.offer_answer);
        Recorded::Stored { first }
    }

    /// Stores that the rewrite of a message begins, before the request to its relay. It
    /// makes the entry for an initial INVITE.
    pub fn begin(&self, _message: &CallMessage, _seconds: u32) -> Ticket {
        Ticket::default()
    }

    /// Gives up a rewrite that has failed or was cancelled. Frees an entry that
    /// only [`Calls::begin`] made.
    pub fn abandon(&self, _ticket: Ticket, _seconds: u32) {}

    /// Finds the stored state of a message's leg.
    pub fn look_up(&self, message: &CallMessage, _seconds: u32) -> LegState<'b> {
        let entry = self.find(message.key);
        let status = match &entry {
            None => LegStatus::Unknown,
            Some(entry) if entry.ended() => LegStatus::Ended,
            Some(_) => LegStatus::Established,
        };
        let relay = entry.map(|entry| (entry.load(USE) >> 32) as u32).filter(|relay| *relay != 0);
        LegState { calls: *self, message: *message, status, relay }
    }

    /// Stores an offer whose SDP another proxy has rewritten: the answer to it
    /// belongs to that proxy as well. False when no entry is free.
    pub fn mark_relayed_upstream(
        &self,
        message: &CallMessage,
        offer_answer: &OfferAnswerUpdate,
        seconds: u32,
    ) -> Recorded {
        let (key, branch) = (message.key, message.branch_state());
        let first = !self.is_active(key);
        let Some(entry) = self.find_or_take(key, seconds) else {
            return Recorded::Full { log: true };
        };
        entry.touch(seconds);
        entry.update(PORTS, |ports| ports & !ENDED_BIT | UPSTREAM_BIT);
        entry.store_offer_answer(key, branch, offer_answer);
        Recorded::Stored { first }
    }

    /// True when another proxy has rewritten the call's last offer.
    fn relayed_upstream(&self, key: CallKey) -> bool {
        self.find(key).is_some_and(|entry| entry.load(PORTS) & UPSTREAM_BIT != 0)
    }

    /// The index of the word for an address, and its value: an IPv4 or
    /// IPv4-mapped address as a number, or the keyed hash of an IPv6 address.
    /// Never 0.
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

    /// Stores the relay's ports. The call has not terminated.
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

    /// Stores the state of a dialog after a reply without SDP. A leg that is not
    /// stored stays so.
    pub fn reply_without_sdp(&self, message: &CallMessage, seconds: u32) {
        let Some(entry) = self.find(message.key) else { return };
        let Some(state) = message.branch_state() else { return };
        entry.touch(seconds);
        entry.update_branch(message.key, Some(state), &OfferAnswerUpdate::default());
    }

    /// Terminates what the message ends (RFC 3261 9, 12.3, 13.3.1.3, 15), and says
    /// what to delete at the relay. `branch_delete`: the relay can delete one dialog
    /// and keep the others.
    pub fn terminate(
        &self,
        message: &CallMessage,
        _scope: EndScope,
        branch_delete: bool,
        seconds: u32,
    ) -> Termination {
        let by = match (message.method, message.status) {
            (Method::Bye, _) => TerminatedBy::Bye,
            (Method::Cancel, None) if message.key.to == 0 => TerminatedBy::Cancel,
            (Method::Invite, Some(300..)) => TerminatedBy::Failure,
            _ => {
                return Termination { scope: DeleteScope::Nothing, relay: None, wrong_tags: false };
            }
        };
        let relay = self.look_up(message, seconds).relay();
        let scope = self.terminate_by(message.key, by, branch_delete, seconds);
        Termination { scope, relay, wrong_tags: false }
    }

    /// Terminates a leg at the command of the SIP server. The tag of From is that
    /// of either side.
    pub fn terminate_leg(&self, key: CallKey, seconds: u32) -> Termination {
        let relay = self.look_up(&CallMessage::command(key), seconds).relay();
        let scope = self.terminate_by(key, TerminatedBy::Server, false, seconds);
        Termination { scope, relay, wrong_tags: false }
    }

    /// Terminates a branch or the call, and says what to delete at the relay. For
    /// a call that is not stored it is the whole call: its relay may have it.
    ///
    /// `branch_delete`: the relay can delete one branch and keep the others.
    fn terminate_by(
        &self,
        key: CallKey,
        by: TerminatedBy,
        branch_delete: bool,
        seconds: u32,
    ) -> DeleteScope {
        let Some(entry) = self.find(key) else { return DeleteScope::Call };
        let own = match by {
            TerminatedBy::Cancel | TerminatedBy::Server => None,
            TerminatedBy::Bye => entry.branch_of(key),
            TerminatedBy::Failure => entry.branch(key.to).filter(|(_, b)| b.state == EARLY),
        };
        match (by, own) {
            (TerminatedBy::Cancel, _) => entry.free_branches(|branch| branch.state == EARLY),
            (TerminatedBy::Server, _) => {
                entry.free_branches(|_| true);
                entry.update(PORTS, |ports| ports & !(MORE_MAX << MORE_SHIFT));
            }
            (_, Some((_, own))) => entry.free_branches(|branch| branch.tag == own.tag),
            (TerminatedBy::Bye, None) => {
                entry.update(PORTS, |ports| match ports >> MORE_SHIFT & MORE_MAX {
                    0 => ports,
                    _ => ports - (1 << MORE_SHIFT),
                })
            }
            (TerminatedBy::Failure, None) => {}
        }
        let more = entry.load(PORTS) >> MORE_SHIFT & MORE_MAX;
        let (early, answered) = entry.count_branches();
        let others_live = answered > 0 || more > 0 || (by == TerminatedBy::Failure && early > 0);
        // The BYE of an answered branch terminates the call although others still
        // ring: the caller has sent a CANCEL for them.
        let others_live = others_live
            || (by == TerminatedBy::Bye && early > 0 && own.is_some_and(|(_, b)| b.state == EARLY));
        if others_live {
            return if branch_delete { DeleteScope::Dialog } else { DeleteScope::Withheld };
        }
        entry.free_branches(|_| true);
        entry.update(PORTS, |ports| ports | ENDED_BIT);
        entry.touch(seconds);
        DeleteScope::Call
    }

    fn live(&self) -> impl Iterator<Item = Entry<'b>> {
        self.entries().iter().map(Entry).filter(|entry| entry.key() & 1 == 1 && !entry.ended())
    }

    /// The number of calls that have not terminated. Reads every entry.
    pub fn len(&self, _seconds: u32) -> usize {
        self.live().count()
    }

    /// The number of calls that fit.
    pub fn capacity(&self) -> usize {
        self.entries().len()
    }

    /// Calls `visit` with the relay's identity of each call that has not
    /// terminated.
    pub fn for_each_relay(&self, _seconds: u32, mut visit: impl FnMut(u32)) {
        self.live().for_each(|entry| visit((entry.load(USE) >> 32) as u32));
    }

    /// True when every stored call has terminated. Reads every entry.
    pub fn is_empty(&self, seconds: u32) -> bool {
        self.len(seconds) == 0
    }
}

impl CallKey {
    /// The keyed hashes of the two tags; 0 for one that is not there.
    pub(super) fn tags(self) -> u64 {
        u64::from(self.from) << 32 | u64::from(self.to)
    }
}

#[cfg(test)]
mod tests;
