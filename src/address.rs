//! IP addresses and hosts in SIP and SDP text.
//!
//! Addresses compare by value, never by text: `2001:DB8::1` equals
//! `2001:db8:0::1`, and an IPv4-mapped IPv6 address equals its IPv4 address.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use memchr::{memchr, memrchr};

use crate::bytes;

/// The longest text of an IPv6 address, an IPv4 tail included (RFC 4291 2.2).
const MAX_IPV6_TEXT: usize = 45;

/// A host as written in a URI, a Via or a `c=` line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host<'a> {
    /// A literal address; an IPv4-mapped IPv6 address is stored as IPv4.
    Ip(IpAddr),
    /// Any other text: a name. It never equals an address and is not resolved.
    Name(&'a [u8]),
}

impl Host<'_> {
    /// The address; `None` for a name.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Host::Ip(ip) => Some(*ip),
            Host::Name(_) => None,
        }
    }
}

/// Parses a host: `192.0.2.1`, `[2001:db8::1]` or a name. An IPv6 address
/// without brackets is accepted too: SDP has none, and some phones omit them.
pub fn parse_host(text: &[u8]) -> Host<'_> {
    parse_ip(text).map_or(Host::Name(text), Host::Ip)
}

/// Parses a literal address, with or without brackets: four decimal parts
/// without leading zeros, or RFC 4291 text without a zone. An IPv4-mapped
/// address is returned as IPv4.
pub fn parse_ip(text: &[u8]) -> Option<IpAddr> {
    match text {
        [b'[', inner @ .., b']'] => parse_ipv6(inner),
        [b'0'..=b'9', ..] => parse_ipv4(text).map(IpAddr::V4).or_else(|| parse_ipv6(text)),
        _ => parse_ipv6(text),
    }
}

fn parse_ipv4(text: &[u8]) -> Option<Ipv4Addr> {
    leading_ipv4(text).filter(|(_, rest)| rest.is_empty()).map(|(ip, _)| ip)
}

/// The IPv4 address at the start of `text` and the rest, which is empty or
/// starts with a colon.
fn leading_ipv4(text: &[u8]) -> Option<(Ipv4Addr, &[u8])> {
    let (ip, rest) = dotted_quad(text)?;
    matches!(rest, [] | [b':', ..]).then_some((ip, rest))
}

/// Four decimal parts at the start of `text`, and the rest.
pub(crate) fn dotted_quad(text: &[u8]) -> Option<(Ipv4Addr, &[u8])> {
    let (a, rest) = leading_octet(text)?;
    let (b, rest) = leading_octet(rest.strip_prefix(b".")?)?;
    let (c, rest) = leading_octet(rest.strip_prefix(b".")?)?;
    let (d, rest) = leading_octet(rest.strip_prefix(b".")?)?;
    Some((Ipv4Addr::new(a, b, c, d), rest))
}

/// The IPv4 address and port at the start of `text`, and the rest. For fast
/// paths: `None` also for spellings that [`parse_host_port`] accepts.
pub(crate) fn leading_ipv4_port(text: &[u8]) -> Option<(Ipv4Addr, Option<u16>, &[u8])> {
    let (ip, rest) = dotted_quad(text)?;
    let Some(mut rest) = rest.strip_prefix(b":") else { return Some((ip, None, rest)) };
    let mut port = None;
    while let [digit @ b'0'..=b'9', after @ ..] = rest {
        let value = u32::from(port.unwrap_or(0u16)) * 10 + u32::from(digit - b'0');
        port = Some(u16::try_from(value).ok()?);
        rest = after;
    }
    Some((ip, Some(port?), rest))
}

/// A decimal number of one to three digits, at most 255, without leading zero,
/// and the rest.
fn leading_octet(text: &[u8]) -> Option<(u8, &[u8])> {
    let digit = |byte: &u8| u16::from(byte - b'0');
    let (value, rest) = match text {
        [a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', rest @ ..] => {
            (digit(a) * 100 + digit(b) * 10 + digit(c), rest)
        }
        [a @ b'1'..=b'9', b @ b'0'..=b'9', rest @ ..] => (digit(a) * 10 + digit(b), rest),
        [a @ b'0'..=b'9', rest @ ..] => (digit(a), rest),
        _ => return None,
    };
    Some((u8::try_from(value).ok()?, rest))
}

