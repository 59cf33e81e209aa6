//! One relay of a list, with its identity and its slot in the health table.

use std::net::IpAddr;

use crate::relay::protocol::Protocol;
use crate::relay::{Capabilities, RelayAddress, RelayUri};
use crate::shared::HealthTable;
use crate::shared::health::Slot;

/// A relay.
#[derive(Debug, PartialEq, Eq)]
pub struct Relay {
    /// Its name, address and possible protocols.
    pub uri: RelayUri,
    /// The hash of its name, equal in all processes. The call table stores it.
    pub identity: u32,
    /// Its slot in the health table. `None` when the table was full: the relay
    /// then counts as up.
    pub slot: Option<Slot>,
}

impl Relay {
    /// Its capabilities in the protocol that it answered in; before the first
    /// answer, in the protocol that is tried first.
    pub fn capabilities(&self, facts: Facts) -> Capabilities {
        self.uri.capabilities(self.uri.protocol(facts.spoken))
    }
}

/// The facts about a relay that the shared block stores and its URI does not
/// have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The protocol that the relay answered in; `None` before that.
    pub spoken: Option<Protocol>,
    /// The address that the keeper resolved the relay's host name to.
    pub resolved: Option<IpAddr>,
}

impl Facts {
    /// Reads the facts that the relay's URI leaves open.
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
