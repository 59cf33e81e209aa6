//! `mp_engine`.

use std::sync::Arc;

use crate::Engine;
use crate::capi::boundary::{Handle, Poison, quiet_panics};
use crate::capi::config::MpConfig;
use crate::capi::error::MpError;
use crate::capi::status::MpStatus;
use crate::error::Status;

/// What a server makes once, before it forks: settings, the first copy of the
/// client lists, and the memory all its processes share. It has no thread, no
/// lock and no descriptor, so it may cross a fork. It never changes: any
/// thread of any process may make workers from it.
#[derive(Debug)]
pub struct MpEngine {
    poison: Poison,
    pub(super) engine: Arc<Engine>,
}

impl Handle for MpEngine {
    fn poison(&self) -> &Poison {
        &self.poison
    }
}

/// Makes an engine and writes it to *engine; call it once, before the server
/// forks (mod_init). The config is copied. The caller frees it with
/// mp_engine_free. MP_ERR_SETTING when settings cannot be honoured together,
/// MP_ERR_SYSTEM when the shared memory cannot be had. Bad lines of the client
/// lists are logged and skipped, a missing list is empty. error may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_engine_new(
    config: *const MpConfig,
    engine: *mut *mut MpEngine,
    error: *mut *mut MpError,
) -> MpStatus {
    boundary!(report error; config: borrowed, engine: output => {
        quiet_panics();
        let made = Engine::new(config.settings.clone(), config.log.clone())?;
        engine.set(Box::into_raw(Box::new(MpEngine { poison: Poison::default(), engine: made })));
        Ok(Status::Ok)
    })
}

/// Has all processes read the client lists and the relays file again, each with
/// its next message. Not needed when a file changes, which is noticed within a
/// second; for a management command. Any thread of any process.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_engine_reload(engine: *const MpEngine) -> MpStatus {
    boundary!(report (); engine: shared => {
        engine.engine.reload();
        Ok(Status::Ok)
    })
}

/// Frees an engine. Workers made from it keep what they need: the order does
/// not matter. In each process only its own copy goes. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_engine_free(engine: *mut MpEngine) {
    boundary!(free engine)
}
