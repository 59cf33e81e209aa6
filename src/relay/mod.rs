//! Control of media relays, in four layers; none imports a layer above it. A
//! *codec* ([`protocol`]) writes queries and reads answers. An *exchange* is one
//! query to one relay and has one [`Outcome`]. A *request* fails over from one
//! exchange to the next within the time for a message. The *link* drives exchanges
//! over sockets. No layer but the link uses sockets or the clock.
//!
//! [`query`] has the types of queries and answers. [`uri`], [`line`](mod@line),
//! `file`, [`list`] and [`rendezvous`] are the configured relays and the choice
//! between them.

pub mod capabilities;
pub mod entry;
pub mod exchange;
pub(crate) mod file;
pub mod line;
pub mod link;
pub mod list;
pub mod outcome;
pub mod protocol;
pub mod query;
pub mod rendezvous;
pub mod request;
pub mod uri;

pub use capabilities::{Capabilities, ConnectionUse};
pub use entry::{Facts, Relay};
pub use exchange::{Exchange, Limits, Need};
pub use line::RelayLine;
pub use list::{PoolId, RelayList};
pub use outcome::{Outcome, Purpose, Records};
pub use protocol::Protocol;
pub use query::{Answer, Command, IceCandidate, Query, Role, Stream, StreamAddress};
pub use request::{Action, Request, Times};
pub use uri::{RelayAddress, RelayUri};

pub use crate::shared::deletes::Scope;

#[cfg(test)]
mod tests;
