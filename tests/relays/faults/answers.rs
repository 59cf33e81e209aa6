//! Answers that are late, torn, wrong or without end. The offer finds another
//! relay, or stays as it was; the relay is left alone only if it was silent.

use std::time::Duration;

use mediaproxy::Edits;
use mediaproxy::internals::shared::Counter;
use mediaproxy::internals::shared::health::RelayHealth;
use mediaproxy::now;
use mediaproxy::{Progress, Status, Worker};

use super::{failed_once, went_on_once};
use kit::call::{Step, alice_sdp, audio, rewrite, try_rewrite};
use kit::relay::{Relay, Reply, header};
use kit::worker;

/// One thing that a relay can do instead of an answer.
struct Fault {
    what: &'static str,
    /// What it does.
    reply: fn() -> Reply,
    status: Status,
    /// A part of the error.
    says: &'static str,
}

const fn fault(what: &'static str, says: &'static str, reply: fn() -> Reply) -> Fault {
    Fault { what, reply, status: Status::RelayAnswer, says }
}

const fn silent(what: &'static str, reply: fn() -> Reply) -> Fault {
    Fault { what, reply, status: Status::RelayTimeout, says: "did not answer in time" }
}

/// The offer of these tests has two streams.
const FAULTS: [Fault; 20] = [
    fault("error", "\"error\"", || Reply::Say("error\r\n".into())),
    fault("None", "\"None\"", || Reply::Say("None\r\n".into())),
    fault("nothing", "\"nothing\"", || Reply::Say("\r\n".into())),
    fault("no ports", "no ports", || Reply::Say("203.0.113.9\r\n".into())),
    fault("too few ports", "1 ports for 2 streams", || Reply::Say("203.0.113.9 50000\r\n".into())),
    fault("port 0", "no usable port", || Reply::Say("203.0.113.9 50000 0\r\n".into())),
    fault("port 65535", "no usable port", || Reply::Say("203.0.113.9 65535 50000\r\n".into())),
    fault("port 70000", "not ports", || Reply::Say("203.0.113.9 50000 70000\r\n".into())),
    fault("a name", "no address", || Reply::Say("relay.example.com 50000 50004\r\n".into())),
    fault("0.0.0.0", "not an address", || Reply::Say("0.0.0.0 50000 50004\r\n".into())),
    fault("multicast", "not an address", || Reply::Say("224.0.0.1 50000 50004\r\n".into())),
    fault("another answer", "\"removed\"", || Reply::Say("removed\r\n".into())),
    fault("no text", "no address", || Reply::Say("\u{fffd}\0\u{1}\r\n".into())),
    fault("1 MB in a line", "64 KiB", || {
        Reply::Say(format!("203.0.113.9{}\r\n", " 50000".repeat(170_000)))
    }),
    fault("no end", "64 KiB", || Reply::Endless(4096, Duration::ZERO)),
    fault("closed", "closed the connection", || Reply::Close),
    fault("closed within the answer", "closed the connection", || {
        Reply::Last("203.0.113.9 50000 500".into())
    }),
    silent("silence", || Reply::Silence),
    silent("half an answer", || Reply::Say("203.0.113.9 50000 50004".into())),
    silent("no end, drop by drop", || Reply::Endless(1, Duration::from_millis(10))),
];

/// An offer of two streams; each number is another transaction of the call.
fn offer(cseq: u32) -> Step {
    let two = alice_sdp() + "m=video 40002 RTP/AVP 31\n";
    Step::request("INVITE", cseq, "a", "").sdp(two)
}

fn is_up(worker: &Worker) -> bool {
    let health = worker.engine().health();
    health.slots().all(|slot| health.state(Some(slot)).health == RelayHealth::Up)
}

#[test]
fn fault_leaves_the_message_as_it_was_and_is_reported() {
    for fault in &FAULTS {
        let relay = Relay::scripted(|_| (fault.reply)());
        let mut worker = worker(&[("relay", &relay.uri()), ("relay_timeout", "150")]);
        let error = try_rewrite(&mut worker, &offer(1)).unwrap_err();
        assert_eq!(error.status(), fault.status, "{}: {error}", fault.what);
        let named = format!("relay {}: ", relay.uri());
        assert!(error.text().contains(&named), "{}: {error}", fault.what);
        assert!(error.text().contains(fault.says), "{}: {error}", fault.what);
        let is_silent = fault.status == Status::RelayTimeout;
        assert_eq!(is_up(&worker), !is_silent, "{}", fault.what);
        let counted = if is_silent { Counter::FailedTimeout } else { Counter::FailedAnswer };
        failed_once(&worker, counted);
    }
}

