//! One relay, as the processes of a server know it.

use std::net::IpAddr;

use crate::relay::protocol::Protocol;
use crate::relay::{Capabilities, RelayAddress, RelayUri};
use crate::shared::HealthTable;
use crate::shared::health::Slot;

/// A relay as the worker knows it.
#[derive(Debug, PartialEq, Eq)]
pub struct Relay {
    /// Where it is and what it understands.
    pub uri: RelayUri,
    /// The same in all processes; what the call table remembers.
    pub identity: u32,
    /// Where its health is found; `None` when there was no room: it then counts
    /// as up.
    pub slot: Option<Slot>,
}

impl Relay {
    /// What it can do, in the protocol that it answered in, else in the one that
    /// it is asked in first.
    pub fn capabilities(&self, facts: Facts) -> Capabilities {
        self.uri.capabilities(self.uri.protocol(facts.spoken))
    }
}

/// What all processes know of a relay beyond its URI, from the shared block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The protocol that it answered in.
    pub spoken: Option<Protocol>,
    /// The address that the keeper found for its name.
    pub resolved: Option<IpAddr>,
}

impl Facts {
    /// What the shared block says of a relay, as far as its URI leaves it open.
    #[inline]
    pub fn of(health: HealthTable<'_>, relay: &Relay) -> Facts {
        let mut facts = Facts::default();
        let Some(slot) = relay.slot else { return facts };
        if relay.uri.protocols.len() > 1 {
            facts.spoken = Protocol::from_number(health.protocol(slot));
        }
        if let RelayAddress::TcpName { .. } = relay.uri.address {
            facts.resolved = health.resolved(slot);
        }
        facts
    }
}
