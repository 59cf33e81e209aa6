//! What a relay can do wrong, and what a worker makes of it: offers find
//! another relay, messages stay as they were, nothing waits beyond its budget.

mod answers;
mod connections;
mod table;

use std::time::{Duration, Instant};

use kit::call::{
    Step, alice_sdp, answer, audio, bob_sdp, invite, reinvite, rewrite, terminate, try_rewrite,
};
use kit::children::{alone, in_child};
use kit::relay::{Relay, Reply};
use kit::{engine, worker};
use mediaproxy::Edits;
use mediaproxy::Options;
use mediaproxy::internals::shared::Counter;
use mediaproxy::now;
use mediaproxy::sip::Message;
use mediaproxy::{Error, Progress, Status, Worker};

/// The worker was asked for one rewrite alone, which failed for the reason that
/// `counter` counts.
fn failed_once(worker: &Worker, counter: Counter) {
    counted(worker, &[counter]);
}

/// The worker was asked for one rewrite alone, which another relay served.
fn went_on_once(worker: &Worker) {
    counted(worker, &[Counter::Rewritten, Counter::Failovers]);
}

/// One offer was counted, of what may become of it `once` once each, and nothing
/// else.
fn counted(worker: &Worker, once: &[Counter]) {
    let counters = worker.engine().counters();
    for counter in [
        Counter::Rewritten,
        Counter::FailedNoRelay,
        Counter::FailedTimeout,
        Counter::FailedAnswer,
        Counter::FailedOther,
        Counter::Cancelled,
        Counter::Failovers,
    ] {
        assert_eq!(counters.get(counter), u64::from(once.contains(&counter)), "{counter:?}");
    }
    assert_eq!((counters.get(Counter::Requests), counters.get(Counter::Offers)), (1, 1));
}

fn ok() -> Step {
    answer("200 OK", "b")
}

/// A refusal is the fault of the message: another relay would cut the call's media, and
/// the session of the first one would never be ended.
#[test]
fn refused_message_of_a_call_moves_it_to_no_other_relay() {
    let relay = |address: &'static str| {
        Relay::scripted(move |request| match request {
            _ if request.starts_with("remove") => Reply::Say("removed\r\n".into()),
            _ if request.contains("198.51.100.66") => Reply::Say("error\r\n".into()),
            _ => Reply::Say(format!("{address} 50000\r\n")),
        })
    };
    let (one, other) = (relay("203.0.113.1"), relay("203.0.113.2"));
    let uris = [one.uri(), other.uri()].map(|uri| format!("{uri};ipv6=yes"));
    let mut worker = worker(&[("relay", &uris[0]), ("relay", &uris[1])]);
    rewrite(&mut worker, &invite());
    rewrite(&mut worker, &ok());
    let (own, foreign) = match one.requests().is_empty() {
        true => (&other, &one),
        false => (&one, &other),
    };
    let refused = audio("198.51.100.66", 6000);
    let in_dialog = [
        Step::request("INVITE", 2, "a", "b").sdp(refused.clone()),
        Step::request("UPDATE", 7, "b", "a").sdp(refused.clone()),
        Step::request("INVITE", 3, "a", "b").sdp(refused.clone()),
    ];
    for step in &in_dialog {
        let error = try_rewrite(&mut worker, step).unwrap_err();
        assert_eq!(error.status(), Status::RelayAnswer);
    }
    rewrite(&mut worker, &reinvite(4));
    terminate(&mut worker, &Step::request("BYE", 5, "a", "b")).unwrap();
    assert!(own.wait_for(7).last().unwrap().starts_with("remove"));
    assert_eq!(foreign.requests(), [""; 0]);
    assert_eq!(worker.engine().counters().get(Counter::Failovers), 0);

    // A copy of a pending INVITE with another SDP is no new try: a ringing phone can
    // send one. A new try may go to another relay.
    let pending = |cseq| Step::request("INVITE", cseq, "a", "").call_id("pending@x");
    rewrite(&mut worker, &pending(1).sdp(alice_sdp()));
    assert!(try_rewrite(&mut worker, &pending(1).sdp(refused)).is_err());
    assert_eq!(worker.engine().counters().get(Counter::Failovers), 0);
}

