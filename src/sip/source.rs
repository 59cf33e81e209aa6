//! Where a message came from.

use std::net::SocketAddr;

/// The transport of a message. The numbers are those of the C interface
/// (`MP_TRANSPORT_*`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u32)]
pub enum Transport {
    /// UDP
    #[default]
    Udp = 1,
    /// TCP
    Tcp = 2,
    /// TLS over TCP
    Tls = 3,
    /// SCTP
    Sctp = 4,
    /// WebSocket
    Ws = 5,
    /// WebSocket over TLS
    Wss = 6,
}

impl Transport {
    /// True for a transport with connections: every one but UDP. The client side of a
    /// connection sends from a port that no header needs to name (RFC 3261 18.1.1).
    pub fn is_connection(self) -> bool {
        self != Transport::Udp
    }
}

/// The source of a message, and the local address it was received on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// The source address and port, as the server's socket reports them.
    pub address: SocketAddr,
    /// The server's address and port the message was received on, if known.
    pub local: Option<SocketAddr>,
    /// The transport.
    pub transport: Transport,
}
