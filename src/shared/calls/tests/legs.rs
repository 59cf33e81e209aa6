//! Which leg a message is in, and what is stored of it.

use super::*;
use crate::shared::calls::expiry;

#[test]
fn leg_is_found_from_both_sides() {
    let table = Table::new(64);
    table.invite(1);
    let relay = |from, to| table.calls().look_up(&table.request(Method::Info, 1, from, to), 100);
    for (from, to) in [("a", ""), ("a", "b"), ("b", "a")] {
        assert_eq!(relay(from, to).relay(), Some(RELAY), "{from} {to}");
    }
    assert_eq!(relay("b", "").status(), LegStatus::Unknown);
    assert_eq!((table.calls().len(100), table.calls().len(1000)), (1, 0));
}

#[test]
fn same_call_id_with_other_tags_moves_no_relay() {
    let table = Table::new(64);
    table.invite(1);
    table.answer(200, 1, "a", "b");
    let of = |from, to| table.calls().look_up(&table.request(Method::Info, 1, from, to), 100);
    // A B2BUA that keeps the Call-ID, and junk.
    for (from, to) in [("x", ""), ("y", "z"), ("b", "")] {
        let junk = table.request(Method::Invite, 9, from, to);
        stored(table.record(&junk, &CallUpdate { relay: 8, ..offered(9) }, 100));
        assert_eq!(of(from, "other").relay(), Some(8));
    }
    // One of its tags is right: the leg's relay stays.
    for (from, to) in [("a", "x"), ("y2", "a")] {
        let wrong = table.request(Method::Invite, 9, from, to);
        let mut update = with_ports(&[(0, "203.0.113.9:6")]);
        update.relay = 8;
        stored(table.record(&wrong, &update, 100));
    }
    assert_eq!(of("a", "b").relay(), Some(RELAY));
    assert_eq!(of("a", "b").stored_ports(), None);
    assert_eq!(table.failure(9, "x", "other"), DeleteScope::Call, "the other leg's own end");
    assert_eq!(table.status(100), LegStatus::Established);
}

#[test]
fn null_tags_are_tags() {
    for (caller, callee) in [("", "b"), ("a", ""), ("", "")] {
        let table = Table::new(64);
        let invite = table.request(Method::Invite, 1, caller, "");
        table.offer(&invite, 100);
        let reply = table.reply(200, 1, caller, callee);
        assert!(table.calls().look_up(&reply, 100).offer_answer().carried_offer);
        stored(table.record(&reply, &update(), 100));
        let within = table.request(Method::Invite, 7, callee, caller);
        let leg = table.calls().look_up(&within, 100);
        assert_eq!(leg.relay(), Some(RELAY), "{caller:?} {callee:?}");
        assert_eq!(leg.has_null_to_tag(), caller.is_empty());
        assert_eq!(table.bye(callee, caller), DeleteScope::Call, "{caller:?} {callee:?}");
    }
}

#[test]
fn request_without_to_tag_starts_a_leg_beside_one_of_a_null_tag() {
    let table = Table::new(64);
    table.offer(&table.request(Method::Invite, 1, "", ""), 100);
    table.answer(200, 1, "", "b");
    let other = table.request(Method::Invite, 1, "c", "");
    assert_eq!(table.calls().look_up(&other, 100).status(), LegStatus::Unknown);
    table.offer(&other, 100);
    assert_eq!(table.calls().len(100), 2);
}

#[test]
fn leg_is_stored_as_long_as_its_state_says() {
    let table = Table::new(64);
    table.invite(1);
    assert_eq!(table.status(100 + expiry::PENDING), LegStatus::Pending);
    assert_eq!(table.status(101 + expiry::PENDING), LegStatus::Unknown);
    let ringing = table.reply(180, 1, "a", "b");
    table.calls().reply_without_sdp(&ringing, 400);
    assert_eq!(table.status(400 + expiry::PENDING), LegStatus::Pending, "ringing keeps it");
    table.calls().reply_without_sdp(&CallMessage { status: Some(200), ..ringing }, 500);
    assert_eq!(table.status(500 + expiry::ESTABLISHED), LegStatus::Established);
    assert_eq!(table.status(501 + expiry::ESTABLISHED), LegStatus::Unknown);
}

