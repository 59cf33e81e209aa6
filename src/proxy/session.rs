//! One session: two parties, its streams, and what offers and answers do to
//! them (RFC 3264). Pure: sockets are behind [`Media`], time is passed in.
//!
//! Nobody tells the proxy which message is an offer. The first message of a
//! CSeq is; what the other party sends under the same CSeq answers it, also
//! when the offer came in a reply.

use std::net::IpAddr;

use super::control::{Item, Kind};
use super::family::{Family, Side, Sides};
use super::learning::Millis;
use super::media::{ChannelId, Media};
use super::message::Message;
use super::refusal::Refusal;
use super::stream::{Slot, Stream};

/// How long the ports an answered re-offer replaced stay open: what is still
/// on its way to them arrives.
const LINGER: Millis = 2_000;

/// An address and, for each stream of the message, a port or 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) address: IpAddr,
    pub(super) ports: Vec<u16>,
}

/// The CSeq numbers of one direction: the first that was seen, and the last.
#[derive(Clone, Copy, Debug)]
struct Sequence {
    first: u32,
    last: u32,
}

#[derive(Debug, Default)]
struct Party {
    tag: Box<[u8]>,
    family: Option<Family>,
    sequence: Option<Sequence>,
}

/// The offer in force.
#[derive(Clone, Copy, Debug)]
struct Offer {
    /// Whose request it belongs to: whose CSeq counts.
    direction: Side,
    offerer: Side,
    /// It came in a provisional reply: its answer comes before the call is
    /// answered.
    early: bool,
}

/// Where a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Unanswered,
    Answered,
    Held,
}

/// A session.
#[derive(Debug)]
pub(super) struct Session {
    parties: Sides<Party>,
    offer: Offer,
    slots: Vec<Slot>,
    answered: bool,
    /// A final answer to the offer in force has come.
    settled: bool,
    made: Millis,
    /// The last offer or answer that was new.
    changed: Millis,
}

/// What a message is to a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    Offer,
    /// The offer in force once more, perhaps from another branch.
    OfferAgain,
    Answer,
    /// Overtaken by a later offer.
    Stale,
    Unknown,
}

impl Session {
    /// An empty session, to be filled by [`Session::update`] with its first
    /// message, whose From tag is the caller's.
    pub(super) fn new(now: Millis) -> Self {
        Session {
            parties: Sides::default(),
            offer: Offer { direction: Side::Caller, offerer: Side::Caller, early: false },
            slots: Vec::new(),
            answered: false,
            settled: false,
            made: now,
            changed: now,
        }
    }

    /// Takes a message; a refusal is answered with `error` and has changed
    /// nothing.
    pub(super) fn update(
        &mut self,
        message: Message,
        media: &mut dyn Media,
    ) -> Result<Answer, Refusal> {
        match self.meaning(&message) {
            Meaning::Offer => self.take_offer(message, media),
            Meaning::OfferAgain => self.take_offer_again(message, media),
            Meaning::Answer => self.take_answer(message, media),
            Meaning::Stale => self.recall(message, media),
            Meaning::Unknown => Err(Refusal::OutOfPlace),
        }
    }

    fn meaning(&self, message: &Message) -> Meaning {
        let cseq = message.update.cseq;
        let Some(known) = self.parties.get(message.direction).sequence else {
            return Meaning::Offer;
        };
        if cseq > known.last {
            Meaning::Offer
        } else if cseq < known.first {
            Meaning::Unknown
        } else if cseq < known.last || self.offer.direction != message.direction {
            Meaning::Stale
        } else if message.sender == self.offer.offerer {
            Meaning::OfferAgain
        } else {
            Meaning::Answer
        }
    }

