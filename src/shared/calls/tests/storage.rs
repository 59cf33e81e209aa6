//! How legs get their slots: load, expiry, junk, and claims of processes that died.

use std::sync::atomic::Ordering;

use super::*;
use crate::shared::block::LINE;
use crate::shared::calls::claim::BUSY_FOR;
use crate::shared::calls::expiry;
use crate::shared::calls::leg::{Changed, Phase};

/// The first message of leg `n`, each with a Call-ID of its own.
fn invite(table: &Table, n: u32) -> CallMessage {
    let key = table.calls().key(&n.to_be_bytes(), b"a", b"");
    CallMessage { method: Method::Invite, cseq: 1, ..CallMessage::command(key) }
}

fn offer(table: &Table, n: u32, seconds: u32) -> Recorded {
    let message = invite(table, n);
    let ticket = table.calls().begin(&message, seconds);
    table.calls().record(&message, ticket, &offered(1), seconds)
}

fn is_stored(table: &Table, n: u32, seconds: u32) -> bool {
    table.calls().look_up(&invite(table, n), seconds).is_active()
}

/// Legs stored before the first one found both its buckets full.
fn filled(legs: usize) -> usize {
    let table = Table::new(legs);
    let begins = |n: &u32| table.calls().begin(&invite(&table, *n), 100) != Ticket::default();
    (0..).take_while(begins).count()
}

#[test]
fn first_overflow_comes_above_nine_tenths() {
    for (legs, tables) in [(1_024, 100), (65_536, 2)] {
        let least = (0..tables).map(|_| filled(legs)).min().unwrap();
        assert!(10 * least > 9 * legs, "{least} of {legs}");
    }
}

#[test]
fn every_slot_of_a_table_of_any_size_is_used() {
    for legs in [1u32, 2, 16, 31, 32, 33, 63, 64, 65, 100, 1_000] {
        let table = Table::new(legs as usize);
        for n in 0..40 * legs {
            let _ = offer(&table, n, 100);
        }
        assert_eq!(table.calls().len(100), legs as usize);
        assert_eq!((0..40 * legs).filter(|n| is_stored(&table, *n, 100)).count(), legs as usize);
    }
}

#[test]
fn full_table_is_logged_when_it_becomes_full() {
    let table = Table::new(1);
    stored(offer(&table, 0, 100));
    let log = |n, seconds| offer(&table, n, seconds) == Recorded::Full { log: true };
    assert!(log(1, 100) && !log(1, 100) && !log(2, 150) && !log(3, 210), "once");
    assert!(log(4, 271), "not full for a minute");
}

#[test]
fn expired_leg_gives_its_slot_to_another() {
    let table = Table::new(1);
    stored(offer(&table, 0, 100));
    assert_ne!(
        offer(&table, 1, 100 + expiry::PENDING),
        Recorded::Stored { first: true, cancelled: false }
    );
    stored(offer(&table, 1, 101 + expiry::PENDING));
    assert!(!is_stored(&table, 0, 500) && is_stored(&table, 1, 500));
    let leg = table.calls().look_up(&invite(&table, 1), 500);
    assert_eq!(leg.offer_answer().newest_offer, Some(1));
}

#[test]
fn expired_leg_starts_again_empty() {
    let table = Table::new(64);
    table.invite(1);
    table.answer(200, 1, "a", "b");
    let later = 101 + expiry::ESTABLISHED;
    table.offer(&table.request(Method::Invite, 1, "a", ""), later);
    let reply = table.calls().look_up(&table.reply(200, 1, "a", "b"), later);
    assert_eq!(reply.status(), LegStatus::Pending);
    assert_eq!(table.calls().len(later), 1);
    assert_eq!(table.status(later + expiry::PENDING), LegStatus::Pending);
}

/// Junk fills the table: legs with state are served as before.
#[test]
fn million_junk_call_ids_leave_stored_legs_as_they_were() {
    let table = Table::new(65_536);
    let calls = table.calls();
    let of = |n: u32, from: &[u8], to: &[u8]| calls.key(&(!n).to_be_bytes(), from, to);
    let message = |n, status| CallMessage {
        method: Method::Invite,
        status,
        cseq: 1,
        ..CallMessage::command(of(n, b"a", if status.is_some() { b"b" } else { b"" }))
    };
    for n in 0..1_000 {
        for status in [None, Some(200)] {
            let ticket = calls.begin(&message(n, status), 100);
            stored(calls.record(&message(n, status), ticket, &offered(1), 100));
        }
    }
    let mut full = 0;
    for n in 0..1_000_000 {
        let ticket = calls.begin(&invite(&table, n), 100 + n / 4_096);
        full += usize::from(ticket == Ticket::default());
    }
    assert!(full > 900_000, "{full}");
    for n in 0..1_000 {
        let known = calls.look_up(&message(n, Some(200)), 400);
        assert_eq!((known.status(), known.relay()), (LegStatus::Established, Some(RELAY)));
        assert!(known.offer_answer().carried_offer);
        let bye = CallMessage { method: Method::Bye, ..CallMessage::command(of(n, b"b", b"a")) };
        let wrong = CallMessage { key: of(n, b"x", b"a"), ..bye };
        let end = |bye| calls.terminate(bye, EndScope::Call, true, 400).scope;
        assert_eq!((end(&wrong), end(&bye)), (DeleteScope::Nothing, DeleteScope::Call), "{n}");
    }
    let later = 400 + expiry::PENDING;
    assert!(calls.is_empty(later), "{}", calls.len(later));
    stored(offer(&table, 1, later));
}

