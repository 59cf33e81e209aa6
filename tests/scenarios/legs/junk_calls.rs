//! A call table full of junk Call-IDs: the calls in it are served as before. A search
//! reads two buckets of the table, and each of these is full after some hundred junk
//! Call-IDs in a table of 256 calls. What comes then meets what a million meets in a
//! table of any size.

use std::sync::Arc;

use mediaproxy::internals::relay::Protocol;
use mediaproxy::internals::shared::Counter;
use mediaproxy::{Engine, Log, Options, Settings, Worker};

use kit::call::{self, Step, alice_sdp, bob_sdp};
use kit::relay::{Relay, Reply, header, usual_reply};

const CALLS: usize = 40;
const JUNK: usize = 20_000;

/// A server with two sets of relays, whose addresses differ.
struct Server {
    worker: Worker,
    relays: [Relay; 2],
}

impl Server {
    fn new() -> Server {
        let relay = |ip: &'static str| {
            Relay::scripted(move |request| match usual_reply(Protocol::MediaProxy2, request) {
                Reply::Say(answer) => Reply::Say(answer.replace("203.0.113.9", ip)),
                other => other,
            })
        };
        let relays = [relay("203.0.113.1"), relay("203.0.113.2")];
        let mut settings = Settings::new();
        let [own, other] = &relays;
        for (name, value) in [
            ("sip_asymmetrics", ""),
            ("rtp_asymmetrics", ""),
            ("max_calls", "256"),
            ("relay_timeout", "9000"),
            ("relay_try", "9000"),
            ("relay", &format!("{};ipv6=yes", own.uri())),
            ("relay", &format!("{};ipv6=yes;set=other", other.uri())),
        ] {
            settings.set(name, value).unwrap();
        }
        let engine = Engine::new(settings, Log::none()).unwrap();
        Server { worker: Worker::new(Arc::clone(&engine)).unwrap(), relays }
    }

    /// The message as the server sends it on.
    fn send(&mut self, step: &Step, options: &Options) -> Option<String> {
        call::rewrite_with(&mut self.worker, step, options).unwrap()
    }

    /// What becomes of the messages of a call.
    fn served(&mut self, steps: Vec<Step>) -> Vec<Option<String>> {
        steps.iter().map(|step| self.send(step, &Options::default())).collect()
    }

    /// The deletes that a relay got: scope, From tag and To tag.
    fn deletes(&mut self, relay: usize) -> Vec<[String; 3]> {
        // Its answer comes after all that was sent before it.
        let set = ["", "other"][relay].to_string();
        let last = Step::request("INVITE", 1, "sync", "").sdp(alice_sdp()).call_id("sync@x");
        self.send(&last, &Options { set, ..Options::default() });
        let requests = self.relays[relay].requests();
        let removes = requests.iter().filter(|request| request.starts_with("remove"));
        let headers = ["scope", "from_tag", "to_tag"];
        removes.map(|request| headers.map(|name| header(request, name).to_string())).collect()
    }
}

/// The Call-ID of a call that is stored.
fn id(n: usize) -> String {
    format!("call-{n}@x")
}

fn started(n: usize) -> Vec<Step> {
    let invite = Step::request("INVITE", 1, "a", "").sdp(alice_sdp());
    let answer = Step::reply("200 OK", "INVITE", 1, "a", "b").sdp(bob_sdp());
    [invite, answer].map(|step| step.call_id(&id(n))).into()
}

fn continued(n: usize) -> Vec<Step> {
    [
        Step::request("INVITE", 2, "a", "b").sdp(alice_sdp()),
        Step::reply("200 OK", "INVITE", 2, "a", "b").sdp(bob_sdp()),
        Step::request("UPDATE", 7, "b", "a").sdp(bob_sdp()),
        Step::reply("200 OK", "UPDATE", 7, "b", "a").sdp(alice_sdp()),
        Step::reply("200 OK", "INVITE", 1, "a", "b").sdp(bob_sdp()),
    ]
    .map(|step| step.call_id(&id(n)))
    .into()
}

#[test]
fn stored_calls_are_served_as_before_in_a_table_full_of_junk() {
    let (mut server, mut alone) = (Server::new(), Server::new());
    for n in 0..CALLS {
        assert_eq!(server.served(started(n)), alone.served(started(n)));
    }
    for n in 0..JUNK {
        let junk = Step::request("INVITE", 1, "j", "").call_id(&format!("junk-{n}@x"));
        server.send(&junk, &Options::default());
    }
    let seconds = u32::try_from(mediaproxy::now() / 1000).unwrap();
    assert_eq!(server.worker.engine().calls().len(seconds), 256);

    // Other tags with the same Call-ID, at other relays.
    let elsewhere = Options { set: "other".into(), ..Options::default() };
    for n in 0..CALLS {
        for (method, from, to) in [
            ("INVITE", "j", ""),
            ("INVITE", "b", ""),
            ("INVITE", "a", "j"),
            ("UPDATE", "b", "j"),
            ("UPDATE", "j", "a"),
        ] {
            let junk = Step::request(method, 9, from, to).sdp(alice_sdp()).call_id(&id(n));
            server.send(&junk, &elsewhere);
        }
        for (from, to) in [("a", "j"), ("j", "a"), ("b", "j"), ("j", "b"), ("j", "k")] {
            let bye = Step::request("BYE", 9, from, to).call_id(&id(n));
            call::terminate(&mut server.worker, &bye).unwrap();
        }
    }
    assert!(server.worker.engine().counters().get(Counter::CallsNotStored) > 0);
    for n in 0..CALLS {
        assert_eq!(server.served(continued(n)), alone.served(continued(n)), "call {n}");
    }
    for relay in [0, 1] {
        let of_call = |[scope, from, to]: &[String; 3]| {
            scope != "dialog" || !["j", "k"].iter().any(|junk| from == junk || to == junk)
        };
        assert_eq!(server.deletes(relay).iter().filter(|delete| of_call(delete)).count(), 0);
    }

    for n in 0..CALLS {
        let bye = Step::request("BYE", 9, "b", "a").call_id(&id(n));
        call::terminate(&mut server.worker, &bye).unwrap();
    }
    let whole = |delete: &&[String; 3]| delete[0] == "(none)" && delete[1..] == ["b", "a"];
    assert_eq!(server.deletes(0).iter().filter(whole).count(), CALLS);
    assert_eq!(server.deletes(1).iter().filter(whole).count(), 0);
}
