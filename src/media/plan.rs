//! The plan of a rewrite: which bytes of the message are replaced by what, decided
//! before the request to the relay. A plan has offsets and borrows nothing, so the
//! message need not live until the answer comes.

mod bundle;
mod candidates;
mod fill;
mod pieces;
mod unserved;

pub use fill::{Accepted, Assigned};

use std::fmt;
use std::net::SocketAddr;

use crate::error::{Error, Result, Status};
use crate::media::stream::{media_type, stream_address};
use crate::relay::{IceCandidate, Role, Stream};
use crate::sdp::session::MAX_STREAMS;
use crate::sdp::{Connection, Media, Session};
use crate::sip::Message;

use bundle::bundle_groups;
use candidates::{Candidates, Foundations};

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
    /// For an answer: the m= lines that its offer relayed ([`Plan::relayed_lines`]).
    /// `None`: not known, the transport of each line decides. Ignored for an offer.
    pub relayed_lines: Option<u64>,
    /// The call has a session at its relay. An SDP whose lines are all removed, or of
    /// transports that relays do not carry, is then sent to it as well, all lines with
    /// port 0: it ends the streams that were agreed before (RFC 3264 8.2).
    pub has_session: bool,
    /// True for an m= line (counted from 0) whose address and port this call
    /// already has at its relay (a spiral): the line is not changed.
    pub ours: &'r dyn Fn(usize, SocketAddr) -> bool,
}

/// A planned rewrite.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The streams of the request, one for each m= line. Empty: no request, no
    /// edits.
    pub streams: Vec<Stream>,
    /// One for each of `streams`.
    places: Vec<Place>,
    /// All edits that the answer may cause.
    pieces: Vec<Piece>,
    /// See [`Plan::relayed_lines`].
    lines: u64,
    /// True for an answer, false for an offer.
    answer: bool,
    /// The foundations of inserted candidates.
    foundations: Foundations,
    /// The whole SDP.
    sdp: Spot,
    /// The last line of the SDP has no line end.
    open: bool,
    /// A session-level address may be replaced: one is not 0.0.0.0 (hold), and a
    /// relayed stream uses it.
    session_moves: bool,
    /// A line has a port count above 1.
    has_counts: bool,
    /// See [`Plan::is_left_to_ice`].
    left_to_ice: bool,
    /// See [`Plan::unserved`].
    unserved: Option<Box<str>>,
    /// The message's line end.
    line_end: &'static [u8],
    /// The session-level c= lines, for streams that must keep them.
    old_lines: Box<[u8]>,
}

