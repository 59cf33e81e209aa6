//! Time

/// Milliseconds of the monotonic clock (CLOCK_MONOTONIC): unit and origin of
/// every argument now and of every deadline in this header. Any thread of any
/// process may call this function.
#[unsafe(no_mangle)]
pub extern "C" fn mp_now() -> u64 {
    boundary!(value 0; => { Ok(crate::now()) })
}

/// The time a caller gave; 0 stands for the present.
pub(super) fn time(now: u64) -> u64 {
    if now == 0 { crate::now() } else { now }
}
