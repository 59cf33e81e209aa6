//! Dialogs and their branches, with packets: who is received, and where media goes.

use proptest::prelude::*;

use super::phones::{Line, Sdp, World, at};

const A: Sdp = "198.51.100.1:4000";
const A_NEW: Sdp = "198.51.100.1:4010";
const B: Sdp = "198.51.100.2:5000";
const C: Sdp = "198.51.100.3:6000";

/// A call whose initial offer was sent: the ports that callees send to.
fn offered(world: &mut World) -> std::net::SocketAddr {
    world.send("request", 1, "a>", A).first()
}

#[test]
fn early_branches_are_all_received_and_the_newest_gets_the_media() {
    let mut world = World::new();
    let callees = offered(&mut world);
    let caller = world.send("reply", 1, "a>?b", B).first();
    world.reaches(A, caller, B);
    assert_eq!(world.send("reply", 1, "a>?c", C).first(), caller);
    world.reaches(B, callees, A);
    world.reaches(C, callees, A);
    world.reaches(A, caller, C);
    // A repeated 183 does not make its branch the newest.
    assert_eq!(world.send("reply", 1, "a>?b", B).first(), caller);
    world.reaches(A, caller, C);
}

#[test]
fn confirmed_branch_is_received_at_once_and_the_others_never_again() {
    for (confirmed, sdp) in [("a>b", B), ("a>b", ""), ("a>c", C), ("a>c", "")] {
        let mut world = World::new();
        let callees = offered(&mut world);
        world.send("reply", 1, "a>?b", B);
        let caller = world.send("reply", 1, "a>?c", C).first();
        world.reaches(B, callees, A);
        world.reaches(C, callees, A);
        assert_eq!(world.send("reply", 1, confirmed, sdp).first(), caller);
        let (winner, loser) = if confirmed == "a>b" { (B, C) } else { (C, B) };
        for _ in 0..2 {
            world.reaches_nobody(loser, callees);
            world.reaches(winner, callees, A);
            world.reaches(A, caller, winner);
            world.wait(5_000);
            // Its provisional replies change nothing either (RFC 3261 section 13.2.2.1).
            let late = if loser == B { "a>?b" } else { "a>?c" };
            assert_eq!(world.send("reply", 1, late, loser).first(), caller);
        }
    }
}

#[test]
fn branch_is_confirmed_that_rang_without_sdp() {
    let mut world = World::new();
    let callees = offered(&mut world);
    world.send("reply", 1, "a>?b", B);
    assert_eq!(world.send("reply", 1, "a>?c", "").0, "192.0.2.1 30000");
    let caller = world.send("reply", 1, "a>c", C).first();
    world.reaches(C, callees, A);
    world.reaches(A, caller, C);
    world.reaches_nobody(B, callees);
}

#[test]
fn update_in_one_fork_does_not_make_the_answer_of_the_other_stale() {
    for update in [A, A_NEW] {
        let mut world = World::new();
        let callees = offered(&mut world);
        world.send("reply", 1, "a>?b", B);
        let callee = world.send("request", 3, "a>b", update).first();
        let caller = world.send("reply", 3, "a>b", B).first();
        world.reaches(update, caller, B);
        world.reaches(B, callee, update);
        world.send("reply", 1, "a>?c", "");
        let caller = world.send("reply", 1, "a>c", C).first();
        world.reaches(A, caller, C);
        world.reaches(C, callees, A);
        world.reaches_nobody(B, callee);
        world.wait(32_000);
        assert_eq!(world.proxy.open_streams(), 1);
    }
}

/// RFC 3261 section 13.2.2.4: another branch may answer for 64 x T1 after the first one.
#[test]
fn second_answer_has_the_ports_of_the_initial_offer_whatever_the_first_one_did() {
    for first in ["refuses", "moves", "is held from another port"] {
        let mut world = World::new();
        let callees = offered(&mut world);
        let caller = if first == "refuses" {
            world.send("reply", 1, "a>c", "198.51.100.3:0");
            at("192.0.2.1:30000")
        } else {
            world.send("reply", 1, "a>c", C).first()
        };
        if first == "moves" {
            world.send("request", 9, "c>a", "198.51.100.3:6010");
            world.send("reply", 9, "c>a", A);
        } else if first != "refuses" {
            world.send("request", 2, "a>c", "0.0.0.0:4010 sendonly");
            world.send("reply", 2, "a>c", "198.51.100.3:6000 recvonly");
        }
        world.wait(20_000);
        assert_eq!(world.send("reply", 1, "a>b", B).first(), caller, "{first}");
        world.reaches(A, caller, B);
        world.reaches(B, callees, A);
        world.wait(20_000);
        world.reaches(A, caller, B);
    }
}

