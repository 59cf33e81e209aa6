//! The stored offer/answer state of a call (RFC 3264, RFC 6337): what a later
//! message needs to know of the offers and answers before it.

/// An offer that came in a reply (delayed offer) to an INVITE from the side
/// that the message at hand comes from, or replies to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplyOffer {
    /// The CSeq of that INVITE.
    pub cseq: u32,
    /// The CSeq of the request that answered the offer, once one has.
    pub answered_by: Option<u32>,
}

/// What is known of the message's side of its dialog.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OfferAnswerState {
    /// The INVITE of the message's CSeq carried an offer.
    pub carried_offer: bool,
    /// The CSeq of the newest INVITE that carried one.
    pub newest_offer: Option<u32>,
    /// The last delayed offer.
    pub reply_offer: Option<ReplyOffer>,
}

/// What is to be remembered of a description, once the relay has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OfferAnswerUpdate {
    /// The INVITE of this CSeq carried it.
    pub offered: Option<u32>,
    /// It is an offer in a reply to the INVITE of this CSeq.
    pub reply_offer: Option<u32>,
    /// It answers a delayed offer, in the request of this CSeq.
    pub answered_by: Option<u32>,
}
