//! Tasks without a message: mp_keeper

use crate::Keeper;
use crate::capi::boundary::Poison;
use crate::capi::clock::time;
use crate::capi::engine::MpEngine;
use crate::capi::error::MpError;
use crate::capi::status::MpStatus;
use crate::error::Status;

/// Does the tasks of a server that no message triggers: it watches the client
/// lists and the relays file, probes relays that do not answer, and sends
/// queued delete requests. One is enough for a server, in a timer process, a
/// process of its own or a thread. Several do no harm: one of them works, and
/// another takes over within a second when that one dies.
///
/// Make it after the fork, in the process that uses it. Either call
/// mp_keeper_tick from an event loop, or give mp_keeper_run a thread. Without a
/// keeper, workers do the most necessary part of these tasks with their next
/// message. Any thread may use it; in another process than the one that made it
/// only mp_keeper_free works.
///
/// With a thread of its own:
///
/// ```c
/// mp_keeper *keeper = NULL;
/// if (mp_keeper_new(engine, &keeper, NULL) == MP_OK)
///     mp_keeper_run(keeper, NULL);
/// ```
///
/// In an event loop:
///
/// ```c
/// while (serving) {
///     uint64_t next = mp_now() + mp_keeper_next(keeper, 0);
///     wait_for(mp_keeper_descriptor(keeper), MP_WAIT_READ, next);
///     if (mp_keeper_tick(keeper, 0) != MP_OK)
///         break;
/// }
/// ```
#[derive(Debug)]
pub struct MpKeeper {
    poison: Poison,
    keeper: Keeper,
}

handle!(MpKeeper);

/// Makes a keeper in the current process and writes it to *keeper. The caller
/// frees it with mp_keeper_free; the engine may be freed before. MP_ERR_SYSTEM
/// when the system gives no descriptor. error may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_keeper_new(
    engine: *const MpEngine,
    keeper: *mut *mut MpKeeper,
    error: *mut *mut MpError,
) -> MpStatus {
    boundary!(report error; engine: shared, keeper: output => {
        let made = Keeper::new(engine.engine.clone())?;
        let made = MpKeeper { poison: Poison::default(), keeper: made };
        keeper.set(Box::into_raw(Box::new(made)));
        Ok(Status::Ok)
    })
}

/// Does the tasks that are due, and never waits. Call it when
/// mp_keeper_descriptor is readable, when mp_keeper_next has passed, or simply
/// five times a second. now is in milliseconds of mp_now; 0 lets the library
/// read the clock. Log lines come on the calling thread. It does nothing while
/// the keeper of another process works. The first tick that works starts one
/// thread, which blocks all signals, unless the setting watch is "poll".
/// MP_ERR_WRONG_PROCESS after a fork, MP_ERR_ARGUMENT while mp_keeper_run runs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_keeper_tick(keeper: *const MpKeeper, now: u64) -> MpStatus {
    boundary!(report (); keeper: shared => {
        keeper.keeper.tick(time(now))?;
        Ok(Status::Ok)
    })
}

/// A descriptor that is readable when mp_keeper_tick should be called: a task
/// is due, a file changed, or a relay answered. Use it for poll, epoll and the
/// like only; never read or close it. It is the same until mp_keeper_free. -1
/// for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_keeper_descriptor(keeper: *const MpKeeper) -> i32 {
    boundary!(value -1; keeper: shared => { Ok(keeper.keeper.descriptor()) })
}

/// The milliseconds from now (see mp_keeper_tick) until the next tick is due; 0
/// when it is due. It is meant for a server whose event loop has timers and
/// takes no descriptor. 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_keeper_next(keeper: *const MpKeeper, now: u64) -> u64 {
    boundary!(value 0; keeper: shared => {
        Ok(keeper.keeper.next(time(now)))
    })
}

/// Ticks on the calling thread until another thread calls mp_keeper_stop.
/// MP_ERR_WRONG_PROCESS after a fork, MP_ERR_ARGUMENT when it already runs,
/// MP_ERR_SYSTEM when the system refuses to wait. error may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_keeper_run(
    keeper: *const MpKeeper,
    error: *mut *mut MpError,
) -> MpStatus {
    boundary!(report error; keeper: shared => {
        keeper.keeper.run()?;
        Ok(Status::Ok)
    })
}

/// Stops mp_keeper_run from any thread of the same process; the keeper of
/// another process may then take over at once. When it is called before
/// mp_keeper_run, mp_keeper_run returns at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_keeper_stop(keeper: *const MpKeeper) -> MpStatus {
    boundary!(report (); keeper: shared => {
        keeper.keeper.stop();
        Ok(Status::Ok)
    })
}

/// Frees a keeper; that of another process may then take over. Not while
/// mp_keeper_run runs: stop it and wait for its return. In another process than
/// the one that made it, it only closes the inherited descriptors. NULL is
/// allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_keeper_free(keeper: *mut MpKeeper) {
    boundary!(free keeper)
}
