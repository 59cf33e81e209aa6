//! A stream of a session: what its two sides said, and its ports.

use std::sync::Arc;

use super::control::Item;
use super::family::{Family, Side, Sides};
use super::learning::{Change, Expectation, Millis};
use super::media::{ChannelId, Media};
use super::message::Message;

/// What a party said about a stream.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Description {
    expectation: Option<Expectation>,
    held: bool,
}

/// A stream with its ports.
#[derive(Clone, Debug)]
pub(super) struct Stream {
    pub(super) media: Arc<[u8]>,
    pub(super) channel: ChannelId,
    sides: Sides<Description>,
}

/// An m= line: its stream, and the one a re-offer has replaced, which goes on
/// until that offer is answered (it may be refused).
#[derive(Debug, Default)]
pub(super) struct Slot {
    pub(super) current: Option<Stream>,
    pub(super) previous: Option<Stream>,
    pub(super) previous_until: Option<Millis>,
}

impl Slot {
    /// Puts the stream of a new offer in place. The one before stays beside
    /// it if it was agreed upon.
    pub(super) fn replace(
        &mut self,
        stream: Option<Stream>,
        answered: bool,
        media: &mut dyn Media,
    ) {
        let same = |a: &Option<Stream>, b: &Option<Stream>| {
            a.as_ref().map(|stream| stream.channel) == b.as_ref().map(|stream| stream.channel)
        };
        if same(&self.current, &stream) {
            return;
        }
        let restored = stream.is_some() && same(&self.previous, &stream);
        let before = self.current.take();
        let surplus = match (restored, answered || self.previous.is_none()) {
            (true, _) => {
                self.previous = None;
                before
            }
            (false, true) => std::mem::replace(&mut self.previous, before),
            (false, false) => before,
        };
        self.previous_until = None;
        self.current = stream;
        surplus.into_iter().for_each(|old| media.close(old.channel));
    }

    pub(super) fn port(&self, side: Side, media: &dyn Media) -> u16 {
        let local = self.current.as_ref().and_then(|stream| media.local(stream.channel, side));
        local.map_or(0, |local| local.port())
    }

    pub(super) fn close(self, media: &mut dyn Media) {
        self.current
            .into_iter()
            .chain(self.previous)
            .for_each(|stream| media.close(stream.channel));
    }
}

impl Stream {
    /// A new stream. Until it says otherwise, the receiver of the offer is
    /// believed to stay where it was in the stream before.
    pub(super) fn new(
        channel: ChannelId,
        before: Option<&Stream>,
        message: &Message,
        item: &Item,
        media: &mut dyn Media,
    ) -> Self {
        let mut sides = Sides::<Description>::default();
        let receiver = message.receiver();
        if let Some(before) = before {
            let known = *before.sides.get(receiver);
            *sides.get_mut(receiver) = known;
            if let Some(expectation) = known.expectation {
                media.expect(channel, receiver, expectation, Change::Replace, message.now);
            }
        }
        Stream { media: item.media.into(), channel, sides }
    }

    /// Whether an offer leaves this stream's ports as they are.
    pub(super) fn fits(
        &self,
        message: &Message,
        item: &Item,
        families: Sides<Family>,
        media: &dyn Media,
    ) -> bool {
        let family = |side: Side| media.local(self.channel, side).map(|at| Family::of(at.ip()));
        let receiver = message.receiver();
        let unspecified = item.address.is_some_and(|ip| ip.is_unspecified());
        let known = self.sides.get(message.sender).expectation;
        let same = unspecified
            || known.is_none_or(|known| known.agrees(item))
                && family(message.sender) == Some(*families.get(message.sender));
        *self.media == *item.media && same && family(receiver) == Some(*families.get(receiver))
    }

    pub(super) fn describe(
        &mut self,
        message: &Message,
        item: &Item,
        branch: bool,
        media: &mut dyn Media,
    ) {
        let side = self.sides.get_mut(message.sender);
        let before = side.expectation;
        let unspecified = item.address.is_some_and(|ip| ip.is_unspecified());
        let expectation = match (before, unspecified) {
            (Some(before), true) => before,
            _ => Expectation {
                signaling: message.update.signaling,
                described: item.address.filter(|ip| !ip.is_unspecified()),
                port: item.port,
                asymmetric: item.asymmetric,
            },
        };
        let change = match before {
            Some(_) if branch => Change::Branch,
            Some(before) if before == expectation && side.held == item.held => Change::Refresh,
            Some(before) if before == expectation => Change::Reopen,
            _ => Change::Replace,
        };
        side.expectation = Some(expectation);
        side.held = item.held;
        media.expect(self.channel, message.sender, expectation, change, message.now);
    }

    /// Whether a side has described this stream just so.
    pub(super) fn is_described(&self, side: Side, item: &Item) -> bool {
        self.sides.get(side).expectation.is_some_and(|known| known.agrees(item))
    }

    pub(super) fn is_held(&self) -> bool {
        self.sides.caller.held || self.sides.callee.held
    }
}

impl Expectation {
    /// Whether a description says the same. A side that has given no address
    /// yet may give any.
    pub(super) fn agrees(&self, item: &Item) -> bool {
        self.described.is_none() || (self.described == item.address && self.port == item.port)
    }
}
