//! The possible edits of a plan, in the order of the message.

use std::net::SocketAddr;

use crate::address::parse_ip;
use crate::bytes;
use crate::error::Result;
use crate::sdp::address::words;
use crate::sdp::{Connection, Media};

use super::{Fate, Piece, Place, Planner, Spot, What, When, ends_line, spot};

impl<'a> Planner<'_, '_, 'a> {
    /// The pieces above the first m= line.
    pub(super) fn session_level(&mut self) -> Result<()> {
        if self.rules.rewrite_origin
            && let Some(origin) = self.session.origin()
        {
            self.address(When::Any, &origin)?;
        }
        let first = self.session.connection.iter();
        for connection in first.chain(&self.session.more_connections) {
            if connection.is_unspecified() {
                self.remove_more_words(When::Any, connection)?;
            } else if self.plan.session_moves {
                self.address(When::SessionMoves, connection)?;
            }
        }
        for attribute in &self.session.address_attributes {
            if attribute.stream.is_none() && !filters_multicast(attribute.line) {
                self.piece(spot(self.message, attribute.line)?, When::Any, What::Nothing);
            }
        }
        Ok(())
    }

    /// Adds the loop marker, after an address that is inserted at the same place.
    pub(super) fn last_line(&mut self) {
        if self.rules.loop_marker {
            let after_open_line = self.plan.open;
            self.piece(self.plan.sdp.end(), When::Any, What::LoopMarker { after_open_line });
        }
    }

    /// True when a session-level address may be replaced: one is not 0.0.0.0 (hold),
    /// and a relayed stream uses it.
    pub(super) fn session_can_move(&self) -> bool {
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
        let moves = self.plan.session_moves;
        for (line, media) in (0u8..).zip(&self.session.media) {
            let Some(place) = self.plan.places.get(usize::from(line)).copied() else { break };
            let uses_session = moves && media.connection.is_none();
            let mut keeps = (media.port != 0).then_some(When::SessionMoves);
            if place.fate == Fate::Relay && (!place.trickles || place.candidates.is_some()) {
                self.relayed(line, media, place)?;
                // An offer is refused as a whole, an answer stream by stream.
                keeps = self.plan.answer.then_some(When::Refused(line));
            }
            if let Some(when) = keeps
                && uses_session
            {
                self.keep_address(when, media, place.head);
            }
        }
        Ok(())
    }

    /// The pieces of a stream that is to be relayed.
    fn relayed(&mut self, line: u8, media: &Media<'a>, place: Place) -> Result<()> {
        let when = When::Relayed(line);
        let hold_too = place.trickles;
        let moves = |connection: &Connection<'a>| hold_too || !connection.is_unspecified();
        // Before a candidate at the same place.
        if hold_too && media.connection.is_none() {
            let after_open_line = !ends_line(media.head);
            self.piece(place.head.end(), when, What::OwnAddress { after_open_line });
        }
        let port = if media.count > 1 { media.ports_text() } else { media.port_text };
        self.piece(spot(self.message, port)?, when, What::Port);
        for connection in media.connection.iter().chain(&media.more_connections) {
            match moves(connection) {
                true => self.address(when, connection)?,
                false => self.remove_more_words(when, connection)?,
            }
        }
        for rtcp in media.rtcp.iter().chain(&media.more_rtcp) {
            let same_as_rtp = media.rtcp_mux && rtcp.port == Some(media.port);
            if rtcp.port != Some(0) {
                let what = What::RtcpPort { same_as_rtp };
                self.piece(spot(self.message, rtcp.port_text)?, when, what);
            }
            match &rtcp.connection {
                Some(connection) if moves(connection) => self.address(when, connection)?,
                Some(connection) => self.remove_more_words(when, connection)?,
                None => {}
            }
        }
        for attribute in &self.session.address_attributes {
            if attribute.stream == Some(line.into()) {
                self.piece(spot(self.message, attribute.line)?, when, What::Nothing);
            }
        }
        if let Some(candidates) = place.candidates
            && let Some(first) = media.ice.first_candidate
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
    fn keep_address(&mut self, when: When, media: &Media<'a>, head: Spot) {
        if self.plan.old_lines.is_empty() {
            let Some(first) = &self.session.connection else { return };
            let mut lines = first.line.to_vec();
            for connection in &self.session.more_connections {
                lines.extend_from_slice(self.plan.line_end);
                lines.extend_from_slice(connection.line);
            }
            self.plan.old_lines = lines.into();
        }
        let after_open_line = !ends_line(media.head);
        self.piece(head.end(), when, What::OldAddress { after_open_line });
    }

    fn address(&mut self, when: When, connection: &Connection<'a>) -> Result<()> {
        let suffix = connection.suffix.len() as u32;
        let what = What::Address { ipv6: connection.is_ipv6(), suffix };
        self.piece(spot(self.message, connection.text)?, when, what);
        Ok(())
    }

    /// Removes what follows the address of a line that is on hold and stays so.
    fn remove_more_words(&mut self, when: When, connection: &Connection<'a>) -> Result<()> {
        let more = connection.more_words();
        if !more.is_empty() {
            self.piece(spot(self.message, more)?, when, What::NoWords);
        }
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
