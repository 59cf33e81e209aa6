//! Whole calls: messages in any order through an engine and a worker, with a
//! stand-in relay on the other end of the worker's sockets that answers as
//! the input says. Nothing waits: the relay speaks between two steps of a
//! rewrite, and time is passed in.
//!
//! An input: a byte of settings, then the steps of `Step::read`.

use std::net::IpAddr;
use std::path::Path;

use mediaproxy::IceCandidate;
use mediaproxy::Log;
use mediaproxy::Settings;
use mediaproxy::internals::edit::{Edits, Verb};
use mediaproxy::internals::worker::simulated;
use mediaproxy::sdp::Session;
use mediaproxy::sip::body::find_sdp;
use mediaproxy::sip::message::MAX_MESSAGE;
use mediaproxy::sip::{Message, Source, Transport};
use mediaproxy::{Engine, Error, Progress, Started, Status, Worker};
use mediaproxy::{Options, RoleOption, ScopeOption};

use super::edits::holds_for_edits;
use super::input::Input;
use relay::{Behaviour, Relay};
use step::{Act, Step};

mod relay;
mod step;

/// More steps of one rewrite than any order of events can need.
const ENOUGH: usize = 64;
const TESTS: mediaproxy::nat::Tests = mediaproxy::nat::Tests::ALL;

pub fn check(bytes: &[u8]) {
    Relay::with(|relay| {
        let mut input = Input::new(bytes);
        let mut server = Server::new(relay, input.byte());
        for _ in 0..24 {
            if input.is_empty() {
                break;
            }
            server.take(&Step::read(&mut input));
        }
    });
}

struct Server<'r> {
    relay: &'r mut Relay,
    worker: Worker,
    now: u64,
    /// The last message that was relayed, as it went out, and how.
    sent_on: Option<(Vec<u8>, Options, Behaviour)>,
    plain: bool,
}

/// How a rewrite ended.
type Outcome = Result<bool, Error>;

impl<'r> Server<'r> {
    fn new(relay: &'r mut Relay, knobs: u8) -> Self {
        relay.hang_up();
        let engine = engine(relay.paths(), knobs);
        let worker = Worker::new(engine).expect("a worker");
        let plain = knobs & 3 == 0;
        Server { relay, worker, now: mediaproxy::now(), sent_on: None, plain }
    }

    fn take(&mut self, step: &Step<'_>) {
        match &step.act {
            Act::Message(raw) => self.message(raw, step),
            Act::Spiral => {
                if let Some((raw, options, behaviour)) = self.sent_on.clone() {
                    self.spiral(&raw, &options, &behaviour);
                }
            }
            Act::Time(milliseconds) => {
                self.now += milliseconds;
                // Ends have the worker's own clock, which must not go back.
                simulated::set_now(&mut self.worker, self.now);
                // A call that is over may be forgotten by now.
                self.sent_on = None;
            }
            Act::EndByIds(call_id, from_tag, to_tag) => {
                let ended = self.worker.end_call(call_id, from_tag, to_tag);
                assert_eq!(ended.is_err(), call_id.is_empty() || from_tag.is_empty());
                self.relay.serve(&step.behaviour);
            }
        }
    }

    /// What a server does with a message: judge, fix, rewrite, end.
    fn message(&mut self, raw: &[u8], step: &Step<'_>) {
        let source = Source { address: step.source, local: None, transport: Transport::Udp };
        let Ok(message) = Message::parse(raw, source) else { return };
        let mut verdict = mediaproxy::nat::Verdict::new();
        let _ = self.worker.nat_test(&message, TESTS, false, &mut verdict);

        let mut edits = Edits::new();
        let _ = self.worker.fix_contact(&message, &mut edits);
        let fixed = edits.clone();
        let options = options(step.options);
        let outcome = self.rewrite(&message, &options, &step.behaviour, &mut edits);
        if !matches!(outcome, Ok(true)) {
            assert!(edits.iter().eq(fixed.iter()), "nothing was rewritten: {outcome:?}");
        }
        if let Ok(true) = outcome {
            let Some(out) = applied(&message, &edits) else { return };
            if step.behaviour.is_good() {
                self.again(&message, &options, step, &edits);
                // What another proxy's marker kept as it was proves nothing.
                if edits.len() > fixed.len() {
                    self.sent_on = Some((out, options.clone(), step.behaviour.clone()));
                }
            }
        }

        let ended = self.worker.end_session(&message, &options);
        let again = self.worker.end_session(&message, &options);
        assert_eq!(ended, again, "ending is idempotent");
        self.relay.serve(&step.behaviour);
    }

    /// A repeated message gets the same edits, in place of the earlier ones.
    fn again(&mut self, message: &Message<'_>, options: &Options, step: &Step<'_>, edits: &Edits) {
        let mut repeated = edits.clone();
        let outcome = self.rewrite(message, options, &step.behaviour, &mut repeated);
        assert_eq!(outcome, Ok(true), "the message was rewritten before");
        assert!(
            repeated.iter().eq(edits.iter()),
            "repeated: {repeated:?}\nnot {edits:?}\n{}",
            message.raw().escape_ascii()
        );
    }

