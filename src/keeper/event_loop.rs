//! The keeper's event loop: one epoll descriptor over a timer, inotify's bell, the
//! connections to relays and a request to stop.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::relay::link::Watch;
use crate::reload::Bell;
use crate::sys::epoll::{Epoll, Events, Timer, Waker};
use crate::sys::process::ProcessMark;

/// Everything the descriptor stands for.
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
            let ready = EventLoop {
                process: ProcessMark::new(),
                epoll: Epoll::new()?,
                timer: Timer::new()?,
                stop: Waker::new()?,
                bell: Arc::new(Bell::new()?),
            };
            // EventLoop at once: the first tick is due.
            ready.timer.set(0);
            ready.epoll.add(&ready.timer, 0)?;
            ready.epoll.add(&ready.stop, 0)?;
            ready.epoll.add(&ready.bell.waker, 0)?;
            Ok(ready)
        })();
        made.map_err(|error: std::io::Error| Error::system("the keeper's descriptor", &error))
    }

    pub(super) fn descriptor(&self) -> RawFd {
        self.epoll.as_fd().as_raw_fd()
    }

    /// The next tick is due in so many milliseconds.
    pub(super) fn due_in(&self, milliseconds: u64) {
        self.timer.set(milliseconds);
    }

    /// Waits until it is ready; at most so many milliseconds.
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

    pub(super) fn stop_seen(&self) {
        self.stop.clear();
    }
}

impl Watch for EventLoop {
    fn watch(&self, descriptor: BorrowedFd<'_>) -> std::io::Result<()> {
        self.epoll.add(&descriptor, 0)
    }

    fn unwatch(&self, descriptor: BorrowedFd<'_>) {
        // The epoll instance is the parent's too: a child must not unwatch.
        if self.process.is_here() {
            let _ = self.epoll.remove(&descriptor);
        }
    }
}
