//! Finds the SDP in a message's body: the whole body, or the first SDP part of a
//! multipart/* (RFC 2046, RFC 5621), also a nested one.

mod readable;

use crate::bytes::{find, is_space, trim};
use crate::error::{Error, Result};
use crate::sip::{HeaderName, Message};

/// The deepest nesting of multiparts accepted.
pub const MAX_DEPTH: usize = 8;

/// The SDP of a message, a slice of its body. `Ok(None)` when there is no body or
/// no application/sdp in it. A body without Content-Type counts as SDP if it
/// starts with `v=`, as in SER's mediaproxy module. A part with a disposition
/// other than session does not count.
///
/// A part without Content-Type is text (RFC 2046 5.1). The last part of a
/// multipart without closing boundary ends at the end of the body. Bytes beyond
/// Content-Length are not body (RFC 3261 18.3).
///
/// # Errors
/// `Status::Syntax` for a multipart without boundary, and for SDP that is announced
/// but cannot be read: it is encoded (Content-Encoding other than identity, RFC 3261
/// 20.12; in a part also Content-Transfer-Encoding), it is hidden by lines that end in
/// CR alone, or it goes on beyond Content-Length. `Status::Limit` for a multipart nested
/// deeper than [`MAX_DEPTH`]. The errors of [`Message::body`].
pub fn find_sdp<'a>(message: &Message<'a>) -> Result<Option<&'a [u8]>> {
    let body = message.body()?;
    let Some(content_type) = message.header(HeaderName::ContentType)? else {
        let found = Some(body).filter(|body| body.starts_with(b"v="));
        match found {
            Some(sdp) => readable::check_sdp(message, body, sdp)?,
            None if body.is_empty() => {}
            None => readable::check_none(message, body, None)?,
        }
        return Ok(found);
    };
    let disposition = message.header(HeaderName::ContentDisposition)?;
    let entity = Entity {
        content_type: Some(content_type.value),
        has_other_sdp: false,
        disposition: disposition.map(|header| header.value),
        is_encoded: is_encoded(message)?,
        content: body,
    };
    match entity.find(0)? {
        Some(sdp) => readable::check_sdp(message, body, sdp).map(|()| Some(sdp)),
        None => {
            let announced = Some(content_type.value).filter(|_| entity.is_session());
            readable::check_none(message, body, announced).map(|()| None)
        }
    }
}

