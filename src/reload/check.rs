//! Decides when a worker must reload its files.

use crate::shared::{Generation, Shared};
use crate::sys::clock::coarse_ms;

/// Files are compared this often (milliseconds).
pub(crate) const COMPARE_EVERY: u64 = 1000;

/// The state of a worker for the files of one generation.
#[derive(Debug, Default)]
pub(crate) struct ReloadCheck {
    /// The generation at which they were read.
    number: u64,
    /// When they are compared next, without a keeper (milliseconds).
    compare_at: u64,
}

impl ReloadCheck {
    /// True when the files are to be read again. With a keeper, a new generation
    /// says so. Without one, the files are compared once a second, and also when
    /// one could not be read: the reason may exist only in this process. The
    /// coarse clock, which shows whether the lease is held, costs a few
    /// nanoseconds.
    #[inline]
    pub(crate) fn is_due(
        &mut self,
        generation: Generation<'_>,
        shared: &Shared,
        are_failed: bool,
        have_changed: impl FnOnce() -> bool,
    ) -> bool {
        let number = generation.number();
        if number != self.number {
            self.number = number;
            return true;
        }
        let now = coarse_ms();
        if now < self.compare_at || !are_failed && shared.lease().is_held(now) {
            return false;
        }
        self.compare_at = now.saturating_add(COMPARE_EVERY);
        have_changed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raised_generation_is_due_once() {
        let shared = Shared::new(16).unwrap();
        let mut check = ReloadCheck::default();
        let due = |check: &mut ReloadCheck| check.is_due(shared.relays(), &shared, false, || false);
        assert!(!due(&mut check));
        shared.relays().raise();
        assert!(due(&mut check) && !due(&mut check));
    }
}
