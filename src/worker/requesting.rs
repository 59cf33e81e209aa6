//! The relay request of a rewrite: drives it, accepts the answer, writes the edits
//! and stores the state of the call.

use std::sync::Arc;

use crate::edit::Edits;
use crate::engine::Engine;
use crate::error::{Error, Result, Status};
use crate::log::Level;
use crate::media::Plan;
use crate::media::plan::Accepted;
use crate::relay::link::{Wait, Wire};
use crate::relay::{Action, Facts, Need, Purpose, Query, Relay, Request, Role, Scope};
use crate::shared::calls::history::OfferAnswerUpdate;
use crate::shared::calls::update::LINES;
use crate::shared::calls::{CallMessage, CallUpdate, DeleteScope, LegStatus};
use crate::shared::calls::{Recorded, RelayPorts, Ticket};
use crate::shared::health::RelayCounter;
use crate::shared::{Counter, Delete};
use crate::worker::choose::Choice;
use crate::worker::deletes::{Sent, cancel_crossed_delete, queue};
use crate::worker::{Worker, seconds};

/// The pending request of a rewrite.
#[derive(Debug)]
pub(super) struct Requesting {
    plan: Plan,
    /// For an answer to an earlier offer: the relay's addresses in the last SDP for its
    /// receiver.
    stored: Option<RelayPorts>,
    /// `None` when it is over: the next rewrite uses its memory.
    request: Option<Box<Request>>,
    wire: Wire<Sent>,
    /// The accepted answer with its relay, after it has come.
    accepted: Option<(Arc<Relay>, Accepted)>,
    choice: Choice,
    /// The start time (milliseconds of the monotonic clock).
    started: u64,
    engine: Arc<Engine>,
    pid: u32,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Update {
    pub(super) call: CallMessage,
    pub(super) ticket: Ticket,
    pub(super) offer_answer: OfferAnswerUpdate,
    /// The m= lines that an offer relays; `None` for an answer.
    pub(super) relayed_lines: Option<u64>,
}

impl Requesting {
    /// Starts the request for `plan`, with the stored addresses for an answer to an
    /// earlier offer. The query is `request`'s.
    pub(super) fn start(
        mut request: Box<Request>,
        (plan, stored): (Plan, Option<RelayPorts>),
        choice: Choice,
        worker: &Worker,
        now: u64,
    ) -> Requesting {
        let engine = worker.engine.clone();
        let counters = engine.counters();
        counters.count(Counter::Requests);
        counters.count(match request.role() {
            Role::Offer => Counter::Offers,
            Role::Answer => Counter::Answers,
        });
        request.start(now);
        Requesting {
            plan,
            stored,
            request: Some(request),
            wire: Wire::default(),
            accepted: None,
            choice,
            started: now,
            pid: worker.process.pid(),
            engine,
        }
    }

    /// What to wait for before it is driven again.
    pub(super) fn wait(&self) -> Wait {
        match &self.request {
            Some(request) if request.action() == Action::Exchange => {
                self.wire.wait(request.exchange())
            }
            _ => Wait::NOTHING,
        }
    }

    /// Gives up a rewrite that is cancelled. In a forked child it is the parent's.
    pub(super) fn cancel(&self, update: &Update) {
        if std::process::id() != self.pid {
            return;
        }
        let (engine, calls, now) = (&self.engine, self.engine.calls(), self.started);
        engine.counters().count(Counter::Cancelled);
        calls.abandon(update.ticket, seconds(now));
        let over = calls.reply_without_sdp(&update.call, seconds(now)) == DeleteScope::Call;
        cancel_crossed_delete(engine, &update.call, now);
        let Some(exchange) = self.request.as_ref().map(|request| request.exchange()) else {
            return;
        };
        let Some(relay) = exchange.relay() else { return };
        let branch_delete = relay.capabilities(Facts::of(engine.health(), relay)).branch_delete;
        let under_way = exchange.need() == Need::Receive;
        let leg = calls.look_up(&update.call, seconds(now));
        let ended = leg.status() == LegStatus::Ended;
        // The relay makes or changes a session that no later message ends.
        let lost = under_way && leg.has_ended_leg();
        let scope = if over || lost && (update.call.lacks_to_tag() || !branch_delete) {
            Scope::Session
        } else if under_way && ended && branch_delete {
            Scope::Dialog
        } else if under_way && ended {
            // Another dialog is alive, and the delete would take it along.
            return engine.counters().count(Counter::DeletesWithheld);
        } else if under_way && update.ticket.is_new() {
            if branch_delete { Scope::Unanswered } else { Scope::Session }
        } else {
            return;
        };
        let own = update.call.is_initial_invite().then_some(update.call.cseq);
        let cseq = own.or(leg.initial_cseq()).filter(|_| scope.is_session());
        let delete = Delete { scope, ..delete_of(relay, exchange.query(), cseq) };
        queue(engine, update.call.key, relay, &delete, now, now);
    }

