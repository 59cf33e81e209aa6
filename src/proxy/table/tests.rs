//! Offers and answers on sessions whose sockets are numbers.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use proptest::prelude::*;

use super::*;
use crate::proxy::control;
use crate::proxy::family::{Family, Sides};
use crate::proxy::learning::{Change, Expectation};
use crate::proxy::media::ChannelId;
use crate::proxy::summary::SideSummary;

/// Ports without sockets.
#[derive(Default)]
struct Ports {
    open: HashMap<u32, Sides<SocketAddr>>,
    made: u16,
    limit: Option<usize>,
    ipv6: bool,
    /// What was said about sides: the last goes last.
    told: Vec<(u16, Change)>,
    last_packet: Option<Millis>,
}

impl Media for Ports {
    fn relay_address(&self, family: Family) -> Option<IpAddr> {
        match family {
            Family::V4 => Some(IpAddr::from([192, 0, 2, 1])),
            Family::V6 => self.ipv6.then(|| "2001:db8::1".parse().unwrap()),
        }
    }

    fn open(&mut self, families: Sides<Family>) -> Result<ChannelId, Refusal> {
        if self.limit.is_some_and(|limit| self.open.len() >= limit) {
            return Err(Refusal::PortsExhausted);
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

    fn expect(&mut self, id: ChannelId, side: Side, said: Expectation, change: Change, _: Millis) {
        assert!(self.open.contains_key(&id.0) && self.local(id, side).is_some());
        self.told.push((said.port, change));
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

    fn ask(&mut self, text: &str) -> String {
        let reply = match control::parse(text.as_bytes()) {
            Some(request) => {
                let ended = &mut |end: SessionEnd| self.ended.push(end.reason);
                self.table.answer(&request, &mut self.ports, self.now, ended)
            }
            None => Reply::Error(Refusal::Unreadable),
        };
        let mut line = Vec::new();
        reply.write(&mut line);
        String::from_utf8(line).unwrap().trim_end().to_string()
    }

    /// A message; `who` is `request` or `reply`, tags are `from>to`.
    fn tell(&mut self, who: &str, cseq: u32, tags: &str, media: &str) -> String {
        let (from, to) = tags.split_once('>').unwrap();
        let (to, early) = to.split_once('?').unwrap_or((to, ""));
        let media = if media.is_empty() { String::new() } else { format!("\r\nmedia: {media}") };
        self.ask(&format!(
            "update\r\ntype: {who}\r\ncall_id: c\r\ncseq: {cseq}\r\nfrom_tag: {from}\r\n\
             to_tag: {to}\r\nearly_tag: {early}\r\nsignaling_ip: 192.0.2.9{media}"
        ))
    }

    fn after(&mut self, time: Millis) {
        self.now += time;
        let ended = &mut |end: SessionEnd| self.ended.push(end.reason);
        self.table.expire(&mut self.ports, self.now, ended);
    }

    fn last_change(&self) -> Change {
        self.ports.told.last().unwrap().1
    }
}

const A: &str = "audio:10.0.0.1:4000:sendrecv";
const A2: &str = "audio:10.0.0.1:4002:sendrecv";
const B: &str = "audio:10.0.0.2:5000:sendrecv";

/// A world with an answered call: ports 10004 (for the caller) and 10006.
fn answered() -> World {
    let mut world = World::new();
    assert_eq!(world.tell("request", 1, "a>", A), "192.0.2.1 10006");
    assert_eq!(world.tell("reply", 1, "a>b", B), "192.0.2.1 10004");
    world
}

#[test]
fn a_late_answer_to_an_overtaken_offer_gets_the_ports_that_still_hold() {
    let mut world = World::new();
    world.tell("request", 1, "a>", A);
    world.tell("reply", 1, "a>?b", B);
    // An UPDATE in the early dialog, then the 200 to the INVITE.
    assert_eq!(world.tell("request", 2, "a>b", A), "192.0.2.1 10006");
    assert_eq!(world.tell("reply", 2, "a>b", B), "192.0.2.1 10004");
    assert_eq!(world.tell("reply", 1, "a>b", B), "192.0.2.1 10004");
    assert_eq!(world.tell("reply", 1, "a>b", "audio:10.0.0.3:5000:sendrecv"), "192.0.2.1 0");
    assert_eq!(world.tell("reply", 1, "a>b", ""), "192.0.2.1 10004");
}

#[test]
fn a_repeated_message_changes_nothing() {
    let mut world = answered();
    assert_eq!(world.tell("request", 1, "a>", A), "192.0.2.1 10006");
    assert_eq!(world.last_change(), Change::Refresh);
    assert_eq!(world.tell("reply", 1, "a>b", B), "192.0.2.1 10004");
    assert_eq!(world.last_change(), Change::Refresh);
    assert_eq!(world.ports.open.len(), 1);
}

#[test]
fn another_branch_is_learned_anew_on_the_same_ports() {
    let mut world = answered();
    assert_eq!(world.tell("reply", 1, "a>c", B), "192.0.2.1 10004");
    assert_eq!(world.last_change(), Change::Branch);
}

#[test]
fn a_tag_that_becomes_known_is_no_other_branch() {
    let mut world = World::new();
    world.tell("request", 1, "a>", A);
    assert_eq!(world.tell("reply", 1, "a>", B), "192.0.2.1 10004");
    assert_eq!(world.tell("reply", 1, "a>b", B), "192.0.2.1 10004");
    assert_eq!(world.last_change(), Change::Refresh);
    world.tell("reply", 1, "a>?c", B);
    assert_eq!(world.last_change(), Change::Refresh);
}

#[test]
fn a_branch_that_rings_on_does_not_disturb_an_answered_call() {
    let mut world = answered();
    let told = world.ports.told.len();
    let elsewhere = "audio:10.0.0.7:7000:sendrecv";
    assert_eq!(world.tell("reply", 1, "a>?c", elsewhere), "192.0.2.1 10004");
    assert_eq!(world.tell("reply", 1, "a>", elsewhere), "192.0.2.1 10004");
    assert_eq!(world.ports.told.len(), told);
}

#[test]
fn an_early_refusal_of_a_stream_is_not_final() {
    let mut world = World::new();
    world.tell("request", 1, "a>", &format!("{A},video:10.0.0.1:4002:sendrecv"));
    let refused = format!("{B},video:10.0.0.2:0:sendrecv");
    assert_eq!(world.tell("reply", 1, "a>?b", &refused), "192.0.2.1 10004 0");
    let accepted = format!("{B},video:10.0.0.2:5002:sendrecv");
    assert_eq!(world.tell("reply", 1, "a>c", &accepted), "192.0.2.1 10004 10008");
    assert_eq!(world.tell("reply", 1, "a>c", &refused), "192.0.2.1 10004 0");
    assert_eq!(world.ports.open.len(), 1);
}

#[test]
fn a_replaced_stream_stays_until_the_new_one_is_agreed_upon() {
    let mut world = answered();
    assert_eq!(world.tell("request", 2, "a>b", A2), "192.0.2.1 10010");
    assert_eq!(world.ports.open.len(), 2);
    world.after(60_000);
    assert_eq!(world.ports.open.len(), 2, "not answered yet");
    assert_eq!(world.tell("reply", 2, "a>b", B), "192.0.2.1 10008");
    world.after(1_999);
    assert_eq!(world.ports.open.len(), 2);
    world.after(1);
    assert_eq!(world.ports.open.len(), 1);
}

#[test]
fn refused_offers_leave_the_agreed_stream_and_pile_up_nothing() {
    let mut world = answered();
    for cseq in 2..50 {
        let media = format!("audio:10.0.0.1:{}:sendrecv", 4_000 + cseq * 2);
        world.tell("request", cseq, "a>b", &media);
        assert_eq!(world.ports.open.len(), 2);
    }
    assert_eq!(world.tell("request", 50, "a>b", A), "192.0.2.1 10006");
    assert_eq!(world.ports.open.len(), 1);
}

#[test]
fn a_refused_change_to_fax_leaves_the_audio_as_it_was() {
    let mut world = answered();
    let fax = "image:10.0.0.1:4000:sendrecv";
    assert_eq!(world.tell("request", 2, "a>b", fax), "192.0.2.1 10010");
    assert_eq!(world.tell("request", 3, "a>b", A), "192.0.2.1 10006");
}

#[test]
fn a_refused_end_of_a_stream_leaves_it() {
    let mut world = answered();
    assert_eq!(world.tell("request", 2, "a>b", "audio:10.0.0.1:0:sendrecv"), "192.0.2.1 0");
    assert_eq!(world.tell("request", 3, "a>b", A), "192.0.2.1 10006");
}

#[test]
fn a_stream_that_both_end_is_closed() {
    let mut world = answered();
    world.tell("request", 2, "a>b", "audio:10.0.0.1:0:sendrecv");
    assert_eq!(world.tell("reply", 2, "a>b", "audio:10.0.0.2:0:sendrecv"), "192.0.2.1 0");
    world.after(2_000);
    assert_eq!(world.ports.open.len(), 0);
}

#[test]
fn an_offer_with_fewer_streams_closes_the_others() {
    let mut world = World::new();
    world.tell("request", 1, "a>", &format!("{A},{A2},{A2}"));
    world.tell("reply", 1, "a>b", &format!("{B},{B},{B}"));
    assert_eq!(world.tell("request", 2, "a>b", A), "192.0.2.1 10006");
    assert_eq!(world.ports.open.len(), 1);
}

#[test]
fn an_offer_without_enough_ports_leaves_everything() {
    let mut world = answered();
    world.ports.limit = Some(2);
    assert_eq!(world.tell("request", 2, "a>b", &format!("{A},{A2},{A2}")), "error");
    assert_eq!(world.ports.open.len(), 1);
    assert_eq!(world.tell("request", 2, "a>b", A), "192.0.2.1 10006");
}

#[test]
fn an_answer_by_prack_is_not_the_end_of_ringing() {
    let mut world = World::new();
    // A delayed offer: in a reliable 183, answered by PRACK.
    assert_eq!(world.tell("reply", 1, "a>?b", B), "192.0.2.1 10004");
    assert_eq!(world.tell("request", 1, "a>b", A), "192.0.2.1 10006");
    world.after(299_999);
    assert_eq!(world.ended, []);
    assert_eq!(world.tell("reply", 1, "a>b", ""), "192.0.2.1 10004");
    world.after(89_999);
    assert_eq!(world.table.len(), 1);
}

#[test]
fn an_unanswered_call_ends_after_300_s() {
    let mut world = World::new();
    world.tell("request", 1, "a>", A);
    world.after(299_999);
    assert_eq!(world.ended, []);
    world.after(1);
    assert_eq!(world.ended, [EndReason::Unanswered]);
    assert_eq!(world.ports.open.len(), 0);
}

#[test]
fn an_answered_call_ends_90_s_after_its_answer_or_its_last_packet() {
    let mut world = World::new();
    world.tell("request", 1, "a>", A);
    world.after(200_000);
    world.tell("reply", 1, "a>b", B);
    world.after(89_999);
    assert_eq!(world.ended, []);
    world.ports.last_packet = Some(world.now);
    world.after(89_999);
    assert_eq!(world.ended, []);
    world.after(1);
    assert_eq!(world.ended, [EndReason::Idle]);
}

#[test]
fn a_call_on_hold_ends_after_7200_s() {
    let mut world = answered();
    world.tell("request", 2, "a>b", "audio:0.0.0.0:4000:sendrecv");
    world.tell("reply", 2, "a>b", "audio:10.0.0.2:5000:recvonly");
    world.after(7_199_999);
    assert_eq!(world.ended, []);
    world.after(1);
    assert_eq!(world.ended, [EndReason::Hold]);
}

#[test]
fn one_stream_that_is_not_on_hold_keeps_the_short_timeout() {
    let mut world = World::new();
    world.tell("request", 1, "a>", &format!("audio:10.0.0.1:4000:sendonly,{A2}"));
    world.tell("reply", 1, "a>b", &format!("audio:10.0.0.2:5000:recvonly,{B}"));
    world.after(90_000);
    assert_eq!(world.ended, [EndReason::Idle]);
}

#[test]
fn both_parties_may_end_it_once() {
    for (from, to) in [("a", "b"), ("b", "a"), ("a", "x"), ("a", "")] {
        let mut world = answered();
        let remove = format!("remove\r\ncall_id: c\r\nfrom_tag: {from}\r\nto_tag: {to}");
        assert_eq!(world.ask(&remove), "removed");
        assert_eq!(world.ask(&remove), "error");
        assert_eq!(world.ended, [EndReason::Removed]);
        assert_eq!(world.ports.open.len(), 0);
    }
    let mut world = answered();
    assert_eq!(world.ask("remove\r\ncall_id: c\r\nfrom_tag: x\r\nto_tag: y"), "error");
    assert_eq!(world.ask("remove\r\ncall_id: d\r\nfrom_tag: a\r\nto_tag: b"), "error");
}

#[test]
fn two_calls_with_one_call_id_are_two_sessions() {
    let mut world = World::new();
    assert_eq!(world.tell("request", 1, "a>", A), "192.0.2.1 10006");
    assert_eq!(world.tell("request", 1, "z>", A), "192.0.2.1 10010");
    assert_eq!(world.table.len(), 2);
}

#[test]
fn the_receivers_family_decides_which_address_it_is_told() {
    let six = "audio:[2001:db8::9]:4000:sendrecv";
    let mut world = World::new();
    assert_eq!(world.tell("request", 1, "a>", six), "192.0.2.1 10006", "no IPv6 to offer");
    let mut world = World::new();
    world.ports.ipv6 = true;
    assert_eq!(world.tell("request", 1, "a>", six), "2001:db8::1 10006");
    let mut world = World::new();
    world.ports.ipv6 = true;
    // A delayed offer tells the callee's family before the caller's.
    assert_eq!(world.tell("reply", 1, "a>b", B), "192.0.2.1 10004");
    assert_eq!(world.tell("request", 2, "a>b", six), "192.0.2.1 10010");
    assert_eq!(world.tell("reply", 2, "a>b", B), "2001:db8::1 10008");
}

proptest! {
    /// Whatever is said in whatever order: no port is closed twice (the fake
    /// checks that), none is left when all sessions have ended.
    #[test]
    fn no_order_of_messages_leaks_a_port(
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
                0..4 => { world.tell("request", cseq, tags, &media); }
                4..7 => { world.tell("reply", cseq, tags, &media); }
                7 => world.after(1_500),
                _ => { world.ask("remove\r\ncall_id: c\r\nfrom_tag: a"); }
            }
            prop_assert!(world.ports.open.len() <= limit);
        }
        world.after(7_200_000);
        prop_assert_eq!(world.table.len(), 0);
        prop_assert_eq!(world.ports.open.len(), 0);
    }

    /// Nothing that arrives makes the parser panic, or changes what it says
    /// when it arrives in pieces.
    #[test]
    fn any_bytes_are_read_or_refused(
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
