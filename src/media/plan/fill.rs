//! From a plan and a relay's answer to edits.

use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

use crate::address::{canonical, push_ip};
use crate::bytes::push_number;
use crate::edit::{Edits, Verb};
use crate::error::{Error, Result, Status};
use crate::relay::Answer;
use crate::relay::IceCandidate;
use crate::sdp::session::MAX_STREAMS;

use super::{Fate, Named, Place, Plan, What, When};

/// The relay's port for each m= line; `None` for one that is not relayed.
type Ports = [Option<u16>; MAX_STREAMS];

/// The relay's address and port for each m= line that is relayed.
#[derive(Debug)]
pub struct Assigned {
    /// The address of all lines that are not in `others`.
    address: IpAddr,
    ports: Ports,
    others: Vec<(usize, IpAddr)>,
}

impl Assigned {
    /// The relayed lines, counted from 0, each with the address and port that the
    /// SDP has for it after the edits.
    pub fn lines(&self) -> impl Iterator<Item = (usize, SocketAddr)> {
        let address = |line| SocketAddr::new(self.address_of(line), 0);
        self.ports.iter().enumerate().filter_map(move |(line, port)| {
            let mut address = address(line);
            address.set_port((*port)?);
            Some((line, address))
        })
    }

    /// True for a line whose address is not `shared`.
    fn is_apart(&self, line: u8, shared: IpAddr) -> bool {
        !self.others.is_empty() && self.address_of(line.into()) != shared
    }

    fn address_of(&self, line: usize) -> IpAddr {
        let other = self.others.iter().find(|(other, _)| *other == line);
        other.map_or(self.address, |(_, address)| *address)
    }
}

/// The relay's answer, assigned to the m= lines of a plan.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "one value on the stack; a box would allocate")]
pub enum Accepted {
    /// The relay's address and port for each relayed line.
    Ports(Assigned),
    /// A whole SDP.
    Body(Vec<u8>),
}

impl Plan {
    /// Decides what the relay's answer means, before anything is changed. Fewer
    /// ports than streams, or port 0 for a stream that is on: an error for an
    /// offer, whose message may then go to another relay; for an answer those
    /// streams keep what they have and `warn` is called. Ports beyond the
    /// streams are ignored with a warning. 65535 is no RTP port, for RTCP is one
    /// above. `Status::RelayAnswer` for what cannot be used.
    pub fn accept(&self, answer: &Answer, warn: &mut dyn FnMut(&str)) -> Result<Accepted> {
        match answer {
            Answer::Ports { address, ports, others } => {
                let (address, mut lines) = (media_address(*address)?, Vec::new());
                for (line, other) in others {
                    lines.push((*line, media_address(*other)?));
                }
                let mut assigned =
                    Assigned { address, ports: self.decide(ports, warn)?, others: lines };
                self.share_addresses(&mut assigned);
                Ok(Accepted::Ports(assigned))
            }
            Answer::Body(body) if body.starts_with(b"v=") => Ok(Accepted::Body(body.clone())),
            Answer::Body(_) => Err(unusable("a body that is no SDP")),
            Answer::Deleted => Err(unusable("\"removed\" to a request for ports")),
            Answer::Alive => Err(unusable("no ports to a request for ports")),
        }
    }

    /// The addresses that a call has stored for the m= lines, instead of a relay's
    /// answer. `None` when it has none for a line that is to be relayed.
    pub fn accept_stored(&self, stored: impl Fn(usize) -> Option<SocketAddr>) -> Option<Accepted> {
        let (mut address, mut ports, mut others) = (None, [None; MAX_STREAMS], Vec::new());
        let relayed = |(_, place): &(usize, &Place)| place.fate == Fate::Relay;
        for ((line, _), port) in
            self.places.iter().enumerate().zip(&mut ports).filter(|(at, _)| relayed(at))
        {
            let stored = stored(line)?;
            *port = Some(stored.port());
            if *address.get_or_insert(stored.ip()) != stored.ip() {
                others.push((line, stored.ip()));
            }
        }
        Some(Accepted::Ports(Assigned { address: address?, ports, others }))
    }

    /// Writes the edits of the verb `RewriteSdp`, all or none. The whole SDP,
    /// where the relay returned one, replaces the body by one edit.
    pub fn apply(&self, accepted: &Accepted, edits: &mut Edits) -> Result<()> {
        edits.remove_verb(Verb::RewriteSdp);
        let done = match accepted {
            Accepted::Ports(assigned) => self.push(assigned, edits),
            Accepted::Body(body) => {
                let whole = self.sdp;
                edits.push(Verb::RewriteSdp, whole.offset as usize, whole.len as usize, body)
            }
        };
        if let Err(error) = &done
            && error.status() == Status::Edits
        {
            // An edit of another verb is in the SDP: no edit of this verb stays.
            edits.remove_verb(Verb::RewriteSdp);
        }
        done
    }

