//! The sockets behind sessions, as sessions see them.

use std::net::{IpAddr, SocketAddr};

use super::family::{Family, Side, Sides};
use super::learning::{Change, Expectation, Millis};
use super::refusal::Refusal;
use super::summary::SideSummary;

/// Names the four sockets of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ChannelId(pub(super) u32);

/// The sockets behind sessions.
pub(super) trait Media {
    /// The proxy's address of a family.
    fn relay_address(&self, family: Family) -> Option<IpAddr>;
    /// Opens the ports of a stream.
    fn open(&mut self, families: Sides<Family>) -> Result<ChannelId, Refusal>;
    fn close(&mut self, id: ChannelId);
    /// The address and RTP port a side sends to.
    fn local(&self, id: ChannelId, side: Side) -> Option<SocketAddr>;
    /// Tells what signalling says about a side.
    fn expect(
        &mut self,
        id: ChannelId,
        side: Side,
        expectation: Expectation,
        change: Change,
        now: Millis,
    );
    /// When a packet was accepted last, from either side.
    fn last_packet(&self, id: ChannelId) -> Option<Millis>;
    fn summary(&self, id: ChannelId) -> Option<Sides<SideSummary>>;
}
