//! What a node of the network may use while it handles an event.

use std::net::SocketAddr;

use super::message::{Message, NodeId};
use super::sdp::EndId;

/// T1, T2 and 64 x T1 of RFC 3261 17, in milliseconds.
pub const T1: u64 = 500;
pub const T2: u64 = 4_000;
pub const TIMEOUT: u64 = 64 * T1;

/// A repeated message, by what stops it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeated {
    /// A request, until its reply.
    Request(u64),
    /// A failure reply to INVITE, until its ACK; by the branch of the request.
    Failure(u64),
    /// A 2xx to INVITE, until its ACK; by Call-ID, To tag and CSeq.
    Success(u32, u32, u32),
    /// A reliable provisional reply, until its PRACK; by Call-ID and To tag.
    Provisional(u32, u32),
}

/// What a node does.
#[derive(Debug)]
pub enum Out {
    Send(NodeId, Message),
    /// Sends at once, and again until it is stopped or 64 x T1 have passed.
    Repeat(NodeId, Message, Repeated),
    Stop(Repeated),
    /// A phone has made or received an answer.
    Agreed,
}

/// A socket of a phone.
#[derive(Clone, Copy, Debug)]
pub struct End {
    pub owner: NodeId,
    pub address: SocketAddr,
}

/// Numbers that are used once in a run, and the random numbers of the network.
#[derive(Debug)]
pub struct Ids {
    next: u32,
    /// All ends that ever were, by their number less one.
    pub ends: Vec<End>,
    random: u64,
}

impl Ids {
    pub fn new(seed: u64) -> Self {
        Ids { next: 0, ends: Vec::new(), random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1 }
    }

    pub fn number(&mut self) -> u32 {
        self.next += 1;
        self.next
    }

    pub fn branch(&mut self) -> u64 {
        u64::from(self.number()) << 32
    }

    pub fn end(&mut self, owner: NodeId, address: SocketAddr) -> EndId {
        self.ends.push(End { owner, address });
        self.ends.len() as EndId
    }

    /// A number below `bound`.
    pub fn random(&mut self, bound: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 11) % bound.max(1)
    }
}

/// The branch of a request that a stateless node passes on (RFC 3261 16.11).
pub fn derived(branch: u64, node: NodeId, number: usize) -> u64 {
    let mixed = (branch ^ (node as u64) << 8 ^ number as u64).wrapping_mul(0xff51_afd7_ed55_8ccd);
    mixed ^ mixed >> 29
}

/// The surroundings of a node.
#[derive(Debug)]
pub struct Context<'w> {
    pub now: u64,
    pub ids: &'w mut Ids,
    pub out: &'w mut Vec<Out>,
}

impl Context<'_> {
    pub fn send(&mut self, to: NodeId, message: Message) {
        self.out.push(Out::Send(to, message));
    }

    /// Sends a reply to the node of its top Via.
    pub fn reply(&mut self, message: Message) {
        if let Some(via) = message.vias.last() {
            self.out.push(Out::Send(via.node, message));
        }
    }

    /// Sends a reply to the node of its top Via until it is stopped.
    pub fn repeat_reply(&mut self, message: Message, key: Repeated) {
        if let Some(via) = message.vias.last() {
            self.out.push(Out::Repeat(via.node, message, key));
        }
    }

    /// Sends a request to the first node of its route until it is stopped.
    pub fn repeat_request(&mut self, message: Message) {
        if let Some(to) = message.route.first() {
            let key = Repeated::Request(message.branch());
            self.out.push(Out::Repeat(*to, message, key));
        }
    }

    pub fn stop(&mut self, key: Repeated) {
        self.out.push(Out::Stop(key));
    }
}
