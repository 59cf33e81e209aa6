//! What is counted, and how it is written.

use mediaproxy::Options;
use mediaproxy::internals::edit::{Edits, Verb};
use mediaproxy::internals::shared::Counter;
use mediaproxy::internals::shared::deletes::MAX_DELETE_BYTES;
use mediaproxy::internals::shared::health::{AdminState, RelayCounter};
use mediaproxy::now;
use mediaproxy::sip::Message;
use mediaproxy::statistics::Statistics;
use mediaproxy::{Status, Worker};

use super::calls::{bye, end, failure, ok, rewrite};
use kit::call::invite;
use kit::children::{alone, children};
use kit::directory::Directory;
use kit::relay::{Relay, Reply};
use kit::{engine, relay_and_worker, worker};

#[test]
fn counters_are_shared_by_the_processes_of_a_server() {
    let _alone = alone();
    let (first, second) = (Relay::answering(), Relay::scripted(|_| Reply::Say("error\r\n".into())));
    let refusing = format!("{};set=refusing", second.uri());
    let engine = engine(&[("relay", &first.uri()), ("relay", &refusing)]);
    children(4, |process| {
        let mut worker = Worker::new(engine.clone()).unwrap();
        for n in 0..5 {
            let id = format!("{process}-{n}@x");
            rewrite(&mut worker, &id, invite()).unwrap();
            rewrite(&mut worker, &id, ok("b")).unwrap();
            if n % 2 == 0 {
                end(&mut worker, &id, bye());
            }
        }
        let refused = Options { set: "refusing".into(), ..Options::default() };
        let id = format!("{process}@x");
        super::calls::rewrite_with(&mut worker, &id, invite(), &refused).unwrap_err();
    });
    let counted = Statistics::of(&engine);
    assert_eq!(counted.value(Counter::Requests), 44);
    assert_eq!(counted.value(Counter::Offers), 24);
    assert_eq!(counted.value(Counter::Answers), 20);
    assert_eq!(counted.value(Counter::Rewritten), 40);
    assert_eq!(counted.value(Counter::FailedAnswer), 4);
    assert_eq!(counted.value(Counter::Terminations), 12);
    assert_eq!(counted.value(Counter::DeletesSent), 12);
    assert_eq!(counted.latency.iter().sum::<u64>(), 44);
    assert_eq!(counted.value(Counter::ActiveCalls), 8);
    assert_eq!(counted.value(Counter::MaxCalls), 256);
    let [one, other] = counted.relays.as_slice() else { panic!("two relays") };
    assert_eq!(one.name, first.uri());
    assert_eq!((one.value(RelayCounter::ActiveCalls), one.value(RelayCounter::Calls)), (8, 20));
    assert_eq!(one.value(RelayCounter::Requests), 40);
    assert_eq!(one.value(RelayCounter::Deletes), 12);
    assert_eq!(other.value(RelayCounter::Refusals), 4);
    assert_eq!((other.value(RelayCounter::ActiveCalls), other.value(RelayCounter::Calls)), (0, 0));
}

#[test]
fn cancelled_rewrite_is_counted() {
    let relay = Relay::scripted(|_| Reply::Silence);
    let mut worker = worker(&[("relay", &relay.uri())]);
    let step = invite();
    let raw = step.bytes();
    let message = Message::parse(&raw, step.source()).unwrap();
    drop(worker.rewrite_start(&message, &Options::default(), now()).unwrap());
    let counters = worker.engine().counters();
    assert_eq!(counters.get(Counter::Requests), 1);
    assert_eq!(counters.get(Counter::Cancelled), 1);
}

#[test]
fn rewrite_with_conflicting_edits_is_counted_as_failed_other() {
    let (_relay, mut worker) = relay_and_worker();
    let step = invite();
    let raw = step.bytes();
    let message = Message::parse(&raw, step.source()).unwrap();
    // Another verb has replaced the whole message.
    let mut edits = Edits::new();
    edits.push(Verb::FixContact, 0, raw.len(), b"x").unwrap();
    let error = worker.rewrite_sdp(&message, &Options::default(), &mut edits).unwrap_err();
    assert_eq!(error.status(), Status::Edits);
    let counters = worker.engine().counters();
    assert_eq!(counters.get(Counter::Requests), 1);
    assert_eq!(counters.get(Counter::FailedOther), 1);
    assert_eq!(counters.get(Counter::Rewritten), 0);
}

#[test]
fn call_table_full_calls_are_counted_and_relayed() {
    let relay = Relay::answering();
    let mut worker = worker(&[("relay", &relay.uri()), ("max_calls", "16")]);
    for n in 0..20 {
        rewrite(&mut worker, &format!("{n}@x"), invite()).unwrap();
    }
    let counted = Statistics::of(worker.engine());
    assert_eq!((counted.value(Counter::ActiveCalls), counted.value(Counter::MaxCalls)), (16, 16));
    assert_eq!(counted.value(Counter::CallsNotStored), 4);
    assert_eq!(counted.value(Counter::Rewritten), 20);
}

