//! A dialog of a phone with its offer/answer state (RFC 3261 12, RFC 3264).

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::context::{Context, Ids};
use super::message::{Message, Method, NodeId, Via};
use super::sdp::{Direction, EndId, Kind, Line, Sdp};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Early,
    Confirmed,
    /// Another branch was answered.
    GivenUp,
    Over,
}

/// How an offer differs from the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Same,
    Hold,
    /// Hold as RFC 2543 has it: the address 0.0.0.0.
    HoldZero,
    Resume,
    /// Other ports for all streams.
    Ports,
    /// The ports before the last change.
    Back,
    /// The second stream is removed, or is there again.
    Second,
    /// No address yet (RFC 8840): 0.0.0.0 with port 9.
    Trickle,
    /// No offer: the other side makes it.
    Delayed,
}

/// The descriptions of a dialog.
#[derive(Clone, Debug, Default)]
pub struct OfferAnswer {
    /// Ours and theirs, agreed by an offer and its answer.
    pub local: Option<Sdp>,
    pub remote: Option<Sdp>,
    /// Our offer without an answer yet, and theirs.
    pub sent: Option<Sdp>,
    pub received: Option<Sdp>,
    /// An offer was refused after the last agreement.
    pub refused: bool,
    /// What was agreed before.
    pub before: Option<(Sdp, Sdp)>,
    pub agreed_at: u64,
}

impl OfferAnswer {
    /// An offer waits for its answer, or was refused.
    pub fn is_doubtful(&self) -> bool {
        self.sent.is_some() || self.received.is_some() || self.refused
    }

    pub fn agree(&mut self, local: Sdp, remote: Sdp, now: u64) {
        self.before = self.local.take().zip(self.remote.take());
        (self.local, self.remote) = (Some(local), Some(remote));
        (self.sent, self.received, self.refused) = (None, None, false);
        self.agreed_at = now;
    }
}

#[derive(Clone, Debug)]
pub struct Dialog {
    pub call_id: u32,
    pub local_tag: u32,
    pub remote_tag: u32,
    pub caller: bool,
    pub state: State,
    pub confirmed_at: u64,
    pub over_at: u64,
    pub route: Vec<NodeId>,
    pub cseq: u32,
    pub remote_cseq: u32,
    pub media: OfferAnswer,
    /// The received initial INVITE, until its final reply.
    pub invite: Option<Message>,
    /// Our re-INVITE or UPDATE without a final reply yet.
    pub pending: Option<(u64, Method)>,
    /// Our 2xx to a request without an offer carried one.
    pub offered_in_success: bool,
    /// The CSeq of the last INVITE that we answered with 2xx.
    pub answered_cseq: u32,
    /// The ACKs that we have sent for 2xx replies.
    acks: Vec<Message>,
    /// The last reliable provisional reply that we acknowledged, or sent.
    pub acknowledged: Option<u32>,
    /// Our answer in a provisional reply.
    pub first_answer: Option<Sdp>,
    /// When a provisional reply with SDP came or was sent.
    pub early_media_at: u64,
    /// When it came or was sent first.
    pub first_media_at: u64,
    /// When the INVITE came, or the last provisional reply was sent.
    pub rang_at: u64,
    /// Our 2xx to the initial INVITE waits for its ACK: no BYE before it (RFC 3261
    /// 15).
    pub waits_for_ack: bool,
    /// The user has hung up.
    pub hung_up: bool,
    /// A reliable provisional reply of ours waits for its PRACK.
    pub unacknowledged: bool,
    pub held: bool,
    pub listens: bool,
    /// Its answers name the address that the offer names.
    pub mirrors: bool,
    held_by_zero: bool,
    second_removed: bool,
    version: u32,
    /// The local ends before the last change of ports.
    previous: Vec<(EndId, SocketAddr)>,
}

impl Dialog {
    pub fn new(call_id: u32, local_tag: u32, remote_tag: u32, caller: bool) -> Self {
        Dialog {
            call_id,
            local_tag,
            remote_tag,
            caller,
            state: State::Early,
            confirmed_at: 0,
            over_at: 0,
            route: Vec::new(),
            cseq: 1,
            remote_cseq: 0,
            media: OfferAnswer::default(),
            invite: None,
            pending: None,
            offered_in_success: false,
            answered_cseq: 0,
            acks: Vec::new(),
            acknowledged: None,
            first_answer: None,
            early_media_at: 0,
            first_media_at: 0,
            rang_at: 0,
            unacknowledged: false,
            waits_for_ack: false,
            hung_up: false,
            held: false,
            listens: false,
            mirrors: false,
            held_by_zero: false,
            second_removed: false,
            version: 1,
            previous: Vec::new(),
        }
    }

