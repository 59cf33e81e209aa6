//! Messages that nobody on this project wrote: every getter, every test, the
//! fix. The corpus lies outside the tree; without it these tests skip.

mod common;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use common::udp;
use mediaproxy::address::Host;
use mediaproxy::edit::Edits;
use mediaproxy::nat::{self, Networks, Surroundings, Tests, Verdict};
use mediaproxy::sip::{HeaderName, Message, Source, Transport};

/// Where the corpus is, if it is.
fn corpus() -> Option<PathBuf> {
    let root = std::env::var_os("MEDIAPROXY_CORPUS").map(PathBuf::from);
    let root =
        root.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus"));
    if root.join("MANIFEST.tsv").is_file() {
        return Some(root);
    }
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("corpus_sip");
    println!("SKIP {test}: no corpus at {} (set MEDIAPROXY_CORPUS)", root.display());
    None
}

/// One line of the manifest: path, features, true source if captured.
struct Listed {
    path: String,
    features: Vec<String>,
    source: Option<Source>,
}

fn listed(root: &Path, kind: &str) -> Vec<Listed> {
    let manifest = std::fs::read(root.join("MANIFEST.tsv")).unwrap();
    let manifest = String::from_utf8_lossy(&manifest).into_owned();
    let rows = manifest.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    rows.filter(|row| row.get(1) == Some(&kind))
        .map(|row| Listed {
            path: row[0].to_string(),
            features: row.get(6).map_or(Vec::new(), |f| f.split(',').map(str::to_string).collect()),
            source: row.get(7).and_then(|flow| captured(flow)),
        })
        .collect()
}

/// The sender in `udp 192.0.2.1:5060 > 192.0.2.2:5060`.
fn captured(flow: &str) -> Option<Source> {
    let address = flow.split(' ').nth(1)?.parse().ok()?;
    Some(Source { address, local: None, transport: Transport::Udp })
}

/// All files below a folder, whatever the manifest says.
fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, files);
        } else {
            files.push(path);
        }
    }
}

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
        ask_everything(&message);
        let contact = message.contact();
        self.counts.with_contact += usize::from(matches!(contact, Ok(Some(_))));
        self.counts.unreadable_contact += usize::from(contact.is_err());
        self.counts.unreadable_via += usize::from(message.top_via().is_err());
        self.counts.unreadable_body += usize::from(message.body().is_err());

        let around =
            Surroundings { private: &self.private, local: &self.local, sip_asymmetric: false };
        for first_only in [true, false] {
            let outcome = nat::test(&message, &around, Tests::ALL, first_only, &mut self.verdict);
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
                let _ = nat::test(&message, &around, test, false, &mut self.verdict);
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
        let before = message.contact().unwrap().unwrap();
        let source = *message.source();
        let edited = Message::parse(&self.out, source).expect("the edited message reads back");
        let after = edited.contact().unwrap().expect("the Contact is still there");
        assert_eq!(after.uri.host, Host::Ip(source.address.ip().to_canonical()));
        if sip_asymmetric {
            assert_eq!(after.uri.port, before.uri.port);
        } else {
            assert_eq!(after.uri.port, Some(source.address.port()));
        }
        assert_eq!(after.uri.parameter(b"maddr"), None);
        assert_eq!(after.uri.user, before.uri.user);
        assert_eq!(after.uri.headers, before.uri.headers);
        assert_eq!(after.parameters, before.parameters);
        assert_eq!(edited.start_line(), message.start_line());
        assert_eq!(edited.top_via(), message.top_via());
        assert_eq!(edited.call_id(), message.call_id());
        assert_eq!(edited.body(), message.body());
        let mut again = Edits::new();
        nat::fix_contact(&edited, sip_asymmetric, &mut again).unwrap();
        assert!(again.is_empty(), "a fixed message needs no fix");
    }
}

fn ask_everything(message: &Message<'_>) {
    let _ = (message.top_via(), message.contact(), message.cseq(), message.call_id());
    let _ = (message.from_tag(), message.to_tag(), message.from_uri(), message.to_uri());
    let _ = (message.user_agent(), message.request_uri(), message.method(), message.line_end());
    let _ = (message.body_offset(), message.body());
    let found = message.headers(HeaderName::Contact).count();
    assert_eq!(
        message.header(HeaderName::Contact).ok().flatten().is_none(),
        found == 0
            || message.headers(HeaderName::Contact).next().is_some_and(|first| first.is_err())
    );
}

const SOURCES: [&str; 2] = ["203.0.113.5:61234", "[2001:db8::5]:5060"];

#[test]
fn every_message_is_read_judged_and_fixed() {
    let Some(root) = corpus() else { return };
    let listed = listed(&root, "sip");
    let mut judge = Judge::new();
    for entry in &listed {
        let raw = std::fs::read(root.join(&entry.path)).unwrap();
        let sources = entry.source.into_iter().chain(SOURCES.map(udp));
        for source in sources {
            judge.judge(&raw, source);
        }
    }
    println!("{} listed messages: {:?}", listed.len(), judge.counts);
    assert!(judge.counts.fixed > listed.len() / 4, "most of them have a Contact");
}

#[test]
fn no_file_of_the_corpus_upsets_the_parser() {
    let Some(root) = corpus() else { return };
    let mut files = Vec::new();
    walk(&root, &mut files);
    let mut judge = Judge::new();
    for path in &files {
        let raw = std::fs::read(path).unwrap();
        judge.judge(&raw, udp(SOURCES[0]));
        // Cut anywhere, the message must still be told from nothing.
        for cut in (0..raw.len().min(2_000)).step_by(97) {
            judge.judge(&raw[..cut], udp(SOURCES[0]));
        }
    }
    println!("{} files, whole and cut: {:?}", files.len(), judge.counts);
    assert!(judge.counts.read > 0);
}

#[test]
fn captured_phones_are_judged_by_where_they_came_from() {
    let Some(root) = corpus() else { return };
    let mut seen = BTreeSet::new();
    for entry in listed(&root, "sip") {
        let Some(source) = entry.source else { continue };
        let has = |tag: &str| entry.features.iter().any(|feature| feature == tag);
        let raw = std::fs::read(root.join(&entry.path)).unwrap();
        let Ok(message) = Message::parse(&raw, source) else { continue };
        let networks = (Networks::rfc1918(), Networks::default());
        let around =
            Surroundings { private: &networks.0, local: &networks.1, sip_asymmetric: false };
        let matched = |test: Tests| {
            let mut verdict = Verdict::new();
            nat::test(&message, &around, test, false, &mut verdict).ok().map(|()| verdict.natted())
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
                assert!(natted, "{} {tag}", entry.path);
                seen.insert(tag);
            }
        }
    }
    assert_eq!(seen.len(), 3, "{seen:?}");
}
