//! One connection to a relay.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, RawFd};
use std::sync::Arc;

use super::network::{Channel, Network};
use crate::relay::protocol::{Decoded, Protocol};
use crate::relay::{Command, Facts, Outcome, Relay, RelayAddress};
use crate::sys::{tcp, unix};

/// Watches descriptors for input: the event loop of the keeper.
pub trait Watch: Debug + Send + Sync {
    /// Starts to watch a descriptor.
    fn watch(&self, descriptor: BorrowedFd<'_>) -> io::Result<()>;
    /// Stops to watch a descriptor.
    fn unwatch(&self, descriptor: BorrowedFd<'_>);
}

/// A query sent on a connection whose answer is unawaited and not read yet.
#[derive(Debug)]
pub(super) struct Unread<T> {
    pub(super) command: Command,
    pub(super) protocol: Protocol,
    pub(super) token: T,
}

/// A connection to a relay. After an incomplete answer it is closed and not used
/// again. `T` identifies an unawaited query.
#[derive(Debug)]
pub struct Connection<T> {
    /// The identity of the relay.
    relay: u32,
    channel: Channel,
    reused: bool,
    /// The queries with unread answers, the oldest first.
    unread: VecDeque<Unread<T>>,
    /// The bytes received of the first unread answer.
    input: Vec<u8>,
    /// The time of the last use (milliseconds of the monotonic clock).
    pub(super) used: u64,
    /// True over TCP: the network may drop an idle connection without closing it.
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
                    let text = format!("host name {host} not resolved yet by the keeper");
                    io::Error::new(io::ErrorKind::NotFound, text)
                };
                let ip = facts.resolved.ok_or_else(unresolved)?;
                tcp::connect(SocketAddr::new(ip, *port))?
            }
        };
        if let Some(watch) = watch {
            watch.watch(fd.as_fd())?;
        }
        Ok(Self::over(Channel::Socket(fd), relay, watch.cloned(), now))
    }

    /// A connection over a network in memory.
    pub(super) fn open_in_memory(
        relay: &Relay,
        network: &dyn Network,
        now: u64,
    ) -> io::Result<Self> {
        Ok(Self::over(Channel::InMemory(network.connect(relay)?), relay, None, now))
    }

    fn over(channel: Channel, relay: &Relay, watch: Option<Arc<dyn Watch>>, now: u64) -> Self {
        Connection {
            relay: relay.identity,
            channel,
            reused: false,
            unread: VecDeque::new(),
            input: Vec::new(),
            used: now,
            is_tcp: !matches!(relay.uri.address, RelayAddress::Unix(_)),
            watch,
        }
    }

    /// The identity of the relay.
    pub(super) fn relay(&self) -> u32 {
        self.relay
    }

    /// The socket's descriptor.
    pub fn descriptor(&self) -> RawFd {
        self.channel.descriptor()
    }

    /// True when the connection has served an earlier query.
    pub(super) fn reused(&self) -> bool {
        self.reused
    }

    /// Marks the connection as used for another query.
    pub(super) fn reuse(&mut self) {
        self.reused = true;
    }

    /// True over TCP.
    pub(super) fn is_tcp(&self) -> bool {
        self.is_tcp
    }

    /// The number of unread answers.
    pub(super) fn unread(&self) -> usize {
        self.unread.len()
    }

    /// Adds a query that was sent and whose answer is unawaited.
    pub(super) fn expect_answer(&mut self, query: Unread<T>) {
        self.unread.push_back(query);
    }

    /// Takes the oldest query with an unread answer.
    pub(super) fn take_unread(&mut self) -> Option<T> {
        self.unread.pop_front().map(|query| query.token)
    }

    pub(super) fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        self.channel.send(bytes)
    }

    pub(super) fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.channel.receive(buffer)
    }

    /// True while the relay has neither closed it nor sent anything. For a
    /// connection without unread answers.
    pub(super) fn is_silent(&self) -> bool {
        matches!(self.receive(&mut [0]), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Reads unawaited answers, and calls `answered` for each. False when the
    /// connection cannot be used any more: it is closed or broken, or the relay
    /// sent bytes that answer no query.
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
        // Bytes after the last answer belong to no query.
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

    /// True when a part of an unawaited answer was read: no exchange can use the
    /// connection before the rest has come.
    pub(super) fn has_partial_answer(&self) -> bool {
        !self.input.is_empty()
    }
}

impl<T> Drop for Connection<T> {
    /// A process forked meanwhile has a copy of the descriptor: epoll would watch
    /// the socket after it is closed only here.
    fn drop(&mut self) {
        if let (Some(watch), Some(fd)) = (&self.watch, self.channel.socket()) {
            watch.unwatch(fd.as_fd());
        }
    }
}
