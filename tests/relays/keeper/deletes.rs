//! Ends that their relay could not be told of when they came.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use mediaproxy::Worker;
use mediaproxy::internals::shared::Counter;
use mediaproxy::internals::shared::health::{RelayCounter, RelayHealth};
use mediaproxy::proxy::{Config, Proxy};

use super::processes::{Hand, Relay, keeper, obey, socket_and_engine, within};
use kit::children::{Child, alone};
use kit::directory::Directory;
use kit::engine;

const PROMISED: Duration = Duration::from_secs(5);

#[test]
fn delete_is_flushed_though_the_process_that_queued_it_was_killed() {
    let _alone = alone();
    let (_directory, socket, _, engine) = socket_and_engine(&[]);
    let _keeper = keeper(&engine);
    let (mut first, mut second) = (Hand::new(&engine), Hand::new(&engine));
    let relay = Relay::new(&socket, 50000);
    for call in 0..40 {
        assert_eq!(first.take(&format!("offer {call}")), Ok(50000));
        assert_eq!(second.take(&format!("answer {call}")), Ok(50000));
    }
    drop(relay);
    for call in 0..40 {
        assert_eq!(first.take(&format!("bye {call}")), Ok(0));
    }
    first.kill();
    second.kill();
    assert_eq!(engine.deletes().len(), 40);
    let relay = Relay::new(&socket, 50000);
    within(PROMISED, "the ends are delivered", || {
        (0..40).all(|call| relay.requests("remove", call) > 0)
    });
    within(PROMISED, "the queue is empty", || engine.deletes().is_empty());
    for call in 0..40 {
        assert_eq!(relay.requests("remove", call), 1);
    }
}

#[test]
fn relay_that_was_frozen_gets_the_deletes_it_missed() {
    let _alone = alone();
    let slow = [("relay_timeout", "300"), ("relay_try", "300")];
    let (_directory, socket, uri, engine) = socket_and_engine(&slow);
    let _keeper = keeper(&engine);
    let mut hand = Hand::new(&engine);
    let relay = Relay::new(&socket, 50000);
    assert_eq!(hand.take("offer 1"), Ok(50000));
    relay.freeze();
    assert!(hand.take("offer 2").unwrap_err().contains("did not answer"));
    assert_eq!(hand.take("fail 1"), Ok(0));
    hand.kill();
    let health = engine.health();
    let slot = health.slot(engine.calls().identity(&uri)).unwrap();
    within(PROMISED, "a probe finds it dead too", || {
        health.state(Some(slot)).health == RelayHealth::Dead
    });
    let probes = engine.counters().get(Counter::Probes);
    assert!(probes >= 1);
    assert_eq!(health.counted(slot, RelayCounter::Probes), probes);
    assert!(relay.probes().is_empty(), "it reads nothing");
    assert_eq!(engine.deletes().len(), 1);
    relay.thaw();
    within(PROMISED, "it is asked by a probe", || !relay.probes().is_empty());
    within(PROMISED, "the end is delivered", || relay.requests("remove", 1) > 0);
}

#[test]
fn deletes_do_not_wait_for_a_frozen_relay() {
    // Many times what one connection takes unanswered.
    const CALLS: u32 = 200;
    let _alone = alone();
    // Who waited for an answer would do it this long.
    let slow = [("relay_timeout", "5000"), ("relay_try", "5000")];
    let (_directory, socket, _, engine) = socket_and_engine(&slow);
    let _keeper = keeper(&engine);
    let relay = Relay::new(&socket, 50000);
    let mut worker = Worker::new(engine.clone()).unwrap();
    for call in 0..CALLS {
        assert_eq!(obey(&mut worker, &format!("offer {call}")), "50000");
    }
    relay.freeze();
    let mut took: Vec<Duration> = (0..CALLS)
        .map(|call| {
            let started = Instant::now();
            assert_eq!(obey(&mut worker, &format!("fail {call}")), "0");
            started.elapsed()
        })
        .collect();
    took.sort();
    let [.., second, longest] = took[..] else { panic!("there are some") };
    println!("{CALLS} ends: median {:?}, longest {second:?}, {longest:?}", took[took.len() / 2]);
    // One may fall into the time slice of another process.
    assert!(second < Duration::from_millis(20), "{took:?}");
    assert!(longest < Duration::from_millis(500), "{took:?}");
    assert!((0..CALLS).all(|call| relay.requests("remove", call) == 0), "it reads nothing");
    let health = engine.health();
    assert!(health.slots().all(|slot| health.state(Some(slot)).health == RelayHealth::Up));
    relay.thaw();
    within(PROMISED, "the ends are delivered", || {
        (0..CALLS).all(|call| relay.requests("remove", call) > 0)
    });
    within(PROMISED, "the queue is empty", || engine.deletes().is_empty());
    let count = |counter| engine.counters().get(counter);
    assert_eq!(count(Counter::DeletesSent) + count(Counter::DeletesFlushed), u64::from(CALLS));
    assert_eq!(count(Counter::DeletesDropped), 0);
}

