//! What is given to [`Calls::terminate`] with tags that are not those of a dialog.

use std::sync::atomic::Ordering;

use super::*;

const METHODS: [Method; 7] = [
    Method::Invite,
    Method::Bye,
    Method::Cancel,
    Method::Update,
    Method::Prack,
    Method::Ack,
    Method::Other,
];
const STATUSES: [Option<u16>; 6] = [None, Some(183), Some(200), Some(302), Some(486), Some(699)];
const TAGS: [&str; 5] = ["", "a", "b", "x", "y"];

/// The words of the leg of `a`.
fn words(table: &Table) -> Vec<u64> {
    let leg = table.calls().locate(table.key("a", "b"), 100).unwrap().leg;
    let words = leg.body.iter().chain([leg.key.0, leg.usage]);
    words.map(|word| word.load(Ordering::SeqCst)).collect()
}

/// Whatever the method, the status, the CSeq and the scope: no word of an answered call
/// changes, and no delete takes it from its relay.
#[test]
fn wrong_tags_change_no_word_of_an_answered_call() {
    let table = Table::new(64);
    table.invite(2);
    table.answer(200, 2, "a", "b");
    let before = words(&table);
    let pairs = TAGS.iter().flat_map(|from| TAGS.iter().map(move |to| (*from, *to)));
    for (from, to) in pairs.filter(|pair| !matches!(pair, ("a", "b") | ("b", "a"))) {
        for (method, status) in METHODS.iter().flat_map(|m| STATUSES.iter().map(move |s| (*m, *s)))
        {
            for cseq in [0, 1, 2, 3, 1 << 31, u32::MAX] {
                for scope in [EndScope::Call, EndScope::Branch] {
                    let message = CallMessage { status, ..table.request(method, cseq, from, to) };
                    let ended = table.calls().terminate(&message, scope, true, 100).scope;
                    let what = format!("{method:?} {status:?} {from}>{to} {cseq} {scope:?}");
                    assert!(words(&table) == before, "{what}");
                    assert!(!matches!(ended, DeleteScope::Call | DeleteScope::Cancelled), "{what}");
                }
            }
        }
    }
}
