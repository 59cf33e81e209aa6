use std::sync::atomic::Ordering;

use super::branch::{OFFERED_BITS, low, nearest};
use super::entry::{BUSY_FOR, EMPTIED, ENDED_FOR, KEY, STALE_AFTER, busy, claim};
use super::*;
use crate::shared::Block;

struct Table {
    block: Block,
    hash: RandomState,
}

impl Table {
    fn new(calls: usize) -> Self {
        Table { block: Block::new(calls * ENTRY_WORDS).unwrap(), hash: RandomState::new() }
    }

    fn calls(&self) -> Calls<'_> {
        Calls::new(self.block.words(), &self.hash)
    }

    fn key(&self, from: &str, to: &str) -> CallKey {
        self.calls().key(b"call@x", from.as_bytes(), to.as_bytes())
    }
}

fn event() -> CallUpdate {
    CallUpdate { relay: 7, branch: None, offer_answer: OfferAnswerUpdate::default(), media: None }
}

fn told(offer_answer: OfferAnswerUpdate) -> CallUpdate {
    CallUpdate { offer_answer, ..event() }
}

/// An INVITE that carried an offer.
fn offer(cseq: u32) -> CallUpdate {
    told(OfferAnswerUpdate { offered: Some(cseq), ..OfferAnswerUpdate::default() })
}

/// An offer in an early reply to an INVITE.
fn delayed(cseq: u32) -> CallUpdate {
    let update = OfferAnswerUpdate { reply_offer: Some(cseq), ..OfferAnswerUpdate::default() };
    CallUpdate { branch: Some(BranchState::Early), ..told(update) }
}

/// The answer to it.
fn answered_by(cseq: u32) -> CallUpdate {
    told(OfferAnswerUpdate { answered_by: Some(cseq), ..OfferAnswerUpdate::default() })
}

fn answer(life: BranchState) -> CallUpdate {
    CallUpdate { branch: Some(life), ..event() }
}

#[test]
fn a_call_is_on_the_relay_that_took_its_offer() {
    let table = Table::new(64);
    let calls = table.calls();
    let key = table.key("a", "");
    assert_eq!(calls.relay(key), None);
    assert!(calls.record(key, &offer(1), 100));
    assert_eq!(calls.relay(table.key("a", "b")), Some(7));
    assert_eq!(calls.len(), 1);
}

#[test]
fn invites_with_an_offer_are_known_to_their_own_side_of_their_dialog() {
    let table = Table::new(64);
    let calls = table.calls();
    let carried = |from: &str, to: &str, cseq| {
        let known = calls.known(table.key(from, to), cseq);
        (known.carried_offer, known.newest_offer)
    };
    calls.record(table.key("a", ""), &offer(1), 100);
    calls.record(table.key("b1", "a"), &offer(1), 100);
    calls.record(table.key("a", "b1"), &offer(2), 100);
    calls.record(table.key("a", "b1"), &offer(2), 100);
    assert_eq!(carried("a", "b1", 1), (true, Some(2)));
    assert_eq!(carried("a", "b1", 2), (true, Some(2)));
    assert_eq!(carried("a", "b1", 3), (false, Some(2)));
    assert_eq!(carried("a", "b2", 2), (false, Some(1)), "another fork of the first INVITE");
    assert_eq!(carried("b1", "a", 1), (true, Some(1)));
    assert_eq!(carried("b2", "a", 1), (false, None));
    calls.record(table.key("a", "b1"), &offer(3), 100);
    assert_eq!(carried("a", "b1", 1), (false, Some(3)), "the oldest is forgotten");
    assert_eq!(carried("a", "b1", 2), (true, Some(3)));
}

#[test]
fn the_two_sides_of_a_dialog_are_not_taken_for_each_other() {
    let table = Table::new(64);
    let alike = (0..300_000u32).filter(|n| {
        let (a, b) = (format!("a{n}"), format!("b{n}"));
        table.key(&a, &b).direction() == table.key(&b, &a).direction()
    });
    assert!(alike.count() <= 1, "one in 2^31 is chance");
}

