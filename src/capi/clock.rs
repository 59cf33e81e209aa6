//! The clock of all times in this header.

/// Milliseconds of the monotonic clock (CLOCK_MONOTONIC): the unit and origin
/// of every argument now and of every deadline. Any thread, any process.
#[unsafe(no_mangle)]
pub extern "C" fn mp_now() -> u64 {
    boundary!(value 0; => { Ok(crate::now()) })
}

/// The time a caller gave; 0 stands for the present.
pub(super) fn time(now: u64) -> u64 {
    if now == 0 { crate::now() } else { now }
}
