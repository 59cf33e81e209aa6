//! Control of media relays. Four layers, of which none knows the ones above:
//! a *codec* ([`protocol`]) writes queries and reads answers; an *exchange* is
//! one query to one relay and ends in one [`Outcome`]; a *request* fails over
//! from one exchange to the next within a message's time; the *link* drives
//! exchanges over sockets. All but the link are without sockets and clock.
//!
//! [`query`] is the vocabulary. [`uri`], [`line`](mod@line), `file`, [`list`] and
//! [`rendezvous`] say which relays there are and which one takes a call.

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
