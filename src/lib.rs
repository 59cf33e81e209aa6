//! NAT traversal for SIP servers.
//!
//! A SIP server gives the library a raw message and its source. The library
//! answers with a [`Verdict`] ([`Worker::nat_test`]) or with [`Edits`] against
//! the original bytes ([`Worker::fix_contact`], [`Worker::rewrite_sdp`]). A byte
//! that no edit names is unchanged.
//!
//! ```
//! use mediaproxy::{Edits, Engine, Log, Message, Options, Proxy, Settings, Source};
//! use mediaproxy::{Tests, Transport, Verdict, Worker};
//!
//! # fn main() -> mediaproxy::Result<()> {
//! // Once a server, before it forks.
//! let mut settings = Settings::new();
//! settings.set("relay", "embedded")?;
//! settings.set("proxy_address", "127.0.0.1")?;
//! let relay = Proxy::bind(settings.proxy()?)?;
//! let engine = Engine::new(settings, Log::none())?;
//!
//! // In one process, after the fork: the built-in media relay.
//! relay.start()?;
//!
//! // In each process or thread that serves messages.
//! let mut worker = Worker::new(engine)?;
//! let (mut verdict, mut edits) = (Verdict::new(), Edits::new());
//!
//! // For each message.
//! let raw = b"INVITE sip:bob@example.com SIP/2.0\r\n\
//!     Via: SIP/2.0/UDP 192.168.1.10:5060;branch=z9hG4bK1\r\n\
//!     From: <sip:alice@example.com>;tag=1\r\n\
//!     To: <sip:bob@example.com>\r\n\
//!     Call-ID: 1@192.168.1.10\r\n\
//!     CSeq: 1 INVITE\r\n\
//!     Contact: <sip:alice@192.168.1.10:5060>\r\n\
//!     Content-Type: application/sdp\r\n\
//!     Content-Length: 105\r\n\r\n\
//!     v=0\r\no=- 1 1 IN IP4 192.168.1.10\r\ns=-\r\n\
//!     c=IN IP4 192.168.1.10\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\na=sendrecv\r\n";
//! let address = "203.0.113.5:61234".parse().expect("an address and port");
//! let source = Source { address, local: None, transport: Transport::Udp };
//! let message = Message::parse(raw, source)?;
//! edits.reset();
//! let tests = Tests::PRIVATE_CONTACT | Tests::SOURCE_ADDRESS;
//! worker.nat_test(&message, tests, false, &mut verdict)?;
//! if verdict.natted() {
//!     worker.fix_contact(&message, &mut edits)?;
//! }
//! worker.rewrite_sdp(&message, &Options::default(), &mut edits)?;
//! let mut repaired = Vec::new();
//! edits.apply(&message, &mut repaired)?;
//!
//! let repaired = String::from_utf8_lossy(&repaired);
//! assert!(repaired.contains("Contact: <sip:alice@203.0.113.5:61234>\r\n"));
//! assert!(repaired.contains("c=IN IP4 127.0.0.1\r\n"));
//! # Ok(())
//! # }
//! ```
//!
//! | type | made | for |
//! |---|---|---|
//! | [`Settings`], [`Engine`] | once, before the fork | settings, client lists, the memory that all processes share |
//! | [`Worker`] | in each process or thread, after the fork | the verbs |
//! | [`Keeper`] | once, after the fork | tasks without a message: file changes, probes, queued deletes |
//! | [`Proxy`] | once, before the fork | the built-in media relay, which `mediaproxyd` also runs |
//! | [`Message`], [`Verdict`], [`Edits`], [`Options`] | anywhere, reused | a message and the answers about it |
//!
//! The C interface is `include/mediaproxy.h`. Its functions are behind the
//! feature `capi`, a default; a Rust program that does not want their symbols
//! turns default features off.
//!
//! # Modules
//!
//! ```text
//!  raw bytes + source -> sip::Message -> nat::test ------------> verdict
//!                             |     \--> nat::fix_contact -----> edits
//!                             \--> sdp::Session -> plan -> request to a relay
//!                                   [Worker: I/O] -> answer -> edits
//! ```
//!
//! - [`sip`], [`sdp`]: borrowed, lazy parsers: they copy nothing and parse a
//!   header when it is needed.
//! - [`nat`]: the NAT tests and the fix of Contact, as pure functions.
//! - [`proxy`]: the built-in media relay.
//! - [`statistics`]: the counters of all processes, as numbers and as text.
//!
//! The other modules are internal; `docs/architecture.md` describes them.
//! `unsafe` is only in `capi`, `shared` and `sys`.

mod address;
mod agents;
mod bytes;
#[cfg(feature = "capi")]
mod capi;
mod edit;
mod engine;
mod error;
mod hash;
mod keeper;
mod log;
mod media;
mod metrics;
pub mod nat;
mod options;
pub mod proxy;
mod relay;
mod reload;
pub mod sdp;
mod settings;
mod shared;
pub mod sip;
pub mod statistics;
mod sys;
mod worker;

/// Every module, for the tests, benchmarks and programs of this repository. It
/// may change with any version.
#[doc(hidden)]
pub mod internals {
    macro_rules! modules {
        ($($(#[$attribute:meta])* $name:ident)*) => {
            $($(#[$attribute])*
            #[allow(missing_docs)]
            pub mod $name {
                pub use crate::$name::*;
            })*
        };
    }

    modules! {
        address agents bytes edit error hash keeper log media metrics options relay reload
        settings shared sys worker
        #[cfg(feature = "capi")]
        capi
    }
}

pub use address::Host;
pub use edit::{Edit, Edits, Verb};
pub use engine::Engine;
pub use error::{Error, Result, Status};
pub use keeper::Keeper;
pub use log::{Level, Log};
pub use nat::{Networks, Tests, Verdict};
pub use options::{Options, RoleOption, ScopeOption};
pub use proxy::Proxy;
pub use relay::{IceCandidate, RelayLine, RelayUri};
pub use settings::{SettingInfo, Settings};
pub use shared::health::{AdminState, RelayHealth, State as RelayState};
pub use sip::{Message, Source, Transport};
pub use statistics::Statistics;
pub use sys::clock::now;
pub use worker::{Asymmetry, Progress, Rewrite, Started, Wait, Worker};
