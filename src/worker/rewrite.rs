//! `rewrite_sdp`, one step at a time: prepares a message, drives a relay request
//! and turns the answer into edits.

use crate::edit::{Edits, Verb};
use crate::engine::Engine;
use crate::error::{Error, Result, Status};
use crate::log::Level;
use crate::media::plan::Accepted;
use crate::media::{self, CallState, Plan, role};
use crate::options::Options;
use crate::relay::link::Wait;
use crate::relay::{Query, Role, Times};
use crate::shared::calls::{LegState, LegStatus, Ticket};
use crate::shared::{CallMessage, Counter};
use crate::sip::body::find_sdp;
use crate::sip::{Message, Method};
use crate::worker::deletes::cancel_deletes;
use crate::worker::requesting::{Requesting, Update, report_full_table};
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
    /// The call has ended. Its stored ports are the answer; no request is needed.
    Stored(Plan, Accepted),
    /// A request to a relay is pending.
    Requesting(Requesting),
    /// The result was returned.
    Over,
}

impl Drop for Rewrite {
    fn drop(&mut self) {
        if let State::Requesting(requesting) = &self.state {
            requesting.cancel(&self.update);
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
    let call = worker.call_message(message, method)?;
    let leg = calls.look_up(&call, seconds(now));
    let Some(text) = find_sdp(message)? else {
        worker.message_without_sdp(message, &call, &leg, options, now)?;
        return Ok(Started::NoSdp);
    };
    let settings = engine.settings();
    let state = CallState {
        method: call.method,
        cseq: call.cseq,
        offer_answer: leg.offer_answer(),
        relayed_upstream: settings.loop_marker() && leg.relayed_upstream(),
        relayed_lines: leg.relayed_lines(),
        has_session: leg.is_active() && leg.relay().is_some(),
        ours: &|line, address| leg.is_relay_address(line, address),
    };
    if leg.is_first_try() {
        cancel_deletes(&engine, call.key);
    }
    let prepared = match media::prepare(message, text, &state, options, settings) {
        Ok(prepared) => prepared,
        Err(error) => {
            worker.store_reply(message, &call, &leg, now)?;
            return Err(error);
        }
    };
    let decision = prepared.decision;
    let mut update = Update {
        call,
        ticket: Ticket::default(),
        offer_answer: decision.update,
        relayed_lines: None,
    };
    if prepared.relayed_upstream {
        let stored = calls.mark_relayed_upstream(&call, &decision.update, seconds(now));
        report_full_table(&engine, message.call_id()?, stored);
    }
    if let Some(unserved) = &prepared.unserved {
        warn_of_call(&engine, message, unserved);
    }
    if prepared.left_alone {
        let stored = calls.mark_left_alone(&call, &decision.update, seconds(now));
        report_full_table(&engine, message.call_id()?, stored);
    }
    let Some(plan) = prepared.plan else {
        // The SDP is not changed, but the reply makes or confirms its dialog.
        match prepared.removes_lines && leg.status() == LegStatus::Unknown {
            true => worker.message_without_sdp(message, &call, &leg, options, now)?,
            false => worker.store_reply(message, &call, &leg, now)?,
        }
        return Ok(Started::Rewrite(Box::new(Rewrite { update, state: State::Unchanged })));
    };
    if leg.status() == LegStatus::Ended && !leg.is_new_try() {
        worker.store_reply(message, &call, &leg, now)?;
        let late = call.status.is_some() || decision.role == Role::Answer;
        let accepted = late.then(|| stored_answer(&plan, &leg)).flatten();
        let Some(accepted) = accepted else { return Err(ended(worker, message)) };
        let state = State::Stored(plan, accepted);
        return Ok(Started::Rewrite(Box::new(Rewrite { update, state })));
    }
    // A delayed offer in a reply is older than the next INVITE of its transaction's
    // sender: the reply is a repeated one (RFC 3261 13.3.1.4), not a new offer.
    let late_offer = call.status.is_some()
        && decision.role == Role::Offer
        && state.offer_answer.newest_offer.is_some_and(|newest| newest > call.cseq);
    let repeated = late_offer || leg.repeats_initial_invite();
    if let Some(accepted) = repeated.then(|| stored_answer(&plan, &leg)).flatten() {
        let state = State::Stored(plan, accepted);
        return Ok(Started::Rewrite(Box::new(Rewrite { update, state })));
    }
    if late_offer {
        // For the relay it would be a new offer.
        return Err(not_stored(&engine, message));
    }
    let late_answer = decision.role == Role::Answer && leg.answers_earlier_offer();
    let stored = late_answer.then(|| leg.stored_ports().unwrap_or_default());
    let times = Times {
        total: milliseconds(settings.relay_timeout()),
        each: settings.relay_try().map(milliseconds),
    };
    let mut request = worker.spare.take().unwrap_or_default();
    let query = request.renew(decision.role, times);
    worker.fill_query(query, message, decision.cseq, options)?;
    (query.branch, query.dialog) = (call.branch, leg.stored_dialog());
    query.null_to_tag = has_null_to_tag(&call, &leg);
    query.streams.clone_from(&plan.streams);
    let mut choice = worker.choice(message, &query.call_id, options);
    choice.stored = leg.relay().filter(|_| leg.is_active() || decision.role == Role::Answer);
    if let Some(relay) = choice.stored.filter(|_| !leg.is_first_try()) {
        request.bind(relay);
    } else if call.status.is_some() && leg.status() == LegStatus::Unknown {
        // The other relays do not have the offer.
        request.bind_to_any();
    }
    update.relayed_lines = (decision.role == Role::Offer).then(|| plan.relayed_lines());
    update.ticket = calls.begin_found(&leg, seconds(now));
    let requesting = Requesting::start(request, (plan, stored), choice, worker, now);
    let mut rewrite = Box::new(Rewrite { update, state: State::Requesting(requesting) });
    rewrite.drive(worker, now);
    Ok(Started::Rewrite(rewrite))
}

#[cold]
fn warn_of_call(engine: &Engine, message: &Message<'_>, text: &str) {
    let call_id = message.call_id().unwrap_or_default().escape_ascii();
    engine.log().write(Level::Warning, format_args!("call {call_id}: {text}"));
}

/// True when the To tag of a message is null, not missing (RFC 3261 12.1.1): in a
/// dialog, and in a final reply, which makes one.
pub(super) fn has_null_to_tag(call: &CallMessage, leg: &LegState<'_>) -> bool {
    leg.has_null_to_tag() || call.lacks_to_tag() && call.status.is_some_and(|status| status >= 200)
}

/// The error for an offer of a call that has ended, and for an answer whose ports
/// are not stored.
#[cold]
fn ended(worker: &Worker, message: &Message<'_>) -> Error {
    worker.engine.counters().count(Counter::FailedEnded);
    let call_id = message.call_id().unwrap_or_default().escape_ascii();
    Error::new(Status::Ended, format!("call {call_id} has ended; its SDP is unchanged"))
}

/// The error for a repeated offer of a live call whose ports are not stored.
#[cold]
fn not_stored(engine: &Engine, message: &Message<'_>) -> Error {
    engine.counters().count(Counter::FailedAnswer);
    let text = "the SDP repeats an earlier offer, whose ports are gone; it is unchanged";
    warn_of_call(engine, message, text);
    Error::new(Status::RelayAnswer, text)
}

/// The stored addresses of the relay as the answer to a retransmitted or late message.
/// `None` when they are not stored.
fn stored_answer(plan: &Plan, leg: &LegState<'_>) -> Option<Accepted> {
    let stored = leg.stored_ports()?;
    plan.accept_stored(|line| stored.get(line))
}

impl Rewrite {
    /// The event or the time to wait for before the next [`Rewrite::resume`].
    pub fn wait(&self) -> Wait {
        match &self.state {
            State::Requesting(requesting) => requesting.wait(),
            State::Unchanged | State::Stored(..) | State::Over => Wait::NOTHING,
        }
    }

    /// Continues after the descriptor became ready or the deadline has passed.
    /// `worker` is the one that started the rewrite. All edits are added to `edits`
    /// with `Progress::Done`, none in any other case. After `Done` or an error the
    /// rewrite is over.
    ///
    /// # Errors
    /// `Status::NoRelay`, `Status::RelayTimeout` or `Status::RelayAnswer` when no
    /// relay has answered usably, `Status::Ended` when the call ended meanwhile: the
    /// relay is sent a delete then. `Status::Edits` when an edit of another verb is
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
            State::Stored(plan, accepted) => plan.apply(accepted, edits),
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
            State::Unchanged | State::Stored(..) | State::Over => true,
        }
    }
}

impl Worker {
    /// The message for the call table. The CSeq of a BYE does not matter.
    pub(super) fn call_message(
        &self,
        message: &Message<'_>,
        method: Method,
    ) -> Result<CallMessage> {
        let calls = self.engine.calls();
        let status = message.status();
        let cseq = match (method, message.cseq()) {
            (_, Ok(cseq)) => cseq.number,
            (Method::Bye, Err(_)) => 0,
            (_, Err(error)) => return Err(error),
        };
        // The branch that the server has sent the INVITE on. A failure on it ends early
        // dialogs only.
        let branch = match (method, status) {
            (Method::Invite, Some(101..200 | 300..)) => calls.branch(message.top_branch()),
            _ => 0,
        };
        let key = calls.key(message.call_id()?, message.from_tag()?, message.to_tag()?);
        Ok(CallMessage { key, method, status, cseq, branch })
    }

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

fn milliseconds(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
