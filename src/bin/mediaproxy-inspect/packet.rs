//! From a frame to the UDP datagrams and TCP segments in it: link layers,
//! tunnels, IPv4 and IPv6. Checksums are not verified: captures on the sending
//! machine see them before the network card fills them in.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::bytes::{be16, be32, u8_at};
use crate::fragment::{Fragments, Piece};

/// The maximum depth of tunnels, tags and extension headers.
const MAX_DEPTH: usize = 16;

/// A UDP datagram or a TCP segment.
pub(crate) struct Segment<'d> {
    pub(crate) source: SocketAddr,
    pub(crate) destination: SocketAddr,
    pub(crate) kind: Kind,
    pub(crate) payload: &'d [u8],
    /// Bytes of the payload that were sent but not captured.
    pub(crate) missing: usize,
}

/// The kind of a segment.
pub(crate) enum Kind {
    Udp,
    Tcp { sequence: u32, syn: bool },
}

/// The receiver of segments.
pub(crate) type Sink<'s> = &'s mut dyn FnMut(Segment<'_>);

/// A piece of a frame on its way up: what was captured of it, and how many
/// bytes at its end were not.
#[derive(Clone, Copy)]
struct Data<'d> {
    bytes: &'d [u8],
    missing: usize,
}

impl<'d> Data<'d> {
    fn skip(self, count: usize) -> Option<Data<'d>> {
        Some(Data { bytes: self.bytes.get(count..)?, missing: self.missing })
    }

    /// The first `length` bytes, as a header's length field says: padding goes,
    /// what is not there is missing.
    fn take(self, length: usize) -> Data<'d> {
        match self.bytes.get(..length) {
            Some(bytes) => Data { bytes, missing: 0 },
            None => Data { bytes: self.bytes, missing: length - self.bytes.len() },
        }
    }
}

/// Dissects frames, and stores fragments.
#[derive(Default)]
pub(crate) struct Dissector {
    fragments: Fragments,
}

impl Dissector {
    /// Datagrams of which fragments were missing, those still waiting included.
    pub(crate) fn incomplete(&self) -> u64 {
        self.fragments.incomplete()
    }

    /// Gives the segments of a frame to `sink`. False when the link type is
    /// not known; what carries no UDP or TCP gives nothing.
    pub(crate) fn frame(&mut self, link: u16, frame: &[u8], sink: Sink<'_>) -> bool {
        let data = Data { bytes: frame, missing: 0 };
        // A frame too short for its own headers gives nothing.
        let _: Option<()> = match link {
            0 | 108 => self.loopback(data, sink),
            1 => self.ethernet(data, 0, sink),
            9 => self.ppp(data, 0, sink),
            12 | 14 | 101 | 228 | 229 => self.ip(data, 0, sink),
            113 => be16(frame, 14).and_then(|kind| self.ethertype(kind, data.skip(16)?, 0, sink)),
            276 => be16(frame, 0).and_then(|kind| self.ethertype(kind, data.skip(20)?, 0, sink)),
            _ => return false,
        };
        true
    }

    /// BSD loopback: a protocol family of four bytes in either byte order.
    fn loopback(&mut self, data: Data<'_>, sink: Sink<'_>) -> Option<()> {
        let family = be32(data.bytes, 0)?;
        let family = if family > 0xffff { family.swap_bytes() } else { family };
        matches!(family, 2 | 10 | 24 | 28 | 30).then_some(())?;
        self.ip(data.skip(4)?, 0, sink)
    }

    fn ethernet(&mut self, data: Data<'_>, depth: usize, sink: Sink<'_>) -> Option<()> {
        let kind = be16(data.bytes, 12)?;
        self.ethertype(kind, data.skip(14)?, depth, sink)
    }

