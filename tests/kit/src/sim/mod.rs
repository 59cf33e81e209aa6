//! A simulated network of phones, proxies, B2BUAs, NATs and relays, in which the
//! whole library runs: workers, call table, delete queue and relay sessions, in
//! simulated time and without a socket. The [`judge`] is a reference model that
//! knows who has agreed with whom by RFC 3264.

pub mod b2bua;
pub mod choices;
pub mod context;
pub mod dialog;
mod excuses;
pub mod generate;
pub mod judge;
pub mod media;
pub mod message;
pub mod nat;
pub mod phone;
mod phone_client;
mod phone_server;
pub mod proxy;
pub mod relays;
pub mod run;
pub mod script;
pub mod sdp;
pub mod server;
pub mod shrink;
pub mod topology;
mod under_way;
pub mod world;

pub use run::{Outcome, run, run_recorded};
pub use script::{Script, Setup, Step};
