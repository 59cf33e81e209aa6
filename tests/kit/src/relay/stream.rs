//! Unix sockets and TCP sockets as one.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

/// Where a relay listens, written as in its URI.
#[derive(Debug)]
pub(super) enum Address {
    Unix(PathBuf),
    Tcp(SocketAddr),
}

impl Address {
    /// Connects, so that a thread that accepts goes on.
    pub(super) fn connect(&self) {
        let _ = match self {
            Address::Unix(path) => UnixStream::connect(path).map(drop),
            Address::Tcp(address) => {
                TcpStream::connect_timeout(address, Duration::from_secs(1)).map(drop)
            }
        };
    }
}

impl fmt::Display for Address {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Unix(path) => write!(to, "{}", path.display()),
            Address::Tcp(address) => write!(to, "tcp:{address}"),
        }
    }
}

#[derive(Debug)]
pub(super) enum Listener {
    Unix(UnixListener),
    Tcp(TcpListener),
}

impl Listener {
    pub(super) fn accept(&self) -> io::Result<Stream> {
        Ok(match self {
            Listener::Unix(listener) => Stream::Unix(listener.accept()?.0),
            Listener::Tcp(listener) => Stream::Tcp(listener.accept()?.0),
        })
    }

    /// Another handle of the same socket.
    pub(super) fn again(&self) -> Listener {
        match self {
            Listener::Unix(listener) => Listener::Unix(listener.try_clone().unwrap()),
            Listener::Tcp(listener) => Listener::Tcp(listener.try_clone().unwrap()),
        }
    }

    /// Fills the backlog with connections that nobody accepts.
    pub(super) fn fill(&self, address: &Address) -> Backlog {
        let descriptor = match self {
            Listener::Unix(listener) => listener.as_raw_fd(),
            Listener::Tcp(listener) => listener.as_raw_fd(),
        };
        // SAFETY: takes no pointers; the socket is ours and listens already.
        assert_eq!(unsafe { libc::listen(descriptor, 0) }, 0);
        let mut backlog = Backlog { _tcp: Vec::new() };
        match address {
            // A thread that has to wait ends with the listener at the latest.
            Address::Unix(path) => {
                for _ in 0..4 {
                    let path = path.clone();
                    thread::spawn(move || UnixStream::connect(path).map(|_| thread::park()));
                }
                thread::sleep(Duration::from_millis(100));
            }
            Address::Tcp(address) => {
                let shortly = Duration::from_millis(100);
                // The thread that accepts may still have taken one.
                for _ in 0..2 {
                    while let Ok(stream) = TcpStream::connect_timeout(address, shortly) {
                        backlog._tcp.push(stream);
                        assert!(backlog._tcp.len() < 100, "the backlog is never full");
                    }
                }
            }
        }
        backlog
    }

    /// Its address; a Unix socket is at `path`.
    pub(super) fn address(&self, path: &Path) -> Address {
        match self {
            Listener::Unix(_) => Address::Unix(path.to_path_buf()),
            Listener::Tcp(listener) => Address::Tcp(listener.local_addr().unwrap()),
        }
    }
}

/// Connections that fill a backlog.
#[derive(Debug)]
pub struct Backlog {
    _tcp: Vec<TcpStream>,
}

#[derive(Debug)]
pub(super) enum Stream {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl Stream {
    /// Another handle of the same connection.
    pub(super) fn again(&self) -> Stream {
        match self {
            Stream::Unix(stream) => Stream::Unix(stream.try_clone().unwrap()),
            Stream::Tcp(stream) => Stream::Tcp(stream.try_clone().unwrap()),
        }
    }

    /// Closes it for all that hold a copy.
    pub(super) fn close(&self) {
        let _ = match self {
            Stream::Unix(stream) => stream.shutdown(Shutdown::Both),
            Stream::Tcp(stream) => stream.shutdown(Shutdown::Both),
        };
    }
}

impl Read for &Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Unix(stream) => (&*stream).read(buffer),
            Stream::Tcp(stream) => (&*stream).read(buffer),
        }
    }
}

impl Write for &Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Unix(stream) => (&*stream).write(bytes),
            Stream::Tcp(stream) => (&*stream).write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
