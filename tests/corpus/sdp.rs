//! Descriptions: each is read, planned and rewritten for a stand-in relay, and
//! keeps every promise.

use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use kit::corpus::{Kind, Listed, all, corpus};
use kit::promises;
use kit::rewriting::{Case, invite, parse, ports_answer, source};
use mediaproxy::internals::relay::Role;
use mediaproxy::sdp::Session;
use mediaproxy::sip::Message;
use mediaproxy::sip::body::find_sdp;

const RELAY: &str = "203.0.113.9";

#[derive(Debug, Default)]
struct Counts {
    files: usize,
    unreadable_messages: usize,
    without_description: usize,
    refused: usize,
    rewritten: usize,
    streams: usize,
}

#[test]
fn sdp_of_the_corpus_keeps_every_promise() {
    let Some(root) = corpus(kit::here!()) else { return };
    let mut counts = Counts::default();
    for Listed { path: file, kind, bytes, .. } in &all(&root) {
        let raw = match kind {
            Kind::Capture => continue,
            Kind::Sip => bytes.clone(),
            Kind::Sdp | Kind::Other => invite(bytes),
        };
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| rewrite(file, &raw, &mut counts))) {
            println!("in {file}");
            resume_unwind(panic);
        }
    }
    println!("{counts:?}");
    assert!(counts.rewritten > 1000, "{counts:?}");
}

fn rewrite(file: &str, raw: &[u8], counts: &mut Counts) {
    counts.files += 1;
    let Ok(was) = Message::parse(raw, source()) else {
        counts.unreadable_messages += 1;
        return;
    };
    let text = match find_sdp(&was) {
        Ok(Some(text)) => text,
        Ok(None) => {
            counts.without_description += 1;
            return;
        }
        Err(_) => {
            counts.refused += 1;
            return;
        }
    };
    let Ok(before) = Session::parse(text) else {
        counts.refused += 1;
        return;
    };
    let listed = before.media.iter().filter(|media| media.relayable()).count();
    let all: Vec<u16> = (0..listed as u16).map(|index| 50000 + 4 * index).collect();
    let every_second: Vec<u16> =
        all.iter().map(|port| if port % 8 == 0 { *port } else { 0 }).collect();
    for (role, ports) in [(Role::Offer, &all), (Role::Answer, &all), (Role::Answer, &every_second)]
    {
        let case = Case { role, answer: ports_answer(RELAY, ports), ..Case::offer(RELAY, &[]) };
        let Ok((out, _)) = case.run(raw) else {
            counts.refused += usize::from(role == Role::Offer);
            continue;
        };
        let is = parse(&out);
        let after = find_sdp(&is).unwrap().unwrap_or_else(|| panic!("{file}: no description"));
        let after = Session::parse(after).unwrap_or_else(|error| panic!("{file}: {error}"));
        promises::check(&before, &after, RELAY.parse::<IpAddr>().unwrap(), ports);
        if role == Role::Offer {
            counts.rewritten += 1;
            counts.streams += listed;
        }
    }
}
