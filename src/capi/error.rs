//! Reasons of failures: mp_error

use crate::capi::boundary::{Poison, Report};
use crate::capi::status::MpStatus;
use crate::capi::text::MpStr;
use crate::error::Error;

/// Why a call failed. The library makes an mp_error when a call that takes an
/// mp_error ** fails, and writes it there; it writes nothing on success, and
/// nothing when the pointer is NULL. The caller frees it with mp_error_free. An
/// mp_error never changes: any thread may read it, also after a fork.
///
/// ```c
/// mp_error *error = NULL;
/// if (mp_engine_new(config, &engine, &error) != MP_OK) {
///     print(mp_error_text(error));
///     mp_error_free(error);
/// }
/// ```
#[derive(Debug)]
pub struct MpError {
    poison: Poison,
    error: Error,
}

handle!(MpError);

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

/// The status that the failed call returned. MP_ERR_NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_error_status(error: *const MpError) -> MpStatus {
    boundary!(value MpStatus::MP_ERR_NULL; error: shared => { Ok(error.error.status().into()) })
}

/// A sentence for the operator: what is wrong, where (setting, file, line), and
/// what to do. One line of UTF-8. It lives until mp_error_free. Empty for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_error_text(error: *const MpError) -> MpStr {
    boundary!(value MpStr::EMPTY; error: shared => { Ok(MpStr::of(error.error.text().as_bytes())) })
}

/// Frees an error. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_error_free(error: *mut MpError) {
    boundary!(free error)
}