#[test]
fn two_confirmed_dialogs_are_received_until_one_is_removed() {
    for (gone, left) in [("b", C), ("c", B)] {
        let mut world = World::new();
        let callees = offered(&mut world);
        let caller = world.send("reply", 1, "a>b", B).first();
        assert_eq!(world.send("reply", 1, "a>c", C).first(), caller);
        world.reaches(B, callees, A);
        world.reaches(C, callees, A);
        world.reaches(A, caller, C);
        assert_eq!(world.remove(&format!("a>{gone}"), "scope: dialog\r\n").0, "removed");
        world.reaches(left, callees, A);
        world.reaches(A, caller, left);
        world.reaches_nobody(if left == B { C } else { B }, callees);
        assert_eq!(world.remove(&format!("a>{gone}"), "scope: dialog\r\n").0, "error");
        let other = if gone == "b" { "c" } else { "b" };
        // From the other side.
        assert_eq!(world.remove(&format!("{other}>a"), "scope: dialog\r\n").0, "removed");
        assert_eq!((world.proxy.sessions(world.now).len(), world.proxy.open_streams()), (0, 0));
    }
}

#[test]
fn newer_of_two_dialogs_leaves_the_shared_ports_when_it_moves() {
    for pause in [0, 3_000] {
        let mut world = World::new();
        let callees = offered(&mut world);
        let caller = world.send("reply", 1, "a>b", B).first();
        world.send("reply", 1, "a>c", C);
        world.reaches(A, caller, C);
        let moved = "198.51.100.3:6010";
        let own = world.send("request", 9, "c>a", moved).first();
        let callee = world.send("reply", 9, "c>a", A).first();
        // Its own ports are the caller's for this dialog; the shared ones are the other's.
        world.reaches(A, own, moved);
        world.reaches(moved, callee, A);
        world.reaches(A, caller, B);
        world.reaches(B, callees, A);
        world.wait(pause);
        assert_eq!(world.remove("a>c", "scope: dialog\r\n").0, "removed");
        world.reaches(A, caller, B);
        world.reaches(B, callees, A);
        world.reaches_nobody(C, callees);
    }
}

#[test]
fn removed_early_dialog_leaves_the_unanswered_session() {
    let mut world = World::new();
    let callees = offered(&mut world);
    world.send("reply", 1, "a>?b", B);
    assert_eq!(world.remove("a>b", "scope: dialog\r\n").0, "removed");
    world.reaches_nobody(B, callees);
    let caller = world.send("reply", 1, "a>c", C).first();
    world.reaches(C, callees, A);
    world.reaches(A, caller, C);
}

/// A proxy between server and phones forks: two early dialogs on one server branch.
#[test]
fn failed_branch_loses_its_early_dialogs_and_no_other() {
    let mut world = World::new();
    let callees = offered(&mut world);
    let early = |world: &mut World, tags: &str, sdp, branch: &str| {
        world.send_in("c", "reply", 1, tags, sdp, &format!("branch: {branch}\r\n"))
    };
    let caller = early(&mut world, "a>?b", B, "0000000b").first();
    early(&mut world, "a>?c", C, "0000000c");
    // Both pass a second server, which has branches of its own.
    early(&mut world, "a>?b", B, "000000ff");
    early(&mut world, "a>?c", C, "000000ff");
    for (tags, scope) in [
        ("a>x", "scope: branch\r\nbranch: 000000dd\r\n"),
        ("a>", "scope: branch\r\n"),
        ("x>y", "scope: branch\r\nbranch: 0000000c\r\n"),
    ] {
        assert_eq!(world.remove(tags, scope).0, "error", "{tags}");
    }
    world.reaches(A, caller, C);
    let mut both = world.clone();
    let mut confirmed = world.clone();
    assert_eq!(world.remove("a>x", "scope: branch\r\nbranch: 0000000c\r\n").0, "removed");
    world.reaches(A, caller, B);
    world.reaches(B, callees, A);
    world.reaches_nobody(C, callees);
    assert_eq!(both.remove("a>", "scope: branch\r\nbranch: 000000ff\r\n").0, "removed");
    both.reaches_nobody(A, caller);
    both.reaches_nobody(B, callees);
    // A 2xx may still cross the failure.
    both.send("reply", 1, "a>b", B);
    both.reaches(B, callees, A);
    confirmed.send("reply", 1, "a>c", C);
    assert_eq!(confirmed.remove("a>c", "scope: branch\r\nbranch: 0000000c\r\n").0, "error");
    confirmed.reaches(C, callees, A);
}

