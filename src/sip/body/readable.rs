//! Whether the SDP of a body is all that was announced. What cannot be read must not
//! pass for a message without SDP.

use crate::bytes::is_space;
use crate::error::{Error, Result};
use crate::sip::body::{is_verbatim, several_types};
use crate::sip::{HeaderName, Message, StartLine};

/// Checks that the SDP that was found in `body` is whole and not encoded. Whether its
/// lines can be read is for `Session::parse`.
pub(super) fn check_sdp(message: &Message<'_>, body: &[u8], sdp: &[u8]) -> Result<()> {
    if goes_on(body, beyond(message, body)?) {
        return Err(Error::syntax("Content-Length: the SDP goes on after it"));
    }
    if !sdp.starts_with(b"v=") {
        // No header of SIP, but some copy it from mail.
        for encoding in message.other_headers(b"Content-Transfer-Encoding") {
            if !is_verbatim(encoding?) {
                return Err(Error::syntax("Content-Transfer-Encoding: SDP that is encoded"));
            }
        }
    }
    Ok(())
}

/// Checks that a message in which no SDP was found announces none, by `content_type` or
/// in a header line that cannot be read.
#[cold]
pub(super) fn check_none(
    message: &Message<'_>,
    body: &[u8],
    content_type: Option<&[u8]>,
) -> Result<()> {
    let headers = message.raw().get(..message.body_offset()?).unwrap_or_default();
    if has_bare_cr(headers) && announces_sdp(headers) {
        return Err(Error::syntax("the message has lines that end in CR alone"));
    }
    let Some(content_type) = content_type else { return Ok(()) };
    for header in message.headers(HeaderName::ContentType).skip(1) {
        if announces_sdp(header?.value) && !body.is_empty() {
            return Err(several_types());
        }
    }
    if !announces_sdp(content_type) {
        return Ok(());
    }
    // With Content-Length, Message::body has found that the body is shorter.
    if !message.has_body_part()? && message.header(HeaderName::ContentLength)?.is_none() {
        return Err(Error::syntax("SDP is announced, and no empty line ends the headers"));
    }
    if has_bare_cr(body) && announces_sdp(body) {
        return Err(Error::syntax("the body has lines that end in CR alone"));
    }
    let beyond = beyond(message, body)?;
    let is_multipart = content_type.get(..1).is_some_and(|first| first.eq_ignore_ascii_case(b"m"));
    if goes_on(body, beyond) || is_multipart && announces_sdp(beyond) {
        return Err(Error::syntax("Content-Length: the body goes on after it"));
    }
    Ok(())
}

/// The bytes after the body. They are ignored (RFC 3261 18.3), unless the body goes on
/// in them.
fn beyond<'a>(message: &Message<'a>, body: &[u8]) -> Result<&'a [u8]> {
    let end = message.body_offset()?.saturating_add(body.len());
    Ok(message.raw().get(end..).unwrap_or_default())
}

/// True when `beyond` continues the last line of `body`, or starts with a line of SDP
/// or a boundary.
fn goes_on(body: &[u8], beyond: &[u8]) -> bool {
    if beyond.is_empty() {
        return false;
    }
    let is_padding = |byte: &u8| is_space(*byte) || *byte == 0;
    let at_line_start =
        matches!(body, [] | [.., b'\n']) || matches!(beyond, [b'\r' | b'\n' | 0, ..]);
    let start = beyond.iter().position(|byte| !is_padding(byte)).unwrap_or(beyond.len());
    let rest = beyond.get(start..).unwrap_or_default();
    match rest {
        [] => false,
        [b'a'..=b'z', b'=', ..] | [b'-', b'-', ..] => true,
        _ => {
            let line = rest.split(|byte| *byte == b'\n').next().unwrap_or_default();
            !at_line_start && StartLine::parse(line).is_none()
        }
    }
}

/// True when a line that has text after it ends in CR alone.
pub(super) fn has_bare_cr(text: &[u8]) -> bool {
    let after = text.get(1..).unwrap_or_default();
    text.iter().zip(after).any(|(byte, next)| *byte == b'\r' && next.is_ascii_graphic())
}

/// True for the bytes of a token (RFC 3261 25.1).
pub(super) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&byte)
}

/// True when the text has a media type that is SDP or may hold one.
pub(super) fn announces_sdp(text: &[u8]) -> bool {
    let slashes = memchr::memchr_iter(b'/', text);
    slashes.filter_map(|at| text.split_at_checked(at)).any(|(before, from)| {
        let before = crate::bytes::trim_end(before);
        let after = crate::bytes::trim_start(from.get(1..).unwrap_or_default());
        let ends_in = |word: &[u8]| {
            let start = before.len().checked_sub(word.len());
            start.and_then(|start| before.split_at_checked(start)).is_some_and(|(left, end)| {
                end.eq_ignore_ascii_case(word) && !left.last().is_some_and(|byte| is_token(*byte))
            })
        };
        let sdp = after.get(..3).is_some_and(|word| word.eq_ignore_ascii_case(b"sdp"))
            && !after.get(3).is_some_and(|byte| is_token(*byte));
        ends_in(b"multipart") || ends_in(b"application") && sdp
    })
}
