//! `mediaproxy:` leaves the protocol open: the first answer shows which version
//! a relay speaks, and all processes of the server store it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mediaproxy::internals::relay::Protocol;
use mediaproxy::internals::shared::health::{RelayHealth, Slot};
use mediaproxy::{Engine, Status, Worker};

use super::calls::{bye, end, ok, rewrite};
use kit::call::{alice_sdp, invite};
use kit::children::{alone, in_child};
use kit::keeper::Running;
use kit::relay::{Link, Relay, Reply, usual_reply};
use kit::worker;

/// Time enough on a busy machine.
const SLOW: [(&str, &str); 2] = [("relay_timeout", "20000"), ("relay_try", "20000")];

/// A worker with one relay, of which only the address is known.
fn open_worker(relay: &Relay, settings: &[(&str, &str)]) -> Worker {
    let uri = relay.open_uri();
    let mut all = vec![("relay", uri.as_str())];
    all.extend(settings);
    worker(&all)
}

fn slot(engine: &Engine) -> Slot {
    engine.health().slots().next().expect("one relay")
}

/// The protocol that all processes have stored.
fn stored(engine: &Engine) -> Option<Protocol> {
    Protocol::from_number(engine.health().protocol(slot(engine)))
}

fn health(engine: &Engine) -> RelayHealth {
    engine.health().state(Some(slot(engine))).health
}

/// The first word of each request.
fn commands(requests: &[String]) -> Vec<&str> {
    requests.iter().map(|request| request.split([' ', '\r']).next().unwrap()).collect()
}

/// Both versions, at both kinds of address.
fn each(test: impl Fn(Protocol, Link)) {
    for protocol in Protocol::ALL {
        for link in Link::ALL {
            println!("{protocol:?} {link:?}");
            test(protocol, link);
        }
    }
}

#[test]
fn protocol_is_found_by_the_first_request_and_used_from_then_on() {
    each(|protocol, link| {
        let relay = Relay::answering_at(protocol, link);
        let mut worker = open_worker(&relay, &SLOW);
        assert_eq!(stored(worker.engine()), None);
        assert_eq!(rewrite(&mut worker, "1@x", invite()).unwrap(), "203.0.113.9");
        assert_eq!(stored(worker.engine()), Some(protocol));
        assert_eq!(rewrite(&mut worker, "1@x", ok("b")).unwrap(), "203.0.113.9");
        end(&mut worker, "1@x", bye());
        let (requests, connections) = match protocol {
            Protocol::MediaProxy2 => (&["update", "update", "remove"][..], 1),
            // The line that it does not know, then one connection a command.
            Protocol::MediaProxy1 => (&["update", "request", "lookup", "delete"][..], 4),
        };
        assert_eq!(commands(&relay.wait_for(requests.len())), requests);
        assert_eq!(relay.connections(), connections);
    });
}

#[test]
fn protocol_found_by_one_process_is_used_by_all() {
    let _alone = alone();
    each(|protocol, link| {
        let relay = Relay::answering_at(protocol, link);
        let mut here = open_worker(&relay, &SLOW);
        let engine = here.engine().clone();
        in_child(|| {
            let mut worker = Worker::new(engine.clone()).unwrap();
            rewrite(&mut worker, "1@x", invite()).unwrap();
        });
        let before = relay.requests().len();
        rewrite(&mut here, "2@x", invite()).unwrap();
        let requests = relay.requests().split_off(before);
        let command = if protocol == Protocol::MediaProxy1 { "request" } else { "update" };
        assert_eq!(commands(&requests), [command], "at once in the right protocol");
    });
}

#[test]
fn refusals_and_closed_connections_are_not_stored() {
    let error = |_: &str| Reply::Say("error\r\n".into());
    let refusing = Relay::at(Protocol::MediaProxy2, Link::Unix, error);
    // Alive, but gives no ports: an empty answer.
    let empty = Relay::at(Protocol::MediaProxy1, Link::Unix, |_| Reply::Close);
    for (relay, each_time) in [(&refusing, &["update"][..]), (&empty, &["update", "request"])] {
        let mut worker = open_worker(relay, &SLOW);
        for n in 0..3 {
            let error = rewrite(&mut worker, &format!("{n}@x"), invite()).unwrap_err();
            assert_eq!(error.status(), Status::RelayAnswer, "{error}");
            assert_eq!(stored(worker.engine()), None);
        }
        assert_eq!(commands(&relay.requests()), each_time.repeat(3));
        assert_eq!(health(worker.engine()), RelayHealth::Up);
    }
}

