//! What a process makes after the fork: sockets and clock.

use std::os::fd::RawFd;
use std::sync::Arc;

use crate::Engine;
use crate::edit::Edits;
use crate::error::Result;
use crate::nat::{Tests, Verdict};
use crate::options::Options;
use crate::sip::Message;

/// One worker: one thread of one process at a time. It may be made before a
/// fork, but in the child every verb that talks to a relay answers
/// `Status::WrongProcess`.
#[derive(Debug)]
pub struct Worker {}

/// What [`Worker::rewrite_start`] began.
#[derive(Debug)]
pub enum Started {
    /// The message has no session description; nothing to do.
    NoSdp,
    /// Nothing to wait for: the edits (perhaps none) are already there on the
    /// first [`Rewrite::resume`].
    Rewrite(Rewrite),
}

/// One rewrite under way (`mp_request` in C). Dropping it cancels it. It holds
/// its own relay connection; the message may be gone before it ends.
#[derive(Debug)]
pub struct Rewrite {}

/// What a [`Rewrite`] waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// The descriptor to watch; -1 when there is none: call resume at once or
    /// at the deadline. May change after each resume.
    pub descriptor: RawFd,
    /// Wait until it can be read.
    pub read: bool,
    /// Wait until it can be written.
    pub write: bool,
    /// When to resume at the latest, in milliseconds of the monotonic clock.
    pub deadline: u64,
}

/// How far a [`Rewrite`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Wait again.
    Pending,
    /// Done; the edits are in the list.
    Done,
}

impl Rewrite {
    /// What to wait for now.
    pub fn wait(&self) -> Wait {
        todo!()
    }

    /// Goes on after the descriptor became ready or the deadline passed.
    /// `worker` is the one it was started on. All edits are added to `edits`
    /// with `Progress::Done`, none in any other case. After `Done` or an error
    /// it is over: a further call answers `Status::Argument`.
    pub fn resume(&mut self, worker: &mut Worker, now: u64, edits: &mut Edits) -> Result<Progress> {
        let _ = (worker, now, edits);
        todo!()
    }
}

impl Worker {
    /// Makes a worker in the current process; opens nothing yet.
    pub fn new(engine: Arc<Engine>) -> Result<Worker> {
        let _ = engine;
        todo!()
    }

    /// [`crate::nat::test`] with this engine's networks and lists.
    pub fn nat_test(
        &mut self,
        message: &Message<'_>,
        tests: Tests,
        first_only: bool,
        verdict: &mut Verdict,
    ) -> Result<()> {
        let _ = (message, tests, first_only, verdict);
        todo!()
    }

    /// [`crate::nat::fix_contact`] with this engine's lists.
    pub fn fix_contact(&mut self, message: &Message<'_>, edits: &mut Edits) -> Result<()> {
        let _ = (message, edits);
        todo!()
    }

    /// Asks a relay and rewrites the session description; blocks at most
    /// `relay_timeout`. `Ok(false)` when there is none (`MP_NO_SDP`).
    pub fn rewrite_sdp(
        &mut self,
        message: &Message<'_>,
        options: &Options,
        edits: &mut Edits,
    ) -> Result<bool> {
        let _ = (message, options, edits);
        todo!()
    }

    /// The same without blocking: start, then wait and resume until done.
    pub fn rewrite_start(
        &mut self,
        message: &Message<'_>,
        options: &Options,
        now: u64,
    ) -> Result<Started> {
        let _ = (message, options, now);
        todo!()
    }

    /// Tells the relay that this message (BYE, CANCEL, a failure reply) ends
    /// its call or branch. Never waits. Idempotent.
    pub fn end_session(&mut self, message: &Message<'_>, options: &Options) -> Result<()> {
        let _ = (message, options);
        todo!()
    }

    /// The same by identifiers, for a server that has no message at hand: ends
    /// the branch `to_tag`, or the whole call when it is empty.
    pub fn end_call(&mut self, call_id: &[u8], from_tag: &[u8], to_tag: &[u8]) -> Result<()> {
        let _ = (call_id, from_tag, to_tag);
        todo!()
    }
}

/// Milliseconds of the monotonic clock (CLOCK_MONOTONIC).
pub fn now() -> u64 {
    todo!()
}
