//! SIP messages in a byte stream (RFC 3261 18.3): a start line, headers, and
//! as much body as Content-Length says; empty lines between them are pings.
//! A stream that speaks something else costs nothing.

use std::net::{Ipv4Addr, SocketAddr};

use mediaproxy::internals::bytes;
use mediaproxy::sip::message::MAX_MESSAGE;
use mediaproxy::sip::{HeaderName, Message, Source, Transport};

/// The longest method name, in bytes.
const MAX_METHOD: usize = 64;

/// One message found in a stream.
pub(crate) enum Found<'b> {
    /// A message.
    Message(&'b [u8]),
    /// The start of a message whose end was not found, and the reason.
    Broken(&'b [u8], &'static str),
}

/// The kind of the first bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Start {
    Sip,
    Other,
    /// Too few bytes to decide.
    Open,
}

/// One direction of a stream, cut into messages.
#[derive(Default)]
pub(crate) struct Framing {
    /// From the start of the message that is not complete yet.
    buffer: Vec<u8>,
    /// The number of bytes already searched for the end of the headers.
    searched: usize,
    /// The length of the message, once its headers are there.
    length: Option<usize>,
}

/// True when a datagram is a SIP message: its first line, after empty ones,
/// is a request or a reply of SIP/2.0.
pub(crate) fn is_sip(datagram: &[u8]) -> bool {
    let datagram = skip_empty_lines(datagram);
    let line = datagram.split(|byte| *byte == b'\n').next().unwrap_or_default();
    is_start_line(line)
}

impl Framing {
    /// The bytes held.
    pub(crate) fn held(&self) -> usize {
        self.buffer.len()
    }

