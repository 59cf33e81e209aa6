//! Finding the session description in a message's body: alone, or the first
//! such part of multipart/* (RFC 2046, RFC 5621), nested too.

use crate::error::Result;
use crate::sip::Message;

/// The deepest nesting of multiparts accepted.
pub const MAX_DEPTH: usize = 8;

/// The session description of a message: a piece of its body. `Ok(None)` when
/// there is no body or no application/sdp in it. A body without Content-Type
/// is taken for a description, as the seed's module did. A part with a
/// disposition other than session is not ours.
pub fn find_sdp<'a>(message: &Message<'a>) -> Result<Option<&'a [u8]>> {
    let _ = message;
    todo!()
}
