//! Offers and answers of sessions, with a fake for the media ports.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use proptest::prelude::*;

use super::*;
use crate::proxy::control;
use crate::proxy::family::{Family, Sides};
use crate::proxy::ids::{ChannelId, PeerId};
use crate::proxy::learning::{Change, Expectation};
use crate::proxy::summary::SideSummary;

/// Ports without sockets.
#[derive(Default)]
struct Ports {
    open: HashMap<u32, Sides<SocketAddr>>,
    made: u16,
    limit: Option<usize>,
    ipv6: bool,
    /// The calls of `expect`, in order.
    expected: Vec<(u16, Change)>,
    removed: Vec<PeerId>,
    last_packet: Option<Millis>,
}

impl MediaPorts for Ports {
    fn relay_address(&self, family: Family) -> Option<IpAddr> {
        match family {
            Family::V4 => Some(IpAddr::from([192, 0, 2, 1])),
            Family::V6 => self.ipv6.then(|| "2001:db8::1".parse().unwrap()),
        }
    }

    fn open(&mut self, families: Sides<Family>) -> Result<ChannelId, Refusal> {
        if self.limit.is_some_and(|limit| self.open.len() >= limit) {
            return Err(Refusal::PortsExhausted(10_004, 65_535));
        }
        self.made += 1;
        let first = 10_000 + self.made * 4;
        let address = |family| self.relay_address(family).ok_or(Refusal::NoAddress);
        let caller = SocketAddr::new(address(families.caller)?, first);
        let callee = SocketAddr::new(address(families.callee)?, first + 2);
        self.open.insert(u32::from(self.made), Sides { caller, callee });
        Ok(ChannelId(u32::from(self.made)))
    }

    fn close(&mut self, id: ChannelId) {
        assert!(self.open.remove(&id.0).is_some(), "closed twice");
    }

    fn local(&self, id: ChannelId, side: Side) -> Option<SocketAddr> {
        Some(*self.open.get(&id.0).expect("an open channel").get(side))
    }

    fn expect(
        &mut self,
        (id, side): (ChannelId, Side),
        _: PeerId,
        expectation: Expectation,
        change: Change,
        _: Millis,
    ) {
        assert!(self.open.contains_key(&id.0) && self.local(id, side).is_some());
        self.expected.push((expectation.port, change));
    }

    fn demote(&mut self, (id, _): (ChannelId, Side), _: PeerId) {
        assert!(self.open.contains_key(&id.0));
    }

    fn remove_peer(&mut self, (id, _): (ChannelId, Side), peer: PeerId) {
        assert!(self.open.contains_key(&id.0));
        self.removed.push(peer);
    }

    fn warn_if_waiting(&mut self, _: &Expectation, _: bool) {}

    fn finish_changes(&mut self) {}

    fn take_warnings(&mut self) -> Vec<Warning> {
        Vec::new()
    }

    fn last_packet(&self, id: ChannelId) -> Option<Millis> {
        assert!(self.open.contains_key(&id.0));
        self.last_packet
    }

    fn summary(&self, _: ChannelId) -> Option<Sides<SideSummary>> {
        None
    }
}

/// A table, its ports and a clock.
struct World {
    table: Table,
    ports: Ports,
    now: Millis,
    ended: Vec<EndReason>,
}

impl World {
    fn new() -> World {
        let config = Config::new("/nowhere", Vec::new(), (1, 2));
        World { table: Table::new(&config), ports: Ports::default(), now: 1_000, ended: Vec::new() }
    }

    fn send(&mut self, text: &str) -> String {
        let reply = match control::parse(text.as_bytes()) {
            Some(request) => {
                let log = &mut |record| match record {
                    LogRecord::Ended(end) => self.ended.push(end.reason),
                    other => panic!("{other:?}"),
                };
                self.table.answer(&request, &mut self.ports, self.now, log)
            }
            None => Reply::Error(Refusal::Malformed),
        };
        let mut line = Vec::new();
        reply.write(&mut line);
        String::from_utf8(line).unwrap().trim_end().to_string()
    }