    pub fn is_live(&self) -> bool {
        matches!(self.state, State::Early | State::Confirmed)
    }

    pub fn note_early_media(&mut self, now: u64) {
        self.early_media_at = now;
        if self.first_media_at == 0 {
            self.first_media_at = now;
        }
    }

    /// True when the next provisional reply is due.
    pub fn rings_on(&self, now: u64) -> bool {
        self.state == State::Early && self.invite.is_some() && now >= self.rang_at + 60_000
    }

    pub fn end(&mut self, now: u64) {
        if self.state != State::Over {
            self.state = State::Over;
            self.over_at = now;
        }
    }

    pub fn give_up(&mut self, now: u64) {
        (self.state, self.over_at) = (State::GivenUp, now);
    }

    /// True when a reply is to a request of this dialog.
    pub fn is_of(&self, reply: &Message) -> bool {
        (self.call_id, self.local_tag, self.remote_tag)
            == (reply.call_id, reply.from_tag, reply.to_tag)
    }

    /// True when an offer may be made (RFC 3264 4, RFC 3311 5.1).
    pub fn is_stable(&self) -> bool {
        let media = &self.media;
        self.pending.is_none()
            && media.sent.is_none()
            && media.received.is_none()
            && !self.offered_in_success
            && media.local.is_some()
    }

    /// The answer to our offer has come. Without SDP an earlier one holds.
    pub fn accept_answer(&mut self, offer: Sdp, answer: Option<Sdp>, now: u64) {
        let early = self.media.remote.is_some() && self.state == State::Early;
        if let Some(answer) = answer {
            self.media.agree(offer, answer, now);
        } else if !early {
            self.media.sent = None;
        }
    }

    /// Keeps the ACK for a 2xx, which may come again.
    pub fn keep_ack(&mut self, ack: Message) {
        self.acks.push(ack);
    }

    /// The ACK for the 2xx to the INVITE with this CSeq.
    pub fn ack(&self, cseq: u32) -> Option<Message> {
        self.acks.iter().find(|ack| ack.cseq == cseq).cloned()
    }

    pub fn confirm(&mut self, now: u64) {
        self.state = State::Confirmed;
        self.confirmed_at = now;
    }

    /// A request within the dialog.
    pub fn request(&mut self, method: Method, phone: NodeId, context: &mut Context<'_>) -> Message {
        self.cseq += 1;
        let cseq = self.cseq;
        Message { cseq, ..self.request_with_cseq(method, cseq, phone, context) }
    }

    pub fn request_with_cseq(
        &self,
        method: Method,
        cseq: u32,
        phone: NodeId,
        context: &mut Context<'_>,
    ) -> Message {
        Message {
            status: None,
            method,
            cseq,
            call_id: self.call_id,
            from_tag: self.local_tag,
            to_tag: self.remote_tag,
            vias: vec![Via { node: phone, branch: context.ids.branch() }],
            route: self.route.clone(),
            record_route: Vec::new(),
            contact: phone,
            origin: None,
            sdp: None,
            rseq: None,
        }
    }