#[test]
fn remove_spares_the_session_of_a_later_invite() {
    for scope in ["", "scope: unanswered\r\n"] {
        let mut world = World::new();
        offered(&mut world);
        world.send("request", 3, "a>", A);
        for (cseq, left) in [(1, 1), (2, 1), (3, 0)] {
            let line = world.remove("a>x", &format!("{scope}cseq: {cseq}\r\n"));
            assert_eq!(line.0, if left == 0 { "removed" } else { "error" }, "{scope} {cseq}");
            assert_eq!(world.proxy.sessions(world.now).len(), left);
        }
    }
    // The initial INVITE did not pass this relay: any is older than it.
    for kind in ["request", "reply"] {
        let mut world = World::new();
        world.send(kind, 9, "a>b", A);
        assert_eq!(world.remove("a>b", "cseq: 1\r\n").0, "removed", "{kind}");
    }
}

#[test]
fn remove_of_an_unanswered_session_spares_an_answered_one() {
    let mut world = World::new();
    offered(&mut world);
    world.send("reply", 1, "a>?b", B);
    let mut answered = world.clone();
    answered.send("reply", 1, "a>b", "");
    assert_eq!(answered.remove("a>b", "scope: unanswered\r\n").0, "error");
    assert_eq!(answered.proxy.sessions(answered.now).len(), 1);
    assert_eq!(world.remove("a>x", "scope: unanswered\r\n").0, "removed");
    assert_eq!(world.proxy.open_streams(), 0);
    assert_eq!(world.remove("a>x", "scope: unanswered\r\n").0, "error");
}

#[test]
fn remove_with_unknown_tags_changes_nothing() {
    let mut world = World::new();
    offered(&mut world);
    world.send("reply", 1, "a>b", B);
    for tags in ["a>x", "x>a", "a>", "x>y"] {
        assert_eq!(world.remove(tags, "scope: dialog\r\n").0, "error", "{tags}");
    }
    assert_eq!(world.remove("a>x", "").0, "removed", "as the stock modules mean it");
}

#[test]
fn unanswered_session_lives_by_provisional_replies_not_by_packets() {
    let mut world = World::new();
    let callees = offered(&mut world);
    world.send("reply", 1, "a>?b", B);
    for _ in 0..5 {
        world.wait(250_000);
        assert_eq!(world.proxy.sessions(world.now).len(), 1);
        world.send("reply", 1, "a>?b", "");
        world.reaches(B, callees, A);
    }
    for _ in 0..29 {
        world.wait(10_000);
        world.reaches(B, callees, A);
    }
    world.wait(10_000);
    assert_eq!((world.proxy.sessions(world.now).len(), world.proxy.open_streams()), (0, 0));
}

#[test]
fn null_tags_are_tags() {
    let mut world = World::new();
    let callee = world.send("request", 1, ">", A).first();
    let caller = world.send("reply", 1, ">b", B).first();
    world.reaches(A, caller, B);
    world.reaches(B, callee, A);
    // The callee's request has the null tag as its To tag.
    let caller = world.send("request", 7, "b>", "198.51.100.2:5010").first();
    let callee = world.send("reply", 7, "b>", A);
    assert_eq!(callee.0.split(' ').count(), 2);
    world.reaches(A, caller, "198.51.100.2:5010");
    assert_eq!(world.proxy.sessions(world.now).len(), 1);
    // Another leg of a B2BUA does not belong to it.
    world.send("request", 1, "x>", C);
    assert_eq!(world.proxy.sessions(world.now).len(), 2);
    assert_eq!(world.remove("b>", "scope: dialog\r\n").0, "removed");
    assert_eq!(world.proxy.sessions(world.now).len(), 1);
}

