//! One session: its two sides, its streams, and how offers and answers change
//! them (RFC 3264). Pure: sockets are behind [`MediaPorts`], time is passed in.
//!
//! The protocol does not say which message is an offer. The first message of a
//! CSeq is the offer; a message of the other side with the same CSeq is its
//! answer, also when the offer came in a reply.

use std::net::IpAddr;

use super::control::{Item, Kind};
use super::family::{Family, Side, Sides};
use super::learning::Millis;
use super::media_ports::{ChannelId, MediaPorts};
use super::refusal::Refusal;
use super::stream::{Slot, Stream};
use super::update::Update;

/// How long the ports that an answered re-offer replaced stay open, for packets
/// already on their way.
const LINGER: Millis = 2_000;

/// An address and, for each stream of the message, a port or 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) address: IpAddr,
    pub(super) ports: Vec<u16>,
}

/// The CSeq numbers of one direction: the first and the last received.
#[derive(Clone, Copy, Debug)]
struct Sequence {
    first: u32,
    last: u32,
}

#[derive(Debug, Default)]
struct Peer {
    tag: Box<[u8]>,
    family: Option<Family>,
    sequence: Option<Sequence>,
}

/// The offer in force.
#[derive(Clone, Copy, Debug)]
struct Offer {
    /// The side whose request and CSeq the offer belongs to.
    direction: Side,
    offerer: Side,
    /// The offer came in a provisional reply, so its answer does not mean that
    /// the call is answered.
    early: bool,
}

/// The phase of a session, which selects its timeout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Unanswered,
    Answered,
    Held,
}

/// A session.
#[derive(Debug)]
pub(super) struct Session {
    peers: Sides<Peer>,
    offer: Offer,
    slots: Vec<Slot>,
    answered: bool,
    /// The offer in force has a final answer.
    offer_answered: bool,
    created: Millis,
    /// When the last new offer or answer came.
    changed: Millis,
}

/// The meaning of a message for its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    Offer,
    /// The offer in force again, perhaps from another branch.
    OfferAgain,
    Answer,
    /// Belongs to an offer that a later one replaced.
    Stale,
    /// The CSeq is older than the first one of its direction.
    Unknown,
}

impl Session {
    /// An empty session. The From tag of the first [`Session::update`] is the
    /// caller's.
    pub(super) fn new(now: Millis) -> Self {
        Session {
            peers: Sides::default(),
            offer: Offer { direction: Side::Caller, offerer: Side::Caller, early: false },
            slots: Vec::new(),
            answered: false,
            offer_answered: false,
            created: now,
            changed: now,
        }
    }

    /// Processes a message. A refusal is answered with `error` and leaves the
    /// session unchanged.
    pub(super) fn update(
        &mut self,
        update: Update,
        media: &mut dyn MediaPorts,
    ) -> Result<Answer, Refusal> {
        match self.meaning(&update) {
            Meaning::Offer => self.take_offer(update, media),
            Meaning::OfferAgain => self.take_offer_again(update, media),
            Meaning::Answer => self.take_answer(update, media),
            Meaning::Stale => self.answer_stale(update, media),
            Meaning::Unknown => Err(Refusal::OutOfPlace),
        }
    }

    fn meaning(&self, update: &Update) -> Meaning {
        let cseq = update.request.cseq;
        let Some(known) = self.peers.get(update.direction).sequence else {
            return Meaning::Offer;
        };
        if cseq > known.last {
            Meaning::Offer
        } else if cseq < known.first {
            Meaning::Unknown
        } else if cseq < known.last || self.offer.direction != update.direction {
            Meaning::Stale
        } else if update.sender == self.offer.offerer {
            Meaning::OfferAgain
        } else {
            Meaning::Answer
        }
    }

