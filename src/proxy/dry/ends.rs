//! Dialogs that are over, and sessions that begin or end within one.

use super::phones::{A, A_NEW, B, C, REOFFERS_OF_C, Sdp, World, at};

#[test]
fn late_reply_of_a_removed_early_dialog_changes_nothing() {
    for (late, sdp) in [("a>?c", C), ("a>c", C), ("a>c", "")] {
        let mut world = World::new();
        let callees = world.send("request", 1, "a>", A).first();
        world.send("reply", 1, "a>?b", B);
        let caller = world.send("reply", 1, "a>?c", C).first();
        world.reaches(A, caller, C);
        assert_eq!(world.remove("a>c", "scope: dialog\r\n").0, "removed");
        assert_eq!(world.send("reply", 1, late, sdp).first(), caller);
        world.reaches(A, caller, B);
        world.reaches(B, callees, A);
        world.reaches_nobody(C, callees);
        // A new try is another call of the same phones.
        let callees = world.send("request", 2, "a>", A).first();
        let caller = world.send("reply", 2, "a>c", C).first();
        world.reaches(A, caller, C);
        world.reaches(C, callees, A);
    }
}

#[test]
fn repeated_answer_after_the_end_of_its_dialog_changes_nothing() {
    let mut world = World::new();
    let callees = world.send("request", 1, "a>", A).first();
    world.send("reply", 1, "a>b", B);
    let caller = world.send("reply", 1, "a>c", C).first();
    assert_eq!(world.remove("c>a", "scope: dialog\r\n").0, "removed");
    assert_eq!(world.send("reply", 1, "a>c", C).first(), caller);
    world.reaches(A, caller, B);
    world.reaches_nobody(C, callees);
    assert_eq!(world.remove("a>b", "scope: dialog\r\n").0, "removed");
    assert_eq!(world.left(), (0, 0));
}

/// The offer of a 2xx has ports of its own, which no other dialog has.
#[test]
fn repeated_offer_after_the_end_of_its_dialog_has_its_first_answer() {
    let both = |host: u8| format!("198.51.100.{host}:5000,198.51.100.{host}:5002");
    let mut world = World::new();
    let first = world.send("reply", 1, "a>b", &both(2));
    let second = world.send("reply", 1, "a>c", &both(3));
    assert_ne!(first, second);
    world.send("request", 1, "a>b", &both(1));
    world.send("request", 2, "a>b", "198.51.100.1:5000,198.51.100.1:0");
    world.send("reply", 2, "a>b", "198.51.100.2:5000,198.51.100.2:0");
    assert_eq!(world.remove("a>c", "scope: dialog\r\n").0, "removed");
    let before = world.proxy.state();
    assert_eq!(world.send("reply", 1, "a>c", &both(3)), second);
    assert_eq!(world.proxy.state(), before);
}

/// RFC 3261 section 13.2.2.4. Whoever has seen the INVITE can send such a reply.
#[test]
fn answer_of_another_branch_after_32_s_is_refused() {
    for pause in [31_999, 32_000] {
        let mut world = World::new();
        let callees = world.send("request", 1, "a>", A).first();
        let caller = world.send("reply", 1, "a>b", B).first();
        world.wait(pause);
        let late = world.send("reply", 1, "a>c", C);
        if pause < 32_000 {
            assert_eq!(late.first(), caller);
            world.reaches(A, caller, C);
        } else {
            assert_eq!(late.0, "error");
            assert_eq!(world.send("reply", 1, "a>c", "").0, "error");
            world.reaches(A, caller, B);
            world.reaches_nobody(C, callees);
        }
        world.reaches(B, callees, A);
    }
}

/// Its ports are its own: nobody's media moves.
#[test]
fn delayed_offer_of_another_branch_after_32_s_is_accepted() {
    let mut world = World::new();
    let first = world.send("reply", 1, "a>b", B).first();
    let for_b = world.send("request", 1, "a>b", A).first();
    world.wait(32_000);
    let second = world.send("reply", 1, "a>c", C).first();
    assert_ne!(first, second);
    world.reaches(A, first, B);
    world.reaches(B, for_b, A);
}

