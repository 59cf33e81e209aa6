//! What a proxy reports: counters, live sessions, finished sessions.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The counters of a proxy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Live sessions.
    pub sessions: u64,
    /// Sessions created since the start.
    pub sessions_total: u64,
    /// Requests answered with `error`.
    pub refused: u64,
    /// UDP sockets open for media.
    pub open_ports: u64,
    /// Packets received on media ports.
    pub received: u64,
    /// Packets forwarded.
    pub relayed: u64,
    /// Packets dropped: the source is not accepted, or the other side's address
    /// is not known yet.
    pub dropped: u64,
}

/// The counters behind [`Statistics`]: written by the serving thread, read by
/// any.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) sessions: AtomicU64,
    pub(super) sessions_total: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) open_ports: AtomicU64,
    pub(super) received: AtomicU64,
    pub(super) relayed: AtomicU64,
    pub(super) dropped: AtomicU64,
}

impl Counters {
    pub(super) fn read(&self) -> Statistics {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Statistics {
            sessions: load(&self.sessions),
            sessions_total: load(&self.sessions_total),
            refused: load(&self.refused),
            open_ports: load(&self.open_ports),
            received: load(&self.received),
            relayed: load(&self.relayed),
            dropped: load(&self.dropped),
        }
    }

    /// Publishes the serving thread's own counts.
    pub(super) fn publish(&self, now: &Statistics) {
        let store = |counter: &AtomicU64, value| counter.store(value, Ordering::Relaxed);
        store(&self.sessions, now.sessions);
        store(&self.sessions_total, now.sessions_total);
        store(&self.refused, now.refused);
        store(&self.open_ports, now.open_ports);
        store(&self.received, now.received);
        store(&self.relayed, now.relayed);
        store(&self.dropped, now.dropped);
    }
}

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
    /// Where packets to this side are sent: the learned address, else the
    /// address in its SDP if that is believed, else none yet.
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
