//! The server under test: its processes with the library, driven in simulated
//! time. The library is the real one; only its sockets and its clock are not.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use mediaproxy::internals::keeper::RelayDuties;
use mediaproxy::internals::relay::link::Network;
use mediaproxy::internals::worker::simulated;
use mediaproxy::sip::{self, Source, Transport};
use mediaproxy::{Edits, Engine, Log, Options, Progress, Rewrite, Settings, Started, Worker};

use super::context::Context;
use super::message::{Message, Method};
use super::proxy::Then;
use super::relays::{self, SharedRelays};
use super::sdp::{EndId, Line, Sdp};

/// What the library is asked besides rewriting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// The message ends a call, or goes upstream.
    End,
    /// A failure of one branch of a fork.
    EndBranch,
}

/// A message whose rewrite waits for its relay.
#[derive(Debug)]
struct Waiting {
    rewrite: Box<Rewrite>,
    worker: usize,
    bytes: Vec<u8>,
    message: Message,
    then: Then,
}

/// A rewrite that failed.
#[derive(Clone, Debug)]
pub struct Failure {
    pub text: String,
    /// The call was over: such a message stays as it is.
    pub ended: bool,
    /// The ends whose addresses stayed in the message, with its version.
    pub ends: Vec<(EndId, u32)>,
    /// When the offer of the message was made, or that which it answers.
    pub offered_at: u64,
    /// An answer or a delayed offer: a reply or an ACK.
    pub answers: bool,
    pub call_id: u32,
    /// The tag of the side that sent the request, and its CSeq.
    pub request: (u32, u32),
    /// The other tag of an ACK.
    pub ack: Option<u32>,
    /// The tags of a 2xx to INVITE: of the caller and of the callee.
    pub answer: Option<(u32, u32)>,
    pub at: u64,
}

impl Failure {
    fn new(message: &Message, error: &mediaproxy::Error, at: u64) -> Self {
        let sdp = message.sdp.iter();
        let ends = sdp.flat_map(|sdp| sdp.lines.iter().map(|line| (line.end, sdp.version)));
        Failure {
            text: format!("{}: {}", message.summary(), error.text()),
            ended: error.status() == mediaproxy::Status::Ended,
            ends: ends.collect(),
            answers: message.status.is_some() || message.method == Method::Ack,
            offered_at: message.sdp.as_ref().map_or(at, |sdp| sdp.offered_at),
            call_id: message.call_id,
            request: (message.from_tag, message.cseq),
            ack: (message.method == Method::Ack).then_some(message.to_tag),
            answer: message
                .is_invite_reply(200..=299)
                .then_some((message.from_tag, message.to_tag)),
            at,
        }
    }
}

/// The processes of one server.
#[derive(Debug)]
pub struct Library {
    engine: Arc<Engine>,
    workers: Vec<Worker>,
    duties: RelayDuties,
    shared: SharedRelays,
    network: Arc<dyn Network>,
    relays: Vec<usize>,
    loop_marker: bool,
    waiting: Vec<Waiting>,
    /// It sends descriptions on as they are.
    pub broken: bool,
    address: IpAddr,
    /// Where the run is told what the library did.
    pub record: Vec<String>,
    /// What a rewrite did that no rewrite may do.
    pub faults: Vec<String>,
    /// Rewrites that failed.
    pub errors: Vec<Failure>,
    pub rewrites: u64,
}

impl Library {
    pub fn new(
        relays: Vec<usize>,
        loop_marker: bool,
        workers: usize,
        shared: &SharedRelays,
        address: IpAddr,
        now: u64,
    ) -> Self {
        let network = shared.network();
        let engine = engine(&relays, loop_marker, shared);
        let made = (0..workers).map(|_| worker(&engine, &network, now)).collect();
        Library {
            workers: made,
            engine,
            duties: RelayDuties::new(&network),
            shared: shared.clone(),
            network,
            relays,
            loop_marker,
            waiting: Vec::new(),
            broken: false,
            address,
            record: Vec::new(),
            faults: Vec::new(),
            errors: Vec::new(),
            rewrites: 0,
        }
    }

    pub fn restart(&mut self, now: u64) {
        self.waiting.clear();
        self.engine = engine(&self.relays, self.loop_marker, &self.shared);
        let count = self.workers.len();
        self.workers = (0..count).map(|_| worker(&self.engine, &self.network, now)).collect();
        self.duties = RelayDuties::new(&self.network);
    }

    fn source(&self, message: &Message) -> Source {
        let ip = message.origin.unwrap_or(self.address);
        Source { address: SocketAddr::new(ip, 5060), local: None, transport: Transport::Udp }
    }

