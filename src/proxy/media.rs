//! The media ports of all sessions: which are open, and where a packet goes.
//!
//! A channel is one stream: an RTP and an RTCP port for each side. A packet
//! received on a port of one side is sent from the matching port of the other,
//! whatever it carries: RTP, RTCP, UDPTL, STUN, DTLS. The sockets are behind
//! [`Sockets`], so that everything but the system calls also runs in tests.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};

use super::config::Config;
use super::family::{Family, Side, Sides};
use super::ids::{ChannelId, PeerId};
use super::learner::Learner;
use super::learning::{Change, Expectation, Millis, Rules};
use super::local::Locals;
use super::media_ports::MediaPorts;
use super::refusal::Refusal;
use super::summary::{PortSummary, SideSummary, Traffic};
use super::warning::Warning;

/// The port range counts as exhausted after this many pairs in use by other
/// programs.
const ATTEMPTS: usize = 1024;

/// Opens and watches the sockets of ports.
pub(super) trait Sockets {
    type Socket;
    fn bind(&mut self, local: SocketAddr) -> io::Result<Self::Socket>;
    /// Starts to receive; the socket is known by the channel and its index there.
    fn watch(&mut self, socket: &Self::Socket, channel: ChannelId, index: usize) -> io::Result<()>;
    fn unwatch(&mut self, socket: &Self::Socket);
}

/// A media port.
#[derive(Clone, Debug)]
pub(super) struct Port<T> {
    pub(super) socket: T,
    local: SocketAddr,
    pub(super) learner: Learner,
    relayed: Traffic,
    dropped: u64,
}

/// A stream: caller RTP, caller RTCP, callee RTP, callee RTCP.
#[derive(Clone, Debug)]
pub(super) struct Channel<T> {
    ports: [Port<T>; 4],
    last_packet: Option<Millis>,
}

/// Totals over all sessions.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) open_ports: u64,
    pub(super) received: u64,
    pub(super) relayed: u64,
    pub(super) dropped: u64,
}

/// All media ports.
#[derive(Clone, Debug)]
pub(super) struct Media<S: Sockets> {
    pub(super) sockets: S,
    pub(super) rules: Rules,
    pub(super) locals: Locals,
    pub(super) channels: Vec<Option<Channel<S::Socket>>>,
    pub(super) counts: Counts,
    free: Vec<u32>,
    /// The ports without a target because packets would come back to them.
    pub(super) looped: Vec<(ChannelId, usize)>,
    /// A target has changed since the looped ports were examined.
    pub(super) targets_changed: bool,
    pub(super) warnings: Vec<Warning>,
    /// The session code used or closed a channel that is not open.
    faults: u32,
}

impl<S: Sockets> Media<S> {
    /// No open ports. `random` selects the first ports.
    pub(super) fn new(config: &Config, sockets: S, random: u64) -> Self {
        let rebinding =
            Millis::try_from(config.rebinding_timeout.as_millis()).unwrap_or(Millis::MAX);
        Media {
            sockets,
            rules: Rules {
                rebinding,
                learn_from: config.learn_from,
                loopback: config.addresses.iter().any(|ip| ip.is_loopback()),
                trusted: config.trusted.clone(),
            },
            locals: Locals::new(config, random),
            channels: Vec::new(),
            counts: Counts::default(),
            free: Vec::new(),
            looped: Vec::new(),
            targets_changed: false,
            warnings: Vec::new(),
            faults: 0,
        }
    }

    /// How often a channel was used or closed that was not open: always 0.
    pub(super) fn faults(&self) -> u32 {
        self.faults
    }

    pub(super) fn port(&self, id: ChannelId, index: usize) -> Option<&Port<S::Socket>> {
        self.channel(id)?.ports.get(index)
    }

    fn channel(&self, id: ChannelId) -> Option<&Channel<S::Socket>> {
        self.channels.get(usize::try_from(id.0).ok()?)?.as_ref()
    }

    fn change_learners(
        &mut self,
        id: ChannelId,
        side: Side,
        change: impl Fn(&mut Learner, &Rules),
    ) {
        let Media { channels, rules, .. } = self;
        let entry = usize::try_from(id.0).ok().and_then(|index| channels.get_mut(index));
        let Some(Some(channel)) = entry else {
            self.faults += 1;
            return;
        };
        let (rtp, rtcp) = channel.side(side);
        change(&mut rtp.learner, rules);
        change(&mut rtcp.learner, rules);
        self.check_loops(id, indices(side));
    }

