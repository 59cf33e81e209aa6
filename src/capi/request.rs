//! The SDP verb without blocking: mp_request

use crate::capi::boundary::Poison;
use crate::capi::clock::time;
use crate::capi::edits::MpEdits;
use crate::capi::message::MpMessage;
use crate::capi::options::MpOptions;
use crate::capi::status::MpStatus;
use crate::capi::worker::MpWorker;
use crate::error::{Error, Status};
use crate::options::Options;
use crate::worker::{Progress, Rewrite, Started};

/// Wait until the descriptor is readable (POLLIN).
pub const MP_WAIT_READ: u32 = 1;
/// Wait until the descriptor is writable (POLLOUT).
pub const MP_WAIT_WRITE: u32 = 2;

/// What a request waits for.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct MpWait {
    /// When to continue at the latest, in milliseconds of mp_now. Continue at
    /// once when that time has passed; 0 has always passed.
    pub deadline: u64,
    /// The descriptor to watch, -1 when only the deadline counts. It belongs to
    /// the library: never read, write or close it.
    pub descriptor: i32,
    /// MP_WAIT_READ and MP_WAIT_WRITE, ORed. 0 when there is no descriptor.
    pub events: u32,
}

/// A rewrite of an SDP that does not block. It holds its own connection to a
/// relay. Message and options may be freed before it ends. It belongs to the
/// worker that it was started on, with the same rule for threads and the same
/// process.
///
/// ```c
/// mp_request *request = NULL;
/// mp_status status = mp_rewrite_start(worker, message, NULL, 0, &request);
/// if (status == MP_OK)
///     do {
///         mp_wait wait;
///         mp_request_wait(request, &wait);
///         wait_for(wait.descriptor, wait.events, wait.deadline);
///         status = mp_request_continue(request, worker, 0, edits);
///     } while (status == MP_PENDING);
/// if (status < MP_OK)
///     print(mp_worker_last_error(worker));
/// mp_request_free(request);
/// ```
#[derive(Debug)]
pub struct MpRequest {
    poison: Poison,
    rewrite: Box<Rewrite>,
    /// The worker that started the request; compared, never dereferenced.
    worker: *const MpWorker,
}

handle!(MpRequest);

/// Starts what mp_rewrite_sdp does, and writes the request to *request. Then
/// wait with poll or epoll for what mp_request_wait says, and call
/// mp_request_continue, until that returns something other than MP_PENDING. now
/// is in milliseconds of mp_now; 0 lets the library read the clock. The caller
/// frees the request with mp_request_free, which also cancels it. MP_NO_SDP:
/// there is nothing to do and no request is written. Errors as for
/// mp_rewrite_sdp.
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

/// Writes to *wait what the request waits for. It may change with each
/// mp_request_continue: call this function again after it.
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

/// Continues a request after its descriptor became ready or its deadline
/// passed; calling it too early does no harm. worker is the one that the
/// request was started on, else MP_ERR_ARGUMENT. now as for mp_rewrite_start.
///
/// MP_PENDING: wait again; edits is unchanged. MP_OK: the request has ended and
/// all its edits are in the list, in place of those that an earlier rewrite
/// made. An error, as of mp_rewrite_sdp, ends the request too, and edits is
/// unchanged. After the end a further call is MP_ERR_ARGUMENT.
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

/// Frees a request; one that still waits is cancelled. Its worker may have been
/// freed before. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_request_free(request: *mut MpRequest) {
    boundary!(free request)
}