#[test]
fn a_delayed_offer_is_due_until_it_is_answered() {
    let table = Table::new(64);
    let calls = table.calls();
    let known = |from: &str, to: &str| {
        calls.known(table.key(from, to), 4).reply_offer.map(|of| (of.cseq, of.answered_by))
    };
    let key = table.key("a", "b");
    calls.record(key, &delayed(1), 100);
    assert_eq!(known("a", "b"), Some((1, None)));
    assert_eq!(known("a", "c"), None, "another branch");
    assert_eq!(known("b", "a"), None, "the side that offered");
    calls.record(key, &answered_by(2), 100);
    assert_eq!(known("a", "b"), Some((1, Some(2))));
    calls.record(key, &delayed(1), 100);
    assert_eq!(known("a", "b"), Some((1, Some(2))), "a repeated 183");
    calls.record(key, &delayed(5), 100);
    assert_eq!(known("a", "b"), Some((5, None)), "the next INVITE's");
    calls.record(key, &delayed(1), 100);
    assert_eq!(known("a", "b"), Some((5, None)), "a late repetition");
    calls.record(table.key("b", "a"), &delayed(1), 100);
    assert_eq!(known("b", "a"), Some((1, None)), "to the callee's own INVITE");
}

#[test]
fn an_answer_to_nothing_begins_no_branch() {
    let table = Table::new(64);
    let calls = table.calls();
    calls.record(table.key("a", ""), &offer(1), 100);
    calls.record(table.key("a", "b"), &answered_by(2), 100);
    assert_eq!(calls.find(table.key("a", "b")).unwrap().lives(), (0, 0));
}

#[test]
fn numbers_are_told_apart_by_their_low_bits() {
    for near in [0, 1, 5, 8191, 8192, 1 << 24, (1 << 31) - 1, u32::MAX] {
        for away in [-4096i64, -4095, -2, -1, 0, 1, 2, 4095] {
            let Ok(cseq) = u32::try_from(i64::from(near) + away) else { continue };
            assert_eq!(nearest(near, low(cseq, OFFERED_BITS), OFFERED_BITS), cseq, "{near} {away}");
        }
    }
}

#[test]
fn only_the_ports_of_this_call_at_its_relay_are_ours() {
    let table = Table::new(64);
    let calls = table.calls();
    let key = table.key("a", "");
    let ip: IpAddr = "203.0.113.5".parse().unwrap();
    calls.record(key, &CallUpdate { media: Some((ip, 50000, 50004)), ..offer(1) }, 100);
    calls.record(key, &CallUpdate { media: Some((ip, 50010, 50010)), ..event() }, 100);
    let ours = |text: &str| calls.is_ours(key, text.parse().unwrap());
    assert!(ours("203.0.113.5:50000") && ours("203.0.113.5:50010"));
    assert!(ours("[::ffff:203.0.113.5]:50004"), "compared by value");
    assert!(!ours("203.0.113.5:49998") && !ours("203.0.113.5:50012"));
    assert!(!ours("203.0.113.6:50000") && !ours("[2001:db8::1]:50000"));
    assert!(!calls.is_ours(calls.key(b"other", b"a", b""), "203.0.113.5:50000".parse().unwrap()));
}

#[test]
fn a_bye_from_either_side_ends_the_call() {
    for (from, to) in [("a", "b"), ("b", "a")] {
        let table = Table::new(64);
        let calls = table.calls();
        calls.record(table.key("a", ""), &offer(1), 100);
        calls.record(table.key("a", "b"), &answer(BranchState::Answered), 100);
        assert_eq!(calls.end(table.key(from, to), Ending::Bye, false, 100), End::Call);
        assert!(!calls.is_known(table.key("a", "b")));
        assert_eq!(calls.end(table.key(from, to), Ending::Bye, false, 101), End::Call, "repeated");
    }
}

#[test]
fn one_answered_forks_bye_leaves_the_other_its_media() {
    let table = Table::new(64);
    let calls = table.calls();
    calls.record(table.key("a", ""), &offer(1), 100);
    calls.record(table.key("a", "b1"), &answer(BranchState::Answered), 100);
    calls.record(table.key("a", "b2"), &answer(BranchState::Answered), 100);
    assert_eq!(calls.end(table.key("a", "b2"), Ending::Bye, false, 100), End::Withheld);
    assert_eq!(calls.end(table.key("a", "b2"), Ending::Bye, false, 100), End::Withheld, "repeated");
    assert_eq!(calls.end(table.key("b1", "a"), Ending::Bye, false, 100), End::Call);
}

