//! SDP (RFC 4566, RFC 8866), borrowed from the message's bytes. Only what
//! matters to NAT tests and media relays is parsed.

pub mod active;
pub mod address;
pub mod ice;
pub(crate) mod lines;
pub mod media;
pub mod session;

pub use address::Connection;
pub use media::{Direction, Media};
pub use session::Session;
