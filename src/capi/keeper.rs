//! `mp_keeper`.

use crate::Keeper;
use crate::capi::boundary::{Handle, Poison};
use crate::capi::clock::time;
use crate::capi::engine::MpEngine;
use crate::capi::error::MpError;
use crate::capi::status::MpStatus;
use crate::error::Status;

/// What must happen in a server without a message: watching the client lists
/// and the file of relays, asking dead relays whether they live, delivering
/// ends that wait for theirs. One a server, in a timer process, a process of
/// its own or a thread; several do no harm, one of them works, and another
/// takes over within a second when that one dies. Make it after the fork, in
/// the process that uses it. Either call mp_keeper_tick from an event loop or
/// give mp_keeper_run a thread. Without a keeper the workers do the least
/// themselves, each with its next message. Any thread may call it; in another
/// process than its own only mp_keeper_free works.
#[derive(Debug)]
pub struct MpKeeper {
    poison: Poison,
    keeper: Keeper,
}

impl Handle for MpKeeper {
    fn poison(&self) -> &Poison {
        &self.poison
    }
}

/// Makes a keeper in the current process and writes it to *keeper. The caller
/// frees it with mp_keeper_free; the engine may be freed before. MP_ERR_SYSTEM
/// when its descriptor cannot be had. error may be NULL.
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

/// Does what is due and never waits: call it when mp_keeper_descriptor is
/// readable or mp_keeper_next has passed, or simply five times a second. now is
/// milliseconds of CLOCK_MONOTONIC (mp_now), 0 lets the library read it. Log
/// lines come on the calling thread. Where another process works for the
/// server it does nothing. The first tick that works starts one thread, which
/// blocks all signals, unless the setting watch is "poll". MP_ERR_WRONG_PROCESS
/// after a fork, MP_ERR_ARGUMENT while mp_keeper_run runs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_keeper_tick(keeper: *const MpKeeper, now: u64) -> MpStatus {
    boundary!(report (); keeper: shared => {
        keeper.keeper.tick(time(now))?;
        Ok(Status::Ok)
    })
}

/// A descriptor that is readable when mp_keeper_tick should be called: its time
/// has come, a file changed, a relay said something. Only for poll, epoll and
/// the like, never to be read or closed. The same until mp_keeper_free. -1 for
/// NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_keeper_descriptor(keeper: *const MpKeeper) -> i32 {
    boundary!(value -1; keeper: shared => { Ok(keeper.keeper.descriptor()) })
}

/// In how many milliseconds from now (see mp_keeper_tick) the next tick is due;
/// 0: at once. For servers whose loop has a timer and no place for a
/// descriptor. 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_keeper_next(keeper: *const MpKeeper, now: u64) -> u64 {
    boundary!(value 0; keeper: shared => {
        Ok(keeper.keeper.next(time(now)))
    })
}

/// Ticks on the calling thread until another thread calls mp_keeper_stop.
/// MP_ERR_WRONG_PROCESS after a fork, MP_ERR_ARGUMENT when it runs already,
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

/// Ends mp_keeper_run, from any thread of the same process; it then gives up
/// its place to another process at once. Called before mp_keeper_run, that
/// returns at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_keeper_stop(keeper: *const MpKeeper) -> MpStatus {
    boundary!(report (); keeper: shared => {
        keeper.keeper.stop();
        Ok(Status::Ok)
    })
}

/// Frees a keeper and gives up its place. Not while mp_keeper_run is still
/// running: stop it and wait for its return. In another process only the
/// inherited descriptors are closed. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_keeper_free(keeper: *mut MpKeeper) {
    boundary!(free keeper)
}
