//! An `update` request as its session sees it: which side sent the SIP
//! message, and in which side's transaction.

use super::control::{Item, Kind, UpdateRequest};
use super::family::{Family, Side};
use super::learning::Millis;

/// An `update` request with the sides its tags stand for.
#[derive(Clone, Copy)]
pub(super) struct Update<'a> {
    pub(super) request: &'a UpdateRequest<'a>,
    /// The side that sent the SIP message.
    pub(super) sender: Side,
    /// The side whose From tag and CSeq the message carries.
    pub(super) direction: Side,
    pub(super) now: Millis,
}

impl<'a> Update<'a> {
    /// `direction` is the side the From tag belongs to.
    pub(super) fn new(request: &'a UpdateRequest<'a>, direction: Side, now: Millis) -> Self {
        let sender = match request.kind {
            Kind::Request => direction,
            Kind::Reply => direction.other(),
        };
        Update { request, sender, direction, now }
    }

    pub(super) fn receiver(&self) -> Side {
        self.sender.other()
    }

    /// True for a provisional reply: answers of other branches may follow.
    pub(super) fn is_early(&self) -> bool {
        self.request.kind == Kind::Reply && self.request.to_tag.is_empty()
    }

    pub(super) fn sender_tag(&self) -> &'a [u8] {
        match self.request.kind {
            Kind::Request => self.request.from_tag,
            Kind::Reply if self.request.to_tag.is_empty() => self.request.early_tag,
            Kind::Reply => self.request.to_tag,
        }
    }

    /// The address family of the first stream that names one.
    pub(super) fn family(&self) -> Option<Family> {
        let items = self.request.media.as_deref().unwrap_or_default();
        let address = |item: &Item| item.address.filter(|ip| !ip.is_unspecified());
        items.iter().find_map(address).map(Family::of)
    }
}
