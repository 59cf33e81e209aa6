//! Descriptions that nobody on this project wrote: each is read, planned and
//! rewritten for a stand-in relay, and keeps every promise.

#[path = "common/promises.rs"]
mod promises;
#[path = "common/rewriting.rs"]
mod rewriting;

use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};

use mediaproxy::media::Role;
use mediaproxy::sdp::Session;
use mediaproxy::sdp::multipart::find_sdp;
use mediaproxy::sip::Message;
use rewriting::{Case, invite, parse, ports_answer, source};

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
fn every_description_of_the_corpus() {
    let corpus = std::env::var_os("MEDIAPROXY_CORPUS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus"),
        PathBuf::from,
    );
    let Ok(manifest) = std::fs::read(corpus.join("MANIFEST.tsv")) else {
        println!("SKIP every_description_of_the_corpus: no corpus at {}", corpus.display());
        return;
    };
    let mut counts = Counts::default();
    for row in String::from_utf8_lossy(&manifest).lines().skip(1) {
        let mut columns = row.split('\t');
        let (Some(file), Some(kind)) = (columns.next(), columns.next()) else { continue };
        if kind == "pcap" {
            continue;
        }
        let Ok(bytes) = std::fs::read(corpus.join(file)) else { continue };
        let raw = if kind == "sip" { bytes } else { invite(&bytes) };
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
