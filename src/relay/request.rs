//! A request of a message: one query, asked of one relay after another until
//! one answers, within the message's time. No socket, no clock.

use std::mem;
use std::sync::Arc;

use crate::error::{Error, Result, Status};
use crate::relay::exchange::{Exchange, Limits};
use crate::relay::{Answer, Facts, Query, Relay, Role};

/// The time for one relay that answers by itself (milliseconds).
const TRY: u64 = 150;
/// The same for a dispatcher, which may itself be waiting for its relays.
const TRY_DISPATCHER: u64 = 400;

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Choose a relay that was not [`Request::tried`]: report
    /// [`Request::chosen`] or [`Request::none_left`].
    Choose,
    /// Drive [`Request::exchange`] until it needs nothing more, then report
    /// [`Request::exchange_over`].
    Exchange,
    /// Nothing: [`Request::take_result`] says how it ended.
    Done,
}

/// How long relays have (milliseconds).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// All of them together.
    pub total: u64,
    /// Each; `None`: 150, a dispatcher 400 but so that another relay still has
    /// 150.
    pub each: Option<u64>,
}

impl Times {
    /// How long this relay has.
    fn limits(&self, dispatcher: bool, others: bool, total_until: u64, now: u64) -> Limits {
        let each = self.each.unwrap_or(if dispatcher { TRY_DISPATCHER } else { TRY });
        let mut until = now.saturating_add(each);
        if others && self.each.is_none() {
            // But what is left for this one may already be less than that.
            let reserved = total_until.saturating_sub(TRY);
            until = until.min(if reserved > now { reserved } else { total_until });
        }
        let enough = self.each.unwrap_or(TRY).min(TRY).min(self.total);
        Limits { since: now, until: until.min(total_until), enough }
    }
}

/// A request. The order of events:
///
/// 1. [`Request::renew`] gives the query to be filled in, then
///    [`Request::start`].
/// 2. [`Request::action`] is [`Action::Choose`]: [`Request::chosen`] leads to
///    `Action::Exchange` (or to `Choose` again, where that relay cannot be
///    asked), [`Request::none_left`] to `Action::Done`.
/// 3. `Action::Exchange`: [`Request::exchange_over`] leads to `Action::Done`
///    after an answer; after a failure to `Choose` for an offer that still has
///    time, else to `Done`.
/// 4. `Action::Done`: [`Request::take_result`], once.
///
/// An event that `action` did not ask for changes nothing.
#[derive(Debug, Default)]
pub struct Request {
    exchange: Exchange,
    role: Role,
    times: Times,
    state: State,
    tried: Vec<u32>,
    /// All of it must be over by then (milliseconds of the monotonic clock).
    total_until: u64,
    /// What the relays before this one did.
    failures: Vec<Error>,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Idle,
    Choosing,
    Exchanging,
    Over(Result<Answer>),
}

impl Request {
    /// Makes it a new request in the memory it has, about the query that it
    /// gives to be filled in. An offer goes to another relay when one fails; an
    /// answer must reach the relay that has its offer.
    pub fn renew(&mut self, role: Role, times: Times) -> &mut Query {
        self.role = role;
        self.times = times;
        self.state = State::Idle;
        self.tried.clear();
        self.failures.clear();
        self.exchange.renew()
    }

    /// Begins at `now`.
    pub fn start(&mut self, now: u64) {
        self.total_until = now.saturating_add(self.times.total);
        self.state = State::Choosing;
    }

    /// What to do next.
    pub fn action(&self) -> Action {
        match self.state {
            State::Choosing => Action::Choose,
            State::Exchanging => Action::Exchange,
            State::Idle | State::Over(_) => Action::Done,
        }
    }

    /// The exchange with the chosen relay.
    pub fn exchange(&self) -> &Exchange {
        &self.exchange
    }

    /// The same, to be driven.
    pub fn exchange_mut(&mut self) -> &mut Exchange {
        &mut self.exchange
    }

    /// The identities of the relays that were chosen.
    pub fn tried(&self) -> &[u32] {
        &self.tried
    }

    /// Offer or answer.
    pub fn role(&self) -> Role {
        self.role
    }

    /// When it must be over (milliseconds of the monotonic clock).
    pub fn deadline(&self) -> u64 {
        self.total_until
    }

    /// This relay is to be asked; `others`: there are more that could be asked
    /// after it.
    pub fn chosen(&mut self, relay: &Arc<Relay>, facts: Facts, others: bool, now: u64) {
        if self.action() != Action::Choose {
            return;
        }
        self.tried.push(relay.identity);
        let dispatcher = relay.capabilities(facts).dispatcher;
        let limits = self.times.limits(dispatcher, others, self.total_until, now);
        match self.exchange.begin(relay, facts, limits) {
            Ok(()) => self.state = State::Exchanging,
            Err(error) => self.fail(&error, now),
        }
    }

    /// No relay is left to be asked, for this reason.
    pub fn none_left(&mut self, reason: String) {
        if self.action() == Action::Choose {
            if self.failures.is_empty() {
                self.failures.push(Error::new(Status::NoRelay, reason));
            }
            self.give_up();
        }
    }

    /// The exchange needs nothing more.
    pub fn exchange_over(&mut self, now: u64) {
        if self.action() != Action::Exchange || self.exchange.outcome().is_none() {
            return;
        }
        match self.exchange.take_result() {
            Ok(answer) => self.state = State::Over(Ok(answer)),
            Err(error) => self.fail(&error, now),
        }
    }

    /// The relay's answer, or why there is none. Once.
    pub fn take_result(&mut self) -> Result<Answer> {
        match mem::take(&mut self.state) {
            State::Over(result) => result,
            _ => Err(Error::new(Status::Argument, "the request is not over")),
        }
    }

    /// This relay failed for this message: the next one, if there may be one.
    fn fail(&mut self, error: &Error, now: u64) {
        if let Some(relay) = self.exchange.relay() {
            let text = format!("relay {}: {}", relay.uri.text, error.text());
            self.failures.push(Error::new(error.status(), text));
        }
        if self.role == Role::Answer || now >= self.total_until {
            return self.give_up();
        }
        self.state = State::Choosing;
    }

    /// Over without an answer: the text names what every relay did, the status
    /// is that of the last one.
    fn give_up(&mut self) {
        let status = self.failures.last().map_or(Status::NoRelay, Error::status);
        let texts: Vec<_> = self.failures.iter().map(Error::text).collect();
        self.state = State::Over(Err(Error::new(status, texts.join("; "))));
    }
}

#[cfg(test)]
mod tests;
