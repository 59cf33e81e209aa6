//! The rules for calls: what belongs to a call, what ends it, and what a relay is
//! sent for it (RFC 3261 9, 12, 14.1, 15; RFC 3264). Each rule has a file.

mod full_table;
mod junk_calls;
mod refresh;
mod refused_lines;
mod rule_10_null_tags;
mod rule_1_reinvite_failures;
mod rule_2_invite_failures;
mod rule_3_cancel;
mod rule_4_bye;
mod rule_5_end_meets_rewrite;
mod rule_6_repeated_messages;
mod rule_7_without_state;
mod rule_8_ringing;
mod rule_9_late_provisional;
mod same_call_id;
mod unchanged_replies;

use std::sync::{Arc, Mutex};

use mediaproxy::internals::shared::Counter;
use mediaproxy::sip::Message;
use mediaproxy::{Engine, Log, Options, ScopeOption, Settings, Status, Worker};

use kit::call::{self, Step, alice_sdp, bob_sdp};
use kit::relay::{Relay, Reply, header, usual_reply};

/// The relay of a scene.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// It has the capabilities of the built-in relay.
    BuiltIn,
    /// A dispatcher: its delete takes the whole call.
    Dispatcher,
}

/// A server with one relay, which answers all requests.
struct Scene {
    kind: Kind,
    relay: Relay,
    worker: Worker,
    log: Arc<Mutex<Vec<String>>>,
    syncs: usize,
}

impl Scene {
    fn new(kind: Kind) -> Scene {
        Scene::scripted(kind, |request| {
            usual_reply(mediaproxy::internals::relay::Protocol::MediaProxy2, request)
        })
    }

    fn scripted(kind: Kind, script: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Scene {
        let relay = Relay::scripted(script);
        let log = Arc::new(Mutex::new(Vec::new()));
        let engine = engine(&relay, kind, log.clone());
        Scene { kind, relay, worker: Worker::new(engine).unwrap(), log, syncs: 0 }
    }

    /// The same server after a restart: its call table is empty.
    fn restart(&mut self) {
        let engine = engine(&self.relay, self.kind, self.log.clone());
        self.worker = Worker::new(engine).unwrap();
    }

    /// Runs a test with each kind of relay.
    fn each(test: impl Fn(Scene)) {
        test(Scene::new(Kind::BuiltIn));
        test(Scene::new(Kind::Dispatcher));
    }

    /// What a rewrite gives: the port of the first m= line, `None` without SDP.
    fn send(&mut self, step: &Step) -> Result<Option<u16>, Status> {
        let text = call::rewrite_with(&mut self.worker, step, &Options::default());
        let text = text.map_err(|error| error.status())?;
        Ok(text.map(|text| port_of(&text)))
    }

    /// A message whose SDP goes through the relay.
    fn relayed(&mut self, step: &Step) -> u16 {
        let port = self.send(step).expect("a rewrite").expect("an SDP");
        assert!(port >= 50_000, "the relay's port, not {port}");
        port
    }

    /// Gives a message that goes upstream to `end_session`.
    fn end(&mut self, step: &Step) {
        call::terminate(&mut self.worker, step).unwrap();
    }

    /// Gives the failure reply of one branch to `end_session`.
    fn end_branch(&mut self, step: &Step) {
        let options = Options { scope: ScopeOption::Branch, ..Options::default() };
        let raw = step.bytes();
        let message = Message::parse(&raw, step.source()).unwrap();
        self.worker.end_session(&message, &options).unwrap();
    }

    /// All requests that the relay got, of the calls of the test.
    fn requests(&mut self) -> Vec<String> {
        // The answer to a request comes after all that was sent before it.
        self.syncs += 1;
        let id = format!("sync-{}@x", self.syncs);
        let other = Step::request("INVITE", 1, "a", "").sdp(alice_sdp()).call_id(&id);
        call::rewrite(&mut self.worker, &other);
        let of_test = |request: &String| !header(request, "call_id").starts_with("sync-");
        self.relay.requests().into_iter().filter(of_test).collect()
    }

    /// The deletes that the relay got: scope, From tag and To tag.
    fn deletes(&mut self) -> Vec<String> {
        let removes = self.requests().into_iter().filter(|request| request.starts_with("remove"));
        let shown = |request: String| {
            let scope = match header(&request, "scope") {
                "(none)" => "session",
                scope => scope,
            };
            let shown =
                format!("{scope} {} {}", header(&request, "from_tag"), header(&request, "to_tag"));
            shown.trim_end().to_string()
        };
        removes.map(shown).collect()
    }

    fn count(&self, counter: Counter) -> u64 {
        self.worker.engine().counters().get(counter)
    }

    /// The calls in the table, without those of [`Scene::requests`].
    fn active_calls(&self) -> usize {
        let seconds = u32::try_from(mediaproxy::now() / 1000).unwrap();
        self.worker.engine().calls().len(seconds).saturating_sub(self.syncs)
    }
}

fn engine(relay: &Relay, kind: Kind, log: Arc<Mutex<Vec<String>>>) -> Arc<Engine> {
    let mut settings = Settings::new();
    let uri = match kind {
        Kind::BuiltIn => format!("{};ipv6=yes", relay.uri()),
        Kind::Dispatcher => relay.uri(),
    };
    let patience = [("relay_timeout", "9000"), ("relay_try", "9000")];
    let others = [("sip_asymmetrics", ""), ("rtp_asymmetrics", ""), ("max_calls", "256")];
    for (name, value) in patience.into_iter().chain(others).chain([("relay", &*uri)]) {
        settings.set(name, value).unwrap();
    }
    let log = Log::new(move |_, line| log.lock().unwrap().push(line.to_string()));
    Engine::new(settings, log).unwrap()
}

fn port_of(text: &str) -> u16 {
    let line = text.lines().find(|line| line.starts_with("m=")).expect("an m= line");
    line.split(' ').nth(1).expect("a port").parse().expect("a number")
}

/// A reply to alice's INVITE with this CSeq from the phone with this tag, without
/// SDP.
fn reply(status: &str, cseq: u32, to: &'static str) -> Step {
    Step::reply(status, "INVITE", cseq, "a", to)
}

/// The same with SDP.
fn reply_sdp(status: &str, cseq: u32, to: &'static str) -> Step {
    reply(status, cseq, to).sdp(bob_sdp())
}

/// Alice's first INVITE, or a new try.
fn invite(cseq: u32) -> Step {
    Step::request("INVITE", cseq, "a", "").sdp(alice_sdp())
}
