//! Version of the library

use crate::capi::text::MpStr;

/// The version of the library that runs, as MAJOR.MINOR.PATCH; MP_VERSION is
/// the version of this header. The two are compatible when their MAJOR is the
/// same. The text is static and a NUL follows it. Any thread of any process may
/// call this function.
#[unsafe(no_mangle)]
pub extern "C" fn mp_version() -> MpStr {
    const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");
    boundary!(value MpStr::EMPTY; => {
        Ok(MpStr { ptr: VERSION.as_ptr().cast(), len: VERSION.len() - 1 })
    })
}
