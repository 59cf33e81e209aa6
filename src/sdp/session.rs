//! The session level of SDP, and its streams.

use crate::bytes::{self, is_space, offset_in, trim, trim_end};
use crate::error::{Error, Result};
use crate::sdp::lines::{for_each_line, without_line_end};
use crate::sdp::media::Rtcp;
use crate::sdp::{Connection, Direction, Media};

/// The most streams (m= lines) accepted.
pub const MAX_STREAMS: usize = 64;
/// Audio and video: most calls need no more, so the first allocation is small.
const USUAL_STREAMS: usize = 2;
/// About the length of a stream with ICE candidates.
const ICE_STREAM: usize = 1024;

/// Parsed SDP; all parts are slices of the original text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session<'a> {
    /// The whole text that was parsed.
    pub text: &'a [u8],
    /// The first o= line, without its line end.
    pub origin_line: Option<&'a [u8]>,
    /// The first session-level c= line.
    pub connection: Option<Connection<'a>>,
    /// Further session-level c= lines. RFC 8866 5.7 allows one; the addresses of all
    /// are rewritten, so that none bypasses the relay.
    pub more_connections: Vec<Connection<'a>>,
    /// The session-level direction attribute.
    pub direction: Option<Direction>,
    /// The session level has both a=ice-ufrag and a=ice-pwd.
    pub ice_credentials: bool,
    /// The mids of each a=group:BUNDLE line, as written.
    pub bundles: Vec<&'a [u8]>,
    /// True when any level has the line a=nortpproxy:yes.
    pub loop_marker: bool,
    /// The lines that name further addresses of streams.
    pub address_attributes: Vec<AddressAttribute<'a>>,
    /// The streams in order, those with port 0 included.
    pub media: Vec<Media<'a>>,
}

/// An attribute that names addresses of a stream: a=altc (RFC 6947),
/// a=source-filter (RFC 4570), or a=rtcp at the session level, where RFC 3605 does not
/// allow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressAttribute<'a> {
    /// The index of its stream; `None` at the session level.
    pub stream: Option<usize>,
    /// The line with its line end.
    pub line: &'a [u8],
}

impl<'a> Session<'a> {
    /// Parses SDP. Lines end in CRLF or LF; the last line may have no line end.
    /// Unknown lines are ignored.
    ///
    /// # Errors
    /// `Status::Limit` for a 65th stream; `Status::Syntax`, with the line
    /// number, for an m= or c= line that cannot be parsed; `Status::Syntax` also for a
    /// line that ends in CR only (RFC 8866 5: CRLF, and LF is accepted): the address in
    /// the line behind it would bypass the relay.
    pub fn parse(text: &'a [u8]) -> Result<Self> {
        let mut session = Session {
            text,
            origin_line: None,
            connection: None,
            more_connections: Vec::new(),
            direction: None,
            ice_credentials: false,
            bundles: Vec::new(),
            loop_marker: false,
            address_attributes: Vec::new(),
            media: match text.len() / ICE_STREAM {
                0..=USUAL_STREAMS => Vec::with_capacity(USUAL_STREAMS),
                streams => Vec::with_capacity(streams.min(MAX_STREAMS)),
            },
        };
        let mut section = Section::default();
        let cr_only = || Error::syntax("SDP with a line that ends in CR only");
        for_each_line(text, cr_only, |line| {
            // Fast path: most lines are attributes.
            if let Some(attribute) = line.strip_prefix(b"a=") {
                session.on_attribute(attribute, line, &mut section);
                return Ok(());
            }
            let Some(([kind, b'='], value)) = line.split_first_chunk() else { return Ok(()) };
            match kind {
                b'm' => {
                    let start = offset_in(text, line).unwrap_or_default();
                    session.finish_section(&section, start);
                    section = Section { start, ..Section::default() };
                    session.start_media(without_line_end(value), line)?;
                }
                b'c' => session.on_connection(without_line_end(value), line)?,
                b'i' => session.on_info(&section, line),
                b'o' if session.media.is_empty() => {
                    session.origin_line.get_or_insert(without_line_end(line));
                }
                _ => {}
            }
            Ok(())
        })?;
        session.finish_section(&section, text.len());
        Ok(session)
    }

