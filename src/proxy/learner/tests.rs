//! Sources that are accepted and targets, for one port.

use super::*;
use crate::nat::Networks;
use crate::proxy::config::Config;
use crate::proxy::family::Family;

/// A learner, what surrounds it, and its first peer.
struct Port {
    learner: Learner,
    rules: Rules,
    locals: Locals,
}

const FIRST: PeerId = PeerId(1);
const SECOND: PeerId = PeerId(2);

impl Port {
    fn new(change: impl FnOnce(&mut Rules)) -> Port {
        let mut rules = Rules {
            rebinding: 3_000,
            learn_from: LearnFrom::Signaled,
            loopback: false,
            trusted: Networks::default(),
        };
        change(&mut rules);
        let own = "192.0.2.1".parse().unwrap();
        let mut config = Config::new("/nowhere", vec![own], (30_000, 30_009));
        config.advertised = vec!["203.0.113.1".parse().unwrap()];
        let mut locals = Locals::new(&config, 0);
        // 192.0.2.1:30000 and 30001 are media ports of the proxy.
        locals.get_mut(Family::V4).unwrap().ports.allocate();
        Port { learner: Learner::new(true), rules, locals }
    }

    fn expect_of(&mut self, peer: PeerId, expectation: Expectation, change: Change, now: Millis) {
        let Port { learner, rules, locals } = self;
        learner.expect(peer, expectation, change, (rules, locals), now);
    }

    fn expect(&mut self, expectation: Expectation, change: Change, now: Millis) {
        self.expect_of(FIRST, expectation, change, now);
    }

    fn remove_peer(&mut self, peer: PeerId) {
        self.learner.remove_peer(peer, &self.rules);
    }

    fn accept(&mut self, source: SocketAddr, now: Millis) -> bool {
        self.learner.accept(source, (&self.rules, &self.locals), now)
    }

    fn target(&self) -> Option<SocketAddr> {
        self.learner.target()
    }
}

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

fn learner(expectation: Expectation) -> Port {
    let mut port = Port::new(|_| {});
    port.expect(expectation, Change::Replace, 1_000);
    port
}

#[test]
fn phone_behind_nat_is_learned_from_first_packet() {
    let mut phone = learner(side("198.51.100.7", "192.168.1.10:4000"));
    assert_eq!(phone.target(), None);
    assert!(phone.accept(at("198.51.100.7:61000"), 1_100));
    assert_eq!(phone.target(), Some(at("198.51.100.7:61000")));
}

#[test]
fn packet_before_signalling_is_dropped() {
    let mut phone = Port::new(|_| {});
    assert!(!phone.accept(at("198.51.100.7:61000"), 1_100));
    assert_eq!(phone.target(), None);
}

#[test]
fn third_party_is_refused_before_and_after_lock() {
    let mut phone = learner(side("198.51.100.7", "192.168.1.10:4000"));
    assert!(!phone.accept(at("203.0.113.66:4000"), 1_050));
    assert!(phone.accept(at("198.51.100.7:61000"), 1_100));
    assert!(!phone.accept(at("203.0.113.66:4000"), 1_150));
    assert!(!phone.accept(at("198.51.100.7:61002"), 1_150));
    assert!(!phone.accept(at("203.0.113.66:4000"), 99_000));
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
    assert!(gateway.accept(at("10.0.0.5:4000"), 1_100));
    assert_eq!(gateway.target(), Some(at("10.0.0.5:4000")));
}

#[test]
fn rebinding_after_silence_is_accepted_from_same_address() {
    let mut phone = learner(side("198.51.100.7", "192.168.1.10:4000"));
    assert!(phone.accept(at("198.51.100.7:61000"), 1_100));
    assert!(!phone.accept(at("198.51.100.7:62000"), 4_099));
    assert!(phone.accept(at("198.51.100.7:62000"), 4_100));
    assert_eq!(phone.target(), Some(at("198.51.100.7:62000")));
    assert!(!phone.accept(at("198.51.100.7:61000"), 4_200));
}

#[test]
fn address_of_the_sdp_takes_its_place_back_without_silence() {
    let mut phone = learner(side("198.51.100.7", "198.51.100.7:4000"));
    assert!(phone.accept(at("198.51.100.7:4000"), 1_100));
    assert!(phone.accept(at("198.51.100.7:4010"), 9_000));
    assert_eq!(phone.target(), Some(at("198.51.100.7:4010")));
    assert!(phone.accept(at("198.51.100.7:4000"), 9_020));
    assert_eq!(phone.target(), Some(at("198.51.100.7:4000")));
    assert!(!phone.accept(at("198.51.100.7:4010"), 9_040));
}

