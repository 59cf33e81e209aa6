//! The clock of timeouts and deadlines.

/// Milliseconds of the monotonic clock (CLOCK_MONOTONIC).
pub fn now() -> u64 {
    milliseconds(libc::CLOCK_MONOTONIC)
}

/// The clock of a worker: the system's, or a time that a test sets.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Clock {
    #[default]
    Monotonic,
    /// Milliseconds.
    Set(u64),
}

impl Clock {
    #[inline]
    pub(crate) fn now(self) -> u64 {
        match self {
            Clock::Monotonic => now(),
            Clock::Set(time) => time,
        }
    }
}

/// The monotonic clock at its last tick: a few milliseconds late, but it costs
/// only a memory access.
#[inline]
pub(crate) fn coarse_ms() -> u64 {
    milliseconds(libc::CLOCK_MONOTONIC_COARSE)
}

#[inline]
fn milliseconds(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes one timespec of ours.
    unsafe { libc::clock_gettime(clock, &mut time) };
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
    seconds.saturating_mul(1000).saturating_add(nanos / 1_000_000)
}
