//! Port pairs: an even port for RTP and its odd successor for RTCP
//! (RFC 3550 section 11). The pair that has been free longest is allocated
//! first, so that late packets of a finished call reach no other call.

use std::collections::VecDeque;

use super::family::Side;
use super::ids::ChannelId;
use super::refusal::Refusal;

/// The port pairs of one address.
#[derive(Clone, Debug)]
pub(super) struct Ports {
    free: VecDeque<u16>,
    /// By pair, from the first one on.
    owners: Vec<Owner>,
    range: (u16, u16),
}

/// What an allocated pair belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    Free,
    /// Allocated, and not yet part of a channel.
    Unassigned,
    Channel(ChannelId, Side),
}

impl Ports {
    /// The pairs within `first..=last`. `start` (any number) selects the pair
    /// that is allocated first, so that a restarted proxy does not reuse at once
    /// the ports of the calls it has lost.
    pub(super) fn new(first: u16, last: u16, start: u64) -> Self {
        let mut free: VecDeque<u16> =
            (first..=last).filter(|port| port % 2 == 0 && *port < last).collect();
        let pairs = u64::try_from(free.len()).unwrap_or(1).max(1);
        free.rotate_left(usize::try_from(start % pairs).unwrap_or(0));
        let owners = vec![Owner::Free; free.len()];
        Ports { free, owners, range: (first, last) }
    }

    /// Allocates a pair and returns its even port.
    pub(super) fn allocate(&mut self) -> Option<u16> {
        let port = self.free.pop_front()?;
        self.set_owner(port, Owner::Unassigned);
        Some(port)
    }

    /// Why `allocate` failed, as a refusal.
    pub(super) fn exhausted(&self) -> Refusal {
        let (first, last) = self.range;
        Refusal::PortsExhausted(first, last)
    }

    /// Returns a pair to the end of the queue.
    pub(super) fn release(&mut self, port: u16) {
        if self.is_used(port) {
            self.set_owner(port, Owner::Free);
            self.free.push_back(port & !1);
        }
    }

    /// Stores which side of which channel an allocated pair serves.
    pub(super) fn assign(&mut self, port: u16, channel: ChannelId, side: Side) {
        self.set_owner(port, Owner::Channel(channel, side));
    }

    /// The channel and the side that a port, even or odd, serves.
    pub(super) fn owner(&self, port: u16) -> Option<(ChannelId, Side)> {
        match self.owners.get(self.pair(port)?)? {
            Owner::Channel(channel, side) => Some((*channel, *side)),
            Owner::Free | Owner::Unassigned => None,
        }
    }

    /// True when a port, even or odd, belongs to an allocated pair.
    pub(super) fn is_used(&self, port: u16) -> bool {
        let owner = self.pair(port).and_then(|pair| self.owners.get(pair));
        owner.is_some_and(|owner| *owner != Owner::Free)
    }

    fn pair(&self, port: u16) -> Option<usize> {
        let first = self.range.0.checked_add(self.range.0 % 2)?;
        Some(usize::from(port.checked_sub(first)? / 2))
    }

    fn set_owner(&mut self, port: u16, owner: Owner) {
        if let Some(entry) = self.pair(port).and_then(|pair| self.owners.get_mut(pair)) {
            *entry = owner;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_even_and_within_the_range() {
        let mut ports = Ports::new(4_001, 4_007, 0);
        assert_eq!(ports.allocate(), Some(4_002));
        assert_eq!(ports.allocate(), Some(4_004));
        assert_eq!(ports.allocate(), Some(4_006));
        assert_eq!(ports.allocate(), None);
        let mut whole = Ports::new(65_534, 65_535, 7);
        assert_eq!(whole.allocate(), Some(65_534));
        assert_eq!(whole.allocate(), None);
        assert_eq!(Ports::new(4_000, 4_000, 0).allocate(), None);
    }

    #[test]
    fn released_pair_is_allocated_last() {
        let mut ports = Ports::new(4_000, 4_005, 1);
        assert_eq!(ports.allocate(), Some(4_002));
        ports.release(4_002);
        ports.release(4_002);
        assert_eq!(ports.allocate(), Some(4_004));
        assert_eq!(ports.allocate(), Some(4_000));
        assert_eq!(ports.allocate(), Some(4_002));
        assert_eq!(ports.allocate(), None);
    }

    #[test]
    fn is_used_covers_both_ports_of_a_pair() {
        let mut ports = Ports::new(4_000, 4_003, 0);
        assert!(!ports.is_used(4_000));
        assert_eq!(ports.allocate(), Some(4_000));
        assert!(ports.is_used(4_000));
        assert!(ports.is_used(4_001));
        assert!(!ports.is_used(4_002));
        assert!(!ports.is_used(65_535));
        ports.release(4_000);
        assert!(!ports.is_used(4_001));
    }

    #[test]
    fn owner_is_found_by_both_ports_of_a_pair() {
        let mut ports = Ports::new(4_001, 4_006, 0);
        let port = ports.allocate().unwrap();
        assert_eq!((ports.owner(port), ports.is_used(port)), (None, true));
        ports.assign(port, ChannelId(7), Side::Callee);
        assert_eq!(ports.owner(port), Some((ChannelId(7), Side::Callee)));
        assert_eq!(ports.owner(port + 1), Some((ChannelId(7), Side::Callee)));
        for other in [0, 4_000, 4_001, port + 2, 65_535] {
            assert_eq!(ports.owner(other), None, "{other}");
        }
        ports.release(port);
        assert_eq!(ports.owner(port), None);
    }
}
