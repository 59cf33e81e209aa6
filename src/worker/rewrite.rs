//! `rewrite_sdp`, one step at a time: prepares a message, drives a relay request
//! and turns the answer into edits.

use crate::edit::{Edits, Verb};
use crate::error::{Error, Result, Status};
use crate::media::{self, CallState, role};
use crate::options::Options;
use crate::relay::link::Wait;
use crate::relay::{Query, Role, Times};
use crate::shared::CallMessage;
use crate::shared::calls::Ticket;
use crate::sip::Message;
use crate::sip::body::find_sdp;
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
    /// A request to a relay is pending.
    Requesting(Requesting),
    /// The result was returned.
    Over,
}

impl Drop for Rewrite {
    fn drop(&mut self) {
        if let State::Requesting(requesting) = &self.state {
            requesting.cancel();
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
    let call = worker.call_message(message)?;
    let Some(text) = find_sdp(message)? else {
        worker.report_bodyless(message, &call, options, now)?;
        return Ok(Started::NoSdp);
    };
    let settings = engine.settings();
    let leg = calls.look_up(&call, seconds(now));
    let state = CallState {
        offer_answer: leg.offer_answer(),
        relayed_upstream: settings.loop_marker() && leg.relayed_upstream(),
        relayed_lines: leg.relayed_lines(),
        ours: &|line, address| leg.is_relay_address(line, address),
    };
    let prepared = media::prepare(message, text, &state, options, settings)?;
    let decision = prepared.decision;
    let ticket = match prepared.plan {
        Some(_) => calls.begin(&call, seconds(now)),
        None => Ticket::default(),
    };
    let update = Update { message: call, ticket, offer_answer: decision.update };
    if prepared.relayed_upstream {
        let stored = calls.mark_relayed_upstream(&call, &decision.update, seconds(now));
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
        worker.cancel_deletes(call.key);
    }
    let choice = worker.choice(message, call, options)?;
    let requesting = Requesting::start(request, plan, choice, worker, now);
    let mut rewrite = Box::new(Rewrite { update, state: State::Requesting(requesting) });
    rewrite.drive(worker, now);
    Ok(Started::Rewrite(rewrite))
}

impl Rewrite {
    /// The event or the time to wait for before the next [`Rewrite::resume`].
    pub fn wait(&self) -> Wait {
        match &self.state {
            State::Requesting(requesting) => requesting.wait(),
            State::Unchanged | State::Over => Wait::NOTHING,
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

impl Worker {
    /// The message for the call table.
    pub(super) fn call_message(&self, message: &Message<'_>) -> Result<CallMessage> {
        let calls = self.engine.calls();
        Ok(CallMessage {
            key: calls.key(message.call_id()?, message.from_tag()?, message.to_tag()?),
            method: message.method()?,
            status: message.status(),
            cseq: message.cseq()?.number,
            branch: 0,
        })
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
