//! The simulated network: nodes, messages under way, timers, and its clock.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::net::{IpAddr, Ipv4Addr};

use super::b2bua::B2bua;
use super::context::{Context, Ids, Out, Repeated, T1, T2, TIMEOUT};
use super::dialog::{Dialog, State};
use super::message::{Message, Method, NodeId};
use super::nat::Nat;
use super::phone::Phone;
use super::proxy::Proxy;
use super::relays::SharedRelays;
use super::script::Setup;
use super::sdp::EndId;

/// The first moment of every run.
const START: u64 = 1_000_000_000;
/// How often relays end their silent sessions, and servers do what is due.
const TICK: u64 = 1_000;
/// More events than any script has.
const MAX_STEPS: u64 = 100_000;

#[derive(Debug)]
pub enum Node {
    Phone(Phone),
    Proxy(Proxy),
    B2bua(B2bua),
}

#[derive(Debug)]
struct Arrival {
    from: NodeId,
    to: NodeId,
    message: Message,
}

#[derive(Debug)]
struct Repetition {
    node: NodeId,
    to: NodeId,
    key: Repeated,
    message: Message,
    at: u64,
    interval: u64,
    until: u64,
}

#[derive(Debug)]
pub struct World {
    pub now: u64,
    pub setup: Setup,
    pub nodes: Vec<Node>,
    pub relays: SharedRelays,
    pub nats: BTreeMap<NodeId, Nat>,
    pub ids: Ids,
    /// The last time that a relay has failed or has come back.
    pub disturbed_at: u64,
    /// Relays or servers have failed in this run.
    pub disturbed: bool,
    /// The last time that a server has lost its table.
    pub restarted_at: u64,
    /// Calls of which a message came behind their BYE to a server that has lost its
    /// table between the two.
    pub revived: BTreeSet<u32>,
    /// Ends whose addresses went through a server unchanged in the description of
    /// this version, because the call was over or a relay had failed.
    pub excused: Vec<(EndId, u32)>,
    queue: BinaryHeap<Reverse<(u64, u64)>>,
    arrivals: BTreeMap<u64, Arrival>,
    sequence: u64,
    repetitions: Vec<Repetition>,
    ticked_at: u64,
    steps: u64,
    /// Phones that have agreed since the last look.
    pub agreed: Vec<NodeId>,
    /// What happened, for a person; empty unless `recording`.
    pub record: Vec<String>,
    pub recording: bool,
}

impl World {
    pub fn new(setup: &Setup, recording: bool) -> Self {
        // Two servers cannot have one call with the same ids on one relay.
        let manner = setup.manner.possible();
        let same = setup.topology == "edge" && manner.same_call_id && manner.same_tags;
        let same = same || setup.topology == "upstream";
        let relays = setup.relays.max(if same { 2 } else { 1 });
        let relays = SharedRelays::new(relays, setup.dispatcher, setup.relay_delay, START);
        let mut world = World {
            now: START,
            setup: setup.clone(),
            nodes: Vec::new(),
            relays,
            nats: BTreeMap::new(),
            ids: Ids::new(setup.seed),
            disturbed_at: 0,
            disturbed: false,
            restarted_at: 0,
            revived: BTreeSet::new(),
            excused: Vec::new(),
            queue: BinaryHeap::new(),
            arrivals: BTreeMap::new(),
            sequence: 0,
            repetitions: Vec::new(),
            ticked_at: START,
            steps: 0,
            agreed: Vec::new(),
            record: Vec::new(),
            recording,
        };
        super::topology::build(&mut world);
        world
    }

    pub fn log(&mut self, text: impl FnOnce() -> String) {
        if self.recording {
            let at = (self.now - START) as f64 / 1000.0;
            self.record.push(format!("{at:9.3} {}", text()));
        }
    }

    pub fn phones(&self) -> impl Iterator<Item = &Phone> {
        self.nodes.iter().filter_map(|node| match node {
            Node::Phone(phone) => Some(phone),
            _ => None,
        })
    }

    pub fn proxies(&mut self) -> impl Iterator<Item = &mut Proxy> {
        self.nodes.iter_mut().filter_map(|node| match node {
            Node::Proxy(proxy) => Some(proxy),
            _ => None,
        })
    }

