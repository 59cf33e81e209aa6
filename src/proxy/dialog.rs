//! One dialog of a session: its CSeq numbers, the offer in force, and its streams
//! in three places (RFC 3264): agreed, offered and lingering.
//!
//! The protocol does not say which message is an offer. The first message of a
//! CSeq is the offer; a message of the other side with the same CSeq is its
//! answer, also when the offer came in a reply.

use std::net::SocketAddr;

use super::answer::Answers;
use super::branches::Branches;
use super::control::Kind;
use super::family::{Side, Sides};
use super::ids::{ChannelId, PeerId};
use super::learning::{Change, Millis};
use super::lines::Lines;
use super::media_ports::MediaPorts;
use super::offer::{Doubt, Meaning, Offer, Progress};
use super::opening::{Before, Families};
use super::refusal::Refusal;
use super::stream::Stream;
use super::update::Update;

/// How long the ports that an answered re-offer replaced stay open, for packets
/// already on their way.
const LINGER: Millis = 2_000;
/// How long an offer may be answered that another one has crossed: 64 x T1.
const CROSSING_TIME: Millis = 32_000;

/// A stream that a re-offer replaced.
#[derive(Clone, Debug)]
struct Lingering {
    line: usize,
    stream: Stream,
    until: Millis,
}

/// A dialog, early or confirmed.
#[derive(Clone, Debug)]
pub(super) struct Dialog {
    /// The callee's tag; empty for a null tag, and while it is unnamed.
    pub(super) tag: Box<[u8]>,
    /// No message has given its tag yet.
    pub(super) unnamed: bool,
    /// The callee, on its side of the media ports.
    pub(super) peer: PeerId,
    pub(super) confirmed: bool,
    /// The server has no such dialog: its offer keeps nothing.
    pub(super) foreign: bool,
    pub(super) branches: Branches,
    /// The last CSeq of an offer in each direction.
    cseqs: Sides<Option<u32>>,
    /// The CSeq of the last final reply in each direction.
    finals: Sides<Option<u32>>,
    offer: Option<Offer>,
    offers: u32,
    agreed: Lines,
    /// The streams of the offer in force until its answer is final.
    offered: Option<Lines>,
    /// The unanswered offer of the other side, or in its transaction, which the one in
    /// force has crossed: both are refused, or the later one, and then this one may be
    /// answered.
    crossing: Option<(Offer, Lines)>,
    /// At most one for each m= line.
    lingering: Vec<Lingering>,
    /// The channels that the callee may be a peer of.
    joined: Vec<ChannelId>,
    pub(super) answers: Answers,
}

impl Dialog {
    /// A dialog in which nothing was offered.
    pub(super) fn new(tag: &[u8], peer: PeerId) -> Self {
        Dialog {
            tag: tag.into(),
            unnamed: false,
            peer,
            confirmed: false,
            foreign: false,
            branches: Branches::default(),
            cseqs: Sides::default(),
            finals: Sides::default(),
            offer: None,
            offers: 0,
            agreed: Lines::default(),
            offered: None,
            crossing: None,
            lingering: Vec::new(),
            joined: Vec::new(),
            answers: Answers::default(),
        }
    }

    /// A dialog that may answer the initial offer.
    pub(super) fn of_initial_offer(
        tag: &[u8],
        peer: PeerId,
        cseq: u32,
        lines: Lines,
        since: Millis,
    ) -> Self {
        let (direction, offerer) = (Side::Caller, Side::Caller);
        Dialog {
            cseqs: Sides { caller: Some(cseq), callee: None },
            offer: Some(Offer {
                direction,
                cseq,
                offerer,
                progress: Progress::Open,
                since,
                number: 0,
                doubt: None,
            }),
            offered: Some(lines),
            ..Dialog::new(tag, peer)
        }
    }

    /// Processes a message with SDP and returns the ports of its receiver. A
    /// refusal leaves the dialog unchanged.
    pub(super) fn update(
        &mut self,
        update: &Update,
        (families, room): (Families, usize),
        media: &mut dyn MediaPorts,
    ) -> Result<Vec<Option<SocketAddr>>, Refusal> {
        let last_final = *self.finals.get(update.direction);
        if update.is_early() && last_final == Some(update.request.cseq) {
            // RFC 3261 section 13.2.2.1: it was on its way when the final reply came.
            return Ok(self.ports(update.receiver(), media));
        }
        let ports = self.take_sdp(update, (families, room), media)?;
        self.note_final(update);
        Ok(ports)
    }

    /// A final reply is the last one of its transaction.
    fn note_final(&mut self, update: &Update) {
        if update.is_final_reply() {
            *self.finals.get_mut(update.direction) = Some(update.request.cseq);
        }
    }

