//! `mp_str`.

use std::ffi::c_char;

/// A text: len bytes at ptr, any bytes, no terminating NUL needed. NULL with
/// length 0 is the empty text; NULL with another length is MP_ERR_NULL. As an
/// argument the bytes are only read during the call, unless the function says
/// otherwise. As a result they belong to the library and live as long as the
/// function says; print them with printf("%.*s", (int)text.len, text.ptr).
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct MpStr {
    /// The first byte; may be NULL when len is 0.
    pub ptr: *const c_char,
    /// The number of bytes.
    pub len: usize,
}

impl MpStr {
    /// No bytes. Not NULL, so that it may go to functions that dislike NULL.
    pub(super) const EMPTY: MpStr = MpStr { ptr: c"".as_ptr(), len: 0 };

    /// Borrows `bytes`: the caller of this sees to it that they live long
    /// enough.
    pub(super) fn of(bytes: &[u8]) -> MpStr {
        if bytes.is_empty() {
            return MpStr::EMPTY;
        }
        MpStr { ptr: bytes.as_ptr().cast(), len: bytes.len() }
    }
}
