//! `mp_options`.

use crate::capi::address::MpAddress;
use crate::capi::boundary::{Handle, Poison};
use crate::capi::error::MpError;
use crate::capi::status::MpStatus;
use crate::capi::text::MpStr;
use crate::error::{Error, Status};
use crate::options::{Options, RoleOption};
use crate::relay::IceCandidate;

/// Offer or answer is worked out from method, CSeq and what is known of the
/// call (the default).
pub const MP_ROLE_AUTO: u32 = 0;
/// The session description is an offer (RFC 3264).
pub const MP_ROLE_OFFER: u32 = 1;
/// The session description is an answer (RFC 3264).
pub const MP_ROLE_ANSWER: u32 = 2;

/// As the setting ice_candidate says (the default).
pub const MP_ICE_AS_SET: u32 = 0;
/// No relay candidate is inserted.
pub const MP_ICE_NONE: u32 = 1;
/// A relay candidate is inserted that is used when nothing else works.
pub const MP_ICE_LOW_PRIORITY: u32 = 2;
/// A relay candidate is inserted that is preferred to the phone's own.
pub const MP_ICE_HIGH_PRIORITY: u32 = 3;

/// What a script says about one call, beyond what the message says. Where a
/// verb takes options, NULL stands for none. Reusable. One thread at a time;
/// may cross a fork.
#[derive(Debug, Default)]
pub struct MpOptions {
    poison: Poison,
    options: Options,
}

impl MpOptions {
    pub(super) fn get(&self) -> &Options {
        &self.options
    }

    /// The options, or `none` where C said NULL.
    pub(super) fn or<'a>(options: Option<&'a MpOptions>, none: &'a Options) -> &'a Options {
        options.map_or(none, MpOptions::get)
    }
}

impl Handle for MpOptions {
    fn poison(&self) -> &Poison {
        &self.poison
    }
}

/// Makes options that leave everything to the library. The caller frees them
/// with mp_options_free. Never NULL but after a panic.
#[unsafe(no_mangle)]
pub extern "C" fn mp_options_new() -> *mut MpOptions {
    boundary!(value std::ptr::null_mut(); => {
        Ok(Box::into_raw(Box::new(MpOptions::default())))
    })
}

/// Sets one option from text, as a script holds it: role (auto, offer, answer),
/// relay_set, media_relay, dialog_id, ice_candidate (none, low-priority,
/// high-priority), signaling_address and receiver (an IP address), next_hop (a
/// SIP URI). The empty text gives the option its default back. Both texts are
/// copied and taken as they are. MP_ERR_ARGUMENT for an unknown name (the error
/// lists all) and for a bad value (the error names the accepted form),
/// MP_ERR_LIMIT above 1024 bytes; nothing is changed then. error may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_options_set(
    options: *mut MpOptions,
    name: MpStr,
    value: MpStr,
    error: *mut *mut MpError,
) -> MpStatus {
    boundary!(report error; options: exclusive, name: text, value: text => {
        options.options.set(&String::from_utf8_lossy(name), value)?;
        Ok(Status::Ok)
    })
}

/// Says whether the session description is an offer or an answer (RFC 3264):
/// one of MP_ROLE_*, else MP_ERR_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_options_set_role(options: *mut MpOptions, role: u32) -> MpStatus {
    boundary!(report (); options: exclusive => {
        options.options.role = match role {
            MP_ROLE_AUTO => RoleOption::Auto,
            MP_ROLE_OFFER => RoleOption::Offer,
            MP_ROLE_ANSWER => RoleOption::Answer,
            _ => return Err(Error::new(Status::Argument, "give one of MP_ROLE_*")),
        };
        Ok(Status::Ok)
    })
}

