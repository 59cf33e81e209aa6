//! What the server has stored of a dialog, and the relay has not: it was started again, or
//! was frozen when the 2xx came.

use super::phones::{A, A_NEW, B, C, REOFFERS_OF_C, World};

const CONFIRMED: &str = "dialog: confirmed\r\n";
const MISSING: &str = "dialog: missing\r\n";

/// A call with a delayed offer: its INVITE is not seen here.
fn delayed() -> World {
    let mut world = World::new();
    let for_a = world.send("reply", 1, "a>b", B).first();
    let for_b = world.send("request", 1, "a>b", A).first();
    world.reaches(A, for_a, B);
    world.reaches(B, for_b, A);
    world
}

#[track_caller]
fn ends_with(world: &mut World, bye: &str) {
    assert_eq!(world.remove(bye, "scope: dialog\r\n").0, "removed");
    assert_eq!(world.left(), (0, 0));
}

/// Anybody who has seen a message of the call can send a request with one of its tags.
#[test]
fn request_of_a_missing_dialog_changes_no_call_with_a_delayed_offer() {
    for tags in ["a>x", "x>a"] {
        for cseq in [0, 1, 2, 101, u32::MAX] {
            for sdp in [A_NEW, C, "198.51.100.3:0"] {
                let mut world = delayed();
                let before = world.proxy.state();
                world.send_in("c", "request", cseq, tags, sdp, MISSING);
                world.send_in("c", "request", cseq, tags, C, MISSING);
                assert_eq!(world.proxy.state(), before, "{tags} {cseq} {sdp}");
                ends_with(&mut world, "b>a");
            }
        }
    }
}

/// The early dialog that it makes is not that of a call from before.
#[test]
fn request_of_a_missing_dialog_does_not_outlive_an_early_delayed_offer() {
    for (cseq, tags) in [(2, "a>x"), (101, "x>a")] {
        let mut world = World::new();
        let for_a = world.send("reply", 1, "a>?b", B).first();
        let for_b = world.send("request", 2, "a>b", A).first();
        world.send_in("c", "request", cseq, tags, C, MISSING);
        world.send("reply", 1, "a>b", "");
        world.reaches(A, for_a, B);
        world.reaches(B, for_b, A);
        ends_with(&mut world, "a>b");
    }
}

/// The relay was started again, and its first message is nobody's.
#[test]
fn request_of_a_missing_dialog_keeps_no_session_that_it_has_begun() {
    let mut world = World::new();
    world.send_in("c", "request", 3, "a>x", C, MISSING);
    let for_b = world.send_in("c", "request", 2, "a>b", A, CONFIRMED).first();
    world.send_in("c", "request", 4, "a>x", C, MISSING);
    let for_a = world.send_in("c", "reply", 2, "a>b", B, CONFIRMED).first();
    world.reaches(A, for_a, B);
    world.reaches(B, for_b, A);
    ends_with(&mut world, "a>b");
}

/// Both dialogs were confirmed, and the relay knows at most one of them.
#[test]
fn confirmed_dialog_is_one_of_the_session_whatever_the_relay_has_seen() {
    for (kind, cseq, tags, offer, answer_kind, answer) in REOFFERS_OF_C {
        let with_early = |world: &mut World| {
            world.send("request", 1, "a>", A);
            world.send("reply", 1, "a>?c", C);
            world.send("reply", 1, "a>b", B);
        };
        let without = |world: &mut World| {
            world.send("request", 1, "a>", A);
            world.send("reply", 1, "a>b", B);
        };
        let delayed = |world: &mut World| {
            world.send("reply", 1, "a>b", B);
            world.send("request", 1, "a>b", A);
        };
        let reoffer = |world: &mut World| {
            world.send_in("c", "request", 2, "a>b", A, CONFIRMED);
        };
        let starts: [&dyn Fn(&mut World); 4] = [&with_early, &without, &delayed, &reoffer];
        for (number, start) in starts.into_iter().enumerate() {
            for seconds in [0, 40] {
                let mut world = World::new();
                start(&mut world);
                world.wait(seconds * 1_000);
                let for_receiver = world.send_in("c", kind, cseq, tags, offer, CONFIRMED).first();
                let for_sender =
                    world.send_in("c", answer_kind, cseq, tags, answer, CONFIRMED).first();
                world.reaches(offer, for_sender, answer);
                world.reaches(answer, for_receiver, offer);
                assert_eq!(world.remove("a>b", "scope: dialog\r\n").0, "removed", "{number}");
                world.reaches(offer, for_sender, answer);
                world.reaches(answer, for_receiver, offer);
                ends_with(&mut world, "c>a");
            }
        }
    }
}

/// Only this dialog was confirmed: other early ones are over.
#[test]
fn request_of_a_confirmed_dialog_confirms_it() {
    let mut world = World::new();
    let callees = world.send("request", 1, "a>", A).first();
    world.send("reply", 1, "a>?b", B);
    world.send("reply", 1, "a>?c", C);
    world.send_in("c", "request", 101, "b>a", B, CONFIRMED);
    let for_b = world.send_in("c", "reply", 101, "b>a", A, CONFIRMED).first();
    world.reaches_nobody(C, callees);
    world.reaches(B, for_b, A);
    ends_with(&mut world, "a>b");
}
