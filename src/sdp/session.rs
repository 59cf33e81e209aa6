//! The session level of a description, and its streams.

use crate::error::{Error, Result};
use crate::sdp::media::Rtcp;
use crate::sdp::{Connection, Direction, Media};
use crate::text::{find, is_space, offset_in, trim};

/// The most streams (m= lines) accepted.
pub const MAX_STREAMS: usize = 64;
/// Audio and video: what most calls have, taken in one small allocation.
const USUAL_STREAMS: usize = 2;

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
        let mut lines = Lines::new(text);
        while let Some(line) = lines.next_wanted() {
            let Some(([kind, b'='], value)) = line.text.split_first_chunk() else { continue };
            match kind {
                b'm' => {
                    session.close(&section, line.start);
                    section = Section { start: line.start, ..Section::default() };
                    session.open(value, &line)?;
                }
                b'c' => session.connect(value, &line)?,
                b'a' => session.attribute(value, &line, &mut section),
                b'i' => session.title(&section, &line),
                b'o' if session.media.is_empty() => {
                    session.origin_line.get_or_insert(line.text);
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
    fn open(&mut self, value: &'a [u8], line: &Line<'a>) -> Result<()> {
        if self.media.len() >= MAX_STREAMS {
            return Err(Error::limit(format!(
                "SDP line {}: more than {MAX_STREAMS} streams (m= lines)",
                line.number
            )));
        }
        let mut media = Media::parse(value).map_err(|reason| {
            Error::syntax(format!("SDP line {}: m= line with {reason}", line.number))
        })?;
        media.head = line.whole;
        self.media.push(media);
        Ok(())
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
    fn connect(&mut self, value: &'a [u8], line: &Line<'a>) -> Result<()> {
        let connection = Connection::parse(value, line.text).ok_or_else(|| {
            Error::syntax(format!(
                "SDP line {}: c= line without network type, address type and address",
                line.number
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
    fn title(&mut self, section: &Section, line: &Line<'a>) {
        let Some(media) = self.media.last_mut() else { return };
        if section.start.checked_add(media.head.len()) == Some(line.start) {
            let end = line.start.saturating_add(line.whole.len());
            media.head = self.text.get(section.start..end).unwrap_or(media.head);
        }
    }

    /// An a= line. Names are case-sensitive (RFC 8866 5.13).
    fn attribute(&mut self, text: &'a [u8], line: &Line<'a>, section: &mut Section) {
        let Some(key) = text.first_chunk() else { return };
        match key {
            b"sen" | b"rec" | b"ina" => self.direct(trim(text)),
            b"ice" => {
                section.ufrag |= has_value(text, b"ice-ufrag:");
                section.password |= has_value(text, b"ice-pwd:");
            }
            b"nor" => self.loop_marker |= trim(text) == b"nortpproxy:yes",
            b"rtc" | b"mid" | b"can" | b"rem" => {
                if let Some(media) = self.media.last_mut() {
                    stream_attribute(media, text, line);
                }
            }
            b"gro" => self.group(text),
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

/// What stands only below an m= line.
fn stream_attribute<'a>(media: &mut Media<'a>, text: &'a [u8], line: &Line<'a>) {
    if let Some(value) = text.strip_prefix(b"candidate:") {
        media.ice.candidate(value, line.whole);
    } else if let Some(value) = text.strip_prefix(b"rtcp:") {
        media.rtcp = media.rtcp.or_else(|| Rtcp::parse(value, line.text));
    } else if let Some(value) = text.strip_prefix(b"mid:") {
        media.mid.get_or_insert(trim(value));
    } else if trim(text) == b"rtcp-mux" {
        media.rtcp_mux = true;
    } else if text.starts_with(b"remote-candidates:") {
        media.ice.remote_candidates = true;
    }
}

fn has_value(text: &[u8], name: &[u8]) -> bool {
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

/// One line of a description.
pub(super) struct Line<'a> {
    /// From 1, for error texts.
    number: usize,
    /// Where it starts in the text.
    start: usize,
    /// Without its line end.
    pub(super) text: &'a [u8],
    /// With its line end.
    whole: &'a [u8],
}

/// The lines of a description: ended by CRLF or LF, the last one by either or
/// by the end of the text.
pub(super) struct Lines<'a> {
    rest: &'a [u8],
    number: usize,
    start: usize,
}

impl<'a> Lines<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        Lines { rest: text, number: 0, start: 0 }
    }
}

impl<'a> Lines<'a> {
    /// The next line that may say something here.
    pub(super) fn next_wanted(&mut self) -> Option<Line<'a>> {
        while !self.rest.is_empty() {
            let whole = self.rest;
            let end = find(b'\n', whole).map_or(whole.len(), |at| at + 1);
            let (whole, rest) = whole.split_at_checked(end)?;
            let start = self.start;
            self.rest = rest;
            self.number += 1;
            self.start += end;
            if is_wanted(whole) {
                let text = whole.strip_suffix(b"\n").unwrap_or(whole);
                let text = text.strip_suffix(b"\r").unwrap_or(text);
                return Some(Line { number: self.number, start, text, whole });
            }
        }
        None
    }
}

/// The first letters tell that most lines (v, s, t, b, and the attributes
/// rtpmap, fmtp, crypto, ...) say nothing of addresses.
fn is_wanted(line: &[u8]) -> bool {
    match line {
        [b'a', b'=', name @ ..] => match name.first_chunk() {
            Some(key) => match key {
                b"sen" | b"rec" | b"ina" | b"ice" | b"nor" | b"mid" | b"can" | b"rem" | b"gro" => {
                    true
                }
                b"rtc" => name.get(4) != Some(&b'-') || name.starts_with(b"rtcp-mux"),
                _ => false,
            },
            None => false,
        },
        [b'm' | b'c' | b'o' | b'i', ..] => true,
        _ => false,
    }
}
