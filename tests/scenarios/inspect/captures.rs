//! The captures under `tests/fixtures/inspect`, written here.

use std::net::{Ipv4Addr, SocketAddr};

use super::messages::{broken, invite, ok, register, request};
use super::wire::*;

const MICROSECONDS: u32 = 0xa1b2_c3d4;
const NANOSECONDS: u32 = 0xa1b2_3c4d;
const ETHERNET: u32 = 1;
const COOKED: u32 = 113;
const RAW: u32 = 101;
const IP4: u16 = 0x0800;
const IP6: u16 = 0x86dd;
const SNAP: usize = 65535;

const SERVER_IP: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
const ROUTER_IP: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 7);

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn server() -> SocketAddr {
    SocketAddr::from((SERVER_IP, 5060))
}

/// The router that Alice's phone is behind.
fn router() -> SocketAddr {
    SocketAddr::from((ROUTER_IP, 61234))
}

fn carol() -> SocketAddr {
    address("198.51.100.20:5060")
}

/// All captures: file name and bytes.
pub(crate) fn all() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("ethernet-udp.pcap", ethernet_udp()),
        ("cooked-fragments.pcap", cooked_fragments()),
        ("tcp.pcap", tcp_streams()),
        ("ipv6-vlan.pcapng", ipv6_vlan()),
        ("tunnels.pcap", tunnels()),
        ("odd-first-lines.pcap", odd_first_lines()),
        ("damaged.pcap", damaged()),
    ]
}

/// A call, a registration, and what else comes to a SIP port.
fn ethernet_udp() -> Vec<u8> {
    let packets = [
        udp(router(), server(), &invite("192.168.1.10", "UDP")),
        udp(server(), router(), &ok()),
        udp(carol(), server(), &register("198.51.100.20", "UDP")),
        udp(router(), server(), &[0; 4]),
        udp(carol(), server(), b"\r\n\r\n"),
        udp(router(), server(), &broken()),
    ];
    let mut frames: Vec<Vec<u8>> = packets.iter().map(|packet| ethernet(IP4, packet)).collect();
    frames.push(ethernet(0x0806, &[0; 28]));
    pcap(Order::Little, MICROSECONDS, ETHERNET, SNAP, &frames)
}

/// Fragments in the wrong order, one twice; then a datagram without its end.
fn cooked_fragments() -> Vec<u8> {
    let datagram = udp_only(61234, 5060, &invite("192.168.1.10", "UDP"));
    let pieces = fragments4(ROUTER_IP, SERVER_IP, 77, &datagram, 320);
    let lost = fragments4(ROUTER_IP, SERVER_IP, 78, &datagram, 320);
    let order = [&pieces[2], &pieces[0], &pieces[0], &pieces[1], &lost[0], &lost[1]];
    let frames: Vec<Vec<u8>> = order.iter().map(|packet| cooked(IP4, packet)).collect();
    pcap(Order::Big, NANOSECONDS, COOKED, SNAP, &frames)
}

/// One connection with a message split over segments and two in one segment,
/// one that was up before the capture, one that ends inside a message.
fn tcp_streams() -> Vec<u8> {
    let invite = invite("192.168.1.10", "TCP");
    let ack = request("ACK", "192.168.1.10");
    let bye = request("BYE", "192.168.1.10");
    let stream = [&invite[..], &ack, &bye].concat();
    let (first, rest) = stream.split_at(500);
    let (second, third) = rest.split_at(rest.len() - 100);
    let start = 0xffff_ff00u32;
    let at = |sent: usize| start.wrapping_add(1 + u32::try_from(sent).unwrap());
    let old = address("198.51.100.20:40000");
    let cut = address("198.51.100.21:40001");
    let packets = [
        tcp(router(), server(), start, SYN, b""),
        tcp(server(), router(), 900, SYN | ACK, b""),
        tcp(router(), server(), at(0), ACK, first),
        tcp(router(), server(), at(0), ACK, first),
        tcp(router(), server(), at(500), ACK, second),
        tcp(router(), server(), at(500 + second.len()), ACK, third),
        tcp(router(), server(), at(stream.len()), ACK, b"\r\n\r\n"),
        tcp(server(), router(), 901, ACK, &ok()),
        tcp(old, server(), 5000, ACK, b"tag=old\r\nContent-Length: 0\r\n\r\n"),
        tcp(old, server(), 5030, ACK, &register("198.51.100.20", "TCP")),
        tcp(cut, server(), 1, SYN, b""),
        tcp(cut, server(), 2, ACK, &invite[..300]),
    ];
    let frames: Vec<Vec<u8>> = packets.iter().map(|packet| ethernet(IP4, packet)).collect();
    pcap(Order::Little, MICROSECONDS, ETHERNET, SNAP, &frames)
}

