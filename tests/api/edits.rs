//! Edit lists and their application: examples, and properties over any list.

use kit::udp;
use mediaproxy::Status;
use mediaproxy::internals::edit::{Edit, Edits, Verb};
use mediaproxy::sip::Message;
use proptest::prelude::*;

fn parse(raw: &[u8]) -> Message<'_> {
    Message::parse(raw, udp("203.0.113.5:5060")).unwrap()
}

fn apply(edits: &Edits, raw: &str) -> Result<String, Status> {
    let mut out = b"left over from an earlier call".to_vec();
    let applied = edits.apply(&parse(raw.as_bytes()), &mut out);
    if applied.is_err() {
        assert!(out.is_empty(), "a failure leaves nothing behind");
    }
    applied.map(|()| String::from_utf8(out).unwrap()).map_err(|error| error.status())
}

fn edits(list: &[(usize, usize, &str)]) -> Edits {
    let mut edits = Edits::new();
    for (offset, remove, insert) in list {
        edits.push(Verb::RewriteSdp, *offset, *remove, insert.as_bytes()).unwrap();
    }
    edits
}

/// A message with these Content-Length lines and a body of `0123456789`, and
/// where that body starts.
fn message(lengths: &str) -> (String, usize) {
    let headers = format!("INFO sip:a SIP/2.0\r\n{lengths}Subject: x\r\n\r\n");
    (format!("{headers}0123456789"), headers.len())
}

#[test]
fn no_edit_leaves_every_byte() {
    for raw in [message("Content-Length: 10\r\n").0, message("Content-Length: 99\r\n").0] {
        assert_eq!(apply(&Edits::new(), &raw).unwrap(), raw);
    }
}

#[test]
fn content_length_follows_in_every_form() {
    for (before, after) in [
        ("Content-Length: 10\r\n", "Content-Length: 12\r\n"),
        ("l:10\r\n", "l:12\r\n"),
        ("CONTENT-LENGTH  :\r\n  10 \r\n", "CONTENT-LENGTH  :\r\n  12 \r\n"),
        ("Content-Length: 0010\r\nl: 10\r\n", "Content-Length: 12\r\nl: 12\r\n"),
        ("", ""),
    ] {
        let (raw, body) = message(before);
        let expected = message(after).0.replace("345", "abcde");
        assert_eq!(apply(&edits(&[(body + 3, 3, "abcde")]), &raw).unwrap(), expected);
    }
}

#[test]
fn content_length_grows_and_shrinks_by_digits() {
    let (raw, body) = message("l: 10\r\n");
    let long = "x".repeat(990);
    let out = apply(&edits(&[(body, 0, &long)]), &raw).unwrap();
    assert!(out.contains("l: 1000\r\n"), "{out}");
    let out = apply(&edits(&[(body, 10, "")]), &raw).unwrap();
    assert_eq!(out, raw.replace("l: 10", "l: 0").replace("0123456789", ""));
}

#[test]
fn edit_that_keeps_the_length_keeps_content_length_as_written() {
    let (raw, body) = message("Content-Length: 0010\r\n");
    let out = apply(&edits(&[(body, 1, "a"), (body + 2, 1, ""), (body + 10, 0, "b")]), &raw);
    assert_eq!(out.unwrap(), raw.replace("0123456789", "a13456789b"));
}

#[test]
fn text_at_the_very_end_of_the_body_is_body_and_text_beyond_is_not() {
    let (raw, body) = message("l: 4\r\n");
    let out = apply(&edits(&[(body + 4, 0, "ab")]), &raw).unwrap();
    assert_eq!(out, raw.replace("l: 4", "l: 6").replace("0123", "0123ab"));
    let out = apply(&edits(&[(body + 5, 0, "ab")]), &raw).unwrap();
    assert_eq!(out, raw.replace("01234", "01234ab"), "not the body");
    let out = apply(&edits(&[(body + 3, 3, "")]), &raw).unwrap();
    assert_eq!(out, raw.replace("l: 4", "l: 3").replace("345", ""), "only one byte was body");
}