    /// Binds an RTP and an RTCP port, skipping pairs that other programs use.
    fn open_pair(&mut self, family: Family) -> Result<Pair<S::Socket>, Refusal> {
        let local = self.locals.get_mut(family).ok_or(Refusal::NoAddress)?;
        let exhausted = local.ports.exhausted();
        for _ in 0..ATTEMPTS {
            let port = local.ports.allocate().ok_or(exhausted)?;
            let rtp = SocketAddr::new(local.ip, port);
            let rtcp = SocketAddr::new(local.ip, port | 1);
            match (self.sockets.bind(rtp), self.sockets.bind(rtcp)) {
                (Ok(first), Ok(second)) => {
                    return Ok((Port::new(first, rtp), Port::new(second, rtcp)));
                }
                (Err(error), _) | (_, Err(error)) => {
                    local.ports.release(port);
                    if error.kind() != ErrorKind::AddrInUse {
                        return Err(Refusal::Socket(rtp, error.kind()));
                    }
                }
            }
        }
        Err(exhausted)
    }

    fn release(&mut self, local: SocketAddr) {
        if let Some(entry) = self.locals.get_mut(Family::of(local.ip())) {
            entry.ports.release(local.port());
        }
    }

    /// Stores a channel in a free entry and starts to receive on its ports.
    fn install(&mut self, channel: Channel<S::Socket>) -> Result<ChannelId, Refusal> {
        let id = match self.free.pop() {
            Some(id) => id,
            None => {
                let used = self.channels.len();
                let id = u32::try_from(used).map_err(|_| Refusal::TooManySessions(used))?;
                self.channels.push(None);
                id
            }
        };
        let id = ChannelId(id);
        let watched = channel
            .ports
            .iter()
            .enumerate()
            .try_for_each(|(index, port)| self.sockets.watch(&port.socket, id, index));
        let [caller, _, callee, _] = &channel.ports;
        for (side, local) in [(Side::Caller, caller.local), (Side::Callee, callee.local)] {
            if let Some(entry) = self.locals.get_mut(Family::of(local.ip())) {
                entry.ports.assign(local.port(), id, side);
            }
        }
        if let Some(entry) = usize::try_from(id.0).ok().and_then(|at| self.channels.get_mut(at)) {
            *entry = Some(channel);
            self.counts.open_ports += 4;
        }
        if let Err(error) = watched {
            self.close(id);
            return Err(Refusal::Watch(error.kind()));
        }
        Ok(id)
    }
}

/// Where a side's RTP and RTCP ports stand in a channel.
fn indices(side: Side) -> [usize; 2] {
    if side == Side::Caller { [0, 1] } else { [2, 3] }
}

type Pair<T> = (Port<T>, Port<T>);

impl<T> Channel<T> {
    /// The port with an index, and the one that its packets leave from.
    pub(super) fn pair(&mut self, index: usize) -> (&mut Port<T>, &mut Port<T>) {
        let [a, b, c, d] = &mut self.ports;
        match index {
            0 => (a, c),
            1 => (b, d),
            2 => (c, a),
            _ => (d, b),
        }
    }

    /// The RTP and the RTCP port of a side.
    fn side(&mut self, side: Side) -> (&mut Port<T>, &mut Port<T>) {
        let [a, b, c, d] = &mut self.ports;
        if side == Side::Caller { (a, b) } else { (c, d) }
    }

    /// Decides about one packet, sends it with `send`, and counts it.
    #[inline]
    pub(super) fn forward(
        &mut self,
        index: usize,
        (source, length): (SocketAddr, usize),
        (rules, locals): (&Rules, &Locals),
        counts: &mut Counts,
        now: Millis,
        send: impl FnOnce(&T, SocketAddr, SocketAddr) -> bool,
    ) {
        counts.received += 1;
        let (from, to) = self.pair(index);
        let accepted = from.learner.accept(source, (rules, locals), now);
        let relayed = accepted
            && to.learner.target().is_some_and(|target| send(&to.socket, to.local, target));
        if relayed {
            from.relayed.packets += 1;
            from.relayed.bytes += length as u64;
            counts.relayed += 1;
        } else {
            from.dropped += 1;
            counts.dropped += 1;
        }
        if accepted {
            self.last_packet = Some(now);
        }
    }
}

