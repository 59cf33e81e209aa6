//! Which packets of a side are accepted, and where packets toward it go. Pure:
//! time and packets are passed in.
//!
//! A side is learned from its first packet and then locked: only that address
//! and port pass. Before the lock only the addresses signalling gave are
//! believed: where the SIP message came from, and the one in its description.
//! Two sources behind one of those addresses cannot be told apart before the
//! lock; the first one wins.

use std::net::{IpAddr, SocketAddr};

use super::config::LearnFrom;

/// Milliseconds of the server's monotonic clock.
pub(super) type Millis = u64;

/// How long the expected addresses have before [`LearnFrom::Any`] listens to
/// others.
const PATIENCE: Millis = 500;

/// What all sides have in common.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// Silence after which an expected address may take over.
    pub(super) rebinding: Millis,
    pub(super) learn_from: LearnFrom,
    /// Loopback addresses may be sent to: the proxy itself is on loopback.
    pub(super) loopback: bool,
}

/// What signalling tells about one side of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Expectation {
    /// Where its SIP messages come from.
    pub(super) signaling: IpAddr,
    /// The address in its description, unless that is a name.
    pub(super) described: Option<IpAddr>,
    /// The port in its description.
    pub(super) port: u16,
    /// It receives on the described port, whatever port it sends from.
    pub(super) asymmetric: bool,
}

impl Expectation {
    /// Whether packets of this side may come from `ip`.
    fn includes(&self, ip: IpAddr) -> bool {
        ip == self.signaling || self.described == Some(ip)
    }

    /// The described address, where it may be believed without a packet from
    /// it: a private address that signalling does not come from is behind a
    /// NAT, or somebody else's.
    fn plausible(&self) -> Option<IpAddr> {
        self.described.filter(|ip| *ip == self.signaling || is_public(*ip))
    }
}

/// What a new description means for a side that may be learned already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Nothing new.
    Refresh,
    /// Hold or resume: learn again, send to the old address until then.
    Reopen,
    /// Another address: forget what was learned.
    Replace,
    /// Another branch answered: as `Replace`, but the one before it may take
    /// over again after a silence (its caller chose it and hung up on this).
    Branch,
}

/// One port of one side.
#[derive(Clone, Copy, Debug)]
pub(super) struct Learner {
    ipv4: bool,
    expected: Option<Expectation>,
    alternate: Option<Expectation>,
    learned: Option<SocketAddr>,
    /// The next expected packet locks, whatever was learned before.
    open: bool,
    /// Learned from somebody unexpected.
    provisional: bool,
    opened: Millis,
    last: Millis,
    target: Option<SocketAddr>,
}

impl Learner {
    /// The learner of a port on an IPv4 or IPv6 address.
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

    /// Takes what signalling told.
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
        self.aim(rules);
    }

    /// Whether a packet from `source` is this side's. Learns from it.
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
            self.aim(rules);
            return true;
        }
        if current || rules.learn_from != LearnFrom::Any {
            return false;
        }
        let patient = now.saturating_sub(self.opened) >= PATIENCE;
        let first = self.learned.is_none() && patient;
        if first || (self.provisional && self.learned == Some(source)) {
            self.learned = Some(source);
            self.provisional = true;
            self.last = now;
            self.aim(rules);
            return true;
        }
        false
    }

    /// Where packets toward this side go, if that is known.
    pub(super) fn target(&self) -> Option<SocketAddr> {
        self.target
    }

    fn aim(&mut self, rules: &Rules) {
        let described = self.expected.and_then(|expected| {
            let ip = match expected.asymmetric {
                true => expected.plausible().unwrap_or(expected.signaling),
                false => expected.plausible()?,
            };
            Some(SocketAddr::new(ip, expected.port))
        });
        let asymmetric = self.expected.is_some_and(|expected| expected.asymmetric);
        let target = if asymmetric { described } else { self.learned.or(described) };
        self.target = target.filter(|address| self.usable(*address, rules));
    }

    /// Whether an address can be sent to at all.
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