/// Two interfaces: Ethernet with stacked tags, Linux cooked version 2.
fn ipv6_vlan() -> Vec<u8> {
    let phone = address("[2001:db8::20]:5060");
    let router = address("[2001:db8:1::7]:61234");
    let server = address("[2001:db8::1]:5060");
    let (SocketAddr::V6(from), SocketAddr::V6(to)) = (router, server) else {
        panic!("not IPv6");
    };
    let (from, to) = (*from.ip(), *to.ip());
    let plain = udp(phone, server, &register("[2001:DB8::20]", "UDP"));
    let datagram = udp_only(61234, 5060, &register("[fd00::20]", "UDP"));
    let with_options = ipv6(from, to, 60, &options6(17, &datagram));
    let (head, tail) = datagram.split_at(160);
    let first = ipv6(from, to, 44, &fragment6(17, 9, 0, true, head));
    let second = ipv6(from, to, 44, &fragment6(17, 9, 160, false, tail));
    let tagged = |packet: &[u8]| ethernet(0x88a8, &tag(100, 0x8100, &tag(7, IP6, packet)));
    [
        section(),
        interface(1),
        interface(276),
        packet(0, &tagged(&plain)),
        packet(1, &cooked2(IP6, &with_options)),
        block(5, &[0; 12]),
        packet(0, &tagged(&second)),
        packet(0, &tagged(&first)),
        simple_packet(&ethernet(IP6, &plain)),
    ]
    .concat()
}

/// The same message through every tunnel.
fn tunnels() -> Vec<u8> {
    let (near, far) = (Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 2));
    let inner = udp(carol(), server(), &register("198.51.100.20", "UDP"));
    let phone6 = address("[2001:db8::20]:5060");
    let server6 = address("[2001:db8::1]:5060");
    let inner6 = udp(phone6, server6, &register("[2001:db8::20]", "UDP"));
    let ppp = [&[0xff, 0x03, 0x00, 0x21], &inner[..]].concat();
    // PPTP: a key, a sequence number, version 1.
    let pptp = [&[0x30, 0x01, 0x88, 0x0b, 0, 0, 0, 1, 0, 0, 0, 2], &ppp[..]].concat();
    let frames = [
        ipv4(near, far, 4, &inner),
        ipv4(near, far, 41, &inner6),
        ipv4(near, far, 47, &gre(IP4, &inner)),
        ipv4(near, far, 47, &gre(0x6558, &ethernet(IP4, &inner))),
        ipv4(near, far, 47, &pptp),
    ];
    pcap(Order::Little, MICROSECONDS, RAW, SNAP, &frames)
}

/// What is and what is no SIP; the differences to tshark are explained in
/// `tshark-differences.tsv`.
fn odd_first_lines() -> Vec<u8> {
    let headers = "Via: SIP/2.0/UDP 198.51.100.20\r\nContent-Length: 0\r\n\r\n";
    let lines = [
        "\r\nOPTIONS sip:b SIP/2.0\r\n",
        "FOO-BAR sip:b SIP/2.0\r\n",
        "OPTIONS sip:\0b SIP/2.0\r\n",
        "OPTIONS sip:b SIP/2.0\r",
        "OPTIONS b SIP/2.0\r\n",
        "OPTIONS sip:b SIP/3.0\r\n",
        "OPTIONS sip:b HTTP/1.1\r\n",
        "SIP/2.0 200\r\n",
        "SIP/2.0 200 \r\n",
        "SIP/2.0 20 OK\r\n",
        "hello\r\n",
    ];
    let frames: Vec<Vec<u8>> = lines
        .iter()
        .map(|line| udp(carol(), server(), format!("{line}{headers}").as_bytes()))
        .map(|packet| ethernet(IP4, &packet))
        .collect();
    pcap(Order::Little, MICROSECONDS, ETHERNET, SNAP, &frames)
}

/// A small snapshot length, and a file that ends too early.
fn damaged() -> Vec<u8> {
    let frame = ethernet(IP4, &udp(router(), server(), &invite("192.168.1.10", "UDP")));
    let mut file = pcap(Order::Little, MICROSECONDS, ETHERNET, 700, &[frame.clone(), frame]);
    file.truncate(file.len() - 100);
    file
}
