//! Structures of `u64` values, which later versions extend at the end, and the
//! tables that name the values.

use crate::capi::text::MpStr;
use crate::error::{Error, Result, Status};
use crate::metrics::{Kind, Metric};

/// Writes `known` into the `size` bytes that a caller has. Where the structure of
/// the caller is longer, the rest is zeroed.
///
/// # Safety
/// `size` bytes are writable at `to`.
pub(super) unsafe fn write_known<T: Copy>(known: &T, to: *mut T, size: usize) -> Result<Status> {
    let own = size_of::<T>();
    if size == 0 || !size.is_multiple_of(size_of::<u64>()) {
        return Err(Error::new(
            Status::Argument,
            "size is 0 or not a multiple of 8; give sizeof of the structure",
        ));
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

/// The value of a row: word `before + index` of a structure of `size` bytes; 0
/// where there is none.
///
/// # Safety
/// `from` is NULL or `size` bytes are readable at it, all of them `u64`.
pub(super) unsafe fn value<T>(
    table: &[Metric],
    before: usize,
    from: *const T,
    size: usize,
    index: usize,
) -> u64 {
    let known = (size / size_of::<u64>()).saturating_sub(before).min(table.len());
    if from.is_null() || index >= known {
        return 0;
    }
    // SAFETY: this function's own contract, and `index` is within `size`.
    unsafe { from.cast::<u64>().add(before + index).read() }
}

pub(super) fn name(table: &[Metric], index: usize) -> MpStr {
    table.get(index).map_or(MpStr::EMPTY, |row| MpStr::of(row.name.as_bytes()))
}

pub(super) fn help(table: &[Metric], index: usize) -> MpStr {
    table.get(index).map_or(MpStr::EMPTY, |row| MpStr::of(row.help.as_bytes()))
}

pub(super) fn kind(table: &[Metric], index: usize) -> u32 {
    table.get(index).map_or(Kind::Counter as u32, |row| row.kind as u32)
}
