//! The memory mapping of the shared block.

use std::io;
use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;

use crate::error::{Error, Result};

/// Words of a cache line. Tables that several processes write at once start on a
/// new line.
pub(super) const LINE: usize = 8;

/// A mapping of 64-bit atomics, zero at first, shared with each process forked
/// later.
#[derive(Debug)]
pub struct Block {
    start: NonNull<AtomicU64>,
    words: usize,
}

// SAFETY: the block consists of atomics, which may be used from any thread, in
// memory that is mapped as long as the value exists.
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
        // SAFETY: a new anonymous mapping at an address that the kernel selects
        // overlaps no existing memory.
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
        // SAFETY: the mapping has `words` words, page-aligned and zeroed (a valid
        // AtomicU64), and exists as long as `self`; no reference into it is
        // other than atomic.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.words) }
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: the mapping was made with this address and length, and no
        // borrow of it outlives `self`. Other processes keep their mapping.
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
    fn parent_reads_word_written_by_child() {
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