#[test]
fn edits_of_headers_leave_content_length_alone_even_a_broken_one() {
    for length in ["l: 10\r\n", "l: 99\r\n", "l: x\r\n", "l: 1\r\nl: 2\r\n"] {
        let (raw, _) = message(length);
        let subject = raw.find("x\r\n\r\n").unwrap();
        let out = apply(&edits(&[(subject, 1, "longer")]), &raw).unwrap();
        assert_eq!(out, raw.replace("Subject: x", "Subject: longer"));
    }
}

#[test]
fn body_of_unclear_length_cannot_be_edited() {
    for length in ["l: 99\r\n", "l: x\r\n", "l: -1\r\n", "l:\r\n", "l: 1\r\nl: 2\r\n"] {
        let (raw, body) = message(length);
        assert_eq!(apply(&edits(&[(body, 1, "a")]), &raw), Err(Status::Syntax), "{length}");
    }
}

#[test]
fn edit_into_a_content_length_that_must_be_set_is_refused() {
    let (raw, body) = message("l: 10\r\n");
    let value = raw.find("10\r\n").unwrap();
    for (offset, remove) in [(value, 2), (value + 1, 1), (value + 1, 0), (value, 0), (value - 3, 5)]
    {
        let list = edits(&[(offset, remove, "7"), (body, 1, "ab")]);
        assert_eq!(apply(&list, &raw), Err(Status::Edits), "{offset} {remove}");
    }
    let beside = edits(&[(value - 2, 1, " :"), (value + 2, 0, "\r\nX: 1"), (body, 1, "ab")]);
    assert_eq!(apply(&beside, &raw), Err(Status::Edits), "right behind the value");
    let beside = edits(&[(value - 2, 1, " :"), (value + 4, 0, "X: 1\r\n"), (body, 1, "ab")]);
    assert!(apply(&beside, &raw).unwrap().contains("l : 11\r\nX: 1\r\nSubject"));
}

#[test]
fn edits_beyond_the_message_or_over_the_end_of_the_headers_are_refused() {
    let (raw, body) = message("l: 10\r\n");
    for (offset, remove) in
        [(raw.len(), 1), (raw.len() + 1, 0), (body, 11), (body - 2, 2), (body - 1, 5)]
    {
        let list = edits(&[(offset, remove, "x")]);
        assert_eq!(apply(&list, &raw), Err(Status::Edits), "{offset} {remove}");
    }
    let mut list = Edits::new();
    for (offset, remove) in [(65_537, 0), (65_536, 1), (usize::MAX, 1), (1, usize::MAX)] {
        let pushed = list.push(Verb::FixContact, offset, remove, b"x");
        assert_eq!(pushed.unwrap_err().status(), Status::Edits);
    }
    assert!(list.is_empty());
}

#[test]
fn message_whose_headers_never_end_has_no_body_to_edit() {
    let raw = "INFO sip:a SIP/2.0\r\nl: 0\r\n";
    let out = apply(&edits(&[(raw.len(), 0, "X: 1\r\n")]), raw).unwrap();
    assert_eq!(out, format!("{raw}X: 1\r\n"));
}

#[test]
fn overlapping_edits_are_refused_and_touching_ones_are_not() {
    let mut list = edits(&[(10, 5, "a")]);
    for (offset, remove) in [(10, 1), (14, 1), (9, 2), (9, 9), (11, 0), (14, 0), (10, 5)] {
        let pushed = list.push(Verb::FixContact, offset, remove, b"x");
        assert_eq!(pushed.unwrap_err().status(), Status::Edits, "{offset} {remove}");
    }
    assert_eq!(list.len(), 1);
    list.push(Verb::FixContact, 15, 2, b"after").unwrap();
    list.push(Verb::FixContact, 8, 2, b"before").unwrap();
    list.push(Verb::FixContact, 10, 0, b"first").unwrap();
    list.push(Verb::FixContact, 10, 0, b"second").unwrap();
    list.push(Verb::FixContact, 12, 0, b"").unwrap();
    let order: Vec<_> = list.iter().map(|edit| edit.insert).collect();
    assert_eq!(order, [&b"before"[..], b"first", b"second", b"a", b"after"]);
    assert_eq!(list.get(3), Some(Edit { offset: 10, remove: 5, insert: b"a" }));
    assert_eq!(list.get(5), None);
}

