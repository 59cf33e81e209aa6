//! Settings: mp_config

use std::ffi::{c_char, c_void};

use crate::capi::boundary::{Poison, quiet_panics};
use crate::capi::buffer::Buffer;
use crate::capi::error::MpError;
use crate::capi::log::{MpLogCallback, log};
use crate::capi::status::MpStatus;
use crate::capi::text::MpStr;
use crate::capi::values::write_known;
use crate::error::{Error, Status};
use crate::log::Log;
use crate::settings::{SettingInfo, Settings};

/// The settings of an engine and of a proxy. mp_engine_new and mp_proxy_new
/// copy them: the mp_config may be changed or freed afterwards. Make it before
/// the server forks, as what is made from it. One thread at a time.
///
/// ```c
/// mp_config *config = mp_config_new();
/// mp_error *error = NULL;
/// mp_config_set_log(config, write_log, NULL);
/// if (mp_config_set(config, mp_text("relay"), mp_text("embedded"), &error)
///     != MP_OK) {
///     print(mp_error_text(error));
///     mp_error_free(error);
/// }
/// ```
#[derive(Debug, Default)]
pub struct MpConfig {
    poison: Poison,
    pub(super) settings: Settings,
    pub(super) log: Log,
    /// The result of mp_setting_get, made with its first call.
    infos: Vec<SettingInfo>,
}

handle!(MpConfig);

/// Makes settings with the defaults of the profile "seed" and without a log.
/// The caller frees them with mp_config_free. NULL only after a panic.
#[unsafe(no_mangle)]
pub extern "C" fn mp_config_new() -> *mut MpConfig {
    boundary!(value std::ptr::null_mut(); => {
        quiet_panics();
        Ok(Box::into_raw(Box::new(MpConfig::default())))
    })
}

/// Sets one setting from text, as a line of a configuration file holds it;
/// white space around name and value is removed. "relay" adds a relay each
/// time, proxy_address and proxy_advertised_address replace the address of the
/// same family, every other setting replaces its earlier value.
/// docs/settings.md lists all settings. Both texts are copied. MP_ERR_SETTING
/// for an unknown name (the error lists all names) and for a bad value (the
/// error names the accepted form); nothing is changed then. Settings that have
/// no effect together are refused later, by mp_engine_new. error may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_config_set(
    config: *mut MpConfig,
    name: MpStr,
    value: MpStr,
    error: *mut *mut MpError,
) -> MpStatus {
    boundary!(report error; config: exclusive, name: text, value: text => {
        // No setting has a name that is not UTF-8.
        let name = String::from_utf8_lossy(name);
        let value = std::str::from_utf8(value).map_err(|_| {
            Error::new(Status::Setting, format!("{name}: the value is not UTF-8 text"))
        })?;
        config.settings.set(&name, value)?;
        Ok(Status::Ok)
    })
}

/// Writes the value of a setting that has effect, the default where it was not
/// set, to buffer, at most capacity bytes, and its length to *length: text that
/// mp_config_set accepts. A setting with several values (relay, proxy_address)
/// has one a line. Empty where there is no value, and for relay_try where it
/// depends on the relay. No NUL is added. buffer may be NULL with capacity 0.
///
/// MP_ERR_SETTING for an unknown name (the error lists all names).
/// MP_ERR_BUFFER_TOO_SMALL when the value does not fit: *length is the length it
/// needs, and the buffer is unchanged. error may be NULL.
///
/// ```c
/// char text[256];
/// size_t length;
/// if (mp_config_get(config, mp_text("relay"), text, sizeof text, &length,
///                   NULL) == MP_OK)
///     forward(text, length);
/// ```
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_config_get(
    config: *const MpConfig,
    name: MpStr,
    buffer: *mut c_char,
    capacity: usize,
    length: *mut usize,
    error: *mut *mut MpError,
) -> MpStatus {
    boundary!(report error; config: borrowed, name: text, length: output => {
        // SAFETY: the header's contract.
        let buffer = unsafe { Buffer::new(buffer, capacity) }?;
        // No setting has a name that is not UTF-8.
        let value = config.settings.get(&String::from_utf8_lossy(name))?;
        buffer.write(value.as_bytes(), length)
    })
}

/// One setting, for a manual or a help text. The texts are UTF-8 and live as
/// long as the mp_config.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct MpSetting {
    /// The heading of the group it belongs to.
    pub section: MpStr,
    /// Its name, which mp_config_set takes.
    pub name: MpStr,
    /// The accepted values, in words.
    pub accepted: MpStr,
    /// The default, in words.
    pub default_value: MpStr,
    /// Its effect: one sentence or more.
    pub help: MpStr,
    /// 1 when mp_config_set has set it, else 0.
    pub is_set: u64,
}

/// The number of settings. 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_setting_count(config: *const MpConfig) -> usize {
    boundary!(value 0; config: borrowed => { Ok(config.settings.infos().count()) })
}

/// Writes setting number index, from 0, to *setting. size is sizeof *setting: a
/// program that was built with an older header gets the members it knows.
/// MP_ERR_ARGUMENT beyond the last setting, and for a size that is 0 or not a
/// multiple of 8.
///
/// ```c
/// mp_setting setting;
/// for (size_t i = 0; i < mp_setting_count(config); i++)
///     if (mp_setting_get(config, i, &setting, sizeof setting) == MP_OK) {
///         print(setting.name);
///         print(setting.help);
///     }
/// ```
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_setting_get(
    config: *mut MpConfig,
    index: usize,
    setting: *mut MpSetting,
    size: usize,
) -> MpStatus {
    boundary!(report (); config: exclusive => {
        if setting.is_null() {
            return Err(Error::new(Status::Null, "setting is NULL"));
        }
        if config.infos.is_empty() {
            config.infos = config.settings.infos().collect();
        }
        let found = config
            .infos
            .get(index)
            .ok_or_else(|| Error::new(Status::Argument, "index is beyond the last setting"))?;
        let text = |text: &str| MpStr::of(text.as_bytes());
        let known = MpSetting {
            section: text(found.section),
            name: text(found.name),
            accepted: text(&found.accepted),
            default_value: text(&found.default),
            help: text(found.help),
            is_set: config.settings.is_given(found.name).into(),
        };
        // SAFETY: the header's contract: `size` bytes are writable.
        unsafe { write_known(&known, setting, size) }
    })
}

/// Sends log lines to callback, with arg. A callback NULL turns logging off
/// (the default). The callback and the object that arg points to must live as
/// long as every engine made from this config and every worker of these
/// engines.
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

/// Frees settings. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_config_free(config: *mut MpConfig) {
    boundary!(free config)
}
