//! One query to one relay. No socket, no clock: the caller does what
//! [`Exchange::need`] returns, and reports the result.

use std::io;
use std::sync::Arc;

use crate::error::{Error, Result, Status};
use crate::relay::protocol::{Decoded, Protocol};
use crate::relay::{Answer, Facts, Outcome, Purpose, Query, Records, Relay};

/// The maximum length of an answer, in bytes.
pub const MAX_ANSWER: usize = 64 * 1024;

/// The next step of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Close the connection, if there is one, and get another one. Report
    /// [`Exchange::connected`] or [`Exchange::connect_failed`].
    Connect {
        /// The connection must not have served another query.
        fresh: bool,
    },
    /// Send [`Exchange::unsent`]. Report [`Exchange::sent`] or
    /// [`Exchange::send_failed`].
    Send,
    /// Receive bytes. Report [`Exchange::received`], [`Exchange::closed`] or
    /// [`Exchange::receive_failed`].
    Receive,
    /// Nothing: the exchange is over, or has not started.
    Nothing,
}

/// The time limits of an exchange.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// The start (milliseconds of the monotonic clock).
    pub since: u64,
    /// The deadline (milliseconds of the monotonic clock).
    pub until: u64,
    /// The time after which a missing answer is [`Outcome::TimedOut`]
    /// (milliseconds). After less time it is [`Outcome::LocalFailure`].
    pub enough: u64,
}

/// One query to one relay. The order of events:
///
/// 1. [`Exchange::begin`] with a relay. [`Exchange::need`] is then
///    [`Need::Connect`].
/// 2. Until `need` is [`Need::Nothing`], the caller does that step and reports
///    the event. [`Exchange::timer`] may be called at any time, and must be called
///    at [`Exchange::deadline`].
/// 3. [`Exchange::outcome`] and [`Exchange::take_result`] return the result. The
///    connection may be used again if [`Exchange::is_in_step`]; otherwise it must
///    be closed.
///
/// An event that does not match `need` changes nothing.
#[derive(Debug, Default)]
pub struct Exchange {
    query: Query,
    relay: Option<Arc<Relay>>,
    facts: Facts,
    /// The index of the current protocol in those of the relay.
    protocol: usize,
    limits: Limits,
    state: State,
    /// The encoded query, and the number of its bytes already sent.
    bytes: Vec<u8>,
    sent: usize,
    /// The connection has served an earlier query. The relay may have restarted
    /// since.
    reused: bool,
    /// The number of unread answers to earlier queries, which come first.
    owed: usize,
    input: Vec<u8>,
    result: Option<Result<Answer>>,
    in_step: bool,
    /// The relay has answered in the current protocol.
    proven: bool,
    /// The relay has closed the connection in the first protocol, and another one
    /// is tried.
    guessing: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Idle,
    Connecting {
        fresh: bool,
    },
    Sending,
    Receiving,
    Over(Outcome),
}

impl Exchange {
    /// An exchange for `query` that has not started.
    pub fn new(query: Query) -> Self {
        Exchange { query, ..Exchange::default() }
    }

    /// Resets the exchange but keeps its memory, and returns the query to fill in.
    pub fn renew(&mut self) -> &mut Query {
        self.relay = None;
        self.state = State::Idle;
        self.result = None;
        self.bytes.clear();
        &mut self.query
    }

    /// Starts the exchange with `relay`. `Status::RelayAnswer` when the relay does
    /// not support the query; there is then no outcome.
    pub fn begin(&mut self, relay: &Arc<Relay>, facts: Facts, limits: Limits) -> Result<()> {
        let spoken = |protocol: &Protocol| Some(*protocol) == facts.spoken;
        self.protocol = relay.uri.protocols.iter().position(spoken).unwrap_or(0);
        self.facts = facts;
        self.limits = limits;
        self.state = State::Idle;
        self.proven = false;
        self.guessing = false;
        self.result = None;
        self.relay = Some(relay.clone());
        self.encode(false)
    }

    fn encode(&mut self, fresh: bool) -> Result<()> {
        let Some((relay, protocol)) = self.relay.as_ref().zip(self.protocol()) else {
            return Ok(());
        };
        let capabilities = relay.uri.capabilities(protocol);
        protocol.codec().encode(&self.query, &capabilities, &mut self.bytes)?;
        self.connect(fresh);
        Ok(())
    }