/// After a restart of the relay, or when another relay had the call before.
#[test]
fn session_that_begins_with_a_refused_reoffer_is_answered_by_a_later_one() {
    let later: [(u32, &str, Sdp, Sdp); 2] = [(6, "a>b", A_NEW, B), (101, "b>a", B, A)];
    for (cseq, tags, offer, answer) in later {
        let mut world = World::new();
        world.send("request", 5, "a>b", A);
        let for_receiver = world.send("request", cseq, tags, offer).first();
        let for_sender = world.send("reply", cseq, tags, answer).first();
        for _ in 0..10 {
            world.wait(80_000);
            world.reaches(offer, for_sender, answer);
            world.reaches(answer, for_receiver, offer);
        }
        assert_eq!(world.remove("b>a", "scope: dialog\r\n").0, "removed");
        assert_eq!(world.left(), (0, 0));
    }
}

#[test]
fn session_that_begins_within_a_dialog_has_other_dialogs_too() {
    let mut world = World::new();
    world.send("request", 5, "a>b", A);
    let for_a = world.send("reply", 5, "a>b", B).first();
    let to_c = world.send("request", 6, "a>c", A).first();
    let from_c = world.send("reply", 6, "a>c", C).first();
    world.reaches(A, for_a, B);
    world.reaches(A, from_c, C);
    world.reaches(C, to_c, A);
    assert_eq!(world.remove("a>b", "scope: dialog\r\n").0, "removed");
    world.reaches(A, from_c, C);
    assert_eq!(world.remove("c>a", "scope: dialog\r\n").0, "removed");
    assert_eq!(world.left(), (0, 0));
}

/// Both were confirmed before the relay was restarted.
#[test]
fn sessions_that_begin_with_two_reoffers_keep_both_dialogs() {
    let mut world = World::new();
    let for_b = world.send("request", 2, "a>b", A).first();
    let for_c = world.send("request", 2, "a>c", A_NEW).first();
    let from_b = world.send("reply", 2, "a>b", B).first();
    let from_c = world.send("reply", 2, "a>c", C).first();
    for (own, for_other, from_other, other) in [(A, for_b, from_b, B), (A_NEW, for_c, from_c, C)] {
        world.reaches(own, from_other, other);
        world.reaches(other, for_other, own);
    }
}

/// Another branch of the INVITE that came before the relay was restarted: its 200 is older
/// than the request which the session began with, and is an offer here.
#[test]
fn session_that_begins_within_a_dialog_has_the_answers_of_other_branches() {
    for answer in [B, "198.51.100.2:0"] {
        let mut world = World::new();
        world.send("request", 2, "a>b", A_NEW);
        world.send("reply", 2, "a>b", answer);
        let for_a = world.send("reply", 1, "a>c", C).first();
        let for_c = world.send("request", 1, "a>c", A).first();
        world.reaches(A, for_a, C);
        world.reaches(C, for_c, A);
        assert_eq!(world.remove("a>b", "scope: dialog\r\n").0, "removed");
        assert_eq!(world.remove("a>c", "scope: dialog\r\n").0, "removed");
        assert_eq!(world.left(), (0, 0));
    }
}

/// The offer of the session's first message is in a 2xx: another branch's 2xx with an older
/// CSeq shows that the initial request came before.
#[test]
fn session_that_begins_with_a_delayed_offer_has_the_answers_of_other_branches() {
    for moves in [false, true] {
        let mut world = World::new();
        let to_b = world.send("reply", 2, "a>b", B).first();
        let from_b = world.send("request", 2, "a>b", A_NEW).first();
        if moves {
            world.send("request", 3, "a>b", A_NEW);
            world.send("reply", 3, "a>b", "198.51.100.2:0");
        }
        let for_a = world.send("reply", 1, "a>c", C).first();
        let for_c = world.send("request", 1, "a>c", A).first();
        world.reaches(A, for_a, C);
        world.reaches(C, for_c, A);
        if !moves {
            world.reaches(A_NEW, to_b, B);
            world.reaches(B, from_b, A_NEW);
        }
        assert_eq!(world.remove("a>b", "scope: dialog\r\n").0, "removed");
        world.reaches(A, for_a, C);
        assert_eq!(world.remove("a>c", "scope: dialog\r\n").0, "removed");
        assert_eq!(world.left(), (0, 0));
    }
}

