//! When a worker reads files again that changed.

use crate::shared::{Generation, Shared};
use crate::sys::clock::coarse_ms;

/// Files are compared this often (milliseconds).
pub(crate) const COMPARE_EVERY: u64 = 1000;

/// Where a worker is with the files of one generation.
#[derive(Debug, Default)]
pub(crate) struct ReloadCheck {
    /// The generation they were read at.
    number: u64,
    /// When they are looked at next, where no keeper does it (milliseconds).
    look_at: u64,
}

impl ReloadCheck {
    /// True when they are to be read again. While a keeper lives, the
    /// generation says so; else the files are looked at once a second, and so
    /// they are after one could not be read: what hinders this process need
    /// not show to the keeper. Whether a keeper lives only a clock can tell;
    /// this one costs a few nanoseconds.
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
        if now < self.look_at || !are_failed && shared.lease().is_held(now) {
            return false;
        }
        self.look_at = now.saturating_add(COMPARE_EVERY);
        have_changed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reload_is_due_at_once_and_once() {
        let shared = Shared::new(16).unwrap();
        let mut follow = ReloadCheck::default();
        let due =
            |follow: &mut ReloadCheck| follow.is_due(shared.relays(), &shared, false, || false);
        assert!(!due(&mut follow));
        shared.relays().raise();
        assert!(due(&mut follow) && !due(&mut follow));
    }
}
