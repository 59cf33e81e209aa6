//! Talking to media relays, without sockets: what is asked, how each protocol
//! writes it, and the state machine of one request.

pub mod mediaproxy2;
pub mod query;
pub mod request;
pub mod uri;

pub use query::{Answer, Command, Query};
pub use request::{Action, Event, Request};
pub use uri::{RelayAddress, RelayUri};