    /// Takes the next bytes of the stream and gives the messages they complete.
    pub(crate) fn push(&mut self, data: &[u8], sink: &mut dyn FnMut(Found<'_>)) {
        let mut buffer = std::mem::take(&mut self.buffer);
        let known = buffer.len();
        buffer.extend_from_slice(data);
        let mut rest = buffer.as_slice();
        while !rest.is_empty() {
            let (used, lost) = match self.length {
                Some(length) => match rest.get(..length) {
                    Some(message) => {
                        sink(Found::Message(message));
                        (length, false)
                    }
                    None => break,
                },
                None => match self.start(rest, sink) {
                    Step::Wait => break,
                    Step::Go => continue,
                    Step::Skip(count) => (count, false),
                    Step::Lost => (rest.len(), true),
                },
            };
            // Bytes that may be the start of a line but are not must not hide a
            // message that starts with the next segment.
            let first_try = rest.len() == buffer.len() && known > 0;
            let used = if lost && first_try { known } else { used };
            self.searched = 0;
            self.length = None;
            rest = rest.get(used..).unwrap_or_default();
        }
        if rest.len() < buffer.len() {
            // The rest is moved to a buffer of its size.
            buffer = rest.to_vec();
        }
        self.buffer = buffer;
    }

    /// Bytes are missing here, or nothing more comes.
    pub(crate) fn gap(&mut self, sink: &mut dyn FnMut(Found<'_>)) {
        let complete_line = self.buffer.contains(&b'\n');
        if complete_line {
            sink(Found::Broken(&self.buffer, "the capture does not have its end"));
        }
        *self = Framing::default();
    }

    /// Reads bytes that may be the start of a message.
    fn start(&mut self, rest: &[u8], sink: &mut dyn FnMut(Found<'_>)) -> Step {
        let empty = rest.len() - skip_empty_lines(rest).len();
        if empty > 0 {
            return Step::Skip(empty);
        }
        if self.searched == 0 {
            match classify(rest) {
                Start::Sip => {}
                Start::Open => return Step::Wait,
                Start::Other => return Step::Lost,
            }
        }
        let Some(headers) = headers_end(rest, self.searched) else {
            if rest.len() > MAX_MESSAGE {
                sink(Found::Broken(rest, "its headers are longer than 64 KiB"));
                return Step::Lost;
            }
            self.searched = rest.len().saturating_sub(3).max(1);
            return Step::Wait;
        };
        let (head, after) = rest.split_at_checked(headers).unwrap_or((rest, b""));
        let body = match content_length(head) {
            Some(Length::Of(length)) => length,
            // RFC 3261 20.14 wants one in a stream. What came with the headers
            // is taken for the body.
            Some(Length::None) if is_sip(after) => 0,
            Some(Length::None) => after.len(),
            // The reader of the message says what is wrong with it.
            None => {
                sink(Found::Message(head));
                return Step::Lost;
            }
        };
        match headers.checked_add(body).filter(|length| *length <= MAX_MESSAGE) {
            Some(length) => {
                self.length = Some(length);
                Step::Go
            }
            None => {
                sink(Found::Broken(head, "it is longer than 64 KiB"));
                Step::Lost
            }
        }
    }
}

/// The next step, after the bytes received so far.
enum Step {
    /// More bytes are needed.
    Wait,
    /// The length is known now.
    Go,
    /// So many bytes are nothing.
    Skip(usize),
    /// This is no SIP; the next segment may be.
    Lost,
}

fn skip_empty_lines(bytes: &[u8]) -> &[u8] {
    let start = bytes.iter().position(|byte| !matches!(byte, b'\r' | b'\n'));
    bytes.get(start.unwrap_or(bytes.len())..).unwrap_or_default()
}

/// Classifies the first bytes of a stream.
fn classify(bytes: &[u8]) -> Start {
    let word = bytes.iter().take(MAX_METHOD + 1).position(|byte| *byte == b' ');
    let first = bytes.get(..word.unwrap_or(bytes.len().min(MAX_METHOD + 1))).unwrap_or_default();
    // A version has a slash, a method has none.
    if first.len() > MAX_METHOD || !first.iter().all(|byte| is_token(*byte) || *byte == b'/') {
        return Start::Other;
    }
    match memchr::memchr(b'\n', bytes) {
        Some(end) if is_start_line(bytes.get(..end).unwrap_or_default()) => Start::Sip,
        Some(_) => Start::Other,
        None if bytes.len() > MAX_MESSAGE => Start::Other,
        None => Start::Open,
    }
}

/// True for `METHOD SCHEME:... SIP/2.0` and `SIP/2.0 CODE REASON`.
fn is_start_line(line: &[u8]) -> bool {
    let line = line.trim_ascii_end();
    let Some((first, rest)) = split_word(line) else { return false };
    if first.eq_ignore_ascii_case(b"SIP/2.0") {
        let code = rest.split(|byte| *byte == b' ').next().unwrap_or_default();
        return code.len() == 3 && code.iter().all(u8::is_ascii_digit);
    }
    let Some(end) = rest.iter().rposition(|byte| *byte == b' ') else { return false };
    let version = rest.get(end + 1..).unwrap_or_default();
    let uri = rest.get(..end).unwrap_or_default().trim_ascii();
    first.len() <= MAX_METHOD
        && first.iter().all(|byte| is_token(*byte))
        && uri.contains(&b':')
        && version.eq_ignore_ascii_case(b"SIP/2.0")
}

/// The first word, not empty, and what is after the spaces behind it.
fn split_word(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = line.iter().position(|byte| *byte == b' ').filter(|end| *end > 0)?;
    let (word, rest) = line.split_at_checked(end)?;
    Some((word, rest.trim_ascii_start()))
}

/// RFC 3261 25.1: token.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&byte)
}

/// The first byte after the empty line; the search starts at `from`.
fn headers_end(bytes: &[u8], from: usize) -> Option<usize> {
    let tail = bytes.get(from..)?;
    for end in memchr::memchr_iter(b'\n', tail) {
        let after = tail.get(end + 1..)?;
        let length = match after {
            [b'\n', ..] => 1,
            [b'\r', b'\n', ..] => 2,
            _ => continue,
        };
        return Some(from + end + 1 + length);
    }
    None
}

enum Length {
    Of(usize),
    None,
}

/// The Content-Length of a message's headers; `None` when it cannot be read.
fn content_length(head: &[u8]) -> Option<Length> {
    let nowhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    let source = Source { address: nowhere, local: None, transport: Transport::Tcp };
    let message = Message::parse(head, source).ok()?;
    let mut found = Length::None;
    for header in message.headers(HeaderName::ContentLength) {
        let length = bytes::number(bytes::trim(header.ok()?.value))? as usize;
        if matches!(found, Length::Of(known) if known != length) {
            return None;
        }
        found = Length::Of(length);
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(pieces: &[&[u8]]) -> (Vec<Vec<u8>>, usize) {
        let mut framing = Framing::default();
        let mut whole = Vec::new();
        let mut broken = 0;
        let mut take = |found: Found<'_>| match found {
            Found::Message(message) => whole.push(message.to_vec()),
            Found::Broken(..) => broken += 1,
        };
        for piece in pieces {
            framing.push(piece, &mut take);
        }
        framing.gap(&mut take);
        (whole, broken)
    }

    const FIRST: &[u8] = b"SIP/2.0 200 OK\r\nl: 3\r\n\r\nabc";
    const SECOND: &[u8] = b"BYE sip:b SIP/2.0\nContent-Length:\n 0\n\n";

    #[test]
    fn any_split_gives_the_same_messages() {
        let stream = [b"\r\n\r\n", FIRST, b"\r\n\r\n", SECOND, FIRST].concat();
        let expected = (vec![FIRST.to_vec(), SECOND.to_vec(), FIRST.to_vec()], 0);
        assert_eq!(cut(&[&stream]), expected);
        for at in 0..stream.len() {
            let (a, b) = stream.split_at(at);
            assert_eq!(cut(&[a, b]), expected, "split at {at}");
        }
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        assert_eq!(cut(&bytes), expected);
    }

    #[test]
    fn a_stream_that_starts_inside_a_message_is_read_from_the_next() {
        assert_eq!(cut(&[b"ag=1\r\nTo: x", b" and more of it\r\n", FIRST]).0, [FIRST]);
        assert_eq!(cut(&[b"looks like the start of a line", FIRST]).0, [FIRST]);
    }

    #[test]
    fn other_protocols_give_nothing_and_hold_nothing() {
        for other in [
            &b"GET / HTTP/1.1\r\nHost: sip\r\n\r\n"[..],
            b"\x16\x03\x01\x02\x00",
            b"220 mail ESMTP SIP/2.0\r\n",
            b"SIP/2.0 OK\r\n\r\n",
        ] {
            let mut framing = Framing::default();
            framing.push(other, &mut |_| panic!("no message"));
            assert_eq!(framing.held(), 0, "{}", String::from_utf8_lossy(other));
        }
        assert!(!is_sip(b"\0\0\0\0") && !is_sip(b"\r\n\r\n") && !is_sip(b""));
    }

    #[test]
    fn a_message_without_content_length_ends_with_its_segment() {
        let message = b"MESSAGE sip:b SIP/2.0\r\nTo: b\r\n\r\nhello";
        assert_eq!(cut(&[message, FIRST]), (vec![message.to_vec(), FIRST.to_vec()], 0));
        let bodyless = b"MESSAGE sip:b SIP/2.0\r\nTo: b\r\n\r\n";
        assert_eq!(cut(&[&[bodyless, FIRST].concat()]).0, [&bodyless[..], FIRST]);
    }

    #[test]
    fn lengths_that_cannot_be_leave_the_stream_until_the_next_segment() {
        let two = b"BYE sip:b SIP/2.0\r\nl: 1\r\nl: 2\r\n\r\n";
        assert_eq!(cut(&[&[two, FIRST].concat(), FIRST]).0, [&two[..], FIRST]);
        let long = b"BYE sip:b SIP/2.0\r\nl: 70000\r\n\r\n";
        assert_eq!(cut(&[long, FIRST]), (vec![FIRST.to_vec()], 1));
        let endless = [&b"BYE sip:b SIP/2.0\r\nx: "[..], &vec![b'x'; 2 * MAX_MESSAGE]].concat();
        assert_eq!(cut(&[&endless, FIRST]), (vec![FIRST.to_vec()], 1));
    }
}
