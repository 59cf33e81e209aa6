//! The verbs, in each process: mp_worker

use crate::Worker;
use crate::capi::boundary::Poison;
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

/// The client is on the list of the setting sip_asymmetrics.
pub const MP_ASYMMETRIC_SIP: u32 = 1;
/// The client is on the list of the setting rtp_asymmetrics.
pub const MP_ASYMMETRIC_RTP: u32 = 2;

/// Flag of mp_nat_test: stop at the first test that matches.
pub const MP_FIRST_MATCH: u32 = 1;

/// The part of the library that serves messages: each process or thread makes
/// its own, after the fork, at the latest with its first message. A worker owns
/// its sockets, buffers and its copy of the client lists. One thread at a time.
/// In another process than the one that made it, verbs that need a relay return
/// MP_ERR_WRONG_PROCESS, and mp_worker_free only closes the inherited
/// descriptors.
///
/// ```c
/// mp_worker *worker = NULL;
/// mp_error *error = NULL;
/// if (mp_worker_new(engine, &worker, &error) != MP_OK) {
///     print(mp_error_text(error));
///     mp_error_free(error);
/// }
/// ```
#[derive(Debug)]
pub struct MpWorker {
    poison: Poison,
    pub(super) worker: Worker,
    last: Option<Error>,
}

handle!(MpWorker last_error);

/// Makes a worker in the current process and writes it to *worker. It opens no
/// socket yet. The caller frees it with mp_worker_free; the engine may be freed
/// before. Any thread may call this function. It fails only for NULL and after
/// a panic. error may be NULL.
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

/// Why the last failed verb of this worker failed: which line, header or relay,
/// and what to do. One line of UTF-8. Empty when none failed; success does not
/// clear it. It lives until the next call with this worker.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_worker_last_error(worker: *const MpWorker) -> MpStr {
    boundary!(last_error worker)
}

/// Frees a worker and closes its sockets. A request that was started on it can
/// only be freed afterwards. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_worker_free(worker: *mut MpWorker) {
    boundary!(free worker)
}