#[test]
fn messages_of_a_confirmed_dialog_refresh_its_leg() {
    let table = Table::new(64);
    table.invite(1);
    table.answer(183, 1, "a", "b");
    let refresh = |from, to, seconds| {
        let message = table.request(Method::Update, 2, from, to);
        let calls = table.calls();
        calls.refresh(&calls.look_up(&message, seconds), seconds);
    };
    refresh("a", "b", 200);
    assert_eq!(table.status(101 + expiry::PENDING), LegStatus::Unknown, "early");
    table.invite(1);
    table.answer(200, 1, "a", "b");
    for (from, to) in [("a", "x"), ("b", "x"), ("x", "a")] {
        refresh(from, to, 300);
        assert_eq!(table.status(101 + expiry::ESTABLISHED), LegStatus::Unknown, "{from} {to}");
    }
    for (from, to, seconds) in [("a", "b", 300), ("b", "a", 400)] {
        refresh(from, to, seconds);
        assert_eq!(table.status(seconds + expiry::ESTABLISHED), LegStatus::Established);
    }
    table.bye("a", "b");
    refresh("a", "b", 120);
    assert_eq!(table.status(120), LegStatus::Ended);
}

#[test]
fn request_in_an_unknown_dialog_is_stored_as_an_unanswered_leg_is() {
    let table = Table::new(64);
    table.offer(&table.request(Method::Invite, 5, "a", "b"), 100);
    assert_eq!(table.status(101 + expiry::PENDING), LegStatus::Unknown);
    table.offer(&table.request(Method::Invite, 5, "a", "b"), 100);
    table.answer(200, 5, "a", "b");
    assert_eq!(table.status(100 + expiry::ESTABLISHED), LegStatus::Established);
}

/// A repeated 2xx whose BYE passed before the restart, and its ACK.
#[test]
fn leg_of_replies_after_a_restart_is_stored_for_minutes() {
    let table = Table::new(64);
    table.answer(200, 1, "a", "b");
    stored(table.record(&table.request(Method::Ack, 1, "a", "b"), &update(), 100));
    assert_eq!(table.status(101 + expiry::PENDING), LegStatus::Unknown);
    table.offer(&table.request(Method::Update, 5, "b", "a"), 100);
    table.answer(200, 1, "a", "b");
    assert_eq!(table.status(100 + expiry::ESTABLISHED), LegStatus::Established);
}

#[test]
fn abandoned_rewrite_frees_the_leg_that_it_made() {
    let table = Table::new(1);
    let calls = table.calls();
    let invite = table.request(Method::Invite, 1, "a", "");
    let ticket = calls.begin(&invite, 100);
    let repeated = calls.begin(&invite, 100);
    calls.abandon(repeated, 100);
    assert_eq!(table.status(100), LegStatus::Pending, "it made none");
    calls.abandon(ticket, 100);
    assert_eq!(table.status(100), LegStatus::Unknown);
    stored(calls.record(&invite, repeated, &offered(1), 100));
    calls.abandon(ticket, 100);
    assert_eq!(table.status(100), LegStatus::Pending, "a relay has answered");
}

#[test]
fn new_try_in_an_ended_leg_needs_a_newer_cseq() {
    let table = Table::new(64);
    table.invite(5);
    table.answer(183, 5, "a", "b");
    table.failure(5, "a", "b");
    let state = |cseq| table.calls().look_up(&table.request(Method::Invite, cseq, "a", ""), 101);
    assert!(!state(5).is_new_try() && !state(4).is_new_try() && state(6).is_new_try());
    let again = table.request(Method::Invite, 6, "a", "");
    table.calls().begin(&again, 101);
    let leg = state(6);
    assert_eq!((leg.status(), leg.relay()), (LegStatus::Pending, None));
    assert_eq!((leg.stored_ports(), leg.relayed_lines()), (None, None));
    assert_eq!(
        table.record(&again, &offered(6), 101),
        Recorded::Stored { first: true, cancelled: false }
    );
    assert_eq!(table.failure(6, "a", "b"), DeleteScope::Call);
}

/// RFC 3261 section 12.1.1: a newer one may be within the dialog of a null tag.
#[test]
fn invite_without_to_tag_in_an_answered_call_is_no_first_try() {
    let first = |table: &Table, cseq| {
        let invite = table.request(Method::Invite, cseq, "a", "");
        table.calls().look_up(&invite, 100).is_first_try()
    };
    for tag in ["b", ""] {
        let table = Table::new(64);
        assert!(first(&table, 1));
        table.invite(1);
        assert!(!first(&table, 1) && first(&table, 2));
        table.answer(200, 1, "a", tag);
        assert!(!first(&table, 1) && !first(&table, 2));
    }
    // After a restart the 2xx came first, or nothing shows that there is a call.
    for (status, expected) in [(200, false), (183, false)] {
        let table = Table::new(64);
        table.answer(status, 1, "a", "b");
        assert_eq!(first(&table, 1), expected, "{status}");
    }
    let table = Table::new(64);
    table.offer(&table.request(Method::Invite, 5, "a", "b"), 100);
    assert!(first(&table, 1));
}

