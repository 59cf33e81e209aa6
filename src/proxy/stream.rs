//! A stream of a session: the SDP of its two sides, and its ports.

use std::net::SocketAddr;
use std::sync::Arc;

use super::control::Item;
use super::family::{Family, Side, Sides};
use super::ids::{ChannelId, PeerId};
use super::learning::{Change, Expectation, Millis};
use super::media_ports::MediaPorts;
use super::update::Update;

/// The state of one side of a stream, from the last SDP of that side.
#[derive(Clone, Copy, Debug, Default)]
struct SideState {
    expectation: Option<Expectation>,
    held: bool,
}

/// A stream with its ports.
#[derive(Clone, Debug)]
pub(super) struct Stream {
    pub(super) media: Arc<[u8]>,
    pub(super) channel: ChannelId,
    sides: Sides<SideState>,
    /// The last answer refused it.
    pub(super) refused: bool,
}

impl Stream {
    pub(super) fn new(channel: ChannelId, item: &Item) -> Self {
        Stream { media: item.media.into(), channel, sides: Sides::default(), refused: false }
    }

    /// The stream as part of a new offer.
    pub(super) fn offered_again(&self) -> Self {
        Stream { refused: false, ..self.clone() }
    }

    /// Expects a side where another stream does, until its SDP comes.
    pub(super) fn expect_as(
        &mut self,
        before: &Stream,
        (side, peer): (Side, PeerId),
        media: &mut dyn MediaPorts,
        now: Millis,
    ) {
        let known = *before.sides.get(side);
        *self.sides.get_mut(side) = known;
        if let Some(expectation) = known.expectation {
            media.expect((self.channel, side), peer, expectation, Change::Replace, now);
        }
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
        let known = self.sides.get(update.sender).expectation;
        let same = match item.is_unspecified() {
            // On hold; another dialog with the same ports may need the port of before.
            true => known.is_none_or(|known| item.port == 9 || known.port == item.port),
            false => {
                known.is_none_or(|known| known.agrees(item))
                    && family(update.sender) == Some(*families.get(update.sender))
            }
        };
        *self.media == *item.media && same && family(receiver) == Some(*families.get(receiver))
    }

    /// Stores an item of the sender's SDP; the media ports stay as they are.
    pub(super) fn set_item(&mut self, update: &Update, item: &Item) -> Change {
        let side = self.sides.get_mut(update.sender);
        let before = *side;
        let expectation = match (before.expectation, item.is_unspecified()) {
            // On hold the side may send from its port; 9 stands for none (RFC 8839).
            (Some(before), true) if item.port == 9 => before,
            (Some(before), true) => Expectation { port: item.port, ..before },
            _ => Expectation {
                signaling: update.request.signaling,
                sdp_address: item.address.filter(|_| !item.is_unspecified()),
                port: item.port,
                asymmetric: item.asymmetric,
            },
        };
        *side = SideState { expectation: Some(expectation), held: item.held };
        side.change_from(&before)
    }

    /// Applies what the SDP of a side says to the media ports.
    pub(super) fn expect(
        &self,
        (side, peer): (Side, PeerId),
        change: Change,
        media: &mut dyn MediaPorts,
        now: Millis,
    ) {
        if let Some(expectation) = self.sides.get(side).expectation {
            media.expect((self.channel, side), peer, expectation, change, now);
        }
    }

    /// The change of a side from an earlier state of the same ports.
    pub(super) fn change_from(&self, before: &Stream, side: Side) -> Change {
        self.sides.get(side).change_from(before.sides.get(side))
    }

    /// True when packets for this side are sent somewhere: the side has sent packets, or the
    /// address in its SDP is used before that.
    pub(super) fn has_target(&self, side: Side, media: &dyn MediaPorts) -> bool {
        let summary = media.summary(self.channel);
        summary.is_some_and(|sides| sides.get(side).rtp.remote.is_some())
    }

    /// Warns when nothing is sent to the sender of an item before it sends.
    pub(super) fn warn_if_waiting(&self, update: &Update, item: &Item, media: &mut dyn MediaPorts) {
        if let Some(expectation) = self.sides.get(update.sender).expectation {
            media.warn_if_waiting(&expectation, item.receive_only);
        }
    }

    /// True when the last SDP of a side has the address and port of `item`.
    pub(super) fn matches(&self, side: Side, item: &Item) -> bool {
        self.sides.get(side).expectation.is_some_and(|known| known.agrees(item))
    }

    /// True when `item` names the port that the receiver is to send to, and the
    /// sender's own SDP is known: the message has passed a server of this relay
    /// before, and comes back with what it was given.
    pub(super) fn is_spiral(&self, update: &Update, item: &Item, media: &dyn MediaPorts) -> bool {
        let named = item.address.map(|ip| SocketAddr::new(ip, item.port));
        named.is_some()
            && self.sides.get(update.sender).expectation.is_some()
            && media.local(self.channel, update.receiver()) == named
    }

    pub(super) fn is_held(&self) -> bool {
        self.sides.caller.held || self.sides.callee.held
    }
}

impl SideState {
    fn change_from(&self, before: &SideState) -> Change {
        match before.expectation {
            Some(_) if before.expectation != self.expectation => Change::Replace,
            Some(_) if before.held == self.held => Change::Refresh,
            Some(_) => Change::Reopen,
            None => Change::Replace,
        }
    }
}

impl Expectation {
    /// True when `item` has the same address and port, or when the side has given
    /// no address yet.
    fn agrees(&self, item: &Item) -> bool {
        self.sdp_address.is_none() || (self.sdp_address == item.address && self.port == item.port)
    }
}
