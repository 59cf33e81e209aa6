//! Workers of tests: they reach their relays over a network in memory, and their
//! clock stands still until it is set.

use std::sync::Arc;

use crate::Engine;
use crate::error::Result;
use crate::relay::link::{Network, Pool};
use crate::sys::clock::Clock;
use crate::worker::Worker;

/// Makes a worker whose clock is at `now` (milliseconds).
///
/// # Errors
/// See [`Worker::new`].
pub fn worker(engine: Arc<Engine>, network: Arc<dyn Network>, now: u64) -> Result<Worker> {
    let worker = Worker::new(engine)?;
    Ok(Worker { pool: Pool::in_memory(network), clock: Clock::Set(now), ..worker })
}

/// Sets the clock of a worker (milliseconds).
pub fn set_now(worker: &mut Worker, now: u64) {
    worker.clock = Clock::Set(now);
}