#[test]
fn removing_a_verb_again_and_again_does_not_grow_the_list() {
    let mut list = Edits::new();
    list.push(Verb::FixContact, 5, 1, b"contact").unwrap();
    for round in 0..3 {
        list.remove_verb(Verb::RewriteSdp);
        list.push(Verb::RewriteSdp, 1, 0, b"one").unwrap();
        list.push(Verb::RewriteSdp, 9, 3, b"two").unwrap();
        let texts: Vec<_> = list.iter().map(|edit| edit.insert).collect();
        assert_eq!(texts, [&b"one"[..], b"contact", b"two"], "round {round}");
    }
    list.remove_verb(Verb::FixContact);
    assert_eq!(list.len(), 2);
    list.reset();
    assert!(list.is_empty());
}

// Properties

/// The obvious way: one byte after the other.
fn naive(raw: &[u8], list: &Edits) -> Vec<u8> {
    let mut out = Vec::new();
    for at in 0..=raw.len() {
        for edit in list.iter().filter(|edit| edit.offset == at) {
            out.extend_from_slice(edit.insert);
        }
        let gone = list.iter().any(|edit| (edit.offset..edit.offset + edit.remove).contains(&at));
        if !gone && let Some(byte) = raw.get(at) {
            out.push(*byte);
        }
    }
    out
}

type Wanted = Vec<(bool, usize, usize, Vec<u8>)>;

fn wanted(length: usize) -> impl Strategy<Value = Wanted> {
    let text = prop::collection::vec(any::<u8>(), 0..6);
    prop::collection::vec((any::<bool>(), 0..=length, 0..8usize, text), 0..30)
}

/// What of `wanted` does not overlap, in the order pushed.
fn fill(wanted: &Wanted) -> Edits {
    let mut list = Edits::new();
    for (contact, offset, remove, text) in wanted {
        let verb = if *contact { Verb::FixContact } else { Verb::RewriteSdp };
        let before = list.clone();
        if list.push(verb, *offset, *remove, text).is_err() {
            assert!(list.iter().eq(before.iter()), "a refused edit changes nothing");
        }
    }
    list
}