fn parse_ipv6(text: &[u8]) -> Option<IpAddr> {
    if text.len() > MAX_IPV6_TEXT || memchr(b':', text).is_none() {
        return None;
    }
    let ip: Ipv6Addr = std::str::from_utf8(text).ok()?.parse().ok()?;
    Some(canonical(IpAddr::V6(ip)))
}

/// Converts an IPv4-mapped IPv6 address (`::ffff:192.0.2.1`) to IPv4; returns any
/// other address unchanged.
pub fn canonical(ip: IpAddr) -> IpAddr {
    ip.to_canonical()
}

/// Parses `host`, `host:port` or `[ipv6]:port`. White space around the parts is
/// ignored (RFC 3261 allows it in a Via). `host:`, as some phones write it, is a
/// host without a port. IPv6 text without brackets is an address without a port
/// if the whole text is an address; else its last part is the port. `None` when
/// the host is empty or has an invalid byte, or the port is invalid.
pub fn parse_host_port(text: &[u8]) -> Option<(Host<'_>, Option<u16>)> {
    let text = bytes::trim(text);
    // Fast path.
    if let Some((ip, rest)) = leading_ipv4(text) {
        let host = Host::Ip(IpAddr::V4(ip));
        match rest.split_first() {
            None => return Some((host, None)),
            Some((_, digits)) => {
                if let Some(port) = bytes::port(digits) {
                    return Some((host, Some(port)));
                }
            }
        }
    }
    let (host, port) = match colon_before_port(text) {
        None => (text, None),
        Some(colon) => {
            let port = bytes::trim(text.get(colon.checked_add(1)?..)?);
            let port = if port.is_empty() { None } else { Some(bytes::port(port)?) };
            (bytes::trim(text.get(..colon)?), port)
        }
    };
    let host = parse_host(host);
    match host {
        Host::Name(name) if !is_name(name) => None,
        _ => Some((host, port)),
    }
}

fn colon_before_port(text: &[u8]) -> Option<usize> {
    let last = memrchr(b':', text)?;
    if text.first() == Some(&b'[') {
        return (memrchr(b']', text)? < last).then_some(last);
    }
    let only = memchr(b':', text) == Some(last);
    (only || parse_ip(text).is_none()).then_some(last)
}

/// True unless the text has a byte that ends a host. RFC 1123 is not checked.
fn is_name(text: &[u8]) -> bool {
    let foreign = |b: &u8| *b <= b' ' || matches!(b, 0x7f | b'<' | b'>' | b'"' | b'@' | b',');
    let half_a_bracket = text.starts_with(b"[") && !text.ends_with(b"]");
    !text.is_empty() && !half_a_bracket && !text.iter().any(foreign)
}

/// Appends an address as text; IPv6 without brackets.
pub fn push_ip(ip: IpAddr, out: &mut Vec<u8>) {
    match ip {
        IpAddr::V4(ip) => {
            for (index, octet) in ip.octets().into_iter().enumerate() {
                if index > 0 {
                    out.push(b'.');
                }
                push_octet(octet, out);
            }
        }
        // Writing to a Vec cannot fail.
        IpAddr::V6(ip) => drop(write!(out, "{ip}")),
    }
}

/// Appends a number of at most three digits.
fn push_octet(octet: u8, out: &mut Vec<u8>) {
    let digit = |value: u8| b'0' + value % 10;
    match octet {
        0..=9 => out.push(digit(octet)),
        10..=99 => out.extend_from_slice(&[digit(octet / 10), digit(octet)]),
        _ => out.extend_from_slice(&[digit(octet / 100), digit(octet / 10), digit(octet)]),
    }
}