    /// Sends an update; `who` is `request` or `reply`, `tags` is `from>to` or
    /// `from>?early`.
    fn update(&mut self, who: &str, cseq: u32, tags: &str, media: &str) -> String {
        let (from, to) = tags.split_once('>').unwrap();
        let (to, early) = match to.split_once('?') {
            Some((to, early)) => (to, format!("\r\nearly_tag: {early}")),
            None => (to, String::new()),
        };
        let media = if media.is_empty() { String::new() } else { format!("\r\nmedia: {media}") };
        self.send(&format!(
            "update\r\ntype: {who}\r\ncall_id: c\r\ncseq: {cseq}\r\nfrom_tag: {from}\r\n\
             to_tag: {to}{early}\r\nsignaling_ip: 192.0.2.9{media}"
        ))
    }

    fn after(&mut self, time: Millis) {
        self.now += time;
        let ended = &mut |end: SessionEnd| self.ended.push(end.reason);
        self.table.expire(&mut self.ports, self.now, ended);
    }

    fn last_change(&self) -> Change {
        self.ports.expected.last().unwrap().1
    }
}

const A: &str = "audio:10.0.0.1:4000:sendrecv";
const A2: &str = "audio:10.0.0.1:4002:sendrecv";
const B: &str = "audio:10.0.0.2:5000:sendrecv";

/// A world with an answered call: port 10004 for the caller, 10006 for the
/// callee.
fn answered() -> World {
    let mut world = World::new();
    assert_eq!(world.update("request", 1, "a>", A), "192.0.2.1 10006");
    assert_eq!(world.update("reply", 1, "a>b", B), "192.0.2.1 10004");
    world
}

#[test]
fn stale_answer_gets_ports_of_unchanged_streams() {
    let mut world = World::new();
    world.update("request", 1, "a>", A);
    world.update("reply", 1, "a>?b", B);
    // An UPDATE in the early dialog, then the 200 to the INVITE.
    assert_eq!(world.update("request", 2, "a>b", A), "192.0.2.1 10006");
    assert_eq!(world.update("reply", 2, "a>b", B), "192.0.2.1 10004");
    assert_eq!(world.update("reply", 1, "a>b", B), "192.0.2.1 10004");
    assert_eq!(world.update("reply", 1, "a>b", "audio:10.0.0.3:5000:sendrecv"), "192.0.2.1 0");
    assert_eq!(world.update("reply", 1, "a>b", ""), "192.0.2.1 10004");
}

#[test]
fn repeated_message_changes_nothing() {
    let mut world = answered();
    let before = world.ports.expected.clone();
    assert_eq!(world.update("request", 1, "a>", A), "192.0.2.1 10006");
    assert_eq!(world.update("reply", 1, "a>b", B), "192.0.2.1 10004");
    assert_eq!(world.ports.expected, before);
    assert_eq!(world.ports.open.len(), 1);
}

#[test]
fn second_200_is_a_dialog_beside_the_first_with_the_same_ports() {
    let mut world = answered();
    assert_eq!(world.update("reply", 1, "a>c", B), "192.0.2.1 10004");
    assert_eq!(world.last_change(), Change::Replace);
    assert_eq!(world.ports.removed, []);
    assert_eq!(world.ports.open.len(), 1);
}

#[test]
fn first_to_tag_is_not_another_branch() {
    let mut world = World::new();
    world.update("request", 1, "a>", A);
    assert_eq!(world.update("reply", 1, "a>", B), "192.0.2.1 10004");
    assert_eq!(world.update("reply", 1, "a>b", B), "192.0.2.1 10004");
    assert_eq!(world.last_change(), Change::Refresh);
    world.update("reply", 1, "a>?c", B);
    assert_eq!(world.last_change(), Change::Refresh);
}