    fn options(message: &Message, verb: Verb) -> Options {
        let mut options = Options { signaling_ip: message.origin, ..Options::default() };
        if verb == Verb::EndBranch {
            let _ = options.set("scope", b"branch");
        }
        options
    }

    /// Starts the rewrite of a message. `None` when it waits for a relay; with the
    /// message comes false after an error.
    pub fn rewrite(
        &mut self,
        message: Message,
        then: Then,
        context: &mut Context<'_>,
    ) -> Option<(Message, bool)> {
        if self.broken {
            return Some((through(message, then), true));
        }
        let number = context.ids.random(self.workers.len() as u64) as usize;
        let bytes = message.bytes();
        let source = self.source(&message);
        let parsed = sip::Message::parse(&bytes, source).expect("a message that can be read");
        let options = Self::options(&message, Verb::End);
        self.shared.get().uses(message.call_id);
        let worker = &mut self.workers[number];
        simulated::set_now(worker, context.now);
        self.rewrites += 1;
        match worker.rewrite_start(&parsed, &options, context.now) {
            Ok(Started::NoSdp) => {
                if message.sdp.is_some() {
                    self.faults.push(format!("no SDP found in {}", message.summary()));
                }
                Some((through(message, then), true))
            }
            Ok(Started::Rewrite(rewrite)) => {
                let mut waiting = Waiting { rewrite, worker: number, bytes, message, then };
                if let Some(done) = self.continue_with(&mut waiting, context.now) {
                    return Some((through(waiting.message, then), done));
                }
                self.waiting.push(waiting);
                None
            }
            Err(error) => {
                self.errors.push(Failure::new(&message, &error, context.now));
                Some((through(message, then), false))
            }
        }
    }

    /// `None` while it waits.
    fn continue_with(&mut self, waiting: &mut Waiting, now: u64) -> Option<bool> {
        let worker = &mut self.workers[waiting.worker];
        simulated::set_now(worker, now);
        let mut edits = Edits::new();
        match waiting.rewrite.resume(worker, now, &mut edits) {
            Ok(Progress::Pending) => None,
            Ok(Progress::Done) => {
                let before = waiting.message.summary();
                if let Err(fault) = apply(waiting, &edits, self.address) {
                    self.faults.push(format!("{before}: {fault}"));
                }
                Some(true)
            }
            Err(error) => {
                self.errors.push(Failure::new(&waiting.message, &error, now));
                Some(false)
            }
        }
    }

    /// The messages whose rewrite can be finished.
    pub fn resume(&mut self, now: u64) -> Vec<(Message, Then, bool)> {
        let mut ready = Vec::new();
        for mut waiting in std::mem::take(&mut self.waiting) {
            match self.continue_with(&mut waiting, now) {
                None => self.waiting.push(waiting),
                Some(done) => {
                    let message = through(waiting.message, waiting.then);
                    ready.push((message, waiting.then, done));
                }
            }
        }
        ready
    }

    /// When a rewrite must be continued at the latest.
    pub fn deadline(&self) -> Option<u64> {
        self.waiting.iter().map(|waiting| waiting.rewrite.wait().deadline).min()
    }

    pub fn end(&mut self, message: &Message, verb: Verb, context: &mut Context<'_>) {
        let number = context.ids.random(self.workers.len() as u64) as usize;
        let bytes = message.bytes();
        let source = self.source(message);
        let parsed = sip::Message::parse(&bytes, source).expect("a message that can be read");
        self.shared.get().uses(message.call_id);
        let worker = &mut self.workers[number];
        simulated::set_now(worker, context.now);
        if let Err(error) = worker.end_session(&parsed, &Self::options(message, verb)) {
            self.faults.push(format!("{}: {}", message.summary(), error.text()));
        }
    }

    /// The keeper has something to do only when a relay has failed or a delete is
    /// queued.
    pub fn tick(&mut self, unsettled: bool, now: u64) {
        if unsettled || !self.engine.deletes().is_empty() {
            self.duties.turn(&self.engine, now);
        }
    }