impl Plan {
    /// True when there is no request to send and nothing to change.
    pub fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }

    /// True for an offer with a line without an address, whose media flows between the
    /// candidates of ICE.
    pub fn is_left_to_ice(&self) -> bool {
        self.left_to_ice
    }

    /// What to say of the first active line of an answer that keeps its address although
    /// the offer had no line for it that was relayed: the answer's lines are in another
    /// order, or more than the offer's (RFC 3264 6 allows neither), and the media
    /// of this line does not pass the relay. An empty plan may have it too.
    pub fn unserved(&self) -> Option<&str> {
        self.unserved.as_deref()
    }

    pub(crate) fn take_unserved(&mut self) -> Option<Box<str>> {
        self.unserved.take()
    }

    /// The m= lines that are relayed, or are already at the relay: bit 0 is the
    /// first line. A call stores those of its last offer, also of one whose plan is
    /// empty, for the answer ([`Rules::relayed_lines`]).
    pub fn relayed_lines(&self) -> u64 {
        self.lines
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

/// One m= line, and whether it is relayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    fate: Fate,
    /// The port of that line.
    port: u16,
    /// The stream has no c= line of its own.
    uses_session_address: bool,
    /// The range of the m= line and its i= line.
    head: Spot,
    /// The line has a port count above 1, which is refused.
    has_count: bool,
    /// The line has no address yet ([`Session::has_no_address_yet`]). With candidates, all of the line is
    /// replaced; without, nothing of it, though the relay has ports for it.
    trickles: bool,
    /// The relay candidates to insert.
    candidates: Option<Candidates>,
    /// The earlier m= line, counted from 0, of the same BUNDLE group whose port it
    /// shares.
    leader: Option<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// The stream is to be relayed.
    Relay,
    /// Port 0, of a line that a relay carries.
    Off,
    /// The stream is already at the relay.
    Spiral,
    /// The line is left alone: a relay does not carry its transport, the offer did
    /// not relay it, or its address cannot be replaced by a relay's.
    Kept,
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
    Candidates(Candidates),
    /// No text: the line goes.
    Nothing,
    /// No text: words behind an address go.
    NoWords,
    /// The session's old c= lines.
    OldAddress {
        /// The line before it has no line end.
        after_open_line: bool,
    },
    /// A c= line with the relay's address.
    OwnAddress {
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
/// when nothing is to be relayed: no stream has a relayable transport and the call no
/// session, a loop marker is honoured, or every active stream is already at the relay.
/// `Status::Syntax` when a stream to be relayed has no c= line at any level.
///
/// Every m= line is a stream of the request, so that its number is the same in
/// offer and answer (RFC 3264 6). A line that is not relayed has port 0 there and is
/// not changed: one with a transport that relays do not carry, on a multicast
/// address (RFC 8866 5.7), or with a network type other than IN. In an answer, the
/// lines that its offer relayed are relayed, whatever transport they name.
///
/// A line with no address than 0.0.0.0 or `::` and port 9, as with trickle ICE (RFC 8840
/// 4.1.1), is never changed in part. Where relay candidates are inserted, they and the
/// relay's address and port replace it as a whole. Otherwise it stays as it is: an
/// offer's line with ICE is not relayed, since its media flows between the candidates;
/// other such lines are on hold for the relay.
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
        leaves_media: false,
        plan: Plan {
            answer: rules.role == Role::Answer,
            sdp: spot(message, session.text)?,
            open: !ends_line(session.text),
            line_end: message.line_end(),
            streams: Vec::with_capacity(session.media.len()),
            places: Vec::with_capacity(session.media.len()),
            // Port, address, and the two of a=rtcp; and the session's own.
            pieces: Vec::with_capacity(session.media.len() * 4 + 2),
            ..Plan::default()
        },
    };
    for (index, media) in session.media.iter().enumerate() {
        planner.list(index, media)?;
    }
    if !planner.needs_relay() {
        let Plan { lines, left_to_ice, unserved, .. } = planner.plan;
        return Ok(Plan { lines, left_to_ice, unserved, ..Plan::default() });
    }
    planner.plan.session_moves = planner.session_can_move();
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
    /// An active line is not relayed although relays carry its transport.
    leaves_media: bool,
    plan: Plan,
}

impl<'a> Planner<'_, '_, 'a> {
    /// Adds an m= line to the request.
    fn list(&mut self, index: usize, media: &Media<'a>) -> Result<()> {
        let connection = media.connection.as_ref().or(self.session.connection.as_ref());
        let offered = self.is_offered(index, media);
        let mut fate = match offered || media.port != 0 && media.relayable() {
            true => self.fate(index, media, connection, offered)?,
            false => Fate::Kept,
        };
        let (mut leader, mut candidates) = (None, None);
        let trickles = fate == Fate::Relay && self.session.has_no_address_yet(media);
        if fate == Fate::Relay {
            let ice = media.ice.credentials || self.session.ice_credentials;
            if ice && self.ice {
                let foundations = &mut self.plan.foundations;
                candidates = Candidates::for_stream(self.rules.ice_candidate, media, foundations);
            }
            leader = self.leader(index, media, connection);
            // A line that the offer had with port 0 and a=bundle-only (RFC 9143 6)
            // has the port of its group in the answer.
            let unshared = !offered && leader.is_none();
            let left_to_ice = trickles && ice && candidates.is_none() && !self.plan.answer;
            if unshared || left_to_ice {
                self.plan.left_to_ice |= left_to_ice;
                fate = Fate::Kept;
            } else {
                self.ports |= port_bit(media.port);
            }
        }
        if fate == Fate::Kept {
            self.leaves_media |= media.port != 0 && media.relayable();
            if self.plan.answer {
                self.note_unserved(index, media, connection);
            }
        }
        self.plan.streams.push(Stream {
            kind: media_type(media.kind),
            address: stream_address(connection),
            port: if offered && fate != Fate::Kept { media.port } else { 0 },
            direction: self.session.direction_of(media),
            ice: fate == Fate::Relay && candidates.is_some(),
        });
        if matches!(fate, Fate::Relay | Fate::Spiral) {
            self.plan.lines |= line_bit(index);
        }
        let has_count = media.count > 1 && (!trickles || candidates.is_some());
        self.plan.has_counts |= has_count;
        self.plan.places.push(Place {
            fate,
            port: media.port,
            uses_session_address: media.connection.is_none() && !trickles,
            head: spot(self.message, media.head)?,
            has_count,
            trickles,
            candidates,
            leader,
        });
        Ok(())
    }

