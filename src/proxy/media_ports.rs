//! The media ports of sessions: the trait behind which sockets are, so that
//! sessions stay pure.

use std::net::{IpAddr, SocketAddr};

use super::family::{Family, Side, Sides};
use super::learning::{Change, Expectation, Millis};
use super::refusal::Refusal;
use super::summary::SideSummary;

/// Names the four sockets of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ChannelId(pub(super) u32);

/// Opens, closes and configures the ports of streams.
pub(super) trait MediaPorts {
    /// The proxy's address of a family, as phones are to use it.
    fn relay_address(&self, family: Family) -> Option<IpAddr>;
    /// Opens the ports of a stream.
    fn open(&mut self, families: Sides<Family>) -> Result<ChannelId, Refusal>;
    /// Closes the ports of a stream.
    fn close(&mut self, id: ChannelId);
    /// The address and RTP port a side sends to.
    fn local(&self, id: ChannelId, side: Side) -> Option<SocketAddr>;
    /// Sets where packets of a side are expected from, as signalling says.
    fn expect(
        &mut self,
        id: ChannelId,
        side: Side,
        expectation: Expectation,
        change: Change,
        now: Millis,
    );
    /// When the last packet was accepted, from either side.
    fn last_packet(&self, id: ChannelId) -> Option<Millis>;
    /// The addresses and counters of a stream; `None` when it is closed.
    fn summary(&self, id: ChannelId) -> Option<Sides<SideSummary>>;
}
