//! One request to a relay as a state machine: no socket, no clock. Whoever
//! drives it does what an [`Action`] says and reports back with an [`Event`].

use std::mem;

use crate::error::{Error, Result, Status};
use crate::media::Role;
use crate::relay::mediaproxy2::{self, MAX_ANSWER};
use crate::relay::{Answer, Query, RelayUri};

/// What happened.
#[derive(Clone, Copy, Debug)]
pub enum Event<'e> {
    /// Begin.
    Start,
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
    /// The connection could not be made.
    Failed(&'e str),
    /// A deadline may have passed.
    Timer,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Give a connection to the relay of this index. `fresh`: not one that
    /// served before. An earlier connection of this request is to be closed:
    /// its answer did not come whole.
    Connect {
        /// Index into the relays of the engine.
        relay: usize,
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

/// One relay that may be asked.
#[derive(Clone, Debug)]
struct Candidate {
    relay: usize,
    name: String,
    bytes: Vec<u8>,
}

/// A request under way.
#[derive(Debug)]
pub struct Request {
    role: Role,
    candidates: Vec<Candidate>,
    attempt: usize,
    /// All of it must be over by then (milliseconds, monotonic).
    total_until: u64,
    /// This relay must have answered by then.
    try_until: u64,
    try_for: u64,
    total_for: u64,
    reused: bool,
    owed: u32,
    input: Vec<u8>,
    in_step: bool,
    /// What the relays before this one did.
    failures: Vec<Error>,
}

impl Request {
    /// A request to the first of `candidates` (indexes into `relays`), and for
    /// an offer to the next when that one fails: an answer must reach the
    /// relay that has its offer. `total` and `each` are milliseconds.
    pub fn new(
        query: &Query,
        role: Role,
        relays: &[RelayUri],
        candidates: &[usize],
        total: u64,
        each: u64,
    ) -> Self {
        let mut failures = Vec::new();
        let mut usable = Vec::new();
        let asked = if role == Role::Answer { 1 } else { candidates.len() };
        for &relay in candidates.iter().take(asked) {
            let Some(uri) = relays.get(relay) else { continue };
            let mut bytes = Vec::new();
            match mediaproxy2::encode(query, uri.own, &mut bytes) {
                Ok(()) => usable.push(Candidate { relay, name: uri.text.clone(), bytes }),
                Err(error) => failures.push(named(&uri.text, &error)),
            }
        }
        Request {
            role,
            candidates: usable,
            attempt: 0,
            total_until: u64::MAX,
            try_until: u64::MAX,
            try_for: each,
            total_for: total,
            reused: false,
            owed: 0,
            input: Vec::new(),
            in_step: false,
            failures,
        }
    }

    /// The bytes to send now.
    pub fn outgoing(&self) -> &[u8] {
        self.candidates.get(self.attempt).map(|c| c.bytes.as_slice()).unwrap_or_default()
    }

    /// The relay being asked (after the end: that answered).
    pub fn relay(&self) -> Option<usize> {
        self.candidates.get(self.attempt).map(|c| c.relay)
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
                self.total_until = now.saturating_add(self.total_for);
                self.try_now(now)
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
            Event::Closed => self.fail(
                Error::new(Status::RelayAnswer, "closed the connection without an answer"),
                now,
            ),
            Event::Failed(reason) => {
                self.fail(Error::new(Status::NoRelay, reason.to_string()), now)
            }
            Event::Timer if now < self.deadline() => Action::Read,
            Event::Timer => {
                self.fail(Error::new(Status::RelayTimeout, "did not answer in time"), now)
            }
        }
    }

    fn try_now(&mut self, now: u64) -> Action {
        if self.attempt >= self.candidates.len() || now >= self.total_until {
            return self.give_up();
        }
        self.try_until = now.saturating_add(self.try_for);
        self.connect(false)
    }

    fn connect(&mut self, fresh: bool) -> Action {
        self.input.clear();
        self.in_step = false;
        match self.relay() {
            Some(relay) => Action::Connect { relay, fresh },
            None => self.give_up(),
        }
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
                Ok(answer) => Action::Done(Ok(answer)),
                Err(error) => self.fail(error, now),
            };
        }
        self.input.drain(..start);
        if self.input.len() > MAX_ANSWER {
            return self.fail(
                Error::new(Status::RelayAnswer, "sent more than 64 KiB without a line end"),
                now,
            );
        }
        Action::Read
    }

    /// This relay failed for this message: the next one, if there may be one.
    fn fail(&mut self, error: Error, now: u64) -> Action {
        if let Some(candidate) = self.candidates.get(self.attempt) {
            self.failures.push(named(&candidate.name, &error));
        }
        let next = self.attempt.saturating_add(1);
        if self.role == Role::Answer || next >= self.candidates.len() || now >= self.total_until {
            return self.give_up();
        }
        self.attempt = next;
        self.try_now(now)
    }

    /// Over without an answer: every relay's failure is told; the status is
    /// the last one's.
    fn give_up(&mut self) -> Action {
        let failures = mem::take(&mut self.failures);
        let status = failures.last().map_or(Status::NoRelay, Error::status);
        let texts: Vec<_> = failures.iter().map(Error::text).collect();
        let text = if texts.is_empty() {
            "no relay is left to ask; see the setting relay".to_string()
        } else {
            texts.join("; ")
        };
        Action::Done(Err(Error::new(status, text)))
    }
}