    /// True for a line that may be relayed. In an answer the transport may differ
    /// from the offer's where the line is refused, and in old forms of one
    /// transport (DTLS/SCTP); a relay carries no TCP.
    fn is_offered(&self, index: usize, media: &Media<'a>) -> bool {
        let Some(lines) = self.rules.relayed_lines.filter(|_| self.plan.answer) else {
            return media.relayable();
        };
        let relayed = lines & line_bit(index) != 0;
        match media.port {
            0 => relayed || media.relayable(),
            _ => relayed && !media.is_tcp(),
        }
    }

    fn fate(
        &self,
        index: usize,
        media: &Media<'a>,
        connection: Option<&Connection<'a>>,
        offered: bool,
    ) -> Result<Fate> {
        if media.port == 0 {
            return Ok(Fate::Off);
        }
        let Some(connection) = connection else {
            if !offered {
                return Ok(Fate::Kept);
            }
            return Err(Error::syntax(format!(
                "SDP {} has no c= line, and the session has none",
                Named(index, media.kind)
            )));
        };
        if !connection.is_internet() || connection.is_multicast() {
            return Ok(Fate::Kept);
        }
        let address = connection.host.ip().map(|ip| SocketAddr::new(ip, media.port));
        if address.is_some_and(|address| (self.rules.ours)(index, address)) {
            return Ok(Fate::Spiral);
        }
        Ok(Fate::Relay)
    }

    /// The earlier line of the same BUNDLE group on the same address and
    /// port (RFC 9143 7.3: the offerer's tagged address, shared by all).
    fn leader(
        &self,
        index: usize,
        media: &Media<'a>,
        connection: Option<&Connection<'a>>,
    ) -> Option<u8> {
        let mine = *self.groups.get(index)?;
        // Without this check the search would be quadratic for a large group.
        if mine == 0 || self.ports & port_bit(media.port) == 0 {
            return None;
        }
        let host = connection?.host;
        // The port is compared first, since it differs for most streams.
        let leader = self.plan.places.iter().enumerate().position(|(at, place)| {
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
    /// learn that no stream is and none is already at the relay.
    fn needs_relay(&self) -> bool {
        let has = |fate| self.plan.places.iter().any(|place| place.fate == fate);
        // The relay has nothing to learn from an answer that fits no offer.
        let fits = || !self.leaves_media && self.plan.unserved.is_none();
        let ends_session = || self.rules.has_session && fits();
        has(Fate::Relay) || !has(Fate::Spiral) && (has(Fate::Off) || ends_session())
    }
}

/// The bit of an m= line; SDP has at most 64.
fn line_bit(index: usize) -> u64 {
    1 << (index % MAX_STREAMS)
}

/// One of 64 bits for a port. Most ports in use are even, so the lowest bit is
/// ignored.
fn port_bit(port: u16) -> u64 {
    1 << (port / 2 % 64)
}

/// The name of an m= line, counted from 0, in error texts: `stream 2 (video)`.
struct Named<'k>(usize, &'k [u8]);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.1.get(..32).unwrap_or(self.1);
        write!(f, "stream {} ({})", self.0.saturating_add(1), kind.escape_ascii())
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
