//! SIP URIs (RFC 3261 19.1).

use crate::address::Host;
use crate::error::Result;

/// A `sip:` or `sips:` URI, in pieces of the original text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uri<'a> {
    /// True for `sips:`.
    pub secure: bool,
    /// Before the `@`, password included; empty when there is none.
    pub user: &'a [u8],
    /// Host and port as written, the part that `fix_contact` replaces:
    /// `192.0.2.1:5060`, `[2001:db8::1]`.
    pub host_port: &'a [u8],
    /// The host.
    pub host: Host<'a>,
    /// The port, if written.
    pub port: Option<u16>,
    /// From the first `;` (included) up to the headers; may be empty.
    pub parameters: &'a [u8],
    /// From the `?` (included); may be empty.
    pub headers: &'a [u8],
}

impl<'a> Uri<'a> {
    /// Reads a URI; `Ok(None)` for a scheme other than sip and sips.
    pub fn parse(text: &'a [u8]) -> Result<Option<Self>> {
        let _ = text;
        todo!()
    }

    /// The whole parameter `;name=value` (its leading `;` included) as it
    /// stands, name compared without case.
    pub fn parameter(&self, name: &[u8]) -> Option<&'a [u8]> {
        let _ = name;
        todo!()
    }

    /// The port, or the scheme's default: 5060, sips 5061.
    pub fn port_or_default(&self) -> u16 {
        self.port.unwrap_or(if self.secure { 5061 } else { 5060 })
    }
}
