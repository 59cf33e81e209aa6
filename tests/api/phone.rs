//! What `nat_test` and `fix_contact` make of one message of a phone.

mod first_hop;
mod gruu;
mod maddr;
mod several;
mod transports;

use kit::{applied, crlf};
use mediaproxy::Source;
use mediaproxy::internals::edit::Edits;
use mediaproxy::nat::{Context, Networks, Tests, Verdict, fix_contact, test};
use mediaproxy::sip::Message;

/// A message with these header lines.
fn message(start: &str, lines: &str) -> Vec<u8> {
    crlf(&format!(
        "{start}\n{lines}\nFrom: <sip:a@example.com>;tag=a\nTo: <sip:b@example.com>;tag=b\n\
         Call-ID: c\nContent-Length: 0\n\n"
    ))
}

/// The kinds of message that have a Contact of their sender: request, reply.
const KINDS: [(&str, &str); 6] = [
    ("REGISTER sip:example.com SIP/2.0", "REGISTER"),
    ("INVITE sip:b@example.com SIP/2.0", "INVITE"),
    ("SUBSCRIBE sip:b@example.com SIP/2.0", "SUBSCRIBE"),
    ("SIP/2.0 180 Ringing", "INVITE"),
    ("SIP/2.0 200 OK", "INVITE"),
    ("SIP/2.0 200 OK", "UPDATE"),
];

/// A message of one of these kinds, whose Via is `via`.
fn of_kind(kind: (&str, &str), via: &str, contacts: &str) -> Vec<u8> {
    let (start, method) = kind;
    message(start, &format!("Via: {via};branch=z9hG4bK1\nCSeq: 1 {method}\n{contacts}"))
}

/// The tests of `bits` that match.
fn matched(raw: &[u8], source: Source, bits: u32) -> u32 {
    let message = Message::parse(raw, source).unwrap();
    let (private, local) = (Networks::rfc1918(), Networks::default());
    let context = Context { private: &private, local: &local, sip_asymmetric: false };
    let mut verdict = Verdict::new();
    test(&message, &context, Tests::from_bits(bits).unwrap(), false, &mut verdict).unwrap();
    verdict.matched().bits()
}

/// The lines of evidence.
fn evidence(raw: &[u8], source: Source, bits: u32) -> Vec<String> {
    let message = Message::parse(raw, source).unwrap();
    let (private, local) = (Networks::rfc1918(), Networks::default());
    let context = Context { private: &private, local: &local, sip_asymmetric: false };
    let mut verdict = Verdict::new();
    test(&message, &context, Tests::from_bits(bits).unwrap(), false, &mut verdict).unwrap();
    let text = |evidence| {
        let mut line = Vec::new();
        verdict.explain(evidence, &mut line);
        String::from_utf8(line).unwrap()
    };
    verdict.evidence().iter().map(text).collect()
}

/// The message after `fix_contact`.
fn fixed(raw: &[u8], source: Source) -> String {
    let message = Message::parse(raw, source).unwrap();
    let mut edits = Edits::new();
    fix_contact(&message, false, &mut edits).unwrap();
    applied(raw, source, &edits)
}
