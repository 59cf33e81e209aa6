//! Writes frames and captures: only what the captures of `captures.rs` need.
//! Checksums stay zero, as on a card that fills them in.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

pub(crate) fn ethernet(kind: u16, payload: &[u8]) -> Vec<u8> {
    let addresses = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
    [&addresses[..], &kind.to_be_bytes(), payload].concat()
}

/// An 802.1Q or 802.1ad tag, and the type of what it is around.
pub(crate) fn tag(id: u16, kind: u16, payload: &[u8]) -> Vec<u8> {
    [&id.to_be_bytes(), &kind.to_be_bytes(), payload].concat()
}

/// Linux cooked capture.
pub(crate) fn cooked(kind: u16, payload: &[u8]) -> Vec<u8> {
    let head = [0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0];
    [&head[..], &kind.to_be_bytes(), payload].concat()
}

/// Linux cooked capture, version 2.
pub(crate) fn cooked2(kind: u16, payload: &[u8]) -> Vec<u8> {
    let rest = [0, 0, 0, 0, 0, 2, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0];
    [&kind.to_be_bytes(), &rest[..], payload].concat()
}

pub(crate) fn ip(source: IpAddr, destination: IpAddr, protocol: u8, payload: &[u8]) -> Vec<u8> {
    match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            ipv4(source, destination, protocol, payload)
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            ipv6(source, destination, protocol, payload)
        }
        _ => panic!("two families in one packet"),
    }
}

pub(crate) fn ipv4(
    source: Ipv4Addr,
    destination: Ipv4Addr,
    protocol: u8,
    payload: &[u8],
) -> Vec<u8> {
    fragment4(source, destination, protocol, 0, 0, payload)
}

/// `field` is that of flags and offset.
fn fragment4(
    source: Ipv4Addr,
    destination: Ipv4Addr,
    protocol: u8,
    id: u16,
    field: u16,
    payload: &[u8],
) -> Vec<u8> {
    let length = u16::try_from(20 + payload.len()).unwrap();
    let mut packet = vec![0x45, 0];
    packet.extend(length.to_be_bytes());
    packet.extend(id.to_be_bytes());
    packet.extend(field.to_be_bytes());
    packet.extend([64, protocol, 0, 0]);
    packet.extend(source.octets());
    packet.extend(destination.octets());
    packet.extend(payload);
    packet
}

/// An IPv4 packet in fragments of `size` bytes, a multiple of eight.
pub(crate) fn fragments4(
    source: Ipv4Addr,
    destination: Ipv4Addr,
    id: u16,
    payload: &[u8],
    size: usize,
) -> Vec<Vec<u8>> {
    let count = payload.len().div_ceil(size);
    let pieces = payload.chunks(size).enumerate();
    let packets = pieces.map(|(at, piece)| {
        let more = if at + 1 < count { 0x2000 } else { 0 };
        let field = u16::try_from(at * size / 8).unwrap() | more;
        fragment4(source, destination, 17, id, field, piece)
    });
    packets.collect()
}

pub(crate) fn ipv6(source: Ipv6Addr, destination: Ipv6Addr, next: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
    packet.extend([next, 64]);
    packet.extend(source.octets());
    packet.extend(destination.octets());
    packet.extend(payload);
    packet
}

/// An IPv6 destination options header with padding in it.
pub(crate) fn options6(next: u8, payload: &[u8]) -> Vec<u8> {
    [&[next, 0, 1, 4, 0, 0, 0, 0], payload].concat()
}

/// An IPv6 fragment header (RFC 8200 4.5); `offset` in bytes.
pub(crate) fn fragment6(next: u8, id: u32, offset: u16, more: bool, payload: &[u8]) -> Vec<u8> {
    let field = (offset | u16::from(more)).to_be_bytes();
    [&[next, 0], &field[..], &id.to_be_bytes(), payload].concat()
}

/// GRE with the flags' first byte and the payload's type.
pub(crate) fn gre(kind: u16, payload: &[u8]) -> Vec<u8> {
    [&[0, 0], &kind.to_be_bytes()[..], payload].concat()
}

