//! What may keep a call without media although each request was right.

use std::fmt;
use std::net::SocketAddr;

/// Why nothing is sent to a side of a session. Each kind is reported at most
/// once for a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Warning {
    /// The SDP of a side names this media port of the proxy, and packets to it
    /// would come back to the same port.
    Loop(SocketAddr),
    /// The SDP of a side names this private address, from which its signalling did
    /// not come: nothing is sent there before a packet came from there.
    WaitsForPacket(SocketAddr),
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Warning::Loop(address) => {
                write!(f, "{address} leads back to the same session; no media is sent to it")
            }
            Warning::WaitsForPacket(address) => write!(
                f,
                "{address} is private and not the source of signaling; no media is sent to it \
                 before it sends; trusted_media_networks allows it"
            ),
        }
    }
}
