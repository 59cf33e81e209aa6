//! `rewrite_sdp`, one step at a time: prepares a message, drives a relay request
//! and turns the answer into edits.

use std::sync::Arc;

use crate::edit::{Edits, Verb};
use crate::engine::Engine;
use crate::error::{Error, Result, Status};
use crate::log::Level;
use crate::media::plan::Accepted;
use crate::media::{self, CallState, Plan, role};
use crate::options::Options;
use crate::relay::link::{Wait, Wire};
use crate::relay::{Action, Answer, Purpose, Query, Relay, Request, Role, Times};
use crate::shared::Counter;
use crate::shared::calls::history::OfferAnswerUpdate;
use crate::shared::calls::{BranchState, CallKey, CallUpdate};
use crate::shared::health::RelayCounter;
use crate::sip::Message;
use crate::sip::body::find_sdp;
use crate::worker::choose::Choice;
use crate::worker::terminate::Sent;
use crate::worker::{Worker, seconds};

/// The result of [`Worker::rewrite_start`].
#[derive(Debug)]
pub enum Started {
    /// The message has no SDP; nothing to do.
    NoSdp,
    /// A rewrite; resume it until it is done. If it needs no waiting, the first
    /// [`Rewrite::resume`] finishes it.
    Rewrite(Box<Rewrite>),
}

/// The progress of a [`Rewrite`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Not done: wait again.
    Pending,
    /// Done: the edits are in the list.
    Done,
}

/// One pending rewrite (`mp_request` in C). It has its own connection to the relay
/// and does not need the message any more. Dropping it cancels it.
#[derive(Debug)]
pub struct Rewrite {
    /// The change of the call table after the answer.
    update: Update,
    state: State,
}

#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "boxed with its rewrite")]
enum State {
    /// Nothing is to be changed, and no request is needed.
    Unchanged,
    /// A request to a relay is pending.
    Requesting(Requesting),
    /// The result was returned.
    Over,
}

/// The pending request of a rewrite.
#[derive(Debug)]
struct Requesting {
    plan: Plan,
    /// `None` when it is over: the next rewrite uses its memory.
    request: Option<Box<Request>>,
    wire: Wire<Sent>,
    /// The accepted answer with its relay, after it has come.
    accepted: Option<(Arc<Relay>, Accepted, Ports)>,
    choice: Choice,
    /// The start time (milliseconds of the monotonic clock).
    started: u64,
    engine: Arc<Engine>,
    pid: u32,
}

/// The relay's address, and the lowest and the highest port of its answer.
type Ports = Option<(std::net::IpAddr, u16, u16)>;

#[derive(Clone, Copy, Debug)]
struct Update {
    key: CallKey,
    branch: Option<BranchState>,
    offer_answer: OfferAnswerUpdate,
}

impl Drop for Rewrite {
    /// Counts a cancelled rewrite. In a forked child it is the parent's.
    fn drop(&mut self) {
        if let State::Requesting(requesting) = &self.state
            && std::process::id() == requesting.pid
        {
            requesting.engine.counters().count(Counter::Cancelled);
        }
    }
}

