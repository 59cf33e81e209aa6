//! Why a request was answered with `error`. The protocol has one word for all
//! reasons; the log record carries the reason.

use std::fmt;
use std::io;
use std::net::SocketAddr;

/// Why a request was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The request has a syntax error, or a header that it needs is missing.
    Malformed,
    /// A `remove` for a session that does not exist.
    UnknownSession,
    /// A `remove` for a dialog that does not exist.
    UnknownDialog,
    /// A `remove` of an unanswered session that is answered.
    Answered,
    /// A `remove` that names an older INVITE than the session's.
    LaterInvite,
    /// The CSeq is older than the session's first one, the first request of a
    /// session carries no media, an offer in an answered call has no To tag, or another
    /// branch answers 32 s after the first answer.
    OutOfPlace,
    /// A session has this many confirmed dialogs, the most that it can have.
    TooManyDialogs(usize),
    /// The limit of sessions, given here, is reached.
    TooManySessions(usize),
    /// The session has as many streams with open ports as it can have.
    TooManyStreams,
    /// The proxy has no address of a family the phones can use.
    NoAddress,
    /// Every port pair from the first to the last port given here is taken.
    PortsExhausted(u16, u16),
    /// The system refused to open a socket on this address.
    Socket(SocketAddr, io::ErrorKind),
    /// The system refused to add a socket to the epoll set.
    Watch(io::ErrorKind),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Malformed => f.write_str("malformed request"),
            Refusal::UnknownSession => f.write_str("no such session"),
            Refusal::UnknownDialog => f.write_str("no such dialog"),
            Refusal::Answered => f.write_str("the session is answered"),
            Refusal::LaterInvite => f.write_str("the session is that of a later INVITE"),
            Refusal::OutOfPlace => f.write_str(
                "CSeq older than the session, no media to create a session for, no To tag in \
                 an answered call, or an answer 32 s after the first one",
            ),
            Refusal::TooManyDialogs(limit) => {
                write!(f, "limit of {limit} dialogs of one session reached")
            }
            Refusal::TooManySessions(limit) => {
                write!(f, "limit of {limit} sessions reached")
            }
            Refusal::TooManyStreams => f.write_str("limit of streams of one session reached"),
            Refusal::NoAddress => f.write_str("no proxy address of that address family"),
            Refusal::PortsExhausted(first, last) => {
                write!(f, "no free port pair in {first}-{last}; widen the port range")
            }
            Refusal::Socket(local, error) => write!(f, "{local}: {error}"),
            Refusal::Watch(error) => write!(f, "cannot add a media socket to epoll: {error}"),
        }
    }
}
