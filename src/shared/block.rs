//! The mapping itself.

use std::io;
use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;

use crate::error::{Error, Result};

/// A run of zeroed 64-bit atomics, shared with every process forked later.
#[derive(Debug)]
pub struct Block {
    start: NonNull<AtomicU64>,
    words: usize,
}

// SAFETY: the block is plain atomics in memory that lives as long as the value;
// atomics may be used from any thread.
unsafe impl Send for Block {}
// SAFETY: as above.
unsafe impl Sync for Block {}

impl Block {
    /// Maps `words` words (at least one). `Status::System` when the system
    /// refuses.
    pub fn new(words: usize) -> Result<Self> {
        let words = words.max(1);
        let bytes = words.checked_mul(size_of::<AtomicU64>()).ok_or_else(|| {
            Error::limit(format!("{words} words of shared memory cannot be addressed"))
        })?;
        // SAFETY: a new anonymous mapping at an address of the kernel's choice
        // touches no memory of ours.
        let start = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if start == libc::MAP_FAILED {
            let error = io::Error::last_os_error();
            return Err(Error::system(format!("{bytes} bytes of shared memory"), &error));
        }
        let start = NonNull::new(start.cast::<AtomicU64>())
            .ok_or_else(|| Error::limit("shared memory was mapped at address 0"))?;
        Ok(Block { start, words })
    }

    /// All words.
    pub fn words(&self) -> &[AtomicU64] {
        // SAFETY: the mapping holds `words` words, page-aligned and zeroed (a
        // valid AtomicU64), and lives as long as `self`; nobody has a plain
        // reference into it.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.words) }
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: the mapping was made with this address and length, and no
        // borrow of it outlives `self`. Other processes keep theirs.
        unsafe {
            libc::munmap(self.start.as_ptr().cast(), self.words * size_of::<AtomicU64>());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::Ordering;

    #[test]
    fn a_child_writes_what_its_parent_reads() {
        let block = Block::new(4).unwrap();
        // SAFETY: the child only stores to an atomic and leaves.
        let child = unsafe { libc::fork() };
        if child == 0 {
            block.words()[2].store(42, Ordering::Relaxed);
            // SAFETY: leaves without running anything else.
            unsafe { libc::_exit(0) };
        }
        // SAFETY: waits for our own child.
        unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) };
        assert_eq!(block.words()[2].load(Ordering::Relaxed), 42);
        assert_eq!(block.words()[3].load(Ordering::Relaxed), 0);
    }
}
