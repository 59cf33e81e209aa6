//! Offer or answer (RFC 3264, RFC 6337), decided from the message and the stored
//! offer/answer state of its call.

use crate::options::RoleOption;
use crate::relay::Role;
use crate::shared::calls::history::{OfferAnswerState, OfferAnswerUpdate, ReplyOffer};
use crate::sip::Method;

/// True for messages whose SDP is an offer or answer of a call: INVITE, UPDATE,
/// PRACK, ACK and their provisional and successful replies.
pub fn carries_sessions(method: Method, status: Option<u16>) -> bool {
    let method_does =
        matches!(method, Method::Invite | Method::Update | Method::Prack | Method::Ack);
    method_does && status.is_none_or(|status| (101..300).contains(&status))
}

/// The role of a message's SDP, and the CSeq of its offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Offer or answer.
    pub role: Role,
    /// The CSeq to send to the relay. For an answer in a PRACK, which has another
    /// CSeq than its offer, this is the offer's.
    pub cseq: u32,
    /// The state to store for later messages.
    pub update: OfferAnswerUpdate,
}

/// Decides the role of a message's SDP. `method` is the request's, or in a reply
/// (`is_reply`) that of the request it replies to.
///
/// SDP in a request is an offer, unless it answers an offer that came in a reply:
/// always in ACK; in PRACK while such an offer is unanswered, or when this same
/// PRACK answered it (a retransmission). SDP in a reply is the answer if its
/// request carried an offer, else an offer.
pub fn decide(
    is_reply: bool,
    method: Method,
    cseq: u32,
    known: &OfferAnswerState,
    wanted: RoleOption,
) -> Decision {
    let answered =
        known.reply_offer.filter(|offer| !is_reply && answers(method, cseq, known, offer));
    let role = match wanted {
        RoleOption::Offer => Role::Offer,
        RoleOption::Answer => Role::Answer,
        RoleOption::Auto if is_reply => reply_role(method, cseq, known),
        RoleOption::Auto if matches!(method, Method::Ack) || answered.is_some() => Role::Answer,
        RoleOption::Auto => Role::Offer,
    };
    let answered = answered.filter(|_| role == Role::Answer);
    let of_invite = matches!(method, Method::Invite).then_some(cseq);
    Decision {
        role,
        cseq: answered.map_or(cseq, |offer| offer.cseq),
        update: OfferAnswerUpdate {
            offered: of_invite.filter(|_| !is_reply),
            reply_offer: of_invite.filter(|_| is_reply && role == Role::Offer),
            answered_by: answered.map(|_| cseq),
        },
    }
}

/// True when SDP in this request answers that delayed offer. An offer whose answer
/// did not pass here does not wait for ever: a later INVITE with an offer shows
/// that it was answered.
fn answers(method: Method, cseq: u32, known: &OfferAnswerState, offer: &ReplyOffer) -> bool {
    match (method, offer.answered_by) {
        (Method::Ack, None) => offer.cseq == cseq,
        (Method::Prack, None) => {
            offer.cseq < cseq && known.newest_offer.is_none_or(|newest| newest < offer.cseq)
        }
        (Method::Ack | Method::Prack, Some(by)) => by == cseq,
        _ => false,
    }
}

