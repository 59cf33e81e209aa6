//! `mp_message`.

use crate::capi::address::MpAddress;
use crate::capi::boundary::{Handle, Poison, Report};
use crate::capi::status::MpStatus;
use crate::capi::text::MpStr;
use crate::error::{Error, Result, Status};
use crate::sip::Message;
use crate::sip::message::{Source, Transport};

/// UDP
pub const MP_TRANSPORT_UDP: u32 = 1;
/// TCP
pub const MP_TRANSPORT_TCP: u32 = 2;
/// TLS over TCP
pub const MP_TRANSPORT_TLS: u32 = 3;
/// SCTP
pub const MP_TRANSPORT_SCTP: u32 = 4;
/// WebSocket (RFC 7118)
pub const MP_TRANSPORT_WS: u32 = 5;
/// WebSocket over TLS (RFC 7118)
pub const MP_TRANSPORT_WSS: u32 = 6;

fn transport(number: u32) -> Result<Transport> {
    Ok(match number {
        MP_TRANSPORT_UDP => Transport::Udp,
        MP_TRANSPORT_TCP => Transport::Tcp,
        MP_TRANSPORT_TLS => Transport::Tls,
        MP_TRANSPORT_SCTP => Transport::Sctp,
        MP_TRANSPORT_WS => Transport::Ws,
        MP_TRANSPORT_WSS => Transport::Wss,
        other => {
            let text = format!("{other} is no transport; give one of MP_TRANSPORT_*");
            return Err(Error::new(Status::Argument, text));
        }
    })
}

/// A view of one raw SIP message and where it came from. Reusable: parsing
/// the next message into it allocates nothing. It copies no byte: the caller's
/// buffer must stay as it is until the next mp_message_parse or
/// mp_message_free on this handle. One thread at a time; may cross a fork.
#[derive(Debug, Default)]
pub struct MpMessage {
    poison: Poison,
    /// The real lifetime is "until the next parse or free", which is the
    /// promise of the C caller. `get` never hands it out as `'static`.
    message: Option<Message<'static>>,
    last: Option<Error>,
}

impl MpMessage {
    /// The message, if one was parsed.
    pub(super) fn get(&self) -> Result<&Message<'static>> {
        self.message.as_ref().ok_or_else(|| {
            Error::new(Status::Argument, "this mp_message holds no message; parse one first")
        })
    }
}

impl Handle for MpMessage {
    fn poison(&self) -> &Poison {
        &self.poison
    }
}

impl Report for *mut MpMessage {
    unsafe fn report(self, error: Error) {
        // SAFETY: the trait's contract.
        if let Some(message) = unsafe { self.as_mut() }
            && error.status() != Status::Poisoned
        {
            message.last = Some(error);
        }
    }
}

/// Makes an empty message view. The caller frees it with mp_message_free.
/// Never NULL but after a panic.
#[unsafe(no_mangle)]
pub extern "C" fn mp_message_new() -> *mut MpMessage {
    boundary!(value std::ptr::null_mut(); => {
        Ok(Box::into_raw(Box::new(MpMessage::default())))
    })
}

/// Takes a raw message as it came from the socket: raw is not copied and must
/// stay until the next parse or free. source is the sender's address and port
/// as the server's socket saw them; local the server's own address it came in
/// on, NULL if unknown; transport one of MP_TRANSPORT_*. Both addresses are
/// copied. Only the start line is read now (RFC 3261 7.1, 7.2), headers when
/// a verb needs them. MP_ERR_LIMIT above 64 KiB, MP_ERR_SYNTAX when the first
/// line is neither a request nor a reply of SIP/2.0, MP_ERR_ARGUMENT for an
/// unknown transport or address family. After an error the handle holds no
/// message; the reason is in mp_message_last_error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_message_parse(
    message: *mut MpMessage,
    raw: MpStr,
    source: *const MpAddress,
    local: *const MpAddress,
    transport: u32,
) -> MpStatus {
    boundary!(report message; message: exclusive, raw: text, source: input => {
        message.message = None;
        // SAFETY: the header's contract: NULL or valid.
        let local = match unsafe { local.as_ref() } {
            Some(local) => Some(local.to_socket("local")?),
            None => None,
        };
        let transport = self::transport(transport)?;
        let source = Source { address: source.to_socket("source")?, local, transport };
        // `raw` was given the lifetime 'static by `text::take`. It is really
        // the caller's promise: until the next parse (above) or free.
        message.message = Some(Message::parse(raw, source)?);
        Ok(Status::Ok)
    })
}

/// Why the last mp_message_parse on this handle failed; empty if none did.
/// Lives until the next call with this handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_message_last_error(message: *const MpMessage) -> MpStr {
    boundary!(value MpStr::EMPTY; => {
        // SAFETY: the header's contract. A poisoned handle answers too.
        let message = unsafe { message.as_ref() };
        let last = message.and_then(|message| message.last.as_ref());
        Ok(last.map_or(MpStr::EMPTY, |error| MpStr::of(error.text().as_bytes())))
    })
}

/// Frees a message view; the caller's buffer is not touched. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_message_free(message: *mut MpMessage) {
    boundary!(free message)
}
