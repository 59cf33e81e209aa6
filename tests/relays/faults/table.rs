//! Every fault of a relay, in both versions of MediaProxy, over Unix sockets and
//! over TCP: what becomes of an offer, of an answer, of the relay and of the
//! request after it.

use std::time::{Duration, Instant};

use mediaproxy::internals::relay::Protocol;
use mediaproxy::internals::shared::Counter;
use mediaproxy::internals::shared::health::RelayHealth;
use mediaproxy::{Error, Status, Worker, now};

use super::{failed_once, went_on_once};
use kit::call::{Step, alice_sdp, answer, bob_sdp, invite, try_rewrite};
use kit::relay::{Link, Relay, Reply, usual_reply};
use kit::worker;

/// The time for one relay, and for the whole message.
const TRY: Duration = Duration::from_millis(150);
const TOTAL: Duration = Duration::from_millis(1000);
/// A busy machine may be late to run us.
const LATE: Duration = Duration::from_millis(700);

const SETTINGS: [(&str, &str); 2] = [("relay_timeout", "1000"), ("relay_try", "150")];

/// What a relay does.
#[derive(Clone, Copy)]
enum Fault {
    /// It answers a request in this way; the text ends as an answer of the
    /// protocol does.
    Reply(fn(line_end: &str) -> Reply),
    /// This happens to it.
    Event(fn(&Relay)),
}

/// What becomes of a request.
#[derive(Clone, Copy)]
enum Ending {
    /// Silence, for the whole time of one relay.
    Silent,
    /// No connection.
    NotReached,
    /// An answer of no use, or none, and a closed connection.
    Refused,
    /// The connection is closed while the request is sent, or afterwards.
    Closed,
    /// An offer is refused; the first stream of an answer is rewritten.
    FewPorts,
}

struct Row {
    what: &'static str,
    fault: Fault,
    ending: Ending,
    /// A part of the error.
    text: &'static str,
}

const fn reply(
    what: &'static str,
    ending: Ending,
    text: &'static str,
    reply: fn(&str) -> Reply,
) -> Row {
    Row { what, fault: Fault::Reply(reply), ending, text }
}

const fn event(what: &'static str, ending: Ending, text: &'static str, event: fn(&Relay)) -> Row {
    Row { what, fault: Fault::Event(event), ending, text }
}

const IN_TIME: &str = "did not answer in time";

/// Messages of these tests have two streams.
const ROWS: [Row; 14] = [
    event("killed", Ending::NotReached, "", Relay::kill),
    event("full backlog", Ending::Silent, IN_TIME, |relay| std::mem::forget(relay.fill_backlog())),
    event("closes at once", Ending::Closed, "closed the connection", Relay::close_at_once),
    reply("frozen", Ending::Silent, IN_TIME, |_| Reply::Silence),
    reply("late answer", Ending::Silent, IN_TIME, |line_end| {
        std::thread::sleep(TRY + Duration::from_millis(150));
        Reply::Say(format!("203.0.113.9 50000 50004{line_end}"))
    }),
    reply("half an answer", Ending::Silent, IN_TIME, |_| Reply::Part("203.0.113.9 500".into())),
    reply("half an answer, then closed", Ending::Refused, "", |_| Reply::Last("203.0.1".into())),
    reply("without end, drop by drop", Ending::Silent, IN_TIME, |_| {
        Reply::Endless(1, Duration::from_millis(10))
    }),
    reply("without end", Ending::Refused, "64 KiB", |_| Reply::Endless(4096, Duration::ZERO)),
    reply("64 KiB", Ending::Refused, "64 KiB", |line_end| {
        Reply::Say(format!("203.0.113.9{}{line_end}", " 50000".repeat(12_000)))
    }),
    reply("garbage", Ending::Refused, "no address", |line_end| {
        Reply::Say(format!("\u{fffd}\0\u{1}{line_end}"))
    }),
    reply("error", Ending::Refused, "\"error\"", |line_end| Reply::Say(format!("error{line_end}"))),
    reply("too few ports", Ending::FewPorts, "1 ports for 2 streams", |line_end| {
        Reply::Say(format!("203.0.113.9 50000{line_end}"))
    }),
    reply("closes without a word", Ending::Refused, "closed the connection", |_| Reply::Close),
];

