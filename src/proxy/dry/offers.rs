//! Offers within a dialog, with packets: agreed, refused, repeated and crossing.

use super::phones::{Sdp, World};

const A: Sdp = "198.51.100.1:4000";
const A_NEW: Sdp = "198.51.100.1:4010";
const B: Sdp = "198.51.100.2:5000";

/// A call whose initial offer was sent: the ports that callees send to.
fn offered(world: &mut World) -> std::net::SocketAddr {
    world.send("request", 1, "a>", A).first()
}

#[test]
fn reoffer_that_is_refused_leaves_the_agreed_stream() {
    // Back to the port of before, at once or later; another one; the same one.
    for (time, port) in [(0, A), (2_500, A), (0, "198.51.100.1:4020"), (0, A_NEW)] {
        let mut world = World::new();
        offered(&mut world);
        world.send("reply", 1, "a>b", B);
        let callee = world.send("request", 2, "a>b", A_NEW).first();
        let caller = world.send("reply", 2, "a>b", B).first();
        world.wait(time);
        world.send("request", 3, "a>b", port);
        for pause in [0, 0, 3_500, 60_000] {
            world.reaches(A_NEW, caller, B);
            world.reaches(B, callee, A_NEW);
            world.wait(pause);
        }
        // The other side's offer is refused as well.
        world.send("request", 1, "b>a", "198.51.100.2:5020");
        world.reaches(A_NEW, caller, B);
        world.reaches(B, callee, A_NEW);
    }
}

#[test]
fn reoffer_back_to_the_port_before_is_agreed() {
    for time in [0, 2_500] {
        let mut world = World::new();
        let callee = offered(&mut world);
        let caller = world.send("reply", 1, "a>b", B).first();
        world.send("request", 2, "a>b", A_NEW);
        world.send("reply", 2, "a>b", B);
        world.wait(time);
        let callee_again = world.send("request", 3, "a>b", A).first();
        let caller_again = world.send("reply", 3, "a>b", B).first();
        assert!(caller != caller_again && callee != callee_again);
        world.reaches(A, caller_again, B);
        world.reaches(B, callee_again, A);
        world.wait(32_000);
        world.reaches(A, caller_again, B);
        assert_eq!(world.proxy.open_streams(), 1);
    }
}

#[test]
fn session_does_not_take_the_ports_of_others() {
    let mut world = World::with(|config| config.ports = (10_000, 40_000));
    let sdp = |host: &str, first: u32, count: u32| {
        let stream = |n: u32| format!("{host}:{}", 1_000 + (first + n) % 30_000 * 2);
        (0..count).map(stream).collect::<Vec<_>>().join(",")
    };
    world.send("request", 1, "a>", &sdp("198.51.100.1", 0, 64));
    world.send("reply", 1, "a>b", &sdp("198.51.100.2", 0, 64));
    for cseq in 2..60 {
        let (moved, fixed) = (sdp("198.51.100.1", cseq * 64, 64), sdp("198.51.100.2", 0, 64));
        assert_ne!(world.send("request", cseq, "a>b", &moved).0, "error", "{cseq}");
        assert_ne!(world.send("reply", cseq, "a>b", &fixed).0, "error", "{cseq}");
        // Those of the initial offer, agreed, offered and replaced ones.
        assert!(world.proxy.open_streams() <= 4 * 64, "{cseq}");
    }
    // Early dialogs with offers of their own.
    let mut world = World::with(|config| config.ports = (10_000, 40_000));
    for branch in 0..8 {
        world.send("reply", 1, &format!("a>?t{branch}"), &sdp("198.51.100.2", branch, 64));
        assert!(world.proxy.open_streams() <= 4 * 64);
    }
    assert_eq!(world.send("reply", 1, "a>?t9", &sdp("198.51.100.2", 9, 64)).0, "error");
}

