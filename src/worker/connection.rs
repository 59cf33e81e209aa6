//! The relay connections of one worker: persistent, one request at a time on
//! each. A connection whose answer did not come whole is closed, never reused.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use crate::relay::{Relay, RelayAddress};
use crate::sys::{stream, unix};

/// Idle connections kept per relay.
const MAX_IDLE: usize = 64;
/// Answers a connection may owe before no more is sent on it unread.
const MAX_OWED: u32 = 32;

/// One connection to a relay.
#[derive(Debug)]
pub(super) struct Connection {
    /// The relay's identity.
    relay: u32,
    fd: OwnedFd,
    /// Answers to requests that nobody waited for, still to come.
    owed: u32,
    reused: bool,
}

impl Connection {
    fn open(relay: &Relay) -> io::Result<Self> {
        let RelayAddress::Unix(path) = &relay.uri.address;
        let fd = unix::connect(path)?;
        Ok(Connection { relay: relay.identity, fd, owed: 0, reused: false })
    }

    pub(super) fn descriptor(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    pub(super) fn owed(&self) -> u32 {
        self.owed
    }

    pub(super) fn reused(&self) -> bool {
        self.reused
    }

    pub(super) fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        stream::send(&self.fd, bytes)
    }

    pub(super) fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        stream::receive(&self.fd, buffer)
    }

    /// Reads answers nobody waits for. False when the connection is of no more
    /// use: closed, broken, or saying what it was not asked.
    fn read_owed(&mut self) -> bool {
        if self.owed == 0 {
            return true;
        }
        let mut buffer = [0u8; 1024];
        while self.owed > 0 {
            match self.receive(&mut buffer) {
                Ok(0) => return false,
                Ok(length) => {
                    let bytes = buffer.get(..length).unwrap_or_default();
                    let lines = memchr::memchr_iter(b'\n', bytes).count();
                    let lines = u32::try_from(lines).unwrap_or(u32::MAX);
                    let whole = bytes.last() == Some(&b'\n');
                    match self.owed.checked_sub(lines) {
                        Some(owed) if whole || owed > 0 => self.owed = owed,
                        _ => return false,
                    }
                }
                Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
            }
        }
        true
    }
}

/// The idle connections of a worker.
#[derive(Debug, Default)]
pub(super) struct Pool {
    idle: Vec<Connection>,
}

impl Pool {
    /// An idle connection to a relay, or a new one.
    pub(super) fn take(&mut self, relay: &Relay, fresh: bool) -> io::Result<Connection> {
        if fresh {
            // The relay closed one of its connections: the others are as old.
            self.idle.retain(|idle| idle.relay != relay.identity);
            return Connection::open(relay);
        }
        while let Some(at) = self.idle.iter().rposition(|idle| idle.relay == relay.identity) {
            let mut connection = self.idle.swap_remove(at);
            if connection.read_owed() {
                connection.reused = true;
                return Ok(connection);
            }
        }
        Connection::open(relay)
    }

    /// Closes the idle connections of relays that are not `wanted`.
    pub(super) fn retain(&mut self, wanted: impl Fn(u32) -> bool) {
        self.idle.retain(|idle| wanted(idle.relay));
    }

    /// Keeps a connection whose requests were all answered.
    pub(super) fn keep(&mut self, mut connection: Connection) {
        connection.owed = 0;
        self.keep_owing(connection);
    }

    fn keep_owing(&mut self, connection: Connection) {
        let kept = self.idle.iter().filter(|idle| idle.relay == connection.relay).count();
        if kept < MAX_IDLE {
            self.idle.push(connection);
        }
    }

    /// Sends a request whose answer nobody waits for. Never blocks; fails when
    /// the relay cannot be reached or takes no more just now.
    pub(super) fn tell(&mut self, relay: &Relay, bytes: &[u8]) -> io::Result<()> {
        for fresh in [false, true] {
            let mut connection = self.take(relay, fresh)?;
            let reused = connection.reused;
            if connection.owed >= MAX_OWED {
                continue;
            }
            match connection.send(bytes) {
                Ok(sent) if sent == bytes.len() => {
                    connection.owed += 1;
                    self.keep_owing(connection);
                    return Ok(());
                }
                // A part went out: the connection is out of step.
                Ok(_) => return Err(io::ErrorKind::WouldBlock.into()),
                Err(error) if reused && error.kind() != io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::ErrorKind::WouldBlock.into())
    }
}
