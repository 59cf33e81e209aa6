//! Messages: every getter, every test, the fix.

use std::collections::BTreeSet;

use kit::corpus::{Kind, all, corpus};
use kit::fuzz::message::{contact_is_fixed, getters};
use kit::udp;
use mediaproxy::Edits;
use mediaproxy::nat::{self, Context, Networks, Tests, Verdict};
use mediaproxy::sip::{Message, Source};

#[derive(Debug, Default)]
struct Counts {
    read: usize,
    refused: usize,
    with_contact: usize,
    unreadable_contact: usize,
    unreadable_via: usize,
    unreadable_body: usize,
    natted: usize,
    fixed: usize,
    alike: usize,
}

struct Judge {
    private: Networks,
    local: Networks,
    verdict: Verdict,
    edits: Edits,
    out: Vec<u8>,
    counts: Counts,
}

impl Judge {
    fn new() -> Self {
        Judge {
            private: Networks::rfc1918(),
            local: Networks::default(),
            verdict: Verdict::new(),
            edits: Edits::new(),
            out: Vec::new(),
            counts: Counts::default(),
        }
    }

    /// Everything that can be done with one message. Whatever its bytes:
    /// nothing panics, what was fixed reads back as the source, and nothing
    /// but the Contact changed.
    fn judge(&mut self, raw: &[u8], source: Source) {
        let Ok(message) = Message::parse(raw, source) else {
            self.counts.refused += 1;
            return;
        };
        self.counts.read += 1;
        getters(&message);
        let contact = message.contact();
        self.counts.with_contact += usize::from(matches!(contact, Ok(Some(_))));
        self.counts.unreadable_contact += usize::from(contact.is_err());
        self.counts.unreadable_via += usize::from(message.top_via().is_err());
        self.counts.unreadable_body += usize::from(message.body().is_err());

        let context = Context { private: &self.private, local: &self.local, sip_asymmetric: false };
        for first_only in [true, false] {
            let outcome = nat::test(&message, &context, Tests::ALL, first_only, &mut self.verdict);
            if outcome.is_err() {
                // A test that needs what cannot be read fails alone.
                assert!(message.contact().is_err() || message.top_via().is_err());
            }
        }
        self.counts.natted += usize::from(self.verdict.natted());
        let mut line = Vec::new();
        for evidence in self.verdict.evidence() {
            self.verdict.explain(evidence, &mut line);
        }
        for bit in (0..13).map(|shift| 1 << shift) {
            if let Ok(test) = Tests::from_bits(bit) {
                let _ = nat::test(&message, &context, test, false, &mut self.verdict);
            }
        }

        for sip_asymmetric in [true, false] {
            self.fix(&message, sip_asymmetric);
        }
    }

    fn fix(&mut self, message: &Message<'_>, sip_asymmetric: bool) {
        self.edits.reset();
        if nat::fix_contact(message, sip_asymmetric, &mut self.edits).is_err() {
            assert!(self.edits.is_empty());
            return;
        }
        self.edits.apply(message, &mut self.out).expect("edits of its own message");
        if self.edits.is_empty() {
            assert_eq!(self.out, message.raw());
            self.counts.alike += usize::from(!sip_asymmetric);
            return;
        }
        self.counts.fixed += usize::from(!sip_asymmetric);
        contact_is_fixed(message, &self.out, sip_asymmetric);
    }
}

const SOURCES: [&str; 2] = ["203.0.113.5:61234", "[2001:db8::5]:5060"];

#[test]
fn messages_of_the_corpus_are_read_tested_and_fixed() {
    let Some(root) = corpus(kit::here!()) else { return };
    let mut judge = Judge::new();
    for file in all(&root).iter().filter(|file| file.kind == Kind::Sip) {
        let sources = file.source.into_iter().chain(SOURCES.map(udp));
        for source in sources {
            judge.judge(&file.bytes, source);
        }
    }
    println!("{:?}", judge.counts);
    assert!(judge.counts.fixed > judge.counts.read / 4, "most of them have a Contact");
}

#[test]
fn parser_takes_every_file_of_the_corpus() {
    let Some(root) = corpus(kit::here!()) else { return };
    let files = all(&root);
    let mut judge = Judge::new();
    for file in &files {
        judge.judge(&file.bytes, udp(SOURCES[0]));
        // Cut anywhere, the message must still be told from nothing.
        for cut in (0..file.bytes.len().min(2_000)).step_by(97) {
            judge.judge(&file.bytes[..cut], udp(SOURCES[0]));
        }
    }
    println!("{} files, whole and cut: {:?}", files.len(), judge.counts);
    assert!(judge.counts.read > 0);
}

#[test]
fn captured_phones_have_the_expected_verdict() {
    let Some(root) = corpus(kit::here!()) else { return };
    let mut seen = BTreeSet::new();
    for file in all(&root).iter().filter(|file| file.kind == Kind::Sip) {
        let Some(source) = file.source else { continue };
        let has = |tag: &str| file.features.iter().any(|feature| feature == tag);
        let Ok(message) = Message::parse(&file.bytes, source) else { continue };
        let networks = (Networks::rfc1918(), Networks::default());
        let context = Context { private: &networks.0, local: &networks.1, sip_asymmetric: false };
        let matched = |test: Tests| {
            let mut verdict = Verdict::new();
            nat::test(&message, &context, test, false, &mut verdict).ok().map(|()| verdict.natted())
        };
        let request = message.status().is_none();
        for (tag, test, applies) in [
            ("src-ip!=via", Tests::SOURCE_ADDRESS, request),
            ("src-port!=via", Tests::SOURCE_PORT, request),
            ("src-ip!=contact", Tests::SOURCE_CONTACT, true),
        ] {
            if has(tag) && applies {
                // Some are fuzzed: a header that cannot be read is no verdict.
                let Some(natted) = matched(test) else { continue };
                assert!(natted, "{} {tag}", file.path);
                seen.insert(tag);
            }
        }
    }
    assert_eq!(seen.len(), 3, "{seen:?}");
}
