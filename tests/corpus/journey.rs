//! Every file on its way through the library: read, judged, fixed, rewritten,
//! applied. What becomes of each is counted, and a second opinion looks at
//! every rewritten message.

use std::net::{IpAddr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};

use mediaproxy::Edits;
use mediaproxy::IceCandidate;
use mediaproxy::Options;
use mediaproxy::internals::capi::status::MpStatus;
use mediaproxy::internals::relay::Role;
use mediaproxy::nat::{Tests, Verdict};
use mediaproxy::sdp::Session;
use mediaproxy::sip::body::find_sdp;
use mediaproxy::sip::{Message, Source};
use mediaproxy::{Error, Worker};

use crate::tally::Tally;
use kit::corpus::{Kind, Listed, all, corpus};
use kit::oracle::{self, Given};
use kit::relay::Relay;
use kit::rewriting::{Case, invite, ports_answer};
use kit::{udp, worker};

/// Where messages come from that were not captured.
const SOURCE: &str = "203.0.113.5:61234";
/// What the relays say; no file of the corpus names it.
const RELAY: &str = "203.0.113.9";
const RELAY_IPV6: &str = "2001:db8:ffff::9";

/// An error as the C interface names it.
fn named(error: &Error) -> String {
    format!("{:?}", MpStatus::from(error.status()))
}

#[test]
fn corpus_outcomes_are_the_committed_ones() {
    let Some(root) = corpus(kit::here!()) else { return };
    let relay = Relay::answering();
    let mut tally = Tally::default();
    let mut panics = Vec::new();
    for file in &all(&root) {
        let folder = file.folder();
        let journey = AssertUnwindSafe(|| {
            let source = file.source.unwrap_or_else(|| udp(SOURCE));
            as_message(&folder, &file.bytes, source, &relay, &mut tally);
            if matches!(file.kind, Kind::Sdp | Kind::Other) {
                let folder = format!("{folder} in an INVITE");
                as_message(&folder, &invite(&file.bytes), source, &relay, &mut tally);
            }
        });
        if catch_unwind(journey).is_err() {
            panics.push(file.path.clone());
        }
    }
    assert!(panics.is_empty(), "{} files fail: {panics:#?}", panics.len());
    tally.compare("corpus-counts.tsv");
}

fn as_message(folder: &str, raw: &[u8], source: Source, relay: &Relay, tally: &mut Tally) {
    let message = match Message::parse(raw, source) {
        Ok(message) => message,
        Err(error) => return tally.count(folder, "parse", &named(&error)),
    };
    tally.count(folder, "parse", "read");
    let uri = format!("{};ipv6=yes", relay.uri());
    // A busy machine must not change what is counted.
    let slow = [("relay", &*uri), ("relay_timeout", "5000"), ("relay_try", "5000")];
    let mut worker = worker(&slow);

    let mut verdict = Verdict::new();
    let outcome = match worker.nat_test(&message, Tests::ALL, false, &mut verdict) {
        Ok(()) if verdict.natted() => "natted",
        Ok(()) => "not_natted",
        Err(error) => &named(&error),
    };
    tally.count(folder, "nat_test", outcome);

    let mut edits = Edits::new();
    let outcome = match worker.fix_contact(&message, &mut edits) {
        Ok(()) if edits.is_empty() => "unchanged",
        Ok(()) => {
            let fixed = apply(&message, &edits);
            assert_eq!(fixed, oracle::spliced(raw, &edits), "no other byte changes");
            let again = Message::parse(&fixed, source).unwrap();
            worker.fix_contact(&again, &mut edits).unwrap();
            assert!(edits.is_empty(), "a fixed message needs no fix");
            "edited"
        }
        Err(error) => &named(&error),
    };
    tally.count(folder, "fix_contact", outcome);

    let outcome = rewritten(&message, &mut worker);
    tally.count(folder, "rewrite_sdp", &outcome);
    together(&message, &mut worker);
}

/// Both verbs on one list give what they give one after the other.
fn together(message: &Message<'_>, worker: &mut Worker) {
    let mut both = Edits::new();
    let contact = worker.fix_contact(message, &mut both);
    let options = Options::default();
    let sdp = worker.rewrite_sdp(message, &options, &mut both);
    if contact.is_err() || sdp != Ok(true) {
        return;
    }
    let mut edits = Edits::new();
    worker.fix_contact(message, &mut edits).unwrap();
    let fixed = apply(message, &edits);
    let fixed = Message::parse(&fixed, *message.source()).unwrap();
    edits.reset();
    assert_eq!(worker.rewrite_sdp(&fixed, &options, &mut edits), Ok(true));
    assert_eq!(apply(message, &both), apply(&fixed, &edits));
}

fn apply(message: &Message<'_>, edits: &Edits) -> Vec<u8> {
    let mut out = Vec::new();
    edits.apply(message, &mut out).unwrap();
    out
}

