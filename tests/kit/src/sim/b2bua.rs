//! Back-to-back user agents and application servers: two dialogs for one call,
//! with or without the media, with or without another Call-ID or other tags,
//! with one m= line more or less.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use super::context::{Context, derived};
use super::message::{Message, Method, NodeId, Via};
use super::sdp::{Direction, Kind, Line, Sdp};

/// What it does to descriptions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edit {
    Nothing,
    /// The caller's first line is not shown to the callee.
    DropsFirst,
    /// The callee is offered one more line, before the others.
    AddsFirst,
}

/// When it sends to the addresses of a description.
#[derive(Clone, Copy)]
enum Takes {
    Now,
    /// With the answer to the request of this branch.
    Later(u64),
    /// The message has come before.
    Nothing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Manner {
    pub same_call_id: bool,
    pub same_tags: bool,
    /// The media passes through it.
    pub media: bool,
    pub edit: Edit,
}

impl Manner {
    /// Without what cannot be together.
    pub fn possible(mut self) -> Self {
        // Lines are numbered as the caller has them.
        self.media &= self.edit == Edit::Nothing;
        // A server that sees both sides could not tell them apart.
        let changes = self.media || self.edit != Edit::Nothing;
        self.same_tags &= !(self.same_call_id && changes);
        self
    }
}

/// The way to one of the two sides.
#[derive(Clone, Debug, Default)]
struct Way {
    record_route: Vec<NodeId>,
    contact: NodeId,
}

/// Ports and the other side's address, for the media of one stream: facing the
/// caller and facing the callee.
#[derive(Clone, Copy, Debug)]
struct Ports {
    ports: [u16; 2],
    remote: [Option<SocketAddr>; 2],
}

#[derive(Debug)]
struct Leg {
    /// Call-ID and caller's tag on both sides.
    ids: [(u32, u32); 2],
    caller: Way,
    /// By the callee's tag: its tag towards the caller, and the way to it.
    callees: BTreeMap<u32, (u32, Way)>,
    ports: Vec<Ports>,
    dropped: Option<Line>,
    added: Option<Line>,
    over: bool,
    edit: Edit,
    /// The addresses in offers that wait for their replies, by branch.
    offers: BTreeMap<u64, Vec<(usize, usize, SocketAddr)>>,
    /// The ACKs and 2xx replies that came: what comes again changes nothing.
    known: BTreeSet<(bool, bool, u32, u32)>,
}

impl Leg {
    /// A refused offer changes nothing (RFC 3261 14.1).
    fn replied(&mut self, branch: u64, status: u16) {
        if status < 200 {
            return;
        }
        for (line, side, address) in self.offers.remove(&branch).unwrap_or_default() {
            if status < 300
                && let Some(ports) = self.ports.get_mut(line)
            {
                ports.remote[side] = Some(address);
            }
        }
    }
}

/// A request that was passed on: the leg, whether it came from the caller, and
/// its Via headers.
#[derive(Debug)]
struct Passed {
    leg: usize,
    from_caller: bool,
    vias: Vec<Via>,
    from_tag: u32,
    to_tag: u32,
}

#[derive(Debug)]
pub struct B2bua {
    pub id: NodeId,
    pub ip: IpAddr,
    pub next: NodeId,
    pub manner: Manner,
    legs: Vec<Leg>,
    passed: BTreeMap<u64, Passed>,
}

impl B2bua {
    pub fn new(id: NodeId, ip: IpAddr, next: NodeId, manner: Manner) -> Self {
        let manner = manner.possible();
        B2bua { id, ip, next, manner, legs: Vec::new(), passed: BTreeMap::new() }
    }

    pub fn receive(&mut self, message: Message, context: &mut Context<'_>) {
        match message.status {
            None => self.on_request(message, context),
            Some(_) => self.on_reply(message, context),
        }
    }

