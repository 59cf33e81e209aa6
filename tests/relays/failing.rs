//! Relays that do not answer: one message of the whole server finds out.

use std::sync::Arc;
use std::time::{Duration, Instant};

use mediaproxy::internals::shared::health::{AdminState, RelayHealth, State};
use mediaproxy::internals::shared::{Counter, HealthTable};
use mediaproxy::now;
use mediaproxy::{Engine, Status, Worker};

use super::calls::{bye, end, failure, ids_of, ok, rewrite};
use super::daemon::Daemon;
use kit::call::{Step, alice_sdp, bob_sdp, invite, reinvite};
use kit::children::{alone, children, in_child};
use kit::relay::{Relay, Reply};
use kit::{engine, worker};

fn state(engine: &Engine, uri: &str) -> State {
    let slot = slot(&engine.health(), engine, uri);
    engine.health().state(Some(slot))
}

fn slot(
    health: &HealthTable<'_>,
    engine: &Engine,
    uri: &str,
) -> mediaproxy::internals::shared::health::Slot {
    health.slot(engine.calls().identity(uri)).expect("a listed relay")
}

fn pair() -> (Daemon, Daemon, Arc<Engine>) {
    let (a, b) = (Daemon::start(), Daemon::start());
    let engine = engine(&[("relay", &a.uri()), ("relay", &b.uri())]);
    (a, b, engine)
}

#[test]
fn frozen_relay_costs_one_message_of_the_server() {
    let _alone = alone();
    let (a, b, engine) = pair();
    let mut here = Worker::new(engine.clone()).unwrap();
    let ids: Vec<_> = ids_of(&here, &a.uri()).take(41).collect();
    a.freeze();
    let started = Instant::now();
    assert_eq!(rewrite(&mut here, &ids[0], invite()).unwrap(), b.address);
    let took = started.elapsed();
    println!("the message that found out took {took:?}");
    let promised = engine.settings().relay_timeout();
    // A quarter of a second for a busy machine, which may be late to run us.
    assert!(took < promised + Duration::from_millis(250), "relay_timeout is a promise: {took:?}");
    // As a keeper does that has begun to probe.
    let health = engine.health();
    let frozen = slot(&health, &engine, &a.uri());
    assert!(health.claim_probe(frozen, now()));
    children(8, |number| {
        let mut worker = Worker::new(engine.clone()).unwrap();
        for id in &ids[1 + 5 * number..6 + 5 * number] {
            assert_eq!(rewrite(&mut worker, id, invite()).unwrap(), b.address);
            assert_eq!(rewrite(&mut worker, id, ok("b")).unwrap(), b.address);
        }
    });
    assert_eq!(a.requests("update"), 1, "exactly one request until it is probed");
    assert_eq!(engine.counters().get(Counter::RelaysFailed), 1);
    assert_eq!(engine.counters().get(Counter::Failovers), 1);
    a.thaw();
    assert!(health.mark_alive(frozen, now()), "a probe was answered");
    let id = ids_of(&here, &a.uri()).nth(50).unwrap();
    assert_eq!(rewrite(&mut here, &id, invite()).unwrap(), a.address);
}

#[test]
fn eight_processes_that_meet_a_frozen_relay_at_once_all_find_the_other() {
    let _alone = alone();
    let (a, b, engine) = pair();
    let ids: Vec<_> = ids_of(&Worker::new(engine.clone()).unwrap(), &a.uri()).take(8).collect();
    a.freeze();
    children(8, |number| {
        let mut worker = Worker::new(engine.clone()).unwrap();
        assert_eq!(rewrite(&mut worker, &ids[number], invite()).unwrap(), b.address);
    });
    assert_eq!(engine.counters().get(Counter::RelaysFailed), 1, "told once");
    a.thaw();
}

#[test]
fn without_a_keeper_a_message_finds_that_a_relay_answers_again() {
    let (a, b, engine) = pair();
    let mut worker = Worker::new(engine.clone()).unwrap();
    let ids: Vec<_> = ids_of(&worker, &a.uri()).take(12).collect();
    a.freeze();
    assert_eq!(rewrite(&mut worker, &ids[0], invite()).unwrap(), b.address);
    assert_eq!(state(&engine, &a.uri()).health, RelayHealth::Suspect);
    a.thaw();
    // On a busy machine it may be late once more, and is left alone again.
    let found = ids[1..11].iter().any(|id| {
        std::thread::sleep(Duration::from_millis(1_100));
        rewrite(&mut worker, id, invite()).unwrap() == a.address
    });
    assert!(found);
    assert_eq!(state(&engine, &a.uri()).health, RelayHealth::Up);
    assert_eq!(engine.counters().get(Counter::RelaysRecovered), 1);
    assert_eq!(rewrite(&mut worker, &ids[11], invite()).unwrap(), a.address);
}