fn named(relay: &str, error: &Error) -> Error {
    Error::new(error.status(), format!("relay {relay}: {}", error.text()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::Command;
    use std::path::Path;

    fn relays() -> Vec<RelayUri> {
        ["mediaproxy:/a", "mediaproxy:/b"]
            .iter()
            .map(|text| RelayUri::parse(text, Path::new("/own")).unwrap())
            .collect()
    }

    fn request(role: Role) -> Request {
        let query = Query {
            command: Command::Request,
            call_id: b"c".to_vec(),
            cseq: 1,
            from_tag: Vec::new(),
            to_tag: Vec::new(),
            early_tag: Vec::new(),
            from_uri: Vec::new(),
            to_uri: Vec::new(),
            user_agent: Vec::new(),
            signaling_ip: None,
            dialog_id: Vec::new(),
            media_relay: Vec::new(),
            asymmetric: false,
            streams: Vec::new(),
        };
        Request::new(&query, role, &relays(), &[0, 1], 400, 150)
    }

    const FRESH: Event<'_> = Event::Connected { reused: false, owed: 0 };

    fn started(role: Role) -> Request {
        let mut request = request(role);
        assert_eq!(request.step(Event::Start, 1000), Action::Connect { relay: 0, fresh: false });
        assert_eq!(request.step(FRESH, 1000), Action::Send);
        assert!(request.outgoing().starts_with(b"update\r\n"));
        assert_eq!(request.step(Event::Sent, 1000), Action::Read);
        request
    }

    fn ports(action: &Action) -> Vec<u16> {
        match action {
            Action::Done(Ok(Answer::Ports { ports, .. })) => ports.clone(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_answer_in_any_split_is_one_answer() {
        let line = b"203.0.113.5 50000 50002\r\n";
        for cut in 0..line.len() {
            let mut request = started(Role::Offer);
            assert_eq!(request.step(Event::Data(&line[..cut]), 1001), Action::Read);
            assert_eq!(ports(&request.step(Event::Data(&line[cut..]), 1002)), [50000, 50002]);
            assert!(request.in_step());
        }
    }

    #[test]
    fn answers_owed_to_earlier_requests_are_not_taken_for_this_ones() {
        let mut request = request(Role::Offer);
        request.step(Event::Start, 0);
        request.step(Event::Connected { reused: true, owed: 2 }, 0);
        request.step(Event::Sent, 0);
        assert_eq!(request.step(Event::Data(b"removed\r\nerr"), 1), Action::Read);
        let action = request.step(Event::Data(b"or\r\n10.0.0.1 50004\r\n"), 2);
        assert_eq!(ports(&action), [50004]);
    }

    #[test]
    fn bytes_after_the_answer_put_the_connection_out_of_step() {
        let mut request = started(Role::Offer);
        request.step(Event::Data(b"10.0.0.1 50004\r\nsurplus"), 1001);
        assert!(!request.in_step());
    }

    #[test]
    fn an_offer_goes_to_the_next_relay_when_one_fails() {
        for event in [
            Event::Failed("no such file"),
            Event::Closed,
            Event::Data(b"error\r\n"),
            Event::Data(b"None\r\n"),
            Event::Data(b"\r\n"),
        ] {
            let mut request = started(Role::Offer);
            let action = request.step(event, 1010);
            assert_eq!(action, Action::Connect { relay: 1, fresh: false }, "{event:?}");
            assert_eq!(request.deadline(), 1160);
        }
    }

    #[test]
    fn an_answer_goes_to_no_other_relay() {
        let mut request = started(Role::Answer);
        let Action::Done(Err(error)) = request.step(Event::Closed, 1010) else { panic!() };
        assert_eq!(error.status(), Status::RelayAnswer);
        assert!(error.text().contains("mediaproxy:/a"), "{error}");
    }

    #[test]
    fn silence_costs_one_try_and_then_the_whole_budget_at_most() {
        let mut request = started(Role::Offer);
        assert_eq!(request.step(Event::Timer, 1149), Action::Read);
        assert_eq!(request.step(Event::Timer, 1150), Action::Connect { relay: 1, fresh: false });
        request.step(FRESH, 1150);
        request.step(Event::Sent, 1150);
        let Action::Done(Err(error)) = request.step(Event::Timer, 1300) else { panic!() };
        assert_eq!(error.status(), Status::RelayTimeout);
        assert!(error.text().contains("/a") && error.text().contains("/b"), "{error}");
    }

    #[test]
    fn a_reused_connection_that_was_closed_is_tried_afresh_once() {
        let mut request = request(Role::Answer);
        request.step(Event::Start, 0);
        request.step(Event::Connected { reused: true, owed: 0 }, 0);
        request.step(Event::Sent, 0);
        assert_eq!(request.step(Event::Closed, 1), Action::Connect { relay: 0, fresh: true });
        request.step(FRESH, 1);
        request.step(Event::Sent, 1);
        assert!(matches!(request.step(Event::Closed, 1), Action::Done(Err(_))));
    }

    #[test]
    fn a_never_ending_answer_is_cut_at_64_kib() {
        let mut request = started(Role::Answer);
        let chunk = [b'x'; 4096];
        for _ in 0..16 {
            assert_eq!(request.step(Event::Data(&chunk), 1001), Action::Read);
        }
        assert!(matches!(request.step(Event::Data(&chunk), 1001), Action::Done(Err(_))));
    }
}
