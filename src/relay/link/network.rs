//! The network below the connections: the system's sockets, or for tests one in
//! memory, so that a whole server runs in simulated time.

use std::fmt::Debug;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

use crate::relay::Relay;
use crate::sys::stream;

/// A network in memory that connects to relays.
pub trait Network: Debug + Send + Sync {
    /// Connects to a relay. `WouldBlock` when its backlog is full.
    fn connect(&self, relay: &Relay) -> io::Result<Box<dyn Carrier>>;
}

/// One connection of a [`Network`]. It is closed when it is dropped.
pub trait Carrier: Debug + Send + Sync {
    /// Sends what fits, and returns the number of bytes.
    fn send(&self, bytes: &[u8]) -> io::Result<usize>;
    /// Receives bytes; 0 at the end, `WouldBlock` when there are none yet.
    fn receive(&self, buffer: &mut [u8]) -> io::Result<usize>;
}

/// What carries the bytes of one connection: a socket, or a carrier in memory.
#[derive(Debug)]
pub(super) enum Channel {
    Socket(OwnedFd),
    InMemory(Box<dyn Carrier>),
}

impl Channel {
    pub(super) fn socket(&self) -> Option<&OwnedFd> {
        match self {
            Channel::Socket(fd) => Some(fd),
            Channel::InMemory(_) => None,
        }
    }

    /// -1 in memory.
    pub(super) fn descriptor(&self) -> RawFd {
        self.socket().map_or(-1, |fd| fd.as_fd().as_raw_fd())
    }

    pub(super) fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Channel::Socket(fd) => stream::send(fd, bytes),
            Channel::InMemory(carrier) => carrier.send(bytes),
        }
    }

    pub(super) fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Channel::Socket(fd) => stream::receive(fd, buffer),
            Channel::InMemory(carrier) => carrier.receive(buffer),
        }
    }
}
