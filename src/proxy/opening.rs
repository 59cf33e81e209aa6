//! The streams of an offer: ports that are kept, and ports that are opened.

use super::family::{Family, Side, Sides};
use super::ids::{ChannelId, PeerId};
use super::lines::Lines;
use super::media_ports::MediaPorts;
use super::refusal::Refusal;
use super::stream::Stream;
use super::update::Update;

/// The address family of each side, as far as it is known from its SDP.
pub(super) type Families = Sides<Option<Family>>;

/// What an offer may build on.
pub(super) struct Before<'a> {
    /// The streams in use: their ports are kept where the offer allows it, and the
    /// receiver is expected where they expect it.
    pub(super) agreed: &'a Lines,
    /// Further streams with open ports, by m= line or without one.
    pub(super) others: Vec<(Option<usize>, &'a Stream)>,
    pub(super) families: Families,
    /// The callee's peer.
    pub(super) callee: PeerId,
    /// How many streams may be opened.
    pub(super) room: usize,
}

impl Before<'_> {
    /// The streams of an offer. On a refusal no port stays open that was not open
    /// before.
    pub(super) fn open(
        &self,
        update: &Update,
        media: &mut dyn MediaPorts,
    ) -> Result<Lines, Refusal> {
        let items = update.items().ok_or(Refusal::OutOfPlace)?;
        // An offer without streams needs an address too.
        self.stream_families(update, 0, media).ok_or(Refusal::NoAddress)?;
        let mut lines = Lines(Vec::with_capacity(items.len()));
        let mut opened = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let families = self.stream_families(update, index, media).ok_or(Refusal::NoAddress)?;
            let others = self.others.iter().filter(|(line, _)| line.is_none_or(|at| at == index));
            let mut candidates =
                self.agreed.get(index).into_iter().chain(others.map(|(_, stream)| *stream));
            let free = |stream: &&Stream| lines.with_channel(stream.channel).is_none();
            let kept = candidates
                .find(|stream| free(stream) && stream.fits(update, item, families, media));
            let stream = match kept {
                _ if item.port == 0 => None,
                Some(kept) => Some(kept.offered_again()),
                None => match self.open_one(families, opened.len(), media) {
                    Ok(channel) => {
                        opened.push(channel);
                        Some(self.opened(channel, (index, item), update, media))
                    }
                    Err(refusal) => {
                        opened.into_iter().for_each(|channel| media.close(channel));
                        return Err(refusal);
                    }
                },
            };
            lines.0.push(stream);
        }
        Ok(lines)
    }

    fn open_one(
        &self,
        families: Sides<Family>,
        opened: usize,
        media: &mut dyn MediaPorts,
    ) -> Result<ChannelId, Refusal> {
        match opened < self.room {
            true => media.open(families),
            false => Err(Refusal::TooManyStreams),
        }
    }

    /// A stream with new ports. Until the receiver of the offer answers, it is
    /// expected where the agreed stream expects it.
    fn opened(
        &self,
        channel: ChannelId,
        (index, item): (usize, &super::control::Item),
        update: &Update,
        media: &mut dyn MediaPorts,
    ) -> Stream {
        let mut stream = Stream::new(channel, item);
        if let Some(agreed) = self.agreed.get(index) {
            let receiver = update.receiver();
            let peer = if receiver == Side::Caller { PeerId::CALLER } else { self.callee };
            stream.expect_as(agreed, (receiver, peer), media, update.now);
        }
        stream
    }

    /// The address families of both sides' ports: the family of the side's own SDP,
    /// or the offer's for a side that has sent none. One family for all streams
    /// unless the client accepts several.
    fn stream_families(
        &self,
        update: &Update,
        index: usize,
        media: &dyn MediaPorts,
    ) -> Option<Sides<Family>> {
        let mixed = update.request.mixed_families;
        let known = |side: Side| *self.families.get(side);
        let item = update.items().and_then(|items| items.get(index)).filter(|_| mixed);
        let own = item.and_then(|item| item.family());
        let sender = own.or(update.family()).or(known(update.sender));
        let agreed = self.agreed.get(index).filter(|_| mixed);
        let local = agreed.and_then(|stream| media.local(stream.channel, update.receiver()));
        let receiver = update
            .request
            .receiver_family
            .or(local.map(|at| Family::of(at.ip())))
            .or(known(update.receiver()))
            .or(sender);
        let available = |family: Option<Family>| {
            let choices = [family, Some(Family::V4), Some(Family::V6)];
            choices.into_iter().flatten().find(|family| media.relay_address(*family).is_some())
        };
        let mut families = Sides { caller: Family::V4, callee: Family::V4 };
        *families.get_mut(update.sender) = available(sender)?;
        *families.get_mut(update.receiver()) = available(receiver)?;
        Some(families)
    }
}
