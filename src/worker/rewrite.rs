//! `rewrite_sdp`, one step at a time: drives a relay request over a connection
//! and turns the answer into edits.

use std::io;
use std::os::fd::RawFd;
use std::sync::Arc;

use crate::edit::Edits;
use crate::engine::Engine;
use crate::error::{Error, Result, Status};
use crate::log::Level;
use crate::media::plan::Rules;
use crate::media::role;
use crate::media::{self, Plan};
use crate::options::Options;
use crate::relay::Role;
use crate::relay::{Action, Answer, Event, Relay, Request, Times};
use crate::sdp;
use crate::shared::Counter;
use crate::shared::calls::history::OfferAnswerUpdate;
use crate::shared::calls::{CallKey, Event as CallEvent, Life};
use crate::shared::health::RelayCounter;
use crate::sip::{Message, Method};
use crate::sys::stream::is_local_failure;
use crate::worker::choose::Choice;
use crate::worker::connection::Connection;
use crate::worker::{Worker, seconds};

/// A full backlog is tried again after this many milliseconds.
const BACKLOG_PAUSE: u64 = 5;

/// What [`Worker::rewrite_start`] began.
#[derive(Debug)]
pub enum Started {
    /// The message has no session description; nothing to do.
    NoSdp,
    /// Resume it until it is done. Where nothing is to be waited for, the
    /// first [`Rewrite::resume`] ends it.
    Rewrite(Box<Rewrite>),
}

/// What a [`Rewrite`] waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// The descriptor to watch; -1 when there is none: resume at the deadline
    /// at the latest. May change after each resume.
    pub descriptor: RawFd,
    /// Wait until it can be read.
    pub read: bool,
    /// Wait until it can be written.
    pub write: bool,
    /// When to resume at the latest, in milliseconds of the monotonic clock.
    pub deadline: u64,
}

/// How far a [`Rewrite`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Wait again.
    Pending,
    /// Done; the edits are in the list.
    Done,
}

/// One rewrite under way (`mp_request` in C). Dropping it cancels it. It holds
/// its own relay connection; the message may be gone before it ends.
#[derive(Debug)]
pub struct Rewrite {
    plan: Plan,
    memory: Memory,
    /// `None`: no relay need be asked.
    asks: Option<Asks>,
    state: State,
}

/// Whom a rewrite asks.
#[derive(Debug)]
struct Asks {
    choice: Choice,
    /// When it began (milliseconds of the monotonic clock).
    started: u64,
    engine: Arc<Engine>,
    pid: u32,
}

impl Drop for Rewrite {
    /// Counts what is given up before its end; in a child, that is its
    /// parent's.
    fn drop(&mut self) {
        if let Some(asks) = &self.asks
            && !matches!(self.state, State::Over)
            && std::process::id() == asks.pid
        {
            asks.engine.counters().count(Counter::Cancelled);
        }
    }
}

/// A relay request and where it stands.
#[derive(Debug)]
enum State {
    /// A relay is to be chosen. The request is large and states follow fast.
    Choosing { request: Box<Request> },
    /// To be connected at the time given: a full backlog waits a little.
    Connecting { request: Box<Request>, fresh: bool, at: u64 },
    /// So many bytes are out.
    Sending { request: Box<Request>, connection: Connection, sent: usize },
    /// Waiting for the answer.
    Reading { request: Box<Request>, connection: Connection },
    /// The relay answered (which one), or need not be asked.
    Answered(Result<Option<(Arc<Relay>, Answer)>>),
    /// Nothing is left to do.
    Over,
}

/// What the call table is told when the answer has come.
#[derive(Clone, Copy, Debug)]
struct Memory {
    key: CallKey,
    branch: Option<Life>,
    description: OfferAnswerUpdate,
}