fn reply_role(method: Method, cseq: u32, known: &OfferAnswerState) -> Role {
    if !matches!(method, Method::Invite) {
        // Replies to UPDATE and PRACK only ever answer (RFC 3311, RFC 3262).
        return Role::Answer;
    }
    let delayed = known.reply_offer.is_some_and(|offer| offer.cseq == cseq);
    // A late retransmission of a reply to an INVITE that is no longer stored:
    // most INVITEs carry an offer, so this is the answer.
    let late = known.newest_offer.is_some_and(|newest| newest > cseq);
    if known.carried_offer || (late && !delayed) { Role::Answer } else { Role::Offer }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The state after an INVITE with an offer, for a message with CSeq `cseq`.
    fn offered(invite: u32, cseq: u32) -> OfferAnswerState {
        OfferAnswerState {
            carried_offer: invite == cseq,
            newest_offer: Some(invite),
            reply_offer: None,
        }
    }

    fn delayed(cseq: u32, answered_by: Option<u32>) -> OfferAnswerState {
        OfferAnswerState {
            reply_offer: Some(ReplyOffer { cseq, answered_by }),
            ..OfferAnswerState::default()
        }
    }

    fn auto(is_reply: bool, method: Method, cseq: u32, known: &OfferAnswerState) -> Decision {
        decide(is_reply, method, cseq, known, RoleOption::Auto)
    }

    fn role(is_reply: bool, method: Method, cseq: u32, known: &OfferAnswerState) -> Role {
        auto(is_reply, method, cseq, known).role
    }

    #[test]
    fn invite_and_update_are_offers() {
        for method in [Method::Invite, Method::Update] {
            assert_eq!(role(false, method, 1, &OfferAnswerState::default()), Role::Offer);
            assert_eq!(role(false, method, 2, &delayed(1, None)), Role::Offer);
        }
        assert_eq!(
            auto(false, Method::Invite, 1, &OfferAnswerState::default()).update.offered,
            Some(1)
        );
        assert_eq!(
            auto(false, Method::Update, 1, &OfferAnswerState::default()).update,
            OfferAnswerUpdate::default()
        );
    }

    #[test]
    fn reply_to_invite_with_offer_is_answer() {
        let decision = auto(true, Method::Invite, 1, &offered(1, 1));
        assert_eq!((decision.role, decision.update), (Role::Answer, OfferAnswerUpdate::default()));
    }

    #[test]
    fn reply_to_invite_without_sdp_is_offer() {
        for known in
            [OfferAnswerState::default(), offered(1, 2), delayed(2, None), delayed(2, Some(3))]
        {
            let decision = auto(true, Method::Invite, 2, &known);
            assert_eq!((decision.role, decision.update.reply_offer), (Role::Offer, Some(2)));
        }
    }

    #[test]
    fn late_reply_of_earlier_transaction_keeps_its_role() {
        assert_eq!(role(true, Method::Invite, 1, &offered(2, 1)), Role::Answer, "no longer stored");
        let known = OfferAnswerState { carried_offer: true, ..offered(2, 1) };
        assert_eq!(role(true, Method::Invite, 1, &known), Role::Answer);
        let known =
            OfferAnswerState { reply_offer: delayed(1, Some(1)).reply_offer, ..offered(2, 1) };
        assert_eq!(role(true, Method::Invite, 1, &known), Role::Offer);
    }

    #[test]
    fn replies_to_update_and_prack_are_answers() {
        for method in [Method::Update, Method::Prack] {
            assert_eq!(role(true, method, 7, &OfferAnswerState::default()), Role::Answer);
        }
    }

    #[test]
    fn ack_answers_a_delayed_offer() {
        let decision = auto(false, Method::Ack, 1, &delayed(1, None));
        assert_eq!((decision.role, decision.update.answered_by), (Role::Answer, Some(1)));
        let decision = auto(false, Method::Ack, 1, &OfferAnswerState::default());
        assert_eq!((decision.role, decision.update), (Role::Answer, OfferAnswerUpdate::default()));
    }

    #[test]
    fn prack_answers_delayed_offer_with_offer_cseq() {
        for known in [delayed(1, None), delayed(1, Some(2))] {
            let decision = auto(false, Method::Prack, 2, &known);
            let update = OfferAnswerUpdate { answered_by: Some(2), ..OfferAnswerUpdate::default() };
            assert_eq!(decision, Decision { role: Role::Answer, cseq: 1, update });
        }
    }

    #[test]
    fn second_prack_is_offer() {
        let decision = auto(false, Method::Prack, 3, &delayed(1, Some(2)));
        let update = OfferAnswerUpdate::default();
        assert_eq!(decision, Decision { role: Role::Offer, cseq: 3, update });
        assert_eq!(role(false, Method::Prack, 2, &offered(1, 2)), Role::Offer);
    }

    #[test]
    fn delayed_offer_is_not_pending_after_next_invite() {
        let known = OfferAnswerState { reply_offer: delayed(1, None).reply_offer, ..offered(2, 3) };
        assert_eq!(role(false, Method::Prack, 3, &known), Role::Offer);
        let known = OfferAnswerState { reply_offer: delayed(2, None).reply_offer, ..offered(1, 3) };
        assert_eq!(role(false, Method::Prack, 3, &known), Role::Answer);
    }

    #[test]
    fn role_option_overrides_decision() {
        let known = OfferAnswerState::default();
        let forced = |wanted| decide(false, Method::Invite, 1, &known, wanted).role;
        assert_eq!(forced(RoleOption::Answer), Role::Answer);
        assert_eq!(forced(RoleOption::Offer), Role::Offer);
        let decision = decide(false, Method::Prack, 2, &delayed(1, None), RoleOption::Offer);
        assert_eq!((decision.cseq, decision.update), (2, OfferAnswerUpdate::default()));
    }
}
