//! Forked children, as SIP servers have them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

static ALONE: Mutex<()> = Mutex::new(());
static IS_ALONE: AtomicBool = AtomicBool::new(false);

/// Held by a test that forks, until all its children have ended: a child holds
/// copies of every descriptor that its parent has open, those of other tests
/// too.
#[derive(Debug)]
pub struct Alone {
    _guard: MutexGuard<'static, ()>,
}

/// Waits until no other test of this program forks.
pub fn alone() -> Alone {
    let guard = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    IS_ALONE.store(true, Ordering::SeqCst);
    Alone { _guard: guard }
}

impl Drop for Alone {
    fn drop(&mut self) {
        IS_ALONE.store(false, Ordering::SeqCst);
    }
}

/// A child process; killed when it is dropped.
#[derive(Debug)]
pub struct Child(libc::pid_t);

impl Child {
    /// Runs `body` in a child, which then ends: with status 0, or 1 where
    /// `body` panics. The test must be [`alone`].
    pub fn run(body: impl FnOnce()) -> Child {
        assert!(IS_ALONE.load(Ordering::SeqCst), "a test that forks takes kit::children::alone()");
        // SAFETY: the child runs `body` and ends at once, without unwinding into
        // the test harness; glibc keeps its allocator usable there.
        let pid = unsafe { libc::fork() };
        assert!(pid >= 0);
        if pid == 0 {
            let failed = catch_unwind(AssertUnwindSafe(body)).is_err();
            // SAFETY: ends the process without running the harness's handlers.
            unsafe { libc::_exit(i32::from(failed)) };
        }
        Child(pid)
    }

    pub fn pid(&self) -> u32 {
        u32::try_from(self.0).expect("a process id")
    }

    /// Waits for its end; its status.
    pub fn wait(self) -> libc::c_int {
        let mut status = -1;
        // SAFETY: `status` lives through the call; the child is ours.
        assert_eq!(unsafe { libc::waitpid(self.0, &mut status, 0) }, self.0);
        std::mem::forget(self);
        status
    }

    pub fn signal(&self, signal: libc::c_int) {
        // SAFETY: takes no pointers; the child is ours and not waited for yet.
        unsafe { libc::kill(self.0, signal) };
    }

    /// Stops it; [`libc::SIGCONT`] lets it go on.
    pub fn freeze(&self) {
        freeze(self.0);
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.signal(libc::SIGKILL);
        // SAFETY: takes a null pointer for no status; the child is ours.
        unsafe { libc::waitpid(self.0, std::ptr::null_mut(), 0) };
    }
}

/// Runs `body` in `count` children at once, with their number, and waits for
/// all. A child that panics fails the test.
pub fn children(count: usize, body: impl Fn(usize)) {
    let running: Vec<_> = (0..count).map(|number| Child::run(|| body(number))).collect();
    for child in running {
        assert_eq!(child.wait(), 0, "a child failed");
    }
}

/// Runs `body` in one child. A child that panics fails the test.
pub fn in_child(body: impl FnOnce()) {
    assert_eq!(Child::run(body).wait(), 0, "see what the child printed");
}

/// Stops a child: a signal takes its time, this returns when it stands.
pub fn freeze(child: libc::pid_t) {
    // SAFETY: a null pointer for no status; `child` is ours and not waited for.
    let stopped = unsafe {
        libc::kill(child, libc::SIGSTOP);
        libc::waitpid(child, std::ptr::null_mut(), libc::WUNTRACED)
    };
    assert_eq!(stopped, child, "the child stops");
}

/// In a child of root: becomes a user who may not do more than others.
pub fn give_up_rights() {
    const NOBODY: libc::uid_t = 65_534;
    // SAFETY: no pointers are followed: the list is empty.
    let ordinary = unsafe {
        libc::geteuid() != 0
            || (libc::setgroups(0, std::ptr::null()) == 0
                && libc::setgid(NOBODY) == 0
                && libc::setuid(NOBODY) == 0)
    };
    assert!(ordinary, "root cannot become nobody");
}
