//! `mp_relay`: which relays there are, and what is ordered of them.

use crate::capi::boundary::{Handle, Poison};
use crate::capi::engine::MpEngine;
use crate::capi::error::MpError;
use crate::capi::statistics::write_known;
use crate::capi::status::MpStatus;
use crate::capi::text::MpStr;
use crate::error::{Error, Status};
use crate::shared::health::{AdminState, RelayCounter, RelayHealth};
use crate::statistics::{RelayStatistics, Statistics};

/// The relay answers, as far as any process knows.
pub const MP_RELAY_UP: u32 = 0;
/// A message was not answered in time; a probe will tell.
pub const MP_RELAY_SUSPECT: u32 = 1;
/// A probe was not answered either.
pub const MP_RELAY_DEAD: u32 = 2;
/// Connections to it fail.
pub const MP_RELAY_UNREACHABLE: u32 = 3;

/// The relay is used.
pub const MP_RELAY_ENABLED: u32 = 0;
/// The relay keeps its calls and takes no new ones.
pub const MP_RELAY_DRAINING: u32 = 1;
/// The relay is not asked at all.
pub const MP_RELAY_DISABLED: u32 = 2;

/// One relay, as all processes of the server see it.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct MpRelay {
    /// Its name: what mp_relay_drain takes.
    pub uri: MpStr,
    /// The set it is in; empty for the unnamed one.
    pub set: MpStr,
    /// 1 when it is in the settings or the relays file now; 0 when it was, and
    /// may still have calls.
    pub listed: u32,
    /// Its share of the calls; 0 for a backup.
    pub weight: u32,
    /// Lower numbers come first.
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
/// file, then those that were removed while a process still knows them. A
/// relay that was named twice comes twice. Never changes; one thread at a time.
#[derive(Debug)]
pub struct MpRelayList {
    poison: Poison,
    relays: Vec<RelayStatistics>,
}

impl Handle for MpRelayList {
    fn poison(&self) -> &Poison {
        &self.poison
    }
}

/// Looks up the relays and writes the list to *list; the caller frees it with
/// mp_relay_list_free. Any thread of any process may call this. Reads the
/// relays file and the whole call table: for a management command, not for
/// each message. error may be NULL.
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

/// How many relays there are. 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_relay_list_count(list: *const MpRelayList) -> usize {
    boundary!(value 0; list: borrowed => { Ok(list.relays.len()) })
}

/// Writes relay number index, from 0, to *relay. size is sizeof *relay: a
/// program built with an older header gets what it knows. The texts live as
/// long as the list. MP_ERR_ARGUMENT beyond the last relay, and for a size that
/// is 0 or no multiple of 8.
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
            .ok_or_else(|| Error::new(Status::Argument, "there is no relay of this number"))?;
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

/// Frees a list. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_relay_list_free(list: *mut MpRelayList) {
    boundary!(free list)
}

fn order(engine: &MpEngine, uri: &[u8], order: AdminState) -> crate::error::Result<Status> {
    let uri = std::str::from_utf8(uri).unwrap_or_default();
    engine.engine.set_admin_state(uri, order)?;
    Ok(Status::Ok)
}

/// The relay takes no new calls any more; those on it stay until they end. In
/// all processes at once, until mp_relay_enable or the server's end, also over
/// changes of the relays file. uri is the relay's name (mp_relay), or the line
/// that names it. MP_ERR_ARGUMENT for a relay that is not known,
/// MP_ERR_SETTING for what is no relay. Any thread of any process. error may be
/// NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_relay_drain(
    engine: *const MpEngine,
    uri: MpStr,
    error: *mut *mut MpError,
) -> MpStatus {
    boundary!(report error; engine: shared, uri: text => { order(engine, uri, AdminState::Draining) })
}

/// The relay is used again, if it answers; undoes mp_relay_drain and
/// mp_relay_disable. Otherwise as mp_relay_drain.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_relay_enable(
    engine: *const MpEngine,
    uri: MpStr,
    error: *mut *mut MpError,
) -> MpStatus {
    boundary!(report error; engine: shared, uri: text => { order(engine, uri, AdminState::Enabled) })
}

/// The relay is not asked at all any more: answers for calls on it fail, new
/// offers go to others, ends wait. Otherwise as mp_relay_drain.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_relay_disable(
    engine: *const MpEngine,
    uri: MpStr,
    error: *mut *mut MpError,
) -> MpStatus {
    boundary!(report error; engine: shared, uri: text => { order(engine, uri, AdminState::Disabled) })
}

/// The name of a relay's health, for an operator to read: up, suspect, dead,
/// unreachable. Empty for any other number. Static, never freed. Any thread,
/// any process.
#[unsafe(no_mangle)]
pub extern "C" fn mp_relay_health_name(health: u32) -> MpStr {
    boundary!(value MpStr::EMPTY; => {
        let health = RelayHealth::ALL.into_iter().find(|known| *known as u32 == health);
        Ok(health.map_or(MpStr::EMPTY, |health| MpStr::of(health.name().as_bytes())))
    })
}

/// The name of a relay's admin state: enabled, draining, disabled. Otherwise as
/// mp_relay_health_name.
#[unsafe(no_mangle)]
pub extern "C" fn mp_relay_admin_state_name(admin_state: u32) -> MpStr {
    boundary!(value MpStr::EMPTY; => {
        let state = AdminState::ALL.into_iter().find(|known| *known as u32 == admin_state);
        Ok(state.map_or(MpStr::EMPTY, |state| MpStr::of(state.name().as_bytes())))
    })
}

/// Sets the admin state of a relay by its name: enabled, draining or disabled.
/// MP_ERR_ARGUMENT also for another name. Otherwise as mp_relay_drain.
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
                format!("\"{given}\" is no admin state; give {}", names.join(", ")),
            )
        })?;
        order(engine, uri, state)
    })
}
