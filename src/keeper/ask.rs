//! One question to a relay and its answer of one line, without waiting.

use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use crate::keeper::event_loop::EventLoop;
use crate::relay::{Relay, RelayAddress};
use crate::sys::stream::is_local_failure;
use crate::sys::{stream, unix};

/// A relay has this long to answer (milliseconds).
pub(super) const ANSWERS_WITHIN: u64 = 1000;
/// No answer to a removal is longer.
const LONGEST: usize = 4096;

/// What came of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It answered: the line.
    Answered(Vec<u8>),
    /// It could not be reached, or hung up.
    Away,
    /// It was silent, or said what is no answer.
    Silent,
    /// This process has no means to ask: no relay is to blame.
    Hindered,
}

/// A question under way.
#[derive(Debug)]
pub(super) struct Ask {
    bytes: Vec<u8>,
    sent: usize,
    answer: Vec<u8>,
    until: u64,
}

/// A connection, open or to be opened when it is needed.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) relay: Arc<Relay>,
    fd: Option<OwnedFd>,
    ready: Arc<EventLoop>,
}

impl Line {
    pub(super) fn new(relay: Arc<Relay>, ready: &Arc<EventLoop>) -> Line {
        Line { relay, fd: None, ready: Arc::clone(ready) }
    }

    /// The open connection; `None` when its backlog is full just now.
    fn open(&mut self) -> io::Result<Option<&OwnedFd>> {
        if self.fd.is_none() {
            let RelayAddress::Unix(path) = &self.relay.uri.address;
            let fd = match unix::connect(path) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                connected => connected?,
            };
            self.ready.watch(&fd)?;
            self.fd = Some(fd);
        }
        Ok(self.fd.as_ref())
    }
}

impl Drop for Line {
    /// A process that was forked meanwhile has a copy of the descriptor, and
    /// what is closed here alone would be watched for ever.
    fn drop(&mut self) {
        if let Some(fd) = &self.fd {
            self.ready.forget(fd);
        }
    }
}

impl Ask {
    pub(super) fn new(bytes: Vec<u8>, now: u64) -> Ask {
        let until = now.saturating_add(ANSWERS_WITHIN);
        Ask { bytes, sent: 0, answer: Vec::new(), until }
    }

    /// Goes as far as it can; `None`: call again when the descriptor is ready,
    /// or a little later. After any outcome but an answer the line is out of
    /// step and to be dropped.
    pub(super) fn turn(&mut self, line: &mut Line, now: u64) -> Option<Outcome> {
        match self.go_on(line) {
            Ok(Some(outcome)) => Some(outcome),
            Ok(None) => (now >= self.until).then_some(Outcome::Silent),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                (now >= self.until).then_some(Outcome::Silent)
            }
            Err(error) if is_local_failure(&error) => Some(Outcome::Hindered),
            Err(_) => Some(Outcome::Away),
        }
    }

    fn go_on(&mut self, line: &mut Line) -> io::Result<Option<Outcome>> {
        let Some(fd) = line.open()? else { return Ok(None) };
        while let Some(rest) = self.bytes.get(self.sent..).filter(|rest| !rest.is_empty()) {
            self.sent = self.sent.saturating_add(stream::send(fd, rest)?);
        }
        let mut buffer = [0u8; 512];
        loop {
            let length = stream::receive(fd, &mut buffer)?;
            if length == 0 {
                return Ok(Some(Outcome::Away));
            }
            self.answer.extend_from_slice(buffer.get(..length).unwrap_or_default());
            if self.answer.last() == Some(&b'\n') {
                return Ok(Some(Outcome::Answered(std::mem::take(&mut self.answer))));
            }
            if self.answer.len() > LONGEST {
                return Ok(Some(Outcome::Silent));
            }
        }
    }
}
