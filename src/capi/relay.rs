//! Relays, for management commands: mp_relay

use crate::capi::boundary::Poison;
use crate::capi::engine::MpEngine;
use crate::capi::error::MpError;
use crate::capi::status::MpStatus;
use crate::capi::text::MpStr;
use crate::capi::values::write_known;
use crate::error::{Error, Status};
use crate::shared::health::{AdminState, RelayCounter, RelayHealth};
use crate::statistics::{RelayStatistics, Statistics};

/// The relay answers, as far as any process knows.
pub const MP_RELAY_UP: u32 = 0;
/// A request timed out; a probe will decide.
pub const MP_RELAY_SUSPECT: u32 = 1;
/// A probe timed out too.
pub const MP_RELAY_DEAD: u32 = 2;
/// Connections to the relay fail.
pub const MP_RELAY_UNREACHABLE: u32 = 3;

/// The relay is used.
pub const MP_RELAY_ENABLED: u32 = 0;
/// The relay keeps its calls and gets no new ones.
pub const MP_RELAY_DRAINING: u32 = 1;
/// No request is sent to the relay.
pub const MP_RELAY_DISABLED: u32 = 2;

/// One relay, as all processes of the server see it.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct MpRelay {
    /// Its name, which mp_relay_drain takes.
    pub uri: MpStr,
    /// Its set; empty for the unnamed set.
    pub set: MpStr,
    /// 1 when the settings or the relays file name it now; 0 when they named it
    /// before and it may still have calls.
    pub listed: u32,
    /// Its share of the calls; 0 for a backup.
    pub weight: u32,
    /// Lower numbers are used first.
    pub priority: u32,
    /// MP_RELAY_UP, _SUSPECT, _DEAD or _UNREACHABLE.
    pub health: u32,
    /// MP_RELAY_ENABLED, _DRAINING or _DISABLED.
    pub admin_state: u32,
    /// Always 0.
    pub reserved: u32,
    /// In the header, a named field for each row of the table.
    pub values: [u64; RelayCounter::TABLE.len()],
}

/// The relays at one moment: those of the setting relay, those of the relays
/// file, then those that were removed while a process still stores their calls.
/// A relay that is named twice is in the list twice. A list never changes. One
/// thread at a time.
///
/// ```c
/// mp_relay_list *list = NULL;
/// mp_relay relay;
/// if (mp_relay_list_new(engine, &list, NULL) != MP_OK)
///     return;
/// for (size_t i = 0; i < mp_relay_list_count(list); i++)
///     if (mp_relay_list_get(list, i, &relay, sizeof relay) == MP_OK) {
///         print(relay.uri);
///         print(mp_relay_health_name(relay.health));
///     }
/// mp_relay_list_free(list);
/// ```
#[derive(Debug)]
pub struct MpRelayList {
    poison: Poison,
    relays: Vec<RelayStatistics>,
}

handle!(MpRelayList);

/// Makes a list of the relays and writes it to *list; the caller frees it with
/// mp_relay_list_free. It reads the relays file and the whole call table: call
/// it for a management command, not for each message. Any thread of any process
/// may call it. It fails only for NULL and after a panic. error may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_relay_list_new(
    engine: *const MpEngine,
    list: *mut *mut MpRelayList,
    error: *mut *mut MpError,
) -> MpStatus {
    boundary!(report error; engine: shared, list: output => {
        let relays = Statistics::of(&engine.engine).relays;
        list.set(Box::into_raw(Box::new(MpRelayList { poison: Poison::default(), relays })));
        Ok(Status::Ok)
    })
}

/// The number of relays in the list. 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_relay_list_count(list: *const MpRelayList) -> usize {
    boundary!(value 0; list: borrowed => { Ok(list.relays.len()) })
}

/// Writes relay number index, from 0, to *relay. size is sizeof *relay: a
/// program that was built with an older header gets the members it knows. The
/// texts live as long as the list. MP_ERR_ARGUMENT beyond the last relay, and
/// for a size that is 0 or not a multiple of 8.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_relay_list_get(
    list: *const MpRelayList,
    index: usize,
    relay: *mut MpRelay,
    size: usize,
) -> MpStatus {
    boundary!(report (); list: borrowed => {
        if relay.is_null() {
            return Err(Error::new(Status::Null, "relay is NULL"));
        }
        let found = list
            .relays
            .get(index)
            .ok_or_else(|| Error::new(Status::Argument, "index is beyond the last relay"))?;
        let line = found.line.as_ref();
        let known = MpRelay {
            uri: MpStr::of(found.name.as_bytes()),
            set: line.map_or(MpStr::EMPTY, |line| MpStr::of(line.set.as_bytes())),
            listed: u32::from(line.is_some()),
            weight: line.map_or(0, |line| line.weight.into()),
            priority: line.map_or(0, |line| line.priority.into()),
            health: found.state.health as u32,
            admin_state: found.state.admin_state as u32,
            reserved: 0,
            values: found.values,
        };
        // SAFETY: the header's contract: `size` bytes are writable.
        unsafe { write_known(&known, relay, size) }
    })
}

