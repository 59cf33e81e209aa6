//! SIP messages (RFC 3261), parsed only as far as asked, borrowed from the
//! caller's bytes.

pub mod body;
pub mod contact;
pub mod cseq;
mod from_to;
pub mod header;
pub mod message;
mod name_addr;
mod parameters;
mod start_line;
pub mod uri;
pub mod via;

pub use contact::Contact;
pub use cseq::CSeq;
pub use header::{Header, HeaderName};
pub use message::{Message, Source, Transport};
pub use start_line::{Method, StartLine};
pub use uri::Uri;
pub use via::Via;
