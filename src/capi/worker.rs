//! `mp_worker` and the verbs.

use crate::Worker;
use crate::capi::boundary::{Handle, Poison, Report};
use crate::capi::edits::MpEdits;
use crate::capi::engine::MpEngine;
use crate::capi::error::MpError;
use crate::capi::message::MpMessage;
use crate::capi::options::MpOptions;
use crate::capi::status::MpStatus;
use crate::capi::text::MpStr;
use crate::capi::verdict::MpVerdict;
use crate::error::{Error, Status};
use crate::nat::Tests;
use crate::options::Options;

/// List of mp_client_lists: the setting sip_asymmetrics.
pub const MP_ASYMMETRIC_SIP: u32 = 1;
/// List of mp_client_lists: the setting rtp_asymmetrics.
pub const MP_ASYMMETRIC_RTP: u32 = 2;

/// Flag of mp_nat_test: stop at the first test that matches.
pub const MP_FIRST_MATCH: u32 = 1;

/// What a process or thread makes for itself, after the fork; lazily is fine.
/// It owns its sockets, buffers and its copy of the client lists. One thread at
/// a time. In a process other than the one that made it, the verbs that talk
/// to a relay answer MP_ERR_WRONG_PROCESS, and mp_worker_free only closes the
/// inherited descriptors.
#[derive(Debug)]
pub struct MpWorker {
    poison: Poison,
    pub(super) worker: Worker,
    last: Option<Error>,
}

impl Handle for MpWorker {
    fn poison(&self) -> &Poison {
        &self.poison
    }
}

impl Report for *mut MpWorker {
    unsafe fn report(self, error: Error) {
        // What poisoned the worker stays to be read.
        // SAFETY: the trait's contract.
        if let Some(worker) = unsafe { self.as_mut() }
            && error.status() != Status::Poisoned
        {
            worker.last = Some(error);
        }
    }
}

/// Makes a worker in the current process and writes it to *worker; opens
/// nothing yet. The caller frees it with mp_worker_free. Any thread may call
/// this with one engine. error may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_worker_new(
    engine: *const MpEngine,
    worker: *mut *mut MpWorker,
    error: *mut *mut MpError,
) -> MpStatus {
    boundary!(report error; engine: shared, worker: output => {
        let made = Worker::new(engine.engine.clone())?;
        let made = MpWorker { poison: Poison::default(), worker: made, last: None };
        worker.set(Box::into_raw(Box::new(made)));
        Ok(Status::Ok)
    })
}

/// The sentence for the last verb on this worker that failed: which line,
/// header or relay, and what to do. UTF-8, one line; empty if none failed yet.
/// Success does not clear it. Lives until the worker's next call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_worker_last_error(worker: *const MpWorker) -> MpStr {
    boundary!(value MpStr::EMPTY; => {
        // SAFETY: the header's contract. A poisoned worker answers too: the
        // text says why it is.
        let worker = unsafe { worker.as_ref() };
        let last = worker.and_then(|worker| worker.last.as_ref());
        Ok(last.map_or(MpStr::EMPTY, |error| MpStr::of(error.text().as_bytes())))
    })
}

/// Frees a worker and closes its sockets. Requests started on it that still
/// live can only be freed. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_worker_free(worker: *mut MpWorker) {
    boundary!(free worker)
}

/// Is the client behind NAT? Runs tests (MP_TEST_* ORed) on the message and
/// fills the verdict; mp_verdict_matched says which matched. flags is 0 or
/// MP_FIRST_MATCH. No test asks DNS; addresses compare by value, a host name
/// never equals an address. MP_ERR_ARGUMENT for no test, an unknown bit or
/// flag; MP_ERR_SYNTAX or MP_ERR_LIMIT when a header that a test needs cannot
/// be read (a broken body never fails a header test). On these errors the
/// verdict says that nothing was tested. Talks to nobody: also in another
/// process than the worker's. (RFC 3261 18.2.1, 20.10, 20.42; RFC 1918)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_nat_test(
    worker: *mut MpWorker,
    message: *const MpMessage,
    tests: u32,
    flags: u32,
    verdict: *mut MpVerdict,
) -> MpStatus {
    boundary!(report worker; worker: exclusive, message: borrowed, verdict: exclusive => {
        let outcome = (|| {
            let message = message.get()?;
            let tests = Tests::from_bits(tests)?;
            if flags & !MP_FIRST_MATCH != 0 {
                return Err(Error::new(Status::Argument, "flags are 0 or MP_FIRST_MATCH"));
            }
            #[cfg(feature = "test-panic")]
            if message.user_agent()? == Some(b"panic") {
                panic!("asked to panic by a User-Agent");
            }
            let first_only = flags & MP_FIRST_MATCH != 0;
            worker.worker.nat_test(message, tests, first_only, verdict.renew())
        })();
        if outcome.is_err() {
            verdict.clear();
        }
        outcome.map(|()| Status::Ok)
    })
}