impl<T> Port<T> {
    fn new(socket: T, local: SocketAddr) -> Self {
        let learner = Learner::new(local.is_ipv4());
        Port { socket, local, learner, relayed: Traffic::default(), dropped: 0 }
    }

    fn summary(&self) -> PortSummary {
        PortSummary {
            local: self.local,
            remote: self.learner.target(),
            relayed: self.relayed,
            dropped: self.dropped,
        }
    }
}

impl<S: Sockets> MediaPorts for Media<S> {
    fn relay_address(&self, family: Family) -> Option<IpAddr> {
        self.locals.get(family).map(|local| local.advertised)
    }

    fn open(&mut self, families: Sides<Family>) -> Result<ChannelId, Refusal> {
        let (a, b) = self.open_pair(families.caller)?;
        let (c, d) = match self.open_pair(families.callee) {
            Ok(pair) => pair,
            Err(refusal) => {
                self.release(a.local);
                return Err(refusal);
            }
        };
        self.install(Channel { ports: [a, b, c, d], last_packet: None })
    }

    fn close(&mut self, id: ChannelId) {
        let entry = usize::try_from(id.0).ok().and_then(|index| self.channels.get_mut(index));
        let Some(channel) = entry.and_then(Option::take) else {
            self.faults += 1;
            return;
        };
        for port in &channel.ports {
            self.sockets.unwatch(&port.socket);
        }
        let [caller, _, callee, _] = &channel.ports;
        self.release(caller.local);
        self.release(callee.local);
        self.free.push(id.0);
        self.counts.open_ports -= 4;
        self.looped.retain(|(looped, _)| *looped != id);
        self.targets_changed = true;
    }

    fn local(&self, id: ChannelId, side: Side) -> Option<SocketAddr> {
        let [caller, _, callee, _] = &self.channel(id)?.ports;
        let port = if side == Side::Caller { caller } else { callee };
        let advertised = self.relay_address(Family::of(port.local.ip()))?;
        Some(SocketAddr::new(advertised, port.local.port()))
    }

    fn expect(
        &mut self,
        (id, side): (ChannelId, Side),
        peer: PeerId,
        expectation: Expectation,
        change: Change,
        now: Millis,
    ) {
        let Media { channels, rules, locals, .. } = self;
        let entry = usize::try_from(id.0).ok().and_then(|index| channels.get_mut(index));
        let Some(Some(channel)) = entry else {
            self.faults += 1;
            return;
        };
        let (rtp, rtcp) = channel.side(side);
        rtp.learner.expect(peer, expectation, change, (rules, locals), now);
        // Port 65535 has no successor: a target with port 0 is not used.
        let port = expectation.port.checked_add(1).unwrap_or(0);
        let expectation = Expectation { port, ..expectation };
        rtcp.learner.expect(peer, expectation, change, (rules, locals), now);
        self.check_loops(id, indices(side));
    }

    fn demote(&mut self, (id, side): (ChannelId, Side), peer: PeerId) {
        self.change_learners(id, side, |learner, rules| learner.demote(peer, rules));
    }

    fn remove_peer(&mut self, (id, side): (ChannelId, Side), peer: PeerId) {
        self.change_learners(id, side, |learner, rules| learner.remove_peer(peer, rules));
    }

    fn warn_if_waiting(&mut self, expectation: &Expectation, receive_only: bool) {
        let own = expectation.sdp().is_some_and(|sdp| self.locals.own_port(sdp).is_some());
        let waits = expectation.waits_for_packet(receive_only, &self.rules);
        self.warnings.extend(waits.filter(|_| !own).map(Warning::WaitsForPacket));
    }

    fn finish_changes(&mut self) {
        self.check_looped_again();
    }

    fn take_warnings(&mut self) -> Vec<Warning> {
        std::mem::take(&mut self.warnings)
    }

    fn last_packet(&self, id: ChannelId) -> Option<Millis> {
        self.channel(id)?.last_packet
    }

    fn summary(&self, id: ChannelId) -> Option<Sides<SideSummary>> {
        let [a, b, c, d] = &self.channel(id)?.ports;
        Some(Sides {
            caller: SideSummary { rtp: a.summary(), rtcp: b.summary() },
            callee: SideSummary { rtp: c.summary(), rtcp: d.summary() },
        })
    }
}