    /// The next offer. The agreed description stays until the answer.
    pub fn offer(
        &mut self,
        change: Change,
        phone: NodeId,
        context: &mut Context<'_>,
    ) -> Option<Sdp> {
        let ids = &mut *context.ids;
        let mut sdp = self.media.local.clone()?;
        sdp.offered_at = context.now;
        match change {
            Change::Hold => (self.held, self.held_by_zero) = (true, false),
            Change::HoldZero => (self.held, self.held_by_zero) = (true, true),
            Change::Resume => (self.held, self.held_by_zero) = (false, false),
            Change::Second => self.second_removed = !self.second_removed,
            Change::Ports | Change::Back => self.change_ports(&mut sdp, change, phone, ids),
            Change::Same | Change::Delayed | Change::Trickle => {}
        }
        let ip = ids.ends.iter().rev().find(|end| end.owner == phone)?.address.ip();
        for (number, line) in sdp.lines.iter_mut().enumerate() {
            if number == 1 && self.second_removed {
                line.address.set_port(0);
                line.end = 0;
            } else if !line.is_active() && number == 1 && change == Change::Second {
                let address = SocketAddr::new(ip, 2_000 + 2 * ids.ends.len() as u16);
                (line.address, line.end) = (address, ids.end(phone, address));
            }
            if let Some(end) = ids.ends.get((line.end as usize).wrapping_sub(1)) {
                line.address = end.address;
            }
            let zero = self.held_by_zero && line.is_active();
            line.address.set_ip(if zero { IpAddr::V4(Ipv4Addr::UNSPECIFIED) } else { ip });
            if change == Change::Trickle && line.is_active() {
                line.address = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 9);
            }
            line.direction = self.wanted();
        }
        self.version += 1;
        sdp.version = self.version;
        Some(sdp)
    }

    fn change_ports(&mut self, sdp: &mut Sdp, change: Change, phone: NodeId, ids: &mut Ids) {
        let before: Vec<_> = sdp.lines.iter().map(|line| (line.end, line.address)).collect();
        for (number, line) in sdp.lines.iter_mut().enumerate().filter(|(_, l)| l.is_active()) {
            let earlier = self.previous.get(number).filter(|(end, _)| *end != 0);
            match earlier.filter(|_| change == Change::Back) {
                Some((end, address)) => (line.end, line.address) = (*end, *address),
                None => {
                    let Some(end) = ids.ends.iter().rev().find(|end| end.owner == phone) else {
                        continue;
                    };
                    let ip = end.address.ip();
                    let address = SocketAddr::new(ip, 2_000 + 2 * ids.ends.len() as u16);
                    (line.address, line.end) = (address, ids.end(phone, address));
                }
            }
        }
        self.previous = before;
    }

    fn wanted(&self) -> Direction {
        match (self.held, self.listens) {
            (true, _) => Direction::SendOnly,
            (false, true) => Direction::ReceiveOnly,
            (false, false) => Direction::Both,
        }
    }

    /// The answer to an offer. `refused` has a bit for each line that is refused;
    /// with bit 0x80 these lines have another transport.
    pub fn answer(
        &mut self,
        offer: &Sdp,
        refused: u8,
        ip: IpAddr,
        phone: NodeId,
        ids: &mut Ids,
    ) -> Sdp {
        let earlier = self.media.local.clone();
        let (wanted, mirrors) = (self.wanted(), self.mirrors);
        let line = |(number, offered): (usize, &Line)| {
            let mut line = *offered;
            if !offered.is_active() || refused & 1 << number != 0 {
                line.address = SocketAddr::new(ip, 0);
                line.end = 0;
                line.other_transport = refused & 0x80 != 0;
                return line;
            }
            let kept = earlier.as_ref().and_then(|sdp| sdp.lines.get(number));
            match kept.filter(|kept| kept.is_active() && kept.kind == offered.kind) {
                Some(kept) => (line.address, line.end) = (kept.address, kept.end),
                None => {
                    let address = SocketAddr::new(ip, 2_000 + 2 * ids.ends.len() as u16);
                    (line.address, line.end) = (address, ids.end(phone, address));
                }
            }
            line.address.set_ip(ip);
            if mirrors {
                line.address = offered.address;
            }
            let reachable = !offered.address.ip().is_unspecified();
            line.direction = Direction::new(
                wanted.sends() && offered.direction.receives() && reachable,
                wanted.receives() && offered.direction.sends(),
            );
            line
        };
        let lines = offer.lines.iter().enumerate().map(line).collect();
        self.version += 1;
        let (origin, version, offered_at) = (self.local_tag, self.version, offer.offered_at);
        Sdp { origin, version, lines, marked: false, offered_at }
    }
}

/// The first offer of a phone.
pub fn first_offer(
    kinds: &[Kind],
    tag: u32,
    ip: IpAddr,
    phone: NodeId,
    context: &mut Context<'_>,
) -> Sdp {
    let ids = &mut *context.ids;
    let line = |kind: &Kind| {
        let address = SocketAddr::new(ip, 2_000 + 2 * ids.ends.len() as u16);
        let end = ids.end(phone, address);
        Line { kind: *kind, address, direction: Direction::Both, end, other_transport: false }
    };
    let lines = kinds.iter().map(line).collect();
    Sdp { origin: tag, version: 1, lines, marked: false, offered_at: context.now }
}
