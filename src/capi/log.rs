//! Log lines

use std::ffi::c_void;

use crate::capi::text::MpStr;
use crate::log::{Level, Log};

/// A call is harmed, or a setting cannot be honoured.
pub const MP_LOG_ERROR: u32 = 1;
/// Something is wrong, but calls are served.
pub const MP_LOG_WARNING: u32 = 2;
/// What an operator wants to know of normal operation.
pub const MP_LOG_INFO: u32 = 3;
/// For troubleshooting.
pub const MP_LOG_DEBUG: u32 = 4;

const _: () = assert!(
    MP_LOG_ERROR == Level::Error as u32
        && MP_LOG_WARNING == Level::Warning as u32
        && MP_LOG_INFO == Level::Info as u32
        && MP_LOG_DEBUG == Level::Debug as u32
);

/// Receives log lines: arg as given to mp_config_set_log, a level (one of
/// MP_LOG_*), and a line of UTF-8 without line end, which lives only during the
/// call. A later version may add higher levels: treat them as debug.
///
/// The library calls it on the thread that called the library, from within that
/// call. The callback must not call the library with the same handles, and must
/// not leave by longjmp or a C++ exception.
pub type MpLogCallback = Option<extern "C" fn(arg: *mut c_void, level: u32, text: MpStr)>;

/// A callback with its argument.
struct Sink {
    callback: extern "C" fn(*mut c_void, u32, MpStr),
    arg: *mut c_void,
}

// SAFETY: the header says that the callback is called on any thread that uses
// the library; the caller gives an `arg` that allows this.
unsafe impl Send for Sink {}
// SAFETY: as above.
unsafe impl Sync for Sink {}

impl Sink {
    fn write(&self, level: Level, text: &str) {
        (self.callback)(self.arg, level as u32, MpStr::of(text.as_bytes()));
    }
}

pub(super) fn log(callback: MpLogCallback, arg: *mut c_void) -> Log {
    let Some(callback) = callback else {
        return Log::none();
    };
    let sink = Sink { callback, arg };
    Log::new(move |level, text| sink.write(level, text))
}