/// Whether an address is one of the public Internet.
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

    fn side(signaling: &str, described: &str) -> Expectation {
        let described = at(described);
        Expectation {
            signaling: signaling.parse().unwrap(),
            described: Some(described.ip()),
            port: described.port(),
            asymmetric: false,
        }
    }

    fn learner(expectation: Expectation) -> Learner {
        let mut learner = Learner::new(true);
        learner.expect(expectation, Change::Replace, &RULES, 1_000);
        learner
    }

    #[test]
    fn a_phone_behind_nat_is_learned_from_its_first_packet() {
        let mut phone = learner(side("198.51.100.7", "192.168.1.10:4000"));
        assert_eq!(phone.target(), None);
        assert!(phone.accept(at("198.51.100.7:61000"), &RULES, 1_100));
        assert_eq!(phone.target(), Some(at("198.51.100.7:61000")));
    }

    #[test]
    fn nobody_is_believed_before_signalling_told_about_the_side() {
        let mut phone = Learner::new(true);
        assert!(!phone.accept(at("198.51.100.7:61000"), &RULES, 1_100));
        assert_eq!(phone.target(), None);
    }

    #[test]
    fn a_third_party_is_refused_before_and_after_the_lock() {
        let mut phone = learner(side("198.51.100.7", "192.168.1.10:4000"));
        assert!(!phone.accept(at("203.0.113.66:4000"), &RULES, 1_050));
        assert!(phone.accept(at("198.51.100.7:61000"), &RULES, 1_100));
        assert!(!phone.accept(at("203.0.113.66:4000"), &RULES, 1_150));
        assert!(!phone.accept(at("198.51.100.7:61002"), &RULES, 1_150));
        assert!(!phone.accept(at("203.0.113.66:4000"), &RULES, 99_000));
        assert_eq!(phone.target(), Some(at("198.51.100.7:61000")));
    }

    #[test]
    fn a_public_phone_gets_media_before_it_sends() {
        let phone = learner(side("198.51.100.7", "198.51.100.7:4000"));
        assert_eq!(phone.target(), Some(at("198.51.100.7:4000")));
        let gateway = learner(side("198.51.100.7", "203.0.113.9:4000"));
        assert_eq!(gateway.target(), Some(at("203.0.113.9:4000")));
    }

    #[test]
    fn a_media_address_of_its_own_is_expected_too() {
        let mut gateway = learner(side("10.0.0.4", "10.0.0.5:4000"));
        assert_eq!(gateway.target(), None);
        assert!(gateway.accept(at("10.0.0.5:4000"), &RULES, 1_100));
        assert_eq!(gateway.target(), Some(at("10.0.0.5:4000")));
    }

    #[test]
    fn after_a_silence_the_same_address_may_use_another_port() {
        let mut phone = learner(side("198.51.100.7", "192.168.1.10:4000"));
        assert!(phone.accept(at("198.51.100.7:61000"), &RULES, 1_100));
        assert!(!phone.accept(at("198.51.100.7:62000"), &RULES, 4_099));
        assert!(phone.accept(at("198.51.100.7:62000"), &RULES, 4_100));
        assert_eq!(phone.target(), Some(at("198.51.100.7:62000")));
        assert!(!phone.accept(at("198.51.100.7:61000"), &RULES, 4_200));
    }

    #[test]
    fn a_refresh_keeps_the_lock_and_a_resume_opens_it() {
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
    fn a_new_description_forgets_the_old_address() {
        let mut phone = learner(side("198.51.100.7", "192.168.1.10:4000"));
        assert!(phone.accept(at("198.51.100.7:61000"), &RULES, 1_100));
        let moved = side("203.0.113.20", "192.168.1.10:4000");
        phone.expect(moved, Change::Replace, &RULES, 1_200);
        assert_eq!(phone.target(), None);
        assert!(!phone.accept(at("198.51.100.7:61000"), &RULES, 1_300));
        assert!(phone.accept(at("203.0.113.20:5000"), &RULES, 1_300));
    }

    #[test]
    fn an_earlier_branch_may_return_when_the_later_one_is_silent() {
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
    fn an_asymmetric_client_is_sent_to_its_described_port() {
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
    fn nothing_is_sent_to_loopback_multicast_or_nowhere() {
        for described in ["127.0.0.1:4000", "224.0.0.1:4000", "255.255.255.255:4000", "0.0.0.0:1"] {
            let ip = at(described).ip().to_string();
            let mut phone = learner(side(&ip, described));
            assert_eq!(phone.target(), None, "{described}");
            assert!(!phone.accept(at(described), &RULES, 1_100), "{described}");
        }
        assert_eq!(learner(side("2001:db8::1", "[2001:db8::1]:4000")).target(), None);
    }

    #[test]
    fn on_loopback_loopback_is_fine() {
        let rules = Rules { loopback: true, ..RULES };
        let mut phone = Learner::new(true);
        phone.expect(side("127.0.0.2", "127.0.0.2:4000"), Change::Replace, &rules, 0);
        assert_eq!(phone.target(), Some(at("127.0.0.2:4000")));
    }

    #[test]
    fn anybody_is_learned_from_only_on_request_and_displaced() {
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
