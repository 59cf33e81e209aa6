//! SIP messages: mp_message

use crate::capi::address::MpAddress;
use crate::capi::boundary::Poison;
use crate::capi::status::MpStatus;
use crate::capi::text::MpStr;
use crate::error::{Error, Result, Status};
use crate::sip::Message;
use crate::sip::{Source, Transport};

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
            let text = format!("{other} is not a transport; give one of MP_TRANSPORT_*");
            return Err(Error::new(Status::Argument, text));
        }
    })
}

/// A view of one raw SIP message and of where it came from. Reusable: parsing
/// the next message into it allocates no memory. It copies no byte of the
/// message: the buffer of the caller must stay unchanged until the next
/// mp_message_parse or mp_message_free with this handle. One thread at a time.
/// It survives a fork.
///
/// ```c
/// mp_message *message = mp_message_new();
/// mp_str raw = { received, received_length };
/// if (mp_message_parse(message, raw, &source, NULL, MP_TRANSPORT_UDP)
///     != MP_OK)
///     print(mp_message_last_error(message));
/// ```
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
            Error::new(
                Status::Argument,
                "the mp_message holds no message; call mp_message_parse first",
            )
        })
    }
}

handle!(MpMessage last_error);

/// Makes an empty message view. The caller frees it with mp_message_free. NULL
/// only after a panic.
#[unsafe(no_mangle)]
pub extern "C" fn mp_message_new() -> *mut MpMessage {
    boundary!(value std::ptr::null_mut(); => {
        Ok(Box::into_raw(Box::new(MpMessage::default())))
    })
}

/// Parses a message as the socket received it. raw is not copied: it must stay
/// unchanged until the next mp_message_parse or mp_message_free. source is the
/// address and port of the sender as the socket of the server saw them. local
/// is the server's own address that received the message, NULL when it is
/// unknown. transport is one of MP_TRANSPORT_*. Both addresses are copied.
///
/// Only the start line is parsed now (RFC 3261 7.1, 7.2), a header when a verb
/// needs it. MP_ERR_LIMIT above 64 KiB, MP_ERR_SYNTAX when the first line is
/// neither a request nor a reply of SIP/2.0, MP_ERR_ARGUMENT for an unknown
/// transport or address family. After an error the handle holds no message, and
/// mp_message_last_error gives the reason.
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
        // `text::take` gave `raw` the lifetime 'static. In truth the caller
        // keeps it until the next parse (above) or free.
        message.message = Some(Message::parse(raw, source)?);
        Ok(Status::Ok)
    })
}

/// 1 for a message to give to mp_end_session: a BYE or CANCEL request, or a
/// failure reply (300 to 699) to an INVITE (RFC 3261 9, 12.3, 15). 0 for every
/// other message, for one whose CSeq cannot be parsed, and for NULL. Whether
/// such a message ends its call depends on the call: give each of them to
/// mp_end_session.
///
/// ```c
/// if (mp_message_terminates(message))
///     mp_end_session(worker, message, NULL);
/// ```
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_message_terminates(message: *const MpMessage) -> i32 {
    boundary!(value 0; message: borrowed => {
        Ok(i32::from(message.get()?.terminates()))
    })
}

/// Why the last failed mp_message_parse with this handle failed. Empty when
/// none failed. It lives until the next call with this handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_message_last_error(message: *const MpMessage) -> MpStr {
    boundary!(last_error message)
}

/// Frees a message view; the buffer of the caller is not touched. NULL is
/// allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_message_free(message: *mut MpMessage) {
    boundary!(free message)
}
