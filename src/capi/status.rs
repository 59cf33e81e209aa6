//! Outcomes of calls: mp_status

use crate::capi::text::MpStr;
use crate::error::Status;

/// The outcome of a call. 0 is success, positive numbers are outcomes that are
/// not errors, negative numbers are errors. A number is never changed and never
/// reused. Later versions may add numbers: treat an unknown negative number as
/// an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(non_camel_case_types)]
#[repr(i32)]
pub enum MpStatus {
    /// Success.
    MP_OK = 0,
    /// The message has no SDP: there is nothing to rewrite.
    MP_NO_SDP = 1,
    /// A non-blocking request waits for its relay.
    MP_PENDING = 2,
    /// The message has no sip: or sips: Contact: there is nothing to fix.
    MP_NO_CONTACT = 3,
    /// A pointer that must not be NULL is NULL, or a text is NULL with a length
    /// above 0.
    MP_ERR_NULL = -1,
    /// An argument is outside its range, or the handle is not ready for this
    /// call.
    MP_ERR_ARGUMENT = -2,
    /// The message cannot be parsed. The text of the error names the header and
    /// the reason.
    MP_ERR_SYNTAX = -3,
    /// A limit is exceeded: message 64 KiB, 512 headers, 64 streams, nesting
    /// depth 8, or the length of an option.
    MP_ERR_LIMIT = -4,
    /// The buffer of the caller is too small. The length it needs was written.
    MP_ERR_BUFFER_TOO_SMALL = -5,
    /// The worker or keeper was made in another process, before a fork.
    MP_ERR_WRONG_PROCESS = -6,
    /// The library panicked, which is a defect in it; the text of the error
    /// says where. Every handle given to the call is poisoned, except
    /// mp_engine, mp_keeper and mp_proxy.
    MP_ERR_PANIC = -7,
    /// An earlier panic poisoned this handle: free it and make a new one.
    MP_ERR_POISONED = -8,
    /// A setting has an unknown name or a bad value, or it cannot be honoured
    /// together with the others.
    MP_ERR_SETTING = -9,
    /// No usable relay: none is configured, or none could be reached.
    MP_ERR_NO_RELAY = -10,
    /// A relay did not answer in time.
    MP_ERR_RELAY_TIMEOUT = -11,
    /// A relay refused the request, or its answer cannot be used.
    MP_ERR_RELAY_ANSWER = -12,
    /// The operating system refused a socket, memory or a file.
    MP_ERR_SYSTEM = -13,
    /// The edits overlap, reach beyond the message or belong to another
    /// message.
    MP_ERR_EDITS = -14,
    /// The call or the dialog of the message has ended within the last 32
    /// seconds (RFC 3261 17.1.1.2: 64 x T1), or while this request waited for
    /// its relay. The message is unchanged, and nothing of that call or dialog
    /// is left at the relay. Refuse a request (an INVITE with 487); forward a
    /// reply or an ACK as it is.
    MP_ERR_ENDED = -15,
}

impl From<Status> for MpStatus {
    fn from(status: Status) -> Self {
        match status {
            Status::Ok => MpStatus::MP_OK,
            Status::NoSdp => MpStatus::MP_NO_SDP,
            Status::Pending => MpStatus::MP_PENDING,
            Status::NoContact => MpStatus::MP_NO_CONTACT,
            Status::Null => MpStatus::MP_ERR_NULL,
            Status::Argument => MpStatus::MP_ERR_ARGUMENT,
            Status::Syntax => MpStatus::MP_ERR_SYNTAX,
            Status::Limit => MpStatus::MP_ERR_LIMIT,
            Status::BufferTooSmall => MpStatus::MP_ERR_BUFFER_TOO_SMALL,
            Status::WrongProcess => MpStatus::MP_ERR_WRONG_PROCESS,
            Status::Panic => MpStatus::MP_ERR_PANIC,
            Status::Poisoned => MpStatus::MP_ERR_POISONED,
            Status::Setting => MpStatus::MP_ERR_SETTING,
            Status::NoRelay => MpStatus::MP_ERR_NO_RELAY,
            Status::RelayTimeout => MpStatus::MP_ERR_RELAY_TIMEOUT,
            Status::RelayAnswer => MpStatus::MP_ERR_RELAY_ANSWER,
            Status::System => MpStatus::MP_ERR_SYSTEM,
            Status::Edits => MpStatus::MP_ERR_EDITS,
            Status::Ended => MpStatus::MP_ERR_ENDED,
        }
    }
}

/// Every status with its name, for [`mp_status_name`].
pub(super) const NAMES: [(Status, &str); 19] = [
    (Status::Ok, "MP_OK"),
    (Status::NoSdp, "MP_NO_SDP"),
    (Status::Pending, "MP_PENDING"),
    (Status::NoContact, "MP_NO_CONTACT"),
    (Status::Null, "MP_ERR_NULL"),
    (Status::Argument, "MP_ERR_ARGUMENT"),
    (Status::Syntax, "MP_ERR_SYNTAX"),
    (Status::Limit, "MP_ERR_LIMIT"),
    (Status::BufferTooSmall, "MP_ERR_BUFFER_TOO_SMALL"),
    (Status::WrongProcess, "MP_ERR_WRONG_PROCESS"),
    (Status::Panic, "MP_ERR_PANIC"),
    (Status::Poisoned, "MP_ERR_POISONED"),
    (Status::Setting, "MP_ERR_SETTING"),
    (Status::NoRelay, "MP_ERR_NO_RELAY"),
    (Status::RelayTimeout, "MP_ERR_RELAY_TIMEOUT"),
    (Status::RelayAnswer, "MP_ERR_RELAY_ANSWER"),
    (Status::System, "MP_ERR_SYSTEM"),
    (Status::Edits, "MP_ERR_EDITS"),
    (Status::Ended, "MP_ERR_ENDED"),
];

/// The name of a status as it stands in this header, for log lines: "MP_OK",
/// "MP_ERR_NULL". Empty for a number that is not a status. The text is static.
/// Any thread of any process may call this function.
#[unsafe(no_mangle)]
pub extern "C" fn mp_status_name(status: i32) -> MpStr {
    boundary!(value MpStr::EMPTY; => {
        let named = NAMES.iter().find(|(number, _)| *number as i32 == status);
        Ok(named.map_or(MpStr::EMPTY, |(_, name)| MpStr::of(name.as_bytes())))
    })
}
