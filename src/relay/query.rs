//! A request to a relay and its answer, before any protocol's spelling.

use std::net::IpAddr;

use crate::media::Stream;

/// What the relay is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Give ports for the streams of a request.
    Request,
    /// Give ports for the streams of a reply.
    Reply,
    /// Forget the call.
    Remove,
}

/// One question to a relay; owns its bytes. Values are unfolded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// What to do.
    pub command: Command,
    /// Call-ID
    pub call_id: Vec<u8>,
    /// The CSeq of the offer this belongs to.
    pub cseq: u32,
    /// The tag of From.
    pub from_tag: Vec<u8>,
    /// The tag of To; empty before it is known, and on early answers.
    pub to_tag: Vec<u8>,
    /// The tag of To on an early answer, for relays that understand it.
    pub early_tag: Vec<u8>,
    /// From's URI without `sip:`, cut at the first `;`; empty when unreadable.
    pub from_uri: Vec<u8>,
    /// To's URI likewise.
    pub to_uri: Vec<u8>,
    /// User-Agent, else Server; empty when neither is there.
    pub user_agent: Vec<u8>,
    /// Where the phone signals from.
    pub signaling_ip: Option<IpAddr>,
    /// The server's dialog id; may be empty.
    pub dialog_id: Vec<u8>,
    /// The wanted relay; may be empty.
    pub media_relay: Vec<u8>,
    /// The phone is RTP-asymmetric.
    pub asymmetric: bool,
    /// The streams; empty for `Remove` and for a bodyless reply.
    pub streams: Vec<Stream>,
}

/// What a relay answered to a query for ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Its address, and a port per stream (0: the stream is off). May be fewer
    /// ports than streams.
    Ports {
        /// The relay's media address.
        address: IpAddr,
        /// The RTP ports; RTCP is one above.
        ports: Vec<u16>,
    },
    /// A whole new session description.
    Body(Vec<u8>),
    /// The call is gone (answer to `Remove`).
    Removed,
}
