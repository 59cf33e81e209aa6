//! Packets on their way through NATs, relays and B2BUAs.

use std::net::SocketAddr;

use super::message::NodeId;
use super::sdp::EndId;
use super::world::{Node, World, node_address};

/// Where a packet ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// At a phone's address; the end that has it, if any has.
    Phone(NodeId, SocketAddr),
    /// At something that sends nothing on: the address is the last one.
    Dropped(SocketAddr),
    /// It went from relay to relay without an end.
    Loop(SocketAddr),
}

/// More hops than any honest way has.
const MAX_HOPS: usize = 12;

impl World {
    /// Sends a packet from a phone's end to an address. With `recording` the way
    /// is written to the record.
    pub fn packet(&mut self, end: EndId, to: SocketAddr) -> Fate {
        let Some(sender) = self.ids.ends.get(end as usize - 1).copied() else {
            return Fate::Dropped(to);
        };
        let now = self.now;
        let mut source = sender.address;
        let mut target = to;
        if let Some(nat) = self.nats.get_mut(&sender.owner) {
            source = nat.outbound(source, target, now);
        }
        let mut way = Vec::new();
        let mut fate = Fate::Loop(target);
        for _ in 0..MAX_HOPS {
            if self.recording {
                way.push(format!("{source} to {target}"));
            }
            match self.hop(source, target) {
                Ok((from, to)) => (source, target) = (from, to),
                Err(end) => {
                    fate = end;
                    break;
                }
            }
        }
        self.log(|| format!("packet of end {end}: {}: {fate:?}", way.join(", ")));
        fate
    }

    /// One hop: the next source and target, or the end of the way.
    fn hop(
        &mut self,
        source: SocketAddr,
        target: SocketAddr,
    ) -> Result<(SocketAddr, SocketAddr), Fate> {
        let at_relay = self.relays.get().packet(target, source);
        if let Some(sent) = at_relay {
            return sent.ok_or(Fate::Dropped(target));
        }
        for (id, node) in self.nodes.iter().enumerate() {
            match node {
                Node::B2bua(b2bua) if target.ip() == node_address(id) => {
                    return b2bua.packet(target.port()).ok_or(Fate::Dropped(target));
                }
                Node::Phone(phone) if self.nats.contains_key(&id) => {
                    let nat = &self.nats[&id];
                    if nat.address == target.ip() {
                        let inside = nat.inbound(target.port(), source, self.now);
                        let inside = inside.ok_or(Fate::Dropped(target))?;
                        return Err(Fate::Phone(phone.id, inside));
                    }
                }
                Node::Phone(phone) if phone.ip == target.ip() => {
                    return Err(Fate::Phone(id, target));
                }
                _ => {}
            }
        }
        Err(Fate::Dropped(target))
    }
}