    fn take_sdp(
        &mut self,
        update: &Update,
        (families, room): (Families, usize),
        media: &mut dyn MediaPorts,
    ) -> Result<Vec<Option<SocketAddr>>, Refusal> {
        if self.answers_crossing(update) {
            self.put_crossing_in_force();
        }
        match self.meaning(update) {
            Meaning::Offer => self.take_offer(update, (families, room), media)?,
            Meaning::OfferAgain => self.take_offer_again(update, media),
            Meaning::Answer => {
                self.take_answer(update, media);
                if !update.is_early() {
                    return Ok(self.agreed.ports(update.receiver(), media));
                }
            }
            Meaning::CrossingAgain => {
                let crossing = self.crossing.iter();
                let ports = crossing.map(|(_, lines)| lines.ports(update.receiver(), media));
                return Ok(ports.flatten().collect());
            }
            Meaning::Stale => return Ok(self.stale_ports(update, media)),
        }
        Ok(self.ports(update.receiver(), media))
    }

    fn meaning(&self, update: &Update) -> Meaning {
        let cseq = update.request.cseq;
        if self.cseqs.get(update.direction).is_none_or(|known| cseq > known) {
            return Meaning::Offer;
        }
        let offer = self.offer.filter(|offer| offer.direction == update.direction);
        match offer.filter(|offer| offer.cseq == cseq) {
            None if self.crossing_of(update).is_some() => Meaning::CrossingAgain,
            None => Meaning::Stale,
            Some(offer) if offer.offerer == update.sender => Meaning::OfferAgain,
            Some(_) => Meaning::Answer,
        }
    }

    /// The crossing offer, if the message belongs to its transaction.
    fn crossing_of(&self, update: &Update) -> Option<&Offer> {
        let (offer, _) = self.crossing.as_ref()?;
        let same = (offer.direction, offer.cseq) == (update.direction, update.request.cseq);
        same.then_some(offer)
    }

    fn answers_crossing(&self, update: &Update) -> bool {
        self.crossing_of(update).is_some_and(|offer| offer.offerer != update.sender)
    }

    /// The offer in force and the crossing one change places.
    fn put_crossing_in_force(&mut self) {
        let before = self.offer.zip(self.offered.take());
        if let Some((offer, lines)) = std::mem::replace(&mut self.crossing, before) {
            (self.offer, self.offered) = (Some(offer), Some(lines));
        }
    }

    /// True when the message is, or would be with SDP, a new offer.
    pub(super) fn is_offer(&self, update: &Update) -> bool {
        self.meaning(update) == Meaning::Offer
    }

    fn take_offer(
        &mut self,
        update: &Update,
        (families, room): (Families, usize),
        media: &mut dyn MediaPorts,
    ) -> Result<(), Refusal> {
        let answered_early = self.offer.is_some_and(|offer| offer.progress == Progress::Early);
        let early = self.offered.as_ref().filter(|_| answered_early).map(Lines::accepted);
        let agreed = early.as_ref().unwrap_or(&self.agreed);
        let offered = self.offered.iter().flat_map(|lines| lines.0.iter().enumerate());
        let offered = offered.filter_map(|(line, stream)| Some((Some(line), stream.as_ref()?)));
        let crossing = self.crossing.iter().flat_map(|(_, lines)| lines.streams());
        let crossing = crossing.map(|stream| (None, stream));
        let before = Before {
            agreed,
            others: offered.chain(crossing).collect(),
            families,
            callee: self.peer,
            room,
        };
        let lines = before.open(update, media)?;
        if answered_early {
            self.settle(media, update.now);
        }
        let direction = update.direction;
        let open = self.offer.filter(|offer| offer.progress == Progress::Open);
        // The answer in an ACK may be overtaken by the next offer of its sender.
        let crosses =
            |offer: &Offer| offer.direction != direction || offer.offerer != update.sender;
        match open.filter(crosses).zip(self.offered.take()) {
            Some(crossed) => self.crossing = Some(crossed),
            // One in the sender's own transaction still waits for its ACK.
            None => self.crossing = self.crossing.take().filter(|(offer, _)| crosses(offer)),
        }
        let cseq = update.request.cseq;
        *self.cseqs.get_mut(direction) = Some(cseq);
        let (offerer, progress, since) = (update.sender, Progress::Open, update.now);
        self.offers = self.offers.wrapping_add(1);
        let number = self.offers;
        let doubt = None;
        self.offer = Some(Offer { direction, cseq, offerer, progress, since, number, doubt });
        let peer = self.peer_of(update.sender);
        let offered = self.offered.insert(lines);
        offered.apply(update, peer, &self.agreed, media);
        Ok(())
    }