proptest! {
    #[test]
    fn edits_stay_sorted_and_disjoint(wanted in wanted(200)) {
        let list = fill(&wanted);
        let all: Vec<_> = list.iter().collect();
        for pair in all.windows(2) {
            prop_assert!(pair[0].offset + pair[0].remove <= pair[1].offset);
        }
        prop_assert!(all.iter().all(|edit| edit.remove > 0 || !edit.insert.is_empty()));
        prop_assert_eq!(list.len(), all.len());
    }

    #[test]
    fn removing_a_verb_leaves_the_others_edits(mut wanted in wanted(200)) {
        for (contact, _, _, text) in &mut wanted {
            text.insert(0, if *contact { b'c' } else { b's' });
        }
        let before = fill(&wanted);
        let mut list = before.clone();
        list.remove_verb(Verb::FixContact);
        let others = before.iter().filter(|edit| edit.insert.starts_with(b"s"));
        prop_assert!(list.iter().eq(others));
    }

    #[test]
    fn apply_is_the_naive_splice(wanted in wanted(120), body in prop::collection::vec(any::<u8>(), 0..80)) {
        // Without Content-Length nothing but the edits changes.
        let headers = b"INFO sip:a SIP/2.0\r\nSubject: some text\r\nVia: x\r\n\r\n";
        let raw = [&headers[..], &body].concat();
        let list = fill(&wanted);
        let message = parse(&raw);
        let mut out = Vec::new();
        let fits = list.iter().all(|edit| edit.offset + edit.remove <= raw.len());
        let crosses = list.iter().any(|edit| {
            edit.offset < headers.len() && edit.offset + edit.remove >= headers.len()
        });
        let applied = list.apply(&message, &mut out);
        prop_assert_eq!(applied.is_ok(), fits && !crosses);
        if applied.is_ok() {
            prop_assert_eq!(out, naive(&raw, &list));
        } else {
            prop_assert!(out.is_empty());
        }
    }

    #[test]
    fn declared_length_is_the_bodys(wanted in wanted(60), body in prop::collection::vec(any::<u8>(), 0..60)) {
        let headers = format!("INFO sip:a SIP/2.0\r\nContent-Length: {}\r\n\r\n", body.len());
        let raw = [headers.as_bytes(), &body].concat();
        let mut list = Edits::new();
        for (_, offset, remove, text) in &wanted {
            if offset + remove <= body.len() {
                let _ = list.push(Verb::RewriteSdp, headers.len() + offset, *remove, text);
            }
        }
        let mut out = Vec::new();
        list.apply(&parse(&raw), &mut out).unwrap();
        let edited = parse(&out);
        let start = edited.body_offset().unwrap();
        prop_assert_eq!(edited.body().unwrap(), &out[start..]);
        prop_assert_eq!(&out[start..], &naive(&raw, &list)[headers.len()..]);
    }

    /// Compact, folded, in any case, repeated, with leading zeros: each says
    /// the new length, in its own form; what lies behind the body stays.
    #[test]
    fn every_content_length_has_the_new_length(
        forms in prop::collection::vec((0..FORMS.len(), 0..3usize), 1..4),
        line_end in prop_oneof![Just("\r\n"), Just("\n")],
        body in prop::collection::vec(any::<u8>(), 0..60),
        surplus in prop::collection::vec(any::<u8>(), 0..10),
        wanted in wanted(60),
    ) {
        let headers = |length: usize, written: bool| {
            let lines: String = forms.iter().map(|(form, zeros)| {
                // A length that does not change is left as it was written.
                let zeros = if written { "0".repeat(*zeros) } else { String::new() };
                FORMS[*form].replace("#", &format!("{zeros}{length}"))
            }).collect();
            format!("INFO sip:a SIP/2.0\r\nSubject: l: 1\r\n{lines}\r\n").replace("\r\n", line_end)
        };
        let before = headers(body.len(), true);
        let raw = [before.as_bytes(), &body, &surplus].concat();
        let (mut list, mut plain) = (Edits::new(), Edits::new());
        for (_, offset, remove, text) in &wanted {
            if offset + remove <= body.len()
                && list.push(Verb::RewriteSdp, before.len() + offset, *remove, text).is_ok()
            {
                plain.push(Verb::RewriteSdp, *offset, *remove, text).unwrap();
            }
        }
        let mut out = Vec::new();
        list.apply(&parse(&raw), &mut out).unwrap();
        let new_body = naive(&body, &plain);
        let stays = new_body.len() == body.len();
        let after = headers(new_body.len(), stays);
        prop_assert_eq!(&out, &[after.as_bytes(), &new_body, &surplus].concat());

        // What comes out reads as what was meant, and needs no edit.
        let edited = parse(&out);
        prop_assert_eq!(edited.body().unwrap(), &new_body);
        let mut again = Vec::new();
        Edits::new().apply(&edited, &mut again).unwrap();
        prop_assert_eq!(again, out.clone());
    }

    /// A verb that is called again leaves what it would have left alone.
    #[test]
    fn verb_called_twice_leaves_the_edits_of_its_second_call(
        first in wanted(100),
        second in wanted(100),
    ) {
        let contact = |wanted: &Wanted| -> Wanted {
            wanted.iter().filter(|(contact, ..)| *contact).cloned().collect()
        };
        let (first, second) = (contact(&first), contact(&second));
        let mut twice = fill(&first);
        twice.remove_verb(Verb::FixContact);
        for (_, offset, remove, text) in &second {
            let _ = twice.push(Verb::FixContact, *offset, *remove, text);
        }
        prop_assert!(twice.iter().eq(fill(&second).iter()));
    }
}

/// Ways to write Content-Length, `#` for the number.
const FORMS: &[&str] = &[
    "Content-Length: #\r\n",
    "l:#\r\n",
    "L \t: #  \r\n",
    "content-LENGTH:\r\n\t #\r\n",
    "Content-Length: #\r\n  \r\n",
];