#[test]
fn ringing_branch_does_not_change_answered_call() {
    let mut world = answered();
    let before = world.ports.expected.len();
    let elsewhere = "audio:10.0.0.7:7000:sendrecv";
    assert_eq!(world.update("reply", 1, "a>?c", elsewhere), "192.0.2.1 10004");
    assert_eq!(world.update("reply", 1, "a>", elsewhere), "192.0.2.1 10004");
    assert_eq!(world.ports.expected.len(), before);
}

#[test]
fn early_answer_refusing_stream_is_not_final() {
    let mut world = World::new();
    world.update("request", 1, "a>", &format!("{A},video:10.0.0.1:4002:sendrecv"));
    let refused = format!("{B},video:10.0.0.2:0:sendrecv");
    assert_eq!(world.update("reply", 1, "a>?b", &refused), "192.0.2.1 10004 0");
    let accepted = format!("{B},video:10.0.0.2:5002:sendrecv");
    assert_eq!(world.update("reply", 1, "a>c", &accepted), "192.0.2.1 10004 10008");
    assert_eq!(world.update("reply", 1, "a>c", &refused), "192.0.2.1 10004 0");
    world.after(31_999);
    assert_eq!(world.ports.open.len(), 2, "another branch may confirm with both streams");
    world.after(1);
    assert_eq!(world.ports.open.len(), 1);
}

#[test]
fn replaced_stream_stays_until_reoffer_is_answered() {
    let mut world = answered();
    assert_eq!(world.update("request", 2, "a>b", A2), "192.0.2.1 10010");
    assert_eq!(world.ports.open.len(), 2);
    world.after(60_000);
    assert_eq!(world.ports.open.len(), 2, "not answered yet");
    assert_eq!(world.update("reply", 2, "a>b", B), "192.0.2.1 10008");
    world.after(1_999);
    assert_eq!(world.ports.open.len(), 2);
    world.after(1);
    assert_eq!(world.ports.open.len(), 1);
}

#[test]
fn refused_reoffers_keep_agreed_stream_and_leak_no_ports() {
    let mut world = answered();
    for cseq in 2..50 {
        let media = format!("audio:10.0.0.1:{}:sendrecv", 4_000 + cseq * 2);
        world.update("request", cseq, "a>b", &media);
        assert_eq!(world.ports.open.len(), 2);
    }
    assert_eq!(world.update("request", 50, "a>b", A), "192.0.2.1 10006");
    assert_eq!(world.ports.open.len(), 1);
}

#[test]
fn refused_t38_reinvite_keeps_audio_ports() {
    let mut world = answered();
    let fax = "image:10.0.0.1:4000:sendrecv";
    assert_eq!(world.update("request", 2, "a>b", fax), "192.0.2.1 10010");
    assert_eq!(world.update("request", 3, "a>b", A), "192.0.2.1 10006");
}

#[test]
fn refused_removal_of_stream_keeps_its_ports() {
    let mut world = answered();
    assert_eq!(world.update("request", 2, "a>b", "audio:10.0.0.1:0:sendrecv"), "192.0.2.1 0");
    assert_eq!(world.update("request", 3, "a>b", A), "192.0.2.1 10006");
}

#[test]
fn stream_with_port_0_from_both_sides_is_closed() {
    let mut world = answered();
    world.update("request", 2, "a>b", "audio:10.0.0.1:0:sendrecv");
    assert_eq!(world.update("reply", 2, "a>b", "audio:10.0.0.2:0:sendrecv"), "192.0.2.1 0");
    // Another branch may answer the initial offer for 32 s.
    world.after(32_000);
    assert_eq!(world.ports.open.len(), 0);
}