fn two_streams(step: Step, sdp: String) -> Step {
    step.sdp(sdp + "m=video 40002 RTP/AVP 31\n")
}

fn offer(call_id: &str) -> Step {
    two_streams(invite(), alice_sdp()).call_id(call_id)
}

fn reply_200(call_id: &str) -> Step {
    two_streams(answer("200 OK", "b"), bob_sdp()).call_id(call_id)
}

/// What a row is tested with.
struct Scene<'r> {
    row: &'r Row,
    protocol: Protocol,
    link: Link,
}

impl Scene<'_> {
    /// A relay whose fault concerns requests for which `is_bad` is true. It
    /// serves all others from port 52000.
    fn relay(&self, is_bad: fn(&str) -> bool) -> Relay {
        let (protocol, fault) = (self.protocol, self.row.fault);
        let line_end = if protocol == Protocol::MediaProxy1 { "\n" } else { "\r\n" };
        Relay::at(protocol, self.link, move |request| {
            match (fault, usual_reply(protocol, request)) {
                (Fault::Reply(reply), _) if is_bad(request) => reply(line_end),
                (_, Reply::Say(usual)) => Reply::Say(usual.replace(" 50000 50004", " 52000 52004")),
                (_, usual) => usual,
            }
        })
    }

    fn begin(&self, relay: &Relay) {
        if let Fault::Event(event) = self.row.fault {
            event(relay);
        }
    }

    fn health(&self, worker: &Worker, relay: &Relay) -> RelayHealth {
        let engine = worker.engine();
        let slot = engine.health().slot(engine.calls().identity(&relay.uri()));
        engine.health().state(slot).health
    }

    /// The error of a request that met the fault, and its relay afterwards.
    fn is_reported(&self, error: &Error, took: Duration, worker: &Worker, relay: &Relay) {
        let Row { what, ending, text, .. } = self.row;
        let health = self.health(worker, relay);
        let context = format!("{what}: {error}; {health:?} after {took:?}");
        assert!(error.text().contains(&format!("relay {}: ", relay.uri())), "{context}");
        assert!(error.text().contains(text), "{context}");
        let (status, after): (&[Status], &[RelayHealth]) = match ending {
            Ending::Silent => (&[Status::RelayTimeout], &[RelayHealth::Suspect]),
            Ending::NotReached => (&[Status::NoRelay], &[RelayHealth::Unreachable]),
            Ending::Refused | Ending::FewPorts => (&[Status::RelayAnswer], &[RelayHealth::Up]),
            Ending::Closed => (
                &[Status::RelayAnswer, Status::NoRelay],
                &[RelayHealth::Up, RelayHealth::Unreachable],
            ),
        };
        assert!(status.contains(&error.status()) && after.contains(&health), "{context}");
        let at_least = if matches!(ending, Ending::Silent) { TRY } else { Duration::ZERO };
        assert!(took + Duration::from_millis(10) >= at_least, "{context}");
        assert!(took < at_least + LATE, "{context}");
    }

    /// An offer without another relay: it stays as it was.
    fn offer_alone(&self) {
        let relay = self.relay(|_| true);
        let mut worker = worker(&[("relay", &relay.uri()), SETTINGS[0], SETTINGS[1]]);
        self.begin(&relay);
        let began = Instant::now();
        let error = try_rewrite(&mut worker, &offer("call@x")).unwrap_err();
        self.is_reported(&error, began.elapsed(), &worker, &relay);
        failed_once(
            &worker,
            match error.status() {
                Status::RelayTimeout => Counter::FailedTimeout,
                Status::NoRelay => Counter::FailedNoRelay,
                _ => Counter::FailedAnswer,
            },
        );
    }

    /// An offer where another relay can be asked: it goes there.
    fn offer_fails_over(&self) {
        let (relay, good) = (self.relay(|_| true), Relay::answering_at(self.protocol, self.link));
        let backup = format!("{};weight=0", good.uri());
        let mut worker =
            worker(&[("relay", &relay.uri()), ("relay", &backup), SETTINGS[0], SETTINGS[1]]);
        self.begin(&relay);
        let began = Instant::now();
        let text = try_rewrite(&mut worker, &offer("call@x")).expect(self.row.what);
        assert!(began.elapsed() < TOTAL + LATE, "{}: {:?}", self.row.what, began.elapsed());
        assert!(text.contains("m=audio 50000 ") && text.contains("m=video 50004 "), "{text}");
        assert_eq!(good.requests().len(), 1, "{}", self.row.what);
        went_on_once(&worker);
    }

    /// An answer goes to the relay of its offer and to no other.
    fn answer_stays(&self) {
        let is_reply = |request: &str| {
            request.starts_with("lookup ") || request.starts_with("update\r\ntype: reply\r\n")
        };
        let (relay, good) = (self.relay(is_reply), Relay::answering_at(self.protocol, self.link));
        let backup = format!("{};weight=0", good.uri());
        let mut worker =
            worker(&[("relay", &relay.uri()), ("relay", &backup), SETTINGS[0], SETTINGS[1]]);
        try_rewrite(&mut worker, &offer("call@x")).expect("the offer is served");
        self.begin(&relay);
        let began = Instant::now();
        match (try_rewrite(&mut worker, &reply_200("call@x")), self.row.ending) {
            (Err(error), Ending::FewPorts) => panic!("{}: {error}", self.row.what),
            (Err(error), _) => self.is_reported(&error, began.elapsed(), &worker, &relay),
            (Ok(text), Ending::FewPorts) => {
                assert!(
                    text.contains("m=audio 50000 ") && text.contains("m=video 40002 "),
                    "{text}"
                );
            }
            (Ok(text), _) => panic!("{}: {text}", self.row.what),
        }
        assert_eq!(good.requests().len(), 0, "{}", self.row.what);
        assert_eq!(worker.engine().counters().get(Counter::Failovers), 0, "{}", self.row.what);
    }

    /// The request after the fault gets its own answer, none that came late.
    fn next_request_gets_its_own_answer(&self) {
        if !matches!(self.row.fault, Fault::Reply(_)) {
            return;
        }
        let relay = self.relay(|request| request.contains("bad@x"));
        let mut worker = worker(&[("relay", &relay.uri()), SETTINGS[0], SETTINGS[1]]);
        try_rewrite(&mut worker, &offer("bad@x")).unwrap_err();
        // As a probe would have done that is answered meanwhile.
        let health = worker.engine().health();
        health.slots().for_each(|slot| {
            health.mark_alive(slot, now());
        });
        // The second one when the late answer is there.
        for _ in 0..2 {
            let text = try_rewrite(&mut worker, &offer("good@x")).expect(self.row.what);
            assert!(text.contains("m=audio 52000 "), "{}: {text}", self.row.what);
            if self.row.what == "late answer" {
                std::thread::sleep(Duration::from_millis(250));
            }
        }
    }
}