#[test]
fn answer_goes_to_no_relay_but_its_offers() {
    let moody = Relay::scripted(|request| {
        if request.contains("type: reply") {
            Reply::Close
        } else {
            Reply::Say("203.0.113.9 50000\r\n".into())
        }
    });
    let other = Relay::answering();
    let backup = format!("{};weight=0", other.uri());
    let mut worker = worker(&[("relay", &moody.uri()), ("relay", &backup)]);
    rewrite(&mut worker, &invite());
    let error = try_rewrite(&mut worker, &ok()).unwrap_err();
    assert!(error.text().contains(&moody.uri()), "{error}");
    assert!(other.requests().is_empty());
}

#[test]
fn answer_its_offers_relay_cannot_take_goes_to_no_other() {
    let (offers, other) = (Relay::answering(), Relay::answering());
    let capable = format!("{};ipv6=yes;weight=0", other.uri());
    let mut worker = worker(&[("relay", &offers.uri()), ("relay", &capable)]);
    rewrite(&mut worker, &invite());
    let ipv6 = bob_sdp().replace("IP4 10.0.0.2", "IP6 2001:db8::2");
    let error = try_rewrite(&mut worker, &ok().sdp(ipv6)).unwrap_err();
    assert!(error.text().contains("IPv6"), "{error}");
    assert!(other.requests().is_empty());
}

#[test]
fn silent_relay_times_out_after_relay_timeout() {
    let relay = Relay::scripted(|_| Reply::Silence);
    let mut worker = worker(&[("relay", &relay.uri()), ("relay_timeout", "200")]);
    let started = Instant::now();
    let error = try_rewrite(&mut worker, &invite()).unwrap_err();
    assert_eq!(error.status(), Status::RelayTimeout);
    let took = started.elapsed();
    assert!(took >= Duration::from_millis(190), "{took:?}");
    assert!(took < Duration::from_millis(1500), "relay_timeout is a promise: {took:?}");
}

#[test]
fn relay_that_is_not_there_is_named_with_its_path() {
    let mut worker = worker(&[("relay", "mediaproxy:/nonexistent/d.sock")]);
    let error = try_rewrite(&mut worker, &invite()).unwrap_err();
    assert_eq!(error.status(), Status::NoRelay);
    assert!(error.text().contains("mediaproxy:/nonexistent/d.sock"), "{error}");
    assert!(error.text().contains("No such file"), "{error}");
}

#[test]
fn late_answer_is_never_taken_for_another_requests() {
    // The first request is answered too late, after its connection was given
    // up; the second one asks for a different call.
    let relay = Relay::scripted(|request| {
        let first = request.contains("cseq: 1\r\n");
        if first {
            std::thread::sleep(Duration::from_millis(300));
        }
        Reply::Say(format!("203.0.113.9 {}\r\n", if first { 51111 } else { 52222 }))
    });
    let mut worker = worker(&[("relay", &relay.uri()), ("relay_timeout", "100")]);
    assert!(try_rewrite(&mut worker, &invite()).is_err());
    std::thread::sleep(Duration::from_millis(300));
    // A probe is answered meanwhile.
    let health = worker.engine().health();
    assert!(health.slots().all(|slot| health.mark_alive(slot, now())));
    let step = Step::request("INVITE", 2, "a", "").sdp(alice_sdp());
    let text = rewrite(&mut worker, &step);
    assert!(text.contains("m=audio 52222 "), "{text}");
}

#[test]
fn relay_that_restarted_is_reached_again_at_once() {
    // Closes the connection after each answer, as a restart would.
    let relay = Relay::scripted(|request| {
        if request.starts_with("remove") {
            Reply::Close
        } else {
            Reply::Say("203.0.113.9 50000\r\n".into())
        }
    });
    let mut worker = worker(&[("relay", &relay.uri())]);
    rewrite(&mut worker, &invite());
    worker.end_call(b"other", b"a", b"").unwrap();
    relay.wait_for(2);
    std::thread::sleep(Duration::from_millis(50));
    rewrite(&mut worker, &ok());
}

