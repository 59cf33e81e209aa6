//! Once a server, before it forks: mp_engine

use std::sync::Arc;

use crate::Engine;
use crate::capi::boundary::{Poison, quiet_panics};
use crate::capi::config::MpConfig;
use crate::capi::error::MpError;
use crate::capi::status::MpStatus;
use crate::error::Status;

/// What a server makes once, before it forks: the settings, the first copy of
/// the client lists and of the relays, and the memory that all its processes
/// share (calls, health of relays, statistics). An engine has no thread, no
/// lock and no descriptor, so it survives a fork. Any thread of any process may
/// use it.
///
/// ```c
/// mp_engine *engine = NULL;
/// mp_error *error = NULL;
/// if (mp_engine_new(config, &engine, &error) != MP_OK) {
///     print(mp_error_text(error));
///     mp_error_free(error);
/// }
/// mp_config_free(config);
/// ```
#[derive(Debug)]
pub struct MpEngine {
    poison: Poison,
    pub(super) engine: Arc<Engine>,
}

handle!(MpEngine);

/// Makes an engine and writes it to *engine. Call it once, before the server
/// forks (mod_init). The settings are copied. The caller frees the engine with
/// mp_engine_free.
///
/// MP_ERR_SETTING when settings contradict each other or one has no effect
/// beside the others: mediaproxy_socket beside relay or relays, proxy_* without
/// a relay "embedded", relay_try longer than relay_timeout. MP_ERR_SYSTEM when
/// the system gives no shared memory. Bad lines of the client lists are logged
/// and skipped; a missing list is an empty list. error may be NULL.
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

/// Makes all processes read the client lists and the relays file again, each
/// with its next message. It is meant for a management command: without it a
/// changed file is detected within a second. Any thread of any process may call
/// it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_engine_reload(engine: *const MpEngine) -> MpStatus {
    boundary!(report (); engine: shared => {
        engine.engine.reload();
        Ok(Status::Ok)
    })
}

/// Frees the engine of this process; other processes keep theirs. Workers,
/// keepers and relay lists made from it stay valid. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_engine_free(engine: *mut MpEngine) {
    boundary!(free engine)
}
