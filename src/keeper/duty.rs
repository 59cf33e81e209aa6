//! The interface of the keeper's duties.

use std::fmt::Debug;

use crate::Engine;

/// The time until the next tick while an answer of a relay is pending
/// (milliseconds), for servers that do not watch the descriptor.
pub(super) const WAITING: u64 = 20;
/// The time for a relay to answer the keeper (milliseconds).
pub(super) const ANSWER_WITHIN: u64 = 1000;

/// One duty of the keeper. No method waits. Times are in milliseconds of the
/// monotonic clock.
pub(super) trait Duty: Debug + Send {
    /// Does the work that is due at `now`. Returns the time of the next turn;
    /// `u64::MAX` when only an event causes one.
    fn turn(&mut self, engine: &Engine, now: u64) -> u64;

    /// Stops, since the keeper of another process holds the lease, and releases
    /// claims that the other one may take.
    fn release(&mut self, engine: &Engine, now: u64);

    /// In a child that was forked with this keeper: drops the duty without
    /// changing what belongs to the parent.
    fn abandon(&mut self) {}
}
