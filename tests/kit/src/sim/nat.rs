//! NATs as RFC 4787 describes them, for media.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

/// What a mapping or a filter depends on (RFC 4787 4.1, 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dependence {
    /// Endpoint-independent.
    None,
    /// Address-dependent.
    Address,
    /// Address- and port-dependent.
    AddressAndPort,
}

/// The behaviour of a NAT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NatKind {
    pub mapping: Dependence,
    pub filtering: Dependence,
    /// A mapping without outbound packets ends after this (milliseconds).
    pub timeout: u64,
}

impl NatKind {
    /// The kinds by the names of RFC 3489, which scripts use.
    pub const NAMED: [(&str, NatKind); 4] = [
        ("full-cone", NatKind::new(Dependence::None, Dependence::None)),
        ("restricted", NatKind::new(Dependence::None, Dependence::Address)),
        ("port-restricted", NatKind::new(Dependence::None, Dependence::AddressAndPort)),
        ("symmetric", NatKind::new(Dependence::AddressAndPort, Dependence::AddressAndPort)),
    ];

    const fn new(mapping: Dependence, filtering: Dependence) -> Self {
        NatKind { mapping, filtering, timeout: 60_000 }
    }
}

/// The part of the remote address that counts.
fn part(dependence: Dependence, remote: SocketAddr) -> (Option<IpAddr>, u16) {
    match dependence {
        Dependence::None => (None, 0),
        Dependence::Address => (Some(remote.ip()), 0),
        Dependence::AddressAndPort => (Some(remote.ip()), remote.port()),
    }
}

type Key = (SocketAddr, (Option<IpAddr>, u16));

#[derive(Debug)]
struct Mapping {
    external: u16,
    inside: SocketAddr,
    used: u64,
    /// Where packets were sent, as the filter sees it.
    sent_to: Vec<(Option<IpAddr>, u16)>,
}

/// A NAT with its public address.
#[derive(Debug)]
pub struct Nat {
    pub address: IpAddr,
    kind: NatKind,
    mappings: BTreeMap<Key, Mapping>,
    next: u16,
}

impl Nat {
    pub fn new(address: IpAddr, kind: NatKind) -> Self {
        Nat { address, kind, mappings: BTreeMap::new(), next: 20_000 }
    }

    /// The source that a packet of the inside has on the outside.
    pub fn outbound(&mut self, inside: SocketAddr, remote: SocketAddr, now: u64) -> SocketAddr {
        let timeout = self.kind.timeout;
        self.mappings.retain(|_, mapping| now.saturating_sub(mapping.used) <= timeout);
        let key = (inside, part(self.kind.mapping, remote));
        let next = &mut self.next;
        let mapping = self.mappings.entry(key).or_insert_with(|| {
            *next += 1;
            Mapping { external: *next, inside, used: now, sent_to: Vec::new() }
        });
        mapping.used = now;
        let filter = part(self.kind.filtering, remote);
        if !mapping.sent_to.contains(&filter) {
            mapping.sent_to.push(filter);
        }
        SocketAddr::new(self.address, mapping.external)
    }

    /// Where a packet for an external port goes on the inside, if the filter
    /// lets it through.
    pub fn inbound(&self, external: u16, remote: SocketAddr, now: u64) -> Option<SocketAddr> {
        let timeout = self.kind.timeout;
        let live = |mapping: &&Mapping| now.saturating_sub(mapping.used) <= timeout;
        let mut mappings = self.mappings.values().filter(live);
        let mapping = mappings.find(|mapping| mapping.external == external)?;
        let filter = part(self.kind.filtering, remote);
        mapping.sent_to.contains(&filter).then_some(mapping.inside)
    }
}
