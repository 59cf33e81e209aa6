//! A leg with more confirmed dialogs than have words: a forking proxy upstream may keep
//! every 2xx (RFC 3261 13.2.2.4).

use super::random::Random;
use super::*;
use crate::shared::calls::expiry::PENDING;

/// The dialogs with words.
const STORED: usize = 8;

/// Dialogs with random tags are confirmed and end in a random order, and messages come
/// twice. True when more were alive at a time than have words.
fn run(seed: u64) -> bool {
    let table = Table::new(64);
    let mut random = Random(seed);
    table.invite(1);
    let mut waiting: Vec<String> =
        (0..1 + random.below(20)).map(|n| format!("{n}-{}", random.below(1 << 30))).collect();
    let (mut live, mut over) = (Vec::new(), Vec::new());
    let mut many = false;
    while !waiting.is_empty() || !live.is_empty() {
        if !waiting.is_empty() && (live.is_empty() || random.below(3) > 0) {
            live.push(waiting.pop().unwrap());
            table.bare(200, 1, "a", live.last().unwrap());
        } else {
            let tag: String = live.swap_remove(random.below(live.len()));
            let ended = table.bye(&tag, "a");
            let last = live.is_empty() && !many;
            let expected = if last { DeleteScope::Call } else { DeleteScope::Dialog };
            assert_eq!(ended, expected, "seed {seed}: {} alive", live.len());
            over.push(tag);
            if last {
                // An ended leg makes no dialogs.
                waiting.clear();
            }
        }
        many |= live.len() > STORED;
        for tag in live.iter().filter(|_| random.below(4) == 0) {
            table.bare(200, 1, "a", tag);
        }
        for tag in over.iter().filter(|_| random.below(4) == 0) {
            assert_ne!(table.bye("a", tag), DeleteScope::Call, "seed {seed}: repeated");
        }
        for tag in &live {
            assert_eq!(table.status_of("a", tag), LegStatus::Established, "seed {seed}");
        }
    }
    assert!(table.calls().len(100) <= usize::from(many), "seed {seed}");
    assert!(table.calls().is_empty(101 + PENDING), "seed {seed}");
    many
}

#[test]
fn leg_of_many_dialogs_ends_with_none_but_its_last() {
    let many = (0..5_000).filter(|seed| run(*seed)).count();
    assert!((500..4_500).contains(&many), "{many}");
}

/// The BYE of a dialog without words says nothing of the others.
#[test]
fn leg_of_many_dialogs_is_found_by_every_tag() {
    let table = Table::new(64);
    table.invite(1);
    let tags: Vec<String> = (0..12).map(|n| format!("b{n}")).collect();
    for tag in &tags {
        table.bare(200, 1, "a", tag);
    }
    // Requests that make a leg with each callee's tag.
    for tag in &tags {
        let junk = table.request(Method::Update, 5, tag, "junk");
        stored(table.record(&junk, &CallUpdate { relay: 9, ..update() }, 100));
    }
    for tag in &tags {
        let request = table.request(Method::Info, 7, tag, "a");
        assert_eq!(table.calls().look_up(&request, 100).relay(), Some(RELAY), "{tag}");
    }
}

#[test]
fn leg_of_many_dialogs_is_stored_for_hours_while_one_with_words_lives() {
    let table = Table::new(64);
    table.invite(1);
    for n in 0..12 {
        table.bare(200, 1, "a", &format!("b{n}"));
    }
    assert_eq!(table.status(101 + PENDING), LegStatus::Established);
    for n in 0..STORED {
        table.bye("a", &format!("b{n}"));
    }
    assert_eq!(table.status(100 + PENDING), LegStatus::Established);
    assert_eq!(table.status(101 + PENDING), LegStatus::Unknown);
}

/// The 2xx replies are to an INVITE before the last one.
#[test]
fn leg_of_many_dialogs_stays_so_when_its_invite_is_tried_again() {
    let table = Table::new(64);
    table.invite(1);
    table.invite(5);
    for n in 0..12 {
        table.bare(200, 1, "a", &format!("b{n}"));
    }
    table.invite(6);
    for n in 0..STORED {
        assert_eq!(table.bye("a", &format!("b{n}")), DeleteScope::Dialog, "{n}");
    }
}
