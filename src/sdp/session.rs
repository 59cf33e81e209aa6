//! The session level of a description, and its streams.

use crate::error::{Error, Result};
use crate::sdp::media::Rtcp;
use crate::sdp::{Connection, Direction, Media};
use crate::text::{find, is_space, offset_in, trim, trim_end};

/// The most streams (m= lines) accepted.
pub const MAX_STREAMS: usize = 64;
/// Audio and video: what most calls have, taken in one small allocation.
const USUAL_STREAMS: usize = 2;
/// What a description with more streams is given next.
const MORE_STREAMS: usize = 6;

/// A session description: pieces of the original text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session<'a> {
    /// The whole text that was parsed.
    pub text: &'a [u8],
    /// The first o= line, without its line end.
    pub origin_line: Option<&'a [u8]>,
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
        let mut session = Session {
            text,
            origin_line: None,
            connection: None,
            direction: None,
            ice_credentials: false,
            bundles: Vec::new(),
            loop_marker: false,
            media: Vec::with_capacity(USUAL_STREAMS),
        };
        let mut section = Section::default();
        for line in Lines::new(text) {
            // As most lines are.
            if let Some(attribute) = line.strip_prefix(b"a=") {
                session.attribute(attribute, line, &mut section);
                continue;
            }
            let Some(([kind, b'='], value)) = line.split_first_chunk() else { continue };
            match kind {
                b'm' => {
                    let start = offset_in(text, line).unwrap_or_default();
                    session.close(&section, start);
                    section = Section { start, ..Section::default() };
                    session.open(without_line_end(value), line)?;
                }
                b'c' => session.connect(without_line_end(value), line)?,
                b'i' => session.title(&section, line),
                b'o' if session.media.is_empty() => {
                    session.origin_line.get_or_insert(without_line_end(line));
                }
                _ => {}
            }
        }
        session.close(&section, text.len());
        Ok(session)
    }

    /// The address in the o= line, its last three words: `None` in a line too
    /// short for one. User names with spaces exist.
    pub fn origin(&self) -> Option<Connection<'a>> {
        let line = self.origin_line?;
        let mut words = trim(line).rsplit(|byte| is_space(*byte)).filter(|word| !word.is_empty());
        let start = offset_in(line, words.nth(2)?)?;
        Connection::parse(line.get(start..)?, line).filter(Connection::is_internet)
    }

    /// The connection that holds for a stream: its own c=, else the session's.
    pub fn connection_of(&self, media: &Media<'a>) -> Option<Connection<'a>> {
        media.connection.or(self.connection)
    }

    /// The direction that holds for a stream; sendrecv when none is said.
    pub fn direction_of(&self, media: &Media<'a>) -> Direction {
        media.direction.or(self.direction).unwrap_or_default()
    }

    /// An m= line: a new stream.
    fn open(&mut self, value: &'a [u8], line: &'a [u8]) -> Result<()> {
        if self.media.len() >= MAX_STREAMS {
            let number = self.number_of(line);
            let text = format!("SDP line {number}: more than {MAX_STREAMS} streams (m= lines)");
            return Err(Error::limit(text));
        }
        let mut media = Media::parse(value).map_err(|reason| {
            Error::syntax(format!("SDP line {}: m= line with {reason}", self.number_of(line)))
        })?;
        media.head = line;
        if self.media.len() == USUAL_STREAMS {
            self.media.reserve(MORE_STREAMS);
        }
        self.media.push(media);
        Ok(())
    }

    /// The number of a line, from 1, for error texts.
    fn number_of(&self, line: &[u8]) -> usize {
        let before = offset_in(self.text, line).and_then(|start| self.text.get(..start));
        before.unwrap_or_default().iter().filter(|byte| **byte == b'\n').count() + 1
    }

    /// The end of a section: what belonged together in it.
    fn close(&mut self, section: &Section, end: usize) {
        let credentials = section.ufrag && section.password;
        match self.media.last_mut() {
            Some(media) => {
                media.text = self.text.get(section.start..end).unwrap_or_default();
                media.ice.credentials = credentials;
            }
            None => self.ice_credentials = credentials,
        }
    }

    /// A c= line. A stream may have several, the session has one.
    fn connect(&mut self, value: &'a [u8], line: &'a [u8]) -> Result<()> {
        let connection = Connection::parse(value, without_line_end(line)).ok_or_else(|| {
            Error::syntax(format!(
                "SDP line {}: c= line without network type, address type and address",
                self.number_of(line)
            ))
        })?;
        match self.media.last_mut() {
            None => _ = self.connection.get_or_insert(connection),
            Some(media) if media.connection.is_none() => media.connection = Some(connection),
            Some(media) => media.more_connections.push(connection),
        }
        Ok(())
    }

    /// An i= line belongs to the stream's head when it follows the m= line,
    /// which is the only place it may have (RFC 8866 9).
    fn title(&mut self, section: &Section, line: &'a [u8]) {
        let Some(media) = self.media.last_mut() else { return };
        let start = section.start.checked_add(media.head.len());
        if start.is_some() && start == offset_in(self.text, line) {
            let end = media.head.len().saturating_add(line.len());
            let from = self.text.get(section.start..).unwrap_or_default();
            media.head = from.get(..end).unwrap_or(media.head);
        }
    }

    /// An a= line, all of it behind the `=`. Names are case-sensitive (RFC 8866
    /// 5.13). The first letters tell that most (rtpmap, fmtp, crypto, ...) say
    /// nothing of addresses.
    #[inline]
    fn attribute(&mut self, value: &'a [u8], line: &'a [u8], section: &mut Section) {
        let Some(key) = value.first_chunk() else { return };
        match key {
            b"can" | b"rtc" | b"mid" | b"rem" => {
                if let Some(media) = self.media.last_mut() {
                    stream_attribute(media, key, value, line);
                }
            }
            b"sen" | b"rec" | b"ina" => self.direct(trim(value)),
            b"ice" => {
                section.ufrag |= has_value(value, b"ice-ufrag:");
                section.password |= has_value(value, b"ice-pwd:");
            }
            b"nor" => self.loop_marker |= trim(value) == b"nortpproxy:yes",
            b"gro" => self.group(without_line_end(value)),
            _ => {}
        }
    }

    /// A direction, for the stream or for all that have none of their own.
    fn direct(&mut self, name: &[u8]) {
        let direction = match name {
            b"sendrecv" => Direction::SendRecv,
            b"sendonly" => Direction::SendOnly,
            b"recvonly" => Direction::RecvOnly,
            b"inactive" => Direction::Inactive,
            _ => return,
        };
        let place = match self.media.last_mut() {
            Some(media) => &mut media.direction,
            None => &mut self.direction,
        };
        place.get_or_insert(direction);
    }

    /// a=group:BUNDLE (RFC 9143 7.2) above the streams; other groups do not
    /// matter here.
    fn group(&mut self, text: &'a [u8]) {
        if let Some(mids) = text.strip_prefix(b"group:BUNDLE ")
            && self.media.is_empty()
        {
            self.bundles.push(trim(mids));
        }
    }
}

