//! NAT traversal for SIP servers.
//!
//! A SIP server hands over a raw message and the address it came from; the
//! library answers with a verdict ([`nat::test()`]) or with [`edit::Edits`]
//! against the original bytes ([`nat::fix_contact`], [`Worker::rewrite_sdp`]).
//! A byte that no edit names is the byte that came in.
//!
//! ```text
//!  raw bytes + source -> sip::Message -> nat::test ------------> verdict
//!                             |     \--> nat::fix_contact -----> edits
//!                             \--> sdp::Session -> media::plan -> relay::Query
//!                                   [Worker: I/O] -> relay::Answer -> edits
//! ```
//!
//! The map:
//! - [`sip`], [`sdp`]: borrowed, lazy parsers; nothing is copied, only what is
//!   asked for is read.
//! - [`nat`], [`media`], [`agents`]: decisions, pure functions.
//! - [`relay`]: what is said to a relay, as codecs and a state machine that
//!   never touches a socket.
//! - [`settings`], [`Engine`], [`shared`]: made before a server forks.
//! - [`worker`]: sockets and clock, made after the fork.
//! - [`keeper`]: what must happen without a message, once a server.
//! - [`statistics`]: what all processes have done, as numbers and as text.
//! - [`reload`]: files that are read again when they change.
//! - [`sys`]: system calls as safe functions.
//! - [`proxy`]: the built-in media relay, which `mediaproxyd` also runs.
//! - `capi`: the C boundary, `include/mediaproxy.h` (feature `capi`, a default).
//!
//! `unsafe` is only in `capi`, [`shared`] and [`sys`].

pub mod address;
pub mod agents;
pub mod bytes;
#[cfg(feature = "capi")]
pub mod capi;
pub mod edit;
mod engine;
pub mod error;
pub mod hash;
pub mod keeper;
pub mod log;
pub mod media;
pub mod metrics;
pub mod nat;
pub mod options;
pub mod proxy;
pub mod relay;
pub mod reload;
pub mod sdp;
pub mod settings;
pub mod shared;
pub mod sip;
pub mod statistics;
pub mod sys;
pub mod worker;

pub use engine::Engine;
pub use error::{Error, Status};
pub use keeper::Keeper;
pub use sys::clock::now;
pub use worker::{Progress, Rewrite, Started, Wait, Worker};
