//! `fix_contact`: the Contact that reaches the phone.

use crate::address::{Host, canonical, push_uri_host};
use crate::bytes;
use crate::edit::{Edits, Verb};
use crate::error::{Error, Result, Status};
use crate::sip::{Contact, Message, Method, Uri};

/// Makes host and port of the first sip:/sips: Contact the message's source
/// (IPv6 in brackets); `maddr` goes, everything else stays. With
/// `sip_asymmetric` the port stays as it is. `Contact: *`, other schemes, 3xx
/// replies, replies to REGISTER and Contacts that already say the source are
/// left alone. Replaces this verb's earlier edits in `edits`.
///
/// `Status::Syntax` when the Contact, or in a reply the CSeq, cannot be read,
/// `Status::Edits` when another verb's edit is in the way; no edit of this verb
/// is in `edits` then.
pub fn fix_contact(message: &Message<'_>, sip_asymmetric: bool, edits: &mut Edits) -> Result<()> {
    edits.remove_verb(Verb::FixContact);
    let Some(contact) = message.contact()? else { return Ok(()) };
    if says_others_addresses(message)? || says_source(message, &contact, sip_asymmetric) {
        return Ok(());
    }
    let replaced = replace(message, &contact.uri, sip_asymmetric, edits);
    if replaced.is_err() {
        edits.remove_verb(Verb::FixContact);
    }
    replaced
}

fn replace(
    message: &Message<'_>,
    uri: &Uri<'_>,
    sip_asymmetric: bool,
    edits: &mut Edits,
) -> Result<()> {
    let source = message.source().address;
    let port = if sip_asymmetric { uri.port } else { Some(source.port()) };
    let place = |part: &[u8]| {
        let elsewhere = || Error::new(Status::Edits, "the Contact lies outside its message");
        message.offset_of(part).ok_or_else(elsewhere)
    };
    edits.push_with(Verb::FixContact, place(uri.host_port)?, uri.host_port.len(), |text| {
        push_uri_host(canonical(source.ip()), text);
        if let Some(port) = port {
            text.push(b':');
            bytes::push_number(u32::from(port), text);
        }
    })?;
    // One that stayed would count in place of the first that went.
    let mut uri = *uri;
    while let Some(maddr) = uri.parameter(b"maddr") {
        edits.push(Verb::FixContact, place(maddr)?, maddr.len(), b"")?;
        let behind =
            bytes::offset_in(uri.parameters, maddr).unwrap_or_default().saturating_add(maddr.len());
        uri.parameters = uri.parameters.get(behind..).unwrap_or_default();
    }
    Ok(())
}

/// The Contacts of a redirect are other places to try, those of a reply to
/// REGISTER all that is registered: none is the sender's own.
fn says_others_addresses(message: &Message<'_>) -> Result<bool> {
    Ok(match message.status() {
        None => false,
        Some(300..=399) => true,
        Some(_) => message.method()? == Method::Register,
    })
}

fn says_source(message: &Message<'_>, contact: &Contact<'_>, sip_asymmetric: bool) -> bool {
    let source = message.source().address;
    let same_port = || sip_asymmetric || contact.uri.port_or_default() == source.port();
    contact.uri.host == Host::Ip(canonical(source.ip())) && same_port()
}
