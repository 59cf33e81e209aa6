//! IP addresses and hosts as they stand in SIP and SDP text.
//!
//! Addresses compare by value, never by text: `2001:DB8::1` equals
//! `2001:db8:0::1`, and an IPv4-mapped IPv6 address equals its IPv4 address.

use std::net::IpAddr;

/// A host as written in a URI, a Via or a `c=` line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host<'a> {
    /// A literal address, canonical (an IPv4-mapped one is IPv4).
    Ip(IpAddr),
    /// Anything else: a name. It never equals an address, and nobody asks DNS.
    Name(&'a [u8]),
}

impl Host<'_> {
    /// The address, if this is one.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Host::Ip(ip) => Some(*ip),
            Host::Name(_) => None,
        }
    }
}

/// Reads a host: `192.0.2.1`, `[2001:db8::1]` or a name. An IPv6 address
/// without brackets is accepted too (SDP, and phones that forget them).
pub fn parse_host(text: &[u8]) -> Host<'_> {
    let _ = text;
    todo!()
}

/// Reads a literal address, with or without brackets. Strict: four decimal
/// parts without leading zeros, or RFC 4291 text; no zone. Canonical.
pub fn parse_ip(text: &[u8]) -> Option<IpAddr> {
    let _ = text;
    todo!()
}

/// `::ffff:192.0.2.1` becomes `192.0.2.1`; every other address stays.
pub fn canonical(ip: IpAddr) -> IpAddr {
    ip.to_canonical()
}
