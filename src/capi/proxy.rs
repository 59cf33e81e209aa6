//! The built-in media relay: mp_proxy

use std::collections::VecDeque;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::capi::boundary::{Poison, quiet_panics};
use crate::capi::config::MpConfig;
use crate::capi::error::MpError;
use crate::capi::statistics::MP_STATISTIC_COUNTER;
use crate::capi::status::MpStatus;
use crate::capi::text::MpStr;
use crate::capi::values::{self, write_known};
use crate::error::{Error, Status};
use crate::log::{Level, Log};
use crate::proxy::{self, LogRecord, Proxy, Refusal, Statistics};

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
/// has its own thread. Every other process calls mp_proxy_free, which there
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
    log: Log,
    lines: Lines,
}

handle!(MpProxy);

/// Log lines that mp_proxy_statistics writes: the serving thread never waits for a log.
#[derive(Clone, Debug, Default)]
struct Lines(Arc<Mutex<VecDeque<(Level, String)>>>);

/// The most lines that wait; more are lost.
const MAX_LINES: usize = 64;

impl Lines {
    /// Stores what the SIP server does not learn from an answer.
    fn store(&self, record: &LogRecord) {
        let (level, what, call_id, reason) = match record {
            LogRecord::Refused { call_id, refusal } => {
                (level_of(refusal), "refused", call_id, refusal.to_string())
            }
            LogRecord::Warning { call_id, warning } => {
                (Level::Warning, "warning", call_id, warning.to_string())
            }
            LogRecord::Ended(_) => return,
        };
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() < MAX_LINES {
            let call = call_id.escape_ascii();
            let line = format!("embedded relay: {what}, call \"{call}\": {reason}");
            lines.push_back((level, line));
        }
    }

    fn write(&self, log: &Log) {
        let lines = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        for (level, line) in lines {
            log.write(level, line);
        }
    }
}

/// Messages that are late or come again are refused in normal operation.
fn level_of(refusal: &Refusal) -> Level {
    match refusal {
        Refusal::UnknownSession
        | Refusal::UnknownDialog
        | Refusal::Answered
        | Refusal::LaterInvite
        | Refusal::OutOfPlace => Level::Debug,
        _ => Level::Warning,
    }
}

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
        let mut settings = config.settings.proxy()?;
        let (socket, lines) = (settings.socket.clone(), Lines::default());
        let stored = lines.clone();
        settings.log = Some(proxy::Log::new(move |record| stored.store(record)));
        let (poison, bound) = (Poison::default(), Proxy::bind(settings)?);
        let made = MpProxy { poison, proxy: bound, socket, log: config.log.clone(), lines };
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
/// mp_proxy_stop; a proxy that was stopped before returns MP_OK at once and
/// serves nothing. MP_ERR_ARGUMENT when it already runs, also by
/// mp_proxy_start. MP_ERR_SYSTEM when the system refuses sockets or memory.
/// error may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_proxy_run(proxy: *const MpProxy, error: *mut *mut MpError) -> MpStatus {
    boundary!(report error; proxy: shared => {
        proxy.proxy.run()?;
        Ok(Status::Ok)
    })
}

/// Starts a thread that serves and blocks all signals, and returns at once.
/// Call it after the fork, in one process. Errors as for mp_proxy_run.
/// MP_ERR_SYSTEM also when the system refuses a thread. error may be NULL.
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
/// sessions. The thread of mp_proxy_start has ended when it returns. A stopped
/// proxy cannot run again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_proxy_stop(proxy: *const MpProxy) -> MpStatus {
    boundary!(report (); proxy: shared => {
        proxy.proxy.stop();
        Ok(Status::Ok)
    })
}

/// Writes the statistics of a proxy that runs in this process to *counters, and
/// to the log of its mp_config why requests were refused since the last call and
/// which calls have a side that is sent nothing, at most 64 lines: call it about
/// once a second. size is sizeof *counters: a program that was built with an
/// older header gets the members it knows. MP_ERR_ARGUMENT for a size that is 0 or not a multiple
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
        proxy.lines.write(&proxy.log);
        let known = MpProxyCounters { values: proxy.proxy.statistics().values() };
        // SAFETY: the header's contract: `size` bytes are writable.
        unsafe { write_known(&known, counters, size) }
    })
}

/// The number of values in mp_proxy_counters. With the four functions below a
/// server offers them as its own statistics without a table, as with
/// mp_statistics_count. Any thread of any process may call this function.
///
/// ```c
/// mp_proxy_counters now;
/// if (mp_proxy_statistics(proxy, &now, sizeof now) != MP_OK)
///     return;
/// for (size_t i = 0; i < mp_proxy_counters_count(); i++) {
///     print(mp_proxy_counters_name(i));
///     print_number(mp_proxy_counters_value(&now, sizeof now, i));
/// }
/// ```
#[unsafe(no_mangle)]
pub extern "C" fn mp_proxy_counters_count() -> usize {
    boundary!(value 0; => { Ok(Statistics::TABLE.len()) })
}

/// The name of value number index, from 0: that of its member in
/// mp_proxy_counters. Empty beyond the last one. The text is static. Any thread
/// of any process may call this function.
#[unsafe(no_mangle)]
pub extern "C" fn mp_proxy_counters_name(index: usize) -> MpStr {
    boundary!(value MpStr::EMPTY; => { Ok(values::name(&Statistics::TABLE, index)) })
}

/// A sentence that explains value number index. Otherwise as
/// mp_proxy_counters_name.
#[unsafe(no_mangle)]
pub extern "C" fn mp_proxy_counters_help(index: usize) -> MpStr {
    boundary!(value MpStr::EMPTY; => { Ok(values::help(&Statistics::TABLE, index)) })
}

/// The kind of value number index: MP_STATISTIC_COUNTER or MP_STATISTIC_GAUGE.
/// MP_STATISTIC_COUNTER beyond the last one. Any thread of any process may call
/// this function.
#[unsafe(no_mangle)]
pub extern "C" fn mp_proxy_counters_kind(index: usize) -> u32 {
    boundary!(value MP_STATISTIC_COUNTER; => { Ok(values::kind(&Statistics::TABLE, index)) })
}

/// The value of number index in the counters that mp_proxy_statistics wrote;
/// size is sizeof *counters. 0 beyond the last one, for a member beyond size and
/// for NULL. Any thread of any process may call this function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_proxy_counters_value(
    counters: *const MpProxyCounters,
    size: usize,
    index: usize,
) -> u64 {
    boundary!(value 0; => {
        // SAFETY: the header's contract: `size` bytes are readable.
        Ok(unsafe { values::value(&Statistics::TABLE, 0, counters, size, index) })
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
