//! What a process makes after the fork: sockets and clock.

/// One worker.
pub struct Worker {}
