//! The session level of a description, and its streams.

use crate::error::Result;
use crate::sdp::{Connection, Direction, Media};

/// The most streams (m= lines) accepted.
pub const MAX_STREAMS: usize = 64;

/// A session description: pieces of the original text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session<'a> {
    /// The whole text that was parsed.
    pub text: &'a [u8],
    /// The address part of the first o= line ("IP4 192.0.2.1"), if readable.
    pub origin: Option<Connection<'a>>,
    /// The session-level c= line.
    pub connection: Option<Connection<'a>>,
    /// The session-level direction.
    pub direction: Option<Direction>,
    /// Session-level ice-ufrag and ice-pwd were both there.
    pub ice_credentials: bool,
    /// The groups of a=group:BUNDLE lines: each the mids after the word.
    pub bundles: Vec<&'a [u8]>,
    /// True when the line a=nortpproxy:yes is somewhere.
    pub loop_marker: bool,
    /// The streams, in order, port-0 ones too.
    pub media: Vec<Media<'a>>,
}

impl<'a> Session<'a> {
    /// Reads a session description. Lines may end in CRLF or bare LF, the last
    /// one in nothing. Lines it does not know are passed over; lookalikes
    /// inside other lines are not taken for what they imitate. `Status::Limit`
    /// for a 65th stream; `Status::Syntax` (with the line number) for an m=
    /// line or a c= line that cannot be read.
    pub fn parse(text: &'a [u8]) -> Result<Self> {
        let _ = text;
        todo!()
    }

    /// The connection that holds for a stream: its own c=, else the session's.
    pub fn connection_of(&self, media: &Media<'a>) -> Option<Connection<'a>> {
        media.connection.or(self.connection)
    }

    /// The direction that holds for a stream; sendrecv when none is said.
    pub fn direction_of(&self, media: &Media<'a>) -> Direction {
        media.direction.or(self.direction).unwrap_or_default()
    }
}
