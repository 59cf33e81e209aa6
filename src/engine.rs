//! What a server makes once, before it forks.

use std::sync::Arc;

use crate::error::Result;
use crate::log::Log;
use crate::settings::Settings;

/// The engine: settings, the first copy of the client lists, and the block of
/// memory that all processes share. It has no thread, no lock and no
/// descriptor, so it may cross a fork.
#[derive(Debug)]
pub struct Engine {}

impl Engine {
    /// Makes an engine, before the server forks. `Status::Setting` for a
    /// setting that cannot be honoured, `Status::System` when the shared
    /// memory cannot be had. Bad lines of the lists are logged.
    pub fn new(settings: Settings, log: Log) -> Result<Arc<Engine>> {
        let _ = (settings, log);
        todo!()
    }
}
