//! Edits of a message: mp_edits

use std::ffi::c_char;

use crate::capi::boundary::Poison;
use crate::capi::buffer::Buffer;
use crate::capi::message::MpMessage;
use crate::capi::status::MpStatus;
use crate::capi::text::MpStr;
use crate::edit::Edits;
use crate::error::{Error, Status};

/// One edit: at offset, remove bytes are removed and insert is inserted. Either
/// may be empty.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct MpEdit {
    /// Bytes from the start of the raw message.
    pub offset: usize,
    /// The number of original bytes that are removed.
    pub remove: usize,
    /// The bytes that are inserted. They live until the list changes or is
    /// freed.
    pub insert: MpStr,
}

/// A list of edits against the original bytes of one message, sorted by offset
/// and disjoint. A verb that is called twice with one list replaces its own
/// earlier edits and keeps those of other verbs. Reusable: reset it for the
/// next message. One thread at a time. It survives a fork.
///
/// Applied by the library, in one buffer:
///
/// ```c
/// char buffer[65535];
/// size_t length;
/// if (mp_edits_apply(edits, message, buffer, sizeof buffer, &length)
///     == MP_OK)
///     forward(buffer, length);
/// else
///     print(mp_edits_last_error(edits));
/// ```
///
/// Applied by a server that has its own representation of changes:
///
/// ```c
/// mp_edit edit;
/// for (size_t i = 0; i < mp_edits_count(edits); i++)
///     if (mp_edits_get(edits, i, &edit) == MP_OK)
///         add_lump(edit.offset, edit.remove, edit.insert.ptr,
///                  edit.insert.len);
/// ```
#[derive(Debug, Default)]
pub struct MpEdits {
    poison: Poison,
    pub(super) edits: Edits,
    /// The edited message, before it is known to fit.
    applied: Vec<u8>,
    last: Option<Error>,
}

handle!(MpEdits last_error);

/// Makes an empty list. The caller frees it with mp_edits_free. NULL only after
/// a panic.
#[unsafe(no_mangle)]
pub extern "C" fn mp_edits_new() -> *mut MpEdits {
    boundary!(value std::ptr::null_mut(); => { Ok(Box::into_raw(Box::new(MpEdits::default()))) })
}

/// The number of edits. 0 when the message stays as it is, and for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_edits_count(edits: *const MpEdits) -> usize {
    boundary!(value 0; edits: borrowed => { Ok(edits.edits.len()) })
}

/// Writes edit number index, from 0, in order of offset, to *edit. A server
/// that applies edits itself must also set Content-Length where the body
/// changes (RFC 3261 20.14). MP_ERR_ARGUMENT beyond the last edit.
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
            .ok_or_else(|| Error::new(Status::Argument, "index is beyond the last edit"))?;
        edit.set(MpEdit {
            offset: found.offset,
            remove: found.remove,
            insert: MpStr::of(found.insert),
        });
        Ok(Status::Ok)
    })
}

/// Writes the edited message to buffer, at most capacity bytes, and its length
/// to *length. When an edit changes the body, every Content-Length header is
/// set to the new length of the body (RFC 3261 20.14); none is added. The
/// buffer must not overlap the message, and may be NULL with capacity 0.
///
/// MP_ERR_BUFFER_TOO_SMALL when the message does not fit: *length is the length
/// it needs, and the buffer is unchanged. MP_ERR_EDITS when an edit reaches
/// beyond the message, because the list was made for another one.
/// mp_edits_last_error gives the reason.
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

/// Writes the edited bytes of one part of the message, for instance a Contact
/// URI or the body: the part of length bytes at offset goes to buffer, at most
/// capacity bytes, and the number of bytes to *written. Content-Length is not
/// changed. All edits of the list must lie within the part, so that none is
/// lost: MP_ERR_EDITS else. An insertion at the start or at the end lies within
/// it. Otherwise as mp_edits_apply.
///
/// ```c
/// char uri[512];
/// size_t length;
/// if (mp_edits_apply_range(edits, message, uri_offset, uri_length, uri,
///                          sizeof uri, &length) == MP_OK)
///     replace_contact(uri, length);
/// ```
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_edits_apply_range(
    edits: *mut MpEdits,
    message: *const MpMessage,
    offset: usize,
    length: usize,
    buffer: *mut c_char,
    capacity: usize,
    written: *mut usize,
) -> MpStatus {
    boundary!(report edits; edits: exclusive, message: borrowed, written: output => {
        // SAFETY: the header's contract.
        let buffer = unsafe { Buffer::new(buffer, capacity) }?;
        let range = offset..offset.saturating_add(length);
        edits.edits.apply_range(message.get()?, range, &mut edits.applied)?;
        buffer.write(&edits.applied, written)
    })
}

/// Why the last failed mp_edits_apply or mp_edits_apply_range with this list
/// failed. Empty when none failed. It lives until the next call with this list.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_edits_last_error(edits: *const MpEdits) -> MpStr {
    boundary!(last_error edits)
}

/// Removes all edits and keeps the memory, for the next message.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_edits_reset(edits: *mut MpEdits) -> MpStatus {
    boundary!(report (); edits: exclusive => {
        edits.edits.reset();
        Ok(Status::Ok)
    })
}

/// Frees a list. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_edits_free(edits: *mut MpEdits) {
    boundary!(free edits)
}
