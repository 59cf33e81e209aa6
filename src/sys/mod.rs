//! System calls and instructions that the standard library has no word for, each as a safe
//! function. Outside of this folder `unsafe` is only in `capi` and `shared`.

pub mod clock;
pub(crate) mod epoll;
pub(crate) mod line_ends;
pub mod process;
pub mod signal;
pub(crate) mod stream;
pub(crate) mod tcp;
pub(crate) mod unix;

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Owns a descriptor a system call has just returned.
fn own(result: libc::c_int) -> io::Result<OwnedFd> {
    let fd = check(result)?;
    // SAFETY: the call succeeded, so `fd` is a new descriptor that nothing
    // else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