    fn on_request(&mut self, mut message: Message, context: &mut Context<'_>) {
        message.route.remove(0);
        let (call, from, to) = (message.call_id, message.from_tag, message.to_tag);
        let by_caller = self.legs.iter().position(|leg| leg.ids[0] == (call, from));
        let by_callee = self
            .legs
            .iter()
            .position(|leg| leg.ids[1] == (call, to) && leg.callees.contains_key(&from));
        let initial = to == 0 && matches!(message.method, Method::Invite | Method::Cancel);
        let (leg, from_caller) = match (by_caller, by_callee) {
            (Some(leg), _) => (leg, true),
            (None, Some(leg)) => (leg, false),
            (None, None) if initial && message.method == Method::Invite => {
                self.begin(&message, context);
                (self.legs.len() - 1, true)
            }
            (None, None) => {
                if message.method != Method::Ack {
                    let tag = context.ids.number();
                    context.reply(message.reply(481, tag, self.id));
                }
                return;
            }
        };
        let branch = derived(message.branch(), self.id, 7);
        let passed = Passed {
            leg,
            from_caller,
            vias: std::mem::take(&mut message.vias),
            from_tag: from,
            to_tag: to,
        };
        self.passed.insert(branch, passed);
        message.vias = vec![Via { node: self.id, branch }];
        let entry = &mut self.legs[leg];
        if from_caller {
            (message.call_id, message.from_tag) = entry.ids[1];
            let known = entry.callees.iter().find(|(_, (tag, _))| *tag == to);
            let known = known.filter(|_| to != 0 || !initial);
            (message.to_tag, message.route) = match known {
                Some((tag, (_, way))) => {
                    let contact = [way.contact];
                    (*tag, way.record_route.iter().chain(&contact).copied().collect())
                }
                None => (0, vec![self.next]),
            };
        } else {
            (message.call_id, message.to_tag) = entry.ids[0];
            message.from_tag = entry.callees.get(&from).map_or(from, |(tag, _)| *tag);
            let way = &entry.caller;
            message.route = way.record_route.iter().rev().copied().collect();
            message.route.push(way.contact);
        }
        if message.method == Method::Bye {
            entry.over = true;
        }
        message.record_route.clear();
        message.contact = self.id;
        message.origin = Some(self.ip);
        let offers = matches!(message.method, Method::Invite | Method::Update);
        let first = message.method != Method::Ack
            || entry.known.insert((true, from_caller, message.cseq, message.to_tag));
        let takes = match offers && (to != 0 || !from_caller) {
            true => Takes::Later(branch),
            false if first => Takes::Now,
            false => Takes::Nothing,
        };
        self.describe(leg, from_caller, takes, &mut message.sdp, context);
        context.send(message.route[0], message);
    }

    fn begin(&mut self, message: &Message, context: &mut Context<'_>) {
        let ids = (message.call_id, message.from_tag);
        let manner = self.manner;
        let call = if manner.same_call_id { ids.0 } else { context.ids.number() };
        let tag = if manner.same_tags { ids.1 } else { context.ids.number() };
        self.legs.push(Leg {
            ids: [ids, (call, tag)],
            caller: Way { record_route: message.record_route.clone(), contact: message.contact },
            callees: BTreeMap::new(),
            ports: Vec::new(),
            dropped: None,
            added: None,
            over: false,
            offers: BTreeMap::new(),
            known: BTreeSet::new(),
            // What it would do to the answer of a callee's offer is not the same.
            edit: if message.sdp.is_some() { manner.edit } else { Edit::Nothing },
        });
    }

