//! The built-in proxy server: a media relay on this machine. It speaks the
//! MediaProxy 2+ control protocol on a Unix socket, hands out RTP/RTCP port
//! pairs and forwards what comes.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::Result;

/// How a proxy is set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The Unix socket it listens on for control.
    pub socket: PathBuf,
    /// The addresses media is received on and that go into descriptions: at
    /// most one IPv4 and one IPv6 address.
    pub addresses: Vec<IpAddr>,
    /// First and last UDP port handed out.
    pub ports: (u16, u16),
    /// An answered session without media ends after this (90 s).
    pub idle_timeout: Duration,
    /// An unanswered one after this (300 s).
    pub unanswered_timeout: Duration,
    /// One on hold after this (7,200 s).
    pub hold_timeout: Duration,
}

/// What a proxy has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Live sessions.
    pub sessions: u64,
    /// Sessions ever made.
    pub sessions_total: u64,
    /// UDP sockets open for media.
    pub open_ports: u64,
    /// Packets received on media ports.
    pub received: u64,
    /// Packets forwarded.
    pub relayed: u64,
    /// Packets dropped: from strangers, or before the other side is known.
    pub dropped: u64,
}

/// A proxy. [`Proxy::bind`] may be called before a fork: it opens only the
/// listening socket.
#[derive(Debug)]
pub struct Proxy {}

impl Proxy {
    /// Binds the control socket: a stale socket file is replaced, a live one
    /// is an error; the directory is made (mode 0700) when it is missing.
    pub fn bind(config: Config) -> Result<Self> {
        let _ = config;
        todo!()
    }

    /// Serves on the calling thread until [`Proxy::stop`].
    pub fn run(&self) -> Result<()> {
        todo!()
    }

    /// Serves on threads of its own, which block all signals.
    pub fn start(&self) -> Result<()> {
        todo!()
    }

    /// Ends `run` or `start`, from any thread: media sockets are closed, the
    /// threads joined (by `stop` itself after `start`), the socket file
    /// removed by the process that bound it.
    pub fn stop(&self) {
        todo!()
    }

    /// What it has done so far.
    pub fn statistics(&self) -> Statistics {
        todo!()
    }
}

/// Where the proxy of this process listens unless told: a directory of mode
/// 0700 under `$XDG_RUNTIME_DIR`, `/run` (root) or the temporary directory,
/// named after user and process.
pub fn default_socket() -> PathBuf {
    let _ = Path::new("");
    todo!()
}
