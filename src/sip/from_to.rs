//! Who From and To name (RFC 3261 20.20, 20.39).

use super::name_addr::{self, NameAddr};
use super::parameters;

/// One side of a call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Party<'a> {
    /// Any scheme; may be empty.
    pub(super) uri: &'a [u8],
    /// Empty where there is none.
    pub(super) tag: &'a [u8],
}

impl<'a> Party<'a> {
    /// Reads the value of From or To; `None` when it cannot be read.
    pub(super) fn parse(value: &'a [u8]) -> Option<Self> {
        let (NameAddr { uri, parameters, .. }, _) = name_addr::first(value).ok()?;
        let tag = parameters::find(parameters, b"tag").map_or(&b""[..], |tag| tag.value);
        Some(Party { uri, tag })
    }
}