    fn take_offer(
        &mut self,
        update: Update,
        media: &mut dyn MediaPorts,
    ) -> Result<Answer, Refusal> {
        let items = update.request.media.as_deref().ok_or(Refusal::OutOfPlace)?;
        let families = self.families(&update, media).ok_or(Refusal::NoAddress)?;
        let address =
            media.relay_address(*families.get(update.receiver())).ok_or(Refusal::NoAddress)?;
        let mut chosen = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let kept = self.slots.get(index).and_then(|slot| {
                let fits = |stream: &&Stream| stream.fits(&update, item, families, media);
                slot.current.as_ref().filter(fits).or(slot.previous.as_ref().filter(fits))
            });
            let stream = match kept {
                _ if item.port == 0 => None,
                Some(kept) => Some(kept.clone()),
                None => match media.open(families) {
                    Ok(channel) => {
                        let before = self.slots.get(index).and_then(|slot| slot.current.as_ref());
                        Some(Stream::new(channel, before, &update, item, media))
                    }
                    Err(refusal) => {
                        self.close_unlisted(&chosen, media);
                        return Err(refusal);
                    }
                },
            };
            chosen.push(stream);
        }
        self.note_sender(&update, Some(families));
        self.note_sequence(&update);
        let answered = self.offer_answered;
        self.offer_answered = false;
        self.changed = update.now;
        for slot in self.slots.drain(chosen.len().min(self.slots.len())..) {
            slot.close(media);
        }
        self.slots.resize_with(chosen.len(), Slot::default);
        for (slot, stream) in self.slots.iter_mut().zip(chosen) {
            slot.replace(stream, answered, media);
        }
        let ports = self.apply_items(&update, false, media);
        Ok(Answer { address, ports })
    }

    fn take_answer(
        &mut self,
        update: Update,
        media: &mut dyn MediaPorts,
    ) -> Result<Answer, Refusal> {
        let early = update.is_early();
        let tag = update.sender_tag();
        let known = &*self.peers.get(update.sender).tag;
        if early && self.offer_answered && (tag.is_empty() || tag != known) {
            // Another branch is still ringing; the call is answered already.
            return self.current_ports(&update, media);
        }
        let answer = self.apply_update(update, media)?;
        if !early {
            if !self.offer_answered {
                self.changed = update.now;
                self.offer_answered = true;
                for slot in &mut self.slots {
                    slot.previous_until = slot.previous.as_ref().map(|_| update.now + LINGER);
                }
            }
            if !self.offer.early {
                self.note_answered(update.now);
            }
            let reject = update.request.media.as_deref();
            for (index, slot) in self.slots.iter_mut().enumerate() {
                let refused =
                    reject.is_some_and(|items| items.get(index).is_none_or(|item| item.port == 0));
                if refused {
                    slot.current.take().into_iter().for_each(|stream| media.close(stream.channel));
                }
            }
        }
        Ok(answer)
    }

    fn take_offer_again(
        &mut self,
        update: Update,
        media: &mut dyn MediaPorts,
    ) -> Result<Answer, Refusal> {
        let answer = self.apply_update(update, media)?;
        if update.request.kind == Kind::Reply && !update.is_early() {
            // The final reply; the offer was in an earlier provisional one.
            self.offer.early = false;
            if self.offer_answered {
                self.note_answered(update.now);
            }
        }
        Ok(answer)
    }

    /// Notes that the call is answered: the idle timeout starts.
    fn note_answered(&mut self, now: Millis) {
        if !self.answered {
            self.answered = true;
            self.changed = now;
        }
    }

    /// Applies the SDP of a message to the existing streams.
    fn apply_update(
        &mut self,
        update: Update,
        media: &mut dyn MediaPorts,
    ) -> Result<Answer, Refusal> {
        let branch = self.note_sender(&update, None);
        if update.request.media.is_none() {
            return self.current_ports(&update, media);
        }
        let ports = self.apply_items(&update, branch, media);
        Ok(Answer { address: self.answer_address(&update, media)?, ports })
    }

    /// Answers with the ports in use; nothing changes.
    fn current_ports(&self, update: &Update, media: &dyn MediaPorts) -> Result<Answer, Refusal> {
        let ports = self.slots.iter().map(|slot| slot.port(update.receiver(), media)).collect();
        Ok(Answer { address: self.answer_address(update, media)?, ports })
    }

    /// Answers a message whose offer was replaced by a later one: no stream
    /// changes, and the streams that still match the message have their ports.
    fn answer_stale(
        &mut self,
        update: Update,
        media: &mut dyn MediaPorts,
    ) -> Result<Answer, Refusal> {
        if update.request.kind == Kind::Reply && !update.is_early() {
            self.note_answered(update.now);
        }
        let Some(items) = update.request.media.as_deref() else {
            return self.current_ports(&update, media);
        };
        let port_of = |(index, item): (usize, &Item)| {
            let slot = self.slots.get(index)?;
            let same = slot.current.as_ref()?.matches(update.sender, item);
            same.then(|| slot.port(update.receiver(), media))
        };
        let ports = items.iter().enumerate().map(|item| port_of(item).unwrap_or(0)).collect();
        Ok(Answer { address: self.answer_address(&update, media)?, ports })
    }

    /// Applies each item of the sender's SDP to its stream, and returns the
    /// ports of the other side.
    fn apply_items(
        &mut self,
        update: &Update,
        branch: bool,
        media: &mut dyn MediaPorts,
    ) -> Vec<u16> {
        let items = update.request.media.as_deref().unwrap_or_default();
        let mut ports = Vec::with_capacity(self.slots.len());
        for (index, slot) in self.slots.iter_mut().enumerate() {
            let item = items.get(index).filter(|item| item.port != 0);
            let port = match (item, &mut slot.current) {
                (Some(item), Some(stream)) => {
                    stream.apply_item(update, item, branch, media);
                    slot.port(update.receiver(), media)
                }
                _ => 0,
            };
            ports.push(port);
        }
        ports
    }

    /// The address families of both sides' ports for an offer: the family of the
    /// side's own SDP, or the offer's for a side that has sent none.
    fn families(&self, update: &Update, media: &dyn MediaPorts) -> Option<Sides<Family>> {
        let known = |side: Side| self.peers.get(side).family;
        let sender = update.family().or(known(update.sender));
        let wanted = update.request.receiver_family;
        let receiver = wanted.or(known(update.receiver())).or(sender);
        let available = |family: Option<Family>| {
            let choices = [family, Some(Family::V4), Some(Family::V6)];
            choices.into_iter().flatten().find(|family| media.relay_address(*family).is_some())
        };
        let mut families = Sides { caller: Family::V4, callee: Family::V4 };
        *families.get_mut(update.sender) = available(sender)?;
        *families.get_mut(update.receiver()) = available(receiver)?;
        Some(families)
    }

    fn answer_address(&self, update: &Update, media: &dyn MediaPorts) -> Result<IpAddr, Refusal> {
        let receiver = update.receiver();
        let mut streams = self.slots.iter().filter_map(|slot| slot.current.as_ref());
        let local = streams.find_map(|stream| media.local(stream.channel, receiver));
        let family = self.peers.get(receiver).family.unwrap_or(Family::V4);
        local
            .map(|local| local.ip())
            .or_else(|| media.relay_address(family))
            .or_else(|| media.relay_address(Family::V4))
            .or_else(|| media.relay_address(Family::V6))
            .ok_or(Refusal::NoAddress)
    }

    /// Stores the sender's tag and family. Returns true when the message comes
    /// from another branch than the one before.
    fn note_sender(&mut self, update: &Update, wanted: Option<Sides<Family>>) -> bool {
        if wanted.is_some() && update.request.receiver_family.is_some() {
            self.peers.get_mut(update.receiver()).family = update.request.receiver_family;
        }
        let tag = update.sender_tag();
        let peer = self.peers.get_mut(update.sender);
        peer.family = update.family().or(peer.family);
        let other = !tag.is_empty() && *peer.tag != *tag;
        let branch = other && !peer.tag.is_empty();
        if other {
            peer.tag = tag.into();
        }
        branch
    }

    fn note_sequence(&mut self, update: &Update) {
        let last = update.request.cseq;
        let sequence = &mut self.peers.get_mut(update.direction).sequence;
        let first = sequence.map_or(last, |known| known.first);
        *sequence = Some(Sequence { first, last });
        let early = update.is_early();
        self.offer = Offer { direction: update.direction, offerer: update.sender, early };
    }

    /// Closes the channels among `streams` that no slot has.
    fn close_unlisted(&self, streams: &[Option<Stream>], media: &mut dyn MediaPorts) {
        for stream in streams.iter().flatten() {
            let listed = self.streams().any(|known| known.channel == stream.channel);
            if !listed {
                media.close(stream.channel);
            }
        }
    }

    fn streams(&self) -> impl Iterator<Item = &Stream> {
        self.slots.iter().flat_map(|slot| slot.current.iter().chain(slot.previous.iter()))
    }

    /// Closes streams that a re-offer replaced, [`LINGER`] after its answer.
    pub(super) fn close_replaced(&mut self, media: &mut dyn MediaPorts, now: Millis) {
        for slot in &mut self.slots {
            if slot.previous_until.is_some_and(|until| now >= until) {
                slot.previous_until = None;
                slot.previous.take().into_iter().for_each(|old| media.close(old.channel));
            }
        }
    }

    /// Closes all ports.
    pub(super) fn close(&mut self, media: &mut dyn MediaPorts) {
        for slot in self.slots.drain(..) {
            slot.close(media);
        }
    }

    pub(super) fn phase(&self) -> Phase {
        let mut streams = self.slots.iter().filter_map(|slot| slot.current.as_ref()).peekable();
        let held = streams.peek().is_some() && streams.all(Stream::is_held);
        match (self.answered, held) {
            (false, _) => Phase::Unanswered,
            (true, false) => Phase::Answered,
            (true, true) => Phase::Held,
        }
    }

    /// The time of the last offer, answer or packet.
    pub(super) fn quiet_since(&self, media: &dyn MediaPorts) -> Millis {
        let packets = self.streams().filter_map(|stream| media.last_packet(stream.channel));
        packets.fold(self.changed, Millis::max)
    }

    pub(super) fn created(&self) -> Millis {
        self.created
    }

    /// The media type and channel of each relayed stream.
    pub(super) fn channels(&self) -> impl Iterator<Item = (&[u8], ChannelId)> {
        let current = self.slots.iter().filter_map(|slot| slot.current.as_ref());
        current.map(|stream| (&*stream.media, stream.channel))
    }
}