#[test]
fn reoffer_without_a_free_port_is_refused_and_agreed_streams_go_on() {
    // Two streams' worth of ports.
    let mut world = World::with(|config| config.ports = (30_000, 30_007));
    let callee = offered(&mut world);
    let caller = world.send("reply", 1, "a>b", B).first();
    let other = |world: &mut World, what: &str| match what {
        "remove" => world.request("remove\r\ncall_id: d\r\nfrom_tag: x\r\n\r\n"),
        _ => world.send_in("d", "request", 1, "x>", A, ""),
    };
    assert_ne!(other(&mut world, "update").0, "error");
    let two = format!("{A},198.51.100.1:4002");
    let offers = [(2, "a>b", A_NEW), (4, "a>b", &two), (101, "b>a", "198.51.100.2:5010")];
    for (number, (cseq, tags, offer)) in offers.into_iter().enumerate() {
        for _ in 0..2 {
            assert_eq!(world.send("request", cseq, tags, offer).0, "error", "{offer}");
            world.reaches(A, caller, B);
            world.reaches(B, callee, A);
        }
        // What needs no port is as always.
        let held_by = [3, 5, 6][number];
        let held = "198.51.100.1:4000 sendonly";
        assert_eq!(world.send("request", held_by, "a>b", held).first(), callee);
        assert_eq!(world.send("reply", held_by, "a>b", B).first(), caller);
        world.reaches(A, caller, B);
    }
    assert_eq!(other(&mut world, "remove").0, "removed");
    // The callee tries again, with the same CSeq: nothing of it was stored.
    let for_a = world.send("request", 101, "b>a", "198.51.100.2:5010").first();
    let for_b = world.send("reply", 101, "b>a", A).first();
    world.reaches(A, for_a, "198.51.100.2:5010");
    world.reaches("198.51.100.2:5010", for_b, A);
}

#[test]
fn replaced_ports_stay_open_for_two_seconds_or_until_the_next_change() {
    let mut world = World::new();
    offered(&mut world);
    let first = world.send("reply", 1, "a>b", B).first();
    world.send("request", 2, "a>b", A_NEW);
    let second = world.send("reply", 2, "a>b", B).first();
    world.wait(1_000);
    world.send("request", 3, "a>b", "198.51.100.1:4020");
    let third = world.send("reply", 3, "a>b", B).first();
    world.reaches_nobody(A, first);
    world.reaches(A_NEW, second, B);
    world.wait(1_999);
    world.reaches(A_NEW, second, B);
    world.wait(1);
    world.reaches_nobody(A_NEW, second);
    world.reaches("198.51.100.1:4020", third, B);
}

#[test]
fn final_reply_without_sdp_makes_the_early_answer_final() {
    let mut world = World::new();
    offered(&mut world);
    world.send("reply", 1, "a>b", B);
    let callee = world.send("request", 2, "a>b", A_NEW).first();
    // In a reliable 183 (RFC 3262).
    let caller = world.send("reply", 2, "a>?b", B).first();
    world.wait(3_000);
    assert_eq!(world.proxy.open_streams(), 2, "the request may still fail");
    assert_eq!(world.send("reply", 2, "a>b", "").first(), caller);
    // Those of the initial offer, which another branch may answer, are closed as well.
    world.wait(32_000);
    assert_eq!(world.proxy.open_streams(), 1);
    world.reaches(A_NEW, caller, B);
    world.reaches(B, callee, A_NEW);
}

#[test]
fn offer_whose_signalling_moved_has_its_effect_with_the_answer() {
    let private = "192.168.1.10:4000";
    let mut world = World::new();
    let from = |ip: &str| format!("signaling_ip: {ip}\r\n");
    let callee = world.send_in("c", "request", 1, "a>", private, &from("198.51.100.1")).first();
    let caller = world.send("reply", 1, "a>b", B).first();
    world.reaches("198.51.100.1:61000", caller, B);
    let mut refused = world.clone();
    for world in [&mut world, &mut refused] {
        world.send_in("c", "request", 2, "a>b", private, &from("203.0.113.5"));
        world.reaches("198.51.100.1:61000", caller, B);
        world.reaches(B, callee, "198.51.100.1:61000");
    }
    world.send("reply", 2, "a>b", B);
    world.reaches_nobody("198.51.100.1:61000", caller);
    world.reaches("203.0.113.5:61000", caller, B);
    world.reaches(B, callee, "203.0.113.5:61000");
}

