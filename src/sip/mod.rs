//! SIP messages (RFC 3261), parsed only as far as asked, borrowed from the
//! caller's bytes.

pub mod contact;
pub mod cseq;
pub mod header;
pub mod message;
mod name_addr;
mod parameters;
mod party;
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
