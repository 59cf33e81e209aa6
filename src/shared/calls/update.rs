//! What is stored of a message after its SDP was rewritten.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::history::OfferAnswerUpdate;
use super::scope::DeleteScope;

pub use super::words::LINES;

/// The relay's addresses in one SDP, by m= line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RelayPorts {
    pub(super) v4: Option<Ipv4Addr>,
    pub(super) v6: Option<Ipv6Addr>,
    /// 0: the line is not relayed.
    pub(super) ports: [u16; LINES],
    /// The lines whose address is the IPv6 one, as bits.
    pub(super) v6_lines: u16,
}

impl RelayPorts {
    /// Sets the address of an m= line, which is counted from 0. A line from
    /// [`LINES`] on is not stored. All lines of one family have one address; the
    /// last one is stored.
    pub fn set(&mut self, line: usize, address: SocketAddr) {
        let Some(port) = self.ports.get_mut(line) else { return };
        *port = address.port();
        let bit = 1 << line;
        match address.ip().to_canonical() {
            IpAddr::V4(ip) => {
                self.v4 = Some(ip);
                self.v6_lines &= !bit;
            }
            IpAddr::V6(ip) => {
                self.v6 = Some(ip);
                self.v6_lines |= bit;
            }
        }
    }

    /// The address of an m= line; `None` when it is not relayed or not stored.
    pub fn get(&self, line: usize) -> Option<SocketAddr> {
        let port = self.ports.get(line).copied().filter(|port| *port != 0)?;
        let ip = match self.v6_lines >> line & 1 {
            0 => IpAddr::V4(self.v4?),
            _ => IpAddr::V6(self.v6?),
        };
        Some(SocketAddr::new(ip, port))
    }

    /// True when no line is relayed.
    pub fn is_empty(&self) -> bool {
        self.ports == [0; LINES]
    }
}

/// The state to store for a leg after its relay has answered.
#[derive(Clone, Copy, Debug)]
pub struct CallUpdate {
    /// The identity of the leg's relay.
    pub relay: u32,
    /// The offer or answer, as far as later messages depend on it.
    pub offer_answer: OfferAnswerUpdate,
    /// The relay's addresses in the SDP of this message; empty: unchanged.
    pub media: RelayPorts,
    /// The m= lines of an offer that are relayed, as bits; `None` for an answer.
    pub relayed_lines: Option<u64>,
}

/// A rewrite under way: from [`super::Calls::begin`] to [`super::Calls::record`]
/// or [`super::Calls::abandon`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ticket {
    /// The place of the leg and its key there, if it was stored when the rewrite
    /// began.
    pub(super) place: Option<(u32, u64)>,
    /// How often the leg had ended.
    pub(super) ends: u16,
    /// The entry was made for this rewrite.
    pub(super) made: bool,
}

impl Ticket {
    /// True when the entry of the leg was made for this rewrite.
    pub fn is_new(&self) -> bool {
        self.made
    }
}

/// The result of [`super::Calls::record`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Recorded {
    /// The state is stored.
    Stored {
        /// The leg had no relay before.
        first: bool,
        /// Its initial INVITE was cancelled and has no final reply yet.
        cancelled: bool,
    },
    /// The state is not stored: no entry is free, or other processes changed the entry
    /// in each of many attempts.
    Full {
        /// The table became full just now: log it. The next messages return
        /// false, until the table was not full for a minute.
        log: bool,
    },
    /// The leg or the message's dialog ended while the rewrite waited: the relay must
    /// be sent a delete of this scope (`Call` or `Dialog`), and the message has no
    /// edits. `Nothing`: the leg has started again since, and keeps its session.
    EndedMeanwhile(DeleteScope),
}
