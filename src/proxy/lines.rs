//! The streams of one SDP by m= line.

use std::net::SocketAddr;

use super::control::Item;
use super::family::Side;
use super::ids::{ChannelId, PeerId};
use super::learning::Change;
use super::media_ports::MediaPorts;
use super::stream::Stream;
use super::update::Update;

/// A stream for each m= line; `None` where it is not relayed.
#[derive(Clone, Debug, Default)]
pub(super) struct Lines(pub(super) Vec<Option<Stream>>);

impl Lines {
    pub(super) fn get(&self, line: usize) -> Option<&Stream> {
        self.0.get(line)?.as_ref()
    }

    pub(super) fn streams(&self) -> impl Iterator<Item = &Stream> {
        self.0.iter().flatten()
    }

    /// The stream with these ports.
    pub(super) fn with_channel(&self, channel: ChannelId) -> Option<&Stream> {
        self.streams().find(|stream| stream.channel == channel)
    }

    /// Without the streams that the last answer refused.
    pub(super) fn accepted(&self) -> Lines {
        Lines(self.0.iter().map(|line| line.clone().filter(|stream| !stream.refused)).collect())
    }

    /// The ports a side sends to.
    pub(super) fn ports(&self, side: Side, media: &dyn MediaPorts) -> Vec<Option<SocketAddr>> {
        let port = |line: &Option<Stream>| {
            let stream = line.as_ref().filter(|stream| !stream.refused)?;
            media.local(stream.channel, side)
        };
        self.0.iter().map(port).collect()
    }

    /// Applies each item of the sender's SDP to its stream, as what `peer` says.
    /// Where `agreed` has the same ports, the media ports stay as they are: the
    /// agreed stream is in use until the offer is answered.
    pub(super) fn apply(
        &mut self,
        update: &Update,
        peer: PeerId,
        agreed: &Lines,
        media: &mut dyn MediaPorts,
    ) {
        let items = update.items().unwrap_or_default();
        for (index, line) in self.0.iter_mut().enumerate() {
            let Some(stream) = line else { continue };
            let Some(item) = items.get(index).filter(|item| item.port != 0) else {
                stream.refused = true;
                continue;
            };
            stream.refused = false;
            if stream.is_spiral(update, item, media) {
                continue;
            }
            let change = stream.set_item(update, item);
            if agreed.with_channel(stream.channel).is_none() {
                stream.expect((update.sender, peer), change, media, update.now);
            }
            // With the same address, the side still sends from where it did.
            if change == Change::Replace || !stream.has_target(update.sender, media) {
                stream.warn_if_waiting(update, item, media);
            }
        }
    }

    /// Applies to the media ports how the streams differ from the agreed ones with
    /// the same ports.
    pub(super) fn expect_changes(
        &self,
        agreed: &Lines,
        callee: PeerId,
        media: &mut dyn MediaPorts,
        now: u64,
    ) {
        for stream in self.streams() {
            let Some(before) = agreed.with_channel(stream.channel) else { continue };
            for side in [(Side::Caller, PeerId::CALLER), (Side::Callee, callee)] {
                let change = stream.change_from(before, side.0);
                if change != Change::Refresh {
                    stream.expect(side, change, media, now);
                }
            }
        }
    }

    /// Expects a side where the agreed streams do, on all ports but theirs: it may use the
    /// ports of an offer before its answer comes.
    pub(super) fn expect_as(
        &mut self,
        agreed: &Lines,
        side: (Side, PeerId),
        media: &mut dyn MediaPorts,
        now: u64,
    ) {
        for (index, line) in self.0.iter_mut().enumerate() {
            let Some((stream, before)) = line.as_mut().zip(agreed.get(index)) else { continue };
            let in_use = agreed.with_channel(stream.channel).is_some();
            if !in_use && before.change_from(stream, side.0) == Change::Replace {
                stream.expect_as(before, side, media, now);
            }
        }
    }

    /// The ports of the streams that match the items of a late message.
    pub(super) fn ports_of_matches(
        &self,
        update: &Update,
        items: &[Item],
        media: &dyn MediaPorts,
    ) -> Vec<Option<SocketAddr>> {
        let port = |(index, item): (usize, &Item)| {
            let matches = |stream: &&Stream| {
                stream.matches(update.sender, item) || stream.is_spiral(update, item, media)
            };
            let stream = self.get(index).filter(matches)?;
            media.local(stream.channel, update.receiver())
        };
        items.iter().enumerate().map(port).collect()
    }
}
