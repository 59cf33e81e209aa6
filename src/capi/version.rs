//! `mp_version`.

use crate::capi::text::MpStr;

/// The version of the library that runs, as MP_VERSION was of the header:
/// MAJOR.MINOR.PATCH. Compatible when MAJOR is the header's. Static, never
/// freed; a NUL follows it. Any thread, any process.
#[unsafe(no_mangle)]
pub extern "C" fn mp_version() -> MpStr {
    const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");
    boundary!(value MpStr::EMPTY; => {
        Ok(MpStr { ptr: VERSION.as_ptr().cast(), len: VERSION.len() - 1 })
    })
}
