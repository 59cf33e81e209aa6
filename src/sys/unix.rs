//! Unix stream sockets that never block and never raise SIGPIPE.

use std::io;
use std::mem;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::ptr;

use super::{check, own};

/// Connects to a Unix stream socket. `WouldBlock`: its backlog is full, try
/// again shortly.
pub(crate) fn connect(path: &Path) -> io::Result<OwnedFd> {
    // SAFETY: all zeros is a valid sockaddr_un.
    let mut address: libc::sockaddr_un = unsafe { mem::zeroed() };
    address.sun_family = libc::AF_UNIX as libc::sa_family_t;
    let bytes = path.as_os_str().as_bytes();
    if bytes.len() >= address.sun_path.len() {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    for (to, from) in address.sun_path.iter_mut().zip(bytes) {
        *to = *from as libc::c_char;
    }
    let kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: takes no pointers.
    let fd = own(unsafe { libc::socket(libc::AF_UNIX, kind, 0) })?;
    let length = mem::size_of::<libc::sockaddr_un>() as libc::socklen_t;
    // SAFETY: `address` is initialised, ends in a zero byte, and `length` is
    // its size.
    check(unsafe { libc::connect(fd.as_raw_fd(), ptr::from_ref(&address).cast(), length) })?;
    Ok(fd)
}

/// True when a process listens on a Unix socket. Never waits: a full backlog also
/// means that one listens.
pub(crate) fn is_listening(path: &Path) -> io::Result<bool> {
    match connect(path) {
        Ok(_) => Ok(true),
        Err(error) => match error.raw_os_error() {
            Some(libc::EAGAIN | libc::EINPROGRESS) => Ok(true),
            Some(libc::ECONNREFUSED | libc::ENOENT) => Ok(false),
            _ => Err(error),
        },
    }
}

/// Refuses further connections, in every process that has this listener.
pub(crate) fn shut_down(listener: &UnixListener) {
    // SAFETY: takes no pointers; the descriptor is open.
    unsafe { libc::shutdown(listener.as_raw_fd(), libc::SHUT_RDWR) };
}
