//! The built-in media relay: mp_proxy

use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use crate::capi::boundary::{Poison, quiet_panics};
use crate::capi::config::MpConfig;
use crate::capi::error::MpError;
use crate::capi::statistics::write_known;
use crate::capi::status::MpStatus;
use crate::capi::text::MpStr;
use crate::error::{Error, Status};
use crate::proxy::{Proxy, Statistics};

/// The statistics of a proxy since it was made. sessions and open_ports are
/// values of the moment, the others are counters.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct MpProxyCounters {
    /// In the header, a named field for each row of the table.
    pub values: [u64; Statistics::TABLE.len()],
}

/// The built-in media relay: pairs of RTP and RTCP ports on this machine,
/// configured by the settings proxy_*. A worker reaches it by the setting relay
/// = "embedded". One is enough for a server.
///
/// Make it before the fork, so that workers may connect before it runs. Then
/// run it in one process, after the fork: mp_proxy_run blocks, mp_proxy_start
/// has its own threads. Every other process calls mp_proxy_free, which there
/// only closes the inherited copy of the listening socket. Any thread may use
/// it.
///
/// ```c
/// mp_proxy *proxy = NULL;
/// mp_config_set(config, mp_text("relay"), mp_text("embedded"), NULL);
/// mp_config_set(config, mp_text("proxy_address"), mp_text("203.0.113.9"),
///               NULL);
/// if (mp_proxy_new(config, &proxy, NULL) != MP_OK)
///     return;
/// if (fork() == 0) {
///     mp_proxy_run(proxy, NULL);
///     _exit(0);
/// }
/// mp_proxy_free(proxy);
/// ```
#[derive(Debug)]
pub struct MpProxy {
    poison: Poison,
    proxy: Proxy,
    socket: PathBuf,
}

handle!(MpProxy);

/// Makes a proxy and writes it to *proxy: it opens its listening Unix socket,
/// nothing else. A stale socket file is replaced; a missing directory is made
/// with mode 0700. The settings are copied. The caller frees it with
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

/// The path of its Unix socket. It lives as long as the proxy. Empty for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_proxy_socket(proxy: *const MpProxy) -> MpStr {
    boundary!(value MpStr::EMPTY; proxy: shared => {
        Ok(MpStr::of(proxy.socket.as_os_str().as_bytes()))
    })
}

/// Serves on the calling thread until another thread of this process calls
/// mp_proxy_stop. It may run only once, and not beside mp_proxy_start.
/// MP_ERR_SYSTEM when the system refuses sockets or memory. error may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_proxy_run(proxy: *const MpProxy, error: *mut *mut MpError) -> MpStatus {
    boundary!(report error; proxy: shared => {
        proxy.proxy.run()?;
        Ok(Status::Ok)
    })
}

/// Starts threads that serve, which block all signals, and returns at once.
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

/// Stops mp_proxy_run or mp_proxy_start: closes the media sockets and drops the
/// sessions. The threads of mp_proxy_start have ended when it returns.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_proxy_stop(proxy: *const MpProxy) -> MpStatus {
    boundary!(report (); proxy: shared => {
        proxy.proxy.stop();
        Ok(Status::Ok)
    })
}

/// Writes the statistics of a proxy that runs in this process to *counters.
/// size is sizeof *counters: a program that was built with an older header gets
/// the members it knows. MP_ERR_ARGUMENT for a size that is 0 or not a multiple
/// of 8.
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

/// Frees a proxy. In the process that runs it, it stops the proxy first, and in
/// the one that made it, it removes the socket file. In another process it only
/// closes the inherited descriptors. Not while mp_proxy_run runs: stop it and
/// wait for its return. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_proxy_free(proxy: *mut MpProxy) {
    boundary!(free proxy)
}