    /// A server under test.
    pub fn server(&mut self, number: u8) -> Option<&mut Proxy> {
        self.proxies().filter(|proxy| proxy.library.is_some()).nth(usize::from(number))
    }

    /// A server starts again: its table and its transactions are lost, and so is what
    /// it would have repeated.
    pub fn restart(&mut self, number: u8) {
        let now = self.now;
        (self.disturbed, self.restarted_at) = (true, now);
        let Some(proxy) = self.server(number) else { return };
        proxy.restart(now);
        let node = proxy.id;
        self.repetitions.retain(|repetition| repetition.node != node);
    }

    /// Notes a message of a dialog that was over before the server lost its table:
    /// without memory the server takes it for one of a live call.
    fn note_revived(&mut self, to: NodeId, message: &Message) {
        let serves = matches!(&self.nodes[to], Node::Proxy(proxy) if proxy.library.is_some());
        if !serves || self.restarted_at == 0 || self.revived.contains(&message.call_id) {
            return;
        }
        let tags = [message.from_tag, message.to_tag];
        let over = |dialog: &Dialog| {
            dialog.call_id == message.call_id
                && tags.contains(&dialog.local_tag)
                && tags.contains(&dialog.remote_tag)
                && dialog.state == State::Over
                && dialog.confirmed_at > 0
                && dialog.over_at <= self.restarted_at
        };
        if self.phones().any(|phone| phone.dialogs.iter().any(over)) {
            self.revived.insert(message.call_id);
        }
    }

    /// The address that other nodes see of a node.
    pub fn address(&self, node: NodeId) -> IpAddr {
        match (self.nats.get(&node), self.nodes.get(node)) {
            (Some(nat), _) => nat.address,
            (None, Some(Node::Phone(phone))) => phone.signaling,
            _ => node_address(node),
        }
    }

