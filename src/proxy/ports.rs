//! Port pairs: an even port for RTP and its odd successor for RTCP
//! (RFC 3550 section 11). The pair that has been free longest is allocated
//! first, so that late packets of a finished call reach no other call.

use std::collections::VecDeque;

use super::refusal::Refusal;

/// The port pairs of one address.
#[derive(Debug)]
pub(super) struct Ports {
    free: VecDeque<u16>,
    /// One bit per pair.
    used: Vec<u64>,
    range: (u16, u16),
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
        Ports { free, used: vec![0; 1 << 10], range: (first, last) }
    }

    /// Allocates a pair and returns its even port.
    pub(super) fn allocate(&mut self) -> Option<u16> {
        let port = self.free.pop_front()?;
        self.mark(port, true);
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
            self.mark(port, false);
            self.free.push_back(port);
        }
    }

    /// True when a port, even or odd, belongs to an allocated pair.
    pub(super) fn is_used(&self, port: u16) -> bool {
        let (word, bit) = Self::word_and_bit(port);
        self.used.get(word).is_some_and(|bits| bits & bit != 0)
    }

    fn word_and_bit(port: u16) -> (usize, u64) {
        (usize::from(port >> 6), 1 << (port & 0x3e))
    }

    fn mark(&mut self, port: u16, used: bool) {
        let (word, bit) = Self::word_and_bit(port);
        if let Some(bits) = self.used.get_mut(word) {
            *bits = if used { *bits | bit } else { *bits & !bit };
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
}
