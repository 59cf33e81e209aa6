//! The keeper does the work that no SIP message causes: it finds changed files,
//! resolves host names of relays, probes relays that do not answer and flushes
//! queued deletes. SIP workers sleep until a message comes, so one process does
//! this for the whole server. Several processes may have a keeper; the one that
//! holds the lease works. Results are stored in the shared block.

mod duty;
mod event_loop;
mod flush;
mod probe;
mod relay_duties;
mod reload;
mod resolve;

use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};

use crate::Engine;
use crate::error::{Error, Result, Status};
use crate::keeper::duty::Duty;
use crate::keeper::event_loop::EventLoop;
use crate::keeper::flush::Flush;
use crate::keeper::probe::Probes;
use crate::keeper::reload::{Group, Reload};
use crate::keeper::resolve::Resolve;
use crate::now;
use crate::relay::link::{Pool, Watch};
use crate::reload::WatchedFile;
use crate::shared::lease::{Claim, RENEW};
use crate::sys::process::ProcessMark;

pub use crate::keeper::relay_duties::RelayDuties;

/// A keeper. Make it after the fork, in the process that uses it. Call
/// [`Keeper::tick`] when [`Keeper::descriptor`] is readable, or every 200 ms; or
/// call [`Keeper::run`] in a thread of its own.
///
/// ```
/// use std::sync::Arc;
/// use mediaproxy::Keeper;
///
/// # fn main() -> mediaproxy::Result<()> {
/// # let engine = kit::engine(&[]);
/// let keeper = Arc::new(Keeper::new(engine)?);
/// let running = Arc::clone(&keeper);
/// let thread = std::thread::spawn(move || running.run());
///
/// // When the server stops:
/// keeper.stop();
/// thread.join().expect("the thread ends")?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Keeper {
    engine: Arc<Engine>,
    process: ProcessMark,
    event_loop: Arc<EventLoop>,
    stopping: AtomicBool,
    work: Mutex<Work>,
}

/// The state that a turn changes.
#[derive(Debug)]
struct Work {
    claim: Claim,
    duties: Vec<Box<dyn Duty>>,
    /// The time of the next turn (milliseconds of the monotonic clock).
    next: u64,
}

impl Keeper {
    /// Makes a keeper in the current process. `Status::System` when its
    /// descriptors cannot be opened.
    pub fn new(engine: Arc<Engine>) -> Result<Keeper> {
        let event_loop = Arc::new(EventLoop::new()?);
        let path = |file: &WatchedFile| file.path().to_path_buf();
        let lists = engine.agents().watched().map(path).collect();
        let relays = engine.relays_file().file();
        let relays = if relays.is_some() { vec![path(relays)] } else { Vec::new() };
        let groups = vec![
            Group { files: lists, generation: |engine| engine.shared().lists() },
            Group { files: relays, generation: |engine| engine.shared().relays() },
        ];
        let poll = engine.settings().watch_by_polling();
        let watch: Arc<dyn Watch> = event_loop.clone();
        let resolve = Resolve::new(&*watch);
        let resolve = resolve.map_err(|error| Error::system("the keeper's descriptor", &error))?;
        let duties: Vec<Box<dyn Duty>> = vec![
            Box::new(Reload::new(groups, poll, Arc::clone(&event_loop.bell))),
            Box::new(resolve),
            Box::new(Probes::new(Pool::watched(Arc::clone(&watch)))),
            Box::new(Flush::new(Pool::watched(watch))),
        ];
        Ok(Keeper {
            process: ProcessMark::new(),
            event_loop,
            stopping: AtomicBool::new(false),
            work: Mutex::new(Work { claim: Claim::default(), duties, next: 0 }),
            engine,
        })
    }

