//! An `update` request as its session sees it: which side sent the SIP
//! message, in which side's transaction, and in which dialog.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::control::{Item, Kind, StoredDialog, UpdateRequest};
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

    /// The streams of its SDP; `None` without SDP.
    pub(super) fn items(&self) -> Option<&'a [Item<'a>]> {
        self.request.media.as_deref()
    }

    /// True for a provisional reply: answers of other branches may follow.
    pub(super) fn is_early(&self) -> bool {
        self.request.kind == Kind::Reply && !self.is_final_reply()
    }

    /// True for a final reply, 2xx.
    pub(super) fn is_final_reply(&self) -> bool {
        let UpdateRequest { kind, to_tag, is_final, .. } = self.request;
        *kind == Kind::Reply && (*is_final || !to_tag.is_empty())
    }

    /// True when the message confirms its dialog by itself: the server has stored that a 2xx
    /// came, which did not come to this relay.
    pub(super) fn is_of_confirmed(&self) -> bool {
        self.request.dialog == StoredDialog::Confirmed
    }

    /// True for a request of the caller outside of a dialog.
    pub(super) fn is_initial(&self) -> bool {
        self.request.kind == Kind::Request
            && self.direction == Side::Caller
            && self.request.to_tag.is_empty()
    }

    /// The callee's tag, which names the dialog. Empty when the client does not
    /// give the tag of a provisional reply.
    pub(super) fn dialog_tag(&self) -> &'a [u8] {
        match self.direction {
            Side::Callee => self.request.from_tag,
            Side::Caller if self.request.to_tag.is_empty() => {
                self.request.early_tag.unwrap_or_default()
            }
            Side::Caller => self.request.to_tag,
        }
    }

    /// True for a provisional reply of which the client does not give the tag.
    pub(super) fn is_unnamed(&self) -> bool {
        self.is_early() && self.request.early_tag.is_none()
    }

    /// The address family of the first stream that names one.
    pub(super) fn family(&self) -> Option<Family> {
        self.items().unwrap_or_default().iter().find_map(Item::family)
    }

    /// Equal for a message and its repetition.
    pub(super) fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        let UpdateRequest { kind, cseq, signaling, media, receiver_family, .. } = self.request;
        (kind, cseq, signaling, media, receiver_family).hash(&mut hasher);
        (self.direction, self.is_early(), self.dialog_tag()).hash(&mut hasher);
        hasher.finish()
    }
}
