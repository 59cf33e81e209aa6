//! What a phone does with requests, and what its user does with incoming calls.

use super::context::{Context, Out, Repeated};
use super::dialog::{Dialog, State};
use super::message::{Message, Method};
use super::phone::Phone;

impl Phone {
    pub(super) fn on_request(&mut self, request: Message, context: &mut Context<'_>) {
        match request.method {
            Method::Invite if self.is_repeated(&request) => {}
            Method::Invite if self.dialog_of(&request).is_some() => {
                self.on_offer(request, context);
            }
            Method::Invite if request.to_tag == 0 => self.on_call(request, context),
            Method::Update if self.dialog_of(&request).is_some() => self.on_offer(request, context),
            Method::Bye => {
                let now = context.now;
                let id = self.id;
                let Some(dialog) = self.dialog_of(&request).filter(|dialog| dialog.is_live())
                else {
                    return self.refuse_request(&request, 481, context);
                };
                dialog.end(now);
                let waiting = dialog.invite.take();
                self.serve(&request, request.reply(200, 0, id), context);
                if let Some(invite) = waiting {
                    self.fail(&invite, request.to_tag, 487, context);
                }
            }
            Method::Cancel => self.on_cancel(&request, context),
            Method::Prack => {
                let id = self.id;
                let Some(dialog) = self.dialog_of(&request) else {
                    return self.refuse_request(&request, 481, context);
                };
                dialog.unacknowledged = false;
                context.stop(Repeated::Provisional(dialog.call_id, dialog.local_tag));
                self.serve(&request, request.reply(200, 0, id), context);
            }
            _ => self.refuse_request(&request, 481, context),
        }
    }

    fn refuse_request(&mut self, request: &Message, status: u16, context: &mut Context<'_>) {
        let tag = if request.to_tag == 0 { self.tag(context) } else { 0 };
        let reply = request.reply(status, tag, self.id);
        if request.method == Method::Invite {
            self.keep_served(request, reply.clone());
            context.repeat_reply(reply, Repeated::Failure(request.branch()));
        } else {
            self.serve(request, reply, context);
        }
    }

    /// True for an initial INVITE that waits for its final reply.
    fn is_repeated(&self, request: &Message) -> bool {
        let same = |dialog: &Dialog| {
            let invite = dialog.invite.as_ref();
            invite.is_some_and(|invite| invite.branch() == request.branch())
        };
        self.dialogs.iter().any(same)
    }

    fn on_call(&mut self, request: Message, context: &mut Context<'_>) {
        let tag = self.tag(context);
        let mut dialog = Dialog::new(request.call_id, tag, request.from_tag, false);
        (dialog.listens, dialog.mirrors) = (self.listens, self.mirrors);
        dialog.cseq = 100;
        dialog.remote_cseq = request.cseq;
        dialog.route = request.record_route.iter().rev().copied().collect();
        dialog.route.push(request.contact);
        dialog.media.received.clone_from(&request.sdp);
        dialog.invite = Some(request);
        dialog.rang_at = context.now;
        self.dialogs.push(dialog);
    }

    fn on_cancel(&mut self, request: &Message, context: &mut Context<'_>) {
        let invited = |dialog: &Dialog| {
            let invite = dialog.invite.as_ref();
            invite.is_some_and(|invite| invite.branch() == request.branch())
        };
        let Some(at) = self.dialogs.iter().position(invited) else {
            return self.refuse_request(request, 481, context);
        };
        let tag = self.dialogs[at].local_tag;
        self.serve(request, request.reply(200, tag, self.id), context);
        self.dialogs[at].end(context.now);
        if let Some(invite) = self.dialogs[at].invite.take() {
            self.fail(&invite, tag, 487, context);
        }
    }

    /// Refuses an initial INVITE, repeated until the ACK.
    fn fail(&mut self, invite: &Message, tag: u32, status: u16, context: &mut Context<'_>) {
        context.stop(Repeated::Provisional(invite.call_id, tag));
        let reply = invite.reply(status, tag, self.id);
        self.keep_served(invite, reply.clone());
        context.repeat_reply(reply, Repeated::Failure(invite.branch()));
    }

