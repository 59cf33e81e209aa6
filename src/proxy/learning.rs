//! Which packets of a side are accepted, and where packets toward it go. Pure:
//! time and packets are passed in.
//!
//! The address of a side is learned from its first packet and then locked: only
//! packets from that address and port are accepted. Before the lock only the
//! addresses of signalling are accepted: the source of the SIP message and the
//! address in its SDP. Two sources behind one of those addresses cannot be
//! distinguished before the lock; the first one wins.

use std::net::{IpAddr, SocketAddr};

use super::config::LearnFrom;

/// Milliseconds of the server's monotonic clock.
pub(super) type Millis = u64;

/// With [`LearnFrom::Any`], other sources than the expected addresses are
/// accepted after this time.
const ANY_SOURCE_DELAY: Millis = 500;

/// The settings that all sides share.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// The silence after which an expected address replaces the learned one.
    pub(super) rebinding: Millis,
    pub(super) learn_from: LearnFrom,
    /// Packets may be sent to loopback addresses, since the proxy's own address
    /// is one.
    pub(super) loopback: bool,
}

/// The addresses of one side of a stream, from SIP and SDP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Expectation {
    /// The source address of its SIP messages.
    pub(super) signaling: IpAddr,
    /// The address in its SDP, unless that is a host name.
    pub(super) sdp_address: Option<IpAddr>,
    /// The port in its SDP.
    pub(super) port: u16,
    /// The side receives on the port of its SDP, whichever port it sends from.
    pub(super) asymmetric: bool,
}

impl Expectation {
    /// True when packets of this side may come from `ip`.
    fn includes(&self, ip: IpAddr) -> bool {
        ip == self.signaling || self.sdp_address == Some(ip)
    }

    /// The SDP address, if it can be used before a packet came from it: a private
    /// address other than the source of signalling is behind a NAT, or belongs
    /// to another host.
    fn plausible(&self) -> Option<IpAddr> {
        self.sdp_address.filter(|ip| *ip == self.signaling || is_public(*ip))
    }
}

/// The change by a new SDP, for a side whose address may be learned already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// The SDP is the same as before.
    Refresh,
    /// Hold or resume: the address is learned again; until then packets go to
    /// the old one.
    Reopen,
    /// Another address: the learned one is discarded.
    Replace,
    /// Another branch answered: as `Replace`, but the branch before may be
    /// learned again after a silence, in case the caller chose that one and
    /// terminated this one.
    Branch,
}

/// Learns the remote address of one port of one side.
#[derive(Clone, Copy, Debug)]
pub(super) struct Learner {
    ipv4: bool,
    expected: Option<Expectation>,
    alternate: Option<Expectation>,
    learned: Option<SocketAddr>,
    /// The next packet from an expected address locks, even if an address was
    /// learned before.
    open: bool,
    /// The learned address is not an expected one.
    provisional: bool,
    opened: Millis,
    last: Millis,
    target: Option<SocketAddr>,
}

impl Learner {
    /// A learner for a port on an IPv4 or IPv6 address.
    pub(super) fn new(ipv4: bool) -> Self {
        Learner {
            ipv4,
            expected: None,
            alternate: None,
            learned: None,
            open: true,
            provisional: false,
            opened: 0,
            last: 0,
            target: None,
        }
    }

    /// Sets what signalling says.
    pub(super) fn expect(
        &mut self,
        expectation: Expectation,
        change: Change,
        rules: &Rules,
        now: Millis,
    ) {
        let before = self.expected.replace(expectation);
        if change == Change::Refresh {
            return;
        }
        self.open = true;
        self.opened = now;
        if change != Change::Reopen {
            self.learned = None;
            self.provisional = false;
            self.last = now;
            self.alternate = before.filter(|_| change == Change::Branch);
        }
        self.update_target(rules);
    }

    /// True when a packet from `source` is accepted as this side's; learns its
    /// address.
    pub(super) fn accept(&mut self, source: SocketAddr, rules: &Rules, now: Millis) -> bool {
        if self.learned == Some(source) && !self.open && !self.provisional {
            self.last = now;
            return true;
        }
        self.accept_new(source, rules, now)
    }

    #[cold]
    fn accept_new(&mut self, source: SocketAddr, rules: &Rules, now: Millis) -> bool {
        let Some(expected) = self.expected else { return false };
        if !self.usable(source, rules) {
            return false;
        }
        let current = expected.includes(source.ip());
        if expected.asymmetric {
            if current {
                self.last = now;
            }
            return current;
        }
        let silent = now.saturating_sub(self.last) >= rules.rebinding;
        let alternate = self.alternate.is_some_and(|other| other.includes(source.ip()));
        let lock = match current {
            true => self.open || self.learned.is_none() || self.provisional || silent,
            false => alternate && silent,
        };
        if lock {
            self.learned = Some(source);
            self.open = false;
            self.provisional = false;
            self.last = now;
            self.update_target(rules);
            return true;
        }
        if current || rules.learn_from != LearnFrom::Any {
            return false;
        }
        let patient = now.saturating_sub(self.opened) >= ANY_SOURCE_DELAY;
        let first = self.learned.is_none() && patient;
        if first || (self.provisional && self.learned == Some(source)) {
            self.learned = Some(source);
            self.provisional = true;
            self.last = now;
            self.update_target(rules);
            return true;
        }
        false
    }

