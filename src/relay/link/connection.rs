//! One connection to a relay.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;

use crate::relay::protocol::{Decoded, Protocol};
use crate::relay::{Command, Facts, Outcome, Relay, RelayAddress};
use crate::sys::{stream, tcp, unix};

/// Watches descriptors for input; the keeper's event loop does.
pub trait Watch: Debug + Send + Sync {
    /// Begins to watch.
    fn watch(&self, descriptor: BorrowedFd<'_>) -> io::Result<()>;
    /// Ends it.
    fn forget(&self, descriptor: BorrowedFd<'_>);
}

/// A query that was sent on a connection and whose answer nobody waits for.
#[derive(Debug)]
pub(super) struct Unread<T> {
    pub(super) command: Command,
    pub(super) protocol: Protocol,
    pub(super) token: T,
}

/// A connection to a relay. A connection whose answer did not come whole is
/// closed, never used again. `T` names a query that nobody waits for.
#[derive(Debug)]
pub struct Connection<T> {
    /// The identity of its relay.
    relay: u32,
    fd: OwnedFd,
    reused: bool,
    /// Queries whose answers are still to be read, the oldest first.
    unread: VecDeque<Unread<T>>,
    /// What was received of the next of these answers.
    input: Vec<u8>,
    /// When it was last used (milliseconds).
    pub(super) used: u64,
    /// Its network may lose an idle connection without a word.
    is_tcp: bool,
    watch: Option<Arc<dyn Watch>>,
}

impl<T> Connection<T> {
    pub(super) fn open(
        relay: &Relay,
        facts: Facts,
        watch: Option<&Arc<dyn Watch>>,
        now: u64,
    ) -> io::Result<Self> {
        let fd = match &relay.uri.address {
            RelayAddress::Unix(path) => unix::connect(path)?,
            RelayAddress::Tcp(address) => tcp::connect(*address)?,
            RelayAddress::TcpName { host, port } => {
                let unresolved = || {
                    let text = format!("the keeper has not resolved the name {host} yet");
                    io::Error::new(io::ErrorKind::NotFound, text)
                };
                let ip = facts.resolved.ok_or_else(unresolved)?;
                tcp::connect(SocketAddr::new(ip, *port))?
            }
        };
        if let Some(watch) = watch {
            watch.watch(fd.as_fd())?;
        }
        Ok(Connection {
            relay: relay.identity,
            fd,
            reused: false,
            unread: VecDeque::new(),
            input: Vec::new(),
            used: now,
            is_tcp: !matches!(relay.uri.address, RelayAddress::Unix(_)),
            watch: watch.cloned(),
        })
    }

    /// The identity of its relay.
    pub(super) fn relay(&self) -> u32 {
        self.relay
    }

    /// Its descriptor.
    pub fn descriptor(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    /// True when it served an earlier query.
    pub(super) fn reused(&self) -> bool {
        self.reused
    }

    /// It serves another query now.
    pub(super) fn reuse(&mut self) {
        self.reused = true;
    }

    /// True over TCP.
    pub(super) fn is_tcp(&self) -> bool {
        self.is_tcp
    }

    /// How many answers are still to be read.
    pub(super) fn unread(&self) -> usize {
        self.unread.len()
    }

    /// A query was sent whose answer nobody waits for.
    pub(super) fn expect_answer(&mut self, query: Unread<T>) {
        self.unread.push_back(query);
    }

    /// Takes the oldest of these queries.
    pub(super) fn take_unread(&mut self) -> Option<T> {
        self.unread.pop_front().map(|query| query.token)
    }

    pub(super) fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        stream::send(&self.fd, bytes)
    }

    pub(super) fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        stream::receive(&self.fd, buffer)
    }

    /// Reads answers that nobody waits for, and gives each to `answered`. False
    /// when the connection is of no more use: closed, broken, or sending what
    /// nobody asked for.
    pub(super) fn read_unread(&mut self, answered: &mut dyn FnMut(T, Outcome)) -> bool {
        let mut buffer = [0u8; 1024];
        while !self.unread.is_empty() {
            let closed = match self.receive(&mut buffer) {
                Ok(0) => true,
                Ok(length) => {
                    self.input.extend_from_slice(buffer.get(..length).unwrap_or_default());
                    false
                }
                Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
            };
            if !self.decode_unread(closed, answered) || closed {
                return false;
            }
        }
        // Bytes that no query is there for.
        self.input.is_empty()
    }

    fn decode_unread(&mut self, closed: bool, answered: &mut dyn FnMut(T, Outcome)) -> bool {
        let mut start = 0;
        while let Some(query) = self.unread.front() {
            let input = self.input.get(start..).unwrap_or_default();
            match query.protocol.codec().decode(query.command, input, closed) {
                Decoded::Incomplete => break,
                Decoded::Garbage => return false,
                Decoded::Answer { answer, length } => {
                    start = start.saturating_add(length);
                    let outcome = if answer.is_ok() { Outcome::Answered } else { Outcome::Refused };
                    if let Some(token) = self.take_unread() {
                        answered(token, outcome);
                    }
                    if closed {
                        break;
                    }
                }
            }
        }
        self.input.drain(..start);
        self.input.len() <= crate::relay::exchange::MAX_ANSWER
    }

    /// True when a part of an answer was read: no exchange can take over here.
    pub(super) fn has_partial_answer(&self) -> bool {
        !self.input.is_empty()
    }
}

impl<T> Drop for Connection<T> {
    /// A process that was forked meanwhile has a copy of the descriptor, and
    /// what is closed here alone would be watched for ever.
    fn drop(&mut self) {
        if let Some(watch) = &self.watch {
            watch.forget(self.fd.as_fd());
        }
    }
}