/// What stands only below an m= line; `key` are its first letters.
fn stream_attribute<'a>(media: &mut Media<'a>, key: &[u8; 3], text: &'a [u8], line: &'a [u8]) {
    match key {
        b"can" => {
            if let Some(value) = text.strip_prefix(b"candidate:") {
                media.ice.candidate(value, line);
            }
        }
        b"rtc" => {
            if let Some(value) = text.strip_prefix(b"rtcp:") {
                let (value, line) = (without_line_end(value), without_line_end(line));
                match Rtcp::parse(value, line) {
                    Some(rtcp) if media.rtcp.is_none() => media.rtcp = Some(rtcp),
                    Some(rtcp) => media.more_rtcp.push(rtcp),
                    None => {}
                }
            } else if trim_end(text) == b"rtcp-mux" {
                media.rtcp_mux = true;
            }
        }
        b"mid" => {
            if let Some(value) = text.strip_prefix(b"mid:") {
                media.mid.get_or_insert(trim(value));
            }
        }
        _ => media.ice.remote_candidates |= text.starts_with(b"remote-candidates:"),
    }
}

fn has_value<const N: usize>(text: &[u8], name: &[u8; N]) -> bool {
    text.strip_prefix(name).is_some_and(|value| !trim(value).is_empty())
}

/// The session level or one stream, while it is read.
#[derive(Default)]
struct Section {
    /// Where it starts in the text.
    start: usize,
    /// a=ice-ufrag was there.
    ufrag: bool,
    /// a=ice-pwd was there.
    password: bool,
}

/// The lines of a description, line ends included: CRLF or LF, after the last
/// one either or nothing.
pub(super) struct Lines<'a>(&'a [u8]);

impl<'a> Lines<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        Lines(text)
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        if self.0.is_empty() {
            return None;
        }
        let end = find(b'\n', self.0).map_or(self.0.len(), |at| at + 1);
        let (line, rest) = self.0.split_at_checked(end)?;
        self.0 = rest;
        Some(line)
    }
}

/// A line, or the end of one, without its CRLF or LF.
pub(super) fn without_line_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}
