//! Header lines: names, compact forms (RFC 3261 7.3.3), folding (7.3.1).

use crate::bytes;

/// The headers this library reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[allow(missing_docs)]
pub enum HeaderName {
    Via,
    Contact,
    From,
    To,
    CallId,
    CSeq,
    UserAgent,
    Server,
    ContentType,
    ContentLength,
    ContentDisposition,
    ContentEncoding,
}

impl HeaderName {
    /// The name as RFC 3261 writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            HeaderName::Via => "Via",
            HeaderName::Contact => "Contact",
            HeaderName::From => "From",
            HeaderName::To => "To",
            HeaderName::CallId => "Call-ID",
            HeaderName::CSeq => "CSeq",
            HeaderName::UserAgent => "User-Agent",
            HeaderName::Server => "Server",
            HeaderName::ContentType => "Content-Type",
            HeaderName::ContentLength => "Content-Length",
            HeaderName::ContentDisposition => "Content-Disposition",
            HeaderName::ContentEncoding => "Content-Encoding",
        }
    }

    /// Parses a name, long or compact, in upper or lower case.
    pub fn parse(name: &[u8]) -> Option<HeaderName> {
        let candidates: &[HeaderName] = match name.len() {
            1 => return Self::parse_compact(*name.first()?),
            2 => &[HeaderName::To],
            3 => &[HeaderName::Via],
            4 => &[HeaderName::From, HeaderName::CSeq],
            6 => &[HeaderName::Server],
            7 => &[HeaderName::Contact, HeaderName::CallId],
            10 => &[HeaderName::UserAgent],
            12 => &[HeaderName::ContentType],
            14 => &[HeaderName::ContentLength],
            16 => &[HeaderName::ContentEncoding],
            19 => &[HeaderName::ContentDisposition],
            _ => return None,
        };
        candidates.iter().copied().find(|it| it.as_str().as_bytes().eq_ignore_ascii_case(name))
    }

    fn parse_compact(letter: u8) -> Option<HeaderName> {
        Some(match letter.to_ascii_lowercase() {
            b'v' => HeaderName::Via,
            b'm' => HeaderName::Contact,
            b'f' => HeaderName::From,
            b't' => HeaderName::To,
            b'i' => HeaderName::CallId,
            b'c' => HeaderName::ContentType,
            b'l' => HeaderName::ContentLength,
            b'e' => HeaderName::ContentEncoding,
            _ => return None,
        })
    }

    /// The bit of this name in a set of names.
    pub(crate) fn bit(self) -> u16 {
        1 << self as u16
    }

    /// The number of names; as numbers, they are the indices below it.
    pub(crate) const COUNT: usize = 12;
}

/// One header field of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// The name of the header.
    pub name: HeaderName,
    /// The value without surrounding white space, a slice of the message; a
    /// folded value keeps the line ends inside.
    pub value: &'a [u8],
}

/// One line of the header block, with its folded continuation lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line<'a> {
    /// The kind of the line.
    pub(crate) kind: LineKind<'a>,
    /// The text after the line.
    pub(crate) after: &'a [u8],
}

/// The kind of a line of the header block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LineKind<'a> {
    /// The empty line that ends the block.
    Empty,
    /// The message ended without an empty line.
    Missing,
    /// A header this library reads. The value is not trimmed.
    Known(HeaderName, &'a [u8]),
    /// The name of a header this library reads, without a colon after it.
    Unreadable(HeaderName),
    /// Any other header, or a line that is not a header.
    Other,
}

/// Parses the line at the start of `text`.
#[inline(always)]
pub(crate) fn read_line(text: &[u8]) -> Line<'_> {
    match beginning(text) {
        Beginning::Name(name, value) => {
            let (value, after) = folded_line(value);
            Line { kind: LineKind::Known(name, value), after }
        }
        Beginning::Foreign => {
            let (_, after) = folded_line(text);
            Line { kind: LineKind::Other, after }
        }
        Beginning::Unclear => read_unclear(text),
    }
}

/// The kind of a line, from its first bytes.
enum Beginning<'a> {
    /// A header this library reads, spelled as in RFC 3261, and the text after
    /// its colon.
    Name(HeaderName, &'a [u8]),
    /// Any other header.
    Foreign,
    /// The first bytes are not enough.
    Unclear,
}

