//! `mp_config`.

use std::ffi::c_void;

use crate::capi::boundary::{Handle, Poison, quiet_panics};
use crate::capi::error::MpError;
use crate::capi::log::{MpLogCallback, log};
use crate::capi::status::MpStatus;
use crate::capi::text::MpStr;
use crate::error::{Error, Status};
use crate::log::Log;
use crate::settings::Settings;

/// Settings being collected. mp_engine_new and mp_proxy_new copy what they
/// need: it may be changed or freed afterwards. One thread at a time; made
/// before the fork, like what is made from it.
#[derive(Debug, Default)]
pub struct MpConfig {
    poison: Poison,
    pub(super) settings: Settings,
    pub(super) log: Log,
}

impl Handle for MpConfig {
    fn poison(&self) -> &Poison {
        &self.poison
    }
}

/// Makes settings with their defaults (the profile `seed`) and no log. The
/// caller frees them with mp_config_free. Never NULL but after a panic.
#[unsafe(no_mangle)]
pub extern "C" fn mp_config_new() -> *mut MpConfig {
    boundary!(value std::ptr::null_mut(); => {
        quiet_panics();
        Ok(Box::into_raw(Box::new(MpConfig::default())))
    })
}

/// Sets one setting from text, as a configuration line holds it; white space
/// around it does not count. `relay` adds a relay each time, every other
/// setting replaces. Both texts are copied. MP_ERR_SETTING for an unknown name
/// (the error lists all) and for a bad value (the error names the accepted
/// form); nothing is changed then. error may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_config_set(
    config: *mut MpConfig,
    name: MpStr,
    value: MpStr,
    error: *mut *mut MpError,
) -> MpStatus {
    boundary!(report error; config: exclusive, name: text, value: text => {
        let utf8 = |bytes| {
            std::str::from_utf8(bytes)
                .map_err(|_| Error::new(Status::Setting, "a setting is not UTF-8 text"))
        };
        config.settings.set(utf8(name)?, utf8(value)?)?;
        Ok(Status::Ok)
    })
}

/// Hands log lines to callback, with arg. NULL forgets them (the default). The
/// callback and what arg points to must live as long as every engine made from
/// this config and its workers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_config_set_log(
    config: *mut MpConfig,
    callback: MpLogCallback,
    arg: *mut c_void,
) -> MpStatus {
    boundary!(report (); config: exclusive => {
        config.log = log(callback, arg);
        Ok(Status::Ok)
    })
}

/// Frees settings. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_config_free(config: *mut MpConfig) {
    boundary!(free config)
}