    fn ethertype(&mut self, kind: u16, data: Data<'_>, depth: usize, sink: Sink<'_>) -> Option<()> {
        let depth = deeper(depth)?;
        match kind {
            0x0800 | 0x86dd => self.ip(data, depth, sink),
            // 802.1Q, 802.1ad and an old number for stacked tags.
            0x8100 | 0x88a8 | 0x9100 => {
                let kind = be16(data.bytes, 2)?;
                self.ethertype(kind, data.skip(4)?, depth, sink)
            }
            // MPLS: labels up to the one that says it is the last.
            0x8847 | 0x8848 => {
                let last = u8_at(data.bytes, 2)? & 1 == 1;
                let rest = data.skip(4)?;
                if last {
                    self.ip(rest, depth, sink)
                } else {
                    self.ethertype(kind, rest, depth, sink)
                }
            }
            // PPPoE session.
            0x8864 => self.ppp(data.skip(6)?, depth, sink),
            _ => None,
        }
    }

    /// PPP, with or without address and control, its protocol field compressed
    /// or not (RFC 1661 6.5, RFC 1662).
    fn ppp(&mut self, data: Data<'_>, depth: usize, sink: Sink<'_>) -> Option<()> {
        let data = if data.bytes.starts_with(&[0xff, 0x03]) { data.skip(2)? } else { data };
        let first = u8_at(data.bytes, 0)?;
        let (protocol, data) = if first & 1 == 1 {
            (u16::from(first), data.skip(1)?)
        } else {
            (be16(data.bytes, 0)?, data.skip(2)?)
        };
        matches!(protocol, 0x0021 | 0x0057).then_some(())?;
        self.ip(data, depth, sink)
    }

    fn ip(&mut self, data: Data<'_>, depth: usize, sink: Sink<'_>) -> Option<()> {
        let depth = deeper(depth)?;
        match u8_at(data.bytes, 0)? >> 4 {
            4 => self.ipv4(data, depth, sink),
            6 => self.ipv6(data, depth, sink),
            _ => None,
        }
    }

    fn ipv4(&mut self, data: Data<'_>, depth: usize, sink: Sink<'_>) -> Option<()> {
        let header = data.bytes;
        let header_length = usize::from(u8_at(header, 0)? & 0xf) * 4;
        let total = usize::from(be16(header, 2)?);
        // 0: the network card cuts the segment up later (offloading).
        let data = if total == 0 { data } else { data.take(total) };
        let body = if header_length < 20 { return None } else { data.skip(header_length)? };
        let flow = Flow {
            source: IpAddr::V4(Ipv4Addr::from(be32(header, 12)?)),
            destination: IpAddr::V4(Ipv4Addr::from(be32(header, 16)?)),
        };
        let protocol = u8_at(header, 9)?;
        let fragment = be16(header, 6)?;
        if fragment & 0x3fff == 0 {
            return self.transport(flow, protocol, body, depth, sink);
        }
        let piece = Piece {
            source: flow.source,
            destination: flow.destination,
            protocol,
            id: u32::from(be16(header, 4)?),
            offset: usize::from(fragment & 0x1fff) * 8,
            more: fragment & 0x2000 != 0,
        };
        self.fragment(flow, piece, body, depth, sink)
    }

    fn ipv6(&mut self, data: Data<'_>, depth: usize, sink: Sink<'_>) -> Option<()> {
        let header = data.bytes;
        let length = usize::from(be16(header, 4)?);
        let address = |at: usize| {
            let bytes: [u8; 16] = *header.get(at..)?.first_chunk()?;
            Some(IpAddr::V6(Ipv6Addr::from(bytes)))
        };
        let flow = Flow { source: address(8)?, destination: address(24)? };
        let body = data.skip(40)?;
        let body = if length == 0 { body } else { body.take(length) };
        self.transport(flow, u8_at(header, 6)?, body, depth, sink)
    }

    fn fragment(
        &mut self,
        flow: Flow,
        piece: Piece,
        body: Data<'_>,
        depth: usize,
        sink: Sink<'_>,
    ) -> Option<()> {
        if body.missing > 0 {
            return None;
        }
        let protocol = piece.protocol;
        let whole = self.fragments.add(piece, body.bytes)?;
        let body = Data { bytes: &whole, missing: 0 };
        self.transport(flow, protocol, body, depth, sink)
    }

