//! The built-in proxy server: a media relay on this machine. It speaks the
//! MediaProxy 2+ control protocol on a Unix socket, hands out RTP/RTCP port
//! pairs and forwards what comes.
//!
//! ```text
//!  Unix socket -> control -> table -> session --+
//!                                               v  expectations
//!  UDP sockets -> forward --------> learning: whose packet, where to
//! ```
//!
//! `control`, `table`, `session`, `learning` and `ports` are pure: no socket,
//! no clock. `server` is the loop around them.

mod config;
mod control;
#[doc(hidden)]
pub mod dry;
mod family;
mod forward;
mod learning;
mod listener;
mod media;
mod message;
mod ports;
mod refusal;
mod server;
mod session;
pub(crate) mod socket;
mod stream;
mod summary;
mod table;

use std::os::unix::net::UnixListener;
use std::process;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

pub use config::{Config, LearnFrom, Log, Notice};
pub use listener::default_socket;
pub use refusal::Refusal;
pub use summary::{
    EndReason, PortSummary, SessionEnd, SessionSummary, SideSummary, Statistics, StreamSummary,
    Traffic,
};

use crate::error::{Error, Result, Status};
use listener::Identity;
use server::Shared;
use socket::Epoll;

/// A proxy. [`Proxy::bind`] may be called before a fork: it opens only the
/// listening socket.
///
/// The process that bound it owns the socket file. In another process
/// dropping it closes inherited descriptors and nothing else.
#[derive(Debug)]
pub struct Proxy {
    config: Arc<Config>,
    shared: Arc<Shared>,
    binder: u32,
    identity: Option<Identity>,
    listener: Mutex<Option<UnixListener>>,
    thread: Mutex<Option<Serving>>,
}

/// A thread that [`Proxy::start`] has made, and its process.
#[derive(Debug)]
struct Serving {
    process: u32,
    thread: JoinHandle<()>,
}

impl Proxy {
    /// Binds the control socket: a stale socket file is replaced, a live one
    /// is an error; the directory is made (mode 0700) when it is missing.
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

    /// Serves on the calling thread until [`Proxy::stop`]. At once done when
    /// that was called before; an error when it serves already.
    pub fn run(&self) -> Result<()> {
        let Some((listener, epoll)) = self.claim()? else { return Ok(()) };
        serve(&self.config, &self.shared, listener, &epoll)
    }

    /// Serves on a thread of its own, which blocks all signals.
    pub fn start(&self) -> Result<()> {
        let Some((listener, epoll)) = self.claim()? else { return Ok(()) };
        let (config, shared) = (Arc::clone(&self.config), Arc::clone(&self.shared));
        let spawned = socket::without_signals(|| {
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

    /// Ends `run` or `start`, from any thread: media sockets are closed, the
    /// threads joined (by `stop` itself after `start`), the socket file
    /// removed by the process that bound it. A stopped proxy does not serve
    /// again.
    pub fn stop(&self) {
        let own = process::id();
        self.shared.stop();
        if own == self.binder {
            if let Some(listener) = lock(&self.listener).take() {
                socket::shut_down(&listener);
            }
            listener::unbind(&self.config.socket, self.identity);
        }
        let serving = lock(&self.thread).take();
        match serving {
            Some(serving) if serving.process == own => {
                // It has no result, and it does not panic.
                let _ = serving.thread.join();
            }
            // A thread of the process this one was forked from: it is not here.
            other => std::mem::forget(other),
        }
    }

    /// Closes the listening socket of this process and nothing else. For
    /// processes that use a proxy another one runs: else their copies would
    /// keep a dead proxy's socket accepting.
    pub fn close_inherited(&self) {
        drop(lock(&self.listener).take());
    }

    /// What it has done so far, in this process.
    pub fn statistics(&self) -> Statistics {
        self.shared.counters.read()
    }

    /// The live sessions; empty unless this process serves. Waits for the
    /// serving thread, at most a second.
    pub fn sessions(&self) -> Vec<SessionSummary> {
        let (ask, answer) = mpsc::channel();
        self.shared.ask(ask);
        answer.recv_timeout(Duration::from_secs(1)).unwrap_or_default()
    }

    /// Makes the caller this process's only server; `None` after a stop.
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
            return Err(Error::new(Status::Argument, "the proxy runs already"));
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
