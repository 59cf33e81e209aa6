//! `mp_request`: a rewrite that does not block.

use crate::capi::boundary::{Handle, Poison};
use crate::capi::clock::time;
use crate::capi::edits::MpEdits;
use crate::capi::message::MpMessage;
use crate::capi::options::MpOptions;
use crate::capi::status::MpStatus;
use crate::capi::worker::MpWorker;
use crate::error::{Error, Status};
use crate::options::Options;
use crate::worker::{Progress, Rewrite, Started};

/// Wait until the descriptor can be read (POLLIN).
pub const MP_WAIT_READ: u32 = 1;
/// Wait until the descriptor can be written (POLLOUT).
pub const MP_WAIT_WRITE: u32 = 2;

/// What a request waits for.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct MpWait {
    /// When to continue at the latest, in milliseconds as mp_now counts them;
    /// at once when that has passed, as 0 has.
    pub deadline: u64,
    /// The descriptor to watch; -1 when there is none and only the deadline
    /// counts. It belongs to the library: never read, write or close it.
    pub descriptor: i32,
    /// MP_WAIT_READ and MP_WAIT_WRITE, ORed; 0 when there is no descriptor.
    pub events: u32,
}

/// A rewrite under way that does not block. It holds its own relay connection;
/// message and options may be gone before it ends. It belongs to the worker it
/// was started on: same thread rule, same process.
#[derive(Debug)]
pub struct MpRequest {
    poison: Poison,
    rewrite: Box<Rewrite>,
    /// Whom it belongs to; compared, never followed.
    worker: *const MpWorker,
}

impl Handle for MpRequest {
    fn poison(&self) -> &Poison {
        &self.poison
    }
}

/// mp_rewrite_sdp without blocking: start, then wait with poll or epoll for
/// what mp_request_wait says, mp_request_continue, until that says something
/// else than MP_PENDING. now is milliseconds as mp_now counts them, 0 lets the
/// library read the clock. Writes the request to *request; the caller frees it
/// with mp_request_free, which also cancels it. MP_NO_SDP: nothing to do, no
/// request is written. Errors as for mp_rewrite_sdp.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_rewrite_start(
    worker: *mut MpWorker,
    message: *const MpMessage,
    options: *const MpOptions,
    now: u64,
    request: *mut *mut MpRequest,
) -> MpStatus {
    let owner: *const MpWorker = worker;
    boundary!(report worker;
        worker: exclusive, message: borrowed, options: optional, request: output => {
        let none = Options::default();
        let options = MpOptions::or(options, &none);
        match worker.worker.rewrite_start(message.get()?, options, time(now))? {
            Started::NoSdp => Ok(Status::NoSdp),
            Started::Rewrite(rewrite) => {
                let made = MpRequest { poison: Poison::default(), rewrite, worker: owner };
                request.set(Box::into_raw(Box::new(made)));
                Ok(Status::Ok)
            }
        }
    })
}

/// Writes to *wait what the request waits for now. It may change with each
/// mp_request_continue: ask again after it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_request_wait(request: *const MpRequest, wait: *mut MpWait) -> MpStatus {
    boundary!(report (); request: borrowed, wait: output => {
        let found = request.rewrite.wait();
        let read = if found.read { MP_WAIT_READ } else { 0 };
        let write = if found.write { MP_WAIT_WRITE } else { 0 };
        wait.set(MpWait {
            deadline: found.deadline,
            descriptor: found.descriptor,
            events: read | write,
        });
        Ok(Status::Ok)
    })
}

/// Goes on after the descriptor became ready or the deadline passed; calling it
/// too early does no harm. worker is the one the request was started on, else
/// MP_ERR_ARGUMENT. MP_PENDING: wait again, edits is unchanged. MP_OK: done, all
/// edits are in the list, in place of those an earlier rewrite made. An error,
/// as of mp_rewrite_sdp, ends it as well: edits is unchanged. After the end a
/// further call is MP_ERR_ARGUMENT. now as for mp_rewrite_start.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_request_continue(
    request: *mut MpRequest,
    worker: *mut MpWorker,
    now: u64,
    edits: *mut MpEdits,
) -> MpStatus {
    let owner: *const MpWorker = worker;
    boundary!(report worker; request: exclusive, worker: exclusive, edits: exclusive => {
        if !std::ptr::eq(request.worker, owner) {
            let text = "the request was started on another worker";
            return Err(Error::new(Status::Argument, text));
        }
        Ok(match request.rewrite.resume(&mut worker.worker, time(now), &mut edits.edits)? {
            Progress::Pending => Status::Pending,
            Progress::Done => Status::Ok,
        })
    })
}

/// Frees a request; one that still waits is cancelled. Also fine after its
/// worker was freed. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_request_free(request: *mut MpRequest) {
    boundary!(free request)
}
