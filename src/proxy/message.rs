//! A SIP message as a session sees it: who speaks, and in whose transaction.

use super::control::{Item, Kind, Update};
use super::family::{Family, Side};
use super::learning::Millis;

/// A message, seen from the session.
#[derive(Clone, Copy)]
pub(super) struct Message<'a> {
    pub(super) update: &'a Update<'a>,
    pub(super) sender: Side,
    pub(super) direction: Side,
    pub(super) now: Millis,
}

impl<'a> Message<'a> {
    /// `direction` is the side the From tag belongs to.
    pub(super) fn new(update: &'a Update<'a>, direction: Side, now: Millis) -> Self {
        let sender = match update.kind {
            Kind::Request => direction,
            Kind::Reply => direction.other(),
        };
        Message { update, sender, direction, now }
    }

    pub(super) fn receiver(&self) -> Side {
        self.sender.other()
    }

    /// A provisional reply: answers may follow from other branches.
    pub(super) fn is_early(&self) -> bool {
        self.update.kind == Kind::Reply && self.update.to_tag.is_empty()
    }

    pub(super) fn sender_tag(&self) -> &'a [u8] {
        match self.update.kind {
            Kind::Request => self.update.from_tag,
            Kind::Reply if self.update.to_tag.is_empty() => self.update.early_tag,
            Kind::Reply => self.update.to_tag,
        }
    }

    pub(super) fn family(&self) -> Option<Family> {
        let items = self.update.media.as_deref().unwrap_or_default();
        let address = |item: &Item| item.address.filter(|ip| !ip.is_unspecified());
        items.iter().find_map(address).map(Family::of)
    }
}