#[test]
fn repeated_messages_have_the_same_answer_also_after_a_refused_stream() {
    let two = "198.51.100.1:4000,198.51.100.1:4002";
    let mut world = World::new();
    let offer = world.send("request", 1, "a>", two);
    let early = world.send("reply", 1, "a>?b", "198.51.100.2:5000,198.51.100.2:5002");
    let answer = world.send("reply", 1, "a>b", "198.51.100.2:5000,198.51.100.2:0");
    assert!(answer.0.ends_with(" 0"), "{answer:?}");
    world.wait(32_000);
    assert_eq!(world.proxy.open_streams(), 1);
    for _ in 0..2 {
        let before = world.proxy.state();
        assert_eq!(world.send("request", 1, "a>", two), offer);
        assert_eq!(world.send("reply", 1, "a>?b", "198.51.100.2:5000,198.51.100.2:5002"), early);
        let again = world.send("reply", 1, "a>b", "198.51.100.2:5000,198.51.100.2:0");
        assert_eq!(again, answer);
        assert_eq!(world.proxy.state(), before);
    }
    let offer = world.send("request", 2, "a>b", two);
    let answer = world.send("reply", 2, "a>b", "198.51.100.2:0,198.51.100.2:0");
    assert_eq!(world.send("request", 2, "a>b", two), offer);
    assert_eq!(world.send("reply", 2, "a>b", "198.51.100.2:0,198.51.100.2:0"), answer);
    world.wait(2_000);
    assert_eq!(world.proxy.open_streams(), 0);
}

#[test]
fn copy_of_a_request_with_another_sdp_changes_nothing() {
    let thief = "203.0.113.66:6666";
    let mut world = World::new();
    let callee = offered(&mut world);
    assert_eq!(world.send("request", 1, "a>", thief).first(), callee);
    let caller = world.send("reply", 1, "a>b", B).first();
    let check = |world: &mut World| {
        world.reaches(A, caller, B);
        world.reaches(B, callee, A);
        world.reaches_nobody(thief, caller);
    };
    assert_eq!(world.send("request", 1, "a>", thief).first(), callee);
    check(&mut world);
    world.send("request", 2, "a>b", A);
    world.send("request", 2, "a>b", thief);
    check(&mut world);
    world.send("reply", 2, "a>b", B);
    world.send("request", 2, "a>b", thief);
    check(&mut world);
}

/// RFC 3264 section 8.4: 0.0.0.0 holds, here with another port.
#[test]
fn port_of_a_hold_with_0_0_0_0_is_that_of_the_resumed_stream() {
    let mut world = World::new();
    offered(&mut world);
    let caller = world.send("reply", 1, "a>b", B).first();
    let from = "signaling_ip: 198.51.100.2\r\n";
    for (cseq, sdp) in [(101, "0.0.0.0:5000 sendonly"), (102, "0.0.0.0:5004 sendonly")] {
        world.send_in("c", "request", cseq, "b>a", sdp, from);
        let callee = world.send("reply", cseq, "b>a", "198.51.100.1:4000 recvonly").first();
        let port = sdp.split([':', ' ']).nth(1).unwrap();
        world.reaches(&format!("198.51.100.2:{port}"), callee, A);
    }
    // Another port has ports of its own, as without a hold.
    let callee = world.send("request", 2, "a>b", A).first();
    let moved = world.send("reply", 2, "a>b", "198.51.100.2:5004 sendonly").first();
    assert_ne!(moved, caller);
    world.reaches("198.51.100.2:5004", callee, A);
    world.reaches(A, moved, "198.51.100.2:5004");
}