    /// Does all steps that need no waiting. True when the request is over.
    pub(super) fn drive(&mut self, worker: &mut Worker, now: u64) -> bool {
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
        let is_answer = request.role() == Role::Answer;
        let exchange = request.exchange_mut();
        let call_id = || exchange.query().call_id.escape_ascii();
        let mut warn = |line: &str| {
            engine.log().write(Level::Warning, format_args!("call {}: {line}", call_id()));
        };
        // A relay of ours has fewer ports than an answer has streams only when it has not
        // seen the offer, or has dropped it.
        let own = is_answer
            && exchange
                .relay()
                .is_some_and(|relay| relay.capabilities(exchange.facts()).branch_delete);
        let accepted = exchange.answer().map(|answer| match &self.stored {
            None if own => self.plan.accept_whole(answer, |_| None, &mut warn),
            None => self.plan.accept(answer, &mut warn),
            Some(stored) => self.plan.accept_whole(answer, |line| stored.get(line), &mut warn),
        });
        match (accepted, exchange.relay()) {
            (Some(Ok(accepted)), Some(relay)) => {
                self.accepted = Some((relay.clone(), accepted));
            }
            (Some(Err(error)), _) => {
                if self.stored.is_some() {
                    warn(error.text());
                }
                exchange.refuse(error);
            }
            _ => {}
        }
        exchange.record(&engine.records(), Purpose::Message, now);
        request.exchange_over(now);
    }

    /// Writes the edits and stores the state of the call.
    pub(super) fn finish(
        &mut self,
        update: &Update,
        worker: &mut Worker,
        now: u64,
        edits: &mut Edits,
    ) -> Result<()> {
        let result = self.request.as_mut().map(|request| request.take_result());
        worker.spare = self.request.take();
        let done = match result {
            Some(Err(error)) => Err(self.fail(error, update, worker, now)),
            Some(Ok(_)) | None => self.write(update, worker, now, edits),
        };
        cancel_crossed_delete(&self.engine, &update.call, now);
        let counters = self.engine.counters();
        counters.took(now.saturating_sub(self.started));
        counters.count(match &done {
            Ok(()) => Counter::Rewritten,
            Err(error) => Counter::failure(error.status()),
        });
        done
    }

    /// The request has failed. Of a call that has ended meanwhile the error says so: the
    /// relay has no session any more.
    #[cold]
    fn fail(&self, error: Error, update: &Update, worker: &mut Worker, now: u64) -> Error {
        let calls = self.engine.calls();
        calls.abandon(update.ticket, seconds(now));
        let leg = calls.look_up(&update.call, seconds(now));
        let error = match leg.status() == LegStatus::Ended {
            true => Error::new(Status::Ended, error.text().to_owned()),
            false => error,
        };
        // The reply goes on with the SDP of the phone.
        let over = calls.reply_without_sdp(&update.call, seconds(now));
        let cseq = calls.look_up(&update.call, seconds(now)).initial_cseq();
        if over == DeleteScope::Call
            && let Some(relay) = worker.relay_of_call(&self.choice)
            && let Some(request) = &worker.spare
        {
            let delete = delete_of(&relay, request.exchange().query(), cseq);
            worker.delete(update.call.key, delete, &relay, now);
        }
        error
    }

