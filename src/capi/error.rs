//! `mp_error`.

use crate::capi::boundary::{Handle, Poison, Report};
use crate::capi::status::MpStatus;
use crate::capi::text::MpStr;
use crate::error::Error;

/// Why a constructor or a setting failed. Made by the library where an
/// mp_error ** is given (NULL if the reason is not wanted) and the call fails;
/// on success nothing is written. The caller frees it with mp_error_free.
/// Never changes: any thread may read it, also after a fork.
#[derive(Debug)]
pub struct MpError {
    poison: Poison,
    error: Error,
}

impl Handle for MpError {
    fn poison(&self) -> &Poison {
        &self.poison
    }
}

impl Report for *mut *mut MpError {
    unsafe fn report(self, error: Error) {
        if self.is_null() {
            return;
        }
        let made = Box::new(MpError { poison: Poison::default(), error });
        // SAFETY: not NULL, and the trait's contract: valid for writing.
        unsafe { self.write(Box::into_raw(made)) };
    }
}

/// The status of an error, the one the failed call returned. MP_ERR_NULL for
/// NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_error_status(error: *const MpError) -> MpStatus {
    boundary!(value MpStatus::MP_ERR_NULL; error: shared => { Ok(error.error.status().into()) })
}

/// The sentence of an error: what was wrong, where (setting, file, line), and
/// what to do. UTF-8, one line. Lives until mp_error_free. Empty for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_error_text(error: *const MpError) -> MpStr {
    boundary!(value MpStr::EMPTY; error: shared => { Ok(MpStr::of(error.error.text().as_bytes())) })
}

/// Frees an error. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_error_free(error: *mut MpError) {
    boundary!(free error)
}
