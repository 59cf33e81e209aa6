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
        if self.session_can_move()
            && let Some(connection) = self.session.connection
        {
            self.address(When::SessionMoves, &connection)?;
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
    pub(super) fn stream_level(&mut self) -> Result<()> {
        let moves = self.session_can_move();
        for (stream, media) in (0u8..).zip(&self.session.media) {
            let place = self.plan.places.get(usize::from(stream));
            let keeps = match place.map(|place| place.fate) {
                Some(Fate::Relay) => {
                    self.relayed(stream, media)?;
                    if moves && media.connection.is_none() {
                        let head = spot(self.message, media.head)?;
                        let after_open_line = !ends_line(media.head);
                        let what = What::OwnAddress { after_open_line };
                        self.piece(head.end(), When::Apart(stream), what);
                    }
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
            && !self.is_our_candidate(stream, first)
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
    fn is_our_candidate(&self, stream: u8, line: &[u8]) -> bool {
        let mut words = words(line).skip(4);
        let ip = words.next().and_then(parse_ip);
        let port = words.next().and_then(bytes::port);
        ip.zip(port).is_some_and(|(ip, port)| {
            (self.rules.ours)(usize::from(stream), SocketAddr::new(ip, port))
        })
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