/// Recognises a line by its first bytes, which is enough for nearly all headers:
/// the line need not be searched for a colon.
#[inline(always)]
fn beginning(line: &[u8]) -> Beginning<'_> {
    let Some(two) = line.first_chunk() else { return Beginning::Unclear };
    let (name, value) = match two {
        b"Vi" => (HeaderName::Via, line.strip_prefix(b"Via:")),
        b"Fr" => (HeaderName::From, line.strip_prefix(b"From:")),
        b"To" => (HeaderName::To, line.strip_prefix(b"To:")),
        b"CS" => (HeaderName::CSeq, line.strip_prefix(b"CSeq:")),
        b"Ca" => (HeaderName::CallId, line.strip_prefix(b"Call-ID:")),
        b"Co" => match line.get(7) {
            Some(b':') => (HeaderName::Contact, line.strip_prefix(b"Contact:")),
            _ => match line.strip_prefix(b"Content-Type:") {
                None => (HeaderName::ContentLength, line.strip_prefix(b"Content-Length:")),
                value => (HeaderName::ContentType, value),
            },
        },
        b"Us" => (HeaderName::UserAgent, line.strip_prefix(b"User-Agent:")),
        // Session-Expires is more frequent than Server.
        b"Se" if !matches!(line.get(2), Some(b'r' | b'R')) => return Beginning::Foreign,
        b"Se" => (HeaderName::Server, line.strip_prefix(b"Server:")),
        [first, second] if is_foreign(*first, *second) => return Beginning::Foreign,
        _ => return Beginning::Unclear,
    };
    value.map_or(Beginning::Unclear, |value| Beginning::Name(name, value))
}

/// True when no name this library reads, long or compact, in upper or lower case,
/// starts with these bytes.
#[inline]
fn is_foreign(first: u8, second: u8) -> bool {
    /// The first letters of the long names; bit 1 is `a`.
    const LONG: u32 = 1 << 3 | 1 << 6 | 1 << 19 | 1 << 20 | 1 << 21 | 1 << 22;
    let compact = second == b':' || second <= b' ';
    let letter = first | 0x20;
    letter.is_ascii_lowercase()
        && !compact
        && (LONG >> (letter & 0x1f) & 1 == 0
            || match letter {
                b'c' => !matches!(second | 0x20, b'o' | b'a' | b's'),
                b'f' => second | 0x20 != b'r',
                b's' => second | 0x20 != b'e',
                b't' => second | 0x20 != b'o',
                b'u' => second | 0x20 != b's',
                _ => second | 0x20 != b'i',
            })
}

/// A line with its continuation lines (RFC 3261 7.3.1: they start with a space
/// or a tab) and its line end, and the text after it.
#[inline]
fn folded_line(text: &[u8]) -> (&[u8], &[u8]) {
    let mut from = text;
    while let Some(after) = bytes::find(b'\n', from).and_then(|end| from.get(end + 1..)) {
        if !matches!(after, [b' ' | b'\t', ..]) {
            return text.split_at_checked(text.len() - after.len()).unwrap_or((text, b""));
        }
        from = after;
    }
    (text, b"")
}

fn read_unclear(text: &[u8]) -> Line<'_> {
    match text {
        [] => Line { kind: LineKind::Missing, after: text },
        [b'\n', after @ ..] | [b'\r', b'\n', after @ ..] => Line { kind: LineKind::Empty, after },
        [first, ..] => {
            let (line, after) = folded_line(text);
            let kind = match first.is_ascii_alphabetic() {
                true => classify_whole(line),
                false => LineKind::Other,
            };
            Line { kind, after }
        }
    }
}

/// Classifies a line whose name may be followed by white space or by no colon.
fn classify_whole(line: &[u8]) -> LineKind<'_> {
    let (before, value) = match bytes::find(b':', line).and_then(|at| line.split_at_checked(at)) {
        Some((before, from_colon)) => (before, from_colon.get(1..)),
        None => (line, None),
    };
    let before = bytes::trim_end(before);
    match (HeaderName::parse(before), value) {
        (Some(name), Some(value)) => LineKind::Known(name, value),
        _ => without_colon(before),
    }
}

/// The value of a whole line with this name, in upper or lower case; not trimmed.
pub(crate) fn value_of<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let start = line.get(..name.len())?;
    let rest = bytes::trim_start(line.get(name.len()..)?);
    rest.strip_prefix(b":").filter(|_| start.eq_ignore_ascii_case(name))
}

