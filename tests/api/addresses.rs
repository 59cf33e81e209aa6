//! Addresses: any of them reads back as itself, whatever its text looks like.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use mediaproxy::internals::address::{
    Host, canonical, parse_host, parse_host_port, parse_ip, push_ip, push_uri_host,
};
use mediaproxy::internals::bytes;
use mediaproxy::nat::Networks;
use proptest::prelude::*;

fn ip() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        any::<[u8; 4]>().prop_map(|octets| IpAddr::V4(Ipv4Addr::from(octets))),
        any::<[u16; 8]>().prop_map(|groups| IpAddr::V6(Ipv6Addr::from(groups))),
        any::<[u8; 4]>().prop_map(|octets| IpAddr::V6(Ipv4Addr::from(octets).to_ipv6_mapped())),
        // Many zeros: many ways to write them.
        prop::collection::vec(0..2u16, 8).prop_map(|groups| {
            let groups: [u16; 8] = groups.try_into().unwrap();
            IpAddr::V6(Ipv6Addr::from(groups))
        }),
    ]
}

proptest! {
    #[test]
    fn what_is_written_reads_back(ip in ip()) {
        let mut text = Vec::new();
        push_ip(ip, &mut text);
        prop_assert_eq!(&text, &ip.to_string().into_bytes());
        prop_assert_eq!(parse_ip(&text), Some(canonical(ip)));
        text.clear();
        push_uri_host(ip, &mut text);
        prop_assert_eq!(parse_host(&text), Host::Ip(canonical(ip)));
    }

    #[test]
    fn every_spelling_is_the_same_address(groups in any::<[u16; 8]>()) {
        let ip = IpAddr::V6(Ipv6Addr::from(groups));
        let long: Vec<_> = groups.iter().map(|group| format!("{group:04X}")).collect();
        let short: Vec<_> = groups.iter().map(|group| format!("{group:x}")).collect();
        prop_assert_eq!(parse_ip(long.join(":").as_bytes()), Some(canonical(ip)));
        prop_assert_eq!(parse_ip(short.join(":").as_bytes()), Some(canonical(ip)));
    }

    #[test]
    fn reader_agrees_with_the_standard_library(text in "[0-9a-f.:\\[\\]]{0,20}|[0-9]{1,3}(\\.[0-9]{1,3}){2,4}") {
        let inner = text.strip_prefix('[').and_then(|t| t.strip_suffix(']'));
        let expected = match inner {
            Some(inner) => inner.parse().ok().map(IpAddr::V6),
            None => text.parse().ok(),
        };
        prop_assert_eq!(parse_ip(text.as_bytes()), expected.map(canonical));
    }

    #[test]
    fn host_and_port_read_back(ip in ip(), port in any::<u16>()) {
        let mut text = Vec::new();
        push_uri_host(ip, &mut text);
        prop_assert_eq!(parse_host_port(&text), Some((Host::Ip(canonical(ip)), None)));
        text.push(b':');
        bytes::push_number(u32::from(port), &mut text);
        prop_assert_eq!(parse_host_port(&text), Some((Host::Ip(canonical(ip)), Some(port))));
    }

    #[test]
    fn any_bytes_are_a_host_or_none(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        if let Some((Host::Name(name), _)) = parse_host_port(&bytes) {
            prop_assert!(bytes::offset_in(&bytes, name).is_some());
            prop_assert!(!name.is_empty() && !name.contains(&b' '));
        }
    }

    #[test]
    fn network_holds_what_shares_its_prefix(ip in ip(), other in ip(), bits in 0..=128u32) {
        let ip = canonical(ip);
        let bits = if ip.is_ipv4() { bits % 33 } else { bits };
        let network = Networks::parse(&format!("{ip}/{bits}")).unwrap();
        prop_assert!(network.contains(ip));
        let shared = match (ip, canonical(other)) {
            (IpAddr::V4(a), IpAddr::V4(b)) => (u32::from(a) ^ u32::from(b)).leading_zeros() >= bits,
            (IpAddr::V6(a), IpAddr::V6(b)) => (u128::from(a) ^ u128::from(b)).leading_zeros() >= bits,
            _ => false,
        };
        prop_assert_eq!(network.contains(other), shared);
    }

    /// RFC 4291 2.2: zeros left out or kept, `::` for any run of them, either
    /// case, the last 32 bits as IPv4.
    #[test]
    fn every_spelling_of_rfc_4291_is_the_same_address(
        groups in prop::collection::vec(prop_oneof![2 => Just(0u16), 1 => any::<u16>()], 8),
        widths in prop::collection::vec((1..5usize, any::<bool>()), 8),
        squeeze in prop::option::of((0..8usize, 1..9usize)),
        tail in any::<bool>(),
    ) {
        let groups: [u16; 8] = groups.try_into().unwrap();
        let ip = IpAddr::V6(Ipv6Addr::from(groups));
        let mut parts: Vec<String> = groups.iter().zip(&widths).map(|(group, (width, upper))| {
            let width = *width;
            if *upper { format!("{group:0width$X}") } else { format!("{group:0width$x}") }
        }).collect();
        if tail {
            let [a, b] = groups[6].to_be_bytes();
            let [c, d] = groups[7].to_be_bytes();
            parts.truncate(6);
            parts.push(format!("{a}.{b}.{c}.{d}"));
        }
        let zeros = |from: usize, count: usize| {
            from + count <= if tail { 6 } else { 8 } && groups[from..from + count].iter().all(|g| *g == 0)
        };
        let text = match squeeze.filter(|(from, count)| zeros(*from, *count)) {
            Some((from, count)) => {
                format!("{}::{}", parts[..from].join(":"), parts[from + count..].join(":"))
            }
            None => parts.join(":"),
        };
        let bracketed = format!("[{text}]");
        for spelling in [&text, &bracketed] {
            prop_assert_eq!(parse_ip(spelling.as_bytes()), Some(canonical(ip)), "{}", spelling);
        }
        let mapped = canonical(ip).is_ipv4();
        prop_assert_eq!(mapped, groups[..6] == [0, 0, 0, 0, 0, 0xffff]);
        let with_port = format!("{bracketed}:5061");
        let expected = Some((Host::Ip(canonical(ip)), Some(5061)));
        prop_assert_eq!(parse_host_port(with_port.as_bytes()), expected);
    }

    /// One byte changed, added or lost: another address or none, as the
    /// standard library has it; never one with rests around it.
    #[test]
    fn damaged_address_is_another_one_or_none(
        ip in ip(),
        brackets in any::<bool>(),
        at in any::<prop::sample::Index>(),
        byte in prop_oneof![any::<u8>(), prop::sample::select(&b"0123456789abcdef:.[]% /"[..])],
        how in 0..3u8,
    ) {
        let mut text = if brackets { format!("[{ip}]") } else { ip.to_string() }.into_bytes();
        let at = at.index(text.len());
        match how {
            0 => text[at] = byte,
            1 => text.insert(at, byte),
            _ => drop(text.remove(at)),
        }
        let read = std::str::from_utf8(&text).ok().and_then(|text| {
            match text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
                Some(inner) => inner.parse().ok().map(IpAddr::V6),
                None => text.parse().ok(),
            }
        });
        prop_assert_eq!(parse_ip(&text), read.map(canonical), "{}", text.escape_ascii());
        match (parse_host(&text), read) {
            (Host::Ip(host), read) => prop_assert_eq!(Some(host), read.map(canonical)),
            (Host::Name(name), read) => prop_assert_eq!((name, read), (&text[..], None)),
        }
    }

    /// A port is one to many digits up to 65535 and nothing else; white space
    /// may stand around the colon, as in a Via.
    #[test]
    fn port_is_a_number_up_to_65535(
        ip in ip(),
        port in "[0-9]{0,7}|[0-9]{1,4}[ a-z+-][0-9]?|-[0-9]",
        before in "[ \t]{0,2}",
        after in "[ \t]{0,2}",
    ) {
        let mut text = Vec::new();
        push_uri_host(ip, &mut text);
        text.extend_from_slice(format!("{before}:{after}{port}").as_bytes());
        let port = port.trim();
        let digits = port.bytes().all(|byte| byte.is_ascii_digit());
        let expected = match port.parse::<u16>() {
            Ok(port) if digits => Some(Some(port)),
            _ if port.is_empty() => Some(None),
            _ => None,
        };
        let expected = expected.map(|port| (Host::Ip(canonical(ip)), port));
        prop_assert_eq!(parse_host_port(&text), expected, "{}", text.escape_ascii());
    }
}
