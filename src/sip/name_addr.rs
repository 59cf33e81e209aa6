//! name-addr and addr-spec (RFC 3261 20.10, 25.1): the values of Contact, From
//! and To.

use memchr::memchr3;

use super::parameters::{after_quoted, find_unquoted};
use crate::bytes;
use crate::error::{Error, Result};

/// One element of such a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NameAddr<'a> {
    /// The URI, of any scheme; may be `*` or empty.
    pub(crate) uri: &'a [u8],
    /// True when the URI is in angle brackets.
    pub(crate) bracketed: bool,
    /// Header parameters, from the first `;` (included); may be empty.
    pub(crate) parameters: &'a [u8],
}

/// Parses the first element of a comma list; returns it and the rest of the list
/// after its comma.
pub(crate) fn first(list: &[u8]) -> Result<(NameAddr<'_>, Option<&[u8]>)> {
    let (before, from_bracket) = display_name(list)?;
    let Some(from_bracket) = from_bracket else {
        // Without brackets the URI ends where its parameters would start.
        let (element, rest) = split(before, find_unquoted(before, b','));
        let (uri, parameters) = at(element, bytes::find(b';', element));
        let uri = bytes::trim(uri);
        return Ok((NameAddr { uri, bracketed: false, parameters }, rest));
    };
    let inner = from_bracket.get(1..).unwrap_or_default();
    let Some(close) = bytes::find(b'>', inner) else {
        return Err(Error::syntax("name-addr: no closing angle bracket"));
    };
    let (uri, rest) = split(inner, Some(close));
    let rest = rest.unwrap_or_default();
    let (tail, rest) = split(rest, find_unquoted(rest, b','));
    let (_, parameters) = at(tail, bytes::find(b';', tail));
    Ok((NameAddr { uri: bytes::trim(uri), bracketed: true, parameters }, rest))
}

/// The text before the `<` of the first element and the text from the `<` on;
/// the whole list and `None` when there is no `<`.
fn display_name(list: &[u8]) -> Result<(&[u8], Option<&[u8]>)> {
    let mut at = 0usize;
    while let Some(hit) = memchr3(b'<', b'"', b',', list.get(at..).unwrap_or_default()) {
        let hit = at.saturating_add(hit);
        match list.get(hit) {
            Some(b'<') => {
                let (before, from) = list.split_at_checked(hit).unwrap_or_default();
                return Ok((before, Some(from)));
            }
            Some(b'"') => match after_quoted(list, hit) {
                Some(after) => at = after,
                None => return Err(Error::syntax("name-addr: no closing quote")),
            },
            _ => break,
        }
    }
    Ok((list, None))
}

/// `text` before and after the byte at `offset`; without an offset, the whole
/// text.
fn split(text: &[u8], offset: Option<usize>) -> (&[u8], Option<&[u8]>) {
    match offset.and_then(|offset| text.split_at_checked(offset)) {
        Some((before, from)) => (before, from.get(1..)),
        None => (text, None),
    }
}

/// `text` before `offset` and from `offset` on; without an offset, the whole text
/// and nothing.
fn at(text: &[u8], offset: Option<usize>) -> (&[u8], &[u8]) {
    text.split_at_checked(offset.unwrap_or(text.len())).unwrap_or((text, b""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (String, bool, String, Option<String>) {
        let (element, rest) = first(text.as_bytes()).unwrap();
        let own = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        (own(element.uri), element.bracketed, own(element.parameters), rest.map(own))
    }

    fn is(
        uri: &str,
        bracketed: bool,
        parameters: &str,
        rest: Option<&str>,
    ) -> (String, bool, String, Option<String>) {
        (uri.into(), bracketed, parameters.into(), rest.map(Into::into))
    }

    #[test]
    fn first_parses_elements_in_every_form() {
        assert_eq!(read("<sip:a@b;x=1>;tag=2"), is("sip:a@b;x=1", true, ";tag=2", None));
        assert_eq!(read("sip:a@b;tag=2"), is("sip:a@b", false, ";tag=2", None));
        assert_eq!(read("Bob <sip:a@b>"), is("sip:a@b", true, "", None));
        assert_eq!(read("caller<sip:a@b>;t"), is("sip:a@b", true, ";t", None));
        assert_eq!(read(" \"B, <o>; \\\"b\\\\\" <sip:a@b> ; x"), is("sip:a@b", true, "; x", None));
        assert_eq!(read("*"), is("*", false, "", None));
        assert_eq!(read(""), is("", false, "", None));
        assert_eq!(read("sip:a@b , <tel:1>"), is("sip:a@b", false, "", Some(" <tel:1>")));
        assert_eq!(
            read("<sip:a,b@c>;i=\"<x>,y\",sip:d@e"),
            is("sip:a,b@c", true, ";i=\"<x>,y\"", Some("sip:d@e"))
        );
        assert_eq!(
            read("sip:a@b;i=\"<x>,y\",<sip:d@e>"),
            is("sip:a@b", false, ";i=\"<x>,y\"", Some("<sip:d@e>"))
        );
    }

    #[test]
    fn first_refuses_unterminated_quotes_and_brackets() {
        assert!(first(b"\"Bob <sip:a@b>").is_err());
        assert!(first(b"\"Bob\\").is_err());
        assert!(first(b"<sip:a@b").is_err());
    }
}
