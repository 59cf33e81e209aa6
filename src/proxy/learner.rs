//! Which packets of a side are accepted, and where packets toward it go. Pure:
//! time and packets are passed in.
//!
//! The address of a peer is learned from its first packet and then locked: only
//! packets from that address and port are accepted. Before the lock only the
//! addresses of signalling are accepted: the source of the SIP message and the
//! address in its SDP. Two sources behind one of those addresses cannot be
//! distinguished before the lock; the first one wins.
//!
//! One side has several peers while a forked call rings: each early dialog is one,
//! all are received, and packets go to the last one that gave its SDP.

use std::net::SocketAddr;

use super::config::LearnFrom;
use super::ids::PeerId;
use super::learning::{Change, Expectation, Millis, Rules};
use super::local::Locals;

/// With [`LearnFrom::Any`], other sources than the expected addresses are
/// accepted after this time.
const ANY_SOURCE_DELAY: Millis = 500;
/// The most peers of one side.
pub(super) const MAX_PEERS: usize = 8;

/// Learns the remote address of one port of one side.
#[derive(Clone, Debug)]
pub(super) struct Learner {
    ipv4: bool,
    /// The peer that packets are sent to.
    main: Option<Peer>,
    /// Earlier ones, the last one newest.
    others: Vec<Peer>,
    /// Packets to this side would come back to it: nothing is sent.
    looped: bool,
    target: Option<SocketAddr>,
}

/// One peer: what is expected and learned of it.
#[derive(Clone, Copy, Debug)]
struct Peer {
    id: PeerId,
    expected: Expectation,
    /// The SDP names this media port of the proxy itself: the only source, and
    /// known before any packet.
    own: Option<SocketAddr>,
    learned: Option<SocketAddr>,
    /// The next packet from an expected address locks, even if an address was
    /// learned before.
    open: bool,
    /// The learned address is not an expected one.
    provisional: bool,
    opened: Millis,
    last: Millis,
}

impl Learner {
    /// A learner for a port on an IPv4 or IPv6 address.
    pub(super) fn new(ipv4: bool) -> Self {
        Learner { ipv4, main: None, others: Vec::new(), looped: false, target: None }
    }

    /// Sets what signalling says of a peer. A new peer is the one that packets
    /// are sent to from now on.
    pub(super) fn expect(
        &mut self,
        id: PeerId,
        expectation: Expectation,
        change: Change,
        (rules, locals): (&Rules, &Locals),
        now: Millis,
    ) {
        let own = expectation.sdp().and_then(|sdp| locals.own_port(sdp));
        let known = self.main.iter_mut().chain(&mut self.others).find(|peer| peer.id == id);
        match known {
            Some(peer) => peer.change(expectation, own, change, now),
            None => {
                self.others.extend(self.main.replace(Peer::new(id, expectation, own, now)));
                let surplus = (self.others.len() + 1).saturating_sub(MAX_PEERS);
                self.others.drain(..surplus);
            }
        }
        self.update_target(rules);
    }

    /// Packets are sent to another peer, if there is one.
    pub(super) fn demote(&mut self, id: PeerId, rules: &Rules) {
        if self.main.is_some_and(|main| main.id == id)
            && let Some(next) = self.others.pop()
        {
            let before = self.main.replace(next);
            self.others.splice(0..0, before);
            self.update_target(rules);
        }
    }

    /// Packets of this peer are no longer accepted.
    pub(super) fn remove_peer(&mut self, id: PeerId, rules: &Rules) {
        if self.main.is_some_and(|main| main.id == id) {
            self.main = self.others.pop();
        } else {
            self.others.retain(|peer| peer.id != id);
        }
        self.update_target(rules);
    }

    /// Sets whether packets to this side would come back to it.
    pub(super) fn set_looped(&mut self, looped: bool, rules: &Rules) {
        self.looped = looped;
        self.update_target(rules);
    }

    /// True when a packet from `source` is accepted as this side's; learns its
    /// address.
    #[inline]
    pub(super) fn accept(
        &mut self,
        source: SocketAddr,
        (rules, locals): (&Rules, &Locals),
        now: Millis,
    ) -> bool {
        if let Some(main) = &mut self.main
            && main.is_locked_to(source)
        {
            main.last = now;
            return true;
        }
        self.accept_new(source, (rules, locals), now)
    }

