//! Text: mp_str

use std::ffi::c_char;

/// A text of len bytes at ptr. It may hold any bytes and needs no terminating
/// NUL. NULL with len 0 is the empty text; NULL with another len is
/// MP_ERR_NULL.
///
/// As an argument, a text is only read during the call, unless the comment of
/// the function says otherwise. As a result, the bytes belong to the library
/// and live as long as the comment of the function says. Print a text with
/// printf("%.*s", (int)text.len, text.ptr).
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct MpStr {
    /// The first byte. May be NULL when len is 0.
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