#[test]
fn answers_for_a_dead_relay_fail_fast_and_offers_go_elsewhere() {
    let (a, b, engine) = pair();
    let mut worker = Worker::new(engine.clone()).unwrap();
    let ids: Vec<_> = ids_of(&worker, &a.uri()).take(2).collect();
    for id in &ids {
        assert_eq!(rewrite(&mut worker, id, invite()).unwrap(), a.address);
    }
    assert_eq!(rewrite(&mut worker, &ids[1], ok("b")).unwrap(), a.address);
    a.freeze();
    let health = engine.health();
    assert!(health.mark_suspect(slot(&health, &engine, &a.uri()), now()));
    let requests = a.requests("update");
    let error = rewrite(&mut worker, &ids[0], ok("b")).unwrap_err();
    assert_eq!(error.status(), Status::NoRelay);
    assert!(error.text().contains(&a.uri()), "{error}");
    assert_eq!(a.requests("update"), requests, "it was not asked");
    // A re-offer is negotiated by both sides, so it may move.
    assert_eq!(rewrite(&mut worker, &ids[1], reinvite(2)).unwrap(), b.address);
    let answer = Step::reply("200 OK", "INVITE", 2, "a", "b").sdp(bob_sdp());
    assert_eq!(rewrite(&mut worker, &ids[1], answer).unwrap(), b.address);
    a.thaw();
}

#[test]
fn message_that_one_relay_cannot_serve_does_not_mark_it() {
    type Script = fn(&str) -> Reply;
    let scripts: [Script; 4] = [
        |_| Reply::Say("error\r\n".into()),
        |_| Reply::Say("what?\r\n".into()),
        |_| Reply::Close,
        |_| Reply::Say("x".repeat(100_000)),
    ];
    for script in scripts {
        let (odd, good) = (Relay::scripted(script), Relay::answering());
        let backup = format!("{};weight=0", good.uri());
        let mut worker = worker(&[("relay", &odd.uri()), ("relay", &backup)]);
        let engine = worker.engine().clone();
        for n in 0..3 {
            assert!(rewrite(&mut worker, &format!("{n}@x"), invite()).is_ok());
        }
        assert_eq!(odd.requests().len(), 3, "asked each time");
        assert_eq!(good.requests().len(), 3);
        assert_eq!(state(&engine, &odd.uri()).health, RelayHealth::Up);
    }
}

#[test]
fn deletes_for_a_dead_relay_are_sent_when_it_is_back() {
    let _alone = alone();
    let (a, _b, engine) = pair();
    let mut here = Worker::new(engine.clone()).unwrap();
    let ids: Vec<_> = ids_of(&here, &a.uri()).take(3).collect();
    for id in &ids {
        assert_eq!(rewrite(&mut here, id, invite()).unwrap(), a.address);
    }
    a.kill();
    for id in &ids {
        // Each process is gone right after.
        in_child(|| {
            let mut worker = Worker::new(engine.clone()).unwrap();
            end(&mut worker, id, failure());
            end(&mut worker, id, failure());
        });
    }
    assert_eq!(engine.deletes().len(), 3, "repeated ends are one");
    a.restart();
    std::thread::sleep(Duration::from_millis(300));
    let mut other = Worker::new(engine.clone()).unwrap();
    // The first caller calls again, and the new call must not be ended.
    let again = || Step::request("INVITE", 10, "a", "").sdp(alice_sdp());
    assert!(rewrite(&mut other, &ids[0], again()).is_ok());
    a.wait_for("remove", 2);
    // A delete is done when its answer was read, which the next verb does.
    std::thread::sleep(Duration::from_millis(50));
    assert!(rewrite(&mut other, &ids[0], again()).is_ok());
    assert_eq!(engine.deletes().len(), 0);
    let counters = engine.counters();
    assert_eq!(counters.get(Counter::DeletesQueued), 3);
    assert_eq!(counters.get(Counter::DeletesCancelled), 1);
    assert_eq!(counters.get(Counter::DeletesFlushed), 2);
}

#[test]
fn only_relay_is_tried_again_where_that_costs_nothing() {
    let relay = Relay::answering();
    let away = relay.path().with_extension("away");
    let mut worker = worker(&[("relay", &relay.uri())]);
    std::fs::rename(relay.path(), &away).unwrap();
    let error = rewrite(&mut worker, "1@x", invite()).unwrap_err();
    assert_eq!(error.status(), Status::NoRelay);
    assert_eq!(state(worker.engine(), &relay.uri()).health, RelayHealth::Unreachable);
    std::fs::rename(&away, relay.path()).unwrap();
    assert!(rewrite(&mut worker, "2@x", invite()).is_ok());
    assert_eq!(state(worker.engine(), &relay.uri()).health, RelayHealth::Up);
}

#[test]
fn disabled_relay_gets_no_request() {
    let (one, other) = (Relay::answering(), Relay::answering());
    let backup = format!("{};weight=0", other.uri());
    let mut worker = worker(&[("relay", &one.uri()), ("relay", &backup)]);
    let engine = worker.engine().clone();
    rewrite(&mut worker, "1@x", invite()).unwrap();
    engine.set_admin_state(&one.uri(), AdminState::Disabled).unwrap();
    assert!(rewrite(&mut worker, "1@x", ok("b")).is_err());
    rewrite(&mut worker, "2@x", invite()).unwrap();
    end(&mut worker, "1@x", bye());
    assert_eq!((one.requests().len(), other.requests().len()), (1, 1));
    assert_eq!(engine.deletes().len(), 1);
    engine.set_admin_state(&one.uri(), AdminState::Enabled).unwrap();
    std::thread::sleep(Duration::from_millis(250));
    rewrite(&mut worker, "2@x", ok("b")).unwrap();
    assert!(one.wait_for(2)[1].starts_with("remove"));
}