/// Prepares the rewrite and takes the first steps.
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
    let Some(text) = find_sdp(message)? else {
        worker.report_bodyless(message, method, key, options, now)?;
        return Ok(Started::NoSdp);
    };
    let settings = engine.settings();
    let call = CallState {
        offer_answer: calls.offer_answer_state(key, message.cseq()?.number),
        relayed_upstream: settings.loop_marker() && calls.relayed_upstream(key),
        ours: &|address| calls.is_relay_address(key, address),
    };
    let prepared = media::prepare(message, text, &call, options, settings)?;
    let decision = prepared.decision;
    let branch = role::branch_state(method, message.status());
    let update = Update { key, branch, offer_answer: decision.update };
    if prepared.relayed_upstream {
        let stored = calls.mark_relayed_upstream(key, branch, &decision.update, seconds(now));
        report_full_table(&engine, message.call_id()?, stored);
    }
    let Some(plan) = prepared.plan else {
        return Ok(Started::Rewrite(Box::new(Rewrite { update, state: State::Unchanged })));
    };
    let times = Times {
        total: milliseconds(settings.relay_timeout()),
        each: settings.relay_try().map(milliseconds),
    };
    let mut request = worker.spare.take().unwrap_or_default();
    let query = request.renew(decision.role, times);
    worker.fill_query(query, message, decision.cseq, options)?;
    query.streams.clone_from(&plan.streams);
    if decision.role == Role::Offer {
        worker.cancel_deletes(key);
    }
    let choice = worker.choice(message, key, options)?;
    count_request(&engine, decision.role);
    request.start(now);
    let pid = worker.process.pid();
    let (wire, accepted) = (Wire::default(), None);
    let request = Some(request);
    let requesting =
        Requesting { plan, request, wire, accepted, choice, started: now, engine, pid };
    let mut rewrite = Box::new(Rewrite { update, state: State::Requesting(requesting) });
    rewrite.drive(worker, now);
    Ok(Started::Rewrite(rewrite))
}

impl Rewrite {
    /// The event or the time to wait for before the next [`Rewrite::resume`].
    pub fn wait(&self) -> Wait {
        let State::Requesting(Requesting { request: Some(request), wire, .. }) = &self.state else {
            return Wait::NOTHING;
        };
        match request.action() {
            Action::Exchange => wire.wait(request.exchange()),
            Action::Choose | Action::Done => Wait::NOTHING,
        }
    }

    /// Continues after the descriptor became ready or the deadline has passed.
    /// `worker` is the one that started the rewrite. All edits are added to `edits`
    /// with `Progress::Done`, none in any other case. After `Done` or an error the
    /// rewrite is over.
    ///
    /// # Errors
    /// `Status::NoRelay`, `Status::RelayTimeout` or `Status::RelayAnswer` when no
    /// relay has answered usably, `Status::Edits` when an edit of another verb is
    /// in the SDP, `Status::WrongProcess` after a fork, `Status::Argument` when the
    /// rewrite is over.
    pub fn resume(&mut self, worker: &mut Worker, now: u64, edits: &mut Edits) -> Result<Progress> {
        worker.check_process()?;
        if !self.drive(worker, now) {
            return Ok(Progress::Pending);
        }
        let done = match &mut self.state {
            State::Unchanged => {
                edits.remove_verb(Verb::RewriteSdp);
                Ok(())
            }
            State::Requesting(requesting) => requesting.finish(&self.update, worker, now, edits),
            State::Over => Err(Error::new(
                Status::Argument,
                "this request is over; free it and start a new one",
            )),
        };
        self.state = State::Over;
        done.map(|()| Progress::Done)
    }

    /// Does all steps that need no waiting. True when the rewrite can be finished.
    fn drive(&mut self, worker: &mut Worker, now: u64) -> bool {
        match &mut self.state {
            State::Requesting(requesting) => requesting.drive(worker, now),
            State::Unchanged | State::Over => true,
        }
    }
}

impl Requesting {
    /// Does all steps that need no waiting. True when the request is over.
    fn drive(&mut self, worker: &mut Worker, now: u64) -> bool {
        while let Some(request) = &mut self.request {
            match request.action() {
                Action::Choose => self.choose(worker, now),
                Action::Exchange => {
                    if !self.wire.drive(request.exchange_mut(), &mut worker.pool, now) {
                        return false;
                    }
                    self.exchange_over(now);
                }
                Action::Done => break,
            }
        }
        true
    }

    /// Chooses the first relay, or the next one after a failure.
    fn choose(&mut self, worker: &mut Worker, now: u64) {
        let Some(request) = &mut self.request else { return };
        match worker.choose(&self.choice, request.role(), request.tried(), now) {
            Ok(relay) => {
                if !request.tried().is_empty() {
                    worker.engine.counters().count(Counter::Failovers);
                }
                let others = self.choice.has_others(request.tried());
                let others = others && request.role() == Role::Offer;
                worker.count_for(&relay, RelayCounter::Requests);
                request.chosen(&relay, worker.facts(&relay), others, now);
            }
            Err(reason) => request.none_left(reason),
        }
    }