    #[cold]
    fn accept_new(
        &mut self,
        source: SocketAddr,
        (rules, locals): (&Rules, &Locals),
        now: Millis,
    ) -> bool {
        if source.is_ipv4() != self.ipv4 || !rules.usable(source) {
            return false;
        }
        if let Some(peer) = self.others.iter_mut().find(|peer| peer.is_locked_to(source)) {
            peer.last = now;
            return true;
        }
        let own = locals.own_port(source).is_some();
        let newest_first = self.main.iter_mut().chain(self.others.iter_mut().rev());
        let accepted = newest_first.into_iter().any(|peer| peer.accept(source, own, rules, now))
            || !own
                && rules.learn_from == LearnFrom::Any
                && self.main.as_mut().is_some_and(|main| main.accept_any(source, now));
        if accepted {
            self.update_target(rules);
        }
        accepted
    }

    /// The address to which packets for this side are sent, if there is one.
    #[inline]
    pub(super) fn target(&self) -> Option<SocketAddr> {
        self.target
    }

    fn update_target(&mut self, rules: &Rules) {
        let target = self.main.and_then(|main| main.target(rules));
        let usable =
            |address: &SocketAddr| address.is_ipv4() == self.ipv4 && rules.usable(*address);
        self.target = target.filter(|address| !self.looped && usable(address));
    }
}

impl Peer {
    fn new(id: PeerId, expected: Expectation, own: Option<SocketAddr>, now: Millis) -> Self {
        Peer {
            id,
            expected,
            own,
            learned: None,
            open: true,
            provisional: false,
            opened: now,
            last: now,
        }
    }

    fn change(
        &mut self,
        expected: Expectation,
        own: Option<SocketAddr>,
        change: Change,
        now: Millis,
    ) {
        match change {
            Change::Refresh => self.expected = expected,
            Change::Reopen => {
                (self.expected, self.own) = (expected, own);
                (self.open, self.opened) = (true, now);
            }
            Change::Replace => *self = Peer::new(self.id, expected, own, now),
        }
    }

    fn is_locked_to(&self, source: SocketAddr) -> bool {
        self.learned == Some(source) && !self.open && !self.provisional
    }

    fn accept(&mut self, source: SocketAddr, own: bool, rules: &Rules, now: Millis) -> bool {
        if self.own.is_some() || own {
            let named = self.own == Some(source);
            return named && self.lock(source, now);
        }
        let expected = self.expected.includes(source.ip());
        if self.expected.asymmetric {
            if expected {
                self.last = now;
            }
            return expected;
        }
        let silent = now.saturating_sub(self.last) >= rules.rebinding;
        let free = self.open || self.learned.is_none() || self.provisional || silent;
        // The address and port of the SDP may take their place back at any time.
        let exact = self.expected.sdp() == Some(source);
        expected && (free || exact) && self.lock(source, now)
    }

    fn lock(&mut self, source: SocketAddr, now: Millis) -> bool {
        self.learned = Some(source);
        self.open = false;
        self.provisional = false;
        self.last = now;
        true
    }

    /// As [`LearnFrom::Any`] says.
    fn accept_any(&mut self, source: SocketAddr, now: Millis) -> bool {
        if self.expected.includes(source.ip()) || self.expected.asymmetric || self.own.is_some() {
            return false;
        }
        let patient = now.saturating_sub(self.opened) >= ANY_SOURCE_DELAY;
        let first = self.learned.is_none() && patient;
        let again = self.provisional && self.learned == Some(source);
        if !first && !again {
            return false;
        }
        self.learned = Some(source);
        self.provisional = true;
        self.last = now;
        true
    }

    fn target(&self, rules: &Rules) -> Option<SocketAddr> {
        let at = |ip| SocketAddr::new(ip, self.expected.port);
        let plausible = self.expected.plausible(rules);
        match (self.own, self.expected.asymmetric) {
            (Some(own), _) => Some(own),
            (None, true) => Some(at(plausible.unwrap_or(self.expected.signaling))),
            (None, false) => self.learned.or(plausible.map(at)),
        }
    }
}

#[cfg(test)]
mod tests;
