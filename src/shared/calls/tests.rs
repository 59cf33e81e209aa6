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

/// What is stored of a message: the status of a reply to INVITE, and its SDP.
#[derive(Clone, Copy)]
struct Stored {
    status: Option<u16>,
    update: CallUpdate,
}

impl Calls<'_> {
    fn put(&self, key: CallKey, stored: &Stored, seconds: u32) -> bool {
        let Stored { status, update } = *stored;
        let message = CallMessage { method: Method::Invite, status, ..CallMessage::command(key) };
        let ticket = self.begin(&message, seconds);
        matches!(self.record(&message, ticket, &update, seconds), Recorded::Stored { .. })
    }
}

fn update() -> Stored {
    with_sdp(OfferAnswerUpdate::default())
}

fn with_sdp(offer_answer: OfferAnswerUpdate) -> Stored {
    let media = RelayPorts::default();
    let update = CallUpdate { relay: 7, offer_answer, media, relayed_lines: None };
    Stored { status: None, update }
}

/// An INVITE that carried an offer.
fn offer(cseq: u32) -> Stored {
    with_sdp(OfferAnswerUpdate { offered: Some(cseq), ..OfferAnswerUpdate::default() })
}

/// An offer in an early reply to an INVITE.
fn delayed(cseq: u32) -> Stored {
    let update = OfferAnswerUpdate { reply_offer: Some(cseq), ..OfferAnswerUpdate::default() };
    Stored { status: Some(183), ..with_sdp(update) }
}

/// The answer to a delayed offer.
fn answered_by(cseq: u32) -> Stored {
    with_sdp(OfferAnswerUpdate { answered_by: Some(cseq), ..OfferAnswerUpdate::default() })
}

fn answer(state: BranchState) -> Stored {
    let status = if state == BranchState::Early { 183 } else { 200 };
    Stored { status: Some(status), ..update() }
}

fn media(ip: &str, ports: &[u16]) -> Stored {
    let mut stored = update();
    for (line, port) in ports.iter().enumerate() {
        stored.update.media.set(line, SocketAddr::new(ip.parse().unwrap(), *port));
    }
    stored
}

#[test]
fn call_is_on_the_relay_that_accepted_its_offer() {
    let table = Table::new(64);
    let calls = table.calls();
    let key = table.key("a", "");
    assert_eq!(calls.look_up(&CallMessage::command(key), 100).relay(), None);
    assert!(calls.put(key, &offer(1), 100));
    assert_eq!(calls.look_up(&CallMessage::command(table.key("a", "b")), 100).relay(), Some(7));
    assert_eq!(calls.len(100), 1);
}

#[test]
fn offers_are_stored_for_their_side_of_their_dialog() {
    let table = Table::new(64);
    let calls = table.calls();
    let carried = |from: &str, to: &str, cseq| {
        let state = calls.offer_answer_state(table.key(from, to), cseq);
        (state.carried_offer, state.newest_offer)
    };
    calls.put(table.key("a", ""), &offer(1), 100);
    calls.put(table.key("b1", "a"), &offer(1), 100);
    calls.put(table.key("a", "b1"), &offer(2), 100);
    calls.put(table.key("a", "b1"), &offer(2), 100);
    assert_eq!(carried("a", "b1", 1), (true, Some(2)));
    assert_eq!(carried("a", "b1", 2), (true, Some(2)));
    assert_eq!(carried("a", "b1", 3), (false, Some(2)));
    assert_eq!(carried("a", "b2", 2), (false, Some(1)), "another fork of the first INVITE");
    assert_eq!(carried("b1", "a", 1), (true, Some(1)));
    assert_eq!(carried("b2", "a", 1), (false, None));
    calls.put(table.key("a", "b1"), &offer(3), 100);
    assert_eq!(carried("a", "b1", 1), (false, Some(3)), "the oldest is replaced");
    assert_eq!(carried("a", "b1", 2), (true, Some(3)));
}

#[test]
fn sides_of_a_dialog_differ() {
    let table = Table::new(64);
    let alike = (0..300_000u32).filter(|n| {
        let (a, b) = (format!("a{n}"), format!("b{n}"));
        table.key(&a, &b).direction() == table.key(&b, &a).direction()
    });
    assert!(alike.count() <= 1, "one in 2^31 is chance");
}

