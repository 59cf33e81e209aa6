//! The possible edits of a plan, in the order of the message.

use std::net::SocketAddr;

use crate::address::parse_ip;
use crate::bytes;
use crate::error::Result;
use crate::sdp::address::words;
use crate::sdp::{Connection, Media};

use super::{Fate, Piece, Planner, Spot, What, When, ends_line, spot};

impl<'a> Planner<'_, '_, 'a> {
    /// The pieces above the first m= line.
    pub(super) fn session_level(&mut self) -> Result<()> {
        if self.rules.rewrite_origin
            && let Some(origin) = self.session.origin()
        {
            self.address(When::Any, &origin)?;
        }
        if self.session_can_move() {
            let first = self.session.connection.iter();
            for connection in first.chain(&self.session.more_connections) {
                if !connection.is_unspecified() {
                    self.address(When::SessionMoves, connection)?;
                }
            }
        }
        for line in &self.session.address_attributes {
            if !filters_multicast(line) {
                self.piece(spot(self.message, line)?, When::Any, What::Nothing);
            }
        }
        Ok(())
    }

    /// Adds the loop marker, after an address that is inserted at the same place.
    pub(super) fn last_line(&mut self) {
        if self.rules.loop_marker {
            let after_open_line = !ends_line(self.session.text);
            self.piece(self.plan.sdp.end(), When::Any, What::LoopMarker { after_open_line });
        }
    }

    /// True when a session-level address may be replaced: one is not 0.0.0.0 (hold),
    /// and a relayed stream uses it.
    fn session_can_move(&self) -> bool {
        let session = self.session;
        let mut all = session.connection.iter().chain(&session.more_connections);
        all.any(|connection| !connection.is_unspecified())
            && self
                .plan
                .places
                .iter()
                .any(|place| place.fate == Fate::Relay && place.uses_session_address)
    }

    /// The pieces of each stream.
    pub(super) fn stream_level(&mut self) -> Result<()> {
        let moves = self.session_can_move();
        for (line, media) in (0u8..).zip(&self.session.media) {
            let Some(place) = self.plan.places.get(usize::from(line)).copied() else { break };
            let uses_session = moves && media.connection.is_none();
            let keeps = match place.fate {
                Fate::Relay if !place.trickles => {
                    // Before a candidate at the same place.
                    if uses_session {
                        self.own_address(When::Apart(line), media)?;
                    }
                    self.relayed(line, media, false)?;
                    // An offer is refused as a whole, an answer stream by stream.
                    self.plan.answer.then_some(When::Refused(line))
                }
                Fate::Relay if place.candidates.is_some() => {
                    if media.connection.is_none() {
                        self.own_address(When::Relayed(line), media)?;
                    }
                    self.relayed(line, media, true)?;
                    self.plan.answer.then_some(When::Refused(line))
                }
                _ => (media.port != 0).then_some(When::SessionMoves),
            };
            if let Some(when) = keeps
                && uses_session
            {
                self.keep_address(when, media)?;
            }
        }
        Ok(())
    }

    /// The pieces of a stream that is to be relayed. `hold_too`: addresses 0.0.0.0
    /// are replaced as well.
    fn relayed(&mut self, line: u8, media: &Media<'a>, hold_too: bool) -> Result<()> {
        let when = When::Relayed(line);
        let moves = |connection: &Connection<'a>| hold_too || !connection.is_unspecified();
        let port = if media.count > 1 { media.ports_text } else { media.port_text };
        self.piece(spot(self.message, port)?, when, What::Port);
        for connection in media.connection.iter().chain(&media.more_connections) {
            if moves(connection) {
                self.address(when, connection)?;
            }
        }
        for rtcp in media.rtcp.iter().chain(&media.more_rtcp) {
            let same_as_rtp = media.rtcp_mux && rtcp.port == media.port;
            if rtcp.port != 0 {
                let what = What::RtcpPort { same_as_rtp };
                self.piece(spot(self.message, rtcp.port_text)?, when, what);
            }
            if let Some(connection) = rtcp.connection.filter(moves) {
                self.address(when, &connection)?;
            }
        }
        for attribute in &media.address_attributes {
            self.piece(spot(self.message, attribute)?, when, What::Nothing);
        }
        let place = self.plan.places.get(usize::from(line));
        let candidates = place.and_then(|place| place.candidates);
        if let Some(first) = media.ice.first_candidate
            && let Some(candidates) = candidates
            && !self.is_our_candidate(line, first)
        {
            let spot = Spot { len: 0, ..spot(self.message, first)? };
            self.piece(spot, when, What::Candidates(candidates));
        }
        Ok(())
    }

    /// True for a candidate that was inserted when this message passed earlier. The
    /// c= line of a stream with address 0.0.0.0, as with trickle ICE, does not
    /// show the spiral.
    fn is_our_candidate(&self, line: u8, candidate: &[u8]) -> bool {
        let mut words = words(candidate).skip(4);
        let ip = words.next().and_then(parse_ip);
        let port = words.next().and_then(bytes::port);
        ip.zip(port).is_some_and(|(ip, port)| {
            (self.rules.ours)(usize::from(line), SocketAddr::new(ip, port))
        })
    }

    /// Adds the session's old c= lines to a stream that keeps using them.
    fn keep_address(&mut self, when: When, media: &Media<'a>) -> Result<()> {
        if self.plan.old_lines.is_empty() {
            let first = self.session.connection.iter();
            for connection in first.chain(&self.session.more_connections) {
                if !self.plan.old_lines.is_empty() {
                    self.plan.old_lines.extend_from_slice(self.plan.line_end);
                }
                self.plan.old_lines.extend_from_slice(connection.line);
            }
        }
        let head = spot(self.message, media.head)?;
        let after_open_line = !ends_line(media.head);
        self.piece(head.end(), when, What::OldAddress { after_open_line });
        Ok(())
    }

    /// Adds a c= line with the relay's address to a stream.
    fn own_address(&mut self, when: When, media: &Media<'a>) -> Result<()> {
        let head = spot(self.message, media.head)?;
        let after_open_line = !ends_line(media.head);
        self.piece(head.end(), when, What::OwnAddress { after_open_line });
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

/// True for a source filter (RFC 4570 3) of a multicast address, whose streams are not
/// relayed: `a=source-filter: incl IN IP4 232.3.4.5 192.0.2.10`.
fn filters_multicast(line: &[u8]) -> bool {
    let Some(filter) = line.strip_prefix(b"a=source-filter:") else { return false };
    words(filter).nth(3).and_then(parse_ip).is_some_and(|address| address.is_multicast())
}
