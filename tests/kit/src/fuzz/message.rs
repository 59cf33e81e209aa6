//! Any bytes as a message: every getter in any order, the NAT tests, the fixed
//! Contact. An input is a raw message.

use std::fmt::Debug;

use mediaproxy::Edits;
use mediaproxy::internals::address::Host;
use mediaproxy::nat::{self, Context, Networks, Tests, Verdict};
use mediaproxy::sip::message::MAX_MESSAGE;
use mediaproxy::sip::{HeaderName, Message, Source, Transport};

use super::edits::holds_for_edits;

const SOURCES: [(&str, Transport); 4] = [
    ("203.0.113.5:61234", Transport::Udp),
    ("192.168.1.10:5060", Transport::Tls),
    ("[2001:db8::5]:5060", Transport::Tcp),
    ("[::ffff:198.51.100.7]:5062", Transport::Wss),
];

const NAMES: [HeaderName; 12] = [
    HeaderName::Via,
    HeaderName::Contact,
    HeaderName::From,
    HeaderName::To,
    HeaderName::CallId,
    HeaderName::CSeq,
    HeaderName::UserAgent,
    HeaderName::Server,
    HeaderName::ContentType,
    HeaderName::ContentLength,
    HeaderName::ContentDisposition,
    HeaderName::ContentEncoding,
];

pub fn check(raw: &[u8]) {
    for (number, (address, transport)) in SOURCES.into_iter().enumerate() {
        let source = Source { address: address.parse().unwrap(), local: None, transport };
        let Ok(message) = Message::parse(raw, source) else { return };
        if number == 0 {
            getters(&message);
            alone(&message);
        }
        judged(&message);
        for sip_asymmetric in [false, true] {
            fixed(&message, sip_asymmetric);
        }
    }
}

/// Headers are found when they are asked for: the order of questions must not
/// matter, and every piece lies in the message.
pub fn getters(message: &Message<'_>) {
    let forward = everything(message);
    let fresh = Message::parse(message.raw(), *message.source()).unwrap();
    let _ = (fresh.body_offset(), fresh.body());
    for name in NAMES.into_iter().rev() {
        let _ = fresh.header(name);
    }
    assert_eq!(forward, everything(&fresh), "the order of questions matters");

    for name in NAMES {
        let first = message.header(name);
        let mut all = message.headers(name);
        match (first, all.next()) {
            (Ok(None), None) => {}
            (Ok(Some(first)), Some(Ok(again))) => {
                assert_eq!(first, again);
                assert!(message.offset_of(first.value).is_some());
            }
            (Err(first), Some(Err(again))) => assert_eq!(first, again),
            (first, again) => panic!("{name:?}: {first:?} and {again:?}"),
        }
        for header in message.headers(name).flatten() {
            assert_eq!(header.value, mediaproxy::internals::bytes::trim(header.value));
            assert!(message.offset_of(header.value).is_some());
        }
    }
    if let Ok(body) = message.body() {
        let start = message.body_offset().unwrap();
        assert_eq!(message.raw().get(start..start + body.len()), Some(body));
    }
    if let Ok(Some(contact)) = message.contact() {
        let lies_in = |part: &[u8]| part.is_empty() || message.offset_of(part).is_some();
        assert!(!contact.uri.host_port.is_empty() && lies_in(contact.uri.host_port));
        assert!(lies_in(contact.uri.user) && lies_in(contact.parameters));
    }
}

/// Every test, first_hop included.
fn every() -> Tests {
    Tests::ALL | Tests::FIRST_HOP
}

/// What all getters say, to be compared.
fn everything<'a>(message: &Message<'a>) -> impl PartialEq + Debug + use<'a> {
    let line = (message.start_line(), message.status(), message.method(), message.request_uri());
    let parties = (message.from_tag(), message.to_tag(), message.from_uri(), message.to_uri());
    let headers = (message.top_via(), message.contact(), message.cseq(), message.call_id());
    let rest = (message.user_agent(), message.body_offset(), message.body(), message.line_end());
    (line, parties, headers, rest)
}

fn judged(message: &Message<'_>) {
    let private = Networks::rfc1918();
    let local = Networks::default();
    let context = Context { private: &private, local: &local, sip_asymmetric: false };
    let mut all = Verdict::new();
    let outcome = nat::test(message, &context, every(), false, &mut all);
    sound(&all);
    match outcome {
        Ok(()) => assert_eq!(all.tested(), every()),
        Err(_) => {
            assert_eq!(all.tested(), Tests::default());
            assert!(
                message.contacts().any(|contact| contact.is_err())
                    || message.contact().is_err()
                    || nat::is_first_hop(message).is_err()
                    || message.status().is_none() && message.top_via().is_err()
            );
        }
    }
    let mut first = Verdict::new();
    if nat::test(message, &context, every(), true, &mut first).is_ok() && outcome.is_ok() {
        assert_eq!(first.natted(), all.natted());
        let signs = first.matched().bits() & !Tests::FIRST_HOP.bits();
        assert!(signs.count_ones() <= 1 && all.matched().contains(first.matched()));
    }
}