    /// Lets a node act.
    pub fn act(&mut self, node: NodeId, act: impl FnOnce(&mut Node, &mut Context<'_>)) {
        let mut out = Vec::new();
        let mut context = Context { now: self.now, ids: &mut self.ids, out: &mut out };
        if let Some(entry) = self.nodes.get_mut(node) {
            act(entry, &mut context);
        }
        for out in out {
            match out {
                Out::Send(to, message) => self.send(node, to, message),
                Out::Repeat(to, message, key) => {
                    self.send(node, to, message.clone());
                    let now = self.now;
                    self.repetitions.retain(|r| (r.node, r.key) != (node, key));
                    self.repetitions.push(Repetition {
                        node,
                        to,
                        key,
                        message,
                        at: now + T1,
                        interval: T1,
                        until: now + TIMEOUT,
                    });
                }
                Out::Stop(key) => self.repetitions.retain(|r| (r.node, r.key) != (node, key)),
                Out::Agreed => self.agreed.push(node),
            }
        }
    }

    fn send(&mut self, from: NodeId, to: NodeId, mut message: Message) {
        if matches!(self.nodes.get(from), Some(Node::Phone(_))) {
            message.origin = Some(self.address(from));
        }
        let lost = self.setup.loss > 0 && self.ids.random(100) < self.setup.loss;
        self.log(|| {
            let how = if lost { "lost" } else { "to" };
            format!("n{from} {how} n{to}: {}", message.summary())
        });
        if lost {
            return;
        }
        let mut latency = self.setup.latency;
        if self.setup.loss > 0 {
            latency += self.ids.random(2 * latency + 2);
            if self.ids.random(100) < self.setup.loss {
                let later = latency + self.ids.random(300);
                self.arrive(later, from, to, message.clone());
            }
        }
        self.arrive(latency, from, to, message);
    }

    fn arrive(&mut self, latency: u64, from: NodeId, to: NodeId, message: Message) {
        self.sequence += 1;
        self.queue.push(Reverse((self.now + latency, self.sequence)));
        self.arrivals.insert(self.sequence, Arrival { from, to, message });
    }

    /// True when nothing is under way and nothing is repeated.
    pub fn is_quiet(&mut self) -> bool {
        let waiting = |proxy: &mut Proxy| {
            proxy.library.as_ref().is_some_and(|library| library.deadline().is_some())
        };
        self.queue.is_empty() && self.repetitions.is_empty() && !self.proxies().any(waiting)
    }

    fn next(&mut self) -> u64 {
        let now = self.now;
        let message = self.queue.peek().map(|Reverse((at, _))| *at);
        let repetition = self.repetitions.iter().map(|repetition| repetition.at).min();
        let relay = self.relays.get().next();
        let rewrite = self
            .proxies()
            .filter_map(|proxy| proxy.library.as_ref()?.deadline())
            .map(|deadline| deadline.max(now + 1))
            .min();
        let tick = self.ticked_at + TICK;
        let all = [message, repetition, relay, rewrite, Some(tick)];
        all.into_iter().flatten().min().unwrap_or(tick).max(now)
    }

    /// Lets time pass, until `until` at most, or until phones have agreed. False
    /// when it is over.
    pub fn run(&mut self, until: u64) -> bool {
        while self.agreed.is_empty() {
            let next = self.next();
            if next > until {
                self.now = until;
                self.relays.get().set_now(until);
                return false;
            }
            self.now = next;
            self.relays.get().set_now(next);
            self.step();
        }
        true
    }

    fn step(&mut self) {
        let now = self.now;
        self.steps += 1;
        assert!(self.steps < MAX_STEPS, "the network does not rest: {:#?}", self.record);
        let answered = self.relays.get().deliver();
        let due = |proxy: &Proxy| {
            let deadline = proxy.library.as_ref().and_then(|library| library.deadline());
            deadline.is_some_and(|deadline| answered || deadline <= now)
        };
        for node in 0..self.nodes.len() {
            if matches!(&self.nodes[node], Node::Proxy(proxy) if due(proxy)) {
                self.act(node, |node, context| {
                    if let Node::Proxy(proxy) = node {
                        proxy.resume(context);
                    }
                });
            }
        }
        if let Some(Reverse((at, number))) = self.queue.peek().copied()
            && at <= now
        {
            self.queue.pop();
            if let Some(Arrival { from, to, message }) = self.arrivals.remove(&number) {
                self.note_revived(to, &message);
                self.act(to, |node, context| match node {
                    Node::Phone(phone) => phone.receive(message, context),
                    Node::Proxy(proxy) => proxy.receive(message, from, context),
                    Node::B2bua(b2bua) => b2bua.receive(message, context),
                });
            }
            return;
        }
        self.repeat();
        if now >= self.ticked_at + TICK {
            self.ticked_at = now;
            self.relays.get().expire();
            let unsettled = self.relays.get().are_unsettled();
            self.proxies().for_each(|proxy| proxy.tick(unsettled, now));
            self.ring_on();
        }
    }

    fn ring_on(&mut self) {
        let now = self.now;
        let rings = |phone: &&Phone| phone.dialogs.iter().any(|dialog| dialog.rings_on(now));
        let ringing: Vec<NodeId> = self.phones().filter(rings).map(|phone| phone.id).collect();
        for phone in ringing {
            self.act(phone, |node, context| {
                if let Node::Phone(phone) = node {
                    phone.tick(context);
                }
            });
        }
    }

    pub fn tidy(&mut self) {
        let now = self.now;
        self.proxies().for_each(|proxy| proxy.tidy(now));
    }

    fn repeat(&mut self) {
        let now = self.now;
        let mut number = 0;
        while let Some(repetition) = self.repetitions.get_mut(number) {
            if repetition.at > now {
                number += 1;
                continue;
            }
            if now >= repetition.until {
                let over = self.repetitions.remove(number);
                self.act(over.node, |node, context| match node {
                    Node::Phone(phone) => phone.timed_out(&over.message, context),
                    Node::Proxy(proxy) => proxy.timed_out(&over.message, context),
                    Node::B2bua(_) => {}
                });
                continue;
            }
            let message = &repetition.message;
            let invite = message.is_request(Method::Invite);
            repetition.interval *= 2;
            if !invite {
                repetition.interval = repetition.interval.min(T2);
            }
            repetition.at = (now + repetition.interval).min(repetition.until);
            let (from, to, message) = (repetition.node, repetition.to, message.clone());
            self.send(from, to, message);
            number += 1;
        }
    }
}

/// The address of a node that is neither a phone nor behind a NAT.
pub fn node_address(node: NodeId) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(203, 0, 113, 100 + node as u8))
}
