//! `mp_proxy`: the built-in media relay.

use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use crate::capi::boundary::{Handle, Poison, quiet_panics};
use crate::capi::config::MpConfig;
use crate::capi::error::MpError;
use crate::capi::statistics::write_known;
use crate::capi::status::MpStatus;
use crate::capi::text::MpStr;
use crate::error::{Error, Status};
use crate::proxy::{Proxy, Statistics};

/// The metrics of a proxy since it was made.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct MpProxyCounters {
    /// In the header, a named field for each row of the table.
    pub values: [u64; Statistics::TABLE.len()],
}

/// The built-in media relay: RTP and RTCP port pairs on this machine, set up by
/// the settings proxy_*; a worker reaches it with the setting relay =
/// "embedded". One a server. Make it before the fork, so that workers may
/// connect before it runs; then run it in one process, or start it in one,
/// after the fork. A process that only uses it calls mp_proxy_free: there, that
/// closes its inherited copy of the listening socket and nothing else. Any
/// thread may call it.
#[derive(Debug)]
pub struct MpProxy {
    poison: Poison,
    proxy: Proxy,
    socket: PathBuf,
}

impl Handle for MpProxy {
    fn poison(&self) -> &Poison {
        &self.poison
    }
}

/// Makes a proxy: opens its listening Unix socket, nothing more, and writes it
/// to *proxy. A stale socket file is replaced; the directory is made (mode
/// 0700) when it is missing. The config is copied. The caller frees it with
/// mp_proxy_free. MP_ERR_SETTING when the setting proxy_address is missing,
/// MP_ERR_SYSTEM when the socket cannot be opened or another proxy serves it.
/// error may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_proxy_new(
    config: *const MpConfig,
    proxy: *mut *mut MpProxy,
    error: *mut *mut MpError,
) -> MpStatus {
    boundary!(report error; config: borrowed, proxy: output => {
        quiet_panics();
        let settings = config.settings.proxy()?;
        let socket = settings.socket.clone();
        let made = MpProxy { poison: Poison::default(), proxy: Proxy::bind(settings)?, socket };
        proxy.set(Box::into_raw(Box::new(made)));
        Ok(Status::Ok)
    })
}

/// The path of the Unix socket it listens on. Lives as long as the proxy. Empty
/// for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_proxy_socket(proxy: *const MpProxy) -> MpStr {
    boundary!(value MpStr::EMPTY; proxy: shared => {
        Ok(MpStr::of(proxy.socket.as_os_str().as_bytes()))
    })
}

/// Serves on the calling thread until mp_proxy_stop is called by another
/// thread of this process. Once only, and not beside mp_proxy_start.
/// MP_ERR_SYSTEM when the system refuses what it needs. error may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_proxy_run(proxy: *const MpProxy, error: *mut *mut MpError) -> MpStatus {
    boundary!(report error; proxy: shared => {
        proxy.proxy.run()?;
        Ok(Status::Ok)
    })
}

/// Serves on threads of its own, which block all signals, and returns at once.
/// Call it after the fork, in one process. error may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_proxy_start(
    proxy: *const MpProxy,
    error: *mut *mut MpError,
) -> MpStatus {
    boundary!(report error; proxy: shared => {
        proxy.proxy.start()?;
        Ok(Status::Ok)
    })
}

/// Ends mp_proxy_run or mp_proxy_start: media sockets are closed and sessions
/// forgotten. After mp_proxy_start its threads have ended when this returns.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_proxy_stop(proxy: *const MpProxy) -> MpStatus {
    boundary!(report (); proxy: shared => {
        proxy.proxy.stop();
        Ok(Status::Ok)
    })
}

/// Writes what the proxy has done to *counters. size is sizeof *counters: a
/// program built with an older header gets the counters it knows.
/// MP_ERR_ARGUMENT when it is no multiple of 8, or 0. Counts what this process
/// did.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_proxy_statistics(
    proxy: *const MpProxy,
    counters: *mut MpProxyCounters,
    size: usize,
) -> MpStatus {
    boundary!(report (); proxy: shared => {
        if counters.is_null() {
            return Err(Error::new(Status::Null, "counters is NULL"));
        }
        let known = MpProxyCounters { values: proxy.proxy.statistics().values() };
        // SAFETY: the header's contract: `size` bytes are writable.
        unsafe { write_known(&known, counters, size) }
    })
}

/// Frees a proxy, stops it first if this process runs it, and removes the
/// socket file if this process made it. In another process only the inherited
/// descriptors are closed. Not while mp_proxy_run is still running: stop it and
/// wait for its return. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_proxy_free(proxy: *mut MpProxy) {
    boundary!(free proxy)
}
