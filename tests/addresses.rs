//! Addresses: any of them reads back as itself, whatever its text looks like.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use mediaproxy::address::{
    Host, canonical, parse_host, parse_host_port, parse_ip, push_ip, push_uri_host,
};
use mediaproxy::nat::Networks;
use mediaproxy::text;
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
    fn the_reader_agrees_with_the_standard_library(text in "[0-9a-f.:\\[\\]]{0,20}|[0-9]{1,3}(\\.[0-9]{1,3}){2,4}") {
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
        text::push_number(u32::from(port), &mut text);
        prop_assert_eq!(parse_host_port(&text), Some((Host::Ip(canonical(ip)), Some(port))));
    }

    #[test]
    fn any_bytes_are_a_host_or_none(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        if let Some((Host::Name(name), _)) = parse_host_port(&bytes) {
            prop_assert!(text::offset_in(&bytes, name).is_some());
            prop_assert!(!name.is_empty() && !name.contains(&b' '));
        }
    }

    #[test]
    fn a_network_holds_what_shares_its_prefix(ip in ip(), other in ip(), bits in 0..=128u32) {
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
}