    fn on_reply(&mut self, mut message: Message, context: &mut Context<'_>) {
        let branch = message.vias.pop().map_or(0, |via| via.branch);
        let Some(passed) = self.passed.get(&branch) else { return };
        message.vias.clone_from(&passed.vias);
        let (leg, from_caller) = (passed.leg, passed.from_caller);
        let entry = &mut self.legs[leg];
        if from_caller {
            // A reply without a tag is of the dialog with the null tag.
            if message.status.is_some_and(|status| status > 100) {
                let way =
                    Way { record_route: message.record_route.clone(), contact: message.contact };
                let tag = message.to_tag;
                let same = self.manner.same_tags;
                // The way of a dialog is that of its first reply (RFC 3261 12.1.2).
                let (known, _) = entry.callees.entry(tag).or_insert_with(|| {
                    (if same && tag != 0 { tag } else { context.ids.number() }, way)
                });
                message.to_tag = *known;
            }
            (message.call_id, message.from_tag) = entry.ids[0];
            message.record_route.clone_from(&entry.caller.record_route);
        } else {
            message.call_id = entry.ids[1].0;
            (message.from_tag, message.to_tag) = (passed.from_tag, passed.to_tag);
        }
        entry.replied(branch, message.status.unwrap_or(0));
        message.contact = self.id;
        message.origin = Some(self.ip);
        let success = message.method == Method::Invite && message.is_invite_reply(200..=299);
        let tag = if from_caller { message.to_tag } else { message.from_tag };
        let first = !success || entry.known.insert((false, from_caller, message.cseq, tag));
        let takes = if first { Takes::Now } else { Takes::Nothing };
        self.describe(leg, !from_caller, takes, &mut message.sdp, context);
        context.reply(message);
    }

    /// Changes a description that goes to the callee (`from_caller`) or to the
    /// caller.
    fn describe(
        &mut self,
        leg: usize,
        from_caller: bool,
        takes: Takes,
        sdp: &mut Option<Sdp>,
        context: &mut Context<'_>,
    ) {
        let Some(sdp) = sdp else { return };
        let (ip, id) = (self.ip, self.id);
        let leg = &mut self.legs[leg];
        match (leg.edit, from_caller) {
            (Edit::DropsFirst, true) if leg.dropped.is_some() || sdp.lines.len() > 1 => {
                leg.dropped = Some(sdp.lines.remove(0));
            }
            (Edit::DropsFirst, false) => {
                if let Some(mut line) = leg.dropped {
                    line.address = SocketAddr::new(ip, 0);
                    line.end = 0;
                    sdp.lines.insert(0, line);
                }
            }
            (Edit::AddsFirst, true) => {
                let line = *leg.added.get_or_insert_with(|| {
                    let address = SocketAddr::new(ip, 9_000);
                    let end = context.ids.end(id, address);
                    let (kind, direction) = (Kind::Video, Direction::SendOnly);
                    Line { kind, address, direction, end, other_transport: false }
                });
                sdp.lines.insert(0, line);
            }
            (Edit::AddsFirst, false) if !sdp.lines.is_empty() => {
                // A line that the callee has refused stays so.
                let line = sdp.lines.remove(0);
                if let Some(added) = leg.added.as_mut().filter(|_| !line.is_active()) {
                    added.address.set_port(0);
                    added.end = 0;
                }
            }
            _ => {}
        }
        if !self.manner.media {
            return;
        }
        let side = usize::from(!from_caller);
        for (number, line) in sdp.lines.iter_mut().enumerate() {
            while leg.ports.len() <= number {
                let first = 10_000 + 4 * leg.ports.len() as u16 + 400 * (leg.ids[0].0 % 50) as u16;
                leg.ports.push(Ports { ports: [first, first + 2], remote: [None; 2] });
            }
            let ports = &mut leg.ports[number];
            if line.is_active()
                && line.kind.is_relayed()
                && line.address.ip() != ip
                && !line.address.ip().is_unspecified()
            {
                match takes {
                    Takes::Later(branch) if ports.remote[side].is_some() => {
                        let offer = leg.offers.entry(branch).or_default();
                        offer.push((number, side, line.address));
                    }
                    Takes::Now | Takes::Later(_) => ports.remote[side] = Some(line.address),
                    Takes::Nothing => {}
                }
                line.address = SocketAddr::new(ip, ports.ports[1 - side]);
            }
        }
    }

    /// A packet for one of its ports: where it leaves from, and for where.
    pub fn packet(&self, port: u16) -> Option<(SocketAddr, SocketAddr)> {
        for leg in self.legs.iter().filter(|leg| !leg.over) {
            for ports in &leg.ports {
                if let Some(side) = ports.ports.iter().position(|own| *own == port) {
                    let from = SocketAddr::new(self.ip, ports.ports[1 - side]);
                    return Some((from, ports.remote[1 - side]?));
                }
            }
        }
        None
    }
}