    /// The address to which packets for this side are sent, if there is one.
    pub(super) fn target(&self) -> Option<SocketAddr> {
        self.target
    }

    fn update_target(&mut self, rules: &Rules) {
        let from_sdp = self.expected.and_then(|expected| {
            let ip = match expected.asymmetric {
                true => expected.plausible().unwrap_or(expected.signaling),
                false => expected.plausible()?,
            };
            Some(SocketAddr::new(ip, expected.port))
        });
        let asymmetric = self.expected.is_some_and(|expected| expected.asymmetric);
        let target = if asymmetric { from_sdp } else { self.learned.or(from_sdp) };
        self.target = target.filter(|address| self.usable(*address, rules));
    }

    /// True when packets may be sent to an address.
    fn usable(&self, address: SocketAddr, rules: &Rules) -> bool {
        let ip = address.ip();
        address.port() != 0
            && ip.is_ipv4() == self.ipv4
            && !ip.is_unspecified()
            && !ip.is_multicast()
            && !matches!(ip, IpAddr::V4(ip) if ip.is_broadcast())
            && (rules.loopback || !ip.is_loopback())
    }
}

/// True for an address of the public Internet.
fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            let shared = a == 100 && b & 0xc0 == 64;
            !(ip.is_private()
                || shared
                || ip.is_loopback()
                || ip.is_link_local()
                || ip.is_unspecified()
                || ip.is_broadcast()
                || ip.is_multicast())
        }
        IpAddr::V6(ip) => {
            !(ip.is_loopback()
                || ip.is_unspecified()
                || ip.is_multicast()
                || ip.is_unique_local()
                || ip.is_unicast_link_local())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Rules =
        Rules { rebinding: 3_000, learn_from: LearnFrom::Signaled, loopback: false };

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn side(signaling: &str, sdp: &str) -> Expectation {
        let sdp = at(sdp);
        Expectation {
            signaling: signaling.parse().unwrap(),
            sdp_address: Some(sdp.ip()),
            port: sdp.port(),
            asymmetric: false,
        }
    }

    fn learner(expectation: Expectation) -> Learner {
        let mut learner = Learner::new(true);
        learner.expect(expectation, Change::Replace, &RULES, 1_000);
        learner
    }

    #[test]
    fn phone_behind_nat_is_learned_from_first_packet() {
        let mut phone = learner(side("198.51.100.7", "192.168.1.10:4000"));
        assert_eq!(phone.target(), None);
        assert!(phone.accept(at("198.51.100.7:61000"), &RULES, 1_100));
        assert_eq!(phone.target(), Some(at("198.51.100.7:61000")));
    }

    #[test]
    fn packet_before_signalling_is_dropped() {
        let mut phone = Learner::new(true);
        assert!(!phone.accept(at("198.51.100.7:61000"), &RULES, 1_100));
        assert_eq!(phone.target(), None);
    }

    #[test]
    fn third_party_is_refused_before_and_after_lock() {
        let mut phone = learner(side("198.51.100.7", "192.168.1.10:4000"));
        assert!(!phone.accept(at("203.0.113.66:4000"), &RULES, 1_050));
        assert!(phone.accept(at("198.51.100.7:61000"), &RULES, 1_100));
        assert!(!phone.accept(at("203.0.113.66:4000"), &RULES, 1_150));
        assert!(!phone.accept(at("198.51.100.7:61002"), &RULES, 1_150));
        assert!(!phone.accept(at("203.0.113.66:4000"), &RULES, 99_000));
        assert_eq!(phone.target(), Some(at("198.51.100.7:61000")));
    }

    #[test]
    fn public_phone_receives_media_before_it_sends() {
        let phone = learner(side("198.51.100.7", "198.51.100.7:4000"));
        assert_eq!(phone.target(), Some(at("198.51.100.7:4000")));
        let gateway = learner(side("198.51.100.7", "203.0.113.9:4000"));
        assert_eq!(gateway.target(), Some(at("203.0.113.9:4000")));
    }

    #[test]
    fn sdp_address_is_accepted_beside_signalling_address() {
        let mut gateway = learner(side("10.0.0.4", "10.0.0.5:4000"));
        assert_eq!(gateway.target(), None);
        assert!(gateway.accept(at("10.0.0.5:4000"), &RULES, 1_100));
        assert_eq!(gateway.target(), Some(at("10.0.0.5:4000")));
    }

    #[test]
    fn rebinding_after_silence_is_accepted_from_same_address() {
        let mut phone = learner(side("198.51.100.7", "192.168.1.10:4000"));
        assert!(phone.accept(at("198.51.100.7:61000"), &RULES, 1_100));
        assert!(!phone.accept(at("198.51.100.7:62000"), &RULES, 4_099));
        assert!(phone.accept(at("198.51.100.7:62000"), &RULES, 4_100));
        assert_eq!(phone.target(), Some(at("198.51.100.7:62000")));
        assert!(!phone.accept(at("198.51.100.7:61000"), &RULES, 4_200));
    }

    #[test]
    fn refresh_keeps_lock_and_resume_opens_it() {
        let known = side("198.51.100.7", "192.168.1.10:4000");
        let mut phone = learner(known);
        assert!(phone.accept(at("198.51.100.7:61000"), &RULES, 1_100));
        phone.expect(known, Change::Refresh, &RULES, 1_200);
        assert!(!phone.accept(at("198.51.100.7:62000"), &RULES, 1_300));
        phone.expect(known, Change::Reopen, &RULES, 1_400);
        assert_eq!(phone.target(), Some(at("198.51.100.7:61000")));
        assert!(!phone.accept(at("203.0.113.66:4000"), &RULES, 1_450));
        assert!(phone.accept(at("198.51.100.7:62000"), &RULES, 1_500));
        assert_eq!(phone.target(), Some(at("198.51.100.7:62000")));
    }

    #[test]
    fn new_sdp_address_discards_learned_address() {
        let mut phone = learner(side("198.51.100.7", "192.168.1.10:4000"));
        assert!(phone.accept(at("198.51.100.7:61000"), &RULES, 1_100));
        let moved = side("203.0.113.20", "192.168.1.10:4000");
        phone.expect(moved, Change::Replace, &RULES, 1_200);
        assert_eq!(phone.target(), None);
        assert!(!phone.accept(at("198.51.100.7:61000"), &RULES, 1_300));
        assert!(phone.accept(at("203.0.113.20:5000"), &RULES, 1_300));
    }

    #[test]
    fn earlier_branch_is_learned_again_after_silence() {
        let mut callee = learner(side("198.51.100.7", "192.168.1.10:4000"));
        assert!(callee.accept(at("198.51.100.7:61000"), &RULES, 1_100));
        let second = side("203.0.113.20", "192.168.1.10:4000");
        callee.expect(second, Change::Branch, &RULES, 1_200);
        assert!(!callee.accept(at("198.51.100.7:61000"), &RULES, 1_300));
        assert!(callee.accept(at("203.0.113.20:5000"), &RULES, 1_400));
        assert!(!callee.accept(at("198.51.100.7:61000"), &RULES, 4_399));
        assert!(callee.accept(at("198.51.100.7:61000"), &RULES, 4_400));
    }

    #[test]
    fn asymmetric_client_receives_on_sdp_port() {
        let mut public = side("198.51.100.7", "198.51.100.7:4000");
        public.asymmetric = true;
        let mut phone = learner(public);
        assert!(phone.accept(at("198.51.100.7:9000"), &RULES, 1_100));
        assert!(phone.accept(at("198.51.100.7:9002"), &RULES, 1_110));
        assert!(!phone.accept(at("203.0.113.66:4000"), &RULES, 1_120));
        assert_eq!(phone.target(), Some(at("198.51.100.7:4000")));
        let mut forwarded = side("198.51.100.7", "192.168.1.10:4000");
        forwarded.asymmetric = true;
        assert_eq!(learner(forwarded).target(), Some(at("198.51.100.7:4000")));
    }

    #[test]
    fn loopback_multicast_and_unspecified_targets_are_refused() {
        for described in ["127.0.0.1:4000", "224.0.0.1:4000", "255.255.255.255:4000", "0.0.0.0:1"] {
            let ip = at(described).ip().to_string();
            let mut phone = learner(side(&ip, described));
            assert_eq!(phone.target(), None, "{described}");
            assert!(!phone.accept(at(described), &RULES, 1_100), "{described}");
        }
        assert_eq!(learner(side("2001:db8::1", "[2001:db8::1]:4000")).target(), None);
    }

    #[test]
    fn loopback_proxy_sends_to_loopback() {
        let rules = Rules { loopback: true, ..RULES };
        let mut phone = Learner::new(true);
        phone.expect(side("127.0.0.2", "127.0.0.2:4000"), Change::Replace, &rules, 0);
        assert_eq!(phone.target(), Some(at("127.0.0.2:4000")));
    }

    #[test]
    fn learn_from_any_waits_and_yields_to_expected_address() {
        let rules = Rules { learn_from: LearnFrom::Any, ..RULES };
        let mut phone = Learner::new(true);
        phone.expect(side("198.51.100.7", "192.168.1.10:4000"), Change::Replace, &rules, 1_000);
        assert!(!phone.accept(at("203.0.113.20:5000"), &rules, 1_499));
        assert!(phone.accept(at("203.0.113.20:5000"), &rules, 1_500));
        assert!(phone.accept(at("203.0.113.20:5000"), &rules, 1_520));
        assert!(!phone.accept(at("203.0.113.21:5000"), &rules, 1_530));
        assert_eq!(phone.target(), Some(at("203.0.113.20:5000")));
        assert!(phone.accept(at("198.51.100.7:61000"), &rules, 1_540));
        assert!(!phone.accept(at("203.0.113.20:5000"), &rules, 1_560));
        assert_eq!(phone.target(), Some(at("198.51.100.7:61000")));
    }
}
