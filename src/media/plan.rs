//! The plan of a rewrite: which bytes of the message are replaced by what, decided
//! before the request to the relay. A plan has offsets and borrows nothing, so the
//! message need not live until the answer comes.

mod fill;

pub use fill::Accepted;

use std::fmt;
use std::net::SocketAddr;

use crate::address::parse_ip;
use crate::bytes;
use crate::error::{Error, Result, Status};
use crate::media::stream::{media_type, stream_address};
use crate::relay::{IceCandidate, Role, Stream};
use crate::sdp::address::words;
use crate::sdp::session::MAX_STREAMS;
use crate::sdp::{Connection, Media, Session};
use crate::sip::Message;

/// The rules for a plan.
#[derive(Clone, Copy)]
pub struct Rules<'r> {
    /// Offer or answer.
    pub role: Role,
    /// Which relay candidates are inserted.
    pub ice_candidate: IceCandidate,
    /// Also replace the address in o=.
    pub rewrite_origin: bool,
    /// Write and honour a=nortpproxy:yes.
    pub loop_marker: bool,
    /// True for an address and port that this call already has at its relay (a
    /// spiral): such a stream is not changed.
    pub ours: &'r dyn Fn(SocketAddr) -> bool,
}

/// A planned rewrite.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The streams of the request. Empty: no request, no edits.
    pub streams: Vec<Stream>,
    /// One for each of `streams`.
    places: Vec<Place>,
    /// All edits that the answer may cause.
    pieces: Vec<Piece>,
    /// True for an answer, false for an offer.
    answer: bool,
    ice: IceCandidate,
    /// The whole SDP.
    sdp: Spot,
    /// The message's line end.
    line_end: &'static [u8],
    /// The session-level c= line, for streams that must keep it.
    old_line: Vec<u8>,
}

impl Plan {
    /// True when there is no request to send and nothing to change.
    pub fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }
}

/// A range of the raw message, which is shorter than 64 KiB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Spot {
    offset: u32,
    len: u32,
}

impl Spot {
    /// The empty range after it.
    fn end(self) -> Spot {
        Spot { offset: self.offset.saturating_add(self.len), len: 0 }
    }
}

/// One of the streams of the request, and whether it is relayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    fate: Fate,
    /// The number of its m= line, counted from 1.
    number: usize,
    /// The port of that line.
    port: u16,
    /// The stream has no c= line of its own.
    uses_session_address: bool,
    /// The earlier stream (an index of `Plan::streams`) of the same BUNDLE group
    /// whose port it shares.
    leader: Option<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// The stream is to be relayed.
    Relay,
    /// Port 0.
    Off,
    /// The stream is already at the relay.
    Spiral,
    /// The address cannot be replaced by a relay's.
    Unreachable,
}

/// One possible edit: where, when, what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Piece {
    spot: Spot,
    when: When,
    what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    /// This stream is relayed.
    Relayed(u8),
    /// The session-level address is replaced.
    SessionMoves,
    /// The session-level address is replaced, and the relay's answer refuses this
    /// stream.
    Refused(u8),
    /// At least one stream is relayed.
    Any,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    /// The stream's relay port.
    Port,
    /// Address type and address of the relay.
    Address {
        /// The old address type is IP6.
        ipv6: bool,
        /// The length of a `/ttl` or `/count` after the address, which is not
        /// valid in the other family.
        suffix: u32,
    },
    /// The relay's RTCP port.
    RtcpPort {
        /// The port was equal to the RTP port and stays so.
        same_as_rtp: bool,
    },
    /// Relay candidates (RFC 8839).
    Candidates {
        /// Also for component 2 (RTCP).
        component_2: bool,
    },
    /// The session's old c= line.
    OldAddress {
        /// The line before it has no line end.
        after_open_line: bool,
    },
    /// a=nortpproxy:yes
    LoopMarker {
        /// The line before it has no line end.
        after_open_line: bool,
    },
}

