//! Talking to media relays, without sockets: what is asked, how each protocol
//! writes it, and the state machine of one request.

pub mod line;
pub mod list;
pub mod mediaproxy2;
pub mod query;
pub mod rendezvous;
pub mod request;
pub mod uri;

pub use line::RelayLine;
pub use list::{PoolId, Relay, RelayList};
pub use query::{Answer, Command, IceCandidate, Query, Role, Stream, StreamAddress};
pub use request::{Action, Event, Found, Request, Times};
pub use uri::{RelayAddress, RelayUri};