/// Appends an address in URI form: IPv6 in brackets.
pub fn push_uri_host(ip: IpAddr, out: &mut Vec<u8>) {
    let v6 = ip.is_ipv6();
    if v6 {
        out.push(b'[');
    }
    push_ip(ip, out);
    if v6 {
        out.push(b']');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn addresses_compare_by_value() {
        assert_eq!(parse_ip(b"[2001:DB8::1]"), parse_ip(b"2001:db8:0::1"));
        assert_eq!(parse_ip(b"::ffff:192.0.2.1"), Some(ip("192.0.2.1")));
        assert_eq!(parse_ip(b"[::FFFF:c000:201]"), Some(ip("192.0.2.1")));
        assert_ne!(parse_ip(b"192.0.2.1"), parse_ip(b"192.0.2.10"));
    }

    #[test]
    fn text_similar_to_an_address_is_a_name() {
        for text in [
            "",
            ".",
            "1.2.3",
            "1.2.3.4.",
            ".1.2.3.4",
            "1.2.3.4.5",
            "1..3.4",
            "256.1.1.1",
            "1.2.3.999",
            "01.2.3.4",
            "1.2.3.00",
            "1.2.3.4 ",
            "+1.2.3.4",
            "1.2.3.a",
            "0x1.2.3.4",
            "[1.2.3.4]",
            "[::1",
            "::1]",
            "[]",
            ":",
            ":::",
            "fe80::1%eth0",
            "1:2:3:4:5:6:7:8:9",
            "2001:db8:::192.0.2.1",
            "::ffff:1.2.3.04",
            "example.com",
            "\u{661}.2.3.4",
        ] {
            assert_eq!(parse_ip(text.as_bytes()), None, "{text}");
            assert_eq!(parse_host(text.as_bytes()), Host::Name(text.as_bytes()));
        }
        for text in ["0.0.0.0", "255.255.255.255", "10.0.0.1", "127.0.0.1"] {
            assert_eq!(parse_ip(text.as_bytes()), Some(ip(text)));
        }
    }

    #[test]
    fn host_and_port_are_parsed_in_every_form() {
        let read = |text: &'static str| parse_host_port(text.as_bytes());
        let v4 = Host::Ip(ip("192.0.2.1"));
        let v6 = Host::Ip(ip("2001:db8::1"));
        assert_eq!(read("192.0.2.1"), Some((v4, None)));
        assert_eq!(read("192.0.2.1:5060"), Some((v4, Some(5060))));
        assert_eq!(read("192.0.2.1 : 5060"), Some((v4, Some(5060))));
        assert_eq!(read(" 192.0.2.1\r\n :\r\n 5060 "), Some((v4, Some(5060))));
        assert_eq!(read("192.0.2.1:"), Some((v4, None)));
        assert_eq!(read("[2001:db8::1]"), Some((v6, None)));
        assert_eq!(read("[2001:db8::1]:5061"), Some((v6, Some(5061))));
        assert_eq!(read("2001:db8::1"), Some((v6, None)));
        assert_eq!(read("2001:db8:0:0:0:0:0:1:5060"), Some((v6, Some(5060))));
        assert_eq!(
            read("pc33.example.com:65535"),
            Some((Host::Name(b"pc33.example.com"), Some(65535)))
        );
        assert_eq!(read("[2001:db8:::1]"), Some((Host::Name(b"[2001:db8:::1]"), None)));
        for bad in [
            "",
            ":",
            ":5060",
            "a:b",
            "a:65536",
            "a:-1",
            "a b",
            "a:5 060",
            "a@b",
            "a,b",
            "<a>",
            "[::1]x:5060",
            "a\0b",
            "a:b:5060x",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn push_ip_writes_every_octet() {
        for octet in 0..=u8::MAX {
            let mut out = Vec::new();
            push_ip(Ipv4Addr::new(octet, 0, 10, octet).into(), &mut out);
            assert_eq!(out, format!("{octet}.0.10.{octet}").into_bytes());
        }
    }

    #[test]
    fn push_uri_host_adds_brackets_and_push_ip_does_not() {
        let mut out = Vec::new();
        push_uri_host(ip("203.0.113.5"), &mut out);
        out.push(b' ');
        push_uri_host(ip("2001:db8::1"), &mut out);
        out.push(b' ');
        push_ip(ip("2001:db8::1"), &mut out);
        assert_eq!(out, b"203.0.113.5 [2001:db8::1] 2001:db8::1");
    }
}