/// Plans the rewrite of `session`, which is part of `message`. The plan is empty
/// when nothing is to be relayed: no stream has a relayable transport, a loop
/// marker is honoured, or every active stream is already at the relay.
/// `Status::Syntax` when an active stream has no c= line at any level.
///
/// A stream on a multicast address is not changed (RFC 8866 5.7), nor is one with
/// a network type other than IN. Both are sent to the relay with port 0, so that
/// the numbers of the other streams are the same in the answer.
pub fn plan(message: &Message<'_>, session: &Session<'_>, rules: &Rules<'_>) -> Result<Plan> {
    if rules.loop_marker && session.loop_marker {
        return Ok(Plan::default());
    }
    let mut planner = Planner {
        message,
        session,
        rules,
        ice: rules.ice_candidate != IceCandidate::None
            && !session.media.iter().any(|media| media.ice.remote_candidates),
        groups: bundle_groups(session),
        ports: 0,
        plan: Plan {
            answer: rules.role == Role::Answer,
            ice: rules.ice_candidate,
            sdp: spot(message, session.text)?,
            line_end: message.line_end(),
            streams: Vec::with_capacity(session.media.len()),
            places: Vec::with_capacity(session.media.len()),
            // Port, address, and the two of a=rtcp; and the session's own.
            pieces: Vec::with_capacity(session.media.len() * 4 + 2),
            ..Plan::default()
        },
    };
    for (index, media) in session.media.iter().enumerate() {
        if media.relayable() {
            planner.list(index, media)?;
        }
    }
    if !planner.needs_relay() {
        return Ok(Plan::default());
    }
    planner.session_level()?;
    planner.stream_level()?;
    planner.last_line();
    Ok(planner.plan)
}

struct Planner<'p, 'm, 'a> {
    message: &'p Message<'m>,
    session: &'p Session<'a>,
    rules: &'p Rules<'p>,
    /// Relay candidates may be inserted.
    ice: bool,
    /// For each m= line, its BUNDLE groups as bits.
    groups: Vec<u64>,
    /// The bits ([`port_bit`]) of the ports of the streams to be relayed so far.
    ports: u64,
    plan: Plan,
}

impl<'a> Planner<'_, '_, 'a> {
    /// Adds a stream to the request.
    fn list(&mut self, index: usize, media: &Media<'a>) -> Result<()> {
        let connection = self.session.connection_of(media);
        let fate = self.fate(index, media, connection)?;
        let mut leader = None;
        if fate == Fate::Relay {
            leader = self.leader(index, media, connection);
            self.ports |= port_bit(media.port);
        }
        let credentials = media.ice.credentials || self.session.ice_credentials;
        self.plan.streams.push(Stream {
            kind: media_type(media.kind),
            address: stream_address(connection),
            port: if fate == Fate::Unreachable { 0 } else { media.port },
            direction: self.session.direction_of(media),
            ice: fate == Fate::Relay
                && self.ice
                && credentials
                && media.ice.first_candidate.is_some(),
        });
        self.plan.places.push(Place {
            fate,
            number: index + 1,
            port: media.port,
            uses_session_address: media.connection.is_none(),
            leader,
        });
        Ok(())
    }

    fn fate(
        &self,
        index: usize,
        media: &Media<'a>,
        connection: Option<Connection<'a>>,
    ) -> Result<Fate> {
        if media.port == 0 {
            return Ok(Fate::Off);
        }
        let Some(connection) = connection else {
            return Err(Error::syntax(format!(
                "SDP {} has no c= line, and the session has none",
                Named(index + 1, media.kind)
            )));
        };
        if !connection.is_internet() || connection.is_multicast() {
            return Ok(Fate::Unreachable);
        }
        let address = connection.host.ip().map(|ip| SocketAddr::new(ip, media.port));
        if address.is_some_and(|address| (self.rules.ours)(address)) {
            return Ok(Fate::Spiral);
        }
        Ok(Fate::Relay)
    }