#[test]
fn refresh_keeps_lock_and_resume_opens_it() {
    let known = side("198.51.100.7", "192.168.1.10:4000");
    let mut phone = learner(known);
    assert!(phone.accept(at("198.51.100.7:61000"), 1_100));
    phone.expect(known, Change::Refresh, 1_200);
    assert!(!phone.accept(at("198.51.100.7:62000"), 1_300));
    phone.expect(known, Change::Reopen, 1_400);
    assert_eq!(phone.target(), Some(at("198.51.100.7:61000")));
    assert!(!phone.accept(at("203.0.113.66:4000"), 1_450));
    assert!(phone.accept(at("198.51.100.7:62000"), 1_500));
    assert_eq!(phone.target(), Some(at("198.51.100.7:62000")));
}

#[test]
fn new_sdp_address_discards_learned_address() {
    let mut phone = learner(side("198.51.100.7", "192.168.1.10:4000"));
    assert!(phone.accept(at("198.51.100.7:61000"), 1_100));
    let moved = side("203.0.113.20", "192.168.1.10:4000");
    phone.expect(moved, Change::Replace, 1_200);
    assert_eq!(phone.target(), None);
    assert!(!phone.accept(at("198.51.100.7:61000"), 1_300));
    assert!(phone.accept(at("203.0.113.20:5000"), 1_300));
}

#[test]
fn early_branches_are_all_received_and_the_newest_is_the_target() {
    let mut callee = learner(side("198.51.100.7", "192.168.1.10:4000"));
    assert!(callee.accept(at("198.51.100.7:61000"), 1_100));
    let second = side("203.0.113.20", "192.168.1.10:4000");
    callee.expect_of(SECOND, second, Change::Replace, 1_200);
    assert_eq!(callee.target(), None, "the second one has not sent yet");
    assert!(callee.accept(at("198.51.100.7:61000"), 1_300));
    assert!(callee.accept(at("203.0.113.20:5000"), 1_300));
    assert_eq!(callee.target(), Some(at("203.0.113.20:5000")));
    assert!(callee.accept(at("198.51.100.7:61000"), 1_310));
    assert!(!callee.accept(at("198.51.100.7:61002"), 1_310), "both are locked");
    // A change of the first one's SDP does not make it the newest.
    callee.expect(side("198.51.100.7", "192.168.1.10:4002"), Change::Replace, 1_400);
    assert_eq!(callee.target(), Some(at("203.0.113.20:5000")));
}

#[test]
fn removed_branch_is_never_received_again() {
    let first = side("198.51.100.7", "198.51.100.7:4000");
    let second = side("203.0.113.20", "203.0.113.20:5000");
    for (gone, left) in [(FIRST, "203.0.113.20:5000"), (SECOND, "198.51.100.7:4000")] {
        let mut callee = learner(first);
        callee.expect_of(SECOND, second, Change::Replace, 1_000);
        callee.remove_peer(gone);
        assert_eq!(callee.target(), Some(at(left)), "{gone:?}");
        for source in ["198.51.100.7:4000", "203.0.113.20:5000"] {
            assert_eq!(callee.accept(at(source), 1_100), source == left, "{gone:?} {source}");
            assert_eq!(callee.accept(at(source), 99_000), source == left, "{gone:?} {source}");
        }
    }
}

#[test]
fn packet_of_a_locked_branch_does_not_lock_another_one() {
    // Two branches behind one proxy, whose address is all that is known of them.
    let mut callee = learner(side("198.51.100.7", "192.168.1.10:4000"));
    assert!(callee.accept(at("198.51.100.7:61000"), 1_100));
    callee.expect_of(SECOND, side("198.51.100.7", "192.168.1.11:4000"), Change::Replace, 1_200);
    assert!(callee.accept(at("198.51.100.7:61000"), 1_300));
    assert_eq!(callee.target(), None);
    assert!(callee.accept(at("198.51.100.7:62000"), 1_300));
    assert_eq!(callee.target(), Some(at("198.51.100.7:62000")));
}

#[test]
fn peers_are_bounded() {
    let mut callee = learner(side("198.51.100.1", "198.51.100.1:4000"));
    for number in 2..=9 {
        let host = format!("198.51.100.{number}");
        let expectation = side(&host, &format!("{host}:4000"));
        callee.expect_of(PeerId(number), expectation, Change::Replace, 1_000);
    }
    assert!(!callee.accept(at("198.51.100.1:4000"), 1_100));
    assert!((2..=9).all(|number| callee.accept(at(&format!("198.51.100.{number}:4000")), 1_100)));
}

