//! TCP connections that are made without waiting.

use std::io;
use std::mem;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::ptr;

use super::{check, own};

/// Starts a connection. It can be used at once: until it is made, sending fails
/// with `WouldBlock`; if it cannot be made, sending says why. Small messages are
/// sent without delay (TCP_NODELAY).
pub(crate) fn connect(address: SocketAddr) -> io::Result<OwnedFd> {
    let family = if address.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    let kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: takes no pointers.
    let fd = own(unsafe { libc::socket(family, kind, 0) })?;
    let one: libc::c_int = 1;
    let length = mem::size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: reads the four bytes of `one`.
    check(unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_NODELAY,
            ptr::from_ref(&one).cast(),
            length,
        )
    })?;
    let result = match address {
        SocketAddr::V4(address) => {
            // SAFETY: all zeros is a valid sockaddr_in.
            let mut raw: libc::sockaddr_in = unsafe { mem::zeroed() };
            raw.sin_family = libc::AF_INET as libc::sa_family_t;
            raw.sin_port = address.port().to_be();
            raw.sin_addr.s_addr = u32::from_ne_bytes(address.ip().octets());
            let length = mem::size_of::<libc::sockaddr_in>() as libc::socklen_t;
            // SAFETY: `raw` is initialised and `length` is its size.
            unsafe { libc::connect(fd.as_raw_fd(), ptr::from_ref(&raw).cast(), length) }
        }
        SocketAddr::V6(address) => {
            // SAFETY: all zeros is a valid sockaddr_in6.
            let mut raw: libc::sockaddr_in6 = unsafe { mem::zeroed() };
            raw.sin6_family = libc::AF_INET6 as libc::sa_family_t;
            raw.sin6_port = address.port().to_be();
            raw.sin6_addr.s6_addr = address.ip().octets();
            raw.sin6_scope_id = address.scope_id();
            let length = mem::size_of::<libc::sockaddr_in6>() as libc::socklen_t;
            // SAFETY: `raw` is initialised and `length` is its size.
            unsafe { libc::connect(fd.as_raw_fd(), ptr::from_ref(&raw).cast(), length) }
        }
    };
    match check(result) {
        Ok(_) => Ok(fd),
        Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => Ok(fd),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::{epoll, stream};
    use std::io::Read;
    use std::net::TcpListener;

    #[test]
    fn connection_is_made_without_waiting_for_both_families() {
        for local in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(local) else { continue };
            let fd = connect(listener.local_addr().unwrap()).unwrap();
            epoll::wait(fd.as_raw_fd(), false, true, 5_000);
            assert_eq!(stream::send(&fd, b"hello").unwrap(), 5);
            drop(fd);
            let mut text = String::new();
            listener.accept().unwrap().0.read_to_string(&mut text).unwrap();
            assert_eq!(text, "hello");
        }
    }

    #[test]
    fn closed_port_is_an_error_of_connect_or_send() {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let error = match connect(port) {
            Err(error) => error,
            Ok(fd) => {
                epoll::wait(fd.as_raw_fd(), false, true, 5_000);
                stream::send(&fd, b"x").unwrap_err()
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }
}
