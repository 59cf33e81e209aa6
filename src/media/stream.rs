//! The parts of an m= line and its c= line that a relay is sent.

use std::borrow::Cow;
use std::net::Ipv4Addr;

use crate::address::Host;
use crate::relay::StreamAddress;
use crate::sdp::Connection;

/// The address of a c= line; 0.0.0.0 without one.
pub(super) fn stream_address(connection: Option<&Connection<'_>>) -> StreamAddress {
    match connection.map(|connection| connection.host) {
        None => StreamAddress::Ip(Ipv4Addr::UNSPECIFIED.into()),
        Some(Host::Ip(ip)) => StreamAddress::Ip(ip),
        Some(Host::Name(name)) => StreamAddress::Name(name.to_vec()),
    }
}

/// The media type; the usual ones are not allocated.
pub(super) fn media_type(kind: &[u8]) -> Cow<'static, [u8]> {
    match kind {
        b"audio" => Cow::Borrowed(b"audio"),
        b"video" => Cow::Borrowed(b"video"),
        b"image" => Cow::Borrowed(b"image"),
        b"application" => Cow::Borrowed(b"application"),
        other => Cow::Owned(other.to_vec()),
    }
}
