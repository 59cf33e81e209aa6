//! `mp_stats`.

use std::ffi::c_char;

use crate::capi::buffer::Buffer;
use crate::capi::engine::MpEngine;
use crate::capi::status::MpStatus;
use crate::capi::text::MpStr;
use crate::error::{Error, Result, Status};
use crate::shared::Counter;
use crate::statistics::Statistics;

/// What all processes of a server have done since its engine was made.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct MpStatistics {
    /// Calls in the call table now.
    pub sessions: u64,
    /// Calls that fit into it (the setting max_calls).
    pub sessions_max: u64,
    /// Ends that wait for their relay now.
    pub deletes_waiting: u64,
    /// Rewrites for which a relay was asked.
    pub requests: u64,
    /// Of these, offers (RFC 3264).
    pub offers: u64,
    /// Of these, answers.
    pub answers: u64,
    /// Of these, those that ended in edits.
    pub rewritten: u64,
    /// Of these, those that failed with MP_ERR_NO_RELAY.
    pub failed_no_relay: u64,
    /// Of these, those that failed with MP_ERR_RELAY_TIMEOUT.
    pub failed_timeout: u64,
    /// Of these, those that failed with MP_ERR_RELAY_ANSWER.
    pub failed_answer: u64,
    /// Of these, those that failed otherwise.
    pub failed_other: u64,
    /// Of these, those that were freed before their end (mp_request_free).
    pub cancelled: u64,
    /// Times an offer went on to another relay.
    pub failovers: u64,
    /// Ends taken: mp_end_session, mp_end_call.
    pub ends: u64,
    /// Of these, those not told since another branch of the call lives.
    pub ends_withheld: u64,
    /// Of these, those told to their relay at once.
    pub ends_told: u64,
    /// Of these, those queued for a relay that could not be told.
    pub deletes_queued: u64,
    /// Queued ends that were delivered.
    pub deletes_delivered: u64,
    /// Queued ends forgotten since their call was offered again.
    pub deletes_cancelled: u64,
    /// Ends that could not be queued, or were given up.
    pub deletes_dropped: u64,
    /// Calls for which the call table had no room.
    pub calls_forgotten: u64,
    /// Times a relay was found not to answer.
    pub relays_failed: u64,
    /// Times a relay answered again.
    pub relays_recovered: u64,
    /// Probes sent to relays.
    pub probes: u64,
    /// Changes of the client lists that were noticed.
    pub list_changes: u64,
    /// Changes of the relays file that were noticed.
    pub relay_changes: u64,
    /// The time of all requests together, in milliseconds.
    pub latency_sum: u64,
    /// How many requests took up to 1, 2, 5, 10, 20, 50, 100, 200, 400, 1000
    /// and 5000 milliseconds (each above the one before), and how many longer.
    pub latency: [u64; 12],
}

/// Writes what is `known` into the `size` bytes a caller has; of a larger
/// structure than ours the rest is zeroed.
///
/// # Safety
/// `size` bytes are writable at `to`.
pub(super) unsafe fn write_known<T: Copy>(known: &T, to: *mut T, size: usize) -> Result<Status> {
    let own = size_of::<T>();
    if size == 0 || !size.is_multiple_of(size_of::<u64>()) {
        return Err(Error::new(Status::Argument, "size is not that of the structure"));
    }
    // SAFETY: this function's own contract.
    unsafe {
        let to = to.cast::<u8>();
        std::ptr::copy_nonoverlapping(std::ptr::from_ref(known).cast::<u8>(), to, size.min(own));
        if size > own {
            std::ptr::write_bytes(to.add(own), 0, size - own);
        }
    }
    Ok(Status::Ok)
}

