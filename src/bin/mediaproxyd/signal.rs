//! Signals and limits of the daemon's process.

use std::io;
use std::mem;
use std::ptr;

/// SIGTERM and SIGINT, blocked, to be waited for.
pub(crate) struct Termination {
    signals: libc::sigset_t,
    waiting: libc::pthread_t,
}

// SAFETY: a thread's name may be used by any thread while that thread lives;
// `block` says that it must.
unsafe impl Sync for Termination {}

impl Termination {
    /// Blocks both on this thread and on those it will spawn. This thread
    /// must be the one that waits, and outlive all others that use it.
    pub(crate) fn block() -> io::Result<Self> {
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
    pub(crate) fn wait(&self) {
        let mut signal = 0;
        // SAFETY: both pointers live through the call. Its only error is an
        // invalid set, and an end is the right answer to that too.
        unsafe { libc::sigwait(&self.signals, &mut signal) };
    }

    /// Ends the wait as a signal would.
    pub(crate) fn interrupt(&self) {
        // SAFETY: the waiting thread outlives this call.
        unsafe { libc::pthread_kill(self.waiting, libc::SIGTERM) };
    }
}

/// A stream needs four descriptors: takes as many as the system grants.
pub(crate) fn raise_descriptor_limit() {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` lives through both calls. A limit that stays as it is
    // shows later, as a refused session.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) == 0 {
            limit.rlim_cur = limit.rlim_max;
            libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
        }
    }
}