fn every_fault(protocol: Protocol, link: Link) {
    for row in &ROWS {
        println!("{}", row.what);
        let scene = Scene { row, protocol, link };
        scene.offer_alone();
        scene.offer_fails_over();
        scene.answer_stays();
        scene.next_request_gets_its_own_answer();
    }
}

#[test]
fn mediaproxy1_over_a_unix_socket() {
    every_fault(Protocol::MediaProxy1, Link::Unix);
}

#[test]
fn mediaproxy1_over_tcp() {
    every_fault(Protocol::MediaProxy1, Link::Tcp);
}

#[test]
fn mediaproxy2_over_a_unix_socket() {
    every_fault(Protocol::MediaProxy2, Link::Unix);
}

#[test]
fn mediaproxy2_over_tcp() {
    every_fault(Protocol::MediaProxy2, Link::Tcp);
}

/// A relay that restarts closes the connections of its workers.
#[test]
fn reused_connection_closed_by_the_relay_costs_nothing() {
    for protocol in Protocol::ALL {
        for link in Link::ALL {
            let relay = Relay::answering_at(protocol, link);
            let slow = [("relay_timeout", "20000"), ("relay_try", "20000")];
            let mut worker = worker(&[("relay", &relay.uri()), slow[0], slow[1]]);
            try_rewrite(&mut worker, &offer("call@x")).unwrap();
            let before = relay.connections();
            relay.restart_as(protocol);
            try_rewrite(&mut worker, &reply_200("call@x")).unwrap();
            assert_eq!((relay.connections(), relay.requests().len()), (before + 1, 2));
        }
    }
}