    /// What happens without a message: a worker's next verb, and the keeper.
    pub fn tidy(&mut self, now: u64) {
        for worker in &mut self.workers {
            simulated::set_now(worker, now);
            let options =
                b"OPTIONS sip:x SIP/2.0\r\nVia: SIP/2.0/UDP n.example;branch=z9hG4bK1\r\n\
                From: <sip:a@x>;tag=1\r\nTo: <sip:b@x>\r\nCall-ID: none\r\nCSeq: 1 OPTIONS\r\n\r\n";
            let address = SocketAddr::new(self.address, 5060);
            let source = Source { address, local: None, transport: Transport::Udp };
            let parsed = sip::Message::parse(options, source).expect("a good message");
            worker.rewrite_start(&parsed, &Options::default(), now).expect("nothing to do");
        }
        self.duties.turn(&self.engine, now);
    }

    /// What is left of calls that are over. So many of them may have begun again
    /// behind their BYE: their entries stay for eight hours.
    pub fn left(&self, now: u64, revived: usize) -> Vec<String> {
        let mut left = Vec::new();
        let mut calls = 0;
        self.engine.calls().for_each_relay((now / 1000) as u32, |_| calls += 1);
        if calls > revived {
            left.push(format!("a server still has {calls} calls in its table"));
        }
        let deletes = self.engine.deletes().len();
        if deletes > 0 {
            left.push(format!("a server still has {deletes} queued deletes"));
        }
        if !self.waiting.is_empty() {
            left.push("a server still waits for a relay".to_string());
        }
        left
    }
}

/// The library sees a reply with the server's own Via; it leaves without it.
fn through(mut message: Message, then: Then) -> Message {
    if then == Then::Reply {
        message.vias.pop();
    }
    message
}

fn engine(relays: &[usize], loop_marker: bool, shared: &SharedRelays) -> Arc<Engine> {
    let mut settings = Settings::new();
    let mut set = |name: &str, value: &str| settings.set(name, value).expect("a good setting");
    set("sip_asymmetrics", "");
    set("rtp_asymmetrics", "");
    set("max_calls", "64");
    set("loop_marker", if loop_marker { "yes" } else { "no" });
    for relay in relays {
        set("relay", &shared.get().setting(*relay));
    }
    Engine::new(settings, Log::none()).expect("an engine")
}

fn worker(engine: &Arc<Engine>, network: &Arc<dyn Network>, now: u64) -> Worker {
    simulated::worker(engine.clone(), network.clone(), now).expect("a worker")
}

/// Applies the edits, and reads the description that the next hop gets.
fn apply(waiting: &mut Waiting, edits: &Edits, address: IpAddr) -> Result<(), String> {
    if edits.is_empty() {
        return Ok(());
    }
    let source =
        Source { address: SocketAddr::new(address, 5060), local: None, transport: Transport::Udp };
    let parsed = sip::Message::parse(&waiting.bytes, source).map_err(|error| error.to_string())?;
    let mut rewritten = Vec::new();
    edits.apply(&parsed, &mut rewritten).map_err(|error| error.to_string())?;
    let text = std::str::from_utf8(&rewritten).map_err(|error| error.to_string())?;
    let (_, body) = text.split_once("\r\n\r\n").ok_or("the body is gone")?;
    let mut sdp = Sdp::parse(body)?;
    let before = waiting.message.sdp.take().unwrap_or_else(|| sdp.clone());
    sdp.offered_at = before.offered_at;
    waiting.message.sdp = Some(sdp.clone());
    // The next server gets the relay's address, from this server.
    waiting.message.origin = Some(address);
    whole(&before, &sdp)
}

/// A message is rewritten whole or not at all, and only its addresses change.
fn whole(before: &Sdp, after: &Sdp) -> Result<(), String> {
    if before.lines.len() != after.lines.len() {
        return Err("m= lines were added or removed".to_string());
    }
    for (number, (old, new)) in before.lines.iter().zip(&after.lines).enumerate() {
        let same = (old.kind, old.direction, old.end, old.is_active())
            == (new.kind, new.direction, new.end, new.is_active());
        if !same {
            return Err(format!("line {number} is another: {}", after.summary()));
        }
        // No address yet, as ICE has it, or one of the relay: nothing between.
        let no_address = old.address.ip().is_unspecified() && old.address.port() == 9;
        if no_address && old.address != new.address && new.address.ip().is_unspecified() {
            return Err(format!("line {number} has half an address: {}", after.summary()));
        }
    }
    let relayed = |line: &&Line| {
        line.is_active() && line.kind.is_relayed() && !line.address.ip().is_unspecified()
    };
    let at_relay = |line: &Line| relays::is_address(line.address.ip());
    let changed =
        before.lines.iter().zip(&after.lines).any(|(old, new)| old.address != new.address);
    if changed && !after.lines.iter().filter(relayed).all(at_relay) {
        return Err(format!("rewritten in part: {}", after.summary()));
    }
    Ok(())
}