/// The relay was restarted between the offer and the answer: the answer is an offer for
/// it, which nobody answers, and the next offer makes the call work.
#[test]
fn answer_of_an_unknown_call_is_followed_by_an_offer_that_is_answered() {
    for sdp in [B, "198.51.100.2:5010"] {
        let mut world = World::new();
        world.send("reply", 1, "a>b", B);
        let caller = world.send("request", 101, "b>a", sdp).first();
        let callee = world.send("reply", 101, "b>a", A).first();
        world.reaches(A, caller, sdp);
        world.reaches(sdp, callee, A);
    }
}

/// RFC 5407 section 3.1.3: the callee's re-INVITE overtakes its 200.
#[test]
fn offer_that_overtakes_the_answer_before_it_is_answered_as_well() {
    let moved = "198.51.100.2:5010";
    for (early, sdp) in [(false, moved), (true, moved), (false, B), (true, B)] {
        let mut world = World::new();
        let callees = offered(&mut world);
        if early {
            world.send("reply", 1, "a>?b", "");
        }
        let offer = world.send("request", 8, "b>a", sdp);
        let caller = world.send("reply", 1, "a>b", B).first();
        world.reaches(A, caller, B);
        world.reaches(B, callees, A);
        assert_eq!(world.send("request", 8, "b>a", sdp), offer);
        let callee = world.send("reply", 8, "b>a", A).first();
        world.reaches(A, offer.first(), sdp);
        world.reaches(sdp, callee, A);
        assert_eq!(world.send("reply", 1, "a>b", B).first(), caller);
        world.reaches(A, offer.first(), sdp);
    }
}

/// The same with two re-offers: their answerer may send to the ports of the second one
/// before its answer passes, from where the answer to the first one says.
#[test]
fn offer_that_overtakes_an_answer_is_used_at_once_from_the_address_in_that() {
    let at = |host: u8, moves: bool| format!("198.51.100.{host}:{}", 4000 + 10 * u16::from(moves));
    for moves in 0..16_u8 {
        // Whether the first offer, its answer and the second offer have a new port, and
        // whether the callee offers first.
        let [first, answered, second, by_callee] = [1, 2, 4, 8].map(|bit| moves & bit != 0);
        let (x, y) = if by_callee { (2, 1) } else { (1, 2) };
        let (own, back) = if by_callee { ("b>a", "a>b") } else { ("a>b", "b>a") };
        let mut world = World::new();
        let callee = world.send("request", 1, "a>", &at(1, false)).first();
        let caller = world.send("reply", 1, "a>b", &at(2, false)).first();
        world.reaches(&at(1, false), caller, &at(2, false));
        world.reaches(&at(2, false), callee, &at(1, false));
        world.send("request", 11, own, &at(x, first));
        let second_at = if second { format!("198.51.100.{y}:4020") } else { at(y, answered) };
        let offer = world.send("request", 21, back, &second_at).first();
        world.send("reply", 11, own, &at(y, answered));
        world.reaches(&at(x, first), offer, &second_at);
        let answer = world.send("reply", 21, back, &at(x, first)).first();
        world.reaches(&at(x, first), offer, &second_at);
        world.reaches(&second_at, answer, &at(x, first));
    }
}

/// RFC 3261 section 13.2.2.1: also of a re-INVITE, and of one whose first messages the
/// relay has not seen.
#[test]
fn provisional_reply_after_the_final_one_of_its_transaction_changes_nothing() {
    let other = "198.51.100.9:5090";
    for (initial, cseq, tags, early, sdp) in
        [(true, 2, "a>b", "a>?b", B), (false, 1, "a>b", "a>?b", B)]
    {
        let mut world = World::new();
        if initial {
            offered(&mut world);
            world.send("reply", 1, "a>b", B);
            world.send("request", cseq, tags, A);
        } else {
            world.send("request", 101, "b>a", B);
        }
        let to = world.send("reply", cseq, tags, sdp).first();
        if !initial {
            world.send("request", cseq, tags, A);
        }
        world.reaches(A, to, sdp);
        assert_eq!(world.send("reply", cseq, early, other).first(), to);
        world.reaches(A, to, sdp);
    }
}