    /// The offer again with another SDP. A request has one SDP (RFC 3261 section
    /// 8.1.1.5): its copy changes nothing. Replies may differ, provisional and final.
    fn take_offer_again(&mut self, update: &Update, media: &mut dyn MediaPorts) {
        if update.request.kind == Kind::Request {
            return;
        }
        let peer = self.peer_of(update.sender);
        match &mut self.offered {
            Some(lines) => lines.apply(update, peer, &self.agreed, media),
            None => self.agreed.apply(update, peer, &Lines::default(), media),
        }
    }

    fn take_answer(&mut self, update: &Update, media: &mut dyn MediaPorts) {
        let peer = self.peer_of(update.sender);
        let mut lines = self.offered.take().unwrap_or_else(|| self.agreed.clone());
        lines.apply(update, peer, &self.agreed, media);
        if self.offer.is_some_and(|offer| offer.doubt == Some(Doubt::Muted)) {
            self.expect_callee(&lines, media, update.now);
        }
        self.offered = Some(lines);
        if update.is_early() {
            self.note_progress(Progress::Early);
        } else {
            self.settle(media, update.now);
        }
    }

    fn note_progress(&mut self, progress: Progress) {
        if let Some(offer) = &mut self.offer {
            (offer.progress, offer.doubt) = (progress, None);
        }
    }

    /// The streams of these lines that are not agreed.
    fn not_agreed<'l>(&'l self, lines: &'l Lines) -> impl Iterator<Item = &'l Stream> {
        lines.streams().filter(|stream| self.agreed.with_channel(stream.channel).is_none())
    }

    /// Expects the callee on the ports that it lost.
    fn expect_callee(&self, lines: &Lines, media: &mut dyn MediaPorts, now: Millis) {
        for stream in self.not_agreed(lines) {
            stream.expect((Side::Callee, self.peer), Change::Replace, media, now);
        }
    }

    /// The offer was probably refused: what is not agreed passes no longer.
    fn mute_doubtful(&mut self, media: &mut dyn MediaPorts, now: Millis) {
        let doubt = self.offer.as_mut().and_then(|offer| offer.doubt.as_mut());
        let Some(doubt) = doubt.filter(|doubt| matches!(doubt, Doubt::Until(at) if *at <= now))
        else {
            return;
        };
        *doubt = Doubt::Muted;
        for stream in self.offered.iter().flat_map(|lines| self.not_agreed(lines)) {
            media.remove_peer((stream.channel, Side::Callee), self.peer);
        }
    }

    /// A final reply without SDP: an answer that came in a provisional reply to the
    /// same request is final (RFC 3261 section 13.2.1).
    pub(super) fn settle_early_answer(&mut self, update: &Update, media: &mut dyn MediaPorts) {
        self.note_final(update);
        let early = self.offer.is_some_and(|offer| {
            offer.progress == Progress::Early
                && (offer.direction, offer.cseq) == (update.direction, update.request.cseq)
        });
        if early {
            self.settle(media, update.now);
        }
    }

    /// The offered streams are agreed, but those that the answer refused.
    fn settle(&mut self, media: &mut dyn MediaPorts, now: Millis) {
        self.note_progress(Progress::Answered);
        let Some(offered) = self.offered.take() else { return };
        let agreed = offered.accepted();
        agreed.expect_changes(&self.agreed, self.peer, media, now);
        let before = std::mem::replace(&mut self.agreed, agreed);
        let agreed = &self.agreed;
        let in_use = |stream: &Stream| agreed.with_channel(stream.channel).is_some();
        self.lingering.retain(|old| !in_use(&old.stream));
        for (line, stream) in before.0.into_iter().enumerate() {
            let Some(stream) = stream.filter(|stream| !in_use(stream)) else { continue };
            // Another dialog may have the same ports.
            media.demote((stream.channel, Side::Callee), self.peer);
            self.lingering.retain(|old| old.line != line);
            self.lingering.push(Lingering { line, stream, until: now.saturating_add(LINGER) });
        }
        self.end_crossing(media, now);
    }

    /// An offer was answered. An earlier one was refused; a later one may follow the
    /// answer that it has overtaken (RFC 5407 section 3.1).
    fn end_crossing(&mut self, media: &mut dyn MediaPorts, now: Millis) {
        let Some((mut crossing, mut lines)) = self.crossing.take() else { return };
        crossing.doubt = Some(Doubt::Until(now.saturating_add(LINGER)));
        if self.offer.is_some_and(|answered| answered.number < crossing.number) {
            let answerer = crossing.offerer.other();
            lines.expect_as(&self.agreed, (answerer, self.peer_of(answerer)), media, now);
            (self.offer, self.offered) = (Some(crossing), Some(lines));
        }
    }

