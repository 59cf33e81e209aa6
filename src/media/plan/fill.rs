//! From a plan and a relay's answer to edits.

use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

use crate::address::{canonical, push_ip};
use crate::bytes::push_number;
use crate::edit::{Edits, Verb};
use crate::error::{Error, Result, Status};
use crate::relay::Answer;
use crate::sdp::session::MAX_STREAMS;

use super::{Fate, Named, Place, Plan, What, When};

/// The relay's port for each m= line; 0 for one that is not relayed.
type Ports = [u16; MAX_STREAMS];

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
        (0..MAX_STREAMS).filter_map(|line| Some((line, self.line(line)?)))
    }

    /// The relay's address and port for an m= line, counted from 0; `None` when the
    /// line is not relayed.
    pub fn line(&self, line: usize) -> Option<SocketAddr> {
        let port = self.ports.get(line).copied().filter(|port| *port != 0)?;
        Some(SocketAddr::new(self.address_of(line), port))
    }

    /// The port of a line; `None` when it is not relayed.
    fn port_of(&self, line: u8) -> Option<u16> {
        self.ports.get(usize::from(line)).copied().filter(|port| *port != 0)
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
                let ports = self.decide(ports, warn)?;
                let mut assigned = Assigned { address, ports, others: lines };
                self.share_addresses(&mut assigned);
                Ok(Accepted::Ports(assigned))
            }
            Answer::Body(body) if body.starts_with(b"v=") => Ok(Accepted::Body(body.clone())),
            Answer::Body(_) => Err(unusable("a body that is no SDP")),
            Answer::Deleted => Err(unusable("\"removed\" to a request for ports")),
            Answer::Alive => Err(unusable("no ports to a request for ports")),
        }
    }

    /// [`Plan::accept`] for an answer to an earlier offer than the last one of its
    /// dialog, of which the relay may have no more than a part, or from a relay that has
    /// fewer ports only when it lacks the offer. It is rewritten whole or not at all: with
    /// the relay's answer, or with the addresses that the call has stored.
    /// `Status::RelayAnswer` when both lack a line.
    pub fn accept_whole(
        &self,
        answer: &Answer,
        stored: impl Fn(usize) -> Option<SocketAddr>,
        warn: &mut dyn FnMut(&str),
    ) -> Result<Accepted> {
        let mut warnings = Vec::new();
        let accepted = self.accept(answer, &mut |text| warnings.push(text.to_owned()))?;
        let Some(line) = self.lacking(&accepted) else {
            warnings.iter().for_each(|text| warn(text));
            return Ok(accepted);
        };
        let whole = self.accept_stored(stored);
        whole.ok_or_else(|| {
            let kind = self.streams.get(line).map_or(&b""[..], |stream| &stream.kind);
            let named = Named(line, kind);
            let text = format!("{named} answers an offer whose ports are gone");
            Error::new(Status::RelayAnswer, text + "; the message is unchanged")
        })
    }

    /// The first line that is to be relayed and has no port.
    fn lacking(&self, accepted: &Accepted) -> Option<usize> {
        let Accepted::Ports(Assigned { ports, .. }) = accepted else { return None };
        let mut lines = self.places.iter().zip(ports);
        lines.position(|(place, port)| place.fate == Fate::Relay && *port == 0)
    }

    /// The addresses that a call has stored for the m= lines, instead of a relay's
    /// answer. `None` when it has none for a line that is to be relayed.
    pub fn accept_stored(&self, stored: impl Fn(usize) -> Option<SocketAddr>) -> Option<Accepted> {
        let (mut address, mut ports, mut others) = (None, [0; MAX_STREAMS], Vec::new());
        let relayed = |(_, place): &(usize, &Place)| place.fate == Fate::Relay;
        for ((line, _), port) in
            self.places.iter().enumerate().zip(&mut ports).filter(|(at, _)| relayed(at))
        {
            let stored = stored(line).filter(|stored| stored.port() != 0)?;
            *port = stored.port();
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
        let mut decided: Ports = [0; MAX_STREAMS];
        for (index, (place, stream)) in self.places.iter().zip(&self.streams).enumerate() {
            if place.fate != Fate::Relay {
                continue;
            }
            let port = match place.leader {
                Some(leader) => decided.get(usize::from(leader)),
                None => given.get(index).filter(|port| **port != u16::MAX),
            };
            let port = port.copied().unwrap_or_default();
            if port == 0 {
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
        if self.has_counts {
            self.warn_of_counts(&decided, warn);
        }
        Ok(decided)
    }

    /// A relay has one port pair for a line: a port count (RFC 8866 5.14) is refused,
    /// and the SDP goes on with one port.
    fn warn_of_counts(&self, ports: &Ports, warn: &mut dyn FnMut(&str)) {
        let refused = |(place, port): &(&Place, &u16)| place.has_count && **port != 0;
        let mut lines = self.places.iter().zip(ports).zip(&self.streams).enumerate();
        if let Some((line, (_, stream))) = lines.find(|(_, (pair, _))| refused(pair)) {
            let named = Named(line, &stream.kind);
            warn(&format!("{named} has a port count, which is refused: it has one port now"));
        }
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
        let (mut first, mut session) = (None, None);
        for (line, (place, port)) in self.places.iter().zip(&assigned.ports).enumerate() {
            if *port == 0 || (place.trickles && place.candidates.is_none()) {
                continue;
            }
            first = first.or(Some(line));
            if place.uses_session_address {
                session = session.or(Some(line));
            }
        }
        // The address of the session level: of the first line that uses it.
        let is_mixed = !assigned.others.is_empty();
        let shared = match session.or(first).filter(|_| is_mixed) {
            Some(line) => assigned.address_of(line),
            None => assigned.address,
        };
        let mut common = Relay::new(shared);
        if is_mixed && self.session_moves {
            self.push_own_addresses(assigned, shared, edits)?;
        }
        let mut last_line_gone = false;
        for piece in &self.pieces {
            let applies = match piece.when {
                When::Relayed(line) => assigned.port_of(line),
                When::Refused(line) => {
                    (session.is_some() && assigned.port_of(line).is_none()).then_some(0)
                }
                When::SessionMoves => session.map(|_| 0),
                When::Any => first.map(|_| 0),
            };
            let Some(port) = applies else { continue };
            let mut own;
            let relay = match piece.when {
                When::Relayed(line) if is_mixed => {
                    own = Relay::new(assigned.address_of(line.into()));
                    &mut own
                }
                _ => &mut common,
            };
            let remove = match piece.what {
                What::Address { ipv6, suffix } if ipv6 != relay.ipv6 => {
                    piece.spot.len.saturating_add(suffix)
                }
                _ => piece.spot.len,
            };
            let mut what = piece.what;
            match &mut what {
                What::Nothing => last_line_gone |= piece.spot.end() == self.sdp.end(),
                What::LoopMarker { after_open_line } => *after_open_line &= !last_line_gone,
                _ => {}
            }
            let (offset, remove) = (piece.spot.offset as usize, remove as usize);
            edits.push_with(Verb::RewriteSdp, offset, remove, |text| {
                self.write(what, relay, port, text);
            })?;
        }
        Ok(())
    }

    /// Adds a c= line to each line that uses the session-level address, which another
    /// line has now. They come before candidates at the same place.
    fn push_own_addresses(
        &self,
        assigned: &Assigned,
        shared: IpAddr,
        edits: &mut Edits,
    ) -> Result<()> {
        for (line, address) in assigned.lines() {
            let place = self.places.get(line).filter(|place| place.uses_session_address);
            let Some(place) = place.filter(|_| address.ip() != shared) else { continue };
            let at = place.head.end();
            let after_open_line = self.open && at == self.sdp.end();
            let mut relay = Relay::new(address.ip());
            edits.push_with(Verb::RewriteSdp, at.offset as usize, 0, |text| {
                self.own_address(&mut relay, after_open_line, text);
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
            What::Candidates(candidates) => {
                candidates.push(self.foundations, relay.address, port, self.line_end, text);
            }
            What::Nothing | What::NoWords => {}
            What::OldAddress { after_open_line } => {
                self.line(&self.old_lines, after_open_line, text);
            }
            What::OwnAddress { after_open_line } => {
                self.own_address(relay, after_open_line, text);
            }
            What::LoopMarker { after_open_line } => {
                self.line(b"a=nortpproxy:yes", after_open_line, text);
                if after_open_line {
                    text.extend_from_slice(self.line_end);
                }
            }
        }
    }

    /// Appends a c= line with the relay's address.
    fn own_address(&self, relay: &mut Relay, after_open_line: bool, text: &mut Vec<u8>) {
        if after_open_line {
            text.extend_from_slice(self.line_end);
        }
        text.extend_from_slice(b"c=IN ");
        relay.push_connection(text);
        if !after_open_line {
            text.extend_from_slice(self.line_end);
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
}

/// The relay's address.
struct Relay {
    address: IpAddr,
    ipv6: bool,
    /// The range of the edits' text where it was written first.
    spelled: Option<Range<usize>>,
}

impl Relay {
    fn new(address: IpAddr) -> Self {
        Relay { address, ipv6: address.is_ipv6(), spelled: None }
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
