//! Finding headers: names, compact forms (RFC 3261 7.3.3), folding (7.3.1).

use memchr::memchr;

use crate::text;

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
        }
    }

    /// Recognises a name, long or compact, in any case.
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
            _ => return None,
        })
    }

    /// How many there are: the names are the indices below it.
    pub(crate) const COUNT: usize = 11;
}

/// One header field of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// Which it is.
    pub name: HeaderName,
    /// The value without surrounding white space; a folded one keeps its line
    /// ends inside. A subslice of the message.
    pub value: &'a [u8],
}

/// One line of the header block, folds included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line<'a> {
    /// What the line is.
    pub(crate) kind: LineKind<'a>,
    /// Where the next line starts.
    pub(crate) next: usize,
}

/// What a line of the header block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LineKind<'a> {
    /// The empty line that ends the block.
    Empty,
    /// The message ended without one.
    Missing,
    /// A header this library reads. The value is not trimmed.
    Known(HeaderName, &'a [u8]),
    /// The name of one, but no colon after it.
    Unreadable(HeaderName),
    /// Any other header, or a line that is none.
    Other,
}

/// Reads the line that starts at `start`.
pub(crate) fn read_line(raw: &[u8], start: usize) -> Line<'_> {
    let rest = raw.get(start..).unwrap_or_default();
    let Some(first) = rest.first() else {
        return Line { kind: LineKind::Missing, next: raw.len() };
    };
    let line_end = match first {
        b'\n' => Some(1),
        b'\r' if rest.get(1) == Some(&b'\n') => Some(2),
        _ => None,
    };
    if let Some(length) = line_end {
        return Line { kind: LineKind::Empty, next: start.saturating_add(length) };
    }
    let length = folded_length(rest);
    let line = rest.get(..length).unwrap_or(rest);
    Line { kind: classify(line), next: start.saturating_add(length) }
}

/// The length of a line with its continuations (RFC 3261 7.3.1: the next line
/// starts with a space or a tab) and its line end.
fn folded_length(rest: &[u8]) -> usize {
    let mut length = 0usize;
    while let Some(end) = memchr(b'\n', rest.get(length..).unwrap_or_default()) {
        length = length.saturating_add(end).saturating_add(1);
        if !matches!(rest.get(length), Some(b' ' | b'\t')) {
            return length;
        }
    }
    rest.len()
}

fn classify(line: &[u8]) -> LineKind<'_> {
    if let Some((name, value)) = usual_spelling(line) {
        return LineKind::Known(name, value);
    }
    // Most other headers are not ours, and their first letters say so.
    let compact = line.get(1).is_some_and(|b| *b == b':' || text::is_space(*b));
    match line.first().map_or(0, u8::to_ascii_lowercase) {
        b'v' | b'f' | b't' | b'c' | b'u' | b's' => {}
        b'm' | b'i' | b'l' if compact => {}
        _ => return LineKind::Other,
    }
    let (before, value) = match memchr(b':', line).and_then(|at| line.split_at_checked(at)) {
        Some((before, from_colon)) => (before, from_colon.get(1..)),
        None => (line, None),
    };
    let before = text::trim(before);
    match (HeaderName::parse(before), value) {
        (Some(name), Some(value)) => LineKind::Known(name, value),
        _ => without_colon(before),
    }
}

/// A header written as RFC 3261 writes it, which nearly all are: found without
/// looking for the colon.
fn usual_spelling(line: &[u8]) -> Option<(HeaderName, &[u8])> {
    let is = |name, value: Option<_>| value.map(|value| (name, value));
    match line.first()? {
        b'V' => is(HeaderName::Via, line.strip_prefix(b"Via:")),
        b'F' => is(HeaderName::From, line.strip_prefix(b"From:")),
        b'T' => is(HeaderName::To, line.strip_prefix(b"To:")),
        b'U' => is(HeaderName::UserAgent, line.strip_prefix(b"User-Agent:")),
        b'S' => is(HeaderName::Server, line.strip_prefix(b"Server:")),
        b'C' => is(HeaderName::Contact, line.strip_prefix(b"Contact:"))
            .or_else(|| is(HeaderName::CSeq, line.strip_prefix(b"CSeq:")))
            .or_else(|| is(HeaderName::CallId, line.strip_prefix(b"Call-ID:")))
            .or_else(|| is(HeaderName::ContentType, line.strip_prefix(b"Content-Type:")))
            .or_else(|| is(HeaderName::ContentLength, line.strip_prefix(b"Content-Length:"))),
        _ => None,
    }
}

/// `Contact <sip:...`: a name of ours, white space, and then no colon. A single
/// letter proves nothing.
fn without_colon(line: &[u8]) -> LineKind<'static> {
    let end = line.iter().position(|b| text::is_space(*b)).unwrap_or(line.len());
    let word = line.get(..end).unwrap_or_default();
    let long = word.len() > 1;
    HeaderName::parse(word).filter(|_| long).map_or(LineKind::Other, LineKind::Unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_known_long_and_compact_in_any_case() {
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
        ] {
            assert_eq!(HeaderName::parse(text.as_bytes()), Some(name), "{text}");
            assert!((name as usize) < HeaderName::COUNT);
        }
        for text in ["", "s", "u", "Vias", "Contac", "Call_ID", "Content-Lengtt", "Record-Route"] {
            assert_eq!(HeaderName::parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn lines_end_as_they_like_and_fold() {
        let kind = |text: &'static str| {
            let line = read_line(text.as_bytes(), 0);
            (line.kind, line.next)
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
