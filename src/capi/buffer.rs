//! A buffer of the caller: it gets a whole text or nothing.

use std::ffi::c_char;

use crate::capi::boundary::output::Place;
use crate::error::{Error, Result, Status};

/// Memory of the caller that a text is written to.
pub(super) struct Buffer {
    start: *mut c_char,
    capacity: usize,
}

impl Buffer {
    /// `Status::Null` for NULL with a capacity above 0.
    ///
    /// # Safety
    /// `start` is NULL or `capacity` bytes are writable at it while the result
    /// is used.
    pub(super) unsafe fn new(start: *mut c_char, capacity: usize) -> Result<Buffer> {
        if start.is_null() && capacity > 0 {
            return Err(Error::new(Status::Null, "buffer is NULL"));
        }
        Ok(Buffer { start, capacity })
    }

    /// Writes the number of bytes to `length`, and the bytes where they fit;
    /// else `Status::BufferTooSmall`, the buffer untouched.
    pub(super) fn write(self, bytes: &[u8], length: Place<usize>) -> Result<Status> {
        let (needed, capacity) = (bytes.len(), self.capacity);
        length.set(needed);
        if needed > capacity {
            let text = format!("{needed} bytes do not fit into a buffer of {capacity}");
            return Err(Error::new(Status::BufferTooSmall, text));
        }
        if needed > 0 {
            // SAFETY: `new` demands `capacity` >= `needed` writable bytes; the
            // source is our own memory.
            unsafe { self.start.copy_from_nonoverlapping(bytes.as_ptr().cast(), needed) };
        }
        Ok(Status::Ok)
    }
}
