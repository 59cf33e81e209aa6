//! Via values (RFC 3261 20.42): only the sent-by matters here.

use crate::address::Host;
use crate::error::Result;
use crate::sip::Transport;

/// One Via value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Via<'a> {
    /// The transport, `None` when unknown.
    pub transport: Option<Transport>,
    /// The sent-by host.
    pub host: Host<'a>,
    /// The sent-by port, if written.
    pub port: Option<u16>,
}

impl<'a> Via<'a> {
    /// Reads the first value of a Via header.
    pub fn parse(value: &'a [u8]) -> Result<Self> {
        let _ = value;
        todo!()
    }

    /// The port, or the transport's default: 5060, TLS and WSS as RFC 3261
    /// 18.1.1 (5061).
    pub fn port_or_default(&self) -> u16 {
        let secure = matches!(self.transport, Some(Transport::Tls | Transport::Wss));
        self.port.unwrap_or(if secure { 5061 } else { 5060 })
    }
}