/// Classifies a line such as `Contact <sip:...`: a name, white space, no colon. A
/// single letter is not taken as a compact name.
fn without_colon(line: &[u8]) -> LineKind<'static> {
    let end = line.iter().position(|b| bytes::is_space(*b)).unwrap_or(line.len());
    let word = line.get(..end).unwrap_or_default();
    let long = word.len() > 1;
    HeaderName::parse(word).filter(|_| long).map_or(LineKind::Other, LineKind::Unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_names_parse_long_and_compact_in_any_case() {
        for (text, name) in [
            ("Via", HeaderName::Via),
            ("v", HeaderName::Via),
            ("CONTACT", HeaderName::Contact),
            ("M", HeaderName::Contact),
            ("from", HeaderName::From),
            ("f", HeaderName::From),
            ("tO", HeaderName::To),
            ("t", HeaderName::To),
            ("call-id", HeaderName::CallId),
            ("i", HeaderName::CallId),
            ("cseq", HeaderName::CSeq),
            ("user-agent", HeaderName::UserAgent),
            ("Server", HeaderName::Server),
            ("content-type", HeaderName::ContentType),
            ("c", HeaderName::ContentType),
            ("CONTENT-LENGTH", HeaderName::ContentLength),
            ("L", HeaderName::ContentLength),
            ("Content-Disposition", HeaderName::ContentDisposition),
            ("content-ENCODING", HeaderName::ContentEncoding),
            ("E", HeaderName::ContentEncoding),
        ] {
            assert_eq!(HeaderName::parse(text.as_bytes()), Some(name), "{text}");
            assert!((name as usize) < HeaderName::COUNT);
        }
        for text in ["", "s", "u", "Vias", "Contac", "Call_ID", "Content-Lengtt", "Record-Route"] {
            assert_eq!(HeaderName::parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn read_line_fast_path_agrees_with_classify_whole() {
        let names = "Via VIA v From f Fromage To t Toto CSeq cseq CSequence Call-ID CALL-ID Call-Info \
                     Contact contact Contacts Content-Type content-type Content-Typ Content-Length \
                     Content-Encoding CONTENT-encoding Content-Encode e E Event Content-Disposition c l m i User-Agent USER-AGENT User Us u \
                     Server SERVER SeRver Serve Session-Expires Se s Subject Supported Max-Forwards \
                     Allow Record-Route X 1 -";
        for name in names.split_ascii_whitespace() {
            for tail in [": a:b\r\n", ":\n", " \t: a\r\n b\r\n", " a\r\n", "\r\n", ":", ""] {
                let line = format!("{name}{tail}");
                let wanted = match name.starts_with(|first: char| first.is_ascii_alphabetic()) {
                    true => classify_whole(line.as_bytes()),
                    false => LineKind::Other,
                };
                assert_eq!(read_line(line.as_bytes()), Line { kind: wanted, after: b"" }, "{line}");
            }
        }
    }

    #[test]
    fn read_line_handles_line_ends_and_folding() {
        let kind = |text: &'static str| {
            let line = read_line(text.as_bytes());
            (line.kind, text.len() - line.after.len())
        };
        assert_eq!(kind("Via: a\r\nb"), (LineKind::Known(HeaderName::Via, b" a\r\n"), 8));
        assert_eq!(kind("Via: a\nb"), (LineKind::Known(HeaderName::Via, b" a\n"), 7));
        assert_eq!(kind("Via: a"), (LineKind::Known(HeaderName::Via, b" a"), 6));
        assert_eq!(
            kind("v \t:a\r\n b\n\tc\r\nd"),
            (LineKind::Known(HeaderName::Via, b"a\r\n b\n\tc\r\n"), 14)
        );
        assert_eq!(kind("TO :\n x\n"), (LineKind::Known(HeaderName::To, b"\n x\n"), 8));
        assert_eq!(kind("\r\nx"), (LineKind::Empty, 2));
        assert_eq!(kind("\nx"), (LineKind::Empty, 1));
        assert_eq!(kind(""), (LineKind::Missing, 0));
        assert_eq!(kind("\rx\n"), (LineKind::Other, 3));
        assert_eq!(kind("Via SIP/2.0/UDP a:5060\r\n"), (LineKind::Unreadable(HeaderName::Via), 24));
        assert_eq!(kind("Contact"), (LineKind::Unreadable(HeaderName::Contact), 7));
        assert_eq!(kind("t 0 0\r\n"), (LineKind::Other, 7));
        assert_eq!(kind("Foobar roobar\n"), (LineKind::Other, 14));
        assert_eq!(kind("Viable: 1\n"), (LineKind::Other, 10));
        assert_eq!(kind(": x\n"), (LineKind::Other, 4));
    }
}
