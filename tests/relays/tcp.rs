//! Relays on other machines: addresses, names, and what networks do to
//! connections.

use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use mediaproxy::internals::relay::Protocol;
use mediaproxy::internals::shared::Counter;
use mediaproxy::internals::shared::health::RelayHealth;
use mediaproxy::{Edits, Engine, Log, Progress, Settings, Status, Worker, now};

use super::calls::{bye, end, ok, rewrite};
use kit::call::{Step, answer, invite};
use kit::keeper::Running;
use kit::relay::{Link, Relay};
use kit::worker;

fn listener(address: impl ToSocketAddrs) -> TcpListener {
    TcpListener::bind(address).expect("a free port")
}

/// A call with both tags, and its end.
fn whole_call(worker: &mut Worker, relay: &Relay) {
    assert_eq!(rewrite(worker, "1@x", invite()).unwrap(), "203.0.113.9");
    assert_eq!(rewrite(worker, "1@x", ok("b")).unwrap(), "203.0.113.9");
    end(worker, "1@x", bye());
    relay.wait_for(3);
}

#[test]
fn relay_at_an_ipv6_address() {
    let Ok(first) = TcpListener::bind("[::1]:0") else {
        println!("SKIP tcp::relay_at_an_ipv6_address: no IPv6 on the loopback device");
        return;
    };
    for (protocol, socket) in Protocol::ALL.into_iter().zip([first, listener("[::1]:0")]) {
        let relay = Relay::answering_on(protocol, socket);
        let uri = relay.uri();
        assert!(uri.contains(":tcp:[::1]:"), "{uri}");
        whole_call(&mut worker(&[("relay", &uri)]), &relay);
    }
}

/// An engine whose log lines are kept.
fn logging_engine(relays: &[&str]) -> (Arc<Engine>, Arc<Mutex<Vec<String>>>) {
    let mut settings = Settings::new();
    for (name, value) in [("sip_asymmetrics", ""), ("rtp_asymmetrics", ""), ("max_calls", "256")] {
        settings.set(name, value).unwrap();
    }
    for relay in relays {
        settings.set("relay", relay).unwrap();
    }
    let lines = Arc::new(Mutex::new(Vec::new()));
    let kept = lines.clone();
    let log = Log::new(move |_, line| kept.lock().unwrap().push(line.to_string()));
    (Engine::new(settings, log).unwrap(), lines)
}

