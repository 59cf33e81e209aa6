//! Contact values (RFC 3261 20.10): name-addr or addr-spec.

use super::{name_addr, parameters};
use crate::bytes;
use crate::error::Result;
use crate::sip::Uri;

/// One value of a Contact header with a sip: or sips: URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contact<'a> {
    /// The URI. Without angle brackets, everything from the first `;` belongs to
    /// the header and not to the URI (RFC 3261 20.10).
    pub uri: Uri<'a>,
    /// True when the URI is in angle brackets.
    pub bracketed: bool,
    /// Header parameters, from the first `;` (included); may be empty.
    pub parameters: &'a [u8],
}

impl<'a> Contact<'a> {
    /// The first sip: or sips: value of a comma list. `*`, other schemes and
    /// empty elements are skipped; `None` when the list has no other value.
    /// `Status::Syntax` for a value that cannot be parsed.
    pub fn first_in(list: &'a [u8]) -> Result<Option<Self>> {
        Self::next_in(&mut Some(list))
    }

    /// As [`Contact::first_in`]; `list` becomes the rest after the comma of the value.
    #[inline]
    pub(crate) fn next_in(list: &mut Option<&'a [u8]>) -> Result<Option<Self>> {
        while let Some(text) = *list {
            let (element, after) = name_addr::first(text)?;
            *list = after;
            if element.uri.is_empty() || element.uri == b"*" {
                continue;
            }
            if let Some(uri) = Uri::parse(element.uri)? {
                let bracketed = element.bracketed;
                return Ok(Some(Contact { uri, bracketed, parameters: element.parameters }));
            }
        }
        Ok(None)
    }

    /// True when it says that it adds a binding, in the usual way: by its first
    /// parameter. False does not say the contrary.
    pub(crate) fn adds_binding(&self) -> bool {
        matches!(self.parameters.strip_prefix(b";expires="), Some([b'1'..=b'9', ..]))
    }

    /// The value of the header parameter `expires` (RFC 3261 20.10), in seconds; a
    /// value that is no number counts as 3600. A number may be in quotes, where RFC 2543
    /// 6.13 had a date; registrars accept it. `None` without the parameter.
    pub fn expires(&self) -> Option<u32> {
        let value = parameters::find(self.parameters, b"expires")?.value;
        let inner = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
        Some(bytes::number(bytes::trim(inner.unwrap_or(value))).unwrap_or(3600))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_in_returns_first_sip_value() {
        let list =
            b"<tel:+1>, *, , \"A, B\" <mailto:a@b>,\r\n sips:c@[2001:db8::1]:5071;q=1, <sip:d@e>";
        let contact = Contact::first_in(list).unwrap().unwrap();
        assert!(contact.uri.secure);
        assert_eq!(contact.uri.host_port, b"[2001:db8::1]:5071");
        assert!(!contact.bracketed);
        assert_eq!(contact.parameters, b";q=1");
    }

    #[test]
    fn expires_is_that_of_the_header_parameters() {
        for (list, expires) in [
            ("<sip:a@b>;expires=0", Some(0)),
            ("<sip:a@b>;q=1; Expires = 00", Some(0)),
            ("sip:a@b;EXPIRES=7", Some(7)),
            ("<sip:a@b>;expires=\"0\"", Some(0)),
            ("<sip:a@b>;expires = \" 60 \" ;q=1", Some(60)),
            ("<sip:a@b>;expires=\"Thu, 01 Dec 1994 16:00:00 GMT\"", Some(3600)),
            ("<sip:a@b>;expires=\"", Some(3600)),
            ("<sip:a@b>;expires=soon", Some(3600)),
            ("<sip:a@b>;expires=99999999999", Some(3600)),
            ("<sip:a@b>;expires", Some(3600)),
            ("<sip:a@b;expires=0>", None),
            ("<sip:a@b>;x=\";expires=0\"", None),
            ("<sip:a@b>", None),
        ] {
            let contact = Contact::first_in(list.as_bytes()).unwrap().unwrap();
            assert_eq!(contact.expires(), expires, "{list}");
        }
    }

    #[test]
    fn first_in_list_without_sip_uri_is_none() {
        for list in ["*", "", " , ,", "<tel:+1>", "<http://example.com/?a,b>;x"] {
            assert_eq!(Contact::first_in(list.as_bytes()), Ok(None), "{list}");
        }
    }

    #[test]
    fn first_in_malformed_value_is_an_error() {
        for list in [
            "<sip:>",
            "<sip:a@>",
            "alice",
            "<sip:a@b:x>",
            "<tel:+1>,sip:",
            "Bob sip:a@b",
            "<>x, \"",
        ] {
            assert!(Contact::first_in(list.as_bytes()).is_err(), "{list}");
        }
    }
}