/// Writes what all processes have done to *statistics. size is sizeof
/// *statistics: a program built with an older header gets what it knows.
/// MP_ERR_ARGUMENT when it is no multiple of 8, or 0. Looks through the whole
/// call table. Any thread of any process.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_stats_get(
    engine: *const MpEngine,
    statistics: *mut MpStatistics,
    size: usize,
) -> MpStatus {
    boundary!(report (); engine: shared => {
        if statistics.is_null() {
            return Err(Error::new(Status::Null, "statistics is NULL"));
        }
        let now = Statistics::of(&engine.engine);
        let known = MpStatistics {
            sessions: now.active_calls,
            sessions_max: now.max_calls,
            deletes_waiting: now.deletes_waiting,
            requests: now.counted(Counter::Requests),
            offers: now.counted(Counter::Offers),
            answers: now.counted(Counter::Answers),
            rewritten: now.counted(Counter::Rewritten),
            failed_no_relay: now.counted(Counter::FailedNoRelay),
            failed_timeout: now.counted(Counter::FailedTimeout),
            failed_answer: now.counted(Counter::FailedAnswer),
            failed_other: now.counted(Counter::FailedOther),
            cancelled: now.counted(Counter::Cancelled),
            failovers: now.counted(Counter::Failovers),
            ends: now.counted(Counter::Terminations),
            ends_withheld: now.counted(Counter::DeletesWithheld),
            ends_told: now.counted(Counter::DeletesSent),
            deletes_queued: now.counted(Counter::DeletesQueued),
            deletes_delivered: now.counted(Counter::DeletesFlushed),
            deletes_cancelled: now.counted(Counter::DeletesCancelled),
            deletes_dropped: now.counted(Counter::DeletesDropped),
            calls_forgotten: now.counted(Counter::CallsNotStored),
            relays_failed: now.counted(Counter::RelaysFailed),
            relays_recovered: now.counted(Counter::RelaysRecovered),
            probes: now.counted(Counter::Probes),
            list_changes: now.counted(Counter::ListChanges),
            relay_changes: now.counted(Counter::RelayChanges),
            latency_sum: now.latency_sum,
            latency: now.latency,
        };
        // SAFETY: the header's contract: `size` bytes are writable.
        unsafe { write_known(&known, statistics, size) }
    })
}

/// A statistic that only grows.
pub const MP_STATISTIC_COUNTER: u32 = 0;
/// A statistic that rises and falls.
pub const MP_STATISTIC_GAUGE: u32 = 1;

/// Name, kind and help of each value of [`MpStatistics`] before `latency_sum`,
/// in its order.
const TABLE: [(&str, u32, &str); 26] = [
    ("sessions", MP_STATISTIC_GAUGE, "Calls in the call table."),
    ("sessions_max", MP_STATISTIC_GAUGE, "Calls that fit into the call table (max_calls)."),
    ("deletes_waiting", MP_STATISTIC_GAUGE, "Delete requests that wait for their relay."),
    ("requests", MP_STATISTIC_COUNTER, "Rewrites for which a request was sent to a relay."),
    ("offers", MP_STATISTIC_COUNTER, "Of these, offers (RFC 3264)."),
    ("answers", MP_STATISTIC_COUNTER, "Of these, answers."),
    ("rewritten", MP_STATISTIC_COUNTER, "Requests that ended in a rewritten SDP."),
    ("failed_no_relay", MP_STATISTIC_COUNTER, "Requests that failed because no relay was usable."),
    (
        "failed_timeout",
        MP_STATISTIC_COUNTER,
        "Requests that failed because no relay answered in time.",
    ),
    ("failed_answer", MP_STATISTIC_COUNTER, "Requests that a relay refused or answered unusably."),
    ("failed_other", MP_STATISTIC_COUNTER, "Requests that failed otherwise."),
    ("cancelled", MP_STATISTIC_COUNTER, "Requests that the server gave up before their end."),
    ("failovers", MP_STATISTIC_COUNTER, "Offers that went on to another relay."),
    ("ends", MP_STATISTIC_COUNTER, "Session terminations processed."),
    (
        "ends_withheld",
        MP_STATISTIC_COUNTER,
        "Terminations without a delete: another branch of the call lives.",
    ),
    ("ends_told", MP_STATISTIC_COUNTER, "Delete requests sent to their relay at once."),
    ("deletes_queued", MP_STATISTIC_COUNTER, "Delete requests queued for a relay."),
    ("deletes_delivered", MP_STATISTIC_COUNTER, "Queued delete requests that were sent."),
    ("deletes_cancelled", MP_STATISTIC_COUNTER, "Queued delete requests cancelled by a new offer."),
    (
        "deletes_dropped",
        MP_STATISTIC_COUNTER,
        "Delete requests that could not be queued or were given up.",
    ),
    ("calls_forgotten", MP_STATISTIC_COUNTER, "Calls not stored because the call table was full."),
    ("relays_failed", MP_STATISTIC_COUNTER, "Times a relay stopped answering."),
    ("relays_recovered", MP_STATISTIC_COUNTER, "Times a relay answered again."),
    ("probes", MP_STATISTIC_COUNTER, "Probes sent to relays."),
    ("list_changes", MP_STATISTIC_COUNTER, "Changes of the client lists."),
    ("relay_changes", MP_STATISTIC_COUNTER, "Changes of the relays file."),
];