/// Gives the phone's signalling address when the message came through another
/// proxy; by default it is the message's source. Copied; the port does not
/// matter. MP_ERR_ARGUMENT for an unknown family.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_options_set_signaling_address(
    options: *mut MpOptions,
    address: *const MpAddress,
) -> MpStatus {
    boundary!(report (); options: exclusive, address: input => {
        options.options.signaling_ip = Some(address.to_socket("address")?.ip());
        Ok(Status::Ok)
    })
}

/// Says where the message goes next: of a relay with addresses of both families
/// the receiver is then told one of his family. Without it an offer gets one of
/// the sender's family, until the receiver has answered. Copied; the port does
/// not matter. MP_ERR_ARGUMENT for an unknown family.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_options_set_receiver(
    options: *mut MpOptions,
    address: *const MpAddress,
) -> MpStatus {
    boundary!(report (); options: exclusive, address: input => {
        options.options.receiver = Some(address.to_socket("address")?.ip());
        Ok(Status::Ok)
    })
}

/// Says where the message goes next by the URI that the server sends it to (RFC
/// 3261 8.1.2): where its host is an IP address, that is the receiver (see
/// mp_options_set_receiver); where it is a name, or the scheme is neither sip:
/// nor sips:, or the text is empty, the receiver is unknown. No name is
/// resolved. Nothing of the text is kept. MP_ERR_SYNTAX when it is no URI;
/// nothing is changed then.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_options_set_next_hop(options: *mut MpOptions, uri: MpStr) -> MpStatus {
    boundary!(report (); options: exclusive, uri: text => {
        options.options.set_next_hop(uri)?;
        Ok(Status::Ok)
    })
}

/// Names the set of relays that a new call chooses from: the set= of their
/// lines. Empty to choose by the SIP domains. Copied; MP_ERR_LIMIT above 1024
/// bytes, MP_ERR_ARGUMENT for what is not UTF-8.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_options_set_relay_set(options: *mut MpOptions, set: MpStr) -> MpStatus {
    boundary!(report (); options: exclusive, set: text => {
        options.options.set("relay_set", set)?;
        Ok(Status::Ok)
    })
}

/// Names the relay wanted for a new call, a hint to the dispatcher. Empty for
/// none. Copied; MP_ERR_LIMIT above 1024 bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_options_set_media_relay(
    options: *mut MpOptions,
    relay: MpStr,
) -> MpStatus {
    boundary!(report (); options: exclusive, relay: text => {
        options.options.set("media_relay", relay)?;
        Ok(Status::Ok)
    })
}

/// Gives the server's dialog id, by which a media timeout can end the dialog.
/// Empty for none. Copied; MP_ERR_LIMIT above 1024 bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_options_set_dialog_id(options: *mut MpOptions, id: MpStr) -> MpStatus {
    boundary!(report (); options: exclusive, id: text => {
        options.options.set("dialog_id", id)?;
        Ok(Status::Ok)
    })
}

/// Says whether streams that use ICE (RFC 8445, RFC 8839) get a relay
/// candidate: one of MP_ICE_*, else MP_ERR_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_options_set_ice_candidate(
    options: *mut MpOptions,
    candidate: u32,
) -> MpStatus {
    boundary!(report (); options: exclusive => {
        options.options.ice_candidate = match candidate {
            MP_ICE_AS_SET => None,
            MP_ICE_NONE => Some(IceCandidate::None),
            MP_ICE_LOW_PRIORITY => Some(IceCandidate::LowPriority),
            MP_ICE_HIGH_PRIORITY => Some(IceCandidate::HighPriority),
            _ => return Err(Error::new(Status::Argument, "give one of MP_ICE_*")),
        };
        Ok(Status::Ok)
    })
}

/// Forgets all options: they are as after mp_options_new.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_options_reset(options: *mut MpOptions) -> MpStatus {
    boundary!(report (); options: exclusive => {
        options.options = Options::default();
        Ok(Status::Ok)
    })
}

/// Frees options. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_options_free(options: *mut MpOptions) {
    boundary!(free options)
}
