//! Connections to relays: where the bytes of an exchange go through a socket.
//! A worker and the keeper each have a pool of their own. Nothing here waits.

mod connection;
mod pool;
mod wire;

pub use connection::{Connection, Watch};
pub use pool::{Finished, Pool};
pub use wire::{Wait, Wire};
