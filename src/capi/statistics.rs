//! Statistics: mp_statistics

use std::ffi::c_char;

use crate::capi::buffer::Buffer;
use crate::capi::engine::MpEngine;
use crate::capi::status::MpStatus;
use crate::capi::text::MpStr;
use crate::capi::values::{self, write_known};
use crate::error::{Error, Status};
use crate::metrics::Kind;
use crate::shared::Counter;
use crate::statistics::Statistics;

/// The statistics of a server, all its processes together, since the engine was
/// made. The members are counters, except active_calls, max_calls and
/// deletes_waiting, which are values of the moment.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct MpStatistics {
    /// The sum of the durations of all SDP rewrites that needed a relay, in
    /// milliseconds.
    pub latency_sum: u64,
    /// How many of these took up to 1, 2, 5, 10, 20, 50, 100, 200, 400, 1000
    /// and 5000 milliseconds (each longer than the one before), and how many
    /// took longer.
    pub latency: [u64; 12],
    /// In the header, a named field for each row of the table.
    pub values: [u64; Counter::TABLE.len()],
}

/// Writes the statistics to *statistics. size is sizeof *statistics: a program
/// that was built with an older header gets the members it knows. It reads the
/// whole call table. MP_ERR_ARGUMENT for a size that is 0 or not a multiple of
/// 8. Any thread of any process may call it.
///
/// ```c
/// mp_statistics now;
/// if (mp_statistics_get(engine, &now, sizeof now) != MP_OK)
///     return;
/// for (size_t i = 0; i < mp_statistics_count(); i++) {
///     print(mp_statistics_name(i));
///     print_number(mp_statistics_value(&now, sizeof now, i));
/// }
/// ```
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_statistics_get(
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
            latency_sum: now.latency_sum,
            latency: now.latency,
            values: now.values,
        };
        // SAFETY: the header's contract: `size` bytes are writable.
        unsafe { write_known(&known, statistics, size) }
    })
}

/// The value only grows.
pub const MP_STATISTIC_COUNTER: u32 = 0;
/// The value rises and falls.
pub const MP_STATISTIC_GAUGE: u32 = 1;

const _: () = assert!(Kind::Counter as u32 == MP_STATISTIC_COUNTER);
const _: () = assert!(Kind::Gauge as u32 == MP_STATISTIC_GAUGE);

/// Words before the values that have a name.
const UNNAMED: usize = std::mem::offset_of!(MpStatistics, values) / size_of::<u64>();

/// The number of statistics that have a name: every member of mp_statistics
/// except latency_sum and latency, in their order. A server offers them as its
/// own statistics without a table. Any thread of any process may call this
/// function.
#[unsafe(no_mangle)]
pub extern "C" fn mp_statistics_count() -> usize {
    boundary!(value 0; => { Ok(Counter::TABLE.len()) })
}

/// The name of statistic number index, from 0: that of its member in
/// mp_statistics. Empty beyond the last one. The text is static. Any thread of
/// any process may call this function.
#[unsafe(no_mangle)]
pub extern "C" fn mp_statistics_name(index: usize) -> MpStr {
    boundary!(value MpStr::EMPTY; => { Ok(values::name(&Counter::TABLE, index)) })
}

/// A sentence that explains statistic number index. Otherwise as
/// mp_statistics_name.
#[unsafe(no_mangle)]
pub extern "C" fn mp_statistics_help(index: usize) -> MpStr {
    boundary!(value MpStr::EMPTY; => { Ok(values::help(&Counter::TABLE, index)) })
}

/// The kind of statistic number index: MP_STATISTIC_COUNTER or
/// MP_STATISTIC_GAUGE. MP_STATISTIC_COUNTER beyond the last one. Any thread of
/// any process may call this function.
#[unsafe(no_mangle)]
pub extern "C" fn mp_statistics_kind(index: usize) -> u32 {
    boundary!(value MP_STATISTIC_COUNTER; => { Ok(values::kind(&Counter::TABLE, index)) })
}

/// The value of statistic number index in the statistics that mp_statistics_get
/// wrote; size is sizeof *statistics. 0 beyond the last one, for a member
/// beyond size and for NULL. Any thread of any process may call this function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_statistics_value(
    statistics: *const MpStatistics,
    size: usize,
    index: usize,
) -> u64 {
    boundary!(value 0; => {
        // SAFETY: the header's contract: `size` bytes are readable.
        Ok(unsafe { values::value(&Counter::TABLE, UNNAMED, statistics, size, index) })
    })
}

/// Writes the statistics of the server and of each relay as text for Prometheus
/// (text format 0.0.4) to buffer, at most capacity bytes, and its length to
/// *length. No NUL is added. buffer may be NULL with capacity 0.
/// MP_ERR_BUFFER_TOO_SMALL when the text does not fit: *length is the length it
/// needs, and the buffer is unchanged; the next text may be longer by a few
/// bytes. Any thread of any process may call it.
///
/// ```c
/// char text[65536];
/// size_t length;
/// if (mp_statistics_prometheus(engine, text, sizeof text, &length)
///     == MP_OK)
///     forward(text, length);
/// ```
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_statistics_prometheus(
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

/// Writes the same values as one JSON object (RFC 8259). Otherwise as
/// mp_statistics_prometheus.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_statistics_json(
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