    /// A re-INVITE or an UPDATE.
    fn on_offer(&mut self, request: Message, context: &mut Context<'_>) {
        let (id, ip, refused_lines) = (self.id, self.ip, self.refused_lines);
        let invite = request.method == Method::Invite;
        let refuses = self.refuses > 0;
        let Some(dialog) = self.dialog_of(&request) else { return };
        if !dialog.is_live() {
            return self.refuse_request(&request, 481, context);
        }
        let unanswered = dialog.media.received.is_some() || dialog.offered_in_success;
        let offers = request.sdp.is_some() || invite;
        let status = if request.cseq <= dialog.remote_cseq || offers && unanswered {
            500
        } else if offers && (dialog.media.sent.is_some() || dialog.pending.is_some()) {
            491
        } else if invite && dialog.state == State::Early {
            500
        } else {
            200
        };
        dialog.remote_cseq = dialog.remote_cseq.max(request.cseq);
        dialog.media.refused |= status != 200 || refuses;
        if status == 200 && offers && refuses {
            self.refuses -= 1;
            return self.refuse_request(&request, 488, context);
        }
        if status != 200 {
            return self.refuse_request(&request, status, context);
        }
        let Some(dialog) = self.dialog_of(&request) else { return };
        let mut reply = request.reply(200, 0, id);
        match &request.sdp {
            Some(offer) => {
                let answer = dialog.answer(offer, refused_lines, ip, id, context.ids);
                dialog.media.agree(answer.clone(), offer.clone(), context.now);
                reply.sdp = Some(answer);
                context.out.push(Out::Agreed);
            }
            None if invite => {
                let offer = dialog.offer(super::dialog::Change::Same, id, context);
                dialog.media.sent.clone_from(&offer);
                dialog.offered_in_success = true;
                reply.sdp = offer;
            }
            None => {}
        }
        if !invite {
            return self.serve(&request, reply, context);
        }
        dialog.answered_cseq = request.cseq;
        let key = Repeated::Success(dialog.call_id, dialog.local_tag, request.cseq);
        self.keep_served(&request, reply.clone());
        context.repeat_reply(reply, key);
    }

    pub(super) fn on_ack(&mut self, ack: &Message, context: &mut Context<'_>) {
        context.stop(Repeated::Failure(ack.branch()));
        let Some(dialog) = self.dialog_of(ack) else { return };
        if ack.cseq != dialog.answered_cseq {
            return;
        }
        context.stop(Repeated::Success(dialog.call_id, dialog.local_tag, ack.cseq));
        dialog.waits_for_ack = false;
        let bye = dialog.hung_up && dialog.state == State::Confirmed;
        if std::mem::take(&mut dialog.offered_in_success) {
            Self::on_answer_in_ack(dialog, ack, context);
        }
        if bye {
            self.send_bye(ack, context);
        }
    }

    fn send_bye(&mut self, ack: &Message, context: &mut Context<'_>) {
        let id = self.id;
        let Some(dialog) = self.dialog_of(ack) else { return };
        let bye = dialog.request(Method::Bye, id, context);
        dialog.end(context.now);
        context.repeat_request(bye);
    }

    /// The ACK has the answer to the offer in our 2xx.
    fn on_answer_in_ack(dialog: &mut Dialog, ack: &Message, context: &mut Context<'_>) {
        let now = context.now;
        match (dialog.media.sent.clone(), &ack.sdp) {
            (Some(offer), Some(answer)) => {
                dialog.accept_answer(offer, Some(answer.clone()), now);
                context.out.push(Out::Agreed);
            }
            _ => dialog.media.sent = None,
        }
    }

    fn waiting(&self) -> Option<usize> {
        let waits = |dialog: &Dialog| dialog.state == State::Early && dialog.invite.is_some();
        self.dialogs.iter().rposition(waits)
    }

    /// A call rings on: a provisional reply each minute keeps it (RFC 3261 13.3.1.1).
    pub fn tick(&mut self, context: &mut Context<'_>) {
        let (id, now) = (self.id, context.now);
        for dialog in self.dialogs.iter_mut().filter(|dialog| dialog.rings_on(now)) {
            let Some(invite) = &dialog.invite else { continue };
            let reply = invite.reply(180, dialog.local_tag, id);
            dialog.rang_at = now;
            context.reply(reply);
        }
    }