/// True when the body has a Content-Encoding other than identity.
fn is_encoded(message: &Message<'_>) -> Result<bool> {
    if message.header(HeaderName::ContentEncoding)?.is_none() {
        return Ok(false);
    }
    for header in message.headers(HeaderName::ContentEncoding) {
        if !is_identity(header?.value) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// True for a list of codings that has `identity` only.
fn is_identity(codings: &[u8]) -> bool {
    let mut codings = codings.split(|byte| *byte == b',').map(trim);
    codings.all(|coding| coding.is_empty() || coding.eq_ignore_ascii_case(b"identity"))
}

/// True for a Content-Transfer-Encoding that changes no byte (RFC 2045 6.2).
fn is_verbatim(encoding: &[u8]) -> bool {
    let verbatim: [&[u8]; 4] = [b"7bit", b"8bit", b"binary", b""];
    verbatim.iter().any(|known| known.eq_ignore_ascii_case(encoding))
}

/// A body, or a part of one, with its headers.
struct Entity<'a> {
    content_type: Option<&'a [u8]>,
    /// A further Content-Type is SDP or may hold SDP. Valid is one alone.
    has_other_sdp: bool,
    disposition: Option<&'a [u8]>,
    /// The content is encoded and cannot be read.
    is_encoded: bool,
    content: &'a [u8],
}

impl<'a> Entity<'a> {
    /// Parses a part: its headers, an empty line, its content. A part without
    /// empty line has no content.
    fn parse(part: &'a [u8]) -> Self {
        let mut entity = Entity {
            content_type: None,
            has_other_sdp: false,
            disposition: None,
            is_encoded: false,
            content: b"",
        };
        let mut rest = part;
        while let Some((line, after)) = header_line(rest) {
            rest = after;
            if line.is_empty() {
                entity.content = after;
                break;
            }
            let Some(colon) = find(b':', line) else { continue };
            let Some((name, value)) = line.split_at_checked(colon) else { continue };
            let (name, value) = (trim(name), value.get(1..).map(trim));
            // MIME has no compact names.
            if name.eq_ignore_ascii_case(b"Content-Type") {
                match entity.content_type {
                    Some(_) => entity.has_other_sdp |= value.is_some_and(readable::announces_sdp),
                    None => entity.content_type = value,
                }
            } else if name.eq_ignore_ascii_case(b"Content-Disposition") {
                entity.disposition = entity.disposition.or(value);
            } else if name.eq_ignore_ascii_case(b"Content-Encoding") {
                entity.is_encoded |= !value.is_none_or(is_identity);
            } else if name.eq_ignore_ascii_case(b"Content-Transfer-Encoding") {
                entity.is_encoded |= !value.is_none_or(is_verbatim);
            }
        }
        entity
    }

    /// The first SDP in it.
    fn find(&self, depth: usize) -> Result<Option<&'a [u8]>> {
        let Some(content_type) = self.content_type else { return Ok(None) };
        // Fast path.
        if content_type == b"application/sdp" {
            return self.sdp();
        }
        let (kind, subtype) = media_type(content_type);
        if kind.eq_ignore_ascii_case(b"application") && subtype.eq_ignore_ascii_case(b"sdp") {
            return self.sdp();
        }
        if self.content.is_empty() {
            return Ok(None);
        }
        if !kind.eq_ignore_ascii_case(b"multipart") {
            return self.check_other_types(content_type).map(|()| None);
        }
        if self.is_encoded {
            return Err(Error::syntax("Content-Encoding: a multipart that is encoded"));
        }
        if depth >= MAX_DEPTH {
            return Err(Error::limit(format!("multipart bodies nested deeper than {MAX_DEPTH}")));
        }
        let boundary = parameter(content_type, b"boundary")
            .filter(|boundary| !boundary.is_empty())
            .ok_or_else(|| Error::syntax("Content-Type: multipart without a boundary"))?;
        for part in (Parts { rest: self.content, boundary, started: false }) {
            if let Some(found) = Entity::parse(part).find(depth + 1)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Checks that content of another type is not SDP too: by a second Content-Type, or
    /// by one of a form that cannot be read, `text/plain, application/sdp`.
    fn check_other_types(&self, content_type: &[u8]) -> Result<()> {
        let end = find(b';', content_type).unwrap_or(content_type.len());
        let is_other = content_type.get(..end).is_some_and(readable::announces_sdp);
        if (is_other || self.has_other_sdp) && self.is_session() {
            return Err(several_types());
        }
        Ok(())
    }

    /// The content as SDP.
    fn sdp(&self) -> Result<Option<&'a [u8]>> {
        if !self.is_session() || self.content.is_empty() {
            return Ok(None);
        }
        if self.is_encoded {
            return Err(Error::syntax("Content-Encoding: SDP that is encoded"));
        }
        Ok(Some(self.content))
    }

    /// True for disposition session, the default for SDP (RFC 3261 20.11); false
    /// for others, such as early-session (RFC 3959).
    fn is_session(&self) -> bool {
        self.disposition.is_none_or(|disposition| {
            let end = find(b';', disposition).unwrap_or(disposition.len());
            disposition.get(..end).is_some_and(|kind| trim(kind).eq_ignore_ascii_case(b"session"))
        })
    }
}

#[cold]
fn several_types() -> Error {
    Error::syntax("Content-Type: SDP is announced, but not as the only type")
}

/// The parts of a multipart, without the line ends that belong to the
/// boundaries, preamble and epilogue (RFC 2046 5.1.1).
struct Parts<'a, 'b> {
    rest: &'a [u8],
    boundary: &'b [u8],
    started: bool,
}

/// The kind of a line of a multipart.
enum Mark {
    Content,
    Delimiter,
    Close,
}

impl<'a> Parts<'a, '_> {
    fn mark(&self, line: &[u8]) -> Mark {
        let after = line.strip_prefix(b"--").and_then(|line| line.strip_prefix(self.boundary));
        match after {
            Some(after) if after.starts_with(b"--") => Mark::Close,
            Some(after) if after.iter().all(|byte| is_space(*byte)) => Mark::Delimiter,
            _ => Mark::Content,
        }
    }
}