/// An INVITE without SDP: its 200 has the offer, and the ACK with the answer is overtaken
/// by the next offer of its sender (RFC 5407 section 3.1).
#[test]
fn answer_in_an_ack_that_the_next_offer_overtakes_is_agreed() {
    let both =
        |host: u8, port: u16| format!("198.51.100.{host}:{port},198.51.100.{host}:{}", port + 2);
    let mut world = World::new();
    let offer = world.send("reply", 1, "a>b", &both(2, 5000));
    let next = world.send("request", 2, "a>b", "198.51.100.1:4000,198.51.100.1:0");
    assert!(next.0.ends_with(" 0"), "{next:?}");
    let answer = world.send("request", 1, "a>b", &both(1, 4000));
    for (line, a, b) in [
        (0, "198.51.100.1:4000", "198.51.100.2:5000"),
        (1, "198.51.100.1:4002", "198.51.100.2:5002"),
    ] {
        world.reaches(a, offer.stream(line), b);
        world.reaches(b, answer.stream(line), a);
    }
    world.send("reply", 2, "a>b", "198.51.100.2:5000,198.51.100.2:0");
    world.reaches("198.51.100.1:4000", offer.stream(0), "198.51.100.2:5000");
    world.wait(2_000);
    assert_eq!(world.proxy.open_streams(), 1);
}

/// The ACK is lost, and the first of two re-INVITEs is refused.
#[test]
fn answer_in_an_ack_that_two_offers_overtake_is_agreed() {
    let mut world = World::new();
    let offer = world.send("reply", 1, "a>b", B).first();
    world.send("request", 2, "a>b", A_NEW);
    world.send("request", 3, "a>b", A_NEW);
    let answer = world.send("request", 1, "a>b", A).first();
    world.reaches(A, offer, B);
    world.reaches(B, answer, A);
}

/// Both sides offer at the same time, and messages are lost: whichever offer is repeated
/// and answered in the end is agreed.
#[test]
fn crossing_offers_have_the_same_answer_when_they_are_repeated() {
    for answered in ["a", "b"] {
        let mut world = World::new();
        offered(&mut world);
        world.send("reply", 1, "a>b", B);
        let (of_a, of_b) = (A_NEW, "198.51.100.2:5010");
        let first = world.send("request", 2, "a>b", of_a);
        let second = world.send("request", 8, "b>a", of_b);
        for _ in 0..2 {
            assert_eq!(world.send("request", 2, "a>b", of_a), first);
            assert_eq!(world.send("request", 8, "b>a", of_b), second);
        }
        if answered == "a" {
            let caller = world.send("reply", 2, "a>b", B).first();
            world.reaches(of_a, caller, B);
            world.reaches(B, first.first(), of_a);
        } else {
            let callee = world.send("reply", 8, "b>a", A).first();
            world.reaches(A, second.first(), of_b);
            world.reaches(of_b, callee, A);
        }
        world.wait(32_000);
        // A later offer than the answered one is refused without a message.
        assert_eq!(world.proxy.open_streams(), if answered == "a" { 2 } else { 1 });
    }
}

