//! Waiting for descriptors: epoll, eventfd, timerfd, poll.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::ptr;

use super::{check, own};

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

/// Waits until the descriptor is ready or `timeout` milliseconds passed; with
/// -1 for the descriptor it only waits.
pub(crate) fn wait(fd: RawFd, read: bool, write: bool, timeout: u64) {
    let mut events = 0;
    if read {
        events |= libc::POLLIN;
    }
    if write {
        events |= libc::POLLOUT;
    }
    let mut poll = libc::pollfd { fd, events, revents: 0 };
    let timeout = libc::c_int::try_from(timeout).unwrap_or(libc::c_int::MAX);
    // SAFETY: one pollfd of ours. A signal ends the wait early; the caller
    // reads the clock again.
    unsafe { libc::poll(&mut poll, 1, timeout) };
}
