//! Connections to relays: they carry the bytes of exchanges over sockets. Each
//! worker has a pool of connections, and so has the keeper. No function waits.

mod connection;
mod network;
mod pool;
mod wire;

pub use connection::{Connection, Watch};
pub use network::{Carrier, Network};
#[cfg(test)]
pub(super) use pool::MAX_TCP_IDLE;
pub use pool::{Finished, Pool};
pub use wire::{Wait, Wire};
