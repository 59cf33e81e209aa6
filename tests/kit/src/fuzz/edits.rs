//! Edits pushed in any order, against a model that keeps a plain list, and
//! applied, against one that goes byte by byte.
//!
//! An input: how many edits, then for each a byte of kind (bit 0: the verb,
//! bit 1: forget the verb's edits instead, bit 2: counted from the end of the
//! headers), its offset (two bytes), how many bytes go and how many come, and
//! those that come. The rest is the message.

use mediaproxy::internals::edit::{Edit, Edits, Verb};
use mediaproxy::sip::message::MAX_MESSAGE;
use mediaproxy::sip::{HeaderName, Message, Source, Transport};

use super::input::Input;

#[derive(Clone, Debug, PartialEq)]
struct Wanted {
    verb: Verb,
    offset: usize,
    remove: usize,
    insert: Vec<u8>,
}

impl Wanted {
    fn end(&self) -> usize {
        self.offset + self.remove
    }

    /// Two edits that cannot both be: both remove one byte, or one comes
    /// within what the other removes.
    fn meets(&self, other: &Wanted) -> bool {
        let within = |a: &Wanted, b: &Wanted| {
            a.remove == 0 && b.remove > 0 && b.offset < a.offset && a.offset < b.end()
        };
        let both = self.remove > 0 && other.remove > 0;
        both && self.offset < other.end() && other.offset < self.end()
            || within(self, other)
            || within(other, self)
    }
}

/// A step: an edit, or the end of a verb's edits.
enum Step {
    Push(Wanted, bool),
    Forget(Verb),
}

pub fn check(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let count = input.byte() % 24;
    let steps: Vec<Step> = (0..count).map(|_| step(&mut input)).collect();
    let raw = input.rest();
    let address = "203.0.113.5:5060".parse().unwrap();
    let source = Source { address, local: None, transport: Transport::Udp };
    let message = Message::parse(raw, source).ok();
    let body = message.as_ref().and_then(|message| message.body_offset().ok()).unwrap_or(0);

    let mut edits = Edits::new();
    let mut model: Vec<Wanted> = Vec::new();
    for step in steps {
        match step {
            Step::Forget(verb) => {
                edits.remove_verb(verb);
                model.retain(|edit| edit.verb != verb);
            }
            Step::Push(mut wanted, from_body) => {
                wanted.offset += if from_body { body } else { 0 };
                let pushed =
                    edits.push(wanted.verb, wanted.offset, wanted.remove, &wanted.insert).is_ok();
                let empty = wanted.remove == 0 && wanted.insert.is_empty();
                let fits = wanted.end() <= MAX_MESSAGE;
                let free = empty || !model.iter().any(|edit| edit.meets(&wanted));
                assert_eq!(pushed, fits && free, "{wanted:?} beside {model:?}");
                if pushed && !empty {
                    model.push(wanted);
                }
            }
        }
        // Insertions first, in order of arrival, then what removes.
        let mut sorted: Vec<&Wanted> = model.iter().collect();
        sorted.sort_by_key(|edit| (edit.offset, edit.remove > 0));
        let sorted = sorted.iter().map(|edit| Edit {
            offset: edit.offset,
            remove: edit.remove,
            insert: &edit.insert,
        });
        assert!(edits.iter().eq(sorted), "{edits:?} is not {model:?}");
        assert!((0..=edits.len()).map(|at| edits.get(at)).eq(edits.iter().map(Some).chain([None])));
    }
    if let Some(message) = message {
        applied(&message, &edits);
    }
}

fn step(input: &mut Input<'_>) -> Step {
    let kind = input.byte();
    let verb = if kind & 1 == 0 { Verb::FixContact } else { Verb::RewriteSdp };
    if kind & 2 != 0 {
        return Step::Forget(verb);
    }
    let offset = usize::from(input.word());
    let remove = usize::from(input.byte());
    let length = usize::from(input.byte());
    let insert = input.bytes(length).to_vec();
    Step::Push(Wanted { verb, offset, remove, insert }, kind & 4 != 0)
}

fn applied(message: &Message<'_>, edits: &Edits) {
    let raw = message.raw();
    let mut out = b"left over".to_vec();
    if edits.apply(message, &mut out).is_err() {
        assert!(out.is_empty(), "a failure leaves nothing behind");
        assert!(!edits.is_empty(), "no edit cannot fail");
        return;
    }
    assert!(edits.iter().all(|edit| edit.offset + edit.remove <= raw.len()));
    if out != naive(raw, edits) {
        with_content_length(message, edits, &out);
    }
    // Edits of the body alone leave its length told right.
    let (Ok(start), Ok(body)) = (message.body_offset(), message.body()) else { return };
    let in_body =
        |edit: Edit<'_>| edit.offset >= start && edit.offset + edit.remove <= start + body.len();
    if !edits.iter().all(in_body) || out.len() > MAX_MESSAGE || raw.len() == start {
        return;
    }
    let edited = Message::parse(&out, *message.source()).expect("the edited message reads back");
    let mut own = Edits::new();
    for edit in edits.iter() {
        own.push(Verb::RewriteSdp, edit.offset - start, edit.remove, edit.insert).unwrap();
    }
    assert_eq!(edited.body().expect("a body"), naive(body, &own));
}

/// The result differs from the plain splice by its Content-Length values
/// alone, all of which tell the body's length.
fn with_content_length(message: &Message<'_>, edits: &Edits, out: &[u8]) {
    let mut all = edits.clone();
    let start = message.body_offset().unwrap();
    let end = start + message.body().unwrap().len();
    let touched: Vec<_> =
        edits.iter().filter(|edit| edit.offset >= start && edit.offset <= end).collect();
    let gone: usize =
        touched.iter().map(|edit| (edit.offset + edit.remove).min(end) - edit.offset).sum();
    let come: usize = touched.iter().map(|edit| edit.insert.len()).sum();
    let length = (end - start - gone + come).to_string();
    for header in message.headers(HeaderName::ContentLength) {
        let value = header.unwrap().value;
        let offset = message.offset_of(value).unwrap();
        all.push(Verb::RewriteSdp, offset, value.len(), length.as_bytes())
            .expect("no edit in a Content-Length that is set");
    }
    assert_eq!(out, naive(message.raw(), &all), "{}", out.escape_ascii());
}

/// The obvious way: one byte after the other.
fn naive(raw: &[u8], edits: &Edits) -> Vec<u8> {
    let mut out = Vec::new();
    let mut skip_to = 0;
    let mut rest = edits.iter().peekable();
    for at in 0..=raw.len() {
        while let Some(edit) = rest.next_if(|edit| edit.offset == at) {
            out.extend_from_slice(edit.insert);
            skip_to = skip_to.max(at + edit.remove);
        }
        if at >= skip_to {
            out.extend(raw.get(at));
        }
    }
    out
}

/// What holds for the edits that any verb makes: in order, apart, in bounds.
pub fn holds_for_edits(raw: &[u8], edits: &Edits) {
    let mut end = 0;
    for edit in edits.iter() {
        assert!(edit.offset >= end, "sorted and disjoint: {edits:?}");
        assert!(edit.remove > 0 || !edit.insert.is_empty(), "no edit without effect");
        end = edit.offset + edit.remove;
    }
    assert!(end <= raw.len(), "within the message: {edits:?}");
}