/// Plans the rewrite and takes the first steps.
pub(super) fn start(
    worker: &mut Worker,
    message: &Message<'_>,
    options: &Options,
    now: u64,
) -> Result<Started> {
    let method = message.method()?;
    if !role::carries_sessions(method, message.status()) {
        return Ok(Started::NoSdp);
    }
    let engine = worker.engine.clone();
    let calls = engine.calls();
    let key = calls.key(message.call_id()?, message.from_tag()?, message.to_tag()?);
    let Some(text) = crate::sip::body::find_sdp(message)? else {
        worker.tell_bodyless(message, method, key, options, now)?;
        return Ok(Started::NoSdp);
    };
    let session = sdp::Session::parse(text)?;
    let is_reply = message.status().is_some();
    let cseq = message.cseq()?.number;
    let known = calls.known(key, cseq);
    let decision = role::decide(is_reply, method, cseq, &known, options.role);
    let settings = engine.settings();
    let rules = Rules {
        role: decision.role,
        ice_candidate: options.ice_candidate.unwrap_or(settings.ice_candidate()),
        rewrite_origin: settings.rewrite_origin(),
        loop_marker: settings.loop_marker(),
        ours: &|address| calls.is_ours(key, address),
    };
    let branch = life(method, message.status());
    let memory = Memory { key, branch, description: decision.memory };
    // Another proxy on the way relays what carries its marker, and the answer
    // to it, which may come by here before it has been marked.
    let passes = rules.loop_marker
        && match decision.role {
            Role::Offer => session.loop_marker,
            Role::Answer => calls.is_passed_by(key),
        };
    let plan = if passes { Plan::default() } else { media::plan(message, &session, &rules)? };
    if passes && decision.role == Role::Offer {
        remembered(&engine, calls.pass_by(key, branch, &decision.memory, seconds(now)));
    }
    let mut rewrite = Rewrite { plan, memory, asks: None, state: State::Answered(Ok(None)) };
    if !rewrite.plan.streams.is_empty() {
        let times = Times {
            total: milliseconds(settings.relay_timeout()),
            each: settings.relay_try().map(milliseconds),
        };
        let mut request = worker.spare.take().unwrap_or_default();
        let query = request.renew(decision.role, times);
        worker.ask(query, message, decision.cseq, options)?;
        query.streams.clone_from(&rewrite.plan.streams);
        if decision.role == Role::Offer {
            worker.cancel_ends(key);
        }
        rewrite.asks = Some(Asks {
            choice: worker.choice(message, key, options)?,
            started: now,
            engine: engine.clone(),
            pid: worker.process.pid(),
        });
        count_request(&engine, decision.role);
        let action = request.step(Event::Start, now);
        rewrite.act(worker, request, None, action, now);
        rewrite.drive(worker, now);
    }
    Ok(Started::Rewrite(Box::new(rewrite)))
}

impl Rewrite {
    /// What to wait for now.
    pub fn wait(&self) -> Wait {
        let none = Wait { descriptor: -1, read: false, write: false, deadline: 0 };
        match &self.state {
            State::Connecting { request, at, .. } => {
                Wait { deadline: request.deadline().min(*at), ..none }
            }
            State::Sending { request, connection, .. } => Wait {
                descriptor: connection.descriptor(),
                read: false,
                write: true,
                deadline: request.deadline(),
            },
            State::Reading { request, connection } => Wait {
                descriptor: connection.descriptor(),
                read: true,
                write: false,
                deadline: request.deadline(),
            },
            State::Choosing { .. } | State::Answered(_) | State::Over => none,
        }
    }

    /// Goes on after the descriptor became ready or the deadline passed.
    /// `worker` is the one it was started on. All edits are added to `edits`
    /// with `Progress::Done`, none in any other case. After `Done` or an error
    /// it is over: a further call answers `Status::Argument`.
    pub fn resume(&mut self, worker: &mut Worker, now: u64, edits: &mut Edits) -> Result<Progress> {
        worker.check_process()?;
        self.drive(worker, now);
        match std::mem::replace(&mut self.state, State::Over) {
            State::Answered(answer) => {
                let finished = answer.and_then(|answer| self.finish(worker, answer, now, edits));
                if let Some(asks) = &self.asks {
                    let counters = worker.engine.counters();
                    counters.took(now.saturating_sub(asks.started));
                    counters.count(match &finished {
                        Ok(()) => Counter::Rewritten,
                        Err(error) => Counter::failure(error.status()),
                    });
                }
                finished.map(|()| Progress::Done)
            }
            State::Over => Err(Error::new(
                Status::Argument,
                "this request is over; free it and start a new one",
            )),
            waiting => {
                self.state = waiting;
                Ok(Progress::Pending)
            }
        }
    }