#[test]
fn offer_with_fewer_streams_closes_the_others() {
    let mut world = World::new();
    world.update("request", 1, "a>", &format!("{A},{A2},{A2}"));
    world.update("reply", 1, "a>b", &format!("{B},{B},{B}"));
    assert_eq!(world.update("request", 2, "a>b", A), "192.0.2.1 10006");
    assert_eq!(world.ports.open.len(), 3, "the offer may be refused");
    assert_eq!(world.update("reply", 2, "a>b", B), "192.0.2.1 10004");
    world.after(32_000);
    assert_eq!(world.ports.open.len(), 1);
}

#[test]
fn offer_without_enough_ports_changes_nothing() {
    let mut world = answered();
    world.ports.limit = Some(2);
    assert_eq!(world.update("request", 2, "a>b", &format!("{A},{A2},{A2}")), "error");
    assert_eq!(world.ports.open.len(), 1);
    assert_eq!(world.update("request", 2, "a>b", A), "192.0.2.1 10006");
}

#[test]
fn prack_answer_does_not_answer_the_call() {
    let mut world = World::new();
    // A delayed offer: in a reliable 183, answered by PRACK.
    assert_eq!(world.update("reply", 1, "a>?b", B), "192.0.2.1 10004");
    assert_eq!(world.update("request", 1, "a>b", A), "192.0.2.1 10006");
    world.after(299_999);
    assert_eq!(world.ended, []);
    assert_eq!(world.update("reply", 1, "a>b", ""), "192.0.2.1 10004");
    world.after(89_999);
    assert_eq!(world.table.len(), 1);
}

#[test]
fn unanswered_session_ends_after_300_s() {
    let mut world = World::new();
    world.update("request", 1, "a>", A);
    world.after(299_999);
    assert_eq!(world.ended, []);
    world.after(1);
    assert_eq!(world.ended, [EndReason::Unanswered]);
    assert_eq!(world.ports.open.len(), 0);
}

#[test]
fn answered_session_ends_90_s_after_answer_or_last_packet() {
    let mut world = World::new();
    world.update("request", 1, "a>", A);
    world.after(200_000);
    world.update("reply", 1, "a>b", B);
    world.after(89_999);
    assert_eq!(world.ended, []);
    world.ports.last_packet = Some(world.now);
    world.after(89_999);
    assert_eq!(world.ended, []);
    world.after(1);
    assert_eq!(world.ended, [EndReason::Idle]);
}

#[test]
fn held_session_ends_after_7200_s() {
    let mut world = answered();
    world.update("request", 2, "a>b", "audio:0.0.0.0:4000:sendrecv");
    world.update("reply", 2, "a>b", "audio:10.0.0.2:5000:recvonly");
    world.after(7_199_999);
    assert_eq!(world.ended, []);
    world.after(1);
    assert_eq!(world.ended, [EndReason::Hold]);
}

#[test]
fn session_with_one_active_stream_has_idle_timeout() {
    let mut world = World::new();
    world.update("request", 1, "a>", &format!("audio:10.0.0.1:4000:sendonly,{A2}"));
    world.update("reply", 1, "a>b", &format!("audio:10.0.0.2:5000:recvonly,{B}"));
    world.after(90_000);
    assert_eq!(world.ended, [EndReason::Idle]);
}

#[test]
fn remove_works_once_from_either_side() {
    for (from, to) in [("a", "b"), ("b", "a"), ("a", "x"), ("a", "")] {
        let mut world = answered();
        let remove = format!("remove\r\ncall_id: c\r\nfrom_tag: {from}\r\nto_tag: {to}");
        assert_eq!(world.send(&remove), "removed");
        assert_eq!(world.send(&remove), "error");
        assert_eq!(world.ended, [EndReason::Removed]);
        assert_eq!(world.ports.open.len(), 0);
    }
    let mut world = answered();
    assert_eq!(world.send("remove\r\ncall_id: c\r\nfrom_tag: x\r\nto_tag: y"), "error");
    assert_eq!(world.send("remove\r\ncall_id: d\r\nfrom_tag: a\r\nto_tag: b"), "error");
}

