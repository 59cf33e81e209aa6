//! A stream of a session: the SDP of its two sides, and its ports.

use std::sync::Arc;

use super::control::Item;
use super::family::{Family, Side, Sides};
use super::learning::{Change, Expectation, Millis};
use super::media_ports::{ChannelId, MediaPorts};
use super::update::Update;

/// The state of one side of a stream, from the last SDP of that side.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SideState {
    expectation: Option<Expectation>,
    held: bool,
}

/// A stream with its ports.
#[derive(Clone, Debug)]
pub(super) struct Stream {
    pub(super) media: Arc<[u8]>,
    pub(super) channel: ChannelId,
    sides: Sides<SideState>,
}

/// An m= line: its stream, and the one a re-offer has replaced, which stays in
/// use until that offer is answered, since it may be refused.
#[derive(Debug, Default)]
pub(super) struct Slot {
    pub(super) current: Option<Stream>,
    pub(super) previous: Option<Stream>,
    pub(super) previous_until: Option<Millis>,
}

impl Slot {
    /// Sets the stream of a new offer. The stream before stays open as
    /// `previous` if it was agreed upon.
    pub(super) fn replace(
        &mut self,
        stream: Option<Stream>,
        answered: bool,
        media: &mut dyn MediaPorts,
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

    pub(super) fn port(&self, side: Side, media: &dyn MediaPorts) -> u16 {
        let local = self.current.as_ref().and_then(|stream| media.local(stream.channel, side));
        local.map_or(0, |local| local.port())
    }

    pub(super) fn close(self, media: &mut dyn MediaPorts) {
        self.current
            .into_iter()
            .chain(self.previous)
            .for_each(|stream| media.close(stream.channel));
    }
}

impl Stream {
    /// A new stream. Until the receiver of the offer answers, its address of
    /// the stream before is expected.
    pub(super) fn new(
        channel: ChannelId,
        before: Option<&Stream>,
        update: &Update,
        item: &Item,
        media: &mut dyn MediaPorts,
    ) -> Self {
        let mut sides = Sides::<SideState>::default();
        let receiver = update.receiver();
        if let Some(before) = before {
            let known = *before.sides.get(receiver);
            *sides.get_mut(receiver) = known;
            if let Some(expectation) = known.expectation {
                media.expect(channel, receiver, expectation, Change::Replace, update.now);
            }
        }
        Stream { media: item.media.into(), channel, sides }
    }

    /// True when an offer leaves this stream's ports unchanged.
    pub(super) fn fits(
        &self,
        update: &Update,
        item: &Item,
        families: Sides<Family>,
        media: &dyn MediaPorts,
    ) -> bool {
        let family = |side: Side| media.local(self.channel, side).map(|at| Family::of(at.ip()));
        let receiver = update.receiver();
        let unspecified = item.address.is_some_and(|ip| ip.is_unspecified());
        let known = self.sides.get(update.sender).expectation;
        let same = unspecified
            || known.is_none_or(|known| known.agrees(item))
                && family(update.sender) == Some(*families.get(update.sender));
        *self.media == *item.media && same && family(receiver) == Some(*families.get(receiver))
    }

    /// Applies an item of the sender's SDP. `branch` is true when another branch
    /// than before sent it.
    pub(super) fn apply_item(
        &mut self,
        update: &Update,
        item: &Item,
        branch: bool,
        media: &mut dyn MediaPorts,
    ) {
        let side = self.sides.get_mut(update.sender);
        let before = side.expectation;
        let unspecified = item.address.is_some_and(|ip| ip.is_unspecified());
        let expectation = match (before, unspecified) {
            (Some(before), true) => before,
            _ => Expectation {
                signaling: update.request.signaling,
                sdp_address: item.address.filter(|ip| !ip.is_unspecified()),
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
        media.expect(self.channel, update.sender, expectation, change, update.now);
    }

    /// True when the last SDP of a side has the address and port of `item`.
    pub(super) fn matches(&self, side: Side, item: &Item) -> bool {
        self.sides.get(side).expectation.is_some_and(|known| known.agrees(item))
    }

    pub(super) fn is_held(&self) -> bool {
        self.sides.caller.held || self.sides.callee.held
    }
}

impl Expectation {
    /// True when `item` has the same address and port, or when the side has given
    /// no address yet.
    pub(super) fn agrees(&self, item: &Item) -> bool {
        self.sdp_address.is_none() || (self.sdp_address == item.address && self.port == item.port)
    }
}
