//! Lists of networks, for the private and the local ones.

use std::net::IpAddr;

use crate::address::{canonical, parse_ip};
use crate::bytes;
use crate::error::{Error, Result, Status};

/// A list of address ranges: the value of the settings `private_networks` and
/// `local_networks`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks {
    v4: Vec<Range<u32>>,
    v6: Vec<Range<u128>>,
}

/// The addresses equal to `network` in the bits of `mask`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range<T> {
    network: T,
    mask: T,
}

/// The names a list may contain, and their ranges.
const NAMED: [(&str, &[&str]); 5] = [
    ("rfc1918", &["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"]),
    ("rfc6598", &["100.64.0.0/10"]),
    ("loopback", &["127.0.0.0/8", "::1"]),
    ("linklocal", &["169.254.0.0/16", "fe80::/10"]),
    ("ula", &["fc00::/7"]),
];

impl Networks {
    /// RFC 1918: 10/8, 172.16/12, 192.168/16, the private networks of SER's
    /// mediaproxy module.
    pub fn rfc1918() -> Self {
        let range = |octets: [u8; 4], bits| Range {
            network: u32::from_be_bytes(octets),
            mask: mask_v4(bits),
        };
        Networks {
            v4: vec![
                range([10, 0, 0, 0], 8),
                range([172, 16, 0, 0], 12),
                range([192, 168, 0, 0], 16),
            ],
            v6: Vec::new(),
        }
    }

    /// Parses a list separated by commas or white space: CIDRs, single addresses
    /// and the names rfc1918, rfc6598, loopback, linklocal, ula. Bits of an
    /// address beyond its prefix are ignored. Empty text is an empty list.
    /// `Status::Setting` names the part that cannot be parsed.
    pub fn parse(text: &str) -> Result<Self> {
        let mut networks = Networks::default();
        for part in text.split([',', ' ', '\t', '\r', '\n']).filter(|part| !part.is_empty()) {
            let named = NAMED.iter().find(|(name, _)| name.eq_ignore_ascii_case(part));
            let ranges = named.map_or(std::slice::from_ref(&part), |(_, ranges)| ranges);
            if ranges.iter().any(|range| networks.add(range).is_none()) {
                let accepted = "rfc1918, rfc6598, loopback, linklocal, ula, or ADDRESS/BITS";
                return Err(Error::new(
                    Status::Setting,
                    format!("invalid network \"{part}\"; expected {accepted}"),
                ));
            }
        }
        Ok(networks)
    }

    fn add(&mut self, range: &str) -> Option<()> {
        let (address, bits) = match range.split_once('/') {
            Some((address, bits)) => (address, Some(bytes::number(bits.as_bytes())?)),
            None => (range, None),
        };
        match parse_ip(address.as_bytes())? {
            IpAddr::V4(ip) => {
                let mapped = address.contains(':');
                let bits = match bits {
                    Some(bits) if mapped => bits.checked_sub(96)?,
                    other => other.unwrap_or(32),
                };
                let mask = (bits <= 32).then(|| mask_v4(bits))?;
                self.v4.push(Range { network: u32::from(ip) & mask, mask });
            }
            IpAddr::V6(ip) => {
                let bits = bits.unwrap_or(128);
                let host_bits = 128u32.checked_sub(bits)?;
                let mask = u128::MAX.checked_shl(host_bits).unwrap_or(0);
                self.v6.push(Range { network: u128::from(ip) & mask, mask });
            }
        }
        Some(())
    }

    /// True when a range contains `ip`. An IPv4-mapped address counts as IPv4.
    pub fn contains(&self, ip: IpAddr) -> bool {
        match canonical(ip) {
            IpAddr::V4(ip) => {
                self.v4.iter().any(|range| u32::from(ip) & range.mask == range.network)
            }
            IpAddr::V6(ip) => {
                self.v6.iter().any(|range| u128::from(ip) & range.mask == range.network)
            }
        }
    }
}

/// The mask of an IPv4 prefix of at most 32 bits.
fn mask_v4(bits: u32) -> u32 {
    u32::MAX.checked_shl(32u32.saturating_sub(bits)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has(networks: &Networks, ip: &str) -> bool {
        networks.contains(ip.parse().unwrap())
    }

    #[test]
    fn rfc1918_contains_exactly_its_ranges() {
        let private = Networks::rfc1918();
        for inside in [
            "10.0.0.0",
            "10.255.255.255",
            "172.16.0.0",
            "172.31.255.255",
            "192.168.0.0",
            "192.168.255.255",
            "::ffff:10.1.2.3",
        ] {
            assert!(has(&private, inside), "{inside}");
        }
        for outside in [
            "9.255.255.255",
            "11.0.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.167.255.255",
            "192.169.0.0",
            "100.64.0.1",
            "127.0.0.1",
            "169.254.1.1",
            "fd00::1",
            "::10.1.2.3",
        ] {
            assert!(!has(&private, outside), "{outside}");
        }
        assert_eq!(Networks::parse("rfc1918").unwrap(), private);
    }

    #[test]
    fn parse_accepts_names_ranges_and_addresses() {
        let all = Networks::parse(
            "RFC6598, loopback linklocal\tula,203.0.113.7 198.51.100.77/24,2001:db8::/32",
        )
        .unwrap();
        for inside in [
            "100.64.0.0",
            "100.127.255.255",
            "127.0.0.1",
            "::1",
            "169.254.9.9",
            "fe80::1",
            "febf::1",
            "fc00::",
            "fdff::1",
            "203.0.113.7",
            "198.51.100.0",
            "198.51.100.255",
            "2001:db8:ffff::1",
        ] {
            assert!(has(&all, inside), "{inside}");
        }
        for outside in
            ["100.128.0.0", "::2", "fec0::1", "fe00::", "203.0.113.8", "198.51.101.0", "2001:db9::"]
        {
            assert!(!has(&all, outside), "{outside}");
        }
        assert!(has(&Networks::parse("0.0.0.0/0").unwrap(), "8.8.8.8"));
        assert!(!has(&Networks::parse("0.0.0.0/0").unwrap(), "2001:db8::1"));
        assert!(has(&Networks::parse("::/0").unwrap(), "2001:db8::1"));
        assert!(has(&Networks::parse("::ffff:10.0.0.0/104").unwrap(), "10.9.9.9"));
        assert!(!has(&Networks::parse("").unwrap(), "10.0.0.1"));
    }

    #[test]
    fn parse_error_names_invalid_part() {
        for bad in [
            "10.0.0.0/33",
            "10.0.0.0/",
            "10/8",
            "rfc1919",
            "2001:db8::/129",
            "::ffff:10.0.0.0/24",
            "example.com",
        ] {
            let error = Networks::parse(&format!("rfc1918,{bad}")).unwrap_err();
            assert_eq!(error.status(), Status::Setting);
            assert!(error.text().contains(&format!("\"{bad}\"")), "{}", error.text());
        }
    }
}