/// Asks the relay as a server does, looks at what comes out, and lets the
/// message come by once more.
fn rewritten(message: &Message<'_>, worker: &mut Worker) -> String {
    let mut edits = Edits::new();
    match worker.rewrite_sdp(message, &Options::default(), &mut edits) {
        Ok(true) => {}
        Ok(false) => return "MP_NO_SDP".into(),
        Err(error) => {
            assert!(edits.is_empty(), "an error leaves the message as it was");
            return named(&error);
        }
    }
    let out = apply(message, &edits);
    let ports: Vec<u16> = (0..64).map(|index| 50000 + 4 * index).collect();
    let given = Given { address: RELAY.parse().unwrap(), ports: &ports };
    // Nothing changed is a claim too: that there is no stream to relay.
    oracle::check(message.raw(), &out, &edits, &given, false);
    if edits.is_empty() {
        assert_eq!(out, message.raw());
        return "unchanged".into();
    }

    let mut again = Edits::new();
    assert_eq!(worker.rewrite_sdp(message, &Options::default(), &mut again), Ok(true));
    assert_eq!(apply(message, &again), out, "a retransmission gives the same bytes");
    let spiral = Message::parse(&out, *message.source()).unwrap();
    assert_eq!(worker.rewrite_sdp(&spiral, &Options::default(), &mut again), Ok(true));
    assert_eq!(apply(&spiral, &again), out, "what is at the relay already is left alone");
    // A stream on hold by address does not say where it is: it is asked for again.
    assert!(again.is_empty() || oracle::holds_by_address(&out));
    "edited".into()
}

/// One way to rewrite a message whose relay answers at once.
struct Way {
    role: Role,
    address: &'static str,
    ice: IceCandidate,
    /// The relay refuses every second stream.
    refuses: bool,
}

const WAYS: [Way; 6] = [
    Way { role: Role::Offer, address: RELAY, ice: IceCandidate::None, refuses: false },
    Way { role: Role::Answer, address: RELAY, ice: IceCandidate::None, refuses: false },
    Way { role: Role::Offer, address: RELAY_IPV6, ice: IceCandidate::None, refuses: false },
    Way { role: Role::Offer, address: RELAY, ice: IceCandidate::HighPriority, refuses: false },
    Way { role: Role::Answer, address: RELAY, ice: IceCandidate::None, refuses: true },
    Way { role: Role::Answer, address: RELAY_IPV6, ice: IceCandidate::LowPriority, refuses: true },
];

#[test]
fn sdp_of_the_corpus_agrees_with_the_oracle_in_every_role_and_family() {
    let Some(root) = corpus(kit::here!()) else { return };
    let (mut judged, mut unchanged) = (0, 0);
    let mut failed = Vec::new();
    for Listed { path, kind, bytes, .. } in &all(&root) {
        let raw = match kind {
            Kind::Capture => continue,
            Kind::Sip => bytes.clone(),
            Kind::Sdp | Kind::Other => invite(bytes),
        };
        for (number, way) in WAYS.iter().enumerate() {
            match catch_unwind(AssertUnwindSafe(|| go(way, &raw))) {
                Ok(Some(true)) => judged += 1,
                Ok(Some(false)) => unchanged += 1,
                Ok(None) => {}
                Err(_) => failed.push(format!("{path}, way {number}")),
            }
        }
    }
    println!("{judged} rewritten and {unchanged} unchanged messages judged");
    assert!(failed.is_empty(), "{} fail: {failed:#?}", failed.len());
    assert!(judged > 6_000, "only {judged} rewritten messages");
    assert!(unchanged > 2_000, "only {unchanged} unchanged messages");
}

/// Whether the message was rewritten; `None` for one that the library refuses.
fn go(way: &Way, raw: &[u8]) -> Option<bool> {
    let message = Message::parse(raw, udp(SOURCE)).ok()?;
    let text = find_sdp(&message).ok()??;
    let session = Session::parse(text).ok()?;
    let listed = session.media.len() as u16;
    let refused = |index: u16| way.refuses && index % 2 == 1;
    let ports: Vec<u16> =
        (0..listed).map(|index| if refused(index) { 0 } else { 50000 + 4 * index }).collect();
    let mut case = Case {
        role: way.role,
        ice: way.ice,
        answer: ports_answer(way.address, &ports),
        ..Case::offer(way.address, &[])
    };
    let plan = case.plan(&message).ok()?;
    let mut edits = Edits::new();
    plan.fill(&case.answer, &mut edits, &mut |_| {}).unwrap();
    let out = apply(&message, &edits);
    let address: IpAddr = way.address.parse().unwrap();
    let candidates = way.ice != IceCandidate::None;
    oracle::check(raw, &out, &edits, &Given { address, ports: &ports }, candidates);
    if edits.is_empty() {
        assert_eq!(out, raw);
        return Some(false);
    }

    if !candidates {
        let (again, _) = case.run(&out).unwrap();
        assert_eq!(again, out, "the same relay's answer gives the same bytes");
    }
    case.ours = ports.iter().map(|port| SocketAddr::new(address, *port)).collect();
    let (again, _) = case.run(&out).unwrap();
    assert_eq!(again, out, "what is at the relay already is left alone");
    Some(true)
}
