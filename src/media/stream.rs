//! A stream as a relay is told of it.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr};

use crate::address::Host;
use crate::sdp::{Connection, Direction};

/// One stream as the relay is told of it: m= lines of a relayable transport,
/// port-0 ones too, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    /// `audio`, `video`, ...
    pub kind: Cow<'static, [u8]>,
    /// The address in the c= line that holds; 0.0.0.0 where none does, which
    /// only a stream that is off may have.
    pub address: StreamAddress,
    /// The port; 0 when the stream is off, or goes to a group address, which
    /// no relay can serve.
    pub port: u16,
    /// The direction.
    pub direction: Direction,
    /// The stream gets relay candidates.
    pub ice: bool,
}

/// Where a stream is, as its description says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamAddress {
    /// A literal address.
    Ip(IpAddr),
    /// A name, as written.
    Name(Vec<u8>),
}

impl StreamAddress {
    /// The address of a c= line; 0.0.0.0 without one.
    pub(super) fn of(connection: Option<Connection<'_>>) -> Self {
        match connection.map(|connection| connection.host) {
            None => StreamAddress::Ip(Ipv4Addr::UNSPECIFIED.into()),
            Some(Host::Ip(ip)) => StreamAddress::Ip(ip),
            Some(Host::Name(name)) => StreamAddress::Name(name.to_vec()),
        }
    }
}

/// The media type; the usual ones need no memory of their own.
pub(super) fn media_type(kind: &[u8]) -> Cow<'static, [u8]> {
    match kind {
        b"audio" => Cow::Borrowed(b"audio"),
        b"video" => Cow::Borrowed(b"video"),
        b"image" => Cow::Borrowed(b"image"),
        b"application" => Cow::Borrowed(b"application"),
        other => Cow::Owned(other.to_vec()),
    }
}
