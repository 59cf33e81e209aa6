//! The worker: the verbs for messages, with the relay connections of one process.

mod asymmetry;
mod choose;
mod deletes;
mod reports;
mod requesting;
mod rewrite;
pub mod simulated;
mod terminate;

use std::cell::RefCell;
use std::sync::Arc;

use crate::Engine;
use crate::edit::{Edits, Verb};
use crate::error::{Error, Result, Status};
use crate::nat::{self, Tests, Verdict};
use crate::options::Options;
use crate::relay::file::RelaysFile;
use crate::relay::link::Pool;
pub use crate::relay::link::Wait;
use crate::relay::{Relay, RelayList, Request};
use crate::reload::ReloadCheck;
use crate::sip::Message;
use crate::sys::clock::Clock;
use crate::sys::process::ProcessMark;
use crate::worker::asymmetry::Agents;
pub use crate::worker::asymmetry::Asymmetry;
use crate::worker::deletes::{Flush, Sent};

pub use rewrite::{Progress, Rewrite, Started};

/// A worker. Make one in each process after the fork, and use it in one thread at
/// a time. In a child of the process that made it, every verb that needs a relay
/// is the error `Status::WrongProcess`.
#[derive(Debug)]
pub struct Worker {
    engine: Arc<Engine>,
    process: ProcessMark,
    clock: Clock,
    /// The relays for new calls. A pending request keeps the list of its start.
    relays: Arc<RelayList>,
    relays_file: RelaysFile,
    reload_check: ReloadCheck,
    /// Relays of stored calls that are in no list any more.
    retired: Vec<Arc<Relay>>,
    pool: Pool<Sent>,
    agents: RefCell<Agents>,
    flush: Flush,
    /// The last request. The next one uses its memory.
    spare: Option<Box<Request>>,
}

impl Worker {
    /// Makes a worker in the current process. It opens no connection yet.
    pub fn new(engine: Arc<Engine>) -> Result<Worker> {
        Ok(Worker {
            relays: engine.relays().clone(),
            relays_file: engine.relays_file().clone(),
            reload_check: ReloadCheck::default(),
            retired: Vec::new(),
            process: ProcessMark::new(),
            clock: Clock::default(),
            pool: Pool::default(),
            agents: RefCell::new(Agents::new(&engine)),
            engine,
            flush: Flush::default(),
            spare: None,
        })
    }

    /// The time of the worker's clock (milliseconds).
    fn now(&self) -> u64 {
        self.clock.now()
    }

    /// The engine of the worker.
    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// The relays for new calls.
    #[doc(hidden)]
    pub fn relays(&self) -> &Arc<RelayList> {
        &self.relays
    }

    /// Sets the relays for new calls. Existing calls stay on their relays, also if
    /// these are not in the list.
    #[doc(hidden)]
    pub fn set_relays(&mut self, relays: Arc<RelayList>) {
        self.pool.retain(|identity| relays.find(identity).is_some());
        self.relays = relays;
    }

    /// Reads the relays file again if it may have changed.
    fn refresh_relays(&mut self) {
        let shared = self.engine.shared();
        let file = self.relays_file.file();
        if !file.is_some() {
            return;
        }
        let failed = file.is_failed();
        let due = self.reload_check.is_due(shared.relays(), shared, failed, || file.has_changed());
        if due && let Some(relays) = self.engine.read_relays(&mut self.relays_file) {
            self.set_relays(relays);
        }
    }

    /// Tests whether the client that sent the message is behind NAT:
    /// [`crate::nat::test()`] with the networks and client lists of the engine.
    /// `first_only` stops at the first match.
    ///
    /// # Errors
    /// `Status::Syntax` or `Status::Limit` when a header that a test needs cannot
    /// be parsed.
    ///
    /// ```
    /// # use mediaproxy::{Message, Tests, Verdict};
    /// # fn main() -> mediaproxy::Result<()> {
    /// # let (_relay, mut worker) = kit::relay_and_worker();
    /// # let step = kit::call::invite();
    /// # let raw = step.bytes();
    /// # let message = Message::parse(&raw, step.source())?;
    /// let mut verdict = Verdict::new();
    /// let tests = Tests::PRIVATE_CONTACT | Tests::SOURCE_ADDRESS;
    /// worker.nat_test(&message, tests, false, &mut verdict)?;
    /// assert!(verdict.natted());
    /// assert_eq!(verdict.matched(), tests);
    /// # Ok(())
    /// # }
    /// ```
    pub fn nat_test(
        &mut self,
        message: &Message<'_>,
        tests: Tests,
        first_only: bool,
        verdict: &mut Verdict,
    ) -> Result<()> {
        // Most verdicts do not depend on the lists, and need no User-Agent.
        let private = self.engine.private_networks();
        let local = self.engine.settings().local_networks();
        let asymmetric = || Ok(self.asymmetry(message)?.sip);
        nat::test_with_lookup(message, private, local, asymmetric, tests, first_only, verdict)
    }