    /// A message that comes back after it was rewritten stays as it is: its
    /// relay is not asked again, or (for streams on hold) says the same.
    fn spiral(&mut self, raw: &[u8], options: &Options, behaviour: &Behaviour) {
        let address = "198.51.100.7:5060".parse().unwrap();
        let source = Source { address, local: None, transport: Transport::Udp };
        let message = Message::parse(raw, source).expect("it was read before");
        let session = Session::parse(find_sdp(&message).unwrap().unwrap()).unwrap();
        let held = session.media.iter().any(|media| {
            session.connection_of(media).is_some_and(|connection| connection.is_unspecified())
        });
        let behaviour = if held { behaviour.clone() } else { behaviour.elsewhere() };
        let mut edits = Edits::new();
        let outcome = self.rewrite(&message, options, &behaviour, &mut edits);
        if self.plain && outcome == Ok(true) {
            let out = applied(&message, &edits).expect("no longer than before");
            assert!(out == raw, "{}\nbecame\n{}", raw.escape_ascii(), out.escape_ascii());
        }
    }

    /// Drives one rewrite to its end.
    fn rewrite(
        &mut self,
        message: &Message<'_>,
        options: &Options,
        behaviour: &Behaviour,
        edits: &mut Edits,
    ) -> Outcome {
        self.relay.start();
        let mut rewrite = match self.worker.rewrite_start(message, options, self.now)? {
            Started::NoSdp => {
                self.relay.serve(behaviour);
                return Ok(false);
            }
            Started::Rewrite(rewrite) => rewrite,
        };
        let before = edits.clone();
        for _ in 0..ENOUGH {
            match rewrite.resume(&mut self.worker, self.now, edits) {
                Ok(Progress::Done) => {
                    over(rewrite.resume(&mut self.worker, self.now, edits));
                    return Ok(true);
                }
                Ok(Progress::Pending) => {
                    assert!(edits.iter().eq(before.iter()), "no edit before the end");
                    let wait = rewrite.wait();
                    assert_eq!(wait.descriptor >= 0, wait.read || wait.write);
                    if !self.relay.serve(behaviour) {
                        // Nothing will happen but the deadline.
                        self.now = self.now.max(wait.deadline);
                    }
                }
                Err(error) => {
                    assert!(error.status() != Status::Argument && !error.text().is_empty());
                    over(rewrite.resume(&mut self.worker, self.now, edits));
                    return Err(error);
                }
            }
        }
        panic!("a rewrite does not end: {rewrite:?}");
    }
}

fn over(outcome: Result<Progress, Error>) {
    assert_eq!(outcome.expect_err("it is over").status(), Status::Argument);
}

/// The message that goes out; `None` when it has become too long to read back.
fn applied(message: &Message<'_>, edits: &Edits) -> Option<Vec<u8>> {
    holds_for_edits(message.raw(), edits);
    let mut out = Vec::new();
    edits.apply(message, &mut out).expect("edits of its own message");
    if out.len() > MAX_MESSAGE {
        return None;
    }
    let edited = Message::parse(&out, *message.source()).expect("the edited message reads back");
    let text = find_sdp(&edited).expect("a body").expect("a description");
    let after = Session::parse(text).expect("the description reads back");
    let before = find_sdp(message).unwrap().unwrap();
    assert_eq!(after.media.len(), Session::parse(before).unwrap().media.len());
    let mut only_ours = edits.clone();
    only_ours.remove_verb(Verb::FixContact);
    let start = message.body_offset().unwrap();
    assert!(only_ours.iter().all(|edit| edit.offset >= start), "a rewrite touches the body alone");
    Some(out)
}

fn options(knobs: u8) -> Options {
    Options {
        role: [RoleOption::Auto, RoleOption::Auto, RoleOption::Offer, RoleOption::Answer]
            [usize::from(knobs & 3)],
        scope: if knobs & 32 != 0 { ScopeOption::Branch } else { ScopeOption::Call },
        signaling_ip: (knobs & 4 != 0).then(|| IpAddr::from([198, 51, 100, 99])),
        media_relay: if knobs & 8 != 0 { b"relay\r\n1".to_vec() } else { Vec::new() },
        receiver: (knobs & 64 != 0).then(|| "2001:db8::7".parse().expect("an address")),
        dialog_id: if knobs & 16 != 0 { b"7:\xff8".to_vec() } else { Vec::new() },
        set: if knobs & 64 != 0 { "b".to_string() } else { String::new() },
        request_uri: if knobs & 128 != 0 { b"sip:b \n@x".to_vec() } else { Vec::new() },
        from_local: knobs & 4 != 0,
        to_local: knobs & 8 != 0,
        ice_candidate: (knobs & 32 != 0).then_some(IceCandidate::LowPriority),
        ..Options::default()
    }
}

fn engine(relays: [&Path; 2], knobs: u8) -> std::sync::Arc<Engine> {
    let mut settings = Settings::new();
    let mut set = |name: &str, value: &str| settings.set(name, value).expect("a good setting");
    set("sip_asymmetrics", "");
    set("rtp_asymmetrics", "");
    set("max_calls", "64");
    set("ice_candidate", ["none", "none", "low-priority", "high-priority"][usize::from(knobs & 3)]);
    set("rewrite_origin", if knobs & 4 != 0 { "yes" } else { "no" });
    set("loop_marker", if knobs & 8 != 0 { "yes" } else { "no" });
    let ipv6 = if knobs & 16 != 0 { ";ipv6=yes" } else { "" };
    set("relay", &format!("mediaproxy2:{}{ipv6}", relays[0].display()));
    if knobs & 32 != 0 {
        let place = if knobs & 64 != 0 { ";set=b" } else { ";priority=2;weight=3" };
        set("relay", &format!("mediaproxy2:{}{place}", relays[1].display()));
    }
    Engine::new(settings, Log::none()).expect("an engine")
}
