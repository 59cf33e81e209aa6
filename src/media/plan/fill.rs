//! From a plan and a relay's answer to edits.

use std::io::Write;
use std::net::IpAddr;

use crate::address::canonical;
use crate::edit::{Edits, Verb};
use crate::error::{Error, Result, Status};
use crate::options::IceCandidate;
use crate::relay::Answer;
use crate::sdp::session::MAX_STREAMS;

use super::{Fate, Named, Piece, Plan, What, When};

/// The relay's port for each stream; `None` for one that is not relayed.
type Ports = [Option<u16>; MAX_STREAMS];

impl Plan {
    /// Turns the relay's answer into edits of the verb `RewriteSdp`, all or
    /// none. Fewer ports than streams, or port 0 for a stream that is on: an
    /// error for an offer; for an answer those streams keep what they have and
    /// `complain` is told. The answer's whole body, where a relay returns one,
    /// replaces the body by one edit.
    ///
    /// Ports beyond the streams are ignored, with a complaint. 65535 is no RTP
    /// port, for RTCP is one above. `Status::RelayAnswer` for what cannot be
    /// used; the edits are then as they were.
    pub fn fill(
        &self,
        answer: &Answer,
        edits: &mut Edits,
        complain: &mut dyn FnMut(&str),
    ) -> Result<()> {
        if self.streams.is_empty() {
            edits.remove_verb(Verb::RewriteSdp);
            return Ok(());
        }
        let done = match answer {
            Answer::Ports { address, ports } => {
                let address = media_address(*address)?;
                let ports = self.decide(ports, complain)?;
                edits.remove_verb(Verb::RewriteSdp);
                self.push(address, &ports, edits)
            }
            Answer::Body(body) if body.starts_with(b"v=") => {
                edits.remove_verb(Verb::RewriteSdp);
                let whole = self.description;
                edits.push(Verb::RewriteSdp, whole.offset, whole.len, body)
            }
            Answer::Body(_) => Err(unusable("a body that is no session description")),
            Answer::Removed => Err(unusable("\"removed\" to a request for ports")),
        };
        if let Err(error) = &done
            && error.status() == Status::Edits
        {
            // Another verb's edit lies in the description: then none of ours.
            edits.remove_verb(Verb::RewriteSdp);
        }
        done
    }

    /// Which stream gets which port, before anything is changed.
    fn decide(&self, given: &[u16], complain: &mut dyn FnMut(&str)) -> Result<Ports> {
        let wanted = self.streams.len();
        if given.len() < wanted && !self.answer {
            return Err(unusable(format!("{} ports for {wanted} streams", given.len())));
        }
        if given.len() != wanted {
            complain(&format!("the relay gave {} ports for {wanted} streams", given.len()));
        }
        let mut decided: Ports = [None; MAX_STREAMS];
        for (index, (place, stream)) in self.places.iter().zip(&self.streams).enumerate() {
            if place.fate != Fate::Relay {
                continue;
            }
            let port = match place.leader {
                Some(leader) => decided.get(leader).copied().flatten(),
                None => given.get(index).copied().filter(|port| (1..u16::MAX).contains(port)),
            };
            if port.is_none() {
                let named = Named(place.number, &stream.kind);
                if !self.answer {
                    return Err(unusable(format!("no usable port for {named}")));
                }
                complain(&format!("the relay gave no usable port for {named}: it is not relayed"));
            }
            if let Some(slot) = decided.get_mut(index) {
                *slot = port;
            }
        }
        Ok(decided)
    }

    fn push(&self, address: IpAddr, ports: &Ports, edits: &mut Edits) -> Result<()> {
        let relayed = |stream: usize| ports.get(stream).copied().flatten();
        let any = ports.iter().any(Option::is_some);
        let session_moves = self
            .places
            .iter()
            .zip(ports)
            .any(|(place, port)| place.uses_session_address && port.is_some());
        let family = if address.is_ipv6() { "IP6" } else { "IP4" };
        let connection = format!("{family} {address}");
        let mut text = Vec::with_capacity(64);
        for piece in &self.pieces {
            let (applies, port) = match piece.when {
                When::Relayed(stream) => (relayed(stream).is_some(), relayed(stream).unwrap_or(0)),
                When::Refused(stream) => (session_moves && relayed(stream).is_none(), 0),
                When::SessionMoves => (session_moves, 0),
                When::Any => (any, 0),
            };
            if !applies {
                continue;
            }
            text.clear();
            let mut remove = piece.spot.len;
            if let What::Address { ipv6, suffix } = piece.what {
                text.extend_from_slice(connection.as_bytes());
                if ipv6 != address.is_ipv6() {
                    remove = remove.saturating_add(suffix);
                }
            } else {
                self.write(piece, address, port, &mut text);
            }
            edits.push(Verb::RewriteSdp, piece.spot.offset, remove, &text)?;
        }
        Ok(())
    }

    /// What a piece says, for all but addresses.
    fn write(&self, piece: &Piece, address: IpAddr, port: u16, text: &mut Vec<u8>) {
        // `decide` lets no 65535 through.
        let rtcp = port.saturating_add(1);
        match piece.what {
            What::Address { .. } => {}
            What::Port | What::RtcpPort { same_as_rtp: true } => number(port, text),
            What::RtcpPort { same_as_rtp: false } => number(rtcp, text),
            What::Candidates { component_2 } => {
                self.candidate(1, address, port, text);
                if component_2 {
                    self.candidate(2, address, rtcp, text);
                }
            }
            What::OldAddress { after_open_line } => {
                self.line(&self.old_line, after_open_line, text);
            }
            What::LoopMarker { after_open_line } => {
                self.line(b"a=nortpproxy:yes", after_open_line, text);
                if after_open_line {
                    text.extend_from_slice(self.line_end);
                }
            }
        }
    }

    /// A whole line, behind one that has a line end or has none.
    fn line(&self, line: &[u8], after_open_line: bool, text: &mut Vec<u8>) {
        if after_open_line {
            text.extend_from_slice(self.line_end);
        }
        text.extend_from_slice(line);
        if !after_open_line {
            text.extend_from_slice(self.line_end);
        }
    }

    /// A relay candidate (RFC 8839 5.1) as MediaProxy's servers know it: the
    /// foundation is `R` and the address as a little-endian number in hex.
    fn candidate(&self, component: u32, address: IpAddr, port: u16, text: &mut Vec<u8>) {
        let preference: u32 = match self.ice {
            IceCandidate::HighPriority => 130,
            IceCandidate::LowPriority | IceCandidate::None => 0,
        };
        let priority = (preference << 24) + 0x00ff_ffff - (component - 1);
        let foundation = foundation(address);
        // Writing to a Vec cannot fail.
        let _ = write!(
            text,
            "a=candidate:R{foundation:x} {component} UDP {priority} {address} {port} typ relay"
        );
        text.extend_from_slice(self.line_end);
    }
}

/// A number that is the same for all candidates of one relay address. That of
/// an IPv6 address is its four words folded into one: a foundation may have 32
/// characters (RFC 8839 5.1), `R` and the whole address would be 33.
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

fn number(port: u16, text: &mut Vec<u8>) {
    // Writing to a Vec cannot fail.
    let _ = write!(text, "{port}");
}
