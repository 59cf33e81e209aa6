//! One query to one relay: no socket, no clock. Whoever drives it does what
//! [`Exchange::need`] says and reports what came of it.

use std::io;
use std::sync::Arc;

use crate::error::{Error, Result, Status};
use crate::relay::protocol::{Decoded, Protocol};
use crate::relay::{Answer, Facts, Outcome, Purpose, Query, Records, Relay};

/// The longest answer accepted, in bytes.
pub const MAX_ANSWER: usize = 64 * 1024;

/// What an exchange needs next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// A connection: report [`Exchange::connected`] or
    /// [`Exchange::connect_failed`]. An earlier one is closed first.
    Connect {
        /// Not one that served before.
        fresh: bool,
    },
    /// That [`Exchange::unsent`] is sent: report [`Exchange::sent`] or
    /// [`Exchange::send_failed`].
    Send,
    /// That bytes are received: report [`Exchange::received`],
    /// [`Exchange::closed`] or [`Exchange::receive_failed`].
    Receive,
    /// Nothing: it is over, or was not begun.
    Nothing,
}

/// How long an exchange may take. Milliseconds of the monotonic clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// When it begins.
    pub since: u64,
    /// When it must be over.
    pub until: u64,
    /// Silence for this long (milliseconds) is the relay's fault. Silence for
    /// less says nothing about the relay.
    pub enough: u64,
}

/// An exchange. The order of events:
///
/// 1. [`Exchange::begin`] with a relay; [`Exchange::need`] is then
///    [`Need::Connect`].
/// 2. Until `need` is [`Need::Nothing`], the driver does what it says and
///    reports the matching event. [`Exchange::timer`] may be called at any time
///    and must be called at [`Exchange::deadline`].
/// 3. [`Exchange::outcome`] and [`Exchange::take_result`] say how it ended. The
///    connection may serve another query when [`Exchange::is_in_step`], else
///    it is closed.
///
/// An event that `need` did not ask for changes nothing.
#[derive(Debug, Default)]
pub struct Exchange {
    query: Query,
    relay: Option<Arc<Relay>>,
    facts: Facts,
    /// An index into the relay's protocols.
    protocol: usize,
    limits: Limits,
    state: State,
    /// The encoded query, and how much of it is sent.
    bytes: Vec<u8>,
    sent: usize,
    /// The connection served an earlier query: its relay may have gone since.
    reused: bool,
    /// Answers to earlier queries that nobody has read yet; they come first.
    owed: usize,
    input: Vec<u8>,
    result: Option<Result<Answer>>,
    in_step: bool,
    /// The relay has answered in the protocol that it was asked in.
    proven: bool,
    /// The relay closed the connection in its likeliest protocol, and is asked
    /// in another one.
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
    /// An exchange about `query`, not begun yet.
    pub fn new(query: Query) -> Self {
        Exchange { query, ..Exchange::default() }
    }

    /// Forgets what was asked before, and gives the query to be filled in. It
    /// keeps its memory.
    pub fn renew(&mut self) -> &mut Query {
        self.relay = None;
        self.state = State::Idle;
        self.result = None;
        self.bytes.clear();
        &mut self.query
    }

    /// Begins: `relay` is asked. `Status::RelayAnswer` when this relay cannot be
    /// asked; nothing is then known about it.
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

    /// What is to be done now.
    pub fn need(&self) -> Need {
        match self.state {
            State::Idle | State::Over(_) => Need::Nothing,
            State::Connecting { fresh } => Need::Connect { fresh },
            State::Sending => Need::Send,
            State::Receiving => Need::Receive,
        }
    }

    /// The relay that is asked, or was asked last.
    pub fn relay(&self) -> Option<&Arc<Relay>> {
        self.relay.as_ref()
    }

    /// What all processes knew of it.
    pub fn facts(&self) -> Facts {
        self.facts
    }

    /// The protocol it is asked in.
    pub fn protocol(&self) -> Option<Protocol> {
        self.relay.as_ref()?.uri.protocols.get(self.protocol).copied()
    }

    /// What is asked.
    pub fn query(&self) -> &Query {
        &self.query
    }

    /// The bytes still to be sent.
    pub fn unsent(&self) -> &[u8] {
        self.bytes.get(self.sent..).unwrap_or_default()
    }

    /// When it must be over (milliseconds of the monotonic clock).
    pub fn deadline(&self) -> u64 {
        self.limits.until
    }

    /// True when the answer came whole and nothing behind it: the connection
    /// may serve another query.
    pub fn is_in_step(&self) -> bool {
        self.in_step
    }

