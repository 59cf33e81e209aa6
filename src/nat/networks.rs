//! Lists of networks: what counts as private, what is local.

use std::net::IpAddr;

use crate::error::Result;

/// A list of address ranges, as the settings `private_networks` and
/// `local_networks` hold it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks {
    ranges: Vec<(IpAddr, u8)>,
}

impl Networks {
    /// RFC 1918: 10/8, 172.16/12, 192.168/16. The seed's meaning of private.
    pub fn rfc1918() -> Self {
        todo!()
    }

    /// Reads a list separated by commas or white space: CIDRs, single
    /// addresses and the names rfc1918, rfc6598, loopback, linklocal, ula.
    /// `Status::Setting` names the part that cannot be read.
    pub fn parse(text: &str) -> Result<Self> {
        let _ = text;
        todo!()
    }

    /// True when `ip` (compared by value, IPv4-mapped as IPv4) lies in one.
    pub fn contains(&self, ip: IpAddr) -> bool {
        let _ = ip;
        todo!()
    }
}
