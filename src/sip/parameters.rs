//! Parameters, `;name=value;flag` (RFC 3261 25.1), of headers and of URIs.

use crate::bytes;

/// One parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Parameter<'a> {
    /// The parameter as written, with its leading `;`.
    pub(crate) whole: &'a [u8],
    /// The text before the `=`, trimmed.
    pub(crate) name: &'a [u8],
    /// The text after the `=`, trimmed, with its quotes; empty for a flag.
    pub(crate) value: &'a [u8],
}

/// The first parameter of a header, in upper or lower case. `parameters` starts with a
/// `;` or is empty.
pub(crate) fn find<'a>(parameters: &'a [u8], name: &[u8]) -> Option<Parameter<'a>> {
    find_by(parameters, name, |text| find_unquoted(text, b';'))
}

/// As [`find`], in a URI: it has no quoted strings (RFC 3261 25.1), so a quote hides no
/// `;`.
pub(crate) fn find_in_uri<'a>(parameters: &'a [u8], name: &[u8]) -> Option<Parameter<'a>> {
    find_by(parameters, name, |text| bytes::find(b';', text))
}

#[inline(always)]
fn find_by<'a>(
    parameters: &'a [u8],
    name: &[u8],
    end_of: impl Fn(&[u8]) -> Option<usize>,
) -> Option<Parameter<'a>> {
    let mut rest = parameters;
    while let Some(inner) = rest.strip_prefix(b";") {
        let end = end_of(inner).unwrap_or(inner.len());
        let (parameter, after) = inner.split_at_checked(end)?;
        // Fast path: most parameters start with other letters.
        let start = bytes::trim_start(parameter).get(..name.len());
        if start.is_some_and(|start| start.eq_ignore_ascii_case(name)) {
            let found = split(rest.get(..end.checked_add(1)?)?)?;
            if found.name.eq_ignore_ascii_case(name) {
                return Some(found);
            }
        }
        rest = after;
    }
    None
}

/// Splits a parameter, given with its leading `;`, into name and value.
fn split(whole: &[u8]) -> Option<Parameter<'_>> {
    let inner = whole.get(1..)?;
    let (name, value) = match bytes::find(b'=', inner) {
        Some(equals) => (inner.get(..equals)?, inner.get(equals.checked_add(1)?..)?),
        None => (inner, &b""[..]),
    };
    Some(Parameter { whole, name: bytes::trim(name), value: bytes::trim(value) })
}

/// The offset of the first `wanted` outside quoted strings. A quoted string that
/// does not end extends to the end of `text`.
pub(crate) fn find_unquoted(text: &[u8], wanted: u8) -> Option<usize> {
    let mut at = 0usize;
    loop {
        let hit = at.checked_add(bytes::find_either(wanted, b'"', text.get(at..)?)?)?;
        if text.get(hit) == Some(&wanted) {
            return Some(hit);
        }
        at = after_quoted(text, hit)?;
    }
}

/// The offset after the quoted string that starts at `open`; a backslash escapes
/// the next byte (RFC 3261 25.1, quoted-pair).
pub(crate) fn after_quoted(text: &[u8], open: usize) -> Option<usize> {
    let mut at = open.checked_add(1)?;
    loop {
        let hit = at.checked_add(bytes::find_either(b'"', b'\\', text.get(at..)?)?)?;
        let escaped = text.get(hit) == Some(&b'\\');
        at = hit.checked_add(if escaped { 2 } else { 1 })?;
        if !escaped {
            return Some(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn find_ignores_case_and_quoted_text() {
        let text = b";Q=0.3 ; +sip.instance=\"<urn:a;b=\\\"c>\" ; ob;TAG \r\n = x1";
        assert_eq!(find(text, b"q").unwrap().value, b"0.3");
        assert_eq!(find(text, b"tag").unwrap().value, b"x1");
        assert_eq!(find(text, b"OB").unwrap().value, b"");
        assert_eq!(find(text, b"ob").unwrap().whole, b"; ob");
        assert_eq!(find(text, b"b"), None, "inside the quotes");
        assert_eq!(find(text, b"+sip.instance").unwrap().value, b"\"<urn:a;b=\\\"c>\"");
    }

    #[test]
    fn quotes_hide_nothing_in_a_uri() {
        for text in [";x=\"y;maddr=1;z=\"", ";x=\";maddr=1", ";\";MADDR = 1 ;\""] {
            assert_eq!(find(text.as_bytes(), b"maddr"), None, "{text}");
            assert_eq!(find_in_uri(text.as_bytes(), b"maddr").unwrap().value, b"1", "{text}");
        }
    }

    #[test]
    fn find_in_broken_parameters_is_none() {
        assert_eq!(find(b"", b"a"), None);
        assert_eq!(find(b";;;a=1", b"a").unwrap().value, b"1");
        assert_eq!(find(b";x=\"never ends;a=1", b"a"), None);
        assert_eq!(find(b";x=\"ends in a backslash\\", b"a"), None);
    }
}