#[test]
fn relay_ports_are_exact_by_line_and_side() {
    let table = Table::new(64);
    let ports = [(0, "203.0.113.5:50000"), (1, "203.0.113.5:50004"), (3, "[2001:db8::7]:50008")];
    let invite = table.request(Method::Invite, 1, "a", "");
    stored(table.record(&invite, &with_ports(&ports), 100));
    let answer = table.reply(200, 1, "a", "b");
    stored(table.record(&answer, &with_ports(&[(0, "203.0.113.6:50002")]), 100));
    let leg = table.calls().look_up(&answer, 100);
    let of = |line, address: &str| leg.is_relay_address(line, address.parse().unwrap());
    assert!(of(0, "203.0.113.5:50000") && of(0, "203.0.113.6:50002") && of(1, "203.0.113.5:50004"));
    assert!(of(0, "[::ffff:203.0.113.5]:50000"), "compared by value");
    assert!(of(3, "[2001:db8::7]:50008") && of(40, "203.0.113.5:1"), "address only");
    for (line, address) in [
        (1, "203.0.113.5:50000"),
        (0, "203.0.113.5:50002"),
        (0, "203.0.113.6:50000"),
        (2, "203.0.113.5:0"),
        (3, "[2001:db8::8]:50008"),
        (40, "203.0.113.7:1"),
    ] {
        assert!(!of(line, address), "{line} {address}");
    }
    let to_caller = leg.stored_ports().unwrap();
    assert_eq!(to_caller.get(0), "203.0.113.6:50002".parse().ok());
    assert_eq!(to_caller.get(1), None);
    let to_callee = table.calls().look_up(&invite, 100).stored_ports().unwrap();
    for (line, address) in ports {
        assert_eq!(to_callee.get(line), address.parse().ok());
    }
}

#[test]
fn relayed_lines_are_those_of_the_last_offer_of_the_dialog() {
    let table = Table::new(64);
    let invite = table.request(Method::Invite, 1, "a", "");
    stored(table.record(&invite, &CallUpdate { relayed_lines: Some(0b101), ..offered(1) }, 100));
    table.answer(200, 1, "a", "b");
    let answer = table.reply(200, 1, "a", "b");
    let lines = || table.calls().look_up(&answer, 100).relayed_lines();
    assert_eq!(lines(), Some(0b101));
    let offer = table.request(Method::Update, 2, "b", "a");
    stored(table.record(&offer, &CallUpdate { relayed_lines: Some(0), ..update() }, 100));
    assert_eq!(lines(), Some(0b101), "the reply to the initial INVITE");
    let of = |message: &CallMessage| table.calls().look_up(message, 100).relayed_lines();
    let reply = |cseq, tag| {
        let reply = CallMessage { method: Method::Update, ..table.reply(200, cseq, "b", "a") };
        CallMessage { key: table.key(tag, "a"), ..reply }
    };
    assert_eq!(of(&reply(2, "b")), Some(0));
    assert_eq!(of(&table.reply(200, 1, "a", "c")), Some(0b101), "another dialog");
    assert_eq!(of(&table.reply(200, 2, "a", "c")), None, "another INVITE than the initial one");
    let wide = CallUpdate { relayed_lines: Some(1 << 12), ..update() };
    stored(table.record(&table.request(Method::Update, 3, "b", "a"), &wide, 100));
    assert_eq!(of(&reply(3, "b")), None, "more lines than are stored");
    let whole = CallUpdate { relayed_lines: Some(0xfff), ..update() };
    stored(table.record(&table.request(Method::Update, 4, "b", "a"), &whole, 100));
    assert_eq!(of(&reply(4, "b")), Some(0xfff));
}