#[test]
fn same_call_id_with_other_from_tag_is_another_session() {
    let mut world = World::new();
    assert_eq!(world.update("request", 1, "a>", A), "192.0.2.1 10006");
    assert_eq!(world.update("request", 1, "z>", A), "192.0.2.1 10010");
    assert_eq!(world.table.len(), 2);
}

#[test]
fn answer_address_has_family_of_receiver() {
    let six = "audio:[2001:db8::9]:4000:sendrecv";
    let mut world = World::new();
    assert_eq!(world.update("request", 1, "a>", six), "192.0.2.1 10006", "no IPv6 to offer");
    let mut world = World::new();
    world.ports.ipv6 = true;
    assert_eq!(world.update("request", 1, "a>", six), "2001:db8::1 10006");
    let mut world = World::new();
    world.ports.ipv6 = true;
    // With a delayed offer, the callee's family is known first.
    assert_eq!(world.update("reply", 1, "a>b", B), "192.0.2.1 10004");
    assert_eq!(world.update("request", 2, "a>b", six), "192.0.2.1 10010");
    assert_eq!(world.update("reply", 2, "a>b", B), "2001:db8::1 10008");
}

proptest! {
    /// In any order of messages, no port is closed twice (the fake checks that),
    /// and none is open when all sessions have ended.
    #[test]
    fn ports_are_not_leaked_by_any_order_of_messages(
        steps in prop::collection::vec(
            (0..9u8, 1..5u32, 0..6usize, prop::collection::vec((0..4u8, 0..3u16), 0..4)),
            1..60,
        ),
        limit in 1..8usize,
    ) {
        let mut world = World::new();
        world.ports.ipv6 = true;
        world.ports.limit = Some(limit);
        for (action, cseq, tags, items) in steps {
            let tags = ["a>", "a>b", "b>a", "a>?b", "a>?c", "a>c"][tags];
            let item = |(kind, port): &(u8, u16)| match kind {
                0 => format!("audio:10.0.0.1:{port}:sendrecv"),
                1 => format!("audio:0.0.0.0:{port}:inactive"),
                2 => format!("image:phone.example.org:{port}:sendonly"),
                _ => format!("audio:[2001:db8::9]:{port}:sendrecv"),
            };
            let media = items.iter().map(item).collect::<Vec<_>>().join(",");
            match action {
                0..4 => { world.update("request", cseq, tags, &media); }
                4..7 => { world.update("reply", cseq, tags, &media); }
                7 => world.after(1_500),
                _ => { world.send("remove\r\ncall_id: c\r\nfrom_tag: a"); }
            }
            prop_assert!(world.ports.open.len() <= limit);
        }
        world.after(7_200_000);
        prop_assert_eq!(world.table.len(), 0);
        prop_assert_eq!(world.ports.open.len(), 0);
    }

    /// No bytes make the parser panic, and splitting them does not change the
    /// requests.
    #[test]
    fn parser_accepts_or_refuses_any_bytes(
        bytes in prop::collection::vec(
            prop_oneof![Just(b'\r'), Just(b'\n'), Just(b':'), Just(b' '), Just(b','), any::<u8>()],
            0..400,
        ),
        cut in 0..400usize,
    ) {
        let read = |pieces: &[&[u8]]| {
            let mut framer = control::Framer::default();
            let mut requests = Vec::new();
            for piece in pieces {
                framer.push(piece);
                while let Ok(Some(request)) = framer.next() {
                    let _ = control::parse(request);
                    requests.push(request.to_vec());
                }
            }
            requests
        };
        let (a, b) = bytes.split_at(cut.min(bytes.len()));
        prop_assert_eq!(read(&[&bytes]), read(&[a, b]));
        let mut media = b"update\r\ntype: request\r\ncall_id: c\r\nfrom_tag: f\r\ncseq: 1\r\n\
            signaling_ip: 192.0.2.1\r\nmedia: ".to_vec();
        media.extend_from_slice(&bytes);
        let _ = control::parse(&media);
    }
}
