//! A phone: the user agent of RFC 3261 and RFC 3264, with as many calls as the
//! script makes.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::context::{Context, Repeated};
use super::dialog::{Change, Dialog, State, first_offer};
use super::message::{Message, Method, NodeId, Via};
use super::sdp::{Kind, Sdp};

/// Which of two answered branches the caller keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeps {
    First,
    Newest,
    Both,
}

/// An initial INVITE that a phone has sent.
#[derive(Clone, Debug)]
pub struct Calling {
    pub message: Message,
    pub done: bool,
    /// When a failure reply ended it.
    pub failed_at: Option<u64>,
    /// There was none: the phone gave up.
    pub timed_out: bool,
    /// When the first 2xx came.
    pub answered_at: Option<u64>,
    provisional: bool,
    /// The user has hung up before the answer.
    pub cancelled: bool,
    cancel_sent: bool,
    /// When CANCEL was sent.
    pub cancelled_at: u64,
}

#[derive(Debug)]
pub struct Phone {
    pub id: NodeId,
    pub ip: IpAddr,
    pub keeps: Keeps,
    /// The streams of its offers.
    pub kinds: Vec<Kind>,
    /// Its tags are missing, as those of RFC 2543 peers.
    pub without_tags: bool,
    /// It receives media and sends none.
    pub listens: bool,
    /// Its answers name the address that the offer names.
    pub mirrors: bool,
    /// The address of its signalling, unless it is behind a NAT.
    pub signaling: IpAddr,
    pub calls: Vec<Calling>,
    pub dialogs: Vec<Dialog>,
    /// So many of the next offers within a dialog are refused with 488.
    pub refuses: u32,
    /// The lines that the next answers refuse: see [`Dialog::answer`].
    pub refused_lines: u8,
    /// The replies to requests, for repeated requests.
    served: BTreeMap<(u64, u8), Message>,
}

impl Phone {
    pub fn new(id: NodeId, ip: IpAddr) -> Self {
        Phone {
            id,
            ip,
            keeps: Keeps::First,
            kinds: vec![Kind::Audio],
            without_tags: false,
            listens: false,
            mirrors: false,
            signaling: ip,
            calls: Vec::new(),
            dialogs: Vec::new(),
            refuses: 0,
            refused_lines: 0,
            served: BTreeMap::new(),
        }
    }

    pub(super) fn tag(&self, context: &mut Context<'_>) -> u32 {
        if self.without_tags { 0 } else { context.ids.number() }
    }

    /// Makes a call through `first`, the phone's proxy.
    pub fn call(&mut self, first: NodeId, delayed: bool, context: &mut Context<'_>) {
        let tag = self.tag(context);
        let sdp = (!delayed).then(|| first_offer(&self.kinds, tag, self.ip, self.id, context));
        let message = Message {
            status: None,
            method: Method::Invite,
            cseq: 1,
            call_id: context.ids.number(),
            from_tag: tag,
            to_tag: 0,
            vias: vec![Via { node: self.id, branch: context.ids.branch() }],
            route: vec![first],
            record_route: Vec::new(),
            contact: self.id,
            origin: None,
            sdp,
            rseq: None,
        };
        self.start(message, context);
    }

    fn start(&mut self, mut message: Message, context: &mut Context<'_>) {
        if let Some(offer) = &mut message.sdp {
            offer.offered_at = context.now;
        }
        self.calls.push(Calling {
            message: message.clone(),
            done: false,
            failed_at: None,
            timed_out: false,
            answered_at: None,
            provisional: false,
            cancelled: false,
            cancel_sent: false,
            cancelled_at: 0,
        });
        context.repeat_request(message);
    }

    /// Tries a call again after 401 or 407, in the same leg (RFC 3261 22.2).
    pub(super) fn try_again(&mut self, number: usize, context: &mut Context<'_>) {
        let mut message = self.calls[number].message.clone();
        message.cseq += 1;
        message.vias = vec![Via { node: self.id, branch: context.ids.branch() }];
        self.start(message, context);
    }

    /// Cancels the newest call that has no final reply.
    pub fn cancel(&mut self, context: &mut Context<'_>) {
        let waiting = |calling: &&mut Calling| !calling.done && !calling.cancelled;
        if let Some(calling) = self.calls.iter_mut().rev().find(waiting) {
            calling.cancelled = true;
            Self::send_cancel(calling, context);
        }
    }

    /// CANCEL is sent after a provisional reply only (RFC 3261 9.1).
    fn send_cancel(calling: &mut Calling, context: &mut Context<'_>) {
        if !calling.provisional || calling.cancel_sent || calling.done {
            return;
        }
        (calling.cancel_sent, calling.cancelled_at) = (true, context.now);
        let mut cancel = calling.message.clone();
        (cancel.method, cancel.sdp) = (Method::Cancel, None);
        if let Some(to) = cancel.route.first() {
            // Its key is not that of the INVITE, which has the same branch.
            let key = Repeated::Request(cancel.branch() | 1);
            context.out.push(super::context::Out::Repeat(*to, cancel, key));
        }
    }