#[test]
fn own_port_is_a_target_at_once_and_the_only_source() {
    for named in ["192.0.2.1:30000", "203.0.113.1:30000"] {
        let mut side = learner(side("198.51.100.7", named));
        assert_eq!(side.target(), Some(at("192.0.2.1:30000")), "{named}");
        for other in ["198.51.100.7:30000", "192.0.2.1:30001", "192.0.2.1:30002"] {
            assert!(!side.accept(at(other), 99_000), "{named} {other}");
        }
        assert!(side.accept(at("192.0.2.1:30000"), 1_100), "{named}");
        assert!(side.accept(at("192.0.2.1:30000"), 1_120), "{named}");
        assert_eq!(side.target(), Some(at("192.0.2.1:30000")), "{named}");
    }
}

#[test]
fn own_address_with_a_port_of_another_program_is_a_phone() {
    // A media server on the proxy's host, which also signals from there.
    let mut server = learner(side("192.0.2.1", "192.0.2.1:18000"));
    assert_eq!(server.target(), Some(at("192.0.2.1:18000")));
    assert!(!server.accept(at("192.0.2.1:30000"), 1_100), "a media port that SDP does not name");
    assert!(server.accept(at("192.0.2.1:18000"), 1_100));
}

#[test]
fn private_address_is_a_target_only_where_it_is_trusted() {
    let recorder = side("10.0.0.4", "10.0.0.5:4000");
    assert_eq!(learner(recorder).target(), None);
    let mut trusting = Port::new(|rules| rules.trusted = Networks::parse("10.0.0.0/24").unwrap());
    trusting.expect(recorder, Change::Replace, 1_000);
    assert_eq!(trusting.target(), Some(at("10.0.0.5:4000")));
}

#[test]
fn private_side_that_never_sends_is_warned_of() {
    let rules = Port::new(|_| {}).rules;
    let waits = |expectation: Expectation, receive_only| {
        expectation.waits_for_packet(receive_only, &rules).is_some()
    };
    let natted = side("198.51.100.7", "192.168.1.10:4000");
    assert!(!waits(natted, false), "behind a NAT: it sends first");
    assert!(waits(natted, true));
    assert!(waits(side("10.0.0.4", "10.0.0.5:4000"), false), "no NAT between these");
    assert!(!waits(side("10.0.0.5", "10.0.0.5:4000"), true));
    assert!(!waits(side("10.0.0.4", "203.0.113.9:4000"), true));
    assert!(!waits(Expectation { asymmetric: true, ..natted }, true));
}

#[test]
fn asymmetric_client_receives_on_sdp_port() {
    let mut public = side("198.51.100.7", "198.51.100.7:4000");
    public.asymmetric = true;
    let mut phone = learner(public);
    assert!(phone.accept(at("198.51.100.7:9000"), 1_100));
    assert!(phone.accept(at("198.51.100.7:9002"), 1_110));
    assert!(!phone.accept(at("203.0.113.66:4000"), 1_120));
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
        assert!(!phone.accept(at(described), 1_100), "{described}");
    }
    assert_eq!(learner(side("2001:db8::1", "[2001:db8::1]:4000")).target(), None);
}

#[test]
fn loopback_proxy_sends_to_loopback() {
    let mut phone = Port::new(|rules| rules.loopback = true);
    phone.expect(side("127.0.0.2", "127.0.0.2:4000"), Change::Replace, 0);
    assert_eq!(phone.target(), Some(at("127.0.0.2:4000")));
}

#[test]
fn learn_from_any_waits_and_yields_to_expected_address() {
    let mut phone = Port::new(|rules| rules.learn_from = LearnFrom::Any);
    phone.expect(side("198.51.100.7", "192.168.1.10:4000"), Change::Replace, 1_000);
    assert!(!phone.accept(at("203.0.113.20:5000"), 1_499));
    assert!(!phone.accept(at("192.0.2.1:30000"), 1_500), "a media port of the proxy");
    assert!(phone.accept(at("203.0.113.20:5000"), 1_500));
    assert!(phone.accept(at("203.0.113.20:5000"), 1_520));
    assert!(!phone.accept(at("203.0.113.21:5000"), 1_530));
    assert_eq!(phone.target(), Some(at("203.0.113.20:5000")));
    assert!(phone.accept(at("198.51.100.7:61000"), 1_540));
    assert!(!phone.accept(at("203.0.113.20:5000"), 1_560));
    assert_eq!(phone.target(), Some(at("198.51.100.7:61000")));
}
