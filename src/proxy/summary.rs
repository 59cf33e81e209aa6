//! The report of a proxy about its active and finished sessions.

use std::net::SocketAddr;
use std::time::Duration;

/// A live session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionSummary {
    /// The Call-ID.
    pub call_id: Vec<u8>,
    /// The tag of the caller, whose request created the session.
    pub from_tag: Vec<u8>,
    /// Whether an answer was received.
    pub answered: bool,
    /// Whether every stream is on hold.
    pub on_hold: bool,
    /// The time since the session was created.
    pub age: Duration,
    /// Its relayed streams.
    pub streams: Vec<StreamSummary>,
}

/// A relayed stream of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamSummary {
    /// The media type: `audio`, `video`, ...
    pub media: String,
    /// The ports the caller sends to.
    pub caller: SideSummary,
    /// The ports the callee sends to.
    pub callee: SideSummary,
}

/// One side of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SideSummary {
    /// RTP.
    pub rtp: PortSummary,
    /// RTCP.
    pub rtcp: PortSummary,
}

/// One port of the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortSummary {
    /// The proxy's own address and port.
    pub local: SocketAddr,
    /// The address to which packets for this side are sent: the learned one, else
    /// the one in its SDP if that is trusted, else none yet.
    pub remote: Option<SocketAddr>,
    /// Packets and bytes received from this side and sent to the other.
    pub relayed: Traffic,
    /// Packets received on this port and dropped.
    pub dropped: u64,
}

/// An amount of traffic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Datagrams.
    pub packets: u64,
    /// Bytes of their payload.
    pub bytes: u64,
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// The SIP server sent `remove`.
    Removed,
    /// No media for the idle timeout.
    Idle,
    /// No answer for the unanswered timeout.
    Unanswered,
    /// Still on hold after the hold timeout.
    Hold,
    /// The proxy was stopped.
    Stopped,
}

/// A session that ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionEnd {
    /// Why the session ended.
    pub reason: EndReason,
    /// The state of the session when it ended.
    pub session: SessionSummary,
}