    /// The address in the o= line: its last three words, since some user names
    /// have spaces. `None` when the line is too short.
    pub fn origin(&self) -> Option<Connection<'a>> {
        let line = self.origin_line?;
        let mut words = trim(line).rsplit(|byte| is_space(*byte)).filter(|word| !word.is_empty());
        let start = offset_in(line, words.nth(2)?)?;
        Connection::parse(line.get(start..)?, line, None).filter(Connection::is_internet)
    }

    /// The connection of a stream: its own c= line, else the session's.
    pub fn connection_of(&self, media: &Media<'a>) -> Option<Connection<'a>> {
        media.connection.or(self.connection)
    }

    /// True for a stream without an address yet (RFC 8840 4.1.1): port 9, and in each c=
    /// line 0.0.0.0 or `::`. One that names an address beside them, also in a=rtcp, is on
    /// hold.
    pub fn has_no_address_yet(&self, media: &Media<'a>) -> bool {
        if media.port != 9 {
            return false;
        }
        let (first, more) = match &media.connection {
            Some(_) => (&media.connection, &media.more_connections),
            None => (&self.connection, &self.more_connections),
        };
        let has_none = |at: &Connection<'_>| at.is_unspecified() && at.more_words().is_empty();
        let mut rtcp = media.rtcp.iter().chain(&media.more_rtcp);
        first.is_some()
            && first.iter().chain(more).all(has_none)
            && rtcp.all(|rtcp| match &rtcp.connection {
                Some(connection) => has_none(connection),
                None => bytes::port(rtcp.port_text).is_some(),
            })
    }

    /// The direction of a stream: its own, else the session's, else sendrecv.
    pub fn direction_of(&self, media: &Media<'a>) -> Direction {
        media.direction.or(self.direction).unwrap_or_default()
    }

    /// Adds the stream of an m= line.
    fn start_media(&mut self, value: &'a [u8], line: &'a [u8]) -> Result<()> {
        if self.media.len() >= MAX_STREAMS {
            let number = self.line_number(line);
            let text = format!("SDP line {number}: more than {MAX_STREAMS} streams (m= lines)");
            return Err(Error::limit(text));
        }
        if self.media.len() == USUAL_STREAMS {
            self.media.reserve_exact(self.expected_streams(line));
        }
        match Media::parse(value) {
            Ok(media) => self.media.push(Media { head: line, ..media }),
            Err(reason) => {
                let number = self.line_number(line);
                return Err(Error::syntax(format!("SDP line {number}: m= line with {reason}")));
            }
        }
        Ok(())
    }

    /// The number of streams from `line` on, if they are as long as those before.
    fn expected_streams(&self, line: &[u8]) -> usize {
        let at = offset_in(self.text, line).unwrap_or_default();
        let first = self.media.first().and_then(|media| offset_in(self.text, media.head));
        let each = at.saturating_sub(first.unwrap_or_default()) / USUAL_STREAMS;
        let expected = self.text.len().saturating_sub(at) / each.max(1);
        expected.clamp(1, MAX_STREAMS - USUAL_STREAMS)
    }

    /// The number of a line, counted from 1, for error texts.
    fn line_number(&self, line: &[u8]) -> usize {
        let before = offset_in(self.text, line).and_then(|start| self.text.get(..start));
        before.unwrap_or_default().iter().filter(|byte| **byte == b'\n').count() + 1
    }

    /// Stores what is known only at the end of a section: its text and whether
    /// it has ICE credentials.
    fn finish_section(&mut self, section: &Section, end: usize) {
        let credentials = section.ufrag && section.password;
        match self.media.last_mut() {
            Some(media) => {
                media.text = self.text.get(section.start..end).unwrap_or_default();
                media.ice.credentials = credentials;
            }
            None => self.ice_credentials = credentials,
        }
    }

    /// Stores a c= line, the first of its section apart from the others.
    // Apart, it leaves more registers to the other lines.
    #[inline(never)]
    fn on_connection(&mut self, value: &'a [u8], line: &'a [u8]) -> Result<()> {
        let like = match self.media.as_slice() {
            [.., before, _] => before.connection.as_ref(),
            _ => self.connection.as_ref(),
        };
        let connection =
            Connection::parse(value, without_line_end(line), like).ok_or_else(|| {
                Error::syntax(format!(
                    "SDP line {}: c= line without network type, address type and address",
                    self.line_number(line)
                ))
            })?;
        match self.media.last_mut() {
            None if self.connection.is_none() => self.connection = Some(connection),
            None => self.more_connections.push(connection),
            Some(media) if media.connection.is_none() => media.connection = Some(connection),
            Some(media) => media.more_connections.push(connection),
        }
        Ok(())
    }

    /// Adds an i= line to the stream's head when it follows the m= line, its only
    /// valid place (RFC 8866 9).
    fn on_info(&mut self, section: &Section, line: &'a [u8]) {
        let Some(media) = self.media.last_mut() else { return };
        let start = section.start.checked_add(media.head.len());
        if start.is_some() && start == offset_in(self.text, line) {
            let end = media.head.len().saturating_add(line.len());
            let from = self.text.get(section.start..).unwrap_or_default();
            media.head = from.get(..end).unwrap_or(media.head);
        }
    }

    /// Reads an a= line; `value` is its text after `a=`. Names are
    /// case-sensitive (RFC 8866 5.13). The first three letters are enough to
    /// skip most attributes (rtpmap, fmtp, crypto, ...).
    #[inline]
    fn on_attribute(&mut self, value: &'a [u8], line: &'a [u8], section: &mut Section) {
        let Some(key) = value.first_chunk() else { return };
        match key {
            b"can" | b"rtc" | b"mid" | b"rem" => {
                if let Some(media) = self.media.last_mut() {
                    on_media_attribute(media, key, value, line);
                } else if value.starts_with(b"rtcp:") {
                    self.address_attributes.push(AddressAttribute { stream: None, line });
                }
            }
            b"sen" | b"rec" | b"ina" => self.on_direction(trim(value)),
            b"ice" => {
                section.ufrag |= has_value(value, b"ice-ufrag:");
                section.password |= has_value(value, b"ice-pwd:");
            }
            b"nor" => self.loop_marker |= trim(value) == b"nortpproxy:yes",
            b"gro" => self.on_group(without_line_end(value)),
            b"alt" | b"sou" => self.on_address_attribute(value, line),
            _ => {}
        }
    }

    /// Stores a direction, for the stream or for the session level.
    fn on_direction(&mut self, name: &[u8]) {
        let direction = match name {
            b"sendrecv" => Direction::SendRecv,
            b"sendonly" => Direction::SendOnly,
            b"recvonly" => Direction::RecvOnly,
            b"inactive" => Direction::Inactive,
            _ => return,
        };
        let stored = match self.media.last_mut() {
            Some(media) => &mut media.direction,
            None => &mut self.direction,
        };
        stored.get_or_insert(direction);
    }

    /// Stores the line of an attribute that names addresses of streams.
    fn on_address_attribute(&mut self, value: &[u8], line: &'a [u8]) {
        if value.starts_with(b"altc:") || value.starts_with(b"source-filter:") {
            let stream = self.media.len().checked_sub(1);
            self.address_attributes.push(AddressAttribute { stream, line });
        }
    }

    /// Stores a session-level a=group:BUNDLE (RFC 9143 7.2); other groups are
    /// ignored.
    fn on_group(&mut self, text: &'a [u8]) {
        if let Some(mids) = text.strip_prefix(b"group:BUNDLE ")
            && self.media.is_empty()
        {
            self.bundles.push(trim(mids));
        }
    }
}

