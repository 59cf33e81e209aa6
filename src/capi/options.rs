//! Options of one call: mp_options

use crate::capi::address::MpAddress;
use crate::capi::boundary::Poison;
use crate::capi::error::MpError;
use crate::capi::status::MpStatus;
use crate::capi::text::MpStr;
use crate::error::{Error, Status};
use crate::options::{Options, RoleOption, ScopeOption};
use crate::relay::IceCandidate;

/// Offer or answer is decided from the method, the CSeq and the dialog state
/// (the default).
pub const MP_ROLE_AUTO: u32 = 0;
/// The SDP is an offer (RFC 3264).
pub const MP_ROLE_OFFER: u32 = 1;
/// The SDP is an answer (RFC 3264).
pub const MP_ROLE_ANSWER: u32 = 2;

/// The setting ice_candidate decides (the default).
pub const MP_ICE_AS_SET: u32 = 0;
/// No relay candidate is inserted.
pub const MP_ICE_NONE: u32 = 1;
/// A relay candidate is inserted that is used when no other works.
pub const MP_ICE_LOW_PRIORITY: u32 = 2;
/// A relay candidate is inserted that is preferred to the phone's own.
pub const MP_ICE_HIGH_PRIORITY: u32 = 3;

/// A failure reply to the INVITE of a call terminates the call: it is the reply
/// that goes to the caller (the default).
pub const MP_SCOPE_CALL: u32 = 0;
/// A failure reply to the INVITE of a call terminates only the early dialogs of
/// the branch it came on: the server has sent the INVITE to several
/// destinations (RFC 3261 16.7).
pub const MP_SCOPE_BRANCH: u32 = 1;

/// What a script knows about one call beyond the message. A verb that takes
/// options takes NULL for none. Reusable. One thread at a time. It survives a
/// fork.
///
/// ```c
/// mp_options *options = mp_options_new();
/// mp_options_set_relay_set(options, mp_text("west"));
/// mp_options_set_next_hop(options, mp_text("sip:bob@192.0.2.7:5060"));
/// ```
#[derive(Debug, Default)]
pub struct MpOptions {
    poison: Poison,
    options: Options,
}

impl MpOptions {
    pub(super) fn get(&self) -> &Options {
        &self.options
    }

    /// The options, or `none` for NULL.
    pub(super) fn or<'a>(options: Option<&'a MpOptions>, none: &'a Options) -> &'a Options {
        options.map_or(none, MpOptions::get)
    }
}

handle!(MpOptions);

/// Makes options with all defaults. The caller frees them with mp_options_free.
/// NULL only after a panic.
#[unsafe(no_mangle)]
pub extern "C" fn mp_options_new() -> *mut MpOptions {
    boundary!(value std::ptr::null_mut(); => {
        Ok(Box::into_raw(Box::new(MpOptions::default())))
    })
}

/// Sets one option from text, as the variable of a script holds it. The names
/// are role (auto, offer, answer), scope (call, branch), relay_set,
/// media_relay, dialog_id, ice_candidate (none, low-priority, high-priority),
/// signaling_address and receiver (an IP address), next_hop (a SIP URI): each
/// does what the function with that name at its end does. first_hop (yes, no)
/// is for mp_fix_contact_with. The empty text restores the default. The value
/// is copied as it is.
///
/// Three options have no function of their own, and matter to a relay that
/// speaks MediaProxy 1.x: request_uri is the Request-URI where the server has
/// changed it (the default is that of the message), from and to say whether
/// the domain of From and of the Request-URI is the server's own (local) or
/// not (remote, the default).
///
/// MP_ERR_ARGUMENT for an unknown name (the error lists all names) and for a
/// bad value (the error names the accepted form), MP_ERR_LIMIT above 1024
/// bytes; nothing is changed then. error may be NULL.
///
/// ```c
/// mp_error *error = NULL;
/// if (mp_options_set(options, mp_text("ice_candidate"), value, &error)
///     != MP_OK) {
///     print(mp_error_text(error));
///     mp_error_free(error);
/// }
/// ```
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