#[test]
fn delayed_offer_is_stored_until_it_is_answered() {
    let table = Table::new(64);
    let calls = table.calls();
    let offer_to = |from: &str, to: &str| {
        let state = calls.offer_answer_state(table.key(from, to), 4);
        state.reply_offer.map(|offer| (offer.cseq, offer.answered_by))
    };
    let key = table.key("a", "b");
    calls.put(key, &delayed(1), 100);
    assert_eq!(offer_to("a", "b"), Some((1, None)));
    assert_eq!(offer_to("a", "c"), None, "another branch");
    assert_eq!(offer_to("b", "a"), None, "the side that offered");
    calls.put(key, &answered_by(2), 100);
    assert_eq!(offer_to("a", "b"), Some((1, Some(2))));
    calls.put(key, &delayed(1), 100);
    assert_eq!(offer_to("a", "b"), Some((1, Some(2))), "a retransmitted 183");
    calls.put(key, &delayed(5), 100);
    assert_eq!(offer_to("a", "b"), Some((5, None)), "the next INVITE's");
    calls.put(key, &delayed(1), 100);
    assert_eq!(offer_to("a", "b"), Some((5, None)), "a late retransmission");
    calls.put(table.key("b", "a"), &delayed(1), 100);
    assert_eq!(offer_to("b", "a"), Some((1, None)), "to the callee's own INVITE");
}

