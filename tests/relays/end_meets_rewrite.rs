//! A call that ends in one process while its rewrite waits for the relay in
//! another: the late answer is followed by a delete.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mediaproxy::internals::relay::Protocol;
use mediaproxy::internals::shared::Counter;
use mediaproxy::{Status, Worker};

use super::calls::{end, ok, rewrite};
use kit::call::{Step, invite, reinvite};
use kit::children::{Child, alone};
use kit::engine;
use kit::relay::{Relay, header, usual_reply};

/// `waiting` is rewritten in a child and waits for its relay; `ends` come in this
/// process.
fn ended_elsewhere(before: &[Step], waiting: fn() -> Step, ends: &[Step]) {
    let _alone = alone();
    let open = Arc::new(AtomicBool::new(true));
    let gate = open.clone();
    let relay = Relay::scripted(move |request| {
        while request.starts_with("update") && !gate.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(2));
        }
        usual_reply(Protocol::MediaProxy2, request)
    });
    let uri = format!("{};ipv6=yes", relay.uri());
    let engine = engine(&[("relay", &uri), ("relay_timeout", "9000"), ("relay_try", "9000")]);
    let mut here = Worker::new(engine.clone()).unwrap();
    for step in before {
        kit::call::rewrite(&mut here, step);
    }
    open.store(false, Ordering::SeqCst);
    let count = relay.requests().len();
    let child = Child::run(|| {
        let mut there = Worker::new(engine.clone()).unwrap();
        let error = rewrite(&mut there, "call@x", waiting()).unwrap_err();
        assert_eq!(error.status(), Status::Ended);
        // The answer to the delete is read by the next verb.
        assert_eq!(engine.counters().get(Counter::EndedMeanwhile), 1);
    });
    relay.wait_for(count + 1);
    for step in ends {
        kit::call::terminate(&mut here, step).unwrap();
    }
    open.store(true, Ordering::SeqCst);
    assert_eq!(child.wait(), 0, "see what the child printed");
    let deletes = || {
        let requests = relay.requests();
        requests.into_iter().filter(|request| request.starts_with("remove")).count()
    };
    for _ in 0..500 {
        if deletes() > 0 {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let requests = relay.requests();
    let last = requests.last().expect("a request");
    assert!(last.starts_with("remove"), "{requests:?}");
    assert_eq!(header(last, "scope"), "(none)");
    let answer = rewrite(&mut here, "call@x", reinvite(9)).unwrap_err();
    assert_eq!(answer.status(), Status::Ended, "no process serves the call again");
    end(&mut here, "call@x", Step::request("BYE", 10, "a", "b"));
}

#[test]
fn failure_in_another_process_while_the_invite_waits() {
    let failure = Step::reply("408 Request Timeout", "INVITE", 1, "a", "s");
    ended_elsewhere(&[], invite, &[failure]);
}

#[test]
fn cancel_in_another_process_overtakes_the_invite() {
    let cancel = Step::request("CANCEL", 1, "a", "");
    let failure = Step::reply("487 Request Terminated", "INVITE", 1, "a", "s");
    ended_elsewhere(&[], invite, &[cancel, failure]);
}

#[test]
fn bye_in_another_process_while_a_reinvite_waits() {
    let bye = Step::request("BYE", 7, "b", "a");
    ended_elsewhere(&[invite(), ok("b")], || reinvite(2), &[bye]);
}