/// Each test alone finds what it finds among the others.
fn alone(message: &Message<'_>) {
    let private = Networks::rfc1918();
    let local = Networks::default();
    let context = Context { private: &private, local: &local, sip_asymmetric: false };
    let mut all = Verdict::new();
    let outcome = nat::test(message, &context, every(), false, &mut all);
    let mut single = Verdict::new();
    for shift in 0..14 {
        let Ok(test) = Tests::from_bits(1 << shift) else { continue };
        let outcome_alone = nat::test(message, &context, test, false, &mut single);
        sound(&single);
        if outcome.is_ok() {
            assert!(outcome_alone.is_ok());
            assert_eq!(single.matched().contains(test), all.matched().contains(test));
        }
    }
    // A client of the list is never found by its port alone.
    let listed = Context { sip_asymmetric: true, ..context };
    let mut asymmetric = Verdict::new();
    let by_address = Tests::SOURCE_ADDRESS;
    if nat::test(message, &listed, by_address, false, &mut asymmetric).is_ok()
        && asymmetric.natted()
    {
        nat::test(message, &context, by_address, false, &mut single).unwrap();
        assert!(single.natted());
    }
}

fn sound(verdict: &Verdict) {
    assert!(verdict.tested().contains(verdict.matched()));
    let bits: Vec<u32> = verdict.evidence().iter().map(|evidence| evidence.test.bits()).collect();
    assert!(bits.is_sorted() && bits.iter().all(|bit| bit.is_power_of_two()));
    assert_eq!(bits.iter().fold(0, |all, bit| all | bit), verdict.matched().bits());
    assert_eq!(bits.len(), verdict.matched().bits().count_ones() as usize);
    let mut line = Vec::new();
    for evidence in verdict.evidence() {
        line.clear();
        verdict.explain(evidence, &mut line);
        let graphic = |byte: &u8| byte.is_ascii_graphic() || *byte == b' ';
        assert!(line.starts_with(evidence.test.name().as_bytes()) && line.iter().all(graphic));
    }
}

fn fixed(message: &Message<'_>, sip_asymmetric: bool) {
    let mut edits = Edits::new();
    if nat::fix_contact(message, sip_asymmetric, &mut edits).is_err() {
        assert!(edits.is_empty());
        return;
    }
    holds_for_edits(message.raw(), &edits);
    let mut out = Vec::new();
    edits.apply(message, &mut out).expect("edits of its own message");
    if edits.is_empty() {
        assert_eq!(out, message.raw());
        return;
    }
    if out.len() > MAX_MESSAGE {
        return;
    }
    contact_is_fixed(message, &out, sip_asymmetric);
    let count = edits.len();
    nat::fix_contact(message, sip_asymmetric, &mut edits).unwrap();
    assert_eq!(edits.len(), count, "a verb replaces its own edits");
}

/// `out` is the message with its Contacts fixed: only host, port and maddr
/// changed, and a second fix changes nothing.
pub fn contact_is_fixed(message: &Message<'_>, out: &[u8], sip_asymmetric: bool) {
    let source = *message.source();
    let edited = Message::parse(out, source).expect("the edited message reads back");
    let (mut before, mut after) = (message.contacts().flatten(), edited.contacts().flatten());
    let mut count = 0;
    loop {
        let (before, after) = match (before.next(), after.next()) {
            (Some(before), Some(after)) => (before, after),
            (None, None) => break,
            one => panic!("a Contact came or went: {one:?}"),
        };
        assert_eq!(after.uri.user, before.uri.user);
        assert_eq!(after.uri.headers, before.uri.headers);
        assert_eq!(after.parameters, before.parameters);
        if after == before {
            continue;
        }
        count += 1;
        assert!(!before.uri.is_gruu());
        assert_eq!(after.uri.host, Host::Ip(source.address.ip().to_canonical()));
        let port = if sip_asymmetric { before.uri.port } else { Some(source.address.port()) };
        assert_eq!(after.uri.port, port);
        assert_eq!(after.uri.parameter(b"maddr"), None);
    }
    assert_ne!(count, 0, "an edit changes a Contact");
    assert_eq!(edited.start_line(), message.start_line());
    assert_eq!(edited.top_via(), message.top_via());
    assert_eq!(edited.call_id(), message.call_id());
    assert_eq!(edited.body(), message.body());
    let mut again = Edits::new();
    nat::fix_contact(&edited, sip_asymmetric, &mut again).unwrap();
    assert!(again.is_empty(), "a fixed message needs no fix");
}