/// Frees a list. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_relay_list_free(list: *mut MpRelayList) {
    boundary!(free list)
}

fn order(engine: &MpEngine, uri: &[u8], order: AdminState) -> crate::error::Result<Status> {
    let uri = std::str::from_utf8(uri).unwrap_or_default();
    engine.engine.set_admin_state(uri, order)?;
    Ok(Status::Ok)
}

/// Sets the admin state of a relay to draining: it gets no new calls and keeps
/// those it has until they end. It holds for all processes at once, and until
/// another admin state is set or the server ends, also when the relays file
/// changes. uri is the name of the relay (mp_relay), or the line that names it.
/// MP_ERR_ARGUMENT for an unknown relay, MP_ERR_SETTING for text that is not a
/// relay. Any thread of any process may call it. error may be NULL.
///
/// ```c
/// mp_error *error = NULL;
/// if (mp_relay_drain(engine, uri, &error) != MP_OK) {
///     print(mp_error_text(error));
///     mp_error_free(error);
/// }
/// ```
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_relay_drain(
    engine: *const MpEngine,
    uri: MpStr,
    error: *mut *mut MpError,
) -> MpStatus {
    boundary!(report error; engine: shared, uri: text => { order(engine, uri, AdminState::Draining) })
}

/// Sets the admin state of a relay to enabled: it is used again when it
/// answers. Otherwise as mp_relay_drain.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_relay_enable(
    engine: *const MpEngine,
    uri: MpStr,
    error: *mut *mut MpError,
) -> MpStatus {
    boundary!(report error; engine: shared, uri: text => { order(engine, uri, AdminState::Enabled) })
}

/// Sets the admin state of a relay to disabled: no request is sent to it. New
/// offers go to other relays, answers for its calls fail, delete requests stay
/// queued. Otherwise as mp_relay_drain.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_relay_disable(
    engine: *const MpEngine,
    uri: MpStr,
    error: *mut *mut MpError,
) -> MpStatus {
    boundary!(report error; engine: shared, uri: text => { order(engine, uri, AdminState::Disabled) })
}

/// The name of a health (MP_RELAY_UP and so on) for an operator: "up",
/// "suspect", "dead", "unreachable". Empty for another number. The text is
/// static. Any thread of any process may call this function.
#[unsafe(no_mangle)]
pub extern "C" fn mp_relay_health_name(health: u32) -> MpStr {
    boundary!(value MpStr::EMPTY; => {
        let health = RelayHealth::ALL.into_iter().find(|known| *known as u32 == health);
        Ok(health.map_or(MpStr::EMPTY, |health| MpStr::of(health.name().as_bytes())))
    })
}

/// The name of an admin state (MP_RELAY_ENABLED and so on): "enabled",
/// "draining", "disabled". Empty for another number. The text is static. Any
/// thread of any process may call this function.
#[unsafe(no_mangle)]
pub extern "C" fn mp_relay_admin_state_name(admin_state: u32) -> MpStr {
    boundary!(value MpStr::EMPTY; => {
        let state = AdminState::ALL.into_iter().find(|known| *known as u32 == admin_state);
        Ok(state.map_or(MpStr::EMPTY, |state| MpStr::of(state.name().as_bytes())))
    })
}

/// Sets the admin state of a relay by the name of the state: "enabled",
/// "draining" or "disabled". MP_ERR_ARGUMENT also for another name. Otherwise
/// as mp_relay_drain.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_relay_set_admin_state(
    engine: *const MpEngine,
    uri: MpStr,
    admin_state: MpStr,
    error: *mut *mut MpError,
) -> MpStatus {
    boundary!(report error; engine: shared, uri: text, admin_state: text => {
        let state = AdminState::ALL.into_iter().find(|known| known.name().as_bytes() == admin_state);
        let state = state.ok_or_else(|| {
            let (given, names) = (admin_state.escape_ascii(), AdminState::ALL.map(AdminState::name));
            Error::new(
                Status::Argument,
                format!("\"{given}\" is not an admin state; give {}", names.join(", ")),
            )
        })?;
        order(engine, uri, state)
    })
}
