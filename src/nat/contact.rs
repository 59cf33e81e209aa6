//! `fix_contact`: the Contact that reaches the phone.

use crate::edit::Edits;
use crate::error::Result;
use crate::sip::Message;

/// Makes host and port of the first sip:/sips: Contact the message's source
/// (IPv6 in brackets); `maddr` goes, everything else stays. With
/// `sip_asymmetric` the port stays as it is. `Contact: *`, other schemes, 3xx
/// replies, replies to REGISTER and Contacts that already say the source are
/// left alone. Replaces this verb's earlier edits in `edits`.
pub fn fix_contact(message: &Message<'_>, sip_asymmetric: bool, edits: &mut Edits) -> Result<()> {
    let _ = (message, sip_asymmetric, edits);
    todo!()
}