impl<'a> Iterator for Parts<'a, '_> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let whole = self.rest;
        let mut at = 0;
        while let Some((line, after)) = split_line(self.rest) {
            self.rest = after;
            match self.mark(line) {
                Mark::Content => at = whole.len().checked_sub(after.len())?,
                Mark::Delimiter if self.started => return without_line_end(whole.get(..at)?),
                Mark::Delimiter => {
                    self.started = true;
                    return self.next();
                }
                Mark::Close => {
                    self.rest = b"";
                    let part = whole.get(..at).filter(|_| self.started)?;
                    return without_line_end(part);
                }
            }
        }
        // The body ends without a closing boundary.
        let cut = self.started && !whole.is_empty();
        cut.then_some(whole)
    }
}

/// The first line, without its line end, and the rest; `None` at the end.
fn split_line(text: &[u8]) -> Option<(&[u8], &[u8])> {
    if text.is_empty() {
        return None;
    }
    let end = find(b'\n', text).map_or(text.len(), |at| at + 1);
    let (line, rest) = text.split_at_checked(end)?;
    Some((without_line_end(line)?, rest))
}

fn without_line_end(text: &[u8]) -> Option<&[u8]> {
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    Some(text.strip_suffix(b"\r").unwrap_or(text))
}

/// One header of a part with its folded lines (the line ends stay inside), and
/// the rest.
fn header_line(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let (line, mut rest) = split_line(text)?;
    if line.is_empty() {
        return Some((line, rest));
    }
    while rest.first().is_some_and(|byte| matches!(byte, b' ' | b'\t')) {
        rest = split_line(rest)?.1;
    }
    let end = text.len().checked_sub(rest.len())?;
    Some((without_line_end(text.get(..end)?)?, rest))
}

/// Type and subtype of a Content-Type value. SIP allows spaces around the slash
/// (RFC 3261 25.1). What follows the token of the subtype is ignored, also where it is no
/// parameter: `application/sdp charset=utf-8`.
fn media_type(value: &[u8]) -> (&[u8], &[u8]) {
    let end = find(b';', value).unwrap_or(value.len());
    let value = value.get(..end).unwrap_or_default();
    let slash = find(b'/', value).unwrap_or(value.len());
    let kind = value.get(..slash).unwrap_or_default();
    let subtype = value.get(slash..).and_then(|rest| rest.get(1..)).unwrap_or_default();
    let subtype = trim(subtype);
    let end = subtype.iter().position(|byte| !readable::is_token(*byte)).unwrap_or(subtype.len());
    let rest = subtype.get(end..).unwrap_or_default();
    // A line that ends in CR alone hides another header.
    let end = if readable::has_bare_cr(rest) { subtype.len() } else { end };
    (trim(kind), subtype.get(..end).unwrap_or_default())
}

/// The value of a parameter, without its quotes. Backslashes are not removed:
/// boundaries have no character that needs one (RFC 2046 5.1.1).
fn parameter<'a>(value: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let mut rest = value;
    loop {
        let start = unquoted(rest, b';')?.checked_add(1)?;
        rest = rest.get(start..)?;
        let end = unquoted(rest, b';').unwrap_or(rest.len());
        let parameter = rest.get(..end)?;
        let Some(equals) = find(b'=', parameter) else { continue };
        let (found, value) = parameter.split_at_checked(equals)?;
        if trim(found).eq_ignore_ascii_case(name) {
            let value = trim(value.get(1..)?);
            let inner = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
            return Some(inner.unwrap_or(value));
        }
    }
}

/// The offset of the first `wanted` outside quotes.
fn unquoted(text: &[u8], wanted: u8) -> Option<usize> {
    let mut quoted = false;
    let mut escaped = false;
    text.iter().position(|byte| {
        if escaped {
            escaped = false;
            return false;
        }
        match byte {
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ => return !quoted && *byte == wanted,
        }
        false
    })
}
