//! Putting IP fragments together (RFC 791 3.2, RFC 8200 4.5), within bounds.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::IpAddr;

/// The longest datagram, in bytes.
const MAX_DATAGRAM: usize = 65535;
/// The most datagrams that wait for fragments; the oldest goes first.
const MAX_WAITING: usize = 256;
/// The most fragments of one datagram; a SIP message has a handful.
const MAX_PIECES: usize = 1024;

/// The fields of a fragment's header.
#[derive(Clone, Copy)]
pub(crate) struct Piece {
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    pub(crate) protocol: u8,
    pub(crate) id: u32,
    /// In bytes.
    pub(crate) offset: usize,
    /// Further fragments follow.
    pub(crate) more: bool,
}

type Key = (IpAddr, IpAddr, u8, u32);

#[derive(Default)]
struct Waiting {
    pieces: BTreeMap<usize, Vec<u8>>,
    bytes: usize,
    /// The datagram's length, once its last fragment came.
    length: Option<usize>,
}

/// The datagrams that wait for their fragments.
#[derive(Default)]
pub(crate) struct Fragments {
    waiting: HashMap<Key, Waiting>,
    /// Oldest first; may name datagrams that are complete by now.
    order: VecDeque<Key>,
    dropped: u64,
}

impl Fragments {
    /// Datagrams given up or still waiting.
    pub(crate) fn incomplete(&self) -> u64 {
        self.dropped.saturating_add(self.waiting.len() as u64)
    }

    /// Takes one fragment; gives the datagram when it was the last one missing.
    /// Fragments that overlap without being the same are an attack or damage
    /// (RFC 5722): the datagram is given up.
    pub(crate) fn add(&mut self, piece: Piece, data: &[u8]) -> Option<Vec<u8>> {
        let key = (piece.source, piece.destination, piece.protocol, piece.id);
        if !self.waiting.contains_key(&key) {
            self.make_room();
            self.order.push_back(key);
        }
        let waiting = self.waiting.entry(key).or_default();
        match waiting.add(piece, data) {
            Ok(false) => None,
            Ok(true) => self.waiting.remove(&key).map(Waiting::join),
            Err(()) => {
                self.waiting.remove(&key);
                self.dropped += 1;
                None
            }
        }
    }

    fn make_room(&mut self) {
        while self.order.len() >= MAX_WAITING {
            let Some(oldest) = self.order.pop_front() else { break };
            if self.waiting.remove(&oldest).is_some() {
                self.dropped += 1;
            }
        }
    }
}

impl Waiting {
    /// True when the datagram is complete.
    fn add(&mut self, piece: Piece, data: &[u8]) -> Result<bool, ()> {
        let end = piece.offset + data.len();
        let empty = data.is_empty();
        let uneven = piece.more && !data.len().is_multiple_of(8);
        if empty || uneven || end > MAX_DATAGRAM || self.pieces.len() >= MAX_PIECES {
            return Err(());
        }
        if self.pieces.get(&piece.offset).is_some_and(|known| known == data) {
            return Ok(false);
        }
        let before = self.pieces.range(..=piece.offset).next_back();
        let after = self.pieces.range(piece.offset..).next();
        let overlaps = before.is_some_and(|(at, known)| at + known.len() > piece.offset)
            || after.is_some_and(|(at, _)| *at < end);
        let beyond = self.length.is_some_and(|length| end > length)
            || (!piece.more && (self.length.is_some() || after.is_some()));
        if overlaps || beyond {
            return Err(());
        }
        if !piece.more {
            self.length = Some(end);
        }
        self.bytes += data.len();
        self.pieces.insert(piece.offset, data.to_vec());
        // The pieces are disjoint, so their sum shows when all are there.
        Ok(self.length == Some(self.bytes))
    }

    fn join(self) -> Vec<u8> {
        self.pieces.into_values().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(offset: usize, more: bool) -> Piece {
        let address = IpAddr::from([192, 0, 2, 1]);
        Piece { source: address, destination: address, protocol: 17, id: 7, offset, more }
    }

    #[test]
    fn fragments_in_any_order_become_the_datagram() {
        let mut fragments = Fragments::default();
        assert_eq!(fragments.add(piece(16, false), b"end"), None);
        assert_eq!(fragments.add(piece(0, true), b"01234567"), None);
        assert_eq!(fragments.add(piece(0, true), b"01234567"), None, "sent twice");
        let whole = fragments.add(piece(8, true), b"89abcdef");
        assert_eq!(whole.as_deref(), Some(&b"0123456789abcdefend"[..]));
        assert_eq!(fragments.incomplete(), 0);
    }

    #[test]
    fn overlapping_fragments_give_up_the_datagram() {
        let mut fragments = Fragments::default();
        assert_eq!(fragments.add(piece(0, true), b"0123456789abcdef"), None);
        assert_eq!(fragments.add(piece(8, false), b"XXXXXXXXYY"), None);
        assert_eq!(fragments.incomplete(), 1);
    }

    #[test]
    fn a_fragment_beyond_the_end_gives_up_the_datagram() {
        let mut fragments = Fragments::default();
        assert_eq!(fragments.add(piece(8, false), b"end"), None);
        assert_eq!(fragments.add(piece(16, true), b"01234567"), None);
        assert_eq!(fragments.incomplete(), 1);
        assert!(fragments.waiting.is_empty());
        assert_eq!(fragments.add(piece(65528, false), b"123456789"), None, "above 64 KiB");
        assert_eq!(fragments.incomplete(), 2);
    }

    #[test]
    fn a_flood_of_first_fragments_is_bounded() {
        let mut fragments = Fragments::default();
        for id in 0..10_000 {
            assert_eq!(fragments.add(Piece { id, ..piece(0, true) }, b"01234567"), None);
        }
        assert!(fragments.waiting.len() <= MAX_WAITING && fragments.order.len() <= MAX_WAITING);
        assert_eq!(fragments.incomplete(), 10_000);
    }
}
