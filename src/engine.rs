//! What a server makes once, before it forks.

/// The engine.
#[derive(Debug)]
pub struct Engine {}
