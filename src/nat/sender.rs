//! The Contacts that belong to the sender of a message.

use crate::error::Result;
use crate::sip::{Contact, Message, Method, StartLine};

/// The most Contacts of a REGISTER that count.
pub(super) const MAX_CONTACTS: usize = 32;

/// The Contact that the tests compare and that `fix_contact` fixes. `None` when
/// there is none, or when it is a GRUU (RFC 5627), which names no address of the
/// phone.
///
/// A dialog has one Contact, the first (RFC 3261 8.1.1.8). A REGISTER may have
/// several (RFC 3261 10.2.1): the first one that adds a binding counts, and the first
/// one at all when every Contact removes its binding.
#[inline]
pub(super) fn contact<'a>(message: &Message<'a>) -> Result<Option<Contact<'a>>> {
    let Some(first) = message.contact()? else { return Ok(None) };
    if is_register(message) && message.may_have_more_contacts()? {
        return first_registered(message);
    }
    Ok(Some(first).filter(|contact| !contact.uri.is_gruu()))
}

/// True for a REGISTER request.
pub(super) fn is_register(message: &Message<'_>) -> bool {
    matches!(message.start_line(), StartLine::Request { method: Method::Register, .. })
}

#[cold]
fn first_registered<'a>(message: &Message<'a>) -> Result<Option<Contact<'a>>> {
    let mut first = None;
    let mut header = None;
    for contact in message.contacts().take(MAX_CONTACTS) {
        let contact = contact?;
        if contact.uri.is_gruu() {
            continue;
        }
        let expires = match contact.expires() {
            Some(expires) => expires,
            // RFC 3261 10.2.1.1: the header holds for Contacts without the parameter.
            None => match header {
                Some(expires) => expires,
                None => *header.insert(expires_header(message)?),
            },
        };
        if expires != 0 {
            return Ok(Some(contact));
        }
        first.get_or_insert(contact);
    }
    Ok(first)
}

/// The value of the header Expires in seconds. Missing or no number: 3600
/// (RFC 3261 10.2.1.1, 20.19).
fn expires_header(message: &Message<'_>) -> Result<u32> {
    let value = message.other_headers(b"Expires").next().transpose()?;
    Ok(value.and_then(crate::bytes::number).unwrap_or(3600))
}

/// True when two Contacts name the same socket of a phone: host, port and transport.
/// A NAT shows one socket as one address.
pub(super) fn have_same_socket(one: &Contact<'_>, other: &Contact<'_>) -> bool {
    let (one, other) = (&one.uri, &other.uri);
    one.host == other.host
        && one.port_or_default() == other.port_or_default()
        && one.secure == other.secure
        && one.transport().eq_ignore_ascii_case(other.transport())
}
