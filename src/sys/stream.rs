//! Sending and receiving on stream sockets of any family: neither waits nor
//! raises SIGPIPE.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

/// Sends what fits.
pub(crate) fn send(stream: &impl AsFd, bytes: &[u8]) -> io::Result<usize> {
    // SAFETY: the pointer and length are those of a live slice.
    let sent = unsafe {
        libc::send(
            stream.as_fd().as_raw_fd(),
            bytes.as_ptr().cast(),
            bytes.len(),
            libc::MSG_NOSIGNAL,
        )
    };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

/// Receives what is there; 0 at the end.
pub(crate) fn receive(stream: &impl AsFd, buffer: &mut [u8]) -> io::Result<usize> {
    // SAFETY: the pointer and length are those of a live slice of ours.
    let received = unsafe {
        libc::recv(
            stream.as_fd().as_raw_fd(),
            buffer.as_mut_ptr().cast(),
            buffer.len(),
            libc::MSG_DONTWAIT,
        )
    };
    usize::try_from(received).map_err(|_| io::Error::last_os_error())
}

/// True when a connection was not made, or took nothing, because of what this
/// process or system lacks at the moment: no relay is to blame.
pub(crate) fn is_local_failure(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
        || matches!(
            error.raw_os_error(),
            Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM | libc::ENOBUFS)
        )
}