/// An answer that is repeated, or that another offer has overtaken, has the lines of its
/// own offer, which are no longer stored.
#[test]
fn relayed_lines_are_those_of_no_other_offer_than_the_answered_one() {
    let offers = [(Method::Invite, 2, "a", "b"), (Method::Update, 3, "a", "b")];
    let offers = offers.into_iter().chain([
        (Method::Invite, 1, "b", "a"),
        (Method::Invite, 2, "b", "a"),
        (Method::Update, 5, "b", "a"),
    ]);
    let offers: Vec<_> = offers.collect();
    let lines = |number: usize| number as u64 + 1;
    for first in 0..offers.len() {
        for second in 0..offers.len() {
            let table = Table::new(64);
            table.invite(1);
            table.answer(200, 1, "a", "b");
            for number in [first, second] {
                let (method, cseq, from, to) = offers[number];
                let relayed = CallUpdate { relayed_lines: Some(lines(number)), ..update() };
                stored(table.record(&table.request(method, cseq, from, to), &relayed, 100));
            }
            for (number, (method, cseq, from, to)) in offers.iter().copied().enumerate() {
                let answer = CallMessage { method, ..table.reply(200, cseq, from, to) };
                let leg = table.calls().look_up(&answer, 100);
                let is_last = (cseq, from) == (offers[second].1, offers[second].2);
                let expected = is_last.then_some(lines(second));
                assert_eq!(leg.relayed_lines(), expected, "{first} {second} {number}");
                assert_eq!(leg.answers_earlier_offer(), !is_last, "{first} {second} {number}");
            }
            let initial = table.reply(200, 1, "a", "b");
            let leg = table.calls().look_up(&initial, 100);
            assert!(leg.answers_earlier_offer(), "the initial offer is older");
            let other = table.reply(200, 1, "a", "c");
            let leg = table.calls().look_up(&other, 100);
            assert!(!leg.answers_earlier_offer(), "it is the only one of this dialog");
        }
    }
}

/// An offer in a reply is answered by the ACK of its INVITE, or by a PRACK with a CSeq
/// of its own (RFC 3262 5).
#[test]
fn relayed_lines_of_an_offer_in_a_reply_are_those_of_its_answer() {
    let table = Table::new(64);
    table.calls().begin(&table.request(Method::Invite, 1, "a", ""), 100);
    let delayed = OfferAnswerUpdate { reply_offer: Some(1), ..OfferAnswerUpdate::default() };
    let delayed = CallUpdate { offer_answer: delayed, relayed_lines: Some(6), ..update() };
    stored(table.record(&table.reply(183, 1, "a", "b"), &delayed, 100));
    let lines = |method, cseq| {
        table.calls().look_up(&table.request(method, cseq, "a", "b"), 100).relayed_lines()
    };
    assert_eq!((lines(Method::Prack, 2), lines(Method::Ack, 1)), (Some(6), Some(6)));
    let next = CallUpdate { relayed_lines: Some(0), ..update() };
    stored(table.record(&table.request(Method::Invite, 3, "a", "b"), &next, 100));
    assert_eq!((lines(Method::Prack, 2), lines(Method::Ack, 1)), (None, None));
}

#[test]
fn relayed_upstream_is_one_offer() {
    let table = Table::new(64);
    let invite = table.request(Method::Invite, 1, "a", "");
    let marked = table.calls().mark_relayed_upstream(&invite, &offered(1).offer_answer, 100);
    assert_eq!(marked, Recorded::Stored { first: true, cancelled: false });
    let leg = || table.calls().look_up(&table.reply(200, 1, "a", "b"), 100);
    assert!(leg().relayed_upstream() && leg().offer_answer().carried_offer);
    assert_eq!(leg().relay(), None);
    table.bare(200, 1, "a", "b");
    table.offer(&table.request(Method::Invite, 2, "a", "x"), 100);
    assert!(leg().relayed_upstream(), "another dialog");
    let offer = CallUpdate { relayed_lines: Some(1), ..offered(2) };
    stored(table.record(&table.request(Method::Invite, 2, "a", "b"), &offer, 100));
    let answers = |cseq, from: &str, to: &str| {
        table.calls().look_up(&table.reply(200, cseq, from, to), 100).relayed_upstream()
    };
    assert!(!answers(2, "a", "b") && answers(1, "a", "b"), "each answer belongs to its offer");
    // The callee's offer has passed another proxy; its answer and no other one does.
    let update = table.request(Method::Update, 7, "b", "a");
    let marked = table.calls().mark_relayed_upstream(&update, &offered(7).offer_answer, 100);
    assert_eq!(marked, Recorded::Stored { first: false, cancelled: false });
    assert!(answers(7, "b", "a") && !answers(2, "a", "b"));
    assert!(answers(1, "a", "c"), "the initial offer");
}

/// Of two phones one is behind another proxy that relays.
#[test]
fn relayed_upstream_in_one_dialog_is_not_in_another() {
    let table = Table::new(64);
    table.invite(1);
    table.bare(200, 1, "a", "b");
    let update = table.request(Method::Update, 2, "b", "a");
    let marked = table.calls().mark_relayed_upstream(&update, &offered(2).offer_answer, 100);
    assert_eq!(marked, Recorded::Stored { first: false, cancelled: false });
    let leg = |message: &CallMessage| table.calls().look_up(message, 100).relayed_upstream();
    assert!(leg(&CallMessage { method: Method::Update, ..table.reply(200, 2, "b", "a") }));
    assert!(!leg(&table.reply(200, 1, "a", "c")) && !leg(&table.reply(200, 1, "a", "b")));
}
