//! The Contacts that belong to the sender of a message.

use std::cell::{Cell, OnceCell};

use super::{HeaderName, Message};
use crate::bytes;
use crate::error::Result;
use crate::sip::{Contact, Method, StartLine};

/// The most Contacts of a REGISTER that count.
const MAX_CONTACTS: usize = 32;

/// The sender's Contact after its first use.
#[derive(Debug, Default)]
pub(super) struct Sender<'a> {
    contact: OnceCell<Option<Contact<'a>>>,
    is_special: Cell<bool>,
}

/// The Contact that the tests compare and that `fix_contact` fixes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SenderContact<'m, 'a> {
    pub(crate) contact: &'m Contact<'a>,
    /// False when it surely has no `maddr`.
    pub(crate) is_special: bool,
}

impl<'a> Message<'a> {
    /// The sender's Contact. `None` when there is none, or when it is a GRUU (RFC
    /// 5627), which names no address of the phone.
    ///
    /// A dialog has one Contact, the first (RFC 3261 8.1.1.8). A REGISTER may have
    /// several (RFC 3261 10.2.1): the first one that adds a binding counts, and the
    /// first one at all when every Contact removes its binding.
    #[inline]
    pub(crate) fn sender_contact(&self) -> Result<Option<SenderContact<'_, 'a>>> {
        let contact = match self.sender.contact.get() {
            Some(contact) => contact,
            None => self.find_sender()?,
        };
        let is_special = self.sender.is_special.get();
        Ok(contact.as_ref().map(|contact| SenderContact { contact, is_special }))
    }

    fn find_sender(&self) -> Result<&Option<Contact<'a>>> {
        // Fast path: nearly always the first value of the first header is the only
        // Contact.
        let mut list = self.header(HeaderName::Contact)?.map(|header| header.value);
        let first = Contact::next_in(&mut list)?;
        if let Some(first) = first
            && !first.uri.may_route_elsewhere()
            && !(self.is_register() && self.may_have_more_contacts(&first, list))
        {
            return Ok(self.sender.contact.get_or_init(|| Some(first)));
        }
        self.find_special()
    }

    #[cold]
    fn find_special(&self) -> Result<&Option<Contact<'a>>> {
        let found = if self.is_register() { self.first_binding()? } else { self.contact()? };
        self.sender.is_special.set(true);
        Ok(self.sender.contact.get_or_init(|| found.filter(|found| !found.uri.is_gruu())))
    }

    /// True when the message has a sip: or sips: Contact.
    ///
    /// # Errors
    /// `Status::Syntax` or `Status::Limit` when the Contact cannot be parsed.
    pub fn has_contact(&self) -> Result<bool> {
        match self.sender.contact.get() {
            Some(Some(_)) => Ok(true),
            _ => Ok(self.contact()?.is_some()),
        }
    }

    /// True for a REGISTER, which may have several Contacts.
    fn is_register(&self) -> bool {
        matches!(self.start_line, StartLine::Request { method: Method::Register, .. })
    }

    /// False when the first Contact surely is the first one that adds a binding; `rest`
    /// is its list after it.
    fn may_have_more_contacts(&self, first: &Contact<'a>, rest: Option<&[u8]>) -> bool {
        !first.adds_binding() && (rest.is_some() || self.headers.may_have_more_contacts())
    }

    /// The first Contact that adds a binding, else the first one. A GRUU does not
    /// count, nor what comes after a value that cannot be parsed.
    fn first_binding(&self) -> Result<Option<Contact<'a>>> {
        let mut first = None;
        let mut header = None;
        for contact in self.contacts().take(MAX_CONTACTS) {
            let contact = match contact {
                Err(_) if first.is_some() => break,
                contact => contact?,
            };
            if contact.uri.is_gruu() {
                continue;
            }
            let expires = match (contact.expires(), header) {
                (Some(expires), _) | (None, Some(expires)) => expires,
                // The header holds for Contacts without the parameter (10.2.1.1).
                (None, None) => *header.insert(self.expires_header()?),
            };
            if expires != 0 {
                return Ok(Some(contact));
            }
            first.get_or_insert(contact);
        }
        Ok(first)
    }

    /// The value of the header Expires in seconds. Missing or no number: 3600 (RFC
    /// 3261 10.2.1.1, 20.19).
    fn expires_header(&self) -> Result<u32> {
        let value = self.other_headers(b"Expires").next().transpose()?;
        Ok(value.and_then(bytes::number).unwrap_or(3600))
    }
}