    fn write(
        &self,
        update: &Update,
        worker: &mut Worker,
        now: u64,
        edits: &mut Edits,
    ) -> Result<()> {
        let Some((relay, accepted)) = &self.accepted else {
            return Err(Error::new(Status::NoRelay, "the relay's answer was lost"));
        };
        let calls = self.engine.calls();
        let stored = CallUpdate {
            relay: relay.identity,
            offer_answer: update.offer_answer,
            media: ports_given(&self.plan, accepted),
            relayed_lines: update.relayed_lines,
        };
        let recorded = calls.record(&update.call, update.ticket, &stored, seconds(now));
        match recorded {
            Recorded::EndedMeanwhile(scope) => {
                return Err(self.ended_meanwhile(update, scope, worker, now));
            }
            Recorded::Stored { first: false, .. } => {}
            Recorded::Stored { cancelled, .. } => {
                worker.count_for(relay, RelayCounter::Calls);
                // The CANCEL came before there was a relay to delete the session at.
                if let Some(request) = worker.spare.as_ref().filter(|_| cancelled) {
                    let cseq = calls.look_up(&update.call, seconds(now)).initial_cseq();
                    let delete = delete_of(relay, request.exchange().query(), cseq);
                    worker.schedule(update.call.key, delete, relay, now);
                }
            }
            Recorded::Full { .. } => worker.count_for(relay, RelayCounter::Calls),
        }
        let call_id = worker.spare.as_ref().map(|request| &request.exchange().query().call_id);
        report_full_table(&self.engine, call_id.map_or(b"", |id| id), recorded);
        self.plan.apply(accepted, edits)
    }

    /// Deletes the session that the relay has made or changed for a call that has
    /// ended: the delete of its end may have reached the relay before the request.
    #[cold]
    fn ended_meanwhile(
        &self,
        update: &Update,
        scope: DeleteScope,
        worker: &mut Worker,
        now: u64,
    ) -> Error {
        let text = "the call ended while its relay worked on the request";
        let leg = self.engine.calls().look_up(&update.call, seconds(now));
        let relay = self.accepted.as_ref().map(|(relay, _)| relay);
        if let Some((relay, request)) = relay.zip(worker.spare.as_ref()) {
            let mut delete = delete_of(relay, request.exchange().query(), leg.initial_cseq());
            let here = leg.relay().is_none_or(|stored| stored == relay.identity);
            let again = scope != DeleteScope::Dialog && leg.is_active() && here;
            if again && update.call.lacks_to_tag() {
                // A new INVITE has come: the session is that of the new try.
                return Error::new(Status::Ended, text);
            }
            if scope == DeleteScope::Dialog || again {
                // Another dialog is alive, or the new try, which has not these two tags.
                if !relay.capabilities(worker.facts(relay)).branch_delete {
                    self.engine.counters().count(Counter::DeletesWithheld);
                    return Error::new(Status::Ended, text);
                }
                (delete.scope, delete.cseq) = (Scope::Dialog, None);
            }
            let (name, call_id) = (&relay.uri.text, delete.call_id.escape_ascii());
            let line = format_args!("relay {name}: call {call_id}: {text}; a delete follows");
            self.engine.log().write(Level::Info, line);
            self.engine.counters().count(Counter::EndedMeanwhile);
            worker.delete(update.call.key, delete, relay, now);
        }
        Error::new(Status::Ended, text)
    }
}

/// The delete of the session that a query was for. `cseq` is that of the leg's initial
/// INVITE, if it is known: the session of a next try stays. A query within a dialog that
/// comes after the delete of the call's end makes a session that begins with its own CSeq.
#[cold]
fn delete_of(relay: &Relay, query: &Query, cseq: Option<u32>) -> Delete {
    let (from_tag, to_tag) = match query.null_to_tag {
        true => (&query.to_tag, &query.from_tag),
        false => (&query.from_tag, &query.to_tag),
    };
    Delete {
        relay: relay.identity,
        scope: Scope::Session,
        cseq: cseq.map(|initial| initial.max(query.cseq)),
        branch: 0,
        call_id: query.call_id.clone(),
        from_tag: from_tag.clone(),
        to_tag: to_tag.clone(),
    }
}

/// Counts and logs a call that the call table had no room for.
pub(super) fn report_full_table(engine: &Engine, call_id: &[u8], recorded: Recorded) {
    let Recorded::Full { log } = recorded else { return };
    engine.counters().count(Counter::CallsNotStored);
    if log {
        let text = "call table full, call state not stored; increase max_calls";
        let text = format_args!("call {}: {text}", call_id.escape_ascii());
        engine.log().write(Level::Warning, text);
    }
}

/// The addresses in the SDP of `plan`, for the call table.
fn ports_given(plan: &Plan, accepted: &Accepted) -> RelayPorts {
    let mut given = RelayPorts::default();
    if let Accepted::Ports(assigned) = accepted {
        for line in 0..plan.streams.len().min(LINES) {
            if let Some(address) = assigned.line(line) {
                given.set(line, address);
            }
        }
    }
    given
}
