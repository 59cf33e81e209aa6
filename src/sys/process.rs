//! Is this still the process that made the handle? One word that the kernel
//! wipes in a forked child answers it for the price of a load.

use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

/// Marks the process (and the fork) a handle belongs to.
#[derive(Debug)]
pub struct ProcessMark {
    /// A private page that reads zero in a child; `None` where the kernel
    /// cannot do that, then the process id is compared.
    page: Option<NonNull<AtomicU64>>,
    pid: u32,
}

// SAFETY: the page is only read after it was made.
unsafe impl Send for ProcessMark {}
// SAFETY: as above.
unsafe impl Sync for ProcessMark {}

const PAGE: usize = 4096;

impl ProcessMark {
    /// Marks the current process.
    pub fn new() -> Self {
        ProcessMark { page: wiped_on_fork(), pid: std::process::id() }
    }

    /// The process that made this mark.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// True in the process that made this mark, false in its children.
    pub fn is_here(&self) -> bool {
        match self.page {
            // SAFETY: the page is mapped until `self` is dropped.
            Some(page) => unsafe { page.as_ref() }.load(Ordering::Relaxed) != 0,
            None => std::process::id() == self.pid,
        }
    }
}

impl Default for ProcessMark {
    fn default() -> Self {
        Self::new()
    }
}

fn wiped_on_fork() -> Option<NonNull<AtomicU64>> {
    // SAFETY: a new private anonymous mapping; nothing of ours is touched. A
    // page is larger than the one word used of it.
    unsafe {
        let page = libc::mmap(
            std::ptr::null_mut(),
            PAGE,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0,
        );
        if page == libc::MAP_FAILED {
            return None;
        }
        if libc::madvise(page, PAGE, libc::MADV_WIPEONFORK) != 0 {
            libc::munmap(page, PAGE);
            return None;
        }
        let word = NonNull::new(page.cast::<AtomicU64>())?;
        word.as_ref().store(1, Ordering::Relaxed);
        Some(word)
    }
}

impl Drop for ProcessMark {
    fn drop(&mut self) {
        if let Some(page) = self.page {
            // SAFETY: mapped by `wiped_on_fork` with this length, and not used
            // after this.
            unsafe { libc::munmap(page.as_ptr().cast(), PAGE) };
        }
    }
}

/// The effective user of this process.
pub(crate) fn user() -> u32 {
    // SAFETY: takes no arguments and cannot fail.
    unsafe { libc::geteuid() }
}

/// A stream needs four descriptors: takes as many as the system grants.
pub fn raise_descriptor_limit() {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_is_another_process() {
        let mark = ProcessMark::new();
        assert!(mark.is_here());
        // SAFETY: the child only loads a word and leaves.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let code = i32::from(mark.is_here());
            // SAFETY: leaves without running anything else.
            unsafe { libc::_exit(code) };
        }
        let mut status = 0;
        // SAFETY: waits for our own child.
        unsafe { libc::waitpid(child, &mut status, 0) };
        assert_eq!(status, 0, "the child must see that it is another process");
        assert!(mark.is_here());
    }
}