    /// Replaces host and port of the sender's Contact by the source of the message:
    /// [`crate::nat::fix_contact`] with the client lists of the engine. Replaces
    /// the edits of an earlier call in this list.
    ///
    /// # Errors
    /// `Status::Syntax` or `Status::Limit` when the headers cannot be parsed; the
    /// list has no edit of this verb then.
    ///
    /// ```
    /// # use mediaproxy::{Edits, Message};
    /// # fn main() -> mediaproxy::Result<()> {
    /// # let (_relay, mut worker) = kit::relay_and_worker();
    /// # let step = kit::call::invite();
    /// # let raw = step.bytes();
    /// # let message = Message::parse(&raw, step.source())?;
    /// let mut edits = Edits::new();
    /// worker.fix_contact(&message, &mut edits)?;
    /// let mut fixed = Vec::new();
    /// edits.apply(&message, &mut fixed)?;
    /// assert_ne!(fixed, message.raw());
    /// # Ok(())
    /// # }
    /// ```
    pub fn fix_contact(&mut self, message: &Message<'_>, edits: &mut Edits) -> Result<()> {
        let sip_asymmetric = self.asymmetry(message)?.sip;
        nat::fix_contact(message, sip_asymmetric, edits)
    }

    /// As [`Worker::fix_contact`]. With the option `first_hop`, the Contact of a message
    /// that came through another proxy stays as it is, since the source of the message
    /// is the proxy and not the phone. `Ok(false)` then.
    ///
    /// # Errors
    /// As [`Worker::fix_contact`]; with the option also when Via, CSeq or Record-Route
    /// cannot be parsed.
    ///
    /// ```
    /// # use mediaproxy::{Edits, Message, Options};
    /// # fn main() -> mediaproxy::Result<()> {
    /// # let (_relay, mut worker) = kit::relay_and_worker();
    /// # let step = kit::call::invite();
    /// # let raw = step.bytes();
    /// # let message = Message::parse(&raw, step.source())?;
    /// let options = Options { first_hop: true, ..Options::default() };
    /// let mut edits = Edits::new();
    /// assert!(worker.fix_contact_with(&message, &options, &mut edits)?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn fix_contact_with(
        &mut self,
        message: &Message<'_>,
        options: &Options,
        edits: &mut Edits,
    ) -> Result<bool> {
        if options.first_hop {
            edits.remove_verb(Verb::FixContact);
            if !nat::is_first_hop(message)? {
                return Ok(false);
            }
        }
        self.fix_contact(message, edits).map(|()| true)
    }

    /// Requests ports from a relay and replaces the addresses in the SDP by those
    /// of the relay. It blocks for the setting `relay_timeout` at most. `Ok(false)`
    /// when the message has no SDP. Replaces the edits of an earlier rewrite in
    /// this list.
    ///
    /// # Errors
    /// `Status::Syntax` or `Status::Limit` for a message that cannot be parsed,
    /// `Status::NoRelay`, `Status::RelayTimeout` or `Status::RelayAnswer` when no
    /// relay served the request, `Status::Ended` when the call has ended within the
    /// last 32 s or ended while its relay worked on the request,
    /// `Status::WrongProcess` after a fork. The list of edits is unchanged then.
    ///
    /// ```
    /// # use mediaproxy::{Edits, Message, Options};
    /// # fn main() -> mediaproxy::Result<()> {
    /// # let (_relay, mut worker) = kit::relay_and_worker();
    /// # let step = kit::call::invite();
    /// # let raw = step.bytes();
    /// # let message = Message::parse(&raw, step.source())?;
    /// let mut edits = Edits::new();
    /// let rewritten = worker.rewrite_sdp(&message, &Options::default(), &mut edits)?;
    /// assert!(rewritten && !edits.is_empty());
    /// # Ok(())
    /// # }
    /// ```
    pub fn rewrite_sdp(
        &mut self,
        message: &Message<'_>,
        options: &Options,
        edits: &mut Edits,
    ) -> Result<bool> {
        let mut rewrite = match self.rewrite_start(message, options, self.now())? {
            Started::NoSdp => return Ok(false),
            Started::Rewrite(rewrite) => rewrite,
        };
        loop {
            let wait = rewrite.wait();
            let left = wait.deadline.saturating_sub(self.now());
            if left > 0 {
                crate::sys::epoll::wait(wait.descriptor, wait.read, wait.write, left);
            }
            if rewrite.resume(self, self.now(), edits)? == Progress::Done {
                return Ok(true);
            }
        }
    }

    /// Starts what [`Worker::rewrite_sdp`] does, without blocking. Then wait for
    /// the descriptor and the deadline of [`Rewrite::wait`] and call
    /// [`Rewrite::resume`] until it is done. `now` is in milliseconds of
    /// [`crate::now`].
    ///
    /// # Errors
    /// As [`Worker::rewrite_sdp`].
    ///
    /// ```
    /// # use mediaproxy::{Edits, Message, Options, Progress, Started, now};
    /// # fn main() -> mediaproxy::Result<()> {
    /// # let (_relay, mut worker) = kit::relay_and_worker();
    /// # let step = kit::call::invite();
    /// # let raw = step.bytes();
    /// # let message = Message::parse(&raw, step.source())?;
    /// let mut edits = Edits::new();
    /// if let Started::Rewrite(mut rewrite) =
    ///     worker.rewrite_start(&message, &Options::default(), now())?
    /// {
    ///     while rewrite.resume(&mut worker, now(), &mut edits)? == Progress::Pending {
    ///         let wait = rewrite.wait();
    ///         // The event loop watches wait.descriptor until wait.deadline.
    /// #       let _ = wait;
    /// #       std::thread::sleep(std::time::Duration::from_millis(1));
    ///     }
    /// }
    /// assert!(!edits.is_empty());
    /// # Ok(())
    /// # }
    /// ```
    pub fn rewrite_start(
        &mut self,
        message: &Message<'_>,
        options: &Options,
        now: u64,
    ) -> Result<Started> {
        self.check_process()?;
        self.refresh_relays();
        self.collect_answers();
        let started = rewrite::start(self, message, options, now);
        // After the rewrite has started, since an offer cancels the queued deletes
        // of its call.
        self.flush_deletes();
        started
    }

    /// Terminates what the message ends: a BYE its dialog, and the call with its last
    /// one (RFC 3261 15); a failure reply to the INVITE of a call the call, or the
    /// early dialogs of one branch ([`crate::ScopeOption`], 12.3). An INVITE without To
    /// tag stands for the failure reply that the server itself sends to it. A CANCEL
    /// sends nothing: the final reply ends the call, or 32 s without one (9.1). A failure
    /// reply to a later INVITE ends nothing (14.1). Sends a delete request to the
    /// relay, or queues it; never waits. Idempotent.
    ///
    /// # Errors
    /// `Status::Argument` for a message that ends no session, `Status::Syntax` when
    /// Call-ID or tags cannot be parsed, `Status::WrongProcess` after a fork.
    ///
    /// ```
    /// # use mediaproxy::{Message, Options};
    /// # fn main() -> mediaproxy::Result<()> {
    /// # let (_relay, mut worker) = kit::relay_and_worker();
    /// # let step = kit::call::Step::request("BYE", 2, "a", "b");
    /// # let raw = step.bytes();
    /// # let bye = Message::parse(&raw, step.source())?;
    /// worker.end_session(&bye, &Options::default())?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn end_session(&mut self, message: &Message<'_>, options: &Options) -> Result<()> {
        self.check_process()?;
        self.refresh_relays();
        self.collect_answers();
        self.flush_deletes();
        self.terminate_by_message(message, options)
    }

    /// Terminates a dialog by its identifiers, or the whole call when `to_tag` is
    /// empty, for a server that has no message at hand.
    ///
    /// # Errors
    /// `Status::Argument` for an empty Call-ID, and for an empty `from_tag` unless the
    /// call table has a call in which it is a phone's null tag; `Status::WrongProcess` after a
    /// fork.
    ///
    /// ```
    /// # fn main() -> mediaproxy::Result<()> {
    /// # let (_relay, mut worker) = kit::relay_and_worker();
    /// worker.end_call(b"1@192.168.1.10", b"from-tag", b"")?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn end_call(&mut self, call_id: &[u8], from_tag: &[u8], to_tag: &[u8]) -> Result<()> {
        self.check_process()?;
        self.refresh_relays();
        self.collect_answers();
        self.flush_deletes();
        self.terminate_by_ids(call_id, from_tag, to_tag)
    }

    fn check_process(&self) -> Result<()> {
        if self.process.is_here() {
            return Ok(());
        }
        Err(Error::new(
            Status::WrongProcess,
            "this worker was made in another process; make one in each process after the fork",
        ))
    }

    /// The asymmetry of the client that sent the message, from the client lists.
    pub fn asymmetry(&self, message: &Message<'_>) -> Result<Asymmetry> {
        let agent = || Ok(message.user_agent()?.unwrap_or_default());
        self.agents.borrow_mut().of(&self.engine, agent)
    }
}

/// The time in the call table: seconds of the monotonic clock.
fn seconds(now: u64) -> u32 {
    u32::try_from(now / 1000).unwrap_or(u32::MAX)
}