    fn peer_of(&self, side: Side) -> PeerId {
        if side == Side::Caller { PeerId::CALLER } else { self.peer }
    }

    /// The streams of the offer in force, else the agreed ones.
    pub(super) fn lines(&self) -> &Lines {
        self.offered.as_ref().unwrap_or(&self.agreed)
    }

    pub(super) fn agreed(&self) -> &Lines {
        &self.agreed
    }

    /// The ports that a side sends to.
    pub(super) fn ports(&self, side: Side, media: &dyn MediaPorts) -> Vec<Option<SocketAddr>> {
        self.lines().ports(side, media)
    }

    /// The ports for a message whose offer was replaced by a later one, or has come
    /// after it: those that it names itself (a spiral), else those of the streams that match
    /// it. Where nothing is agreed yet, those in force, since its sender is known by the
    /// later message only. No stream changes.
    fn stale_ports(&self, update: &Update, media: &dyn MediaPorts) -> Vec<Option<SocketAddr>> {
        let items = update.items().unwrap_or_default();
        let mut ports = match self.agreed.0.is_empty() {
            true => self.ports(update.receiver(), media),
            false => self.agreed.ports_of_matches(update, items, media),
        };
        let offered = self.lines().ports_of_matches(update, items, media);
        for ((port, offered), item) in ports.iter_mut().zip(offered).zip(items) {
            let named = self.streams().find(|stream| stream.is_spiral(update, item, media));
            let named = named.and_then(|stream| media.local(stream.channel, update.receiver()));
            *port = named.or(offered).or(*port);
        }
        ports
    }

    /// Another branch has taken the call: it was learned beside others, perhaps
    /// from their packets, and is learned again.
    pub(super) fn learn_callee_again(&self, media: &mut dyn MediaPorts, now: Millis) {
        let side = (Side::Callee, self.peer);
        for stream in self.lines().streams() {
            stream.expect(side, Change::Reopen, media, now);
        }
    }

    /// The callee's packets are no longer accepted on ports that are in no place any
    /// more: other dialogs may have the same ports.
    pub(super) fn leave_unused(&mut self, media: &mut dyn MediaPorts) {
        let mut used: Vec<ChannelId> = self.channels().collect();
        used.sort_unstable();
        used.dedup();
        for channel in &self.joined {
            if used.binary_search(channel).is_err() {
                media.remove_peer((*channel, Side::Callee), self.peer);
            }
        }
        self.joined = used;
    }

    /// The callee's packets are no longer accepted.
    pub(super) fn remove_callee(&self, media: &mut dyn MediaPorts) {
        let mut channels: Vec<ChannelId> = self.channels().collect();
        channels.sort_unstable();
        channels.dedup();
        for channel in channels {
            media.remove_peer((channel, Side::Callee), self.peer);
        }
    }

    /// No longer keeps the streams whose time is over. True when there were some.
    pub(super) fn drop_lingering(&mut self, media: &mut dyn MediaPorts, now: Millis) -> bool {
        self.mute_doubtful(media, now);
        let before = (self.crossing.is_some(), self.lingering.len());
        let in_time = |(offer, _): &(Offer, Lines)| now.saturating_sub(offer.since) < CROSSING_TIME;
        self.crossing = self.crossing.take().filter(in_time);
        self.lingering.retain(|old| now < old.until);
        before != (self.crossing.is_some(), self.lingering.len())
    }

    /// The streams in all places.
    fn streams(&self) -> impl Iterator<Item = &Stream> {
        let offered = self.offered.iter().flat_map(Lines::streams);
        let lingering = self.lingering.iter().map(|old| &old.stream);
        let crossing = self.crossing.iter().flat_map(|(_, lines)| lines.streams());
        self.agreed.streams().chain(offered).chain(crossing).chain(lingering)
    }

    /// The channels of all its streams.
    pub(super) fn channels(&self) -> impl Iterator<Item = ChannelId> {
        self.streams().map(|stream| stream.channel)
    }

    /// True while an offer in a request waits for its answer.
    pub(super) fn waits(&self) -> bool {
        let in_request =
            |offer: Offer| offer.progress == Progress::Open && offer.offerer == offer.direction;
        !self.foreign && self.offer.is_some_and(in_request)
    }

    /// True while no SDP of the callee is part of it.
    pub(super) fn is_silent(&self) -> bool {
        let offered_only =
            |offer: Offer| offer.progress == Progress::Open && offer.offerer == Side::Caller;
        !self.confirmed && self.agreed.0.is_empty() && self.offer.is_none_or(offered_only)
    }
}
