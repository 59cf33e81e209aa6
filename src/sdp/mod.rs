//! Session descriptions (RFC 4566/8866), borrowed from the message's bytes.
//! Only what a media relay must know is read.

pub mod address;
pub mod ice;
pub mod in_use;
pub mod media;
pub mod multipart;
pub mod session;

pub use address::Connection;
pub use media::{Direction, Media};
pub use session::Session;