/// Says whether the SDP is an offer or an answer (RFC 3264): one of MP_ROLE_*.
/// MP_ERR_ARGUMENT for another number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_options_set_role(options: *mut MpOptions, role: u32) -> MpStatus {
    boundary!(report (); options: exclusive => {
        options.options.role = match role {
            MP_ROLE_AUTO => RoleOption::Auto,
            MP_ROLE_OFFER => RoleOption::Offer,
            MP_ROLE_ANSWER => RoleOption::Answer,
            _ => return Err(Error::new(Status::Argument, "the role is not one of MP_ROLE_*")),
        };
        Ok(Status::Ok)
    })
}

/// Says what mp_end_session terminates when it is given a failure reply to the
/// INVITE of a call: one of MP_SCOPE_*. Other messages are not affected.
/// MP_ERR_ARGUMENT for another number.
///
/// ```c
/// mp_options_set_scope(options, MP_SCOPE_BRANCH);
/// mp_end_session(worker, message, options);
/// ```
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_options_set_scope(options: *mut MpOptions, scope: u32) -> MpStatus {
    boundary!(report (); options: exclusive => {
        options.options.scope = match scope {
            MP_SCOPE_CALL => ScopeOption::Call,
            MP_SCOPE_BRANCH => ScopeOption::Branch,
            _ => return Err(Error::new(Status::Argument, "the scope is not one of MP_SCOPE_*")),
        };
        Ok(Status::Ok)
    })
}

/// Gives the signalling address of the phone, for a message that came through
/// another proxy. The default is the source of the message. The address is
/// copied; its port is not used. MP_ERR_ARGUMENT for an unknown family.
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

/// Gives the address that the message goes to next. A relay with IPv4 and IPv6
/// addresses then gives the receiver an address of its own family. Without it,
/// an offer carries an address of the sender's family until the receiver has
/// answered. The address is copied; its port is not used. MP_ERR_ARGUMENT for
/// an unknown family.
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

/// Gives the URI that the server sends the message to (RFC 3261 8.1.2). When
/// the host of the URI is an IP address, the effect is that of
/// mp_options_set_receiver. When it is a host name, the receiver is unknown: no
/// name is resolved. The same holds for the empty text and for a scheme other
/// than sip: and sips:. Nothing of the text is kept. MP_ERR_SYNTAX when the
/// text is not a URI; nothing is changed then.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_options_set_next_hop(options: *mut MpOptions, uri: MpStr) -> MpStatus {
    boundary!(report (); options: exclusive, uri: text => {
        options.options.set_next_hop(uri)?;
        Ok(Status::Ok)
    })
}

/// Names the set of relays that a new call may use: the set= of their lines.
/// Empty: the SIP domains decide (the default). Copied. MP_ERR_LIMIT above 1024
/// bytes, MP_ERR_ARGUMENT for text that is not UTF-8.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_options_set_relay_set(options: *mut MpOptions, set: MpStr) -> MpStatus {
    boundary!(report (); options: exclusive, set: text => {
        options.options.set("relay_set", set)?;
        Ok(Status::Ok)
    })
}

/// Names the media relay wanted for a new call, a hint to a MediaProxy
/// dispatcher. Empty for none (the default). Copied. MP_ERR_LIMIT above 1024
/// bytes.
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

/// Gives the id of the server's dialog. With it, a media timeout at a
/// MediaProxy dispatcher can terminate the dialog. Empty for none (the
/// default). Copied. MP_ERR_LIMIT above 1024 bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_options_set_dialog_id(options: *mut MpOptions, id: MpStr) -> MpStatus {
    boundary!(report (); options: exclusive, id: text => {
        options.options.set("dialog_id", id)?;
        Ok(Status::Ok)
    })
}

/// Says whether streams that use ICE (RFC 8445, RFC 8839) get a relay
/// candidate: one of MP_ICE_*. MP_ERR_ARGUMENT for another number.
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
            _ => return Err(Error::new(Status::Argument, "the candidate is not one of MP_ICE_*")),
        };
        Ok(Status::Ok)
    })
}

/// Restores all defaults, as after mp_options_new.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_options_reset(options: *mut MpOptions) -> MpStatus {
    boundary!(report (); options: exclusive => {
        options.options = Options::default();
        Ok(Status::Ok)
    })
}

/// Frees options. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_options_free(options: *mut MpOptions) {
    boundary!(free options)
}