/// MediaProxy 2 is silent to a line of MediaProxy 1.x; that is not held against
/// a relay that hung up on one message.
#[test]
fn relay_that_hangs_up_on_one_message_stays_up() {
    let relay = Relay::scripted(|request| match request.contains("call_id: odd@x\r\n") {
        true => Reply::Close,
        false => usual_reply(Protocol::MediaProxy2, request),
    });
    let mut worker = open_worker(&relay, &[("relay_timeout", "300")]);
    for _ in 0..2 {
        let error = rewrite(&mut worker, "odd@x", invite()).unwrap_err();
        assert_eq!(error.status(), Status::RelayAnswer, "{error}");
        assert_eq!(health(worker.engine()), RelayHealth::Up);
    }
    rewrite(&mut worker, "1@x", invite()).unwrap();
    assert_eq!(stored(worker.engine()), Some(Protocol::MediaProxy2));
}

/// Offers calls until one is served; how many were not.
fn failed_before_found(worker: &mut Worker, name: &str) -> usize {
    let end = Instant::now() + Duration::from_secs(20);
    for n in 0.. {
        if rewrite(worker, &format!("{name}-{n}@x"), invite()).is_ok() {
            return n;
        }
        assert!(Instant::now() < end, "{name}: not found again");
        std::thread::sleep(Duration::from_millis(100));
    }
    unreachable!("the loop ends above")
}

#[test]
fn relay_that_comes_back_as_another_version_is_found_again() {
    for link in Link::ALL {
        for with_keeper in [false, true] {
            println!("{link:?}, keeper: {with_keeper}");
            let relay = Relay::answering_at(Protocol::MediaProxy2, link);
            let mut worker = open_worker(&relay, &[("relay_timeout", "300")]);
            let engine = worker.engine().clone();
            let _keeper = with_keeper.then(|| Running::start(&engine));
            rewrite(&mut worker, "1@x", invite()).unwrap();
            assert_eq!(stored(&engine), Some(Protocol::MediaProxy2));
            // Too fast for anybody to meet it while it is down.
            relay.restart_as(Protocol::MediaProxy1);
            assert!(failed_before_found(&mut worker, "down") <= 1, "one message finds out");
            assert_eq!(stored(&engine), Some(Protocol::MediaProxy1));
            relay.restart_as(Protocol::MediaProxy2);
            failed_before_found(&mut worker, "up");
            assert_eq!(stored(&engine), Some(Protocol::MediaProxy2));
            assert_eq!(health(&engine), RelayHealth::Up);
        }
    }
}

/// A relay of MediaProxy 1.x that was frozen, and one that was gone.
#[test]
fn keeper_takes_a_relay_of_either_version_back() {
    each(|protocol, link| {
        for open in [false, true] {
            let frozen = Arc::new(AtomicBool::new(false));
            let is_frozen = frozen.clone();
            let relay =
                Relay::at(protocol, link, move |request| match is_frozen.load(Ordering::SeqCst) {
                    true => Reply::Silence,
                    false => usual_reply(protocol, request),
                });
            let uri = if open { relay.open_uri() } else { relay.uri() };
            let mut worker = worker(&[("relay", &uri), ("relay_timeout", "200")]);
            let engine = worker.engine().clone();
            rewrite(&mut worker, "1@x", invite()).unwrap();
            frozen.store(true, Ordering::SeqCst);
            let error = rewrite(&mut worker, "2@x", invite().sdp(alice_sdp())).unwrap_err();
            assert_eq!(error.status(), Status::RelayTimeout, "{error}");
            assert_eq!(health(&engine), RelayHealth::Suspect);
            frozen.store(false, Ordering::SeqCst);
            let _keeper = Running::start(&engine);
            let end = Instant::now() + Duration::from_secs(5);
            while health(&engine) != RelayHealth::Up {
                assert!(Instant::now() < end, "{uri}: no probe brought it back");
                std::thread::sleep(Duration::from_millis(10));
            }
            rewrite(&mut worker, "3@x", invite()).unwrap();
        }
    });
}