/// Asks a proxy to end a call.
fn ask_to_remove(mut stream: &UnixStream, call: u32) {
    let head = format!("remove\r\ncall_id: call-{call}@x\r\n");
    stream.write_all(format!("{head}from_tag: a\r\nto_tag: b\r\n\r\n").as_bytes()).unwrap();
}

/// What the proxy at `socket` answers to that.
fn removed(socket: &Path, call: u32) -> String {
    let stream = UnixStream::connect(socket).unwrap();
    ask_to_remove(&stream, call);
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).unwrap();
    answer
}

#[test]
fn proxy_takes_deletes_of_processes_that_were_killed() {
    // Two connections' worth, and more.
    const CALLS: u32 = 80;
    let _alone = alone();
    let directory = Directory::new();
    let socket = directory.path("proxy.sock");
    let config = Config::new(&socket, vec!["127.0.0.1".parse().unwrap()], (20_000, 39_999));
    let proxy = Proxy::bind(config).unwrap();
    let server = Child::run(|| proxy.run().unwrap());
    proxy.close_inherited();
    let engine = engine(&[("relay", &format!("mediaproxy2:{};ipv6=yes", socket.display()))]);
    let mut worker = Worker::new(engine.clone()).unwrap();
    for call in 0..CALLS + 4 {
        assert!(obey(&mut worker, &format!("offer {call}")).parse::<u16>().is_ok());
    }
    // Another client leaves most of an answer unread.
    let mut other = UnixStream::connect(&socket).unwrap();
    ask_to_remove(&other, CALLS);
    other.read_exact(&mut [0]).unwrap();
    server.freeze();
    for call in 0..CALLS {
        assert_eq!(obey(&mut worker, &format!("fail {call}")), "0");
    }
    assert_eq!(engine.counters().get(Counter::DeletesSent), u64::from(CALLS));
    drop(worker);
    ask_to_remove(&other, CALLS + 1);
    ask_to_remove(&other, CALLS + 2);
    drop(other);
    server.signal(libc::SIGCONT);
    assert_eq!(removed(&socket, CALLS + 3), "removed\r\n", "this one lives");
    let left: Vec<u32> =
        (0..CALLS + 3).filter(|&call| removed(&socket, call) != "error\r\n").collect();
    assert!(left.is_empty(), "not ended: {left:?}");
}

#[test]
fn new_offer_cancels_the_queued_delete_in_the_keeper() {
    let _alone = alone();
    let (_directory, socket, _, engine) = socket_and_engine(&[]);
    let _keeper = keeper(&engine);
    let mut hand = Hand::new(&engine);
    let relay = Relay::new(&socket, 50000);
    assert_eq!(hand.take("offer 1"), Ok(50000));
    assert_eq!(hand.take("offer 2"), Ok(50000));
    drop(relay);
    assert_eq!(hand.take("fail 1"), Ok(0));
    assert_eq!(hand.take("fail 2"), Ok(0));
    assert!(hand.take("retry 1").is_err(), "nobody is there");
    hand.kill();
    let relay = Relay::new(&socket, 50000);
    within(PROMISED, "the other end is delivered", || relay.requests("remove", 2) > 0);
    within(PROMISED, "the queue is empty", || engine.deletes().is_empty());
    assert_eq!(relay.requests("remove", 1), 0, "the call was offered again");
}

#[test]
fn another_keeper_goes_on_where_one_was_killed() {
    let _alone = alone();
    let (_directory, socket, _, engine) = socket_and_engine(&[]);
    let first = keeper(&engine);
    let mut hand = Hand::new(&engine);
    let relay = Relay::new(&socket, 50000);
    assert_eq!(hand.take("offer 1"), Ok(50000));
    drop(relay);
    assert_eq!(hand.take("fail 1"), Ok(0));
    hand.kill();
    let lease = || engine.shared().lease().holder(mediaproxy::now());
    within(Duration::from_secs(1), "the first works", || lease().is_some());
    let holder = lease();
    drop(first);
    let _second = keeper(&engine);
    within(Duration::from_millis(600), "the second works", || {
        lease().is_some_and(|pid| Some(pid) != holder)
    });
    let relay = Relay::new(&socket, 50000);
    within(PROMISED, "the end is delivered", || relay.requests("remove", 1) > 0);
}
