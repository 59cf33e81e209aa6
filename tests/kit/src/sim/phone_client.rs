//! What a phone does with the replies to its requests.

use super::context::{Context, Out, Repeated, TIMEOUT};
use super::dialog::{Dialog, State};
use super::message::{Message, Method, Via};
use super::phone::{Keeps, Phone};

impl Phone {
    /// Handles a reply to the request with this branch. `timeout`: the phone has
    /// made it itself.
    pub(super) fn on_reply(
        &mut self,
        reply: Message,
        branch: u64,
        timeout: bool,
        context: &mut Context<'_>,
    ) {
        let is_final = reply.status.is_some_and(|status| status >= 200);
        if is_final || reply.method == Method::Invite {
            // CANCEL has the branch of its INVITE.
            let cancel = u64::from(reply.method == Method::Cancel);
            context.stop(Repeated::Request(branch | cancel));
        }
        match reply.method {
            Method::Invite => match self.calling(branch) {
                Some(number) => self.on_call_reply(number, reply, timeout, context),
                None => self.on_offer_reply(reply, branch, timeout, context),
            },
            Method::Update => self.on_offer_reply(reply, branch, timeout, context),
            _ => {}
        }
    }

    /// The dialog of a reply to an initial INVITE, new for a new tag.
    fn fork(&mut self, number: usize, reply: &Message) -> usize {
        let of_reply = |dialog: &Dialog| {
            dialog.caller
                && (dialog.call_id, dialog.local_tag, dialog.remote_tag)
                    == (reply.call_id, reply.from_tag, reply.to_tag)
        };
        if let Some(at) = self.dialogs.iter().position(of_reply) {
            return at;
        }
        let mut dialog = Dialog::new(reply.call_id, reply.from_tag, reply.to_tag, true);
        dialog.cseq = reply.cseq;
        dialog.route.clone_from(&reply.record_route);
        dialog.route.push(reply.contact);
        dialog.media.sent = self.offer_of(number);
        self.dialogs.push(dialog);
        self.dialogs.len() - 1
    }

    fn on_call_reply(
        &mut self,
        number: usize,
        reply: Message,
        timeout: bool,
        context: &mut Context<'_>,
    ) {
        let status = reply.status.unwrap_or(0);
        let request = self.calls[number].message.clone();
        match status {
            ..=199 => {
                self.provisional(number, context);
                if status > 100 && !self.calls[number].done {
                    self.on_ringing(number, reply, context);
                }
            }
            200..=299 => self.on_success(number, reply, context),
            _ => {
                if !timeout {
                    let mut ack = request.clone();
                    (ack.method, ack.sdp, ack.to_tag) = (Method::Ack, None, reply.to_tag);
                    context.send(ack.route[0], ack);
                }
                if std::mem::replace(&mut self.calls[number].done, true) {
                    return;
                }
                self.calls[number].failed_at = Some(context.now);
                self.calls[number].timed_out = timeout;
                let of_call = |dialog: &&mut Dialog| {
                    dialog.caller
                        && dialog.state != State::Confirmed
                        && (dialog.call_id, dialog.local_tag) == (request.call_id, request.from_tag)
                };
                self.dialogs.iter_mut().filter(of_call).for_each(|dialog| dialog.end(context.now));
                if status == 407 && !self.calls[number].cancelled {
                    self.try_again(number, context);
                }
            }
        }
    }

    fn on_ringing(&mut self, number: usize, reply: Message, context: &mut Context<'_>) {
        let at = self.fork(number, &reply);
        let dialog = &mut self.dialogs[at];
        if dialog.state != State::Early {
            return;
        }
        // While an UPDATE of ours is pending, this is a copy of the first answer.
        let answers = reply.sdp.is_some() && dialog.pending.is_none();
        if let Some(offer) = dialog.media.sent.clone().filter(|_| answers) {
            dialog.note_early_media(context.now);
            dialog.accept_answer(offer, reply.sdp.clone(), context.now);
            context.out.push(Out::Agreed);
        }
        if reply.rseq.is_some() && dialog.acknowledged < reply.rseq {
            dialog.acknowledged = reply.rseq;
            let mut prack = dialog.request(Method::Prack, self.id, context);
            prack.rseq = reply.rseq;
            context.repeat_request(prack);
        }
    }

