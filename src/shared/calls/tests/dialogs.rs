//! The offers and answers that decide the role of a later SDP, by dialog.

use super::*;
use crate::shared::calls::dialog::{OFFERED_BITS, low, nearest};

fn with(offer_answer: OfferAnswerUpdate) -> CallUpdate {
    CallUpdate { offer_answer, ..update() }
}

/// An offer in a reply to INVITE.
fn delayed(cseq: u32) -> CallUpdate {
    with(OfferAnswerUpdate { reply_offer: Some(cseq), ..OfferAnswerUpdate::default() })
}

fn answered_by(cseq: u32) -> CallUpdate {
    with(OfferAnswerUpdate { answered_by: Some(cseq), ..OfferAnswerUpdate::default() })
}

#[test]
fn offers_are_stored_for_their_side_of_their_dialog() {
    let table = Table::new(64);
    let carried = |from: &str, to: &str, cseq| {
        let leg = table.calls().look_up(&table.reply(200, cseq, from, to), 100);
        let state = leg.offer_answer();
        (state.carried_offer, state.newest_offer)
    };
    table.invite(1);
    table.answer(200, 1, "a", "b1");
    table.answer(200, 1, "a", "b2");
    assert_eq!(carried("b1", "a", 1), (false, None));
    table.offer(&table.request(Method::Invite, 1, "b1", "a"), 100);
    table.offer(&table.request(Method::Invite, 4, "a", "b1"), 100);
    table.offer(&table.request(Method::Invite, 3, "a", "b1"), 100);
    assert_eq!(carried("a", "b1", 1), (true, Some(4)), "the initial one");
    assert_eq!(carried("a", "b1", 4), (true, Some(4)), "an older one changes nothing");
    assert_eq!(carried("a", "b1", 5), (false, Some(4)));
    assert_eq!(carried("a", "b2", 4), (false, Some(1)), "another dialog");
    assert_eq!(carried("b1", "a", 1), (true, Some(1)));
    assert_eq!(carried("b2", "a", 1), (false, None));
}

#[test]
fn update_in_one_fork_leaves_the_offer_of_the_other() {
    let table = Table::new(64);
    table.invite(1);
    table.answer(183, 1, "a", "b1");
    table.answer(183, 1, "a", "b2");
    stored(table.record(&table.request(Method::Update, 2, "a", "b1"), &update(), 100));
    let leg = table.calls().look_up(&table.reply(200, 1, "a", "b2"), 100);
    assert!(leg.offer_answer().carried_offer);
}

#[test]
fn delayed_offer_is_stored_until_it_is_answered() {
    let table = Table::new(64);
    let offer_to = |from: &str, to: &str| {
        let leg = table.calls().look_up(&table.request(Method::Prack, 4, from, to), 100);
        leg.offer_answer().reply_offer.map(|offer| (offer.cseq, offer.answered_by))
    };
    table.calls().begin(&table.request(Method::Invite, 1, "a", ""), 100);
    let put = |cseq, from: &str, to: &str, update: &CallUpdate| {
        stored(table.record(&table.reply(183, cseq, from, to), update, 100));
    };
    put(1, "a", "b", &delayed(1));
    assert_eq!(offer_to("a", "b"), Some((1, None)));
    assert_eq!(offer_to("a", "c"), None, "another dialog");
    assert_eq!(offer_to("b", "a"), None, "the side that offered");
    stored(table.record(&table.request(Method::Prack, 2, "a", "b"), &answered_by(2), 100));
    assert_eq!(offer_to("a", "b"), Some((1, Some(2))));
    put(1, "a", "b", &delayed(1));
    assert_eq!(offer_to("a", "b"), Some((1, Some(2))), "a repeated 183");
    table.bare(200, 1, "a", "b");
    put(5, "a", "b", &delayed(5));
    put(1, "a", "b", &delayed(1));
    assert_eq!(offer_to("a", "b"), Some((5, None)), "the next INVITE's");
    put(1, "b", "a", &delayed(1));
    assert_eq!(offer_to("b", "a"), Some((1, None)), "to the callee's own INVITE");
}

