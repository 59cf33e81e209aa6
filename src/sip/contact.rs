//! Contact values (RFC 3261 20.10): name-addr or addr-spec.

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
