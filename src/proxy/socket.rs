//! What the standard library has no word for: epoll, eventfd, timerfd, signal
//! masks. All `unsafe` of the proxy and the keeper is here.

use std::io;
use std::mem;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::ptr;

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

/// An epoll instance, level-triggered.
#[derive(Debug)]
pub(crate) struct Epoll(OwnedFd);

/// The descriptors that are ready.
pub(crate) struct Events {
    events: Vec<libc::epoll_event>,
    ready: usize,
}

impl Events {
    /// Room for `batch` ready descriptors at a time.
    pub(crate) fn new(batch: usize) -> Self {
        let none = libc::epoll_event { events: 0, u64: 0 };
        Events { events: vec![none; batch.max(1)], ready: 0 }
    }

    /// The tokens of the descriptors that were ready at the last wait.
    pub(crate) fn tokens(&self) -> impl Iterator<Item = u64> {
        self.events.iter().take(self.ready).map(|event| event.u64)
    }
}

impl Epoll {
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: takes no pointers.
        own(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) }).map(Epoll)
    }

    /// Watches a descriptor for input until it is removed.
    pub(crate) fn add(&self, fd: &impl AsFd, token: u64) -> io::Result<()> {
        let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: token };
        self.control(libc::EPOLL_CTL_ADD, fd, &mut event)
    }

    /// No longer watches a descriptor.
    pub(crate) fn remove(&self, fd: &impl AsFd) -> io::Result<()> {
        let mut event = libc::epoll_event { events: 0, u64: 0 };
        self.control(libc::EPOLL_CTL_DEL, fd, &mut event)
    }

    fn control(
        &self,
        operation: libc::c_int,
        fd: &impl AsFd,
        event: &mut libc::epoll_event,
    ) -> io::Result<()> {
        let fd = fd.as_fd().as_raw_fd();
        // SAFETY: both descriptors are open, `event` lives through the call.
        check(unsafe { libc::epoll_ctl(self.0.as_raw_fd(), operation, fd, event) }).map(drop)
    }

    /// Waits at most `timeout` milliseconds (-1: for ever). An interrupted
    /// wait reports nothing.
    pub(crate) fn wait(&self, events: &mut Events, timeout: i32) -> io::Result<()> {
        events.ready = 0;
        let room = i32::try_from(events.events.len()).unwrap_or(i32::MAX);
        let first = events.events.as_mut_ptr();
        // SAFETY: there is room for `room` entries at `first`.
        match check(unsafe { libc::epoll_wait(self.0.as_raw_fd(), first, room, timeout) }) {
            Ok(ready) => events.ready = usize::try_from(ready).unwrap_or(0),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// Wakes a thread that waits in [`Epoll::wait`].
#[derive(Debug)]
pub(crate) struct Waker(OwnedFd);

impl Waker {
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: takes no pointers.
        own(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) }).map(Waker)
    }

    /// Makes the descriptor ready. It cannot fail: a full counter is ready.
    pub(crate) fn wake(&self) {
        let one = 1u64;
        // SAFETY: writes the eight bytes of `one`.
        unsafe { libc::write(self.0.as_raw_fd(), ptr::from_ref(&one).cast(), 8) };
    }

    /// Makes it not ready again.
    pub(crate) fn clear(&self) {
        let mut count = 0u64;
        // SAFETY: reads at most the eight bytes of `count`.
        unsafe { libc::read(self.0.as_raw_fd(), ptr::from_mut(&mut count).cast(), 8) };
    }
}

impl AsFd for Epoll {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// A descriptor that becomes ready at a time.
#[derive(Debug)]
pub(crate) struct Timer(OwnedFd);

impl Timer {
    pub(crate) fn new() -> io::Result<Self> {
        let flags = libc::TFD_CLOEXEC | libc::TFD_NONBLOCK;
        // SAFETY: takes no pointers.
        own(unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, flags) }).map(Timer)
    }

    /// Makes it not ready now, and ready in so many milliseconds.
    pub(crate) fn set(&self, milliseconds: u64) {
        let seconds = libc::time_t::try_from(milliseconds / 1000).unwrap_or(libc::time_t::MAX);
        // All zeros would switch it off.
        let nanos = (milliseconds % 1000 * 1_000_000).max(1);
        let value =
            libc::timespec { tv_sec: seconds, tv_nsec: libc::c_long::try_from(nanos).unwrap_or(0) };
        let once = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        let time = libc::itimerspec { it_interval: once, it_value: value };
        // SAFETY: reads `time`, writes nothing. Its values are in range.
        unsafe { libc::timerfd_settime(self.0.as_raw_fd(), 0, &time, ptr::null_mut()) };
    }
}

impl AsFd for Timer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsFd for Waker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Whether somebody listens on a Unix socket. Never waits: a listener whose
/// queue is full is one.
pub(super) fn is_listening(path: &Path) -> io::Result<bool> {
    let kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: takes no pointers.
    let fd = own(unsafe { libc::socket(libc::AF_UNIX, kind, 0) })?;
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
    let length = mem::size_of::<libc::sockaddr_un>() as libc::socklen_t;
    // SAFETY: `address` is initialised, ends in a zero byte, and `length` is
    // its size.
    let result =
        check(unsafe { libc::connect(fd.as_raw_fd(), ptr::from_ref(&address).cast(), length) });
    match result {
        Ok(_) => Ok(true),
        Err(error) => match error.raw_os_error() {
            Some(libc::EAGAIN | libc::EINPROGRESS) => Ok(true),
            Some(libc::ECONNREFUSED | libc::ENOENT) => Ok(false),
            _ => Err(error),
        },
    }
}

/// Refuses further connections, in every process that has this listener.
pub(super) fn shut_down(listener: &UnixListener) {
    // SAFETY: takes no pointers; the descriptor is open.
    unsafe { libc::shutdown(listener.as_raw_fd(), libc::SHUT_RDWR) };
}

/// Sends without SIGPIPE; the descriptor is a non-blocking stream.
pub(super) fn send(stream: &impl AsFd, bytes: &[u8]) -> io::Result<usize> {
    let fd = stream.as_fd().as_raw_fd();
    // SAFETY: `bytes` is valid for its length.
    let sent = unsafe { libc::send(fd, bytes.as_ptr().cast(), bytes.len(), libc::MSG_NOSIGNAL) };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

/// The effective user of this process.
pub(super) fn user() -> u32 {
    // SAFETY: takes no arguments and cannot fail.
    unsafe { libc::geteuid() }
}

/// Runs `function` with all signals blocked on this thread: a thread it
/// spawns inherits that.
pub(crate) fn without_signals<T>(function: impl FnOnce() -> T) -> T {
    // SAFETY: all zeros is a valid sigset_t, and sigfillset sets it anyway.
    let (mut all, mut before): (libc::sigset_t, libc::sigset_t) = unsafe { mem::zeroed() };
    // SAFETY: both sets live through the calls.
    unsafe {
        libc::sigfillset(&mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut before);
    }
    let result = function();
    // SAFETY: `before` was filled in above.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &before, ptr::null_mut()) };
    result
}
