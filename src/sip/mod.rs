//! SIP messages (RFC 3261), parsed only as far as asked, borrowed from the
//! caller's bytes.

pub mod contact;
pub mod header;
pub mod message;
pub mod uri;
pub mod via;

pub use contact::Contact;
pub use header::{Header, HeaderName};
pub use message::{Message, Method, Source, StartLine, Transport};
pub use uri::Uri;
pub use via::Via;
