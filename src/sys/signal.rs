//! Signals of a process, and which threads see them.

use std::io;
use std::mem;
use std::ptr;

/// Runs `function` with all signals blocked on this thread: a thread it
/// spawns inherits that.
pub(crate) fn without_signals<T>(function: impl FnOnce() -> T) -> T {
    // SAFETY: all zeros is a valid sigset_t, and sigfillset sets it anyway.
    let (mut all, mut before): (libc::sigset_t, libc::sigset_t) = unsafe { mem::zeroed() };
    // SAFETY: both sets live through the calls.
    unsafe {
        libc::sigfillset(&mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut before);
    }
    let result = function();
    // SAFETY: `before` was filled in above.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &before, ptr::null_mut()) };
    result
}

/// SIGTERM and SIGINT, blocked, to be waited for.
pub struct Termination {
    signals: libc::sigset_t,
    waiting: libc::pthread_t,
}

// SAFETY: a thread's name may be used by any thread while that thread lives;
// `block` says that it must.
unsafe impl Sync for Termination {}

impl Termination {
    /// Blocks both on this thread and on those it will spawn. This thread
    /// must be the one that waits, and outlive all others that use it.
    pub fn block() -> io::Result<Self> {
        // SAFETY: all zeros is a valid sigset_t.
        let mut signals: libc::sigset_t = unsafe { mem::zeroed() };
        // SAFETY: `signals` lives through the calls.
        let result = unsafe {
            libc::sigemptyset(&mut signals);
            libc::sigaddset(&mut signals, libc::SIGTERM);
            libc::sigaddset(&mut signals, libc::SIGINT);
            libc::pthread_sigmask(libc::SIG_BLOCK, &signals, ptr::null_mut())
        };
        if result != 0 {
            return Err(io::Error::from_raw_os_error(result));
        }
        // SAFETY: takes no arguments and cannot fail.
        Ok(Termination { signals, waiting: unsafe { libc::pthread_self() } })
    }

    /// Waits for one of them.
    pub fn wait(&self) {
        let mut signal = 0;
        // SAFETY: both pointers live through the call. Its only error is an
        // invalid set, and an end is the right answer to that too.
        unsafe { libc::sigwait(&self.signals, &mut signal) };
    }

    /// Ends the wait as a signal would.
    pub fn interrupt(&self) {
        // SAFETY: the waiting thread outlives this call.
        unsafe { libc::pthread_kill(self.waiting, libc::SIGTERM) };
    }
}