/// The word of the slot that leg `n` would take first.
fn slot_of(table: &Table, n: u32, bucket: usize) -> usize {
    let [first, second] = table.calls().slots.buckets(invite(table, n).key.call);
    LINE + [first.start, second.start][bucket]
}

/// A claim as a process makes it that dies then.
fn dead_claim(table: &Table, n: u32, place: usize, seconds: u32) {
    let slot = claim::Slot(&table.block.words()[place]);
    slot.claim(slot.word(), invite(table, n).key.leg_of_from(), seconds).unwrap();
}

#[test]
fn claim_of_a_dead_process_does_not_block_its_leg() {
    for bucket in 0..2 {
        let table = Table::new(64);
        dead_claim(&table, 1, slot_of(&table, 1, bucket), 100);
        assert!(!is_stored(&table, 1, 100));
        stored(offer(&table, 1, 100));
        assert_eq!(table.calls().len(100), 1);
    }
}

#[test]
fn claim_of_a_dead_process_blocks_its_slot_for_two_seconds() {
    let table = Table::new(1);
    dead_claim(&table, 1, LINE, 100);
    for seconds in [99, 100 + BUSY_FOR] {
        assert_eq!(table.calls().begin(&invite(&table, 2), seconds), Ticket::default());
    }
    stored(offer(&table, 2, 101 + BUSY_FOR));
}

#[test]
fn slot_of_a_process_that_died_while_it_emptied_it_is_used_again() {
    let table = Table::new(1);
    stored(offer(&table, 1, 100));
    let later = 101 + expiry::PENDING;
    let slot = claim::Slot(&table.block.words()[LINE]);
    let died = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        slot.empty(slot.word(), later, || panic!("it dies here"))
    }));
    assert!(died.is_err());
    assert_eq!(table.calls().begin(&invite(&table, 2), later + BUSY_FOR), Ticket::default());
    stored(offer(&table, 2, later + 1 + BUSY_FOR));
}

#[test]
fn slow_process_does_not_revoke_a_later_claim() {
    let table = Table::new(1);
    let slot = claim::Slot(&table.block.words()[LINE]);
    let key = invite(&table, 1).key.leg_of_from();
    let first = slot.claim(slot.word(), key, 100).unwrap();
    assert!(slot.revoke(first));
    let second = slot.claim(slot.word(), key, 100).unwrap();
    assert!(slot.confirm(first, key).is_none() && !slot.revoke(first));
    assert!(slot.confirm(second, key).is_some());
}

/// Other processes change the word in each attempt.
#[test]
fn change_that_others_defeat_all_the_time_is_no_refusal() {
    let table = Table::new(64);
    table.invite(1);
    let leg = table.calls().locate(table.key("a", "b"), 100).unwrap().leg;
    let changed = leg.change(|old| {
        leg.change(|other| Some(other.with_upstream(!other.upstream())));
        Some(old.with_offered().with_phase(Phase::Completed))
    });
    assert_eq!(changed, Changed::GaveUp);
    assert_eq!(table.status(100), LegStatus::Pending);
    assert_eq!(leg.change(|_| None), Changed::Refused);
}

#[test]
fn random_words_stop_no_operation() {
    let mut random = 1u64;
    for _ in 0..2_000 {
        let table = Table::new(40);
        for word in table.block.words() {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            word.store(random.rotate_left(17) ^ random >> 7, Ordering::Relaxed);
        }
        table.calls().begin(&table.request(Method::Invite, 1, "a", ""), 100);
        let _ = table.record(&table.reply(200, 1, "a", "b"), &update(), 100);
        table.bye("a", "b");
        table.calls().terminate_leg(table.key("b", ""), 100);
    }
}

#[test]
fn concurrent_threads_store_one_leg_and_every_dialog() {
    let table = Table::new(4_096);
    std::thread::scope(|scope| {
        for thread in 0..4u32 {
            let table = &table;
            scope.spawn(move || {
                for n in 0..1_500 {
                    stored(offer(table, n, 100));
                    let key = table.calls().key(&n.to_be_bytes(), b"a", &[b'b', thread as u8]);
                    let reply = CallMessage { key, status: Some(200), ..invite(table, n) };
                    stored(table.record(&reply, &update(), 100));
                }
            });
        }
    });
    assert_eq!(table.calls().len(100), 1_500, "one entry a leg");
    for n in 0..1_500 {
        let leg = table.calls().locate(invite(&table, n).key, 100).unwrap().leg;
        assert_eq!(leg.count_dialogs(), (0, 4));
    }
}
