//! `IN IP4 192.0.2.1` as it stands in c=, o= and a=rtcp lines.

use crate::address::Host;

/// A network address in a description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connection<'a> {
    /// From the address type to the end of the address, the part an edit
    /// replaces: `IP4 192.0.2.1`. A TTL or count after `/` is not in it.
    pub text: &'a [u8],
    /// The address as written.
    pub address: &'a [u8],
    /// The address, or a name.
    pub host: Host<'a>,
    /// The whole line without its line end.
    pub line: &'a [u8],
}

impl Connection<'_> {
    /// 0.0.0.0 or `::` : on hold in the old way (RFC 3264 8.4).
    pub fn is_unspecified(&self) -> bool {
        self.host.ip().is_some_and(|ip| ip.is_unspecified())
    }
}
