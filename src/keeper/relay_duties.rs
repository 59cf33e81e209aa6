//! The keeper's duties towards relays without its event loop, for tests in
//! simulated time.

use std::sync::Arc;

use crate::Engine;
use crate::keeper::duty::Duty;
use crate::keeper::flush::Flush;
use crate::keeper::probe::Probes;
use crate::relay::link::{Network, Pool};

/// Probes relays and flushes queued deletes over a network in memory.
#[derive(Debug)]
pub struct RelayDuties {
    probes: Probes,
    flush: Flush,
}

impl RelayDuties {
    /// Duties whose connections are in memory.
    pub fn new(network: &Arc<dyn Network>) -> Self {
        RelayDuties {
            probes: Probes::new(Pool::in_memory(Arc::clone(network))),
            flush: Flush::new(Pool::in_memory(Arc::clone(network))),
        }
    }

    /// Does the work that is due at `now` (milliseconds). Returns the time of the
    /// next turn.
    pub fn turn(&mut self, engine: &Engine, now: u64) -> u64 {
        let probes = self.probes.turn(engine, now);
        probes.min(self.flush.turn(engine, now))
    }
}