    fn connect(&mut self, fresh: bool) {
        self.input.clear();
        self.sent = 0;
        self.in_step = false;
        self.state = State::Connecting { fresh };
    }

    /// The next step.
    pub fn need(&self) -> Need {
        match self.state {
            State::Idle | State::Over(_) => Need::Nothing,
            State::Connecting { fresh } => Need::Connect { fresh },
            State::Sending => Need::Send,
            State::Receiving => Need::Receive,
        }
    }

    /// The relay of the last [`Exchange::begin`].
    pub fn relay(&self) -> Option<&Arc<Relay>> {
        self.relay.as_ref()
    }

    /// The facts about the relay at the start.
    pub fn facts(&self) -> Facts {
        self.facts
    }

    /// The current protocol.
    pub fn protocol(&self) -> Option<Protocol> {
        self.relay.as_ref()?.uri.protocols.get(self.protocol).copied()
    }

    /// The query.
    pub fn query(&self) -> &Query {
        &self.query
    }

    /// The bytes not sent yet.
    pub fn unsent(&self) -> &[u8] {
        self.bytes.get(self.sent..).unwrap_or_default()
    }

    /// The deadline (milliseconds of the monotonic clock).
    pub fn deadline(&self) -> u64 {
        self.limits.until
    }

    /// True when the whole answer has come and no byte after it, so that the
    /// connection may serve another query.
    pub fn is_in_step(&self) -> bool {
        self.in_step
    }

    /// The outcome; `None` before the exchange is over.
    pub fn outcome(&self) -> Option<Outcome> {
        match self.state {
            State::Over(outcome) => Some(outcome),
            _ => None,
        }
    }

    /// The protocol that the relay has answered in, if the facts did not have it.
    /// `None` after a refusal: other programs also answer any line with an error.
    pub fn learned_protocol(&self) -> Option<Protocol> {
        let relay = self.relay.as_ref()?;
        let is_positive = self.proven && self.outcome() == Some(Outcome::Answered);
        let is_new = self.facts.spoken.is_none() && relay.uri.protocols.len() > 1;
        if is_positive && is_new { self.protocol() } else { None }
    }

    /// The relay's answer, if it has answered.
    pub fn answer(&self) -> Option<&Answer> {
        self.result.as_ref()?.as_ref().ok()
    }

    /// Records the outcome at `now` (milliseconds of the monotonic clock).
    pub fn record(&self, records: &Records<'_>, purpose: Purpose, now: u64) {
        let Some((relay, outcome)) = self.relay.as_ref().zip(self.outcome()) else { return };
        if let Some(protocol) = self.learned_protocol() {
            records.record_protocol(relay, protocol);
        }
        records.record(relay, outcome, purpose, now);
    }

    /// Takes the relay's answer, or the error.
    pub fn take_result(&mut self) -> Result<Answer> {
        let missing = || Err(Error::new(Status::Argument, "no request was sent to a relay"));
        self.result.take().unwrap_or_else(missing)
    }

    /// Reports a connection. `reused`: it has served an earlier query. `owed`: the
    /// number of unread answers to earlier queries.
    pub fn connected(&mut self, reused: bool, owed: usize) {
        if matches!(self.state, State::Connecting { .. }) {
            self.reused = reused;
            self.owed = owed;
            self.state = State::Sending;
        }
    }

    /// Ends the exchange with [`Outcome::LocalFailure`] if it is not over.
    pub(super) fn give_up(&mut self) {
        if self.need() != Need::Nothing {
            let text = "the relay accepts no more queries at the moment";
            self.end(Outcome::LocalFailure, Err(Error::new(Status::NoRelay, text)));
        }
    }

    /// Reports that connecting failed.
    pub fn connect_failed(&mut self, error: &io::Error) {
        if matches!(self.state, State::Connecting { .. }) {
            self.not_reached(error);
        }
    }

    /// Reports the number of bytes just sent.
    pub fn sent(&mut self, bytes: usize) {
        if self.state == State::Sending {
            self.sent = self.sent.saturating_add(bytes);
            if self.unsent().is_empty() {
                self.state = State::Receiving;
            }
        }
    }

    /// Reports that sending failed.
    pub fn send_failed(&mut self, error: &io::Error) {
        if self.state != State::Sending {
            return;
        }
        if self.sent == 0 && !self.reused {
            self.not_reached(error);
        } else {
            self.lost();
        }
    }