    /// The earlier stream of the same BUNDLE group on the same address and
    /// port (RFC 9143 7.3: the offerer's tagged address, shared by all).
    fn leader(
        &self,
        index: usize,
        media: &Media<'a>,
        connection: Option<Connection<'a>>,
    ) -> Option<u8> {
        let mine = *self.groups.get(index)?;
        // Without this check the search would be quadratic for a large group.
        if mine == 0 || self.ports & port_bit(media.port) == 0 {
            return None;
        }
        let host = connection?.host;
        // The port is compared first, since it differs for most streams.
        let leader = self.plan.places.iter().position(|place| {
            let at = place.number.wrapping_sub(1);
            place.port == media.port
                && place.fate == Fate::Relay
                && self.groups.get(at).is_some_and(|theirs| theirs & mine != 0)
                && self.session.media.get(at).is_some_and(|other| {
                    self.session.connection_of(other).is_some_and(|c| c.host == host)
                })
        })?;
        u8::try_from(leader).ok()
    }

    /// True when a request is needed: a stream is to be relayed, or the relay must
    /// learn that streams have port 0 and none is already at the relay.
    fn needs_relay(&self) -> bool {
        let has = |fate| self.plan.places.iter().any(|place| place.fate == fate);
        has(Fate::Relay) || (has(Fate::Off) && !has(Fate::Spiral))
    }

    /// The pieces above the first m= line.
    fn session_level(&mut self) -> Result<()> {
        if self.rules.rewrite_origin
            && let Some(origin) = self.session.origin()
        {
            self.address(When::Any, &origin)?;
        }
        if self.session_can_move()
            && let Some(connection) = self.session.connection
        {
            self.address(When::SessionMoves, &connection)?;
        }
        Ok(())
    }

    /// Adds the loop marker, after an address that is inserted at the same place.
    fn last_line(&mut self) {
        if self.rules.loop_marker {
            let after_open_line = !ends_line(self.session.text);
            self.piece(self.plan.sdp.end(), When::Any, What::LoopMarker { after_open_line });
        }
    }

    /// True when the session-level address may be replaced: it is not 0.0.0.0
    /// (hold), and a relayed stream uses it.
    fn session_can_move(&self) -> bool {
        self.session.connection.is_some_and(|connection| !connection.is_unspecified())
            && self
                .plan
                .places
                .iter()
                .any(|place| place.fate == Fate::Relay && place.uses_session_address)
    }

    /// The pieces of each stream.
    fn stream_level(&mut self) -> Result<()> {
        let moves = self.session_can_move();
        let mut listed = 0u8;
        for media in &self.session.media {
            let mut fate = None;
            if media.relayable() {
                let place = self.plan.places.get(usize::from(listed));
                fate = place.map(|place| (listed, place.fate));
                listed = listed.saturating_add(1);
            }
            let keeps = match fate {
                Some((stream, Fate::Relay)) => {
                    self.relayed(stream, media)?;
                    // An offer is refused as a whole, an answer stream by stream.
                    self.plan.answer.then_some(When::Refused(stream))
                }
                _ => (media.port != 0).then_some(When::SessionMoves),
            };
            if let Some(when) = keeps
                && moves
                && media.connection.is_none()
            {
                self.keep_address(when, media)?;
            }
        }
        Ok(())
    }

    /// The pieces of a stream that is to be relayed.
    fn relayed(&mut self, stream: u8, media: &Media<'a>) -> Result<()> {
        let when = When::Relayed(stream);
        self.piece(spot(self.message, media.port_text)?, when, What::Port);
        for connection in media.connection.iter().chain(&media.more_connections) {
            if !connection.is_unspecified() {
                self.address(when, connection)?;
            }
        }
        for rtcp in media.rtcp.iter().chain(&media.more_rtcp) {
            let same_as_rtp = media.rtcp_mux && rtcp.port == media.port;
            if rtcp.port != 0 {
                let what = What::RtcpPort { same_as_rtp };
                self.piece(spot(self.message, rtcp.port_text)?, when, what);
            }
            if let Some(connection) = rtcp.connection.filter(|found| !found.is_unspecified()) {
                self.address(when, &connection)?;
            }
        }
        let wants_candidates =
            self.plan.streams.get(usize::from(stream)).is_some_and(|stream| stream.ice);
        if let Some(first) = media.ice.first_candidate
            && wants_candidates
            && !self.is_our_candidate(first)
        {
            let spot = Spot { len: 0, ..spot(self.message, first)? };
            let component_2 = media.ice.component_2;
            self.piece(spot, when, What::Candidates { component_2 });
        }
        Ok(())
    }