#[test]
fn rewrite_start_waits_on_a_descriptor_with_the_same_result() {
    let relay = Relay::scripted(|_| {
        std::thread::sleep(Duration::from_millis(50));
        Reply::Say("203.0.113.9 50000\r\n".into())
    });
    let mut worker = worker(&[("relay", &relay.uri())]);
    let step = invite();
    let mut rewrite = step.start(&mut worker, now());
    let mut edits = Edits::new();
    assert_eq!(rewrite.resume(&mut worker, now(), &mut edits), Ok(Progress::Pending));
    let wait = rewrite.wait();
    assert!(wait.descriptor >= 0 && wait.read && !wait.write);
    assert!(wait.deadline > now());
    assert!(edits.is_empty(), "no edit before the end");
    std::thread::sleep(Duration::from_millis(150));
    assert_eq!(rewrite.resume(&mut worker, now(), &mut edits), Ok(Progress::Done));
    assert_eq!(edits.len(), 2);
    let again = rewrite.resume(&mut worker, now(), &mut edits).unwrap_err();
    assert_eq!(again.status(), Status::Argument);
}

#[test]
fn non_blocking_request_ends_at_its_deadline() {
    let relay = Relay::scripted(|_| Reply::Silence);
    let mut worker = worker(&[("relay", &relay.uri())]);
    let step = invite();
    let start = now();
    let mut rewrite = step.start(&mut worker, start);
    let deadline = rewrite.wait().deadline;
    assert_eq!(deadline, start + 400);
    let mut edits = Edits::new();
    assert_eq!(rewrite.resume(&mut worker, deadline - 1, &mut edits), Ok(Progress::Pending));
    let error = rewrite.resume(&mut worker, deadline, &mut edits).unwrap_err();
    assert_eq!(error.status(), Status::RelayTimeout);
}

#[test]
fn many_requests_at_once_on_one_worker_get_their_own_answers() {
    let relay = Relay::scripted(|request| {
        let cseq: u32 = kit::relay::header(request, "cseq").parse().unwrap();
        std::thread::sleep(Duration::from_millis(u64::from(50 - cseq)));
        Reply::Say(format!("203.0.113.9 {}\r\n", 50000 + 2 * cseq))
    });
    let mut worker =
        worker(&[("relay", &relay.uri()), ("relay_timeout", "5000"), ("relay_try", "5000")]);
    let mut running = Vec::new();
    for cseq in 1..=40u32 {
        let step = Step::request("INVITE", cseq, "a", "").sdp(alice_sdp());
        let rewrite = step.start(&mut worker, now());
        running.push((cseq, step, rewrite));
    }
    while !running.is_empty() {
        std::thread::sleep(Duration::from_millis(5));
        running.retain_mut(|(cseq, step, rewrite)| {
            let mut edits = Edits::new();
            match rewrite.resume(&mut worker, now(), &mut edits).unwrap() {
                Progress::Pending => true,
                Progress::Done => {
                    let text = step.applied(&edits);
                    assert!(text.contains(&format!("m=audio {} ", 50000 + 2 * *cseq)), "{text}");
                    false
                }
            }
        });
    }
}

#[test]
fn worker_of_the_parent_refuses_to_talk_in_a_child() {
    let _alone = alone();
    let relay = Relay::answering();
    let mut worker = Worker::new(engine(&[("relay", &relay.uri())])).unwrap();
    rewrite(&mut worker, &invite());
    in_child(|| {
        let wrong = |result: Result<bool, Error>| {
            assert_eq!(result.unwrap_err().status(), Status::WrongProcess);
        };
        let step = ok();
        let raw = step.bytes();
        let message = Message::parse(&raw, step.source()).unwrap();
        wrong(worker.rewrite_sdp(&message, &Options::default(), &mut Edits::new()));
        wrong(worker.end_call(b"call@x", b"a", b"").map(|()| true));
    });
    rewrite(&mut worker, &ok());
}