    /// How it ended; `None` while it has not.
    pub fn outcome(&self) -> Option<Outcome> {
        match self.state {
            State::Over(outcome) => Some(outcome),
            _ => None,
        }
    }

    /// The protocol the relay has shown to speak, where it was not known before.
    /// A refusal shows none: many a program answers any line with an error.
    pub fn learned_protocol(&self) -> Option<Protocol> {
        let relay = self.relay.as_ref()?;
        let is_positive = self.proven && self.outcome() == Some(Outcome::Answered);
        let is_new = self.facts.spoken.is_none() && relay.uri.protocols.len() > 1;
        if is_positive && is_new { self.protocol() } else { None }
    }

    /// The relay's answer, where there is one.
    pub fn answer(&self) -> Option<&Answer> {
        self.result.as_ref()?.as_ref().ok()
    }

    /// Records how it ended, at `now` (milliseconds of the monotonic clock).
    pub fn record(&self, records: &Records<'_>, purpose: Purpose, now: u64) {
        let Some((relay, outcome)) = self.relay.as_ref().zip(self.outcome()) else { return };
        if let Some(protocol) = self.learned_protocol() {
            records.record_protocol(relay, protocol);
        }
        records.record(relay, outcome, purpose, now);
    }

    /// The answer, or why there is none. Once.
    pub fn take_result(&mut self) -> Result<Answer> {
        let missing = || Err(Error::new(Status::Argument, "no request was sent to a relay"));
        self.result.take().unwrap_or_else(missing)
    }

    /// A connection is there. `reused`: it served before; `owed` answers to
    /// earlier queries on it are still to come.
    pub fn connected(&mut self, reused: bool, owed: usize) {
        if matches!(self.state, State::Connecting { .. }) {
            self.reused = reused;
            self.owed = owed;
            self.state = State::Sending;
        }
    }

    /// Ends it, if it is not over: this process does not go on with it.
    pub(super) fn give_up(&mut self) {
        if self.need() != Need::Nothing {
            let text = "the relay takes no more queries at the moment";
            self.end(Outcome::LocalFailure, Err(Error::new(Status::NoRelay, text)));
        }
    }

    /// A connection could not be made.
    pub fn connect_failed(&mut self, error: &io::Error) {
        if matches!(self.state, State::Connecting { .. }) {
            self.not_reached(error);
        }
    }

    /// So many more bytes are sent.
    pub fn sent(&mut self, bytes: usize) {
        if self.state == State::Sending {
            self.sent = self.sent.saturating_add(bytes);
            if self.unsent().is_empty() {
                self.state = State::Receiving;
            }
        }
    }

    /// Sending failed.
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

    /// Bytes came. Says how many answers to earlier queries were among them.
    pub fn received(&mut self, bytes: &[u8]) -> usize {
        if self.state != State::Receiving {
            return 0;
        }
        self.input.extend_from_slice(bytes);
        let owed = self.owed;
        self.decode(false);
        owed.saturating_sub(self.owed)
    }

    /// The connection broke: what came so far may be half an answer.
    pub fn receive_failed(&mut self) {
        if self.state == State::Receiving {
            self.lost();
        }
    }

    /// The relay closed the connection.
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

    /// A deadline may have passed.
    pub fn timer(&mut self, now: u64) {
        if now < self.limits.until || self.need() == Need::Nothing {
            return;
        }
        if self.guessing {
            // It was not silent: it closed a connection a moment ago. Perhaps it
            // did not like this message.
            return self.fail_protocol("closed the connection without an answer");
        }
        let had = now.saturating_sub(self.limits.since);
        let outcome =
            if had >= self.limits.enough { Outcome::TimedOut } else { Outcome::LocalFailure };
        self.end(outcome, Err(Error::new(Status::RelayTimeout, "did not answer in time")));
    }

    /// The answer that came is none to this query.
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
            // Whatever the earlier queries were: their answers are passed over.
            match protocol.codec().decode(self.query.command, input, closed) {
                Decoded::Incomplete => break,
                Decoded::Garbage => {
                    if !input.is_empty() {
                        self.fail_protocol("sent what is no answer");
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
            self.fail_protocol("sent more than 64 KiB that are no answer");
        }
    }

    /// The connection was lost. One that served before belonged, perhaps, to a
    /// relay that has restarted since: nothing of an answer was lost, and a
    /// repeated query is answered the same. A relay that closes without a word
    /// may speak another protocol.
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