#[test]
fn deletes_that_cannot_be_queued_are_counted_as_dropped() {
    let relay = Relay::answering();
    let away = relay.path().with_extension("away");
    let mut worker = worker(&[("relay", &relay.uri())]);
    let long = "x".repeat(MAX_DELETE_BYTES + 1);
    for id in [&long, "short@x"] {
        rewrite(&mut worker, id, invite()).unwrap();
    }
    std::fs::rename(relay.path(), &away).unwrap();
    // One that has no open connection to it.
    let mut worker = Worker::new(worker.engine().clone()).unwrap();
    for id in [&long, "short@x"] {
        end(&mut worker, id, failure());
    }
    let counted = Statistics::of(worker.engine());
    assert_eq!(counted.value(Counter::Terminations), 2);
    assert_eq!(counted.value(Counter::DeletesSent), 0);
    assert_eq!(counted.value(Counter::DeletesDropped), 1);
    assert_eq!(
        (counted.value(Counter::DeletesQueued), counted.value(Counter::DeletesWaiting)),
        (1, 1)
    );
    std::fs::rename(&away, relay.path()).unwrap();
}

#[test]
fn removed_relay_is_listed_while_it_has_calls() {
    let (kept, gone) = (Relay::answering(), Relay::answering());
    let directory = Directory::new();
    let file = directory.file("relays", &format!("{};weight=0\n{}", kept.uri(), gone.uri()));
    let engine = engine(&[("relays", &file)]);
    let mut worker = Worker::new(engine.clone()).unwrap();
    rewrite(&mut worker, "1@x", invite()).unwrap();
    directory.file("relays", &kept.uri());
    let known = Statistics::of(&engine).relays;
    assert_eq!(known.len(), 2);
    assert!(known[0].line.is_some() && known[0].value(RelayCounter::ActiveCalls) == 0);
    assert!(
        known[1].line.is_none()
            && known[1].value(RelayCounter::ActiveCalls) == 1
            && known[1].name == gone.uri()
    );
}

/// A line of Prometheus' text format: its name and value.
fn sample(line: &str) -> (&str, f64) {
    let (name, value) = line.rsplit_once(' ').expect("a value");
    let (bare, labels) = name.split_once('{').unwrap_or((name, "}"));
    assert!(bare.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'), "{line}");
    assert!(labels.ends_with('}'), "{line}");
    (name, value.parse().unwrap_or_else(|_| panic!("{line}")))
}

#[test]
fn prometheus_and_json_agree_with_the_values() {
    let (relay, mut worker) = relay_and_worker();
    rewrite(&mut worker, "1@x", invite()).unwrap();
    worker.engine().set_admin_state(&relay.uri(), AdminState::Draining).unwrap();
    let statistics = Statistics::of(worker.engine());
    let text = statistics.prometheus();
    let samples: std::collections::BTreeMap<&str, f64> =
        text.lines().filter(|line| !line.starts_with('#')).map(sample).collect();
    let of_relay = |name: &str| format!("mediaproxy_relay_{name}{{relay=\"{}\"}}", relay.uri());
    for (name, value) in [
        ("mediaproxy_requests_total", 1.0),
        ("mediaproxy_offers_total", 1.0),
        ("mediaproxy_rewritten_total", 1.0),
        ("mediaproxy_active_calls", 1.0),
        ("mediaproxy_request_seconds_count", 1.0),
        ("mediaproxy_request_seconds_bucket{le=\"+Inf\"}", 1.0),
        (&of_relay("up"), 1.0),
        (&of_relay("enabled"), 0.0),
        (&of_relay("active_calls"), 1.0),
        (&of_relay("requests_total"), 1.0),
    ] {
        assert_eq!(samples.get(name), Some(&value), "{name} in\n{text}");
    }
    let typed = text.lines().filter(|line| line.starts_with("# TYPE ")).count();
    let helped = text.lines().filter(|line| line.starts_with("# HELP ")).count();
    assert_eq!(typed, helped);
    let buckets: Vec<f64> =
        text.lines().filter(|line| line.contains("_bucket{")).map(|line| sample(line).1).collect();
    assert_eq!(buckets.len(), 12);
    assert!(buckets.is_sorted(), "buckets are cumulative: {buckets:?}");

    let json = statistics.json();
    for part in [
        "\"requests\":1,",
        "\"rewritten\":1,",
        "\"active_calls\":1,",
        "\"health\":\"up\",\"admin_state\":\"draining\",\"listed\":true",
        &format!("\"relay\":\"{}\"", relay.uri()),
    ] {
        assert!(json.contains(part), "{part} in {json}");
    }
    let depth = json.bytes().fold(0i32, |depth, byte| match byte {
        b'{' | b'[' => depth + 1,
        b'}' | b']' => depth - 1,
        _ => depth,
    });
    assert_eq!(depth, 0);
    assert!(!json.contains(",}") && !json.contains(",]") && !json.contains(",,"), "{json}");
}
