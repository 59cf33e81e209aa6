//! The request for a message: one query, sent to one relay after another until one
//! answers, within the time for the message. No socket, no clock.

use std::mem;
use std::sync::Arc;

use crate::error::{Error, Result, Status};
use crate::relay::exchange::{Exchange, Limits};
use crate::relay::{Answer, Facts, Outcome, Query, Relay, Role};

/// The time for one relay that is no dispatcher (milliseconds).
pub(super) const TRY: u64 = 150;
/// The time for one dispatcher, which may wait for its relays (milliseconds).
pub(super) const TRY_DISPATCHER: u64 = 400;

/// The next step of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Choose a relay that is not in [`Request::tried`], then call
    /// [`Request::chosen`] or [`Request::none_left`].
    Choose,
    /// Drive [`Request::exchange`] until it needs nothing, then call
    /// [`Request::exchange_over`].
    Exchange,
    /// Nothing: [`Request::take_result`] returns the result.
    Done,
}

/// The times for the relays (milliseconds).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// The time for all relays together.
    pub total: u64,
    /// The time for each relay. `None`: 150 for a relay; for a dispatcher 400, or
    /// less so that 150 are left for another relay.
    pub each: Option<u64>,
}

impl Times {
    /// The limits of the exchange with one relay.
    fn limits(&self, dispatcher: bool, others: bool, total_until: u64, now: u64) -> Limits {
        let each = self.each.unwrap_or(if dispatcher { TRY_DISPATCHER } else { TRY });
        let mut until = now.saturating_add(each);
        if others && self.each.is_none() {
            // The time left may be less than the time to reserve.
            let reserved = total_until.saturating_sub(TRY);
            until = until.min(if reserved > now { reserved } else { total_until });
        }
        let enough = self.each.unwrap_or(TRY).min(TRY).min(self.total);
        Limits { since: now, until: until.min(total_until), enough }
    }
}

/// A request. The order of events:
///
/// 1. [`Request::renew`] returns the query to fill in; then [`Request::start`].
/// 2. [`Request::action`] is [`Action::Choose`]. [`Request::chosen`] leads to
///    `Action::Exchange`, or to `Choose` again when that relay does not support
///    the query. [`Request::none_left`] leads to `Action::Done`.
/// 3. The action is `Action::Exchange`. [`Request::exchange_over`] leads to
///    `Action::Done` after an answer. After a failure it leads to `Choose` for an
///    offer that has time left, else to `Done`. It also leads to `Done` when the
///    relay of [`Request::bind`] has refused the query.
/// 4. The action is `Action::Done`: [`Request::take_result`], once.
///
/// An event that does not match the action changes nothing.
#[derive(Debug, Default)]
pub struct Request {
    exchange: Exchange,
    role: Role,
    times: Times,
    state: State,
    bound: Bound,
    tried: Vec<u32>,
    /// The deadline of the request (milliseconds of the monotonic clock).
    total_until: u64,
    /// The failures of the relays tried so far.
    failures: Vec<Error>,
}

/// The relays whose refusal is final.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Bound {
    #[default]
    None,
    /// The relay with this identity.
    To(u32),
    Any,
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
    /// Resets the request but keeps its memory, and returns the query to fill in.
    /// An offer is sent to another relay when one fails. An answer must be sent to
    /// the relay that has its offer.
    pub fn renew(&mut self, role: Role, times: Times) -> &mut Query {
        self.role = role;
        self.times = times;
        self.state = State::Idle;
        self.bound = Bound::None;
        self.tried.clear();
        self.failures.clear();
        self.exchange.renew()
    }

    /// Starts the request at `now` (milliseconds of the monotonic clock).
    pub fn start(&mut self, now: u64) {
        self.total_until = now.saturating_add(self.times.total);
        self.state = State::Choosing;
    }

    /// The relay with this identity has the call's session, which the message
    /// continues. A refused query is sent to no other relay: the reason is the
    /// message, and the call's media stays where it is.
    pub fn bind(&mut self, relay: u32) {
        self.bound = Bound::To(relay);
    }

    /// The message continues a call that is not stored: any relay that is reached may
    /// have its session. As [`Request::bind`].
    pub fn bind_to_any(&mut self) {
        self.bound = Bound::Any;
    }

    /// The next step.
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

    /// The exchange with the chosen relay, to drive it.
    pub fn exchange_mut(&mut self) -> &mut Exchange {
        &mut self.exchange
    }

    /// The identities of the relays chosen so far.
    pub fn tried(&self) -> &[u32] {
        &self.tried
    }

    /// Offer or answer.
    pub fn role(&self) -> Role {
        self.role
    }

    /// The deadline (milliseconds of the monotonic clock).
    pub fn deadline(&self) -> u64 {
        self.total_until
    }

    /// Reports the chosen relay. `others`: there are more relays to try after it.
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

    /// Reports that no relay is left to try, with the reason.
    pub fn none_left(&mut self, reason: String) {
        if self.action() == Action::Choose {
            if self.failures.is_empty() {
                self.failures.push(Error::new(Status::NoRelay, reason));
            }
            self.give_up();
        }
    }

    /// Reports that the exchange is over.
    pub fn exchange_over(&mut self, now: u64) {
        if self.action() != Action::Exchange || self.exchange.outcome().is_none() {
            return;
        }
        match self.exchange.take_result() {
            Ok(answer) => self.state = State::Over(Ok(answer)),
            Err(error) => self.fail(&error, now),
        }
    }

    /// Takes the relay's answer, or the error.
    pub fn take_result(&mut self) -> Result<Answer> {
        match mem::take(&mut self.state) {
            State::Over(result) => result,
            _ => Err(Error::new(Status::Argument, "the request is not over")),
        }
    }

    /// Stores the failure of the chosen relay. The next step is another relay, if
    /// one may be tried.
    fn fail(&mut self, error: &Error, now: u64) {
        let mut refused_by_own = false;
        if let Some(relay) = self.exchange.relay() {
            let text = format!("relay {}: {}", relay.uri.text, error.text());
            self.failures.push(Error::new(error.status(), text));
            let bound = match self.bound {
                Bound::None => false,
                Bound::To(identity) => identity == relay.identity,
                Bound::Any => true,
            };
            refused_by_own = bound && self.exchange.outcome() == Some(Outcome::Refused);
        }
        if self.role == Role::Answer || refused_by_own || now >= self.total_until {
            return self.give_up();
        }
        self.state = State::Choosing;
    }

    /// Ends the request without an answer. The error has the failure of each
    /// relay, and the status of the last one.
    fn give_up(&mut self) {
        let status = self.failures.last().map_or(Status::NoRelay, Error::status);
        let texts: Vec<_> = self.failures.iter().map(Error::text).collect();
        self.state = State::Over(Err(Error::new(status, texts.join("; "))));
    }
}

#[cfg(test)]
mod tests;
