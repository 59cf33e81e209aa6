//! The keeper's event loop: one epoll descriptor for a timer, the bell of inotify,
//! the connections to relays and the request to stop.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::relay::link::Watch;
use crate::reload::Bell;
use crate::sys::epoll::{Epoll, Events, Timer, Waker};
use crate::sys::process::ProcessMark;

/// The epoll descriptor with the descriptors it watches.
#[derive(Debug)]
pub(super) struct EventLoop {
    process: ProcessMark,
    epoll: Epoll,
    timer: Timer,
    stop: Waker,
    pub(super) bell: Arc<Bell>,
}

impl EventLoop {
    pub(super) fn new() -> Result<EventLoop> {
        let made = (|| {
            let event_loop = EventLoop {
                process: ProcessMark::new(),
                epoll: Epoll::new()?,
                timer: Timer::new()?,
                stop: Waker::new()?,
                bell: Arc::new(Bell::new()?),
            };
            // The first tick is due at once.
            event_loop.timer.set(0);
            event_loop.epoll.add(&event_loop.timer, 0)?;
            event_loop.epoll.add(&event_loop.stop, 0)?;
            event_loop.epoll.add(&event_loop.bell.waker, 0)?;
            Ok(event_loop)
        })();
        made.map_err(|error: std::io::Error| Error::system("the keeper's descriptor", &error))
    }

    pub(super) fn descriptor(&self) -> RawFd {
        self.epoll.as_fd().as_raw_fd()
    }

    /// Makes the descriptor ready after so many milliseconds.
    pub(super) fn wake_after(&self, milliseconds: u64) {
        self.timer.set(milliseconds);
    }

    /// Waits until the descriptor is ready, at most so many milliseconds.
    pub(super) fn wait(&self, milliseconds: u64) -> Result<()> {
        let timeout = i32::try_from(milliseconds).unwrap_or(i32::MAX);
        let waited = self.epoll.wait(&mut Events::new(1), timeout);
        waited.map_err(|error| Error::system("wait for the keeper's descriptor", &error))
    }

    /// True when it is ready now.
    #[cfg(test)]
    pub(super) fn is_ready(&self) -> bool {
        let mut events = Events::new(1);
        self.epoll.wait(&mut events, 0).unwrap();
        events.tokens().count() > 0
    }

    pub(super) fn stop(&self) {
        self.stop.wake();
    }

    /// Clears the request to stop.
    pub(super) fn clear_stop(&self) {
        self.stop.clear();
    }
}

impl Watch for EventLoop {
    fn watch(&self, descriptor: BorrowedFd<'_>) -> std::io::Result<()> {
        self.epoll.add(&descriptor, 0)
    }

    fn unwatch(&self, descriptor: BorrowedFd<'_>) {
        // A child shares the epoll instance with its parent and must not change it.
        if self.process.is_here() {
            let _ = self.epoll.remove(&descriptor);
        }
    }
}
