//! The From and To headers (RFC 3261 20.20, 20.39).

use super::name_addr::{self, NameAddr};
use super::parameters;

/// The value of From or To.
#[derive(Clone, Copy, Debug)]
pub(super) struct FromTo<'a> {
    /// The URI, of any scheme; may be empty.
    pub(super) uri: &'a [u8],
    /// The tag parameter; empty without one.
    pub(super) tag: &'a [u8],
}

impl<'a> FromTo<'a> {
    /// Parses the value of From or To; `None` when it cannot be parsed.
    pub(super) fn parse(value: &'a [u8]) -> Option<Self> {
        let (NameAddr { uri, parameters, .. }, _) = name_addr::first(value).ok()?;
        let tag = parameters::find(parameters, b"tag").map_or(&b""[..], |tag| tag.value);
        Some(FromTo { uri, tag })
    }
}