    /// Does the work that is due at `now` (milliseconds of the monotonic clock).
    /// Never waits. Does nothing while another process of the server holds the
    /// lease.
    ///
    /// # Errors
    /// `Status::WrongProcess` in a process other than the one that made the
    /// keeper, `Status::Argument` while [`Keeper::run`] runs.
    pub fn tick(&self, now: u64) -> Result<()> {
        let mut work = self.claim_work()?;
        self.event_loop.clear_stop();
        self.turn(&mut work, now);
        Ok(())
    }

    /// A descriptor for poll and epoll, which is readable when [`Keeper::tick`] is
    /// to be called: its time has come, a file has changed, or a relay has sent
    /// bytes. It stays the same until the keeper is dropped, and belongs to the
    /// keeper.
    pub fn descriptor(&self) -> RawFd {
        self.event_loop.descriptor()
    }

    /// The time until the next tick in milliseconds, unless the descriptor becomes
    /// readable earlier.
    pub fn next(&self, now: u64) -> u64 {
        match self.work.try_lock() {
            Ok(work) => work.next.saturating_sub(now),
            Err(TryLockError::Poisoned(work)) => work.into_inner().next.saturating_sub(now),
            Err(TryLockError::WouldBlock) => RENEW,
        }
    }

    /// Ticks on the calling thread until [`Keeper::stop`], then releases the
    /// lease.
    ///
    /// # Errors
    /// Those of [`Keeper::tick`], and `Status::System` when waiting fails.
    pub fn run(&self) -> Result<()> {
        let mut work = self.claim_work()?;
        let ended = loop {
            self.event_loop.clear_stop();
            if self.stopping.swap(false, Ordering::AcqRel) {
                break Ok(());
            }
            self.turn(&mut work, now());
            if let Err(error) = self.event_loop.wait(work.next.saturating_sub(now())) {
                break Err(error);
            }
        };
        work.release(&self.engine, now());
        self.engine.shared().lease().release(&mut work.claim);
        ended
    }

    /// Stops [`Keeper::run`]. May be called from any thread. Before
    /// [`Keeper::run`] it makes the next call return at once.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        self.event_loop.stop();
    }

    /// True when this process holds the lease at `now`, so that its keeper works
    /// for the server.
    pub fn is_in_charge(&self, now: u64) -> bool {
        self.engine.shared().lease().holder(now) == Some(std::process::id())
    }

    fn claim_work(&self) -> Result<MutexGuard<'_, Work>> {
        if !self.process.is_here() {
            return Err(Error::new(
                Status::WrongProcess,
                "this keeper was made in another process; make it after the fork",
            ));
        }
        match self.work.try_lock() {
            Ok(work) => Ok(work),
            // This turn repeats the work in which the last one panicked.
            Err(TryLockError::Poisoned(work)) => Ok(work.into_inner()),
            Err(TryLockError::WouldBlock) => {
                Err(Error::new(Status::Argument, "the keeper runs in another thread"))
            }
        }
    }

    fn turn(&self, work: &mut Work, now: u64) {
        let engine = &self.engine;
        let lease = engine.shared().lease();
        if lease.hold(&mut work.claim, std::process::id(), now) {
            let turns = work.duties.iter_mut().map(|duty| duty.turn(engine, now));
            work.next = turns.fold(now.saturating_add(RENEW), u64::min);
        } else {
            work.release(engine, now);
            work.next = now.saturating_add(lease.left(now).max(1));
        }
        self.event_loop.wake_after(work.next.saturating_sub(now));
    }
}

impl Work {
    /// Releases all duties, since another process works now.
    fn release(&mut self, engine: &Engine, now: u64) {
        self.duties.iter_mut().for_each(|duty| duty.release(engine, now));
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        let work = match self.work.get_mut() {
            Ok(work) => work,
            Err(poisoned) => poisoned.into_inner(),
        };
        if self.process.is_here() {
            work.release(&self.engine, now());
            self.engine.shared().lease().release(&mut work.claim);
        } else {
            work.duties.iter_mut().for_each(|duty| duty.abandon());
        }
    }
}