#[test]
fn callee_without_a_tag_is_answered_and_can_be_put_on_hold() {
    let mut world = World::new();
    let callee = offered(&mut world);
    let caller = world.send_in("c", "reply", 1, "a>", B, "final: yes\r\n").first();
    assert!(world.proxy.sessions(world.now)[0].answered);
    world.reaches(A, caller, B);
    assert_eq!(world.send("request", 2, "a>", "198.51.100.1:4000 sendonly").first(), callee);
    world.reaches(A, caller, B);
    let held = "198.51.100.2:5000 recvonly";
    assert_eq!(world.send_in("c", "reply", 2, "a>", held, "final: yes\r\n").first(), caller);
    world.reaches(A, caller, B);
    assert!(world.proxy.sessions(world.now)[0].on_hold);
    // Refused, offered again, and both repeated.
    for (cseq, sdp) in [(3, A_NEW), (3, A_NEW), (4, A), (4, A)] {
        assert_ne!(world.send("request", cseq, "a>", sdp).0, "error");
        world.reaches(A, caller, B);
    }
    // The callee's BYE: its From tag is null.
    assert_eq!(world.remove(">a", "scope: dialog\r\n").0, "removed");
    assert_eq!(world.proxy.open_streams(), 0);
}

#[test]
fn client_without_extensions_can_put_a_callee_without_a_tag_on_hold() {
    let mut world = World::new();
    let callee = offered(&mut world);
    let caller = world.send("reply", 1, "a>", B).first();
    world.reaches(A, caller, B);
    assert_eq!(world.send("request", 2, "a>", "198.51.100.1:4000 sendonly").first(), callee);
    world.reaches(A, caller, B);
    assert_eq!(world.send("reply", 2, "a>", "198.51.100.2:5000 recvonly").first(), caller);
    world.reaches(A, caller, B);
}

#[test]
fn delayed_offers_of_two_branches_are_apart() {
    let mut world = World::new();
    let first = world.send("reply", 1, "a>?b", B).first();
    let second = world.send("reply", 1, "a>?c", C).first();
    assert_ne!(first, second);
    let for_b = world.send("request", 1, "a>b", A).first();
    let for_c = world.send("request", 1, "a>c", A).first();
    world.reaches(A, first, B);
    world.reaches(A, second, C);
    world.reaches(B, for_b, A);
    assert_eq!(world.send("reply", 1, "a>c", C).first(), second);
    world.reaches(C, for_c, A);
    world.reaches(A, second, C);
    assert_eq!(world.proxy.open_streams(), 1);
}

#[test]
fn early_branches_are_bounded() {
    let mut world = World::new();
    let callees = offered(&mut world);
    let host = |number: u32| format!("198.51.101.{number}:5000");
    let mut caller = callees;
    for number in 1..=20 {
        caller = world.send("reply", 1, &format!("a>?t{number}"), &host(number)).first();
    }
    for number in 1..=20 {
        match number {
            ..=12 => world.reaches_nobody(&host(number), callees),
            _ => world.reaches(&host(number), callees, A),
        }
    }
    let (late, sdp) = ("a>t1", host(1));
    assert_eq!(world.send("reply", 1, late, &sdp).first(), caller);
    world.reaches(&host(1), callees, A);
    for number in 2..=8 {
        world.send("reply", 1, &format!("a>t{number}"), &host(number));
    }
    assert_eq!(world.send("reply", 1, "a>t9", &host(9)), Line("error".into()));
}

#[test]
fn initial_offer_after_the_answer_needs_both_tags() {
    let mut world = World::new();
    offered(&mut world);
    world.send("reply", 1, "a>b", B);
    assert_eq!(world.send("request", 2, "a>", C).0, "error");
    assert_ne!(world.send("request", 2, "a>b", A_NEW).0, "error");
}

/// The session began with the answer, of a call that the server has lost.
#[test]
fn initial_offer_behind_its_own_answer_has_the_ports_of_the_answer() {
    let mut world = World::new();
    let caller = world.send("reply", 1, "a>b", B).first();
    let before = world.proxy.state();
    let callees = world.send("request", 1, "a>", A).first();
    assert_eq!(world.send("request", 1, "a>", C).first(), callees);
    assert_ne!(caller, callees);
    assert_eq!(world.send("request", 2, "a>", C).0, "error");
    assert_eq!(world.proxy.state(), before);
}

#[test]
fn request_of_a_branch_that_lost_its_place_changes_nothing() {
    let mut world = World::new();
    let callees = offered(&mut world);
    world.send("reply", 1, "a>?c", C);
    let caller = world.send("reply", 1, "a>b", B).first();
    let before = world.proxy.state();
    assert_eq!(world.send("request", 1, "c>a", "198.51.100.3:6010").first(), caller);
    assert_eq!(world.proxy.state(), before);
    world.reaches(B, callees, A);
    world.reaches(A, caller, B);
}

