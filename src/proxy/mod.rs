//! The built-in proxy server: a media relay on this machine. It answers the
//! MediaProxy 2+ control protocol on a Unix socket, allocates RTP/RTCP port
//! pairs and forwards the packets between them.
//!
//! ```text
//!  Unix socket -> control -> table -> session --+
//!                                               v  expectations
//!  UDP sockets -> forward -> media -> learning: is the source accepted, where to
//! ```
//!
//! Only `listener`, `forward` and `server`, the event loop, have sockets and a
//! clock; everything else is pure and also runs as `dry`.

mod answer;
mod branches;
mod config;
mod control;
mod dialog;
mod dialogs;
#[doc(hidden)]
pub mod dry;
mod family;
mod forward;
mod ids;
mod initial;
mod learner;
mod learning;
mod lines;
mod listener;
mod local;
mod loops;
mod media;
mod media_ports;
mod offer;
mod opening;
mod ports;
mod refusal;
mod server;
mod session;
mod statistics;
mod stream;
mod summary;
mod table;
mod update;
mod warning;

use std::os::unix::net::UnixListener;
use std::process;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

pub use config::{Config, LearnFrom, Log, LogRecord};
pub use listener::default_socket;
pub use refusal::Refusal;
pub use statistics::Statistics;
pub use summary::{
    EndReason, PortSummary, SessionEnd, SessionSummary, SideSummary, StreamSummary, Traffic,
};
pub use warning::Warning;

use crate::error::{Error, Result, Status};
use crate::sys::epoll::Epoll;
use listener::Identity;
use server::Shared;

/// A proxy. [`Proxy::bind`] may be called before a fork: it opens only the
/// listening socket.
///
/// The process that called `bind` owns the socket file. In any other process,
/// dropping the proxy only closes inherited descriptors.
#[derive(Debug)]
pub struct Proxy {
    config: Arc<Config>,
    shared: Arc<Shared>,
    binder: u32,
    identity: Option<Identity>,
    listener: Mutex<Option<UnixListener>>,
    thread: Mutex<Option<Serving>>,
}

/// The thread that [`Proxy::start`] made, and the process it runs in.
#[derive(Debug)]
struct Serving {
    process: u32,
    thread: JoinHandle<()>,
}

impl Proxy {
    /// Binds the control socket. A socket file without a listener is replaced;
    /// one with a listener is an error. A missing directory is created with
    /// mode 0700.
    ///
    /// # Errors
    /// `Status::Setting` when `config` cannot work, `Status::System` when the
    /// socket cannot be bound.
    pub fn bind(config: Config) -> Result<Self> {
        config.validate()?;
        let (listener, identity) = listener::bind(&config.socket)?;
        Ok(Proxy {
            config: Arc::new(config),
            shared: Arc::default(),
            binder: process::id(),
            identity,
            listener: Mutex::new(Some(listener)),
            thread: Mutex::new(None),
        })
    }

    /// Serves on the calling thread until [`Proxy::stop`] is called; returns at
    /// once when it was called before.
    ///
    /// # Errors
    /// `Status::Argument` when the proxy already serves or its listener was
    /// closed, `Status::System` when the event loop fails.
    pub fn run(&self) -> Result<()> {
        let Some((listener, epoll)) = self.claim()? else { return Ok(()) };
        serve(&self.config, &self.shared, listener, &epoll)
    }

    /// Serves on a new thread, which blocks all signals.
    ///
    /// # Errors
    /// As [`Proxy::run`]; `Status::System` when the thread cannot be started.
    pub fn start(&self) -> Result<()> {
        let Some((listener, epoll)) = self.claim()? else { return Ok(()) };
        let (config, shared) = (Arc::clone(&self.config), Arc::clone(&self.shared));
        let spawned = crate::sys::signal::without_signals(|| {
            let serve = move || drop(serve(&config, &shared, listener, &epoll));
            thread::Builder::new().name("mediaproxy".into()).spawn(serve)
        });
        match spawned {
            Ok(thread) => {
                *lock(&self.thread) = Some(Serving { process: process::id(), thread });
                Ok(())
            }
            Err(error) => {
                self.shared.set_running(false);
                Err(Error::system("start the proxy's thread", &error))
            }
        }
    }

    /// Stops serving; may be called from any thread. Media sockets are closed,
    /// the thread of `start` is joined, and the process that called `bind`
    /// removes the socket file. A stopped proxy cannot serve again.
    pub fn stop(&self) {
        let own = process::id();
        self.shared.stop();
        if own == self.binder {
            if let Some(listener) = lock(&self.listener).take() {
                crate::sys::unix::shut_down(&listener);
            }
            listener::unbind(&self.config.socket, self.identity);
        }
        let serving = lock(&self.thread).take();
        match serving {
            Some(serving) if serving.process == own => {
                // The thread returns nothing and does not panic.
                let _ = serving.thread.join();
            }
            // The thread runs in the parent process, so it cannot be joined here.
            other => std::mem::forget(other),
        }
    }

    /// Closes only the listening socket of this process. To be called in each
    /// forked process that uses the proxy but does not run it: an inherited
    /// copy would accept connections for a proxy that has died.
    pub fn close_inherited(&self) {
        drop(lock(&self.listener).take());
    }

    /// The counters of this process.
    pub fn statistics(&self) -> Statistics {
        self.shared.counters.read()
    }

    /// The live sessions; empty unless this process serves. Waits at most one
    /// second for the serving thread.
    pub fn sessions(&self) -> Vec<SessionSummary> {
        let (sender, summaries) = mpsc::channel();
        self.shared.request_summaries(sender);
        summaries.recv_timeout(Duration::from_secs(1)).unwrap_or_default()
    }

    /// Reserves serving for the caller; `None` when the proxy was stopped.
    fn claim(&self) -> Result<Option<(UnixListener, Epoll)>> {
        if self.shared.is_stopped() {
            return Ok(None);
        }
        let listener = match &*lock(&self.listener) {
            Some(listener) => listener.try_clone(),
            None => return Err(Error::new(Status::Argument, "the proxy's listener was closed")),
        };
        let listener = listener.map_err(|error| Error::system("copy the listener", &error))?;
        if self.shared.set_running(true) {
            return Err(Error::new(Status::Argument, "the proxy is already running"));
        }
        match server::prepare(&self.shared, &listener) {
            Ok(epoll) => Ok(Some((listener, epoll))),
            Err(error) => {
                self.shared.set_running(false);
                Err(error)
            }
        }
    }
}

fn serve(config: &Config, shared: &Shared, listener: UnixListener, epoll: &Epoll) -> Result<()> {
    let result = server::serve(config, shared, listener, epoll);
    shared.set_running(false);
    result
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if process::id() == self.binder {
            self.stop();
        } else {
            std::mem::forget(lock(&self.thread).take());
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