/// Copies of a reply or of an ACK with SDP that come after the next offer.
#[test]
fn copy_of_a_message_before_the_last_offer_has_its_first_answer() {
    let mut world = World::new();
    let offer = world.send("reply", 1, "a>b", B);
    let answer = world.send("request", 1, "a>b", A);
    let next = world.send("request", 2, "a>b", A_NEW);
    let agreed = world.send("reply", 2, "a>b", B).first();
    assert_ne!(next, answer);
    assert_eq!(world.send("reply", 1, "a>b", B), offer);
    assert_eq!(world.send("request", 1, "a>b", A), answer);
    world.reaches(A_NEW, agreed, B);
    world.reaches(B, next.first(), A_NEW);
    // A provisional one of two streams, after the second one was removed.
    let both = "198.51.100.2:5000,198.51.100.2:5002";
    let mut world = World::new();
    world.send("request", 1, "a>", "198.51.100.1:4000,198.51.100.1:4002");
    let early = world.send("reply", 1, "a>?b", both);
    world.send("reply", 1, "a>b", "");
    world.send("request", 2, "a>b", "198.51.100.1:4000,198.51.100.1:0");
    assert_eq!(world.send("reply", 1, "a>?b", both), early);
}

/// A restarted relay begins with the next offer, or a BYE has removed the session: an ACK
/// with SDP, or an offer, comes after it.
#[test]
fn message_that_the_first_offer_has_overtaken_has_the_ports_in_force() {
    for (tags, sdp, new, other) in [("a>b", A, A_NEW, B), ("b>a", B, "198.51.100.2:5010", A)] {
        let mut world = World::new();
        let in_force = world.send("request", 8, tags, new);
        assert_eq!(world.send("request", 7, tags, sdp), in_force);
        let back = world.send("reply", 8, tags, other).first();
        world.reaches(new, back, other);
        world.reaches(other, in_force.first(), new);
    }
}

/// The offers of both sides cross, the first one is answered: the other one was refused,
/// of which the relay hears nothing, or it overtook that answer.
#[test]
fn offer_that_an_answer_has_left_passes_nothing_until_it_is_answered() {
    let mut world = World::new();
    let callee = offered(&mut world);
    let caller = world.send("reply", 1, "a>b", B).first();
    world.send("request", 2, "a>b", A);
    world.send("request", 8, "b>a", B);
    world.send("reply", 2, "a>b", "198.51.100.2:0");
    world.wait(1_999);
    world.reaches(A, caller, B);
    world.wait(1);
    world.reaches_nobody(A, caller);
    world.reaches_nobody(B, callee);
    let mut late = world.clone();
    late.send("reply", 8, "b>a", A);
    late.reaches(A, caller, B);
    late.reaches(B, callee, A);
    late.wait(60_000);
    late.reaches(A, caller, B);
    // Agreed ports go on.
    let mut world = World::new();
    let callee = offered(&mut world);
    let caller = world.send("reply", 1, "a>b", B).first();
    world.send("request", 2, "a>b", A);
    world.send("request", 8, "b>a", B);
    world.send("reply", 2, "a>b", B);
    world.wait(60_000);
    world.reaches(A, caller, B);
    world.reaches(B, callee, A);
}

#[test]
fn crossing_offer_that_is_not_answered_gives_its_ports_back() {
    let mut world = World::new();
    offered(&mut world);
    world.send("reply", 1, "a>b", B);
    world.wait(40_000);
    world.send("request", 2, "a>b", A_NEW);
    world.send("request", 8, "b>a", "198.51.100.2:5010");
    world.wait(31_999);
    assert_eq!(world.proxy.open_streams(), 3);
    world.wait(1);
    assert_eq!(world.proxy.open_streams(), 2);
}

#[test]
fn refused_offer_does_not_keep_replaced_ports() {
    // An answer has removed the stream, and an offer that fits to it follows.
    for offer in ["0.0.0.0:4000 inactive", A] {
        let mut world = World::new();
        let callee = offered(&mut world);
        let caller = world.send("reply", 1, "a>b", B).first();
        world.reaches(A, caller, B);
        world.send("request", 2, "a>b", A_NEW);
        world.send("reply", 2, "a>b", "198.51.100.2:0");
        world.send("request", 3, "a>b", offer);
        world.wait(2_000);
        world.reaches_nobody(A, caller);
        world.reaches_nobody(B, callee);
        assert_eq!(world.send("reply", 3, "a>b", B).0.split(' ').count(), 2);
    }
}