#[test]
fn before_any_answer_a_failed_fork_leaves_the_ringing_one() {
    let table = Table::new(64);
    let calls = table.calls();
    calls.record(table.key("a", ""), &offer(1), 100);
    calls.record(table.key("a", "b1"), &answer(BranchState::Early), 100);
    calls.record(table.key("a", "b2"), &answer(BranchState::Early), 100);
    assert_eq!(calls.end(table.key("a", "b1"), Ending::Failure, false, 100), End::Withheld);
    assert_eq!(calls.end(table.key("a", "b2"), Ending::Failure, false, 100), End::Call);
}

#[test]
fn a_failed_re_invite_does_not_end_the_call() {
    let table = Table::new(64);
    let calls = table.calls();
    calls.record(table.key("a", ""), &offer(1), 100);
    calls.record(table.key("a", "b"), &answer(BranchState::Answered), 100);
    assert_eq!(calls.end(table.key("a", "b"), Ending::Failure, false, 100), End::Withheld);
    assert_eq!(calls.end(table.key("b", "a"), Ending::Failure, false, 100), End::Withheld);
    assert!(calls.is_known(table.key("a", "b")));
}

#[test]
fn cancel_ends_a_ringing_call_but_no_answered_one() {
    let table = Table::new(64);
    let calls = table.calls();
    calls.record(table.key("a", ""), &offer(1), 100);
    calls.record(table.key("a", "b1"), &answer(BranchState::Early), 100);
    calls.record(table.key("a", "b2"), &answer(BranchState::Early), 100);
    assert_eq!(calls.end(table.key("a", ""), Ending::Cancel, false, 100), End::Call);
    calls.record(table.key("a", ""), &offer(2), 101);
    calls.record(table.key("a", "b1"), &answer(BranchState::Answered), 101);
    assert_eq!(calls.end(table.key("a", ""), Ending::Cancel, false, 101), End::Withheld);
}

#[test]
fn a_bye_of_the_answered_fork_ends_the_call_though_another_still_rings() {
    let table = Table::new(64);
    let calls = table.calls();
    calls.record(table.key("a", ""), &offer(1), 100);
    calls.record(table.key("a", "b1"), &answer(BranchState::Early), 100);
    calls.record(table.key("a", "b2"), &answer(BranchState::Answered), 100);
    assert_eq!(calls.end(table.key("a", "b2"), Ending::Bye, false, 100), End::Call);
}

#[test]
fn more_than_eight_answered_branches_are_counted() {
    let table = Table::new(64);
    let calls = table.calls();
    calls.record(table.key("a", ""), &offer(1), 100);
    let tags: Vec<String> = (0..10).map(|n| format!("b{n}")).collect();
    for tag in &tags {
        calls.record(table.key("a", tag), &answer(BranchState::Answered), 100);
    }
    for tag in tags.iter().take(9) {
        assert_eq!(calls.end(table.key("a", tag), Ending::Bye, false, 100), End::Withheld, "{tag}");
    }
    assert_eq!(calls.end(table.key("a", "b9"), Ending::Bye, false, 100), End::Call);
}

#[test]
fn a_full_table_refuses_and_takes_ended_and_stale_calls_again() {
    let table = Table::new(16);
    let calls = table.calls();
    let key = |n: u32| calls.key(&n.to_be_bytes(), b"a", b"");
    for n in 0..16 {
        assert!(calls.record(key(n), &offer(1), 100));
    }
    assert!(!calls.record(key(16), &offer(1), 101));
    assert_eq!(calls.end(key(3), Ending::Cancel, false, 101), End::Call);
    assert!(!calls.record(key(16), &offer(1), 101), "an ended call is remembered a while");
    assert!(calls.record(key(16), &offer(1), 101 + ENDED_FOR + 1));
    assert!(!calls.record(key(17), &offer(1), 200));
    assert!(calls.record(key(17), &offer(1), 101 + STALE_AFTER));
}