/// A relay that was restarted in a fork first sees the 200 of another branch, then a
/// re-INVITE in a dialog that was confirmed before: with its offer from either side, or
/// in the 200.
#[test]
fn session_that_begins_with_a_2xx_has_the_dialogs_that_were_confirmed_before() {
    for (kind, cseq, tags, offer, answer_kind, answer) in REOFFERS_OF_C {
        for first_bye in [None, Some("before"), Some("after")] {
            let mut world = World::new();
            world.send("reply", 1, "a>b", B);
            let for_receiver = world.send(kind, cseq, tags, offer).first();
            if first_bye == Some("before") {
                assert_eq!(world.remove("a>b", "scope: dialog\r\n").0, "removed");
            }
            let for_sender = world.send(answer_kind, cseq, tags, answer).first();
            if first_bye == Some("after") {
                assert_eq!(world.remove("a>b", "scope: dialog\r\n").0, "removed");
            }
            world.reaches(offer, for_sender, answer);
            world.reaches(answer, for_receiver, offer);
            if first_bye.is_none() {
                assert_eq!(world.remove("a>b", "scope: dialog\r\n").0, "removed");
            }
            world.reaches(offer, for_sender, answer);
            assert_eq!(world.remove("a>c", "scope: dialog\r\n").0, "removed");
            assert_eq!(world.left(), (0, 0));
        }
    }
}

/// The BYE has overtaken an ACK with SDP in the dialog of a null tag.
#[test]
fn request_of_a_null_tag_dialog_that_is_over_is_no_new_try() {
    let mut world = World::new();
    let header = "final: yes\r\n";
    world.send_in("c", "reply", 1, "a>", B, header);
    let caller = world.send("reply", 1, "a>c", C).first();
    let callee = world.send("request", 1, "a>c", A).first();
    assert_eq!(world.remove("a>", "scope: dialog\r\n").0, "removed");
    let before = world.proxy.state();
    for cseq in [1, 2] {
        assert_ne!(world.send("request", cseq, "a>", A_NEW).0, "error");
    }
    assert_eq!(world.proxy.state(), before);
    world.reaches(A, caller, C);
    world.reaches(C, callee, A);
}

#[test]
fn bye_ends_a_session_that_only_a_refused_request_has_made() {
    for (tags, bye) in [("a>b", "a>b"), ("a>b", "b>a"), ("a>", "a>"), ("a>", ">a")] {
        let mut world = World::new();
        world.send("request", 5, tags, A);
        assert_eq!(world.left(), (1, 1), "{tags}");
        let other = if tags == "a>" { "a>b" } else { "a>" };
        assert_eq!(world.remove(other, "scope: dialog\r\n").0, "error", "{tags}");
        assert_eq!(world.remove(bye, "scope: dialog\r\n").0, "removed", "{tags}");
        assert_eq!(world.left(), (0, 0), "{tags}");
    }
    // A callee with a tag rings: a null tag names no dialog of this call.
    let mut world = World::new();
    world.send("request", 1, "a>", A);
    let caller = world.send("reply", 1, "a>?b", B).first();
    assert_eq!(world.remove("a>", "scope: dialog\r\n").0, "error");
    assert_eq!(world.packet(at(A), caller), Some(at(B)));
}

/// A command of the SIP server has the tag of one side.
#[test]
fn remove_with_the_tag_of_the_callee_ends_the_session() {
    for tags in ["a>", "b>"] {
        let mut world = World::new();
        world.send("request", 1, "a>", A);
        world.send("reply", 1, "a>b", B);
        for other in ["c>", "b>x"] {
            let scope = if other == "c>" { "" } else { "scope: dialog\r\n" };
            assert_eq!(world.remove(other, scope).0, "error", "{other}");
        }
        let of_invite = world.remove("b>", "cseq: 1\r\n");
        assert_eq!(of_invite.0, "error", "the INVITE of another caller with the tag b");
        assert_eq!(world.remove(tags, "").0, "removed", "{tags}");
        assert_eq!(world.left(), (0, 0));
    }
}