    /// Does all that can be done without waiting.
    fn drive(&mut self, worker: &mut Worker, now: u64) {
        loop {
            match std::mem::replace(&mut self.state, State::Over) {
                State::Choosing { mut request } => {
                    let action = self.choose(worker, &mut request, now);
                    self.act(worker, request, None, action, now);
                }
                State::Connecting { mut request, fresh, at } => {
                    if now < at && now < request.deadline() {
                        self.state = State::Connecting { request, fresh, at };
                        return;
                    }
                    let connection = match request.relay() {
                        Some(relay) => worker.pool.take(relay, fresh),
                        None => Err(io::ErrorKind::NotFound.into()),
                    };
                    let (event, connection) = match connection {
                        Ok(made) => {
                            let (reused, owed) = (made.reused(), made.owed());
                            (Event::Connected { reused, owed }, Some(made))
                        }
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                            let action = request.step(Event::Timer, now);
                            if action == Action::Read {
                                let at = now.saturating_add(BACKLOG_PAUSE);
                                self.state = State::Connecting { request, fresh, at };
                                return;
                            }
                            self.act(worker, request, None, action, now);
                            continue;
                        }
                        Err(error) => {
                            let reason = error.to_string();
                            let action = if is_local_failure(&error) {
                                request.step(Event::Hindered(&reason), now)
                            } else {
                                request.step(Event::Failed(&reason), now)
                            };
                            self.act(worker, request, None, action, now);
                            continue;
                        }
                    };
                    let action = request.step(event, now);
                    self.act(worker, request, connection, action, now);
                }
                State::Sending { mut request, connection, sent } => {
                    let rest = request.outgoing().get(sent..).unwrap_or_default();
                    let (event, sent) = match connection.send(rest) {
                        Ok(more) if more == rest.len() => (Event::Sent, sent),
                        Ok(more) => (Event::Timer, sent.saturating_add(more)),
                        Err(error) if would_wait(&error) => (Event::Timer, sent),
                        Err(_) if sent == 0 && !connection.reused() => {
                            (Event::Failed("closed the connection before it was asked"), sent)
                        }
                        Err(_) => (Event::Closed, sent),
                    };
                    let timer = matches!(event, Event::Timer);
                    let action = request.step(event, now);
                    if action == Action::Read {
                        self.state = match timer {
                            true => State::Sending { request, connection, sent },
                            // No relay is so fast that a look now would pay.
                            false => State::Reading { request, connection },
                        };
                        return;
                    }
                    self.act(worker, request, Some(connection), action, now);
                }
                State::Reading { mut request, connection } => {
                    // An answer for 64 streams has some 400 bytes; more room
                    // would only cost its zeroes each time.
                    let mut buffer = [0u8; 1024];
                    let action = match connection.receive(&mut buffer) {
                        Ok(0) => request.step(Event::Closed, now),
                        Ok(length) => {
                            let bytes = buffer.get(..length).unwrap_or_default();
                            match request.step(Event::Data(bytes), now) {
                                Action::Done(Ok(answer)) => match self.plan.accepts(&answer) {
                                    Ok(()) => Action::Done(Ok(answer)),
                                    Err(error) => request.step(Event::Unusable(&error), now),
                                },
                                action => action,
                            }
                        }
                        Err(error) if would_wait(&error) => {
                            let action = request.step(Event::Timer, now);
                            if action == Action::Read {
                                self.state = State::Reading { request, connection };
                                return;
                            }
                            action
                        }
                        Err(_) => request.step(Event::Closed, now),
                    };
                    if let (Action::Done(_), true) = (&action, request.in_step()) {
                        worker.pool.keep(connection);
                        self.act(worker, request, None, action, now);
                    } else {
                        self.act(worker, request, Some(connection), action, now);
                    }
                }
                ended => {
                    self.state = ended;
                    return;
                }
            }
        }
    }

    /// Chooses the relay to ask, the first one or after another failed.
    fn choose(&self, worker: &mut Worker, request: &mut Request, now: u64) -> Action {
        let Some(asks) = &self.asks else { return request.step(Event::NoneLeft(""), now) };
        match worker.choose(&asks.choice, request.role(), request.tried(), now) {
            Ok(relay) => {
                if !request.tried().is_empty() {
                    worker.engine.counters().count(Counter::Failovers);
                }
                let others = asks.choice.has_others(request.tried());
                let others = others && request.role() == Role::Offer;
                worker.count_for(&relay, RelayCounter::Requests);
                request.step(Event::Chosen { relay: &relay, others }, now)
            }
            Err(reason) => request.step(Event::NoneLeft(&reason), now),
        }
    }

    /// Takes up what the request wants next, and tells what it found out. A
    /// connection that is not handed on is closed here: its answer did not come
    /// whole.
    fn act(
        &mut self,
        worker: &mut Worker,
        mut request: Box<Request>,
        connection: Option<Connection>,
        action: Action,
        now: u64,
    ) {
        if let Some((relay, found)) = request.take_found() {
            worker.judge(&relay, found, now);
        }
        self.state = match (action, connection) {
            (Action::Choose, _) => State::Choosing { request },
            (Action::Connect { fresh }, _) => State::Connecting { request, fresh, at: now },
            (Action::Send, Some(connection)) => State::Sending { request, connection, sent: 0 },
            (Action::Read, Some(connection)) => State::Reading { request, connection },
            (Action::Done(answer), _) => {
                let relay = request.relay().cloned();
                worker.spare = Some(request);
                State::Answered(answer.map(|answer| Some((relay?, answer))))
            }
            (Action::Send | Action::Read, None) => State::Answered(Err(Error::new(
                Status::NoRelay,
                "the connection to the relay was lost",
            ))),
        };
    }

    /// Writes the edits and remembers the call.
    fn finish(
        &self,
        worker: &Worker,
        answer: Option<(Arc<Relay>, Answer)>,
        now: u64,
        edits: &mut Edits,
    ) -> Result<()> {
        let Some((relay, answer)) = answer else {
            edits.remove_verb(crate::edit::Verb::RewriteSdp);
            return Ok(());
        };
        let engine = &worker.engine;
        self.plan.fill(&answer, edits, &mut |line| engine.log().write(Level::Warning, line))?;
        let calls = engine.calls();
        if !calls.is_known(self.memory.key) {
            worker.count_for(&relay, RelayCounter::Calls);
        }
        let event = CallEvent {
            relay: relay.identity,
            branch: self.memory.branch,
            description: self.memory.description,
            media: ports_given(&answer),
        };
        remembered(engine, calls.record(self.memory.key, &event, seconds(now)));
        Ok(())
    }
}

/// Counts a rewrite for which a relay is asked.
fn count_request(engine: &Engine, role: Role) {
    let counters = engine.counters();
    counters.count(Counter::Requests);
    counters.count(if role == Role::Offer { Counter::Offers } else { Counter::Answers });
}

/// Says so when the call table had no room.
fn remembered(engine: &Engine, done: bool) {
    if !done {
        engine.counters().count(Counter::CallsNotStored);
        let text = "the call table is full: this call goes on without memory; raise max_calls";
        engine.log().write(Level::Warning, text);
    }
}

/// The relay's address, and the lowest and highest port of the answer.
fn ports_given(answer: &Answer) -> Option<(std::net::IpAddr, u16, u16)> {
    let Answer::Ports { address, ports } = answer else { return None };
    let used = || ports.iter().copied().filter(|port| *port != 0);
    Some((*address, used().min()?, used().max()?))
}

/// What a reply to INVITE makes of its branch.
pub(super) fn life(method: Method, status: Option<u16>) -> Option<Life> {
    match (method, status?) {
        (Method::Invite, 101..=199) => Some(Life::Early),
        (Method::Invite, 200..=299) => Some(Life::Answered),
        _ => None,
    }
}

fn would_wait(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

fn milliseconds(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