    fn take_offer(&mut self, message: Message, media: &mut dyn Media) -> Result<Answer, Refusal> {
        let items = message.update.media.as_deref().ok_or(Refusal::OutOfPlace)?;
        let families = self.families(&message, media).ok_or(Refusal::NoAddress)?;
        let address =
            media.relay_address(*families.get(message.receiver())).ok_or(Refusal::NoAddress)?;
        let mut chosen = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let kept = self.slots.get(index).and_then(|slot| {
                let fits = |stream: &&Stream| stream.fits(&message, item, families, media);
                slot.current.as_ref().filter(fits).or(slot.previous.as_ref().filter(fits))
            });
            let stream = match kept {
                _ if item.port == 0 => None,
                Some(kept) => Some(kept.clone()),
                None => match media.open(families) {
                    Ok(channel) => {
                        let before = self.slots.get(index).and_then(|slot| slot.current.as_ref());
                        Some(Stream::new(channel, before, &message, item, media))
                    }
                    Err(refusal) => {
                        self.close_unlisted(&chosen, media);
                        return Err(refusal);
                    }
                },
            };
            chosen.push(stream);
        }
        self.note_sender(&message, Some(families));
        self.note_sequence(&message);
        let answered = self.settled;
        self.settled = false;
        self.changed = message.now;
        for slot in self.slots.drain(chosen.len().min(self.slots.len())..) {
            slot.close(media);
        }
        self.slots.resize_with(chosen.len(), Slot::default);
        for (slot, stream) in self.slots.iter_mut().zip(chosen) {
            slot.replace(stream, answered, media);
        }
        let ports = self.describe(&message, false, media);
        Ok(Answer { address, ports })
    }

    fn take_answer(&mut self, message: Message, media: &mut dyn Media) -> Result<Answer, Refusal> {
        let early = message.is_early();
        let tag = message.sender_tag();
        let known = &*self.parties.get(message.sender).tag;
        if early && self.settled && (tag.is_empty() || tag != known) {
            // Another branch still rings; the call has found its party.
            return self.standing(&message, media);
        }
        let answer = self.describe_all(message, media)?;
        if !early {
            if !self.settled {
                self.changed = message.now;
                self.settled = true;
                for slot in &mut self.slots {
                    slot.previous_until = slot.previous.as_ref().map(|_| message.now + LINGER);
                }
            }
            if !self.offer.early {
                self.note_answered(message.now);
            }
            let reject = message.update.media.as_deref();
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
        message: Message,
        media: &mut dyn Media,
    ) -> Result<Answer, Refusal> {
        let answer = self.describe_all(message, media)?;
        if message.update.kind == Kind::Reply && !message.is_early() {
            // The final reply after a provisional one that carried the offer.
            self.offer.early = false;
            if self.settled {
                self.note_answered(message.now);
            }
        }
        Ok(answer)
    }

    /// The call is answered: from now on it may be idle.
    fn note_answered(&mut self, now: Millis) {
        if !self.answered {
            self.answered = true;
            self.changed = now;
        }
    }

    /// Takes the descriptions of a message for the streams there are.
    fn describe_all(&mut self, message: Message, media: &mut dyn Media) -> Result<Answer, Refusal> {
        let branch = self.note_sender(&message, None);
        if message.update.media.is_none() {
            return self.standing(&message, media);
        }
        let ports = self.describe(&message, branch, media);
        Ok(Answer { address: self.answer_address(&message, media)?, ports })
    }

    /// The ports as they are.
    fn standing(&self, message: &Message, media: &dyn Media) -> Result<Answer, Refusal> {
        let ports = self.slots.iter().map(|slot| slot.port(message.receiver(), media)).collect();
        Ok(Answer { address: self.answer_address(message, media)?, ports })
    }

    /// Answers a message that comes too late: nothing changes; the streams
    /// that are still as it says have their ports.
    fn recall(&mut self, message: Message, media: &mut dyn Media) -> Result<Answer, Refusal> {
        if message.update.kind == Kind::Reply && !message.is_early() {
            self.note_answered(message.now);
        }
        let Some(items) = message.update.media.as_deref() else {
            return self.standing(&message, media);
        };
        let as_said = |(index, item): (usize, &Item)| {
            let slot = self.slots.get(index)?;
            let same = slot.current.as_ref()?.is_described(message.sender, item);
            same.then(|| slot.port(message.receiver(), media))
        };
        let ports = items.iter().enumerate().map(|item| as_said(item).unwrap_or(0)).collect();
        Ok(Answer { address: self.answer_address(&message, media)?, ports })
    }

    /// Describes the sender's side of each stream that it wants, and gives
    /// the ports of the other side.
    fn describe(&mut self, message: &Message, branch: bool, media: &mut dyn Media) -> Vec<u16> {
        let items = message.update.media.as_deref().unwrap_or_default();
        let mut ports = Vec::with_capacity(self.slots.len());
        for (index, slot) in self.slots.iter_mut().enumerate() {
            let item = items.get(index).filter(|item| item.port != 0);
            let port = match (item, &mut slot.current) {
                (Some(item), Some(stream)) => {
                    stream.describe(message, item, branch, media);
                    slot.port(message.receiver(), media)
                }
                _ => 0,
            };
            ports.push(port);
        }
        ports
    }

    /// The families of both sides' ports for an offer. What a phone uses is
    /// known from its own descriptions; of one that has sent none, the
    /// offer's family is assumed.
    fn families(&self, message: &Message, media: &dyn Media) -> Option<Sides<Family>> {
        let known = |side: Side| self.parties.get(side).family;
        let sender = message.family().or(known(message.sender));
        let wanted = message.update.receiver_family;
        let receiver = wanted.or(known(message.receiver())).or(sender);
        let available = |family: Option<Family>| {
            let choices = [family, Some(Family::V4), Some(Family::V6)];
            choices.into_iter().flatten().find(|family| media.relay_address(*family).is_some())
        };
        let mut families = Sides { caller: Family::V4, callee: Family::V4 };
        *families.get_mut(message.sender) = available(sender)?;
        *families.get_mut(message.receiver()) = available(receiver)?;
        Some(families)
    }

    fn answer_address(&self, message: &Message, media: &dyn Media) -> Result<IpAddr, Refusal> {
        let receiver = message.receiver();
        let mut streams = self.slots.iter().filter_map(|slot| slot.current.as_ref());
        let local = streams.find_map(|stream| media.local(stream.channel, receiver));
        let family = self.parties.get(receiver).family.unwrap_or(Family::V4);
        local
            .map(|local| local.ip())
            .or_else(|| media.relay_address(family))
            .or_else(|| media.relay_address(Family::V4))
            .or_else(|| media.relay_address(Family::V6))
            .ok_or(Refusal::NoAddress)
    }

    /// Remembers the sender's tag and family. True when another branch
    /// speaks than before.
    fn note_sender(&mut self, message: &Message, wanted: Option<Sides<Family>>) -> bool {
        if wanted.is_some() && message.update.receiver_family.is_some() {
            self.parties.get_mut(message.receiver()).family = message.update.receiver_family;
        }
        let tag = message.sender_tag();
        let party = self.parties.get_mut(message.sender);
        party.family = message.family().or(party.family);
        let other = !tag.is_empty() && *party.tag != *tag;
        let branch = other && !party.tag.is_empty();
        if other {
            party.tag = tag.into();
        }
        branch
    }

    fn note_sequence(&mut self, message: &Message) {
        let last = message.update.cseq;
        let sequence = &mut self.parties.get_mut(message.direction).sequence;
        let first = sequence.map_or(last, |known| known.first);
        *sequence = Some(Sequence { first, last });
        let early = message.is_early();
        self.offer = Offer { direction: message.direction, offerer: message.sender, early };
    }

    /// Closes the channels among `streams` that no slot has.
    fn close_unlisted(&self, streams: &[Option<Stream>], media: &mut dyn Media) {
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

    /// Closes what a re-offer has replaced when its time is over.
    pub(super) fn close_replaced(&mut self, media: &mut dyn Media, now: Millis) {
        for slot in &mut self.slots {
            if slot.previous_until.is_some_and(|until| now >= until) {
                slot.previous_until = None;
                slot.previous.take().into_iter().for_each(|old| media.close(old.channel));
            }
        }
    }

    /// Closes all ports.
    pub(super) fn close(&mut self, media: &mut dyn Media) {
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

    /// Since when nothing has happened: no offer, no answer, no packet.
    pub(super) fn quiet_since(&self, media: &dyn Media) -> Millis {
        let packets = self.streams().filter_map(|stream| media.last_packet(stream.channel));
        packets.fold(self.changed, Millis::max)
    }

    pub(super) fn made(&self) -> Millis {
        self.made
    }

    /// The media type and channel of each relayed stream.
    pub(super) fn channels(&self) -> impl Iterator<Item = (&[u8], ChannelId)> {
        let current = self.slots.iter().filter_map(|slot| slot.current.as_ref());
        current.map(|stream| (&*stream.media, stream.channel))
    }
}