#[test]
fn provisional_reply_after_the_confirmation_changes_nothing() {
    let table = Table::new(64);
    table.invite(1);
    table.bare(200, 1, "a", "b1");
    table.bare(180, 1, "a", "b1");
    table.bare(180, 1, "a", "b2");
    assert_eq!(table.bye("a", "b2"), DeleteScope::Nothing, "it made no dialog");
    assert_eq!(table.bye("a", "b1"), DeleteScope::Call, "still confirmed");
}

#[test]
fn confirmed_dialog_takes_the_place_of_an_early_one() {
    let table = Table::new(64);
    table.invite(1);
    for n in 0..9 {
        table.bare(180, 1, "a", &format!("b{n}"));
    }
    table.bare(200, 1, "a", "b8");
    let leg = table.calls().locate(table.key("a", "b8"), 100).unwrap().leg;
    assert_eq!(leg.count_dialogs(), (7, 1));
    assert_eq!(table.bye("a", "b8"), DeleteScope::Call);
}

#[test]
fn dialog_is_confirmed_or_missing_only_where_the_leg_is_stored_whole() {
    use StoredDialog::{Confirmed, Missing, Unsure};
    let of = |table: &Table, from: &str, to: &str| {
        let state = |message: &CallMessage| table.calls().look_up(message, 100).stored_dialog();
        let request = state(&table.request(Method::Invite, 9, from, to));
        let reply = |status| state(&table.reply(status, 9, from, to));
        assert_eq!(reply(183), Unsure, "{from}>{to}");
        (request, reply(200))
    };
    let table = Table::new(64);
    assert_eq!(of(&table, "a", "b"), (Unsure, Unsure));
    table.invite(1);
    table.bare(180, 1, "a", "b");
    for (from, to) in [("a", "b"), ("b", "a")] {
        assert_eq!(of(&table, from, to), (Unsure, Unsure), "early");
    }
    table.bare(200, 1, "a", "b");
    table.offer(&table.request(Method::Invite, 3, "a", "x"), 100);
    for (from, to) in [("a", "b"), ("b", "a")] {
        assert_eq!(of(&table, from, to), (Confirmed, Confirmed));
    }
    let again = table.calls().look_up(&table.reply(200, 1, "a", "b"), 100);
    assert_eq!(again.stored_dialog(), Unsure, "as the first one was");
    for (from, to) in [("a", "x"), ("x", "a"), ("a", "y"), ("y", "a")] {
        assert_eq!(of(&table, from, to), (Missing, Unsure), "{from}>{to}");
    }
    for (from, to) in [("a", ""), ("b", ""), ("b", "x"), ("x", "b")] {
        assert_eq!(of(&table, from, to), (Unsure, Unsure), "{from}>{to}");
    }
    // More dialogs than have words.
    (0..9).for_each(|n| table.bare(200, 1, "a", &format!("b{n}")));
    assert_eq!(of(&table, "a", "y"), (Unsure, Unsure));
    // The leg was first seen in the middle of the call.
    let table = Table::new(64);
    table.offer(&table.request(Method::Invite, 3, "a", "b"), 100);
    assert_eq!(of(&table, "a", "x"), (Unsure, Unsure));
}

#[test]
fn cseq_is_restored_from_its_low_bits() {
    for near in [0, 1, 5, 8191, 8192, 1 << 24, (1 << 31) - 1, u32::MAX] {
        for step in [-4096i64, -4095, -2, -1, 0, 1, 2, 4095] {
            let Ok(cseq) = u32::try_from(i64::from(near) + step) else { continue };
            assert_eq!(nearest(near, low(cseq, OFFERED_BITS), OFFERED_BITS), cseq, "{near} {step}");
        }
    }
}