    /// [`Plan::accept`], then [`Plan::apply`]. An empty plan makes no edits.
    pub fn fill(
        &self,
        answer: &Answer,
        edits: &mut Edits,
        warn: &mut dyn FnMut(&str),
    ) -> Result<()> {
        if self.is_empty() {
            edits.remove_verb(Verb::RewriteSdp);
            return Ok(());
        }
        self.apply(&self.accept(answer, warn)?, edits)
    }

    /// Assigns the ports to the streams, before any edit is made.
    fn decide(&self, given: &[u16], warn: &mut dyn FnMut(&str)) -> Result<Ports> {
        let wanted = self.streams.len();
        if given.len() < wanted && !self.answer {
            return Err(unusable(format!("{} ports for {wanted} streams", given.len())));
        }
        if given.len() != wanted {
            warn(&format!("the relay gave {} ports for {wanted} streams", given.len()));
        }
        let mut decided: Ports = [None; MAX_STREAMS];
        for (index, (place, stream)) in self.places.iter().zip(&self.streams).enumerate() {
            if place.fate != Fate::Relay {
                continue;
            }
            let port = match place.leader {
                Some(leader) => decided.get(usize::from(leader)).copied().flatten(),
                None => given.get(index).copied().filter(|port| (1..u16::MAX).contains(port)),
            };
            if port.is_none() {
                let named = Named(index, &stream.kind);
                if !self.answer {
                    return Err(unusable(format!("no usable port for {named}")));
                }
                warn(&format!("the relay gave no usable port for {named}: it is not relayed"));
            }
            if let Some(slot) = decided.get_mut(index) {
                *slot = port;
            }
        }
        Ok(decided)
    }

    /// A line that shares the port of an earlier one shares its address too.
    fn share_addresses(&self, assigned: &mut Assigned) {
        if assigned.others.is_empty() {
            return;
        }
        for (line, place) in self.places.iter().enumerate() {
            if let Some(leader) = place.leader {
                let address = assigned.address_of(leader.into());
                assigned.others.retain(|(other, _)| *other != line);
                assigned.others.push((line, address));
            }
        }
    }

    fn push(&self, assigned: &Assigned, edits: &mut Edits) -> Result<()> {
        let relayed = |line: u8| assigned.ports.get(usize::from(line)).copied().flatten();
        let relayed_places = self.places.iter().zip(&assigned.ports).enumerate();
        let relayed_places = relayed_places.filter(|(_, (_, port))| port.is_some());
        let (mut first, mut session) = (None, None);
        for (line, (place, _)) in relayed_places {
            first = first.or(Some(line));
            if place.uses_session_address {
                session = session.or(Some(line));
            }
        }
        let wants_ice = self.streams.iter().any(|stream| stream.ice);
        let ice = if wants_ice { self.ice } else { IceCandidate::None };
        // The address of the session level: of the first line that uses it.
        let shared = session.or(first).map_or(assigned.address, |line| assigned.address_of(line));
        let mut common = Relay::new(shared, ice);
        for piece in &self.pieces {
            let applies = match piece.when {
                When::Relayed(line) => relayed(line),
                When::Apart(line) => relayed(line).filter(|_| assigned.is_apart(line, shared)),
                When::Refused(line) => (session.is_some() && relayed(line).is_none()).then_some(0),
                When::SessionMoves => session.map(|_| 0),
                When::Any => first.map(|_| 0),
            };
            let Some(port) = applies else { continue };
            let mut own = None;
            if let When::Relayed(line) | When::Apart(line) = piece.when
                && assigned.is_apart(line, shared)
            {
                own = Some(Relay::new(assigned.address_of(line.into()), ice));
            }
            let relay = own.as_mut().unwrap_or(&mut common);
            let remove = match piece.what {
                What::Address { ipv6, suffix } if ipv6 != relay.ipv6 => {
                    piece.spot.len.saturating_add(suffix)
                }
                _ => piece.spot.len,
            };
            let (offset, remove) = (piece.spot.offset as usize, remove as usize);
            edits.push_with(Verb::RewriteSdp, offset, remove, |text| {
                self.write(piece.what, relay, port, text);
            })?;
        }
        Ok(())
    }

