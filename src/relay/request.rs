//! One request to a relay as a state machine: no socket, no clock. Whoever
//! drives it does what an [`Action`] says and reports back with an [`Event`].

use std::mem;
use std::sync::Arc;

use crate::error::{Error, Result, Status};
use crate::relay::Role;
use crate::relay::mediaproxy2::{self, MAX_ANSWER};
use crate::relay::{Answer, Query, Relay, RelayUri};

/// The time for one relay that answers by itself (milliseconds).
const TRY: u64 = 150;
/// A MediaProxy dispatcher may itself be waiting for its relays.
const TRY_DISPATCHER: u64 = 400;

/// What happened.
#[derive(Clone, Copy, Debug)]
pub enum Event<'e> {
    /// Begin.
    Start,
    /// This relay is to be asked.
    Chosen {
        /// It.
        relay: &'e Arc<Relay>,
        /// There are others that could be asked after it.
        others: bool,
    },
    /// No relay is left to ask, for this reason.
    NoneLeft(&'e str),
    /// The connection asked for is there.
    Connected {
        /// It served an earlier request, so its relay may have gone since.
        reused: bool,
        /// Answers to earlier requests that nobody read yet: they come first.
        owed: u32,
    },
    /// All bytes of [`Request::outgoing`] went out.
    Sent,
    /// Bytes came in.
    Data(&'e [u8]),
    /// The relay closed the connection, or it broke.
    Closed,
    /// The connection could not be made, or was closed before anything was
    /// sent.
    Failed(&'e str),
    /// This process cannot make connections: no relay is to blame.
    Hindered(&'e str),
    /// The answer that has just come is none to this message.
    Unusable(&'e Error),
    /// A deadline may have passed.
    Timer,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Choose a relay that was not [`Request::tried`]. An earlier connection of
    /// this request is to be closed: its answer did not come whole.
    Choose,
    /// Give a connection to [`Request::relay`]. `fresh`: not one that served
    /// before. An earlier connection is to be closed here too.
    Connect {
        /// Make a new one.
        fresh: bool,
    },
    /// Send [`Request::outgoing`].
    Send,
    /// Read until [`Request::deadline`].
    Read,
    /// It is over. After an error the connection is to be closed, unless
    /// [`Request::in_step`] says that the answer came whole.
    Done(Result<Answer>),
}

/// What a request found out about a relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// It answered.
    Answered,
    /// It answered, but not with what can be used: this message's failure.
    Refused,
    /// It closed the connection after our bytes, or said what is no answer:
    /// this message's failure too, perhaps.
    Odd,
    /// It could not be reached.
    Away,
    /// It was silent for its whole time.
    Silent,
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
    fn until(&self, relay: &RelayUri, others: bool, total_until: u64, now: u64) -> u64 {
        let each = self.each.unwrap_or(if relay.own { TRY } else { TRY_DISPATCHER });
        let until = now.saturating_add(each);
        if others && self.each.is_none() {
            // But what is left for this one may already be less than that.
            let reserved = total_until.saturating_sub(TRY);
            return until.min(if reserved > now { reserved } else { total_until });
        }
        until
    }
}

/// A request under way.
#[derive(Debug)]
pub struct Request {
    query: Query,
    role: Role,
    times: Times,
    /// The relay being asked, and what it is told.
    relay: Option<Arc<Relay>>,
    bytes: Vec<u8>,
    tried: Vec<u32>,
    /// All of it must be over by then (milliseconds, monotonic).
    total_until: u64,
    /// This relay must have answered by then.
    try_until: u64,
    try_since: u64,
    reused: bool,
    owed: u32,
    input: Vec<u8>,
    in_step: bool,
    /// What the relays before this one did.
    failures: Vec<Error>,
    found: Option<(Arc<Relay>, Found)>,
}

impl Request {
    /// A request to the relay that will be chosen, and for an offer to the next
    /// when that one fails: an answer must reach the relay that has its offer.
    pub fn new(query: Query, role: Role, times: Times) -> Self {
        Request {
            query,
            role,
            times,
            relay: None,
            bytes: Vec::new(),
            tried: Vec::new(),
            total_until: u64::MAX,
            try_until: u64::MAX,
            try_since: 0,
            reused: false,
            owed: 0,
            input: Vec::new(),
            in_step: false,
            failures: Vec::new(),
            found: None,
        }
    }

    /// Makes it another request, in the memory it has: what it asks is to be
    /// written to the query it gives.
    pub fn renew(&mut self, role: Role, times: Times) -> &mut Query {
        self.role = role;
        self.times = times;
        self.relay = None;
        self.bytes.clear();
        self.tried.clear();
        (self.total_until, self.try_until, self.try_since) = (u64::MAX, u64::MAX, 0);
        (self.reused, self.owed, self.in_step) = (false, 0, false);
        self.input.clear();
        self.failures.clear();
        self.found = None;
        &mut self.query
    }

    /// The bytes to send now.
    pub fn outgoing(&self) -> &[u8] {
        &self.bytes
    }

    /// The relay being asked (after the end: that answered).
    pub fn relay(&self) -> Option<&Arc<Relay>> {
        self.relay.as_ref()
    }

    /// The identities of the relays that were asked.
    pub fn tried(&self) -> &[u32] {
        &self.tried
    }

    /// Offer or answer.
    pub fn role(&self) -> Role {
        self.role
    }

    /// What the last event found out about a relay; told once.
    pub fn take_found(&mut self) -> Option<(Arc<Relay>, Found)> {
        self.found.take()
    }

    /// When [`Event::Timer`] is due.
    pub fn deadline(&self) -> u64 {
        self.total_until.min(self.try_until)
    }

    /// True when the connection holds nothing of this request any more and may
    /// serve the next one.
    pub fn in_step(&self) -> bool {
        self.in_step
    }

    /// Takes an event at time `now` and says what to do.
    pub fn step(&mut self, event: Event<'_>, now: u64) -> Action {
        match event {
            Event::Start => {
                self.total_until = now.saturating_add(self.times.total);
                Action::Choose
            }
            Event::Chosen { relay, others } => self.ask(relay, others, now),
            Event::NoneLeft(reason) => {
                if self.failures.is_empty() {
                    self.failures.push(Error::new(Status::NoRelay, reason.to_string()));
                }
                self.give_up()
            }
            Event::Connected { reused, owed } => {
                self.reused = reused;
                self.owed = owed;
                Action::Send
            }
            Event::Sent => Action::Read,
            Event::Data(bytes) => self.read(bytes, now),
            Event::Closed if self.reused && self.input.is_empty() => {
                // A relay that restarted since: nothing of the answer was
                // lost, and a repeated request is answered the same.
                self.reused = false;
                self.connect(true)
            }
            Event::Closed => {
                let text = "closed the connection without an answer";
                self.fail(Found::Odd, Error::new(Status::RelayAnswer, text), now)
            }
            Event::Failed(reason) => {
                let error = Error::new(Status::NoRelay, reason.to_string());
                self.fail(Found::Away, error, now)
            }
            Event::Hindered(reason) => {
                let error = Error::new(Status::NoRelay, reason.to_string());
                self.fail(Found::Odd, error, now)
            }
            Event::Unusable(error) => self.fail(Found::Refused, error.clone(), now),
            Event::Timer if now < self.deadline() => Action::Read,
            Event::Timer => {
                // Who had little time left tells nothing by its silence.
                let had = now.saturating_sub(self.try_since);
                let enough = self.times.each.unwrap_or(TRY).min(TRY).min(self.times.total);
                let found = if had >= enough { Found::Silent } else { Found::Odd };
                self.fail(found, Error::new(Status::RelayTimeout, "did not answer in time"), now)
            }
        }
    }

    fn ask(&mut self, relay: &Arc<Relay>, others: bool, now: u64) -> Action {
        self.tried.push(relay.identity);
        self.relay = Some(relay.clone());
        self.reused = false;
        if let Err(error) = mediaproxy2::encode(&self.query, relay.uri.own, &mut self.bytes) {
            // It was not asked: nothing was found out about it.
            let next = self.fail(Found::Odd, error, now);
            self.found = None;
            return next;
        }
        self.try_since = now;
        self.try_until = self.times.until(&relay.uri, others, self.total_until, now);
        self.connect(false)
    }

    fn connect(&mut self, fresh: bool) -> Action {
        self.input.clear();
        self.in_step = false;
        Action::Connect { fresh }
    }

    fn read(&mut self, bytes: &[u8], now: u64) -> Action {
        self.input.extend_from_slice(bytes);
        let mut start = 0;
        while let Some(end) = self
            .input
            .get(start..)
            .and_then(|rest| memchr::memchr(b'\n', rest))
            .and_then(|at| start.checked_add(at))
        {
            let line = self.input.get(start..end).unwrap_or_default();
            start = end.saturating_add(1);
            if self.owed > 0 {
                self.owed -= 1;
                continue;
            }
            self.in_step = start == self.input.len();
            return match mediaproxy2::parse_answer(line) {
                Ok(answer) => {
                    self.found = self.relay.clone().map(|relay| (relay, Found::Answered));
                    Action::Done(Ok(answer))
                }
                Err(error) => self.fail(Found::Refused, error, now),
            };
        }
        self.input.drain(..start);
        if self.input.len() > MAX_ANSWER {
            let text = "sent more than 64 KiB without a line end";
            return self.fail(Found::Odd, Error::new(Status::RelayAnswer, text), now);
        }
        Action::Read
    }

    /// This relay failed for this message: the next one, if there may be one.
    fn fail(&mut self, found: Found, error: Error, now: u64) -> Action {
        if let Some(relay) = &self.relay {
            self.failures.push(named(&relay.uri.text, &error));
            self.found = Some((relay.clone(), found));
        }
        if self.role == Role::Answer || now >= self.total_until {
            return self.give_up();
        }
        Action::Choose
    }

    /// Over without an answer: every relay's failure is told; the status is
    /// the last one's.
    fn give_up(&mut self) -> Action {
        let failures = mem::take(&mut self.failures);
        let status = failures.last().map_or(Status::NoRelay, Error::status);
        let texts: Vec<_> = failures.iter().map(Error::text).collect();
        Action::Done(Err(Error::new(status, texts.join("; "))))
    }
}

impl Default for Request {
    /// Asks nothing: for [`Request::renew`].
    fn default() -> Self {
        Request::new(Query::default(), Role::Offer, Times::default())
    }
}

fn named(relay: &str, error: &Error) -> Error {
    Error::new(error.status(), format!("relay {relay}: {}", error.text()))
}

#[cfg(test)]
mod tests;