    /// A provisional reply to the newest call that waits for this phone; with the
    /// answer if `with_sdp`, and reliable (RFC 3262) if `reliable`.
    pub fn ring(&mut self, with_sdp: bool, reliable: bool, context: &mut Context<'_>) {
        let Some(at) = self.waiting() else { return };
        let (id, ip, refused) = (self.id, self.ip, self.refused_lines);
        let dialog = &mut self.dialogs[at];
        let Some(invite) = dialog.invite.clone() else { return };
        let mut reply = invite.reply(if with_sdp { 183 } else { 180 }, dialog.local_tag, id);
        dialog.rang_at = context.now;
        let answered = dialog.media.received.is_none();
        match invite.sdp.as_ref().filter(|_| with_sdp) {
            // Behind an UPDATE the first answer would be an old one.
            Some(_) if answered && dialog.media.local != dialog.first_answer => {}
            Some(_) if answered => reply.sdp.clone_from(&dialog.first_answer),
            Some(offer) => {
                let answer = dialog.answer(offer, refused, ip, id, context.ids);
                reply.sdp = Some(answer.clone());
                dialog.first_answer = Some(answer.clone());
                dialog.media.agree(answer, offer.clone(), context.now);
            }
            None => {}
        }
        if reply.sdp.is_some() {
            dialog.note_early_media(context.now);
        }
        if reliable && dialog.acknowledged.is_none() && dialog.local_tag != 0 {
            dialog.acknowledged = Some(1);
            dialog.unacknowledged = true;
            reply.rseq = Some(1);
            let key = Repeated::Provisional(dialog.call_id, dialog.local_tag);
            context.repeat_reply(reply, key);
        } else {
            context.reply(reply);
        }
    }

    /// Answers the newest call that waits for this phone. `without_sdp`: if a
    /// reliable reply had the answer.
    pub fn answer(&mut self, without_sdp: bool, context: &mut Context<'_>) {
        let Some(at) = self.waiting() else { return };
        let (id, ip, refused) = (self.id, self.ip, self.refused_lines);
        let dialog = &mut self.dialogs[at];
        // RFC 3262 3: the answer in a reliable reply must be acknowledged first.
        if dialog.unacknowledged {
            return;
        }
        let Some(invite) = dialog.invite.take() else { return };
        let mut reply = invite.reply(200, dialog.local_tag, id);
        let answered = dialog.media.local.is_some() && dialog.media.received.is_none();
        match &invite.sdp {
            // Behind an UPDATE the first answer would be an old one.
            Some(_) if answered => {
                let updated = dialog.media.local != dialog.first_answer;
                let reliable = dialog.acknowledged.is_some();
                if !(reliable && (without_sdp || updated)) {
                    reply.sdp.clone_from(&dialog.first_answer);
                }
            }
            Some(offer) => {
                let answer = dialog.answer(offer, refused, ip, id, context.ids);
                dialog.media.agree(answer.clone(), offer.clone(), context.now);
                reply.sdp = Some(answer);
            }
            None => {
                let kinds = &self.kinds;
                let tag = dialog.local_tag;
                let offer = super::dialog::first_offer(kinds, tag, ip, id, context);
                dialog.media.sent = Some(offer.clone());
                dialog.offered_in_success = true;
                reply.sdp = Some(offer);
            }
        }
        dialog.confirm(context.now);
        dialog.waits_for_ack = true;
        dialog.answered_cseq = invite.cseq;
        context.stop(Repeated::Provisional(dialog.call_id, dialog.local_tag));
        let key = Repeated::Success(dialog.call_id, dialog.local_tag, invite.cseq);
        self.keep_served(&invite, reply.clone());
        context.repeat_reply(reply, key);
        context.out.push(Out::Agreed);
    }

    /// Refuses the newest call that waits for this phone.
    pub fn refuse(&mut self, status: u16, context: &mut Context<'_>) {
        let Some(at) = self.waiting() else { return };
        let tag = self.dialogs[at].local_tag;
        self.dialogs[at].end(context.now);
        if let Some(invite) = self.dialogs[at].invite.take() {
            self.fail(&invite, tag, status, context);
        }
    }
}
