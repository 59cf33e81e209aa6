//! Port pairs: an even port for RTP and its odd successor for RTCP
//! (RFC 3550 section 11). The pair that has been free longest goes first, so
//! that stray packets of an ended call find nobody.

use std::collections::VecDeque;

/// The port pairs of one address.
#[derive(Debug)]
pub(super) struct Ports {
    free: VecDeque<u16>,
    used: Vec<u64>,
}

impl Ports {
    /// The pairs within `first..=last`; `start` (any number) says which goes
    /// first, so that a restarted proxy does not meet the packets of the calls
    /// it has lost.
    pub(super) fn new(first: u16, last: u16, start: u64) -> Self {
        let mut free: VecDeque<u16> =
            (first..=last).filter(|port| port % 2 == 0 && *port < last).collect();
        let pairs = u64::try_from(free.len()).unwrap_or(1).max(1);
        free.rotate_left(usize::try_from(start % pairs).unwrap_or(0));
        Ports { free, used: vec![0; 1 << 10] }
    }

    /// Takes a pair: the even port.
    pub(super) fn take(&mut self) -> Option<u16> {
        let port = self.free.pop_front()?;
        self.mark(port, true);
        Some(port)
    }

    /// Gives a pair back.
    pub(super) fn give(&mut self, port: u16) {
        if self.is_used(port) {
            self.mark(port, false);
            self.free.push_back(port);
        }
    }

    /// Whether a port, even or odd, belongs to a pair that was taken.
    pub(super) fn is_used(&self, port: u16) -> bool {
        let (word, bit) = Self::place(port);
        self.used.get(word).is_some_and(|bits| bits & bit != 0)
    }

    fn place(port: u16) -> (usize, u64) {
        (usize::from(port >> 6), 1 << (port & 0x3e))
    }

    fn mark(&mut self, port: u16, used: bool) {
        let (word, bit) = Self::place(port);
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
        assert_eq!(ports.take(), Some(4_002));
        assert_eq!(ports.take(), Some(4_004));
        assert_eq!(ports.take(), Some(4_006));
        assert_eq!(ports.take(), None);
        let mut whole = Ports::new(65_534, 65_535, 7);
        assert_eq!(whole.take(), Some(65_534));
        assert_eq!(whole.take(), None);
        assert_eq!(Ports::new(4_000, 4_000, 0).take(), None);
    }

    #[test]
    fn a_returned_pair_is_used_again_last() {
        let mut ports = Ports::new(4_000, 4_005, 1);
        assert_eq!(ports.take(), Some(4_002));
        ports.give(4_002);
        ports.give(4_002);
        assert_eq!(ports.take(), Some(4_004));
        assert_eq!(ports.take(), Some(4_000));
        assert_eq!(ports.take(), Some(4_002));
        assert_eq!(ports.take(), None);
    }

    #[test]
    fn both_ports_of_a_taken_pair_are_known() {
        let mut ports = Ports::new(4_000, 4_003, 0);
        assert!(!ports.is_used(4_000));
        assert_eq!(ports.take(), Some(4_000));
        assert!(ports.is_used(4_000));
        assert!(ports.is_used(4_001));
        assert!(!ports.is_used(4_002));
        assert!(!ports.is_used(65_535));
        ports.give(4_000);
        assert!(!ports.is_used(4_001));
    }
}