    /// Appends the text of a piece.
    fn write(&self, what: What, relay: &mut Relay, port: u16, text: &mut Vec<u8>) {
        // `decide` refuses port 65535.
        let rtcp = port.saturating_add(1);
        match what {
            What::Address { .. } => relay.push_connection(text),
            What::Port | What::RtcpPort { same_as_rtp: true } => push_number(port.into(), text),
            What::RtcpPort { same_as_rtp: false } => push_number(rtcp.into(), text),
            What::Candidates { component_2 } => {
                let [first, second] = &relay.candidates;
                self.candidate(first, port, text);
                if component_2 {
                    self.candidate(second, rtcp, text);
                }
            }
            What::OldAddress { after_open_line } => {
                self.line(&self.old_line, after_open_line, text);
            }
            What::OwnAddress { after_open_line } => {
                let mut line = b"c=IN ".to_vec();
                relay.push_connection(&mut line);
                self.line(&line, after_open_line, text);
            }
            What::LoopMarker { after_open_line } => {
                self.line(b"a=nortpproxy:yes", after_open_line, text);
                if after_open_line {
                    text.extend_from_slice(self.line_end);
                }
            }
        }
    }

    /// Appends a whole line, after a line with or without a line end.
    fn line(&self, line: &[u8], after_open_line: bool, text: &mut Vec<u8>) {
        if after_open_line {
            text.extend_from_slice(self.line_end);
        }
        text.extend_from_slice(line);
        if !after_open_line {
            text.extend_from_slice(self.line_end);
        }
    }

    fn candidate(&self, start: &[u8], port: u16, text: &mut Vec<u8>) {
        text.extend_from_slice(start);
        push_number(port.into(), text);
        text.extend_from_slice(b" typ relay");
        text.extend_from_slice(self.line_end);
    }
}

/// The relay's address.
struct Relay {
    address: IpAddr,
    ipv6: bool,
    /// The range of the edits' text where it was written first.
    spelled: Option<Range<usize>>,
    /// Its candidates for RTP and RTCP, up to the port; empty without ICE.
    candidates: [Vec<u8>; 2],
}

impl Relay {
    fn new(address: IpAddr, ice: IceCandidate) -> Self {
        let candidates = match ice {
            IceCandidate::None => [Vec::new(), Vec::new()],
            IceCandidate::LowPriority => [1, 2].map(|component| candidate(0, component, address)),
            IceCandidate::HighPriority => {
                [1, 2].map(|component| candidate(130, component, address))
            }
        };
        Relay { address, ipv6: address.is_ipv6(), spelled: None, candidates }
    }

    /// Appends address type and address; later ones are copied from the first.
    fn push_connection(&mut self, text: &mut Vec<u8>) {
        if let Some(spelled) = &self.spelled {
            text.extend_from_within(spelled.clone());
            return;
        }
        let start = text.len();
        text.extend_from_slice(if self.ipv6 { b"IP6 " } else { b"IP4 " });
        push_ip(self.address, text);
        self.spelled = Some(start..text.len());
    }
}

/// A relay candidate (RFC 8839 5.1) up to its port, in the form of MediaProxy: the
/// foundation is `R` and the address as a little-endian number in hex.
fn candidate(type_preference: u32, component: u32, address: IpAddr) -> Vec<u8> {
    let priority = (type_preference << 24) + 0x0100_0000 - component;
    let mut text = Vec::with_capacity(96);
    // Writing to a Vec cannot fail.
    let _ = write!(text, "a=candidate:R{:x} ", foundation(address));
    push_number(component, &mut text);
    text.extend_from_slice(b" UDP ");
    push_number(priority, &mut text);
    text.push(b' ');
    push_ip(address, &mut text);
    text.push(b' ');
    text
}

/// A number that is equal for all candidates of one relay address. For IPv6, the
/// four words of the address are combined into one: a foundation may have 32
/// characters (RFC 8839 5.1), and `R` with the whole address would be 33.
fn foundation(address: IpAddr) -> u32 {
    match address {
        IpAddr::V4(address) => u32::from_le_bytes(address.octets()),
        IpAddr::V6(address) => {
            let bits = address.to_bits().swap_bytes();
            let [a, b, c, d] = [bits, bits >> 32, bits >> 64, bits >> 96].map(|word| word as u32);
            a ^ b ^ c ^ d
        }
    }
}

/// An address that phones can send to.
fn media_address(address: IpAddr) -> Result<IpAddr> {
    let address = canonical(address);
    if address.is_unspecified() || address.is_multicast() {
        return Err(unusable(format!("{address} as its media address")));
    }
    Ok(address)
}

fn unusable(what: impl std::fmt::Display) -> Error {
    Error::new(Status::RelayAnswer, format!("the relay answered {what}; the message is unchanged"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foundations_of_different_addresses_differ() {
        let of = |text: &str| foundation(text.parse().unwrap());
        assert_eq!(of("127.0.0.1"), 0x0100_007f);
        assert_eq!(of("::1"), 0x0100_0000);
        assert_eq!(of("2001:db8::"), 0xb80d_0120);
        assert_ne!(of("2001:db8::1"), of("2001:db8::2"));
    }
}
