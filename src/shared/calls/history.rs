//! The stored offer/answer state of a call (RFC 3264, RFC 6337): the earlier
//! offers and answers on which the role of a later SDP depends.

/// A delayed offer: it came in a reply to an INVITE without SDP. The INVITE is
/// from the side that sent the current message, or that receives it as a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplyOffer {
    /// The CSeq of that INVITE.
    pub cseq: u32,
    /// The CSeq of the request that answered the offer; `None` before the answer.
    pub answered_by: Option<u32>,
}

/// The stored state for a message: that of its dialog and its side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OfferAnswerState {
    /// The INVITE with the message's CSeq carried an offer.
    pub carried_offer: bool,
    /// The CSeq of the newest INVITE that carried an offer.
    pub newest_offer: Option<u32>,
    /// The last delayed offer.
    pub reply_offer: Option<ReplyOffer>,
}

/// The change of the stored state by one SDP. It is stored after the relay has
/// answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OfferAnswerUpdate {
    /// The SDP is an offer in the INVITE with this CSeq.
    pub offered: Option<u32>,
    /// The SDP is an offer in a reply to the INVITE with this CSeq.
    pub reply_offer: Option<u32>,
    /// The SDP answers a delayed offer, in the request with this CSeq.
    pub answered_by: Option<u32>,
}
