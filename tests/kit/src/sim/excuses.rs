//! Rewrites that may fail: a relay had failed, the call was over, or nobody needs
//! the message any more.

use super::context::TIMEOUT;
use super::dialog::{Dialog, State};
use super::message::Message;
use super::phone::Calling;
use super::server::Failure;
use super::world::{Node, World};

impl World {
    /// True when a message, or the offer that it answers, may have had no relay; and
    /// for an answer to an offer that a server or a relay has forgotten.
    pub fn is_excused(&self, failure: &Failure) -> bool {
        let unheard = self.relays.get().unheard_at(failure.call_id);
        // Without a To tag a re-INVITE looks like an initial one then.
        let tagless = self.setup.without_tags != 0;
        let forgotten = self.restarted_at.max(self.disturbed_at);
        unheard > 0 && failure.offered_at <= unheard
            || self.restarted_at > 0 && tagless
            || failure.answers && failure.offered_at <= forgotten
    }

    /// True when a BYE or a failure has ended the call of a message. A 2xx that
    /// crosses a CANCEL is one of a live call. A B2BUA gives its calls other numbers:
    /// any call may be the one then.
    pub fn has_ended(&self, failure: &Failure) -> bool {
        let b2bua = matches!(self.setup.topology, "hairpin" | "edge");
        let of_call = |other: u32| b2bua || other == failure.call_id;
        let over = |dialog: &Dialog| {
            let by_then = dialog.state == State::Over && dialog.over_at <= failure.at;
            by_then && (dialog.confirmed_at > 0 || failure.answer.is_none())
        };
        let failed = |calling: &Calling| {
            let by_then = calling.failed_at.is_some_and(|at| at <= failure.at);
            let (tag, cseq) = failure.request;
            let of_callee = tag != calling.message.from_tag;
            by_then && (of_callee || calling.message.cseq == cseq)
                || calling.cancelled && failure.answer.is_none()
        };
        let call = (!b2bua).then_some(failure.call_id);
        let at_proxy = |node: &Node| match node {
            Node::Proxy(proxy) => proxy.has_failed(call, failure.request, failure.at),
            _ => false,
        };
        self.nodes.iter().any(at_proxy)
            || self.phones().any(|phone| {
                let mut dialogs = phone.dialogs.iter().filter(|dialog| of_call(dialog.call_id));
                let mut calls = phone.calls.iter().filter(|c| of_call(c.message.call_id));
                dialogs.any(over) || calls.any(failed)
            })
    }

    /// True for an ACK, and for a repeated 2xx, that comes behind the BYE of its dialog.
    pub fn is_behind_bye(&self, failure: &Failure) -> bool {
        let over = |dialog: &Dialog| {
            let tags = (dialog.local_tag, dialog.remote_tag);
            let acknowledges = failure.ack.map(|to_tag| (failure.request.0, to_tag));
            dialog.state == State::Over
                && dialog.call_id == failure.call_id
                && (acknowledges == Some(tags) || failure.answer == Some(tags))
                && dialog.over_at <= failure.at
        };
        self.phones().any(|phone| phone.dialogs.iter().any(over))
    }

    /// True for a message of a call that began again behind its BYE, at a server that
    /// has lost its table between the two.
    pub fn is_revived(&self, failure: &Failure) -> bool {
        self.revived.contains(&failure.call_id)
    }

    /// True for a new try of a call that is answered: a proxy that has lost its
    /// transactions between the final replies of two branches has sent both on.
    pub fn is_tried_again(&self, failure: &Failure) -> bool {
        let (tag, cseq) = failure.request;
        let answered =
            |dialog: &Dialog| dialog.call_id == failure.call_id && dialog.confirmed_at > 0;
        let again = |calling: &Calling| {
            let Message { call_id, from_tag, cseq: own, .. } = calling.message;
            (call_id, from_tag, own) == (failure.call_id, tag, cseq) && cseq > 1
        };
        self.restarted_at > 0
            && !failure.answers
            && self.phones().any(|phone| phone.calls.iter().any(again))
            && self.phones().any(|phone| phone.dialogs.iter().any(answered))
    }

    /// True when the side that sent the request has sent a newer one by now, or has
    /// its final reply: a copy of the old one, or of its reply, is of no use to
    /// anybody.
    pub fn is_old(&self, failure: &Failure) -> bool {
        let b2bua = matches!(self.setup.topology, "hairpin" | "edge");
        let (tag, cseq) = failure.request;
        let older = |dialog: &Dialog| {
            let side = (dialog.cseq >= 100) == (cseq >= 100);
            let newer = dialog.cseq > cseq && cseq > 1;
            let over = !failure.answers && dialog.pending.is_none() && dialog.cseq >= cseq;
            let media = &dialog.media;
            let offers = [&media.local, &media.sent].into_iter().flatten();
            let offered = offers.map(|sdp| sdp.offered_at).max();
            let answered = failure.answers && offered > Some(failure.offered_at);
            side && (b2bua || dialog.local_tag == tag) && (newer || cseq > 1 && over || answered)
        };
        // A new try after 407.
        let tried_again = |calling: &Calling| {
            let message = &calling.message;
            (b2bua || message.from_tag == tag) && message.cseq > cseq && cseq < 100
        };
        self.phones()
            .any(|phone| phone.dialogs.iter().any(older) || phone.calls.iter().any(tried_again))
    }

    /// True for an answer to the initial INVITE later than 64 x T1 after another
    /// phone's answer: the caller does not wait any more (RFC 3261 section 13.2.2.4).
    pub fn is_late_answer(&self, failure: &Failure) -> bool {
        let dialogs = self.phones().flat_map(|phone| &phone.dialogs);
        let answered = dialogs.filter(|dialog| dialog.call_id == failure.call_id);
        let answered = answered.map(|dialog| dialog.confirmed_at).filter(|at| *at > 0);
        let initial = |calling: &Calling| {
            let Message { call_id, from_tag, cseq, .. } = calling.message;
            (call_id, (from_tag, cseq)) == (failure.call_id, failure.request)
        };
        failure.answer.is_some()
            && answered.min().is_some_and(|first| first + TIMEOUT <= failure.at)
            && self.phones().any(|phone| phone.calls.iter().any(initial))
    }
}