#[test]
fn an_entry_whose_owner_died_emptying_it_is_taken_again() {
    let table = Table::new(1);
    let calls = table.calls();
    calls.record(table.key("a", ""), &offer(1), 100);
    let words = table.block.words();
    let other = calls.key(b"other", b"a", b"");
    words[KEY].store(busy(100), Ordering::SeqCst);
    assert!(!calls.record(other, &offer(1), 100 + BUSY_FOR));
    assert!(calls.record(other, &offer(3), 101 + BUSY_FOR));
    assert_eq!(calls.known(other, 3).newest_offer, Some(3));
}

/// Who dies between claim and confirmation does not hold up its call, wherever
/// the claim stands.
#[test]
fn a_claim_whose_owner_died_is_taken_back() {
    for place in 0..2 {
        let table = Table::new(2);
        let calls = table.calls();
        let call = calls.key(b"call", b"a", b"");
        calls.window(call).nth(place).unwrap().store(KEY, claim(call.call, 100));
        assert!(!calls.is_known(call));
        assert!(calls.record(call, &offer(3), 100));
        assert_eq!((calls.len(), calls.known(call, 3).newest_offer), (1, Some(3)));
        assert!(calls.record(calls.key(b"other", b"a", b""), &offer(1), 100), "one is free");
    }
}

#[test]
fn a_claim_whose_owner_died_keeps_its_entry_for_two_seconds() {
    let table = Table::new(1);
    let calls = table.calls();
    let [call, other] = [b"call", b"else"].map(|id| calls.key(id, b"a", b""));
    calls.window(call).next().unwrap().store(KEY, claim(call.call, 100));
    assert!(!calls.record(other, &offer(1), 99), "another process's clock");
    assert!(!calls.record(other, &offer(1), 100 + BUSY_FOR));
    assert!(calls.record(other, &offer(1), 101 + BUSY_FOR));
}

#[test]
fn a_call_is_found_behind_an_entry_that_was_emptied() {
    for emptied in 0..2 {
        let table = Table::new(2);
        let calls = table.calls();
        let keys = [b"one", b"two"].map(|id| calls.key(id, b"a", b""));
        for key in keys {
            assert!(calls.record(key, &offer(1), 100));
        }
        calls.find(keys[emptied]).unwrap().store(KEY, EMPTIED);
        assert!(!calls.is_known(keys[emptied]));
        assert!(calls.is_known(keys[1 - emptied]));
        assert!(calls.record(keys[emptied], &offer(1), 100), "its entry is free again");
    }
}

#[test]
fn threads_at_once_lose_no_call_and_no_branch() {
    let table = Table::new(4096);
    std::thread::scope(|scope| {
        for thread in 0..4u32 {
            let calls = table.calls();
            scope.spawn(move || {
                for n in 0..1500u32 {
                    let id = n.to_be_bytes();
                    calls.record(calls.key(&id, b"a", b""), &offer(1), 100);
                    let tag = [b'b', thread as u8];
                    calls.record(calls.key(&id, b"a", &tag), &answer(BranchState::Answered), 100);
                }
            });
        }
    });
    let calls = table.calls();
    assert_eq!(calls.len(), 1500, "one entry a call");
    for n in 0..1500u32 {
        let entry = calls.find(calls.key(&n.to_be_bytes(), b"a", b"")).unwrap();
        assert_eq!(entry.lives(), (0, 4));
    }
}

#[test]
fn branch_delete_is_sent_while_other_branches_live_and_withheld_otherwise() {
    for (branch_delete, first) in [(true, End::Branch), (false, End::Withheld)] {
        let table = Table::new(64);
        let calls = table.calls();
        for tag in ["b1", "b2"] {
            let answered = CallUpdate { branch: Some(BranchState::Answered), ..event() };
            assert!(calls.record(table.key("a", tag), &answered, 1));
        }
        assert_eq!(calls.end(table.key("a", "b1"), Ending::Bye, branch_delete, 100), first);
        assert_eq!(calls.end(table.key("a", "b2"), Ending::Bye, branch_delete, 100), End::Call);
    }
}