/// Which client lists the message's User-Agent (else Server) is on: MP_ASYMMETRIC_*
/// ORed, 0 for none, written to lists. A SIP-asymmetric client hears on another
/// port than it sends from, so replies must go to the port in its Via, not to
/// where its request came from (RFC 3581 does not hold for it). MP_ERR_SYNTAX or
/// MP_ERR_LIMIT when the headers cannot be read. Talks to nobody: also in
/// another process than the worker's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_client_lists(
    worker: *mut MpWorker,
    message: *const MpMessage,
    lists: *mut u32,
) -> MpStatus {
    boundary!(report worker; worker: exclusive, message: borrowed, lists: output => {
        let found = worker.worker.asymmetry(message.get()?)?;
        let sip = if found.sip { MP_ASYMMETRIC_SIP } else { 0 };
        let rtp = if found.rtp { MP_ASYMMETRIC_RTP } else { 0 };
        lists.set(sip | rtp);
        Ok(Status::Ok)
    })
}

/// Makes host and port of the first sip: or sips: Contact the message's source
/// (RFC 3261 20.10), as edits: IPv6 in brackets, maddr goes, all else stays;
/// for SIP-asymmetric clients the port stays too. `Contact: *`, other schemes,
/// 3xx replies, replies to REGISTER and Contacts that already say the source
/// get no edit; MP_NO_CONTACT when there is no sip: or sips: Contact at all.
/// Replaces the edits an earlier mp_fix_contact made in this list.
/// MP_ERR_SYNTAX or MP_ERR_LIMIT when the headers cannot be read; no edit is
/// added then. Talks to nobody: also in another process than the worker's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_fix_contact(
    worker: *mut MpWorker,
    message: *const MpMessage,
    edits: *mut MpEdits,
) -> MpStatus {
    boundary!(report worker; worker: exclusive, message: borrowed, edits: exclusive => {
        let message = message.get()?;
        worker.worker.fix_contact(message, &mut edits.edits)?;
        Ok(if message.contact()?.is_some() { Status::Ok } else { Status::NoContact })
    })
}

/// Asks a relay for ports and makes the session description (RFC 4566, RFC
/// 3264) point at them, as edits: all of them or none. Blocks at most the
/// setting relay_timeout, failovers included. Replaces the edits an earlier
/// rewrite made in this list. options may be NULL. MP_NO_SDP when there is no
/// session description. MP_ERR_SYNTAX or MP_ERR_LIMIT for a message that
/// cannot be read, MP_ERR_NO_RELAY, MP_ERR_RELAY_TIMEOUT and
/// MP_ERR_RELAY_ANSWER for relays, MP_ERR_WRONG_PROCESS after a fork. Asking
/// again for the same message gives the same result.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_rewrite_sdp(
    worker: *mut MpWorker,
    message: *const MpMessage,
    options: *const MpOptions,
    edits: *mut MpEdits,
) -> MpStatus {
    boundary!(report worker;
        worker: exclusive, message: borrowed, options: optional, edits: exclusive => {
        let none = Options::default();
        let options = MpOptions::or(options, &none);
        let rewritten = worker.worker.rewrite_sdp(message.get()?, options, &mut edits.edits)?;
        Ok(if rewritten { Status::Ok } else { Status::NoSdp })
    })
}

/// Tells the relay that this message ends its call or branch: a BYE, a CANCEL
/// or a failure reply (RFC 3261 15, 9, 13.3.1.3). Never waits; what cannot be
/// sent now is sent later. Idempotent. options may be NULL. MP_ERR_ARGUMENT for
/// a message that ends nothing, MP_ERR_SYNTAX when Call-ID or tags cannot be
/// read, MP_ERR_WRONG_PROCESS after a fork.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_end_session(
    worker: *mut MpWorker,
    message: *const MpMessage,
    options: *const MpOptions,
) -> MpStatus {
    boundary!(report worker; worker: exclusive, message: borrowed, options: optional => {
        let none = Options::default();
        worker.worker.end_session(message.get()?, MpOptions::or(options, &none))?;
        Ok(Status::Ok)
    })
}

/// The same by identifiers, for a server that has no message at hand: ends the
/// branch to_tag, or the whole call when that is empty. The texts are copied.
/// MP_ERR_ARGUMENT for an empty Call-ID.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_end_call(
    worker: *mut MpWorker,
    call_id: MpStr,
    from_tag: MpStr,
    to_tag: MpStr,
) -> MpStatus {
    boundary!(report worker;
        worker: exclusive, call_id: text, from_tag: text, to_tag: text => {
        if call_id.is_empty() {
            return Err(Error::new(Status::Argument, "the Call-ID is empty"));
        }
        worker.worker.end_call(call_id, from_tag, to_tag)?;
        Ok(Status::Ok)
    })
}
