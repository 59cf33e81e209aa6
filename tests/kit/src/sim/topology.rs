//! The networks that a script can choose from.

use std::net::{IpAddr, Ipv4Addr};

use super::b2bua::B2bua;
use super::message::NodeId;
use super::nat::{Nat, NatKind};
use super::phone::Phone;
use super::proxy::Proxy;
use super::script::TOPOLOGIES;
use super::server::Library;
use super::world::{Node, World, node_address};

/// Phones come first: node 0 is `a`. Their first hop is [`first_hop`].
pub fn build(world: &mut World) {
    let setup = world.setup.clone();
    let phones = TOPOLOGIES.iter().find(|(name, _)| *name == setup.topology).map_or(2, |t| t.1);
    for id in 0..phones {
        let number = id as u8 + 1;
        let nat = setup.nats[id].and_then(|kind| NatKind::NAMED.get(kind));
        let ip = match nat {
            Some(_) => Ipv4Addr::new(192, 168, number, 10),
            None => Ipv4Addr::new(198, 51, 100, number),
        };
        if let Some((_, kind)) = nat {
            let address = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 100 + number));
            world.nats.insert(id, Nat::new(address, *kind));
        }
        let elsewhere = setup.elsewhere & 1 << id != 0 && nat.is_none();
        let media = if elsewhere { Ipv4Addr::new(10, 9, 9, number) } else { ip };
        let mut phone = Phone::new(id, IpAddr::V4(media));
        phone.signaling = IpAddr::V4(ip);
        phone.keeps = setup.keeps;
        phone.kinds.clone_from(&setup.streams);
        phone.without_tags = setup.without_tags & 1 << id != 0;
        world.nodes.push(Node::Phone(phone));
    }
    let others: Vec<NodeId> = (1..phones).collect();
    let server = phones;
    let next = phones + 1;
    let all = |targets: Vec<NodeId>| vec![(None, targets)];
    match setup.topology {
        "stateful" | "fork" | "fork3" => with_library(world, server, all(others), true, 0),
        "downstream" => {
            with_library(world, server, all(vec![next]), true, 0);
            plain(world, next, all(others), true);
        }
        "both" => {
            with_library(world, server, all(vec![1, next]), true, 0);
            plain(world, next, all(vec![2, 3]), true);
        }
        "hairpin" | "edge" => {
            let back = vec![(Some(next), vec![1]), (None, vec![next])];
            if setup.topology == "edge" {
                with_library(world, server, all(vec![next]), true, 0);
            } else {
                with_library(world, server, back, true, 0);
            }
            let to = if setup.topology == "edge" { next + 1 } else { server };
            let mut manner = setup.manner;
            // Its own tag is never null.
            manner.same_tags &= setup.without_tags == 0;
            let b2bua = B2bua::new(next, node_address(next), to, manner);
            world.nodes.push(Node::B2bua(b2bua));
            if setup.topology == "edge" {
                with_library(world, next + 1, all(vec![1]), true, 1);
            }
        }
        "upstream" => {
            with_library(world, server, all(vec![1]), true, 0);
            with_library(world, next, all(vec![2]), true, 1);
            plain(world, next + 1, all(vec![server, next]), true);
        }
        "chain" => {
            with_library(world, server, all(vec![next]), true, 0);
            with_library(world, next, all(vec![1]), true, 1);
        }
        "forkchain" => {
            with_library(world, server, all(vec![1, next]), true, 0);
            with_library(world, next, all(vec![2]), true, 1);
        }
        "spiral" => {
            let back = vec![(Some(next), vec![1]), (None, vec![next])];
            with_library(world, server, back, true, 0);
            plain(world, next, all(vec![server]), false);
        }
        "proxies" => {
            with_library(world, server, vec![(Some(next), vec![next + 1])], false, 0);
            plain(world, next, all(vec![server]), false);
            plain(world, next + 1, all(vec![1]), false);
        }
        _ => with_library(world, server, all(others), false, 0),
    }
}

/// Where a phone sends its initial INVITE.
pub fn first_hop(world: &World) -> NodeId {
    let phones = world.phones().count();
    match world.setup.topology {
        "proxies" => phones + 1,
        "upstream" => phones + 2,
        _ => phones,
    }
}

fn plain(world: &mut World, id: NodeId, next: Vec<(Option<NodeId>, Vec<NodeId>)>, stateful: bool) {
    world.nodes.push(Node::Proxy(Proxy::new(id, next, stateful)));
}

/// The server under test; `number` counts the servers of the network.
fn with_library(
    world: &mut World,
    id: NodeId,
    next: Vec<(Option<NodeId>, Vec<NodeId>)>,
    stateful: bool,
    number: usize,
) {
    let count = world.relays.get().count();
    let several = matches!(world.setup.topology, "chain" | "forkchain" | "edge" | "upstream");
    let relays = if several { vec![number % count] } else { (0..count).collect() };
    let (workers, now) = (world.setup.workers.max(1), world.now);
    // Two servers on one relay: the second one leaves the call to the first.
    let marker = world.setup.topology.ends_with("chain") && count == 1;
    let library = Library::new(relays, marker, workers, &world.relays, node_address(id), now);
    let mut proxy = Proxy::new(id, next, stateful);
    proxy.library = Some(Box::new(library));
    world.nodes.push(Node::Proxy(proxy));
}