/// A UDP datagram without its IP header.
pub(crate) fn udp_only(source: u16, destination: u16, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(8 + payload.len()).unwrap();
    let mut packet = Vec::new();
    for number in [source, destination, length, 0] {
        packet.extend(number.to_be_bytes());
    }
    packet.extend(payload);
    packet
}

/// A UDP datagram in its IP packet.
pub(crate) fn udp(source: SocketAddr, destination: SocketAddr, payload: &[u8]) -> Vec<u8> {
    let datagram = udp_only(source.port(), destination.port(), payload);
    ip(source.ip(), destination.ip(), 17, &datagram)
}

pub(crate) const SYN: u8 = 2;
pub(crate) const ACK: u8 = 16;

/// A TCP segment in its IP packet.
pub(crate) fn tcp(
    source: SocketAddr,
    destination: SocketAddr,
    sequence: u32,
    flags: u8,
    payload: &[u8],
) -> Vec<u8> {
    let mut packet = Vec::new();
    packet.extend(source.port().to_be_bytes());
    packet.extend(destination.port().to_be_bytes());
    packet.extend(sequence.to_be_bytes());
    packet.extend([0, 0, 0, 0, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    packet.extend(payload);
    ip(source.ip(), destination.ip(), 6, &packet)
}

/// How a classic capture is written.
#[derive(Clone, Copy)]
pub(crate) enum Order {
    Little,
    Big,
}

fn number(order: Order, value: u32) -> [u8; 4] {
    match order {
        Order::Little => value.to_le_bytes(),
        Order::Big => value.to_be_bytes(),
    }
}

/// A classic capture; frames are 20 ms apart, cut at `snap` bytes.
pub(crate) fn pcap(
    order: Order,
    magic: u32,
    link: u32,
    snap: usize,
    frames: &[Vec<u8>],
) -> Vec<u8> {
    let mut file = Vec::new();
    file.extend(number(order, magic));
    match order {
        Order::Little => file.extend([2, 0, 4, 0]),
        Order::Big => file.extend([0, 2, 0, 4]),
    }
    for value in [0, 0, u32::try_from(snap).unwrap(), link] {
        file.extend(number(order, value));
    }
    for (at, frame) in (0u32..).zip(frames) {
        let kept = &frame[..frame.len().min(snap)];
        let seconds = 1_700_000_000 + at / 50;
        let lengths = [kept.len(), frame.len()].map(|length| u32::try_from(length).unwrap());
        for value in [seconds, at % 50 * 20_000, lengths[0], lengths[1]] {
            file.extend(number(order, value));
        }
        file.extend(kept);
    }
    file
}

/// A pcapng block.
pub(crate) fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let padding = vec![0; body.len().next_multiple_of(4) - body.len()];
    let length = u32::try_from(12 + body.len() + padding.len()).unwrap().to_le_bytes();
    [&kind.to_le_bytes(), &length[..], body, &padding, &length].concat()
}

pub(crate) fn section() -> Vec<u8> {
    let mut body = 0x1a2b_3c4du32.to_le_bytes().to_vec();
    body.extend([1, 0, 0, 0]);
    body.extend([0xff; 8]);
    block(0x0a0d_0d0a, &body)
}

pub(crate) fn interface(link: u16) -> Vec<u8> {
    block(1, &[&link.to_le_bytes(), &[0; 2][..], &[0; 4]].concat())
}

/// An enhanced packet block.
pub(crate) fn packet(interface: u32, frame: &[u8]) -> Vec<u8> {
    let length = u32::try_from(frame.len()).unwrap();
    let mut body = Vec::new();
    for value in [interface, 0x0006_0a24, 0x0bd6_0000, length, length] {
        body.extend(value.to_le_bytes());
    }
    body.extend(frame);
    block(6, &body)
}

/// A simple packet block: of the first interface.
pub(crate) fn simple_packet(frame: &[u8]) -> Vec<u8> {
    let length = u32::try_from(frame.len()).unwrap().to_le_bytes();
    block(3, &[&length, frame].concat())
}
