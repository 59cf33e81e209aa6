//! The network below the connections: the system's sockets, or for tests one in
//! memory, so that a whole server runs in simulated time.

use std::fmt::Debug;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

use crate::relay::Relay;
use crate::sys::stream;

/// A network in memory that connects to relays.
#[doc(hidden)]
pub trait Network: Debug + Send + Sync {
    /// Connects to a relay. `WouldBlock` when its backlog is full.
    fn connect(&self, relay: &Relay) -> io::Result<Box<dyn Carrier>>;
}

/// One connection of a [`Network`]. It is closed when it is dropped.
#[doc(hidden)]
pub trait Carrier: Debug + Send + Sync {
    /// Sends what fits, and returns the number of bytes.
    fn send(&self, bytes: &[u8]) -> io::Result<usize>;
    /// Receives bytes; 0 at the end, `WouldBlock` when there are none yet.
    fn receive(&self, buffer: &mut [u8]) -> io::Result<usize>;
}

/// The carrier of one connection.
#[derive(Debug)]
pub(super) enum Stream {
    Socket(OwnedFd),
    InMemory(Box<dyn Carrier>),
}

impl Stream {
    pub(super) fn socket(&self) -> Option<&OwnedFd> {
        match self {
            Stream::Socket(fd) => Some(fd),
            Stream::InMemory(_) => None,
        }
    }

    /// -1 in memory.
    pub(super) fn descriptor(&self) -> RawFd {
        self.socket().map_or(-1, |fd| fd.as_fd().as_raw_fd())
    }

    pub(super) fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Socket(fd) => stream::send(fd, bytes),
            Stream::InMemory(carrier) => carrier.send(bytes),
        }
    }

    pub(super) fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Socket(fd) => stream::receive(fd, buffer),
            Stream::InMemory(carrier) => carrier.receive(buffer),
        }
    }
}
