//! What must happen without a message: reading changed files, resolving names of
//! relays, probing relays that do not answer, flushing queued deletes. SIP workers
//! sleep until a message comes, so one process of a server does it for all;
//! several may have a keeper, and one of them holds the lease. What it finds out
//! it puts into the shared block.

mod duty;
mod event_loop;
mod flush;
mod probe;
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
use crate::relay::link::Watch;
use crate::reload::WatchedFile;
use crate::shared::lease::{Claim, RENEW};
use crate::sys::process::ProcessMark;

/// A keeper. Made in the process that will use it, after the fork. Either call
/// [`Keeper::tick`] when [`Keeper::descriptor`] is ready, or every 200 ms, or
/// give [`Keeper::run`] a thread of its own.
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
    ready: Arc<EventLoop>,
    stopping: AtomicBool,
    work: Mutex<Work>,
}

/// What is changed while it works.
#[derive(Debug)]
struct Work {
    claim: Claim,
    duties: Vec<Box<dyn Duty>>,
    /// When to turn again (milliseconds).
    next: u64,
}

impl Keeper {
    /// Makes a keeper in the current process. `Status::System` when its
    /// descriptor cannot be had.
    pub fn new(engine: Arc<Engine>) -> Result<Keeper> {
        let ready = Arc::new(EventLoop::new()?);
        let path = |file: &WatchedFile| file.path().to_path_buf();
        let lists = engine.agents().watched().map(path).collect();
        let relays = engine.relays_file().file();
        let relays = if relays.is_some() { vec![path(relays)] } else { Vec::new() };
        let groups = vec![
            Group { files: lists, which: |engine| engine.shared().lists() },
            Group { files: relays, which: |engine| engine.shared().relays() },
        ];
        let poll = engine.settings().watch_by_polling();
        let watch: Arc<dyn Watch> = ready.clone();
        let resolve = Resolve::new(&*watch);
        let resolve = resolve.map_err(|error| Error::system("the keeper's descriptor", &error))?;
        let duties: Vec<Box<dyn Duty>> = vec![
            Box::new(Reload::new(groups, poll, Arc::clone(&ready.bell))),
            Box::new(resolve),
            Box::new(Probes::new(Arc::clone(&watch))),
            Box::new(Flush::new(watch)),
        ];
        Ok(Keeper {
            process: ProcessMark::new(),
            ready,
            stopping: AtomicBool::new(false),
            work: Mutex::new(Work { claim: Claim::default(), duties, next: 0 }),
            engine,
        })
    }

    /// Does what is due at `now` (milliseconds of the monotonic clock); never
    /// waits. Where another process of the server holds the lease it does
    /// nothing. `Status::WrongProcess` in a process other than the one that
    /// made it, `Status::Argument` while [`Keeper::run`] runs.
    pub fn tick(&self, now: u64) -> Result<()> {
        let mut work = self.claim_work()?;
        self.ready.stop_seen();
        self.turn(&mut work, now);
        Ok(())
    }

    /// Readable when [`Keeper::tick`] should be called: its time has come, the
    /// kernel told of a changed file, a relay said something. For poll and
    /// epoll only. The same as long as the keeper lives.
    pub fn descriptor(&self) -> RawFd {
        self.ready.descriptor()
    }

    /// How many milliseconds from `now` the next tick is due, where nothing
    /// happens before.
    pub fn next(&self, now: u64) -> u64 {
        match self.work.try_lock() {
            Ok(work) => work.next.saturating_sub(now),
            Err(TryLockError::Poisoned(work)) => work.into_inner().next.saturating_sub(now),
            Err(TryLockError::WouldBlock) => RENEW,
        }
    }

    /// Ticks on the calling thread until [`Keeper::stop`], then gives up the
    /// lease.
    pub fn run(&self) -> Result<()> {
        let mut work = self.claim_work()?;
        let ended = loop {
            self.ready.stop_seen();
            if self.stopping.swap(false, Ordering::AcqRel) {
                break Ok(());
            }
            self.turn(&mut work, now());
            if let Err(error) = self.ready.wait(work.next.saturating_sub(now())) {
                break Err(error);
            }
        };
        work.rest(&self.engine, now());
        self.engine.shared().lease().release(&mut work.claim);
        ended
    }

    /// Ends [`Keeper::run`], from any thread; one that was not called yet
    /// returns at once.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        self.ready.stop();
    }

    /// True when it works for the server: it holds the lease.
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
            // What it panicked over is done again by this turn.
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
            work.rest(engine, now);
            work.next = now.saturating_add(lease.left(now).max(1));
        }
        self.ready.due_in(work.next.saturating_sub(now));
    }
}

impl Work {
    /// Lets go of everything: another process works now.
    fn rest(&mut self, engine: &Engine, now: u64) {
        self.duties.iter_mut().for_each(|duty| duty.rest(engine, now));
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        let work = match self.work.get_mut() {
            Ok(work) => work,
            Err(poisoned) => poisoned.into_inner(),
        };
        if self.process.is_here() {
            work.rest(&self.engine, now());
            self.engine.shared().lease().release(&mut work.claim);
        } else {
            work.duties.iter_mut().for_each(|duty| duty.forget());
        }
    }
}