fn count(lines: &Mutex<Vec<String>>, part: &str) -> usize {
    lines.lock().unwrap().iter().filter(|line| line.contains(part)).count()
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn name_is_resolved_by_the_keeper_and_by_no_worker() {
    for protocol in Protocol::ALL {
        let relay = Relay::answering_on(protocol, listener("localhost:0"));
        let scheme = if protocol == Protocol::MediaProxy1 { "mediaproxy1" } else { "mediaproxy2" };
        let uri = format!("{scheme}:tcp:localhost:{}", relay.port());
        let (engine, lines) = logging_engine(&[&uri]);
        let mut worker = Worker::new(engine.clone()).unwrap();
        for n in 0..3 {
            let began = Instant::now();
            let error = rewrite(&mut worker, &format!("{n}@x"), invite()).unwrap_err();
            assert_eq!(error.status(), Status::NoRelay);
            assert!(error.text().contains(&format!("relay {uri}: ")), "{error}");
            assert!(error.text().contains("not resolved yet by the keeper"), "{error}");
            assert!(began.elapsed() < Duration::from_secs(1), "it does not wait");
        }
        assert_eq!(count(&lines, &uri), 1, "{lines:?}");
        assert_eq!(relay.connections(), 0);

        let _keeper = Running::start(&engine);
        until("the keeper resolves it", || count(&lines, "relay host localhost: resolved to") == 1);
        let slot = engine.health().slots().next().expect("one relay");
        until("its probe succeeds", || engine.health().state(Some(slot)).health == RelayHealth::Up);
        assert_eq!(rewrite(&mut worker, "4@x", invite()).unwrap(), "203.0.113.9");
    }
}

#[test]
fn name_without_an_address_is_reported_once_and_costs_no_call() {
    let good = Relay::answering();
    let backup = format!("{};weight=0", good.uri());
    let nowhere = "mediaproxy2:tcp:relay.invalid:25060";
    let (engine, lines) = logging_engine(&[nowhere, &backup]);
    let _keeper = Running::start(&engine);
    let mut worker = Worker::new(engine.clone()).unwrap();
    let began = Instant::now();
    for n in 0..3 {
        assert_eq!(rewrite(&mut worker, &format!("{n}@x"), invite()).unwrap(), "203.0.113.9");
    }
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    until("it is reported", || count(&lines, "relay host relay.invalid: cannot be resolved") > 0);
    // It is tried again every two seconds.
    std::thread::sleep(Duration::from_millis(4500));
    assert_eq!(count(&lines, "relay host relay.invalid: cannot be resolved"), 1, "{lines:?}");
}

#[test]
fn closed_port_is_reported_and_used_again_when_it_is_open() {
    for protocol in Protocol::ALL {
        let address = listener("127.0.0.1:0").local_addr().unwrap();
        let uri = format!("mediaproxy:tcp:{address}");
        let mut worker = worker(&[("relay", &uri)]);
        let error = rewrite(&mut worker, "1@x", invite()).unwrap_err();
        assert_eq!(error.status(), Status::NoRelay);
        assert!(error.text().contains("refused"), "{error}");
        let slot = worker.engine().health().slots().next().expect("one relay");
        let health = |worker: &Worker| worker.engine().health().state(Some(slot)).health;
        assert_eq!(health(&worker), RelayHealth::Unreachable);
        let _relay = Relay::answering_on(protocol, listener(address));
        // To try it costs nothing.
        assert_eq!(rewrite(&mut worker, "2@x", invite()).unwrap(), "203.0.113.9");
        assert_eq!(health(&worker), RelayHealth::Up);
    }
}

/// A network may drop an idle connection without a word: it is not used after 30
/// seconds. A Unix socket is.
#[test]
fn idle_tcp_connection_is_not_used_after_30_seconds() {
    for (link, later, connections) in
        [(Link::Tcp, 29_000, 1), (Link::Tcp, 31_000, 2), (Link::Unix, 31_000, 1)]
    {
        let relay = Relay::answering_at(Protocol::MediaProxy2, link);
        let mut worker = worker(&[("relay", &relay.uri()), ("relay_timeout", "60000")]);
        let mut serve = |step: &Step, time: &dyn Fn() -> u64| {
            let mut rewrite = step.start(&mut worker, time());
            let mut edits = Edits::new();
            while rewrite.resume(&mut worker, time(), &mut edits).unwrap() == Progress::Pending {
                std::thread::sleep(Duration::from_millis(2));
            }
        };
        serve(&invite(), &now);
        serve(&answer("200 OK", "b"), &|| now() + later);
        assert_eq!((relay.requests().len(), relay.connections()), (2, connections), "{link:?}");
    }
}

/// Connections to this address that are not made yet, of this machine.
fn being_made(to: SocketAddr) -> usize {
    let table = std::fs::read_to_string("/proc/net/tcp").expect("the TCP sockets");
    let remote = format!("0100007F:{:04X}", to.port());
    let fields =
        |line: &str| -> Vec<String> { line.split_whitespace().map(str::to_string).collect() };
    table.lines().map(fields).filter(|line| line[2] == remote && line[3] == "02").count()
}

/// Without a keeper, a worker sends a delete when the connection is there that
/// it began to make; it does not begin another one each time.
#[test]
fn delete_goes_out_on_the_connection_that_was_being_made() {
    for protocol in Protocol::ALL {
        let relay = Relay::answering_at(protocol, Link::Tcp);
        let address = SocketAddr::from(([127, 0, 0, 1], relay.port()));
        let other = Relay::answering();
        let slow = [("relay_timeout", "20000"), ("relay_try", "20000")];
        let second = format!("{};set=other", other.uri());
        let mut worker = worker(&[("relay", &relay.uri()), ("relay", &second), slow[0], slow[1]]);
        rewrite(&mut worker, "1@x", invite()).unwrap();
        rewrite(&mut worker, "1@x", ok("b")).unwrap();
        let backlog = relay.fill_backlog();
        let before = being_made(address);
        end(&mut worker, "1@x", bye());
        for _ in 0..4 {
            // Each verb tries to send what is queued.
            std::thread::sleep(Duration::from_millis(250));
            worker.end_call(b"", b"a", b"").unwrap_err();
        }
        assert_eq!(being_made(address) - before, 1, "{protocol:?}");
        assert_eq!(worker.engine().deletes().len(), 1);
        drop(backlog);
        relay.serve_again();
        until("the delete is answered", || {
            std::thread::sleep(Duration::from_millis(200));
            worker.end_call(b"", b"a", b"").unwrap_err();
            worker.engine().deletes().is_empty()
        });
        assert_eq!(worker.engine().counters().get(Counter::DeletesFlushed), 1);
        let requests = relay.requests();
        assert!(requests.iter().any(|r| r.starts_with("delete ") || r.starts_with("remove")));
    }
}
