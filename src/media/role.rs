//! Offer or answer (RFC 3264, RFC 6337), worked out from the message and what
//! is remembered of its call.

use crate::options::RoleOption;
use crate::sip::Method;

/// INVITE, UPDATE, PRACK, ACK and their provisional and successful replies.
pub fn carries_sessions(method: Method, status: Option<u16>) -> bool {
    let method_does =
        matches!(method, Method::Invite | Method::Update | Method::Prack | Method::Ack);
    method_does && status.is_none_or(|status| (101..300).contains(&status))
}

/// What a session description is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It proposes; another relay may be asked when one fails.
    Offer,
    /// It answers: it must go to the relay that has the offer.
    Answer,
}

/// What the call table remembers of the last INVITE with a known outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Invite {
    /// Its CSeq number.
    pub cseq: u32,
    /// It came from the same side as the message at hand, or the message is a
    /// reply to that side.
    pub same_side: bool,
    /// The INVITE itself carried the offer.
    pub carried_offer: bool,
}

/// An offer that came in a reply (delayed offer) on the message's branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyOffer {
    /// Nobody answered it yet.
    Due,
    /// It was answered by the request of this CSeq number.
    Answered(u32),
}

/// What is known of the call when a message with a description comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// The last INVITE.
    pub invite: Option<Invite>,
    /// The delayed offer of this branch.
    pub reply_offer: Option<ReplyOffer>,
}

/// The role of a description, and the CSeq its offer has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Offer or answer.
    pub role: Role,
    /// The CSeq to tell the relay: that of the offer, where an answer is
    /// carried by a request with a CSeq of its own (PRACK).
    pub cseq: u32,
}

/// Decides. `method` is the request's, or in a reply (`is_reply`) that of the
/// request it replies to.
///
/// A description in a request is an offer, unless it answers one that came in
/// a reply: always in ACK, in PRACK while one is due (or when this very PRACK
/// answered it: a repetition). A description in a reply is the answer if its
/// request carried an offer, else an offer.
pub fn decide(
    is_reply: bool,
    method: Method,
    cseq: u32,
    known: &Known,
    wanted: RoleOption,
) -> Decision {
    let answers_reply_offer = match known.reply_offer {
        _ if is_reply => false,
        Some(ReplyOffer::Due) => matches!(method, Method::Prack),
        Some(ReplyOffer::Answered(by)) => matches!(method, Method::Prack) && by == cseq,
        None => false,
    };
    let role = match wanted {
        RoleOption::Offer => Role::Offer,
        RoleOption::Answer => Role::Answer,
        RoleOption::Auto if is_reply => reply_role(method, cseq, known),
        RoleOption::Auto if matches!(method, Method::Ack) || answers_reply_offer => Role::Answer,
        RoleOption::Auto => Role::Offer,
    };
    let offer_cseq = match known.invite {
        Some(invite) if answers_reply_offer && role == Role::Answer => invite.cseq,
        _ => cseq,
    };
    Decision { role, cseq: offer_cseq }
}

fn reply_role(method: Method, cseq: u32, known: &Known) -> Role {
    if !matches!(method, Method::Invite) {
        // Replies to UPDATE and PRACK only ever answer (RFC 3311, RFC 3262).
        return Role::Answer;
    }
    match known.invite {
        Some(invite) if invite.same_side && invite.cseq == cseq => {
            if invite.carried_offer {
                Role::Answer
            } else {
                Role::Offer
            }
        }
        // A late repetition of an earlier transaction's reply.
        Some(invite) if invite.same_side && invite.cseq > cseq => Role::Answer,
        // The INVITE with this CSeq was never seen with a description.
        _ => Role::Offer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invite(cseq: u32, carried_offer: bool) -> Known {
        Known { invite: Some(Invite { cseq, same_side: true, carried_offer }), reply_offer: None }
    }

    fn role(is_reply: bool, method: Method, cseq: u32, known: &Known) -> Role {
        decide(is_reply, method, cseq, known, RoleOption::Auto).role
    }

    #[test]
    fn invite_and_update_offer() {
        for method in [Method::Invite, Method::Update] {
            assert_eq!(role(false, method, 1, &Known::default()), Role::Offer);
        }
    }

    #[test]
    fn a_reply_answers_the_offer_its_invite_carried() {
        assert_eq!(role(true, Method::Invite, 1, &invite(1, true)), Role::Answer);
    }

    #[test]
    fn a_reply_to_an_invite_without_description_offers() {
        assert_eq!(role(true, Method::Invite, 1, &Known::default()), Role::Offer);
        assert_eq!(role(true, Method::Invite, 2, &invite(1, true)), Role::Offer);
        assert_eq!(role(true, Method::Invite, 1, &invite(1, false)), Role::Offer, "repeated");
    }

    #[test]
    fn a_reply_to_the_other_sides_invite_is_judged_apart() {
        let mut known = invite(5, true);
        known.invite.as_mut().unwrap().same_side = false;
        assert_eq!(role(true, Method::Invite, 5, &known), Role::Offer);
    }

    #[test]
    fn a_late_reply_of_an_earlier_transaction_is_an_answer() {
        assert_eq!(role(true, Method::Invite, 1, &invite(2, true)), Role::Answer);
    }

    #[test]
    fn replies_to_update_and_prack_answer() {
        for method in [Method::Update, Method::Prack] {
            assert_eq!(role(true, method, 7, &Known::default()), Role::Answer);
        }
    }

    #[test]
    fn ack_answers_a_delayed_offer() {
        assert_eq!(role(false, Method::Ack, 1, &Known::default()), Role::Answer);
    }

    #[test]
    fn prack_answers_while_an_offer_of_a_reply_is_due_and_under_that_offers_cseq() {
        let mut known = invite(1, false);
        known.reply_offer = Some(ReplyOffer::Due);
        let decision = decide(false, Method::Prack, 2, &known, RoleOption::Auto);
        assert_eq!(decision, Decision { role: Role::Answer, cseq: 1 });
        known.reply_offer = Some(ReplyOffer::Answered(2));
        let repeated = decide(false, Method::Prack, 2, &known, RoleOption::Auto);
        assert_eq!(repeated, Decision { role: Role::Answer, cseq: 1 });
    }

    #[test]
    fn a_further_prack_offers() {
        let mut known = invite(1, false);
        known.reply_offer = Some(ReplyOffer::Answered(2));
        let decision = decide(false, Method::Prack, 3, &known, RoleOption::Auto);
        assert_eq!(decision, Decision { role: Role::Offer, cseq: 3 });
        assert_eq!(role(false, Method::Prack, 2, &invite(1, true)), Role::Offer);
    }

    #[test]
    fn the_script_may_know_better() {
        let known = Known::default();
        let forced = |wanted| decide(false, Method::Invite, 1, &known, wanted).role;
        assert_eq!(forced(RoleOption::Answer), Role::Answer);
        assert_eq!(forced(RoleOption::Offer), Role::Offer);
    }
}