const _: () = assert!(std::mem::offset_of!(MpStatistics, latency_sum) == TABLE.len() * 8);

/// How many statistics have a name: the values of mp_statistics in its order,
/// latency_sum and latency excepted. With the four functions below a server
/// offers each under its own statistics. Any thread, any process.
#[unsafe(no_mangle)]
pub extern "C" fn mp_statistics_count() -> usize {
    boundary!(value 0; => { Ok(TABLE.len()) })
}

/// The name of statistic number index, from 0: that of its member in
/// mp_statistics. Empty beyond the last one. Static, never freed. Any thread,
/// any process.
#[unsafe(no_mangle)]
pub extern "C" fn mp_statistics_name(index: usize) -> MpStr {
    boundary!(value MpStr::EMPTY; => {
        Ok(TABLE.get(index).map_or(MpStr::EMPTY, |row| MpStr::of(row.0.as_bytes())))
    })
}

/// A sentence that says what statistic number index is. Otherwise as
/// mp_statistics_name.
#[unsafe(no_mangle)]
pub extern "C" fn mp_statistics_help(index: usize) -> MpStr {
    boundary!(value MpStr::EMPTY; => {
        Ok(TABLE.get(index).map_or(MpStr::EMPTY, |row| MpStr::of(row.2.as_bytes())))
    })
}

/// MP_STATISTIC_COUNTER or MP_STATISTIC_GAUGE; MP_STATISTIC_COUNTER beyond the
/// last statistic. Any thread, any process.
#[unsafe(no_mangle)]
pub extern "C" fn mp_statistics_kind(index: usize) -> u32 {
    boundary!(value MP_STATISTIC_COUNTER; => {
        Ok(TABLE.get(index).map_or(MP_STATISTIC_COUNTER, |row| row.1))
    })
}

/// The value of statistic number index in what mp_stats_get wrote: size is
/// sizeof *statistics. 0 beyond the last statistic, beyond size and for NULL.
/// Any thread, any process.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_statistics_value(
    statistics: *const MpStatistics,
    size: usize,
    index: usize,
) -> u64 {
    boundary!(value 0; => {
        let known = TABLE.len().min(size / size_of::<u64>());
        if statistics.is_null() || index >= known {
            return Ok(0);
        }
        // SAFETY: the header's contract: `size` bytes are readable, and all
        // members up to this one are `u64`.
        Ok(unsafe { statistics.cast::<u64>().add(index).read() })
    })
}

/// Writes the same, and each relay, as text for Prometheus (text format 0.0.4)
/// to the capacity bytes at buffer, and its length to *length. The buffer may
/// be NULL with capacity 0. MP_ERR_BUFFER_TOO_SMALL with the needed length in
/// *length when it does not fit, the buffer untouched; the next text may be
/// longer by a few bytes. No terminating NUL is written. Any thread of any
/// process.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_stats_prometheus(
    engine: *const MpEngine,
    buffer: *mut c_char,
    capacity: usize,
    length: *mut usize,
) -> MpStatus {
    boundary!(report (); engine: shared, length: output => {
        // SAFETY: the header's contract.
        let buffer = unsafe { Buffer::new(buffer, capacity) }?;
        buffer.write(Statistics::of(&engine.engine).prometheus().as_bytes(), length)
    })
}

/// Writes the same as one JSON object (RFC 8259); otherwise as
/// mp_stats_prometheus.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_stats_json(
    engine: *const MpEngine,
    buffer: *mut c_char,
    capacity: usize,
    length: *mut usize,
) -> MpStatus {
    boundary!(report (); engine: shared, length: output => {
        // SAFETY: the header's contract.
        let buffer = unsafe { Buffer::new(buffer, capacity) }?;
        buffer.write(Statistics::of(&engine.engine).json().as_bytes(), length)
    })
}
