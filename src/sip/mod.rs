//! SIP messages (RFC 3261), parsed only as far as needed, borrowed from the
//! caller's bytes.
//!
//! Several parsers here, in `sdp` and in `address` start with a block marked
//! `Fast path.`: it accepts only the spelling that nearly all phones use, and
//! what it does not accept goes to the general code below it. Both give the
//! same result for the same text.

pub mod body;
pub mod contact;
pub mod cseq;
mod from_to;
pub mod header;
pub mod message;
mod name_addr;
pub(crate) mod parameters;
mod source;
mod start_line;
pub mod uri;
pub mod via;

pub use contact::Contact;
pub use cseq::CSeq;
pub use header::{Header, HeaderName};
pub use message::Message;
pub use source::{Source, Transport};
pub use start_line::{Method, StartLine};
pub use uri::Uri;
pub use via::Via;
