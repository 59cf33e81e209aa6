//! One stream: an m= line and what belongs to it.

use crate::sdp::Connection;
use crate::sdp::ice::Ice;

/// a=sendrecv and the like (RFC 3264 5.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Direction {
    #[default]
    SendRecv,
    SendOnly,
    RecvOnly,
    Inactive,
}

/// The a=rtcp attribute (RFC 3605).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rtcp<'a> {
    /// The port as written.
    pub port_text: &'a [u8],
    /// The port.
    pub port: u16,
    /// The address part ("IN IP4 192.0.2.1" without "IN "), if there.
    pub connection: Option<Connection<'a>>,
}

/// One stream of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Media<'a> {
    /// `audio`, `video`, `image`, ...
    pub kind: &'a [u8],
    /// The port as written, without `/count`.
    pub port_text: &'a [u8],
    /// The port.
    pub port: u16,
    /// The count after the slash; 1 when none.
    pub count: u16,
    /// `RTP/AVP`, `udptl`, ...
    pub transport: &'a [u8],
    /// The m= line and all that belongs to it, to the next m= or the end.
    pub text: &'a [u8],
    /// The m= line with its line end, and the i= line if one follows: a c=
    /// line that must be added goes right after it.
    pub head: &'a [u8],
    /// Its own c= lines: the first one here.
    pub connection: Option<Connection<'a>>,
    /// Further c= lines of the stream (RFC 8866 5.7 allows several).
    pub more_connections: Vec<Connection<'a>>,
    /// Its own direction.
    pub direction: Option<Direction>,
    /// a=rtcp
    pub rtcp: Option<Rtcp<'a>>,
    /// a=rtcp-mux
    pub rtcp_mux: bool,
    /// a=mid
    pub mid: Option<&'a [u8]>,
    /// What ICE says here.
    pub ice: Ice<'a>,
}

impl Media<'_> {
    /// True for what a relay carries: transports `RTP/*`, `UDP/*` and
    /// `udptl`, in any case.
    pub fn relayable(&self) -> bool {
        todo!()
    }
}
