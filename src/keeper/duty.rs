//! What the keeper does is a list of duties.

use std::fmt::Debug;

use crate::Engine;

/// While a relay is to answer, a tick is due this soon (milliseconds), for
/// servers that do not watch the descriptor.
pub(super) const WAITING: u64 = 20;
/// A relay has this long to answer the keeper (milliseconds).
pub(super) const ANSWER_WITHIN: u64 = 1000;

/// One thing that the keeper does for the server. It never waits.
pub(super) trait Duty: Debug + Send {
    /// Does what is due at `now`. When it wants to be called again at the latest
    /// (milliseconds); `u64::MAX` when it waits for nothing.
    fn turn(&mut self, engine: &Engine, now: u64) -> u64;

    /// Another process works now: gives back what it could do instead.
    fn rest(&mut self, engine: &Engine, now: u64);

    /// In a process that inherited it: leaves alone what is the parent's.
    fn forget(&mut self) {}
}