    /// Checks whether the answer fits the plan, and records the outcome.
    fn exchange_over(&mut self, now: u64) {
        let engine = &self.engine;
        let Some(request) = &mut self.request else { return };
        let exchange = request.exchange_mut();
        let call_id = || exchange.query().call_id.escape_ascii();
        let mut warn = |line: &str| {
            engine.log().write(Level::Warning, format_args!("call {}: {line}", call_id()));
        };
        let accepted = exchange.answer().map(|answer| {
            let accepted = self.plan.accept(answer, &mut warn)?;
            Ok((accepted, ports_given(answer)))
        });
        match (accepted, exchange.relay()) {
            (Some(Ok((accepted, ports))), Some(relay)) => {
                self.accepted = Some((relay.clone(), accepted, ports));
            }
            (Some(Err(error)), _) => exchange.refuse(error),
            _ => {}
        }
        exchange.record(&engine.records(), Purpose::Message, now);
        request.exchange_over(now);
    }

    /// Writes the edits and stores the state of the call.
    fn finish(
        &mut self,
        update: &Update,
        worker: &mut Worker,
        now: u64,
        edits: &mut Edits,
    ) -> Result<()> {
        let result = self.request.as_mut().map(|request| request.take_result());
        worker.spare = self.request.take();
        let done = match result {
            Some(Err(error)) => Err(error),
            Some(Ok(_)) | None => self.write(update, worker, now, edits),
        };
        let counters = self.engine.counters();
        counters.took(now.saturating_sub(self.started));
        counters.count(match &done {
            Ok(()) => Counter::Rewritten,
            Err(error) => Counter::failure(error.status()),
        });
        done
    }

    fn write(&self, update: &Update, worker: &Worker, now: u64, edits: &mut Edits) -> Result<()> {
        let Some((relay, accepted, media)) = &self.accepted else {
            return Err(Error::new(Status::NoRelay, "the relay's answer was lost"));
        };
        self.plan.apply(accepted, edits)?;
        let calls = self.engine.calls();
        if !calls.is_active(update.key) {
            worker.count_for(relay, RelayCounter::Calls);
        }
        let stored = CallUpdate {
            relay: relay.identity,
            branch: update.branch,
            offer_answer: update.offer_answer,
            media: *media,
        };
        let stored = calls.record(update.key, &stored, seconds(now));
        let call_id = worker.spare.as_ref().map(|request| &request.exchange().query().call_id);
        report_full_table(&self.engine, call_id.map_or(b"", |id| id), stored);
        Ok(())
    }
}

impl Worker {
    /// Fills `query` from the message, the CSeq of its offer, the options and
    /// the client lists.
    pub(super) fn fill_query(
        &self,
        query: &mut Query,
        message: &Message<'_>,
        cseq: u32,
        options: &Options,
    ) -> Result<()> {
        query.renew(message, cseq)?;
        query.asymmetric = self.asymmetry(message)?.rtp;
        options.fill(message, query);
        Ok(())
    }
}

/// Counts a rewrite with a request to a relay.
fn count_request(engine: &Engine, role: Role) {
    let counters = engine.counters();
    counters.count(Counter::Requests);
    counters.count(if role == Role::Offer { Counter::Offers } else { Counter::Answers });
}

/// Counts and logs a call that the call table had no room for.
fn report_full_table(engine: &Engine, call_id: &[u8], stored: bool) {
    if !stored {
        engine.counters().count(Counter::CallsNotStored);
        let text = "call table full, call state not stored; increase max_calls";
        let text = format_args!("call {}: {text}", call_id.escape_ascii());
        engine.log().write(Level::Warning, text);
    }
}

fn ports_given(answer: &Answer) -> Ports {
    let Answer::Ports { address, ports } = answer else { return None };
    let used = || ports.iter().copied().filter(|port| *port != 0);
    Some((*address, used().min()?, used().max()?))
}

fn milliseconds(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