    /// True for a candidate that was inserted when this message passed earlier. The
    /// c= line of a stream with address 0.0.0.0, as with trickle ICE, does not
    /// show the spiral.
    fn is_our_candidate(&self, line: &[u8]) -> bool {
        let mut words = words(line).skip(4);
        let ip = words.next().and_then(parse_ip);
        let port = words.next().and_then(bytes::port);
        ip.zip(port).is_some_and(|(ip, port)| (self.rules.ours)(SocketAddr::new(ip, port)))
    }

    /// Adds the session's old c= line to a stream that keeps using it.
    fn keep_address(&mut self, when: When, media: &Media<'a>) -> Result<()> {
        let Some(connection) = self.session.connection else { return Ok(()) };
        if self.plan.old_line.is_empty() {
            self.plan.old_line = connection.line.to_vec();
        }
        let head = spot(self.message, media.head)?;
        let after_open_line = !ends_line(media.head);
        self.piece(head.end(), when, What::OldAddress { after_open_line });
        Ok(())
    }

    fn address(&mut self, when: When, connection: &Connection<'a>) -> Result<()> {
        let suffix = connection.suffix.len() as u32;
        let what = What::Address { ipv6: connection.is_ipv6(), suffix };
        self.piece(spot(self.message, connection.text)?, when, what);
        Ok(())
    }

    fn piece(&mut self, spot: Spot, when: When, what: What) {
        self.plan.pieces.push(Piece { spot, when, what });
    }
}

/// One of 64 bits for a port. Most ports in use are even, so the lowest bit is
/// ignored.
fn port_bit(port: u16) -> u64 {
    1 << (port / 2 % 64)
}

/// The name of a stream in error texts: `stream 2 (video)`.
struct Named<'k>(usize, &'k [u8]);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.1.get(..32).unwrap_or(self.1);
        write!(f, "stream {} ({})", self.0, kind.escape_ascii())
    }
}

fn spot(message: &Message<'_>, part: &[u8]) -> Result<Spot> {
    let offset = message.offset_of(part).and_then(|offset| u32::try_from(offset).ok());
    match (offset, u32::try_from(part.len())) {
        (Some(offset), Ok(len)) => Ok(Spot { offset, len }),
        _ => Err(Error::new(Status::Argument, "the SDP is not part of this message")),
    }
}

fn ends_line(text: &[u8]) -> bool {
    text.ends_with(b"\n")
}

/// Up to this many streams, a linear search is faster than sorting.
const FEW_STREAMS: usize = 8;

/// For each m= line its BUNDLE groups, as bits. Valid SDP has no more groups than
/// streams, and no group has more members; further groups and members are
/// ignored, which bounds the work.
fn bundle_groups<'a>(session: &Session<'a>) -> Vec<u64> {
    if session.bundles.is_empty() {
        return Vec::new();
    }
    let mut groups = vec![0u64; session.media.len()];
    let named = |(at, media): (usize, &Media<'a>)| Some((media.mid?, at));
    let mut by_mid: Vec<(&[u8], usize)> = Vec::with_capacity(session.media.len());
    by_mid.extend(session.media.iter().enumerate().filter_map(named));
    let sorted = by_mid.len() > FEW_STREAMS;
    if sorted {
        by_mid.sort_unstable();
    }
    for (bit, mids) in session.bundles.iter().take(MAX_STREAMS).enumerate() {
        for mid in words(mids).take(MAX_STREAMS) {
            let first = if sorted { by_mid.partition_point(|(own, _)| *own < mid) } else { 0 };
            for (own, at) in by_mid.iter().skip(first) {
                if *own == mid {
                    if let Some(groups) = groups.get_mut(*at) {
                        *groups |= 1 << bit;
                    }
                } else if sorted {
                    break;
                }
            }
        }
    }
    groups
}
