//! The media ports of sessions: the trait behind which sockets are, so that
//! sessions stay pure.

use std::net::{IpAddr, SocketAddr};

use super::family::{Family, Side, Sides};
use super::ids::{ChannelId, PeerId};
use super::learning::{Change, Expectation, Millis};
use super::refusal::Refusal;
use super::summary::SideSummary;
use super::warning::Warning;

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
    /// Sets where packets of a peer on one side are expected from, as signalling
    /// says.
    fn expect(
        &mut self,
        side: (ChannelId, Side),
        peer: PeerId,
        expectation: Expectation,
        change: Change,
        now: Millis,
    );
    /// Packets to a side are sent to another of its peers, if there is one.
    fn demote(&mut self, side: (ChannelId, Side), peer: PeerId);
    /// Packets of a peer are no longer accepted.
    fn remove_peer(&mut self, side: (ChannelId, Side), peer: PeerId);
    /// Notes a warning when nothing is sent to a side with this expectation before
    /// it sends, and that is probably not meant.
    fn warn_if_waiting(&mut self, expectation: &Expectation, receive_only: bool);
    /// A request, or a check of the timeouts, has made all its changes.
    fn finish_changes(&mut self);
    /// The warnings since the last call.
    fn take_warnings(&mut self) -> Vec<Warning>;
    /// When the last packet was accepted, from either side.
    fn last_packet(&self, id: ChannelId) -> Option<Millis>;
    /// The addresses and counters of a stream; `None` when it is closed.
    fn summary(&self, id: ChannelId) -> Option<Sides<SideSummary>>;
}