/// Tests whether the client that sent the message is behind NAT: runs tests
/// (MP_TEST_* ORed) and fills the verdict. flags is 0 or MP_FIRST_MATCH.
/// Addresses are compared by value; a host name never equals an address, and no
/// name is resolved (RFC 3261 18.2.1, 20.10, 20.42; RFC 1918).
///
/// The Contact that is tested is the one that mp_fix_contact would fix. A GRUU
/// (RFC 5627) names a domain and not the phone: no test of the Contact matches.
/// MP_FIRST_MATCH does not stop at MP_TEST_FIRST_HOP, which is no sign of NAT.
///
/// MP_ERR_ARGUMENT for no test, an unknown bit or an unknown flag.
/// MP_ERR_SYNTAX or MP_ERR_LIMIT when a header that a test needs cannot be
/// parsed; a broken body does not affect tests of headers. After an error the
/// verdict says that no test ran. It needs no relay: it works in any process.
///
/// ```c
/// uint32_t tests = MP_TEST_PRIVATE_CONTACT | MP_TEST_SOURCE_ADDRESS;
/// if (mp_nat_test(worker, message, tests, 0, verdict) != MP_OK)
///     print(mp_worker_last_error(worker));
/// for (size_t i = 0; i < mp_verdict_count(verdict); i++)
///     print(mp_verdict_text(verdict, i));
/// ```
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
                return Err(Error::new(Status::Argument, "flags is not 0 or MP_FIRST_MATCH"));
            }
            #[cfg(feature = "test-panic")]
            if message.user_agent()? == Some(b"panic") {
                panic!("the User-Agent is \"panic\"");
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

/// Writes to *lists on which client lists the sender of the message is, by its
/// User-Agent header, or Server where that is missing: MP_ASYMMETRIC_* ORed, 0
/// for none. A SIP-asymmetric client receives on another port than it sends
/// from: replies must go to the port in its Via, and RFC 3581 must not be
/// applied. MP_ERR_SYNTAX or MP_ERR_LIMIT when the headers cannot be parsed. It
/// needs no relay: it works in any process.
///
/// ```c
/// uint32_t lists = 0;
/// if (mp_client_lists(worker, message, &lists) == MP_OK &&
///     (lists & MP_ASYMMETRIC_SIP) == 0)
///     force_rport();
/// ```
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

/// Replaces host and port of the sender's Contact by the source of the message
/// (RFC 3261 20.10), as edits: IPv6 in brackets, maddr is removed, everything
/// else stays. For a SIP-asymmetric client the port stays too. The sender's
/// Contact is the first sip: or sips: Contact. In a REGISTER with several
/// Contacts it is the first one that adds a binding, and the first one at all
/// when each removes its binding (expires=0).
///
/// No edit is made for "Contact: *", for other schemes, for a GRUU (RFC 5627,
/// parameter gr), in 3xx replies, in replies to REGISTER and when the Contact
/// already is the source and has no maddr. MP_NO_CONTACT when there is no sip:
/// or sips: Contact.
///
/// Replaces the edits that an earlier mp_fix_contact made in this list.
/// MP_ERR_SYNTAX or MP_ERR_LIMIT when the headers cannot be parsed; no edit is
/// made then. It needs no relay: it works in any process.
///
/// ```c
/// if (mp_fix_contact(worker, message, edits) < MP_OK)
///     print(mp_worker_last_error(worker));
/// ```
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_fix_contact(
    worker: *mut MpWorker,
    message: *const MpMessage,
    edits: *mut MpEdits,
) -> MpStatus {
    boundary!(report worker; worker: exclusive, message: borrowed, edits: exclusive => {
        let message = message.get()?;
        worker.worker.fix_contact(message, &mut edits.edits)?;
        Ok(if message.has_contact()? { Status::Ok } else { Status::NoContact })
    })
}

/// As mp_fix_contact, with options, which may be NULL. The option first_hop =
/// yes leaves the Contact of a message that came through another proxy as it
/// is: its source is the proxy and not the phone. It makes no edit then and
/// returns MP_OK. MP_TEST_FIRST_HOP says what a message shows of the proxies on
/// its way. The other options have no effect.
///
/// MP_ERR_SYNTAX also when the option needs a Via, CSeq or Record-Route that
/// cannot be parsed.
///
/// ```c
/// mp_options_set(options, mp_text("first_hop"), mp_text("yes"), NULL);
/// if (mp_fix_contact_with(worker, message, options, edits) < MP_OK)
///     print(mp_worker_last_error(worker));
/// ```
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_fix_contact_with(
    worker: *mut MpWorker,
    message: *const MpMessage,
    options: *const MpOptions,
    edits: *mut MpEdits,
) -> MpStatus {
    boundary!(report worker;
        worker: exclusive, message: borrowed, options: optional, edits: exclusive => {
        let none = Options::default();
        let message = message.get()?;
        let options = MpOptions::or(options, &none);
        worker.worker.fix_contact_with(message, options, &mut edits.edits)?;
        Ok(if message.has_contact()? { Status::Ok } else { Status::NoContact })
    })
}

/// Requests ports from a relay and replaces the addresses in the SDP (RFC 4566,
/// RFC 3264) by those of the relay, as edits: all of them or none. It blocks
/// for the setting relay_timeout at most, failover included. Replaces the edits
/// that an earlier rewrite made in this list. options may be NULL. Calling it
/// again for the same message gives the same result.
///
/// MP_NO_SDP when the message has no SDP. MP_ERR_ENDED when the call or the
/// dialog has ended within the last 32 seconds, or ended while its relay worked
/// on the request; a repeated or late answer gets the same ports as before while
/// they are stored. MP_ERR_SYNTAX or MP_ERR_LIMIT for a message that cannot be
/// parsed, and for SDP that is announced and cannot be read: its
/// Content-Encoding is not identity, it has lines that end in CR alone, or the
/// body is shorter than Content-Length or goes on beyond it (RFC 3261 18.3,
/// 20.12). Other bytes after the body are ignored. MP_ERR_NO_RELAY,
/// MP_ERR_RELAY_TIMEOUT or MP_ERR_RELAY_ANSWER when no relay served the request.
/// MP_ERR_WRONG_PROCESS after a fork.
///
/// For an INVITE:
///
/// ```c
/// mp_status status = mp_rewrite_sdp(worker, message, options, edits);
/// if (status == MP_ERR_ENDED) {
///     reply(487, "Request Terminated");
/// } else if (status < MP_OK) {
///     print(mp_worker_last_error(worker));
///     reply(503, "Service Unavailable");
/// }
/// ```
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

/// Terminates what the message ends. Give it each message for which
/// mp_message_terminates is 1; whether that ends the call depends on the call:
///
/// - A BYE ends its dialog, and the call with its last dialog (RFC 3261 15).
/// - A failure reply to the INVITE of a call ends the call with all its early
///   dialogs, whatever its To tag (RFC 3261 12.3): give it the reply that goes
///   to the caller. With the option scope = branch it is the reply of one branch
///   of several, and ends the early dialogs of that branch only.
/// - An INVITE without To tag, for which mp_message_terminates is 0, stands for
///   the failure reply that the server itself sends to it.
/// - A CANCEL sends nothing: the final reply to the INVITE ends the call, or 32
///   seconds without one (RFC 3261 9.1).
/// - A failure reply to a later INVITE ends nothing (RFC 3261 14.1).
///
/// Sends a delete request to the relay. It never waits: a delete that cannot be
/// sent now is queued and sent later. Calling it again for the same message
/// does no harm. options may be NULL.
///
/// MP_ERR_ARGUMENT for a message that ends no session, MP_ERR_SYNTAX when
/// Call-ID or tags cannot be parsed, MP_ERR_WRONG_PROCESS after a fork.
///
/// ```c
/// if (mp_end_session(worker, message, NULL) != MP_OK)
///     print(mp_worker_last_error(worker));
/// ```
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

/// Terminates a dialog by its identifiers, or the whole call when to_tag is
/// empty, for a server that has no message at hand, as when a dialog times out.
/// The two tags may be given in either order; for the whole call from_tag is the
/// tag of either side, or the caller's where the relay is AG Projects' dispatcher.
/// Otherwise as mp_end_session. The texts are copied.
/// MP_ERR_ARGUMENT for an empty Call-ID, and for an empty from_tag, unless the
/// call table has a call in which it is a phone's null tag (RFC 3261 12.1.1).
///
/// ```c
/// if (mp_end_call(worker, call_id, from_tag, mp_text("")) != MP_OK)
///     print(mp_worker_last_error(worker));
/// ```
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_end_call(
    worker: *mut MpWorker,
    call_id: MpStr,
    from_tag: MpStr,
    to_tag: MpStr,
) -> MpStatus {
    boundary!(report worker;
        worker: exclusive, call_id: text, from_tag: text, to_tag: text => {
        worker.worker.end_call(call_id, from_tag, to_tag)?;
        Ok(Status::Ok)
    })
}
