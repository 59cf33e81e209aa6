//! Contact values (RFC 3261 20.10): name-addr or addr-spec.

use super::name_addr;
use crate::error::Result;
use crate::sip::Uri;

/// One value of a Contact header with a sip: or sips: URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contact<'a> {
    /// The URI. In an addr-spec without angle brackets everything from the
    /// first `;` belongs to the header, not to the URI.
    pub uri: Uri<'a>,
    /// True when the URI stands in angle brackets.
    pub bracketed: bool,
    /// Header parameters, from the first `;` (included); may be empty.
    pub parameters: &'a [u8],
}

impl<'a> Contact<'a> {
    /// The first sip: or sips: value of a comma list. `*`, other schemes and
    /// empty elements are passed over; `None` when nothing else is there.
    /// `Status::Syntax` for a value that cannot be read.
    pub fn first_in(list: &'a [u8]) -> Result<Option<Self>> {
        let mut rest = Some(list);
        while let Some(list) = rest {
            let (element, after) = name_addr::first(list)?;
            rest = after;
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_sip_value_of_a_list_counts() {
        let list =
            b"<tel:+1>, *, , \"A, B\" <mailto:a@b>,\r\n sips:c@[2001:db8::1]:5071;q=1, <sip:d@e>";
        let contact = Contact::first_in(list).unwrap().unwrap();
        assert!(contact.uri.secure);
        assert_eq!(contact.uri.host_port, b"[2001:db8::1]:5071");
        assert!(!contact.bracketed);
        assert_eq!(contact.parameters, b";q=1");
    }

    #[test]
    fn a_list_without_sip_has_none() {
        for list in ["*", "", " , ,", "<tel:+1>", "<http://example.com/?a,b>;x"] {
            assert_eq!(Contact::first_in(list.as_bytes()), Ok(None), "{list}");
        }
    }

    #[test]
    fn a_value_that_cannot_be_read_is_an_error() {
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