#[test]
fn each_fault_sends_an_offer_to_another_relay() {
    for fault in &FAULTS {
        let (bad, good) = (Relay::scripted(|_| (fault.reply)()), Relay::answering());
        let backup = format!("{};weight=0", good.uri());
        let mut worker = worker(&[("relay", &bad.uri()), ("relay", &backup)]);
        let text = rewrite(&mut worker, &offer(1));
        assert!(text.contains("m=audio 50000 ") && text.contains("m=video 50004 "), "{text}");
        assert_eq!((bad.requests().len(), good.requests().len()), (1, 1), "{}", fault.what);
        went_on_once(&worker);
    }
}

#[test]
fn fault_of_one_message_costs_the_relay_no_other_call() {
    for fault in FAULTS.iter().filter(|fault| fault.status == Status::RelayAnswer) {
        let moody = Relay::scripted(|request| match header(request, "cseq") {
            "1" => (fault.reply)(),
            _ => Reply::Say("203.0.113.9 51000 51004\r\n".into()),
        });
        let mut worker = worker(&[("relay", &moody.uri())]);
        try_rewrite(&mut worker, &offer(1)).unwrap_err();
        let text = rewrite(&mut worker, &offer(2));
        assert!(text.contains("m=audio 51000 "), "{}: {text}", fault.what);
    }
}

#[test]
fn answer_torn_anywhere_is_one_answer() {
    let line = "203.0.113.9 50000 50004\r\n";
    let relay = Relay::scripted(move |request| {
        let cut: usize = header(request, "cseq").parse().unwrap();
        Reply::Pieces(match line.get(cut..) {
            Some(rest) => vec![line[..cut].into(), rest.into()],
            None => line.chars().map(String::from).collect(),
        })
    });
    let slow = ("relay_timeout", "5000");
    let mut worker = worker(&[("relay", &relay.uri()), slow, ("relay_try", "5000")]);
    for cut in 1..=line.len() + 1 {
        let text = rewrite(&mut worker, &offer(u32::try_from(cut).unwrap()));
        assert!(text.contains("c=IN IP4 203.0.113.9\r\n"), "torn at {cut}: {text}");
        assert!(text.contains("m=audio 50000 ") && text.contains("m=video 50004 "), "{text}");
    }
}

#[test]
fn what_follows_an_answer_is_not_the_next_ones() {
    for surplus in ["203.0.113.9 59999\r\n".to_string(), "x".repeat(1_000_000)] {
        let relay = Relay::scripted(move |request| {
            let port = 50_000 + 2 * header(request, "cseq").parse::<u32>().unwrap();
            Reply::Say(format!("203.0.113.9 {port}\r\n{surplus}"))
        });
        let mut worker = worker(&[("relay", &relay.uri())]);
        for cseq in 1..=5 {
            let step = Step::request("INVITE", cseq, "a", "").sdp(audio("192.168.1.10", 4000));
            let text = rewrite(&mut worker, &step);
            assert!(text.contains(&format!("m=audio {} ", 50_000 + 2 * cseq)), "{text}");
        }
    }
}

#[test]
fn answer_to_a_cancelled_request_is_not_the_next_ones() {
    let relay = Relay::scripted(|request| {
        std::thread::sleep(Duration::from_millis(30));
        let port = 50_000 + 2 * header(request, "cseq").parse::<u32>().unwrap();
        Reply::Say(format!("203.0.113.9 {port}\r\n"))
    });
    let mut worker = worker(&[("relay", &relay.uri()), ("relay_timeout", "5000")]);
    for cseq in 1..=10 {
        let step = Step::request("INVITE", cseq, "a", "").sdp(alice_sdp());
        let mut rewriting = step.start(&mut worker, now());
        // Every other one is given up before or after its answer came.
        if cseq % 2 == 1 {
            std::thread::sleep(Duration::from_millis(if cseq % 4 == 1 { 0 } else { 60 }));
            continue;
        }
        let mut edits = Edits::new();
        while rewriting.resume(&mut worker, now(), &mut edits).unwrap() == Progress::Pending {
            std::thread::sleep(Duration::from_millis(5));
        }
        let text = step.applied(&edits);
        assert!(text.contains(&format!("m=audio {} ", 50_000 + 2 * cseq)), "{text}");
    }
}
