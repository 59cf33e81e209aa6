//! `fix_contact`: replaces the Contact address by the source address.

use crate::address::{Host, canonical, push_uri_host};
use crate::bytes;
use crate::edit::{Edits, Verb};
use crate::error::{Error, Result, Status};
use crate::sip::{Contact, Message, Method, Uri};

/// Replaces host and port of the sender's Contact by the message's source (IPv6 in
/// brackets) and removes `maddr`. With `sip_asymmetric` the port is kept. Replaces
/// this verb's earlier edits in `edits`.
///
/// The sender's Contact is the first sip: or sips: Contact; in a REGISTER with several,
/// the first one that adds a binding, and the first one at all when each removes its
/// binding. Contacts after the 32nd do not count.
///
/// Unchanged: `Contact: *`, other schemes, a GRUU (RFC 5627), 3xx replies, replies to
/// REGISTER, and Contacts without `maddr` that are equal to the source.
///
/// # Errors
/// `Status::Syntax` when the Contact, or in a reply the CSeq, cannot be parsed;
/// `Status::Edits` when an edit of another verb overlaps. `edits` then has no edit
/// of this verb.
pub fn fix_contact(message: &Message<'_>, sip_asymmetric: bool, edits: &mut Edits) -> Result<()> {
    edits.remove_verb(Verb::FixContact);
    let Some(sender) = message.sender_contact()? else { return Ok(()) };
    if has_foreign_contacts(message)? {
        return Ok(());
    }
    let has_maddr = sender.is_special && sender.contact.uri.maddr().is_some();
    let fixed = fix(message, sender.contact, sip_asymmetric, has_maddr, edits);
    if fixed.is_err() {
        edits.remove_verb(Verb::FixContact);
    }
    fixed
}

fn fix(
    message: &Message<'_>,
    contact: &Contact<'_>,
    sip_asymmetric: bool,
    has_maddr: bool,
    edits: &mut Edits,
) -> Result<()> {
    if !has_maddr && equals_source(message, contact, sip_asymmetric) {
        return Ok(());
    }
    replace(message, &contact.uri, sip_asymmetric, has_maddr, edits)
}

fn replace(
    message: &Message<'_>,
    uri: &Uri<'_>,
    sip_asymmetric: bool,
    has_maddr: bool,
    edits: &mut Edits,
) -> Result<()> {
    let source = message.source().address;
    let port = if sip_asymmetric { uri.port } else { Some(source.port()) };
    let offset = |part: &[u8]| {
        let outside = || Error::new(Status::Edits, "the Contact lies outside its message");
        message.offset_of(part).ok_or_else(outside)
    };
    edits.push_with(Verb::FixContact, offset(uri.host_port)?, uri.host_port.len(), |text| {
        push_uri_host(canonical(source.ip()), text);
        if let Some(port) = port {
            text.push(b':');
            bytes::push_number(u32::from(port), text);
        }
    })?;
    if !has_maddr {
        return Ok(());
    }
    // Every maddr is removed: a second one would become the valid one.
    let mut uri = *uri;
    while let Some(maddr) = uri.parameter(b"maddr") {
        edits.push(Verb::FixContact, offset(maddr)?, maddr.len(), b"")?;
        let behind =
            bytes::offset_in(uri.parameters, maddr).unwrap_or_default().saturating_add(maddr.len());
        uri.parameters = uri.parameters.get(behind..).unwrap_or_default();
    }
    Ok(())
}

/// True when the Contacts are not the sender's: in a redirect they are other
/// targets, in a reply to REGISTER all registered contacts.
fn has_foreign_contacts(message: &Message<'_>) -> Result<bool> {
    Ok(match message.status() {
        None => false,
        Some(300..=399) => true,
        Some(_) => message.method()? == Method::Register,
    })
}

fn equals_source(message: &Message<'_>, contact: &Contact<'_>, sip_asymmetric: bool) -> bool {
    let source = message.source().address;
    let same_port = || sip_asymmetric || contact.uri.port_or_default() == source.port();
    contact.uri.host == Host::Ip(canonical(source.ip())) && same_port()
}
