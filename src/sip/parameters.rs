//! Parameters, `;name=value;flag` (RFC 3261 25.1), of headers and of URIs.

use crate::bytes;

/// One parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Parameter<'a> {
    /// All of it, its leading `;` included.
    pub(crate) whole: &'a [u8],
    /// Before the `=`.
    pub(crate) name: &'a [u8],
    /// After the `=`, quotes included; empty for a flag.
    pub(crate) value: &'a [u8],
}

/// The first parameter of this name, compared without case. `parameters`
/// starts at a `;` or is empty.
pub(crate) fn find<'a>(parameters: &'a [u8], name: &[u8]) -> Option<Parameter<'a>> {
    let mut rest = parameters;
    while let Some(inner) = rest.strip_prefix(b";") {
        let end = find_unquoted(inner, b';').unwrap_or(inner.len());
        let (parameter, after) = inner.split_at_checked(end)?;
        // Most are told by how they start.
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

/// Name and value of a parameter, its leading `;` included.
fn split(whole: &[u8]) -> Option<Parameter<'_>> {
    let inner = whole.get(1..)?;
    let (name, value) = match bytes::find(b'=', inner) {
        Some(equals) => (inner.get(..equals)?, inner.get(equals.checked_add(1)?..)?),
        None => (inner, &b""[..]),
    };
    Some(Parameter { whole, name: bytes::trim(name), value: bytes::trim(value) })
}

/// Where `wanted` first stands outside quoted strings. A quote that never ends
/// hides all the rest.
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

/// The first byte after the quoted string that starts at `open`; a backslash
/// takes the next byte's meaning (RFC 3261 25.1, quoted-pair).
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
    fn names_have_no_case_and_values_may_be_quoted() {
        let text = b";Q=0.3 ; +sip.instance=\"<urn:a;b=\\\"c>\" ; ob;TAG \r\n = x1";
        assert_eq!(find(text, b"q").unwrap().value, b"0.3");
        assert_eq!(find(text, b"tag").unwrap().value, b"x1");
        assert_eq!(find(text, b"OB").unwrap().value, b"");
        assert_eq!(find(text, b"ob").unwrap().whole, b"; ob");
        assert_eq!(find(text, b"b"), None, "inside the quotes");
        assert_eq!(find(text, b"+sip.instance").unwrap().value, b"\"<urn:a;b=\\\"c>\"");
    }

    #[test]
    fn broken_parameters_end_the_search() {
        assert_eq!(find(b"", b"a"), None);
        assert_eq!(find(b";;;a=1", b"a").unwrap().value, b"1");
        assert_eq!(find(b";x=\"never ends;a=1", b"a"), None);
        assert_eq!(find(b";x=\"ends in a backslash\\", b"a"), None);
    }
}