#[test]
fn new_try_after_a_challenge_is_the_initial_offer() {
    for sdp in [A, A_NEW] {
        let mut world = World::new();
        offered(&mut world);
        world.send("reply", 1, "a>?b", B);
        let callees = world.send("request", 2, "a>", sdp).first();
        world.reaches_nobody(B, callees);
        let caller = world.send("reply", 2, "a>c", C).first();
        world.reaches(sdp, caller, C);
        world.reaches(C, callees, sdp);
        assert_eq!(world.proxy.open_streams(), 1);
    }
}

#[test]
fn sessions_of_one_call_id_are_found_by_the_dialog() {
    let mut world = World::new();
    world.send("request", 1, "x>", A);
    world.send("reply", 1, "x>y", B);
    // The second leg begins with the tag that the first one's callee has.
    world.send("request", 1, "y>", B);
    world.send("reply", 1, "y>z", C);
    let before = world.proxy.sessions(world.now).len();
    world.send("request", 9, "y>x", "198.51.100.2:5020");
    assert_eq!((before, world.proxy.sessions(world.now).len()), (2, 2));
    let caller = world.send("reply", 9, "y>x", A);
    assert_ne!(caller.0, "error");
}

#[test]
fn streams_of_two_families_have_ports_of_their_own_family() {
    let both = "198.51.100.1:4000,[2001:db8::a]:4002";
    let answer = "198.51.100.2:5000,[2001:db8::b]:5002";
    let mixed = "mixed_families: yes\r\n";
    let mut world = World::new();
    let offer = world.send_in("c", "request", 1, "a>", both, mixed);
    assert_eq!(offer.0, "192.0.2.1 30002 [2001:db8::1]:30002");
    let answer = world.send_in("c", "reply", 1, "a>b", answer, mixed);
    world.reaches(A, answer.stream(0), B);
    world.reaches("[2001:db8::a]:4002", answer.stream(1), "[2001:db8::b]:5002");
    world.reaches("[2001:db8::b]:5002", offer.stream(1), "[2001:db8::a]:4002");
    // Without the header all streams have the first one's family, as before.
    let mut world = World::new();
    let offer = world.send_in("c", "request", 1, "a>", both, "");
    assert_eq!(offer.0, "192.0.2.1 30002 30006");
    // The receiver's family holds for all streams.
    let mut world = World::new();
    let header = "mixed_families: yes\r\naddress_family: IP6\r\n";
    let offer = world.send_in("c", "request", 1, "a>", both, header);
    assert_eq!(offer.0, "2001:db8::1 30000 30004");
}

proptest! {
    /// In any order of messages, packets and time: no fault, no packet goes round, a
    /// refused request changes nothing (all checked by `World`), and nothing stays
    /// open in the end.
    #[test]
    fn any_order_of_messages_and_packets_leaves_nothing_behind(
        steps in prop::collection::vec((0..12u8, 0..2usize, 1..4u32, 0..9usize, 0..9usize), 1..80),
    ) {
        const TAGS: [&str; 9] =
            ["a>", "a>b", "a>?b", "a>c", "a>?c", "b>a", "c>a", ">b", "b>?a"];
        const SDP: [&str; 9] = [
            "", A, A_NEW, B, C, "0.0.0.0:4000 inactive", "198.51.100.1:0",
            "198.51.100.1:4000,[2001:db8::a]:4002", "192.0.2.1:30002",
        ];
        let mut world = World::with(|config| config.ports = (30_000, 30_031));
        for (action, call, cseq, tags, sdp) in steps {
            let (name, text) = (["c", "d"][call], TAGS[tags]);
            let scope = ["", "scope: dialog\r\n", "scope: unanswered\r\n"][sdp % 3];
            match action {
                0..=2 => drop(world.send_in(name, "request", cseq, text, SDP[sdp], "")),
                3..=7 => {
                    let headers = "mixed_families: yes\r\n";
                    drop(world.send_in(name, "reply", cseq, text, SDP[sdp], headers));
                }
                8 => world.wait([0, 2_000, 32_000][sdp % 3]),
                9 => drop(world.remove(text.split('?').next().unwrap(), scope)),
                _ => {
                    let port = 30_000 + 2 * tags as u16 + cseq as u16 % 2;
                    let from = [A, A_NEW, B, C, "192.0.2.1:30004"][sdp % 5];
                    world.packet(at(from), format!("192.0.2.1:{port}").parse().unwrap());
                }
            }
        }
        world.wait(7_200_000);
        prop_assert_eq!(world.proxy.sessions(world.now).len(), 0);
        prop_assert_eq!(world.proxy.open_streams(), 0);
    }
}