/// A callee of RFC 2543 beside others: its early dialog is one of its own.
#[test]
fn early_dialog_of_a_null_tag_is_no_other_branch() {
    let mut world = World::new();
    let callees = world.send("request", 1, "a>", A).first();
    let caller = world.send("reply", 1, "a>?", B).first();
    assert_eq!(world.send("reply", 1, "a>?c", C).first(), caller);
    world.reaches(B, callees, A);
    world.reaches(C, callees, A);
    world.reaches(A, caller, C);
    let header = "final: yes\r\n";
    assert_eq!(world.send_in("c", "reply", 1, "a>", B, header).first(), caller);
    world.reaches(B, callees, A);
    world.reaches(A, caller, B);
    world.reaches_nobody(C, callees);
    // A client without the header gives the tag with the 200 only.
    let mut world = World::new();
    world.send("request", 1, "a>", A);
    world.send("reply", 1, "a>", B);
    world.send("reply", 1, "a>b", "");
    world.reaches(A, caller, B);
    world.reaches(B, callees, A);
}

/// Its answer refused the stream, or another offer has followed.
#[test]
fn copy_of_the_initial_request_of_a_null_tag_dialog_has_its_first_answer() {
    for sdp in [B, "198.51.100.2:0"] {
        let mut world = World::new();
        let offer = world.send("request", 1, "a>", A);
        world.send_in("c", "reply", 1, "a>", sdp, "final: yes\r\n");
        assert_eq!(world.send("request", 1, "a>", A), offer);
        world.send("request", 2, "a>", A_NEW);
        assert_eq!(world.send("request", 1, "a>", A), offer);
    }
}

#[test]
fn reoffer_to_a_null_tag_does_not_make_another_answer_late() {
    let mut world = World::new();
    let callees = world.send("request", 1, "a>", A).first();
    let header = "final: yes\r\n";
    let caller = world.send_in("c", "reply", 1, "a>", B, header).first();
    world.send("request", 2, "a>", A);
    world.send_in("c", "reply", 2, "a>", B, header);
    assert_eq!(world.send("reply", 1, "a>c", C).first(), caller);
    assert_eq!(world.remove(">a", "scope: dialog\r\n").0, "removed");
    world.reaches(A, caller, C);
    world.reaches(C, callees, A);
    world.reaches_nobody(B, callees);
    assert_eq!(world.remove("a>c", "scope: dialog\r\n").0, "removed");
    assert_eq!(world.left(), (0, 0));
}

/// RFC 3261 section 12.1.1: its request to a caller without tag has no To tag.
#[test]
fn request_of_a_dialog_that_is_over_makes_no_session_of_its_own() {
    for removed in [false, true] {
        let mut world = World::new();
        let callees = world.send("request", 1, ">", A).first();
        world.send("reply", 1, ">?c", C);
        let caller = world.send("reply", 1, ">b", B).first();
        if removed {
            world.send("reply", 1, ">c", C);
            assert_eq!(world.remove("c>", "scope: dialog\r\n").0, "removed");
        }
        let before = world.proxy.state();
        assert_eq!(world.send("request", 7, "c>", "198.51.100.3:6010").first(), caller);
        // Nor does its delete end the session of others.
        assert_eq!(world.remove("c>", "").0, "error");
        assert_eq!(world.proxy.state(), before);
        world.reaches(A, caller, B);
        world.reaches_nobody(C, callees);
    }
}

#[test]
fn early_reply_of_a_branch_that_has_failed_changes_nothing() {
    let mut world = World::new();
    let callees = world.send("request", 1, "a>", A).first();
    let (b, c) = ("branch: 0000000b\r\n", "branch: 0000000c\r\n");
    let caller = world.send_in("c", "reply", 1, "a>?b", B, b).first();
    world.send_in("c", "reply", 1, "a>?c", C, c);
    assert_eq!(world.remove("a>", &format!("scope: branch\r\n{c}")).0, "removed");
    assert_eq!(world.send_in("c", "reply", 1, "a>?c", C, c).first(), caller);
    world.reaches(A, caller, B);
    world.reaches_nobody(C, callees);
    // A 2xx that was sent before its branch failed answers the call.
    assert_eq!(world.send_in("c", "reply", 1, "a>c", C, c).first(), caller);
    world.reaches(A, caller, C);
    world.reaches_nobody(B, callees);
}