    /// The content of an IP packet, IPv6 extension headers included.
    fn transport(
        &mut self,
        flow: Flow,
        protocol: u8,
        data: Data<'_>,
        depth: usize,
        sink: Sink<'_>,
    ) -> Option<()> {
        let depth = deeper(depth)?;
        let bytes = data.bytes;
        match protocol {
            17 => udp(flow, data, sink),
            6 => tcp(flow, data, sink),
            4 | 41 => self.ip(data, depth, sink),
            47 => self.gre(data, depth, sink),
            // Hop-by-hop, routing, destination options, mobility (RFC 8200 4).
            0 | 43 | 60 | 135 => {
                let rest = data.skip(usize::from(u8_at(bytes, 1)?) * 8 + 8)?;
                self.transport(flow, u8_at(bytes, 0)?, rest, depth, sink)
            }
            // Authentication header (RFC 4302 2.2).
            51 => {
                let rest = data.skip(usize::from(u8_at(bytes, 1)?) * 4 + 8)?;
                self.transport(flow, u8_at(bytes, 0)?, rest, depth, sink)
            }
            44 => {
                let next = u8_at(bytes, 0)?;
                let field = be16(bytes, 2)?;
                let body = data.skip(8)?;
                if field & 0xfff9 == 0 {
                    return self.transport(flow, next, body, depth, sink);
                }
                let piece = Piece {
                    source: flow.source,
                    destination: flow.destination,
                    protocol: next,
                    id: be32(bytes, 4)?,
                    offset: usize::from(field & 0xfff8),
                    more: field & 1 == 1,
                };
                self.fragment(flow, piece, body, depth, sink)
            }
            _ => None,
        }
    }

    /// GRE (RFC 2784, RFC 2890) and PPTP's version of it (RFC 2637).
    fn gre(&mut self, data: Data<'_>, depth: usize, sink: Sink<'_>) -> Option<()> {
        let flags = be16(data.bytes, 0)?;
        let kind = be16(data.bytes, 2)?;
        let routing = flags & 0x4000 != 0;
        if routing || flags & 7 > 1 {
            return None;
        }
        let version_1_acknowledged = flags & 7 == 1 && flags & 0x0080 != 0;
        let sequenced = flags & 0x1000 != 0;
        let optional =
            [flags & 0x8000 != 0, flags & 0x2000 != 0, sequenced, version_1_acknowledged];
        let rest = data.skip(4 + 4 * optional.iter().filter(|there| **there).count())?;
        match kind {
            0x880b => self.ppp(rest, deeper(depth)?, sink),
            0x6558 => self.ethernet(rest, depth, sink),
            // A mirrored switch port (ERSPAN): type II is sequenced and has a
            // header of its own, type I has none.
            0x88be => self.ethernet(rest.skip(if sequenced { 8 } else { 0 })?, depth, sink),
            _ => self.ethertype(kind, rest, depth, sink),
        }
    }
}

#[derive(Clone, Copy)]
struct Flow {
    source: IpAddr,
    destination: IpAddr,
}

fn deeper(depth: usize) -> Option<usize> {
    (depth < MAX_DEPTH).then_some(depth + 1)
}

fn udp(flow: Flow, data: Data<'_>, sink: Sink<'_>) -> Option<()> {
    let header = data.bytes;
    let length = usize::from(be16(header, 4)?);
    let data = match length {
        0 => data,
        1..8 => return None,
        _ => data.take(length),
    };
    let body = data.skip(8)?;
    sink(Segment {
        source: SocketAddr::new(flow.source, be16(header, 0)?),
        destination: SocketAddr::new(flow.destination, be16(header, 2)?),
        kind: Kind::Udp,
        payload: body.bytes,
        missing: body.missing,
    });
    Some(())
}

fn tcp(flow: Flow, data: Data<'_>, sink: Sink<'_>) -> Option<()> {
    let header = data.bytes;
    let header_length = usize::from(u8_at(header, 12)? >> 4) * 4;
    if header_length < 20 {
        return None;
    }
    let body = data.skip(header_length)?;
    sink(Segment {
        source: SocketAddr::new(flow.source, be16(header, 0)?),
        destination: SocketAddr::new(flow.destination, be16(header, 2)?),
        kind: Kind::Tcp { sequence: be32(header, 4)?, syn: u8_at(header, 13)? & 2 != 0 },
        payload: body.bytes,
        missing: body.missing,
    });
    Some(())
}
