//! `mp_edits`.

use std::ffi::c_char;

use crate::capi::boundary::{Handle, Poison, Report};
use crate::capi::buffer::Buffer;
use crate::capi::message::MpMessage;
use crate::capi::status::MpStatus;
use crate::capi::text::MpStr;
use crate::edit::Edits;
use crate::error::{Error, Status};

/// One edit of a message: at offset, remove bytes go and insert comes. Either
/// may be empty.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct MpEdit {
    /// Bytes from the start of the raw message.
    pub offset: usize,
    /// How many of the original bytes go.
    pub remove: usize,
    /// The bytes that come. Lives until the list changes or is freed.
    pub insert: MpStr,
}

/// A list of edits against the original bytes of one message, sorted by offset
/// and disjoint. A verb called twice on one list replaces its own earlier edits
/// and leaves the other verbs'. Reusable: reset it for the next message. One
/// thread at a time; may cross a fork.
#[derive(Debug, Default)]
pub struct MpEdits {
    poison: Poison,
    pub(super) edits: Edits,
    /// The edited message, before it is known to fit.
    applied: Vec<u8>,
    last: Option<Error>,
}

impl Handle for MpEdits {
    fn poison(&self) -> &Poison {
        &self.poison
    }
}

impl Report for *mut MpEdits {
    unsafe fn report(self, error: Error) {
        // SAFETY: the trait's contract.
        if let Some(edits) = unsafe { self.as_mut() }
            && error.status() != Status::Poisoned
        {
            edits.last = Some(error);
        }
    }
}

/// Makes an empty list. The caller frees it with mp_edits_free. Never NULL but
/// after a panic.
#[unsafe(no_mangle)]
pub extern "C" fn mp_edits_new() -> *mut MpEdits {
    boundary!(value std::ptr::null_mut(); => { Ok(Box::into_raw(Box::new(MpEdits::default()))) })
}

/// How many edits there are; 0 means the message stays byte for byte. 0 for
/// NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_edits_count(edits: *const MpEdits) -> usize {
    boundary!(value 0; edits: borrowed => { Ok(edits.edits.len()) })
}

/// Writes edit number index, from 0, in order of offset, to *edit. Apply them
/// yourself only if you also set Content-Length where the body changes (RFC
/// 3261 20.14), or let the server do it. MP_ERR_ARGUMENT beyond the last one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_edits_get(
    edits: *const MpEdits,
    index: usize,
    edit: *mut MpEdit,
) -> MpStatus {
    boundary!(report (); edits: borrowed, edit: output => {
        let found = edits
            .edits
            .get(index)
            .ok_or_else(|| Error::new(Status::Argument, "there is no edit of this number"))?;
        edit.set(MpEdit {
            offset: found.offset,
            remove: found.remove,
            insert: MpStr::of(found.insert),
        });
        Ok(Status::Ok)
    })
}

/// Writes the edited message to the capacity bytes at buffer and its length to
/// *length. When an edit touches the body, every Content-Length header is set
/// to the body's new length (RFC 3261 20.14); none is added. The buffer must
/// not overlap the message's own bytes and may be NULL with capacity 0.
/// MP_ERR_BUFFER_TOO_SMALL with the needed length in *length when it does not
/// fit, the buffer untouched; MP_ERR_EDITS when an edit reaches beyond the
/// message, which was then made for another one. The reason is in
/// mp_edits_last_error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_edits_apply(
    edits: *mut MpEdits,
    message: *const MpMessage,
    buffer: *mut c_char,
    capacity: usize,
    length: *mut usize,
) -> MpStatus {
    boundary!(report edits; edits: exclusive, message: borrowed, length: output => {
        // SAFETY: the header's contract.
        let buffer = unsafe { Buffer::new(buffer, capacity) }?;
        edits.edits.apply(message.get()?, &mut edits.applied)?;
        buffer.write(&edits.applied, length)
    })
}

/// As mp_edits_apply, for one part of the message: the length bytes from offset
/// on, as a Contact URI or a body. Writes these bytes with the edits made, at
/// most size bytes, to buffer, and their number to *written. Content-Length is
/// not set. MP_ERR_EDITS also when an edit is not wholly within the part (an
/// insertion at its end is), for no edit is left out silently.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_edits_apply_range(
    edits: *mut MpEdits,
    message: *const MpMessage,
    offset: usize,
    length: usize,
    buffer: *mut c_char,
    size: usize,
    written: *mut usize,
) -> MpStatus {
    boundary!(report edits; edits: exclusive, message: borrowed, written: output => {
        // SAFETY: the header's contract.
        let buffer = unsafe { Buffer::new(buffer, size) }?;
        let range = offset..offset.saturating_add(length);
        edits.edits.apply_range(message.get()?, range, &mut edits.applied)?;
        buffer.write(&edits.applied, written)
    })
}

/// Why the last mp_edits_apply on this list failed; empty if none did. Lives
/// until the next call with this list.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_edits_last_error(edits: *const MpEdits) -> MpStr {
    boundary!(value MpStr::EMPTY; => {
        // SAFETY: the header's contract. A poisoned handle answers too.
        let edits = unsafe { edits.as_ref() };
        let last = edits.and_then(|edits| edits.last.as_ref());
        Ok(last.map_or(MpStr::EMPTY, |error| MpStr::of(error.text().as_bytes())))
    })
}

/// Forgets all edits and keeps the memory, for the next message.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_edits_reset(edits: *mut MpEdits) -> MpStatus {
    boundary!(report (); edits: exclusive => {
        edits.edits.reset();
        Ok(Status::Ok)
    })
}

/// Frees a list. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_edits_free(edits: *mut MpEdits) {
    boundary!(free edits)
}
