//! Why a request was answered with `error`. The wire has one word for all of
//! it; the operator is told more.

use std::fmt;
use std::io;
use std::net::SocketAddr;

/// Why a request was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It cannot be read, or a header that it needs is missing.
    Unreadable,
    /// A `remove` for a session that is not there.
    UnknownSession,
    /// It comes before the first message of its session, or describes nothing
    /// and has no session.
    OutOfPlace,
    /// There are as many sessions as may be.
    TooManySessions(usize),
    /// No address of a family its phones can use.
    NoAddress,
    /// Every port pair of the range is taken.
    PortsExhausted,
    /// The system refused a socket.
    Socket(SocketAddr, io::ErrorKind),
    /// The system does not watch another socket.
    Watch(io::ErrorKind),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Unreadable => f.write_str("the request cannot be read"),
            Refusal::UnknownSession => f.write_str("there is no such session"),
            Refusal::OutOfPlace => f.write_str("it belongs to no session and makes none"),
            Refusal::TooManySessions(limit) => {
                write!(f, "{limit} sessions are alive, more are not allowed")
            }
            Refusal::NoAddress => f.write_str("the relay has no address of that family"),
            Refusal::PortsExhausted => f.write_str("no port pair is free; widen the port range"),
            Refusal::Socket(local, error) => write!(f, "no socket on {local}: {error}"),
            Refusal::Watch(error) => write!(f, "a socket cannot be watched: {error}"),
        }
    }
}
