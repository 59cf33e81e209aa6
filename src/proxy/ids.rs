//! Names of channels and of peers.

/// Names the four sockets of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ChannelId(pub(super) u32);

/// Names a peer of a side within its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PeerId(pub(super) u32);

impl PeerId {
    /// The caller, who is the only peer of its side.
    pub(super) const CALLER: PeerId = PeerId(0);
}