#[test]
fn answer_without_an_offer_creates_no_branch() {
    let table = Table::new(64);
    let calls = table.calls();
    calls.put(table.key("a", ""), &offer(1), 100);
    calls.put(table.key("a", "b"), &answered_by(2), 100);
    assert_eq!(calls.find(table.key("a", "b")).unwrap().count_branches(), (0, 0));
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

#[test]
fn relay_address_is_one_of_this_calls_ports() {
    let table = Table::new(64);
    let calls = table.calls();
    let key = table.key("a", "");
    calls.put(key, &media("203.0.113.5", &[50000, 50004]), 100);
    calls.put(key, &media("203.0.113.5", &[50010]), 100);
    let of = |key, text: &str| calls.is_relay_address(key, text.parse().unwrap());
    assert!(of(key, "203.0.113.5:50000") && of(key, "203.0.113.5:50010"));
    assert!(of(key, "[::ffff:203.0.113.5]:50004"), "compared by value");
    assert!(!of(key, "203.0.113.5:49998") && !of(key, "203.0.113.5:50012"));
    assert!(!of(key, "203.0.113.6:50000") && !of(key, "[2001:db8::1]:50000"));
    assert!(!of(calls.key(b"other", b"a", b""), "203.0.113.5:50000"));
}

#[test]
fn bye_from_either_side_terminates_the_call() {
    for (from, to) in [("a", "b"), ("b", "a")] {
        let table = Table::new(64);
        let calls = table.calls();
        calls.put(table.key("a", ""), &offer(1), 100);
        calls.put(table.key("a", "b"), &answer(BranchState::Answered), 100);
        assert_eq!(
            calls.terminate_by(table.key(from, to), TerminatedBy::Bye, false, 100),
            DeleteScope::Call
        );
        assert!(!calls.is_active(table.key("a", "b")));
        assert_eq!(
            calls.terminate_by(table.key(from, to), TerminatedBy::Bye, false, 101),
            DeleteScope::Call,
            "repeated"
        );
    }
}

#[test]
fn bye_of_one_answered_fork_keeps_the_media_of_the_other() {
    let table = Table::new(64);
    let calls = table.calls();
    calls.put(table.key("a", ""), &offer(1), 100);
    calls.put(table.key("a", "b1"), &answer(BranchState::Answered), 100);
    calls.put(table.key("a", "b2"), &answer(BranchState::Answered), 100);
    assert_eq!(
        calls.terminate_by(table.key("a", "b2"), TerminatedBy::Bye, false, 100),
        DeleteScope::Withheld
    );
    assert_eq!(
        calls.terminate_by(table.key("a", "b2"), TerminatedBy::Bye, false, 100),
        DeleteScope::Withheld,
        "repeated"
    );
    assert_eq!(
        calls.terminate_by(table.key("b1", "a"), TerminatedBy::Bye, false, 100),
        DeleteScope::Call
    );
}

#[test]
fn failed_fork_keeps_the_ringing_one() {
    let table = Table::new(64);
    let calls = table.calls();
    calls.put(table.key("a", ""), &offer(1), 100);
    calls.put(table.key("a", "b1"), &answer(BranchState::Early), 100);
    calls.put(table.key("a", "b2"), &answer(BranchState::Early), 100);
    assert_eq!(
        calls.terminate_by(table.key("a", "b1"), TerminatedBy::Failure, false, 100),
        DeleteScope::Withheld
    );
    assert_eq!(
        calls.terminate_by(table.key("a", "b2"), TerminatedBy::Failure, false, 100),
        DeleteScope::Call
    );
}

#[test]
fn reinvite_488_does_not_terminate_the_call() {
    let table = Table::new(64);
    let calls = table.calls();
    calls.put(table.key("a", ""), &offer(1), 100);
    calls.put(table.key("a", "b"), &answer(BranchState::Answered), 100);
    assert_eq!(
        calls.terminate_by(table.key("a", "b"), TerminatedBy::Failure, false, 100),
        DeleteScope::Withheld
    );
    assert_eq!(
        calls.terminate_by(table.key("b", "a"), TerminatedBy::Failure, false, 100),
        DeleteScope::Withheld
    );
    assert!(calls.is_active(table.key("a", "b")));
}

#[test]
fn cancel_terminates_a_ringing_call_and_no_answered_one() {
    let table = Table::new(64);
    let calls = table.calls();
    calls.put(table.key("a", ""), &offer(1), 100);
    calls.put(table.key("a", "b1"), &answer(BranchState::Early), 100);
    calls.put(table.key("a", "b2"), &answer(BranchState::Early), 100);
    assert_eq!(
        calls.terminate_by(table.key("a", ""), TerminatedBy::Cancel, false, 100),
        DeleteScope::Call
    );
    calls.put(table.key("a", ""), &offer(2), 101);
    calls.put(table.key("a", "b1"), &answer(BranchState::Answered), 101);
    assert_eq!(
        calls.terminate_by(table.key("a", ""), TerminatedBy::Cancel, false, 101),
        DeleteScope::Withheld
    );
}

#[test]
fn bye_of_the_answered_fork_terminates_the_call_while_another_rings() {
    let table = Table::new(64);
    let calls = table.calls();
    calls.put(table.key("a", ""), &offer(1), 100);
    calls.put(table.key("a", "b1"), &answer(BranchState::Early), 100);
    calls.put(table.key("a", "b2"), &answer(BranchState::Answered), 100);
    assert_eq!(
        calls.terminate_by(table.key("a", "b2"), TerminatedBy::Bye, false, 100),
        DeleteScope::Call
    );
}

#[test]
fn answered_branches_beyond_eight_are_counted() {
    let table = Table::new(64);
    let calls = table.calls();
    calls.put(table.key("a", ""), &offer(1), 100);
    let tags: Vec<String> = (0..10).map(|n| format!("b{n}")).collect();
    for tag in &tags {
        calls.put(table.key("a", tag), &answer(BranchState::Answered), 100);
    }
    for tag in tags.iter().take(9) {
        assert_eq!(
            calls.terminate_by(table.key("a", tag), TerminatedBy::Bye, false, 100),
            DeleteScope::Withheld,
            "{tag}"
        );
    }
    assert_eq!(
        calls.terminate_by(table.key("a", "b9"), TerminatedBy::Bye, false, 100),
        DeleteScope::Call
    );
}

#[test]
fn full_table_stores_no_call_until_one_has_terminated_or_is_stale() {
    let table = Table::new(16);
    let calls = table.calls();
    let key = |n: u32| calls.key(&n.to_be_bytes(), b"a", b"");
    for n in 0..16 {
        assert!(calls.put(key(n), &offer(1), 100));
    }
    assert!(!calls.put(key(16), &offer(1), 101));
    assert_eq!(calls.terminate_by(key(3), TerminatedBy::Cancel, false, 101), DeleteScope::Call);
    assert!(!calls.put(key(16), &offer(1), 101), "a terminated call is stored a while");
    assert!(calls.put(key(16), &offer(1), 101 + ENDED_FOR + 1));
    assert!(!calls.put(key(17), &offer(1), 200));
    assert!(calls.put(key(17), &offer(1), 101 + STALE_AFTER));
}

#[test]
fn entry_of_a_process_that_died_emptying_it_is_reused() {
    let table = Table::new(1);
    let calls = table.calls();
    calls.put(table.key("a", ""), &offer(1), 100);
    let words = table.block.words();
    let other = calls.key(b"other", b"a", b"");
    words[KEY].store(busy(100), Ordering::SeqCst);
    assert!(!calls.put(other, &offer(1), 100 + BUSY_FOR));
    assert!(calls.put(other, &offer(3), 101 + BUSY_FOR));
    assert_eq!(calls.offer_answer_state(other, 3).newest_offer, Some(3));
}

/// A process that dies between claim and confirmation does not block its call,
/// in whichever entry the claim is.
#[test]
fn claim_of_a_dead_process_is_revoked() {
    for place in 0..2 {
        let table = Table::new(2);
        let calls = table.calls();
        let call = calls.key(b"call", b"a", b"");
        calls.window(call).nth(place).unwrap().store(KEY, claim(call.call, 100));
        assert!(!calls.is_active(call));
        assert!(calls.put(call, &offer(3), 100));
        assert_eq!((calls.len(100), calls.offer_answer_state(call, 3).newest_offer), (1, Some(3)));
        assert!(calls.put(calls.key(b"other", b"a", b""), &offer(1), 100), "one is free");
    }
}

#[test]
fn claim_of_a_dead_process_blocks_its_entry_for_two_seconds() {
    let table = Table::new(1);
    let calls = table.calls();
    let [call, other] = [b"call", b"else"].map(|id| calls.key(id, b"a", b""));
    calls.window(call).next().unwrap().store(KEY, claim(call.call, 100));
    assert!(!calls.put(other, &offer(1), 99), "another process's clock");
    assert!(!calls.put(other, &offer(1), 100 + BUSY_FOR));
    assert!(calls.put(other, &offer(1), 101 + BUSY_FOR));
}

#[test]
fn call_is_found_behind_an_emptied_entry() {
    for emptied in 0..2 {
        let table = Table::new(2);
        let calls = table.calls();
        let keys = [b"one", b"two"].map(|id| calls.key(id, b"a", b""));
        for key in keys {
            assert!(calls.put(key, &offer(1), 100));
        }
        calls.find(keys[emptied]).unwrap().store(KEY, EMPTIED);
        assert!(!calls.is_active(keys[emptied]));
        assert!(calls.is_active(keys[1 - emptied]));
        assert!(calls.put(keys[emptied], &offer(1), 100), "its entry is free again");
    }
}

#[test]
fn concurrent_threads_lose_no_call_and_no_branch() {
    let table = Table::new(4096);
    std::thread::scope(|scope| {
        for thread in 0..4u32 {
            let calls = table.calls();
            scope.spawn(move || {
                for n in 0..1500u32 {
                    let id = n.to_be_bytes();
                    calls.put(calls.key(&id, b"a", b""), &offer(1), 100);
                    let tag = [b'b', thread as u8];
                    calls.put(calls.key(&id, b"a", &tag), &answer(BranchState::Answered), 100);
                }
            });
        }
    });
    let calls = table.calls();
    assert_eq!(calls.len(100), 1500, "one entry a call");
    for n in 0..1500u32 {
        let entry = calls.find(calls.key(&n.to_be_bytes(), b"a", b"")).unwrap();
        assert_eq!(entry.count_branches(), (0, 4));
    }
}

#[test]
fn delete_of_one_of_two_branches_is_sent_if_the_relay_can_delete_a_branch() {
    for (branch_delete, first) in [(true, DeleteScope::Dialog), (false, DeleteScope::Withheld)] {
        let table = Table::new(64);
        let calls = table.calls();
        for tag in ["b1", "b2"] {
            assert!(calls.put(table.key("a", tag), &answer(BranchState::Answered), 1));
        }
        assert_eq!(
            calls.terminate_by(table.key("a", "b1"), TerminatedBy::Bye, branch_delete, 100),
            first
        );
        assert_eq!(
            calls.terminate_by(table.key("a", "b2"), TerminatedBy::Bye, branch_delete, 100),
            DeleteScope::Call
        );
    }
}