    /// Ends the newest confirmed dialog with BYE.
    pub fn hang_up(&mut self, context: &mut Context<'_>) {
        let confirmed = |dialog: &&mut Dialog| dialog.state == State::Confirmed && !dialog.hung_up;
        let Some(dialog) = self.dialogs.iter_mut().rev().find(confirmed) else { return };
        dialog.hung_up = true;
        if dialog.waits_for_ack {
            return;
        }
        let bye = dialog.request(Method::Bye, self.id, context);
        dialog.end(context.now);
        context.repeat_request(bye);
    }

    /// Ends everything that this phone takes part in.
    pub fn hang_up_all(&mut self, context: &mut Context<'_>) {
        while self.calls.iter().any(|calling| !calling.done && !calling.cancelled) {
            self.cancel(context);
        }
        while self.dialogs.iter().any(|d| d.state == State::Confirmed && !d.hung_up) {
            self.hang_up(context);
        }
        while self.dialogs.iter().any(|d| d.is_live() && d.invite.is_some()) {
            self.refuse(480, context);
        }
    }

    /// Makes an offer in the newest confirmed dialog, with re-INVITE or UPDATE;
    /// with UPDATE also in an early one. Nothing when an offer is pending.
    pub fn offer(&mut self, method: Method, change: Change, context: &mut Context<'_>) {
        let early_too = method == Method::Update;
        let fits = |dialog: &&mut Dialog| {
            let state = dialog.state == State::Confirmed
                || early_too && dialog.state == State::Early && dialog.acknowledged.is_some();
            // RFC 3311 5.1: the PRACK for the answer comes first.
            let free = !dialog.waits_for_ack && !dialog.unacknowledged;
            state && dialog.is_stable() && free && !dialog.hung_up
        };
        let Some(dialog) = self.dialogs.iter_mut().rev().find(fits) else { return };
        if method == Method::Update && change == Change::Delayed {
            return;
        }
        let Some(sdp) = dialog.offer(change, self.id, context) else { return };
        let mut message = dialog.request(method, self.id, context);
        dialog.pending = Some((message.branch(), method));
        if change != Change::Delayed {
            dialog.media.sent = Some(sdp.clone());
            message.sdp = Some(sdp);
        }
        context.repeat_request(message);
    }

    /// The dialog that a request from the network belongs to.
    pub(super) fn dialog_of(&mut self, request: &Message) -> Option<&mut Dialog> {
        self.dialogs.iter_mut().find(|dialog| {
            (dialog.call_id, dialog.local_tag, dialog.remote_tag)
                == (request.call_id, request.to_tag, request.from_tag)
        })
    }

    /// Sends a final reply and keeps it for repeated requests.
    pub(super) fn serve(&mut self, request: &Message, reply: Message, context: &mut Context<'_>) {
        self.served.insert((request.branch(), request.method as u8), reply.clone());
        context.reply(reply);
    }

    pub(super) fn keep_served(&mut self, request: &Message, reply: Message) {
        self.served.insert((request.branch(), request.method as u8), reply);
    }

    /// Handles a message that has arrived.
    pub fn receive(&mut self, mut message: Message, context: &mut Context<'_>) {
        if message.status.is_some() {
            let branch = message.vias.pop().map_or(0, |via| via.branch);
            return self.on_reply(message, branch, false, context);
        }
        message.route.clear();
        if message.method == Method::Ack {
            return self.on_ack(&message, context);
        }
        if let Some(reply) = self.served.get(&(message.branch(), message.method as u8)) {
            // A 2xx is repeated by its own timer only (RFC 3261 13.3.1.4).
            if message.method != Method::Invite || reply.status.is_none_or(|code| code < 200) {
                return context.reply(reply.clone());
            }
            return;
        }
        self.on_request(message, context);
    }

    /// A message was repeated for 64 x T1 without the event that stops it.
    pub fn timed_out(&mut self, message: &Message, context: &mut Context<'_>) {
        if message.status.is_some() {
            let no_ack = message.is_invite_reply(200..=299);
            let key = (message.call_id, message.to_tag, message.from_tag);
            let dialog = self.dialogs.iter_mut().find(|dialog| {
                no_ack && (dialog.call_id, dialog.local_tag, dialog.remote_tag) == key
            });
            if let Some(dialog) = dialog.filter(|dialog| dialog.state == State::Confirmed) {
                // RFC 3261 13.3.1.4: a 2xx without ACK ends the dialog.
                let bye = dialog.request(Method::Bye, self.id, context);
                dialog.end(context.now);
                context.repeat_request(bye);
            }
            return;
        }
        // RFC 3261 8.1.3.1: a timeout counts as 408.
        let mut timeout = message.reply(408, 0, self.id);
        timeout.vias.clear();
        self.on_reply(timeout, message.branch(), true, context);
    }

    pub(super) fn calling(&self, branch: u64) -> Option<usize> {
        self.calls.iter().position(|calling| calling.message.branch() == branch)
    }

    /// A provisional reply has come for a call.
    pub(super) fn provisional(&mut self, number: usize, context: &mut Context<'_>) {
        let calling = &mut self.calls[number];
        calling.provisional = true;
        if calling.cancelled {
            Self::send_cancel(calling, context);
        }
    }

    pub(super) fn offer_of(&self, number: usize) -> Option<Sdp> {
        self.calls[number].message.sdp.clone()
    }
}