/// Reads an attribute that is valid only for a stream; `key` is its first three
/// letters.
fn on_media_attribute<'a>(media: &mut Media<'a>, key: &[u8; 3], text: &'a [u8], line: &'a [u8]) {
    match key {
        b"can" => {
            if let Some(value) = text.strip_prefix(b"candidate:") {
                media.ice.candidate(value, line);
            }
        }
        b"rtc" => {
            if let Some(value) = text.strip_prefix(b"rtcp:") {
                on_rtcp(media, without_line_end(value), without_line_end(line));
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

/// Stores an a=rtcp line, the first of its stream apart from the others.
#[inline(never)]
fn on_rtcp<'a>(media: &mut Media<'a>, value: &'a [u8], line: &'a [u8]) {
    match Rtcp::parse(value, line, media.connection.as_ref()) {
        Some(rtcp) if media.rtcp.is_none() => media.rtcp = Some(rtcp),
        Some(rtcp) => media.more_rtcp.push(rtcp),
        None => {}
    }
}

fn has_value<const N: usize>(text: &[u8], name: &[u8; N]) -> bool {
    text.strip_prefix(name).is_some_and(|value| !trim(value).is_empty())
}

/// The session level or one stream, while it is parsed.
#[derive(Default)]
struct Section {
    /// The offset of its start in the text.
    start: usize,
    /// The section has a=ice-ufrag.
    ufrag: bool,
    /// The section has a=ice-pwd.
    password: bool,
}