    fn on_success(&mut self, number: usize, reply: Message, context: &mut Context<'_>) {
        if self.calls[number].failed_at.is_some() {
            // RFC 3261 17.1.1.2: its transaction is over; nobody receives it.
            return;
        }
        // RFC 3261 13.2.2.4: the INVITE is over 64 x T1 after its first 2xx.
        let answered_at = *self.calls[number].answered_at.get_or_insert(context.now);
        if context.now > answered_at + TIMEOUT {
            return;
        }
        let at = self.fork(number, &reply);
        self.calls[number].done = true;
        let kept = self.dialogs[at].ack(reply.cseq);
        if kept.is_some() || self.dialogs[at].state == State::Over {
            // Repeated, since the ACK was lost; or the call is over by now.
            let id = self.id;
            let ack = kept.unwrap_or_else(|| {
                self.dialogs[at].request_with_cseq(Method::Ack, reply.cseq, id, context)
            });
            context.send(ack.route[0], ack);
            return;
        }
        let (ip, id, refused) = (self.ip, self.id, self.refused_lines);
        let dialog = &mut self.dialogs[at];
        dialog.confirm(context.now);
        let mut ack = dialog.request_with_cseq(Method::Ack, reply.cseq, id, context);
        match (dialog.media.sent.clone(), reply.sdp.clone()) {
            // After a reliable answer the SDP of the 2xx is only a copy of it.
            (Some(offer), Some(_)) if dialog.pending.is_none() => {
                dialog.accept_answer(offer, reply.sdp, context.now);
            }
            (None, Some(offer)) if dialog.media.local.is_none() => {
                // The offer of a call without an offer (RFC 3261 13.2.1).
                let answer = dialog.answer(&offer, refused, ip, id, context.ids);
                ack.sdp = Some(answer.clone());
                dialog.media.agree(answer, offer, context.now);
            }
            _ => {}
        }
        dialog.keep_ack(ack.clone());
        context.send(ack.route[0], ack);
        context.out.push(Out::Agreed);
        self.choose(number, at, context);
    }

    /// After a 2xx: which dialogs of the call the caller keeps.
    fn choose(&mut self, number: usize, at: usize, context: &mut Context<'_>) {
        let id = self.id;
        let (call_id, tag) = (self.dialogs[at].call_id, self.dialogs[at].local_tag);
        let hung_up = self.dialogs.iter().any(|d| {
            let ended = d.state == State::Over && d.confirmed_at > 0;
            d.caller && (d.call_id, d.local_tag) == (call_id, tag) && ended
        });
        let of_call =
            |d: &Dialog| d.caller && (d.call_id, d.local_tag) == (call_id, tag) && d.is_live();
        let others: Vec<usize> = (0..self.dialogs.len())
            .filter(|other| *other != at && of_call(&self.dialogs[*other]))
            .collect();
        let mut unwanted = Vec::new();
        for other in others {
            match self.dialogs[other].state {
                State::Early => self.dialogs[other].give_up(context.now),
                _ if self.keeps == Keeps::Newest => unwanted.push(other),
                _ if self.keeps == Keeps::First => unwanted.push(at),
                _ => {}
            }
        }
        if self.calls[number].cancelled || hung_up {
            unwanted.push(at);
        }
        unwanted.sort_unstable();
        unwanted.dedup();
        for unwanted in unwanted {
            let dialog = &mut self.dialogs[unwanted];
            let bye = dialog.request(Method::Bye, id, context);
            dialog.end(context.now);
            context.repeat_request(bye);
        }
    }

    /// A reply to a re-INVITE or an UPDATE of ours.
    fn on_offer_reply(
        &mut self,
        reply: Message,
        branch: u64,
        timeout: bool,
        context: &mut Context<'_>,
    ) {
        let (ip, id, refused) = (self.ip, self.id, self.refused_lines);
        let status = reply.status.unwrap_or(0);
        let Some(dialog) = self.dialogs.iter_mut().find(|dialog| dialog.is_of(&reply)) else {
            return;
        };
        let invite = reply.method == Method::Invite;
        if dialog.pending != Some((branch, reply.method)) {
            // A repeated 2xx, whose ACK was lost.
            if let Some(ack) = dialog.ack(reply.cseq).filter(|_| invite) {
                context.send(ack.route[0], ack);
            }
            return;
        }
        if status < 200 {
            return;
        }
        dialog.pending = None;
        if status >= 300 {
            (dialog.media.sent, dialog.media.refused) = (None, true);
            if invite && !timeout {
                let cseq = reply.cseq;
                let mut ack = dialog.request_with_cseq(Method::Ack, cseq, id, context);
                ack.vias = vec![Via { node: id, branch }];
                context.send(ack.route[0], ack);
            }
            if matches!(status, 408 | 481) && dialog.is_live() {
                // RFC 3261 12.2.1.2: the dialog is over.
                let bye = dialog.request(Method::Bye, id, context);
                dialog.end(context.now);
                context.repeat_request(bye);
            }
            return;
        }
        if !invite {
            if let Some(offer) = dialog.media.sent.clone() {
                dialog.accept_answer(offer, reply.sdp, context.now);
                context.out.push(Out::Agreed);
            }
            return;
        }
        let mut ack = dialog.request_with_cseq(Method::Ack, reply.cseq, id, context);
        match (dialog.media.sent.clone(), reply.sdp) {
            (Some(offer), answer) => dialog.accept_answer(offer, answer, context.now),
            (None, Some(offer)) => {
                let answer = dialog.answer(&offer, refused, ip, id, context.ids);
                ack.sdp = Some(answer.clone());
                dialog.media.agree(answer, offer, context.now);
            }
            (None, None) => {}
        }
        dialog.keep_ack(ack.clone());
        context.send(ack.route[0], ack);
        context.out.push(Out::Agreed);
    }
}