    /// Reports received bytes. Returns the number of answers to earlier queries
    /// among them.
    pub fn received(&mut self, bytes: &[u8]) -> usize {
        if self.state != State::Receiving {
            return 0;
        }
        self.input.extend_from_slice(bytes);
        let owed = self.owed;
        self.decode(false);
        owed.saturating_sub(self.owed)
    }

    /// Reports that the connection broke. The bytes received so far may be a part
    /// of an answer.
    pub fn receive_failed(&mut self) {
        if self.state == State::Receiving {
            self.lost();
        }
    }

    /// Reports that the relay closed the connection.
    pub fn closed(&mut self) {
        match self.state {
            State::Receiving => {}
            State::Sending => return self.lost(),
            _ => return,
        }
        self.decode(true);
        if self.state == State::Receiving {
            self.lost();
        }
    }

    /// Ends the exchange if its deadline has passed at `now`.
    pub fn timer(&mut self, now: u64) {
        if now < self.limits.until || self.need() == Need::Nothing {
            return;
        }
        if self.guessing {
            // No timeout: the relay answers, for it has just closed a connection.
            // The reason may be this message.
            return self.fail_protocol("closed the connection without an answer");
        }
        let had = now.saturating_sub(self.limits.since);
        let outcome =
            if had >= self.limits.enough { Outcome::TimedOut } else { Outcome::LocalFailure };
        self.end(outcome, Err(Error::new(Status::RelayTimeout, "did not answer in time")));
    }

    /// Turns the answer into a refusal, since it does not fit the query.
    pub fn refuse(&mut self, error: Error) {
        if self.outcome().is_some() {
            self.end(Outcome::Refused, Err(error));
        }
    }

    fn decode(&mut self, closed: bool) {
        let Some(protocol) = self.protocol() else { return };
        let mut start = 0;
        loop {
            let input = self.input.get(start..).unwrap_or_default();
            // Answers to earlier queries are read with the command of this one:
            // only their length counts.
            match protocol.codec().decode(self.query.command, input, closed) {
                Decoded::Incomplete => break,
                Decoded::Garbage => {
                    if !input.is_empty() {
                        self.fail_protocol("sent bytes that are not an answer");
                    }
                    return;
                }
                Decoded::Answer { answer, length } => {
                    start = start.saturating_add(length);
                    if self.owed > 0 && length > 0 {
                        self.owed = self.owed.saturating_sub(1);
                        continue;
                    }
                    self.in_step = start == self.input.len() && !closed;
                    self.proven = length > 0;
                    let outcome = if answer.is_ok() { Outcome::Answered } else { Outcome::Refused };
                    return self.end(outcome, answer);
                }
            }
        }
        self.input.drain(..start);
        if self.input.len() > MAX_ANSWER {
            self.fail_protocol("sent more than 64 KiB that are not an answer");
        }
    }

    /// The connection was lost. If it has served an earlier query, the relay may
    /// have restarted since: the query is repeated on a new connection, for the
    /// answer to a repeated query is the same. If the relay closes without an
    /// answer, it may speak another protocol.
    fn lost(&mut self) {
        if self.input.is_empty() && self.reused {
            self.reused = false;
            return self.connect(true);
        }
        let protocols = self.relay.as_ref().map_or(0, |relay| relay.uri.protocols.len());
        let next = self.protocol.saturating_add(1);
        if self.input.is_empty() && self.facts.spoken.is_none() && next < protocols {
            self.protocol = next;
            self.guessing = true;
            match self.encode(true) {
                Ok(()) => return,
                Err(error) => return self.end(Outcome::ProtocolError, Err(error)),
            }
        }
        self.fail_protocol("closed the connection without an answer");
    }

    fn not_reached(&mut self, error: &io::Error) {
        let outcome = if crate::sys::stream::is_local_failure(error) {
            Outcome::LocalFailure
        } else {
            Outcome::Unreachable
        };
        let text = match error.kind() {
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => {
                "closed the connection before the request was sent".to_string()
            }
            _ => error.to_string(),
        };
        self.end(outcome, Err(Error::new(Status::NoRelay, text)));
    }

    fn fail_protocol(&mut self, text: &'static str) {
        self.end(Outcome::ProtocolError, Err(Error::new(Status::RelayAnswer, text)));
    }

    fn end(&mut self, outcome: Outcome, result: Result<Answer>) {
        self.state = State::Over(outcome);
        self.result = Some(result);
    }
}

#[cfg(test)]
mod tests;
