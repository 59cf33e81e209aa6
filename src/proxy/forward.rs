//! The media sockets of all sessions, and the forwarding of packets.
//!
//! A channel is one stream: an RTP and an RTCP socket for each side. A packet
//! received on a socket of one side is sent from the matching socket of the
//! other, whatever it carries: RTP, RTCP, UDPTL, STUN, DTLS.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, UdpSocket};

use super::config::Config;
use super::family::{Family, Side, Sides};
use super::learning::{Change, Expectation, Learner, Millis, Rules};
use super::media_ports::{ChannelId, MediaPorts};
use super::ports::Ports;
use super::refusal::Refusal;
use super::summary::{PortSummary, SideSummary, Traffic};
use crate::sys::epoll::Epoll;

/// The largest UDP datagram.
const DATAGRAM: usize = 65_536;
/// The port range counts as exhausted after this many pairs in use by other
/// programs.
const ATTEMPTS: usize = 1024;
/// Tokens of media sockets start here; the lower ones are the server's.
pub(super) const FIRST_TOKEN: u64 = 1 << 32;

/// One address of the proxy and its ports.
struct Local {
    ip: IpAddr,
    /// The address written into SDP.
    advertised: IpAddr,
    ports: Ports,
}

/// A media socket.
struct Port {
    socket: UdpSocket,
    local: SocketAddr,
    learner: Learner,
    relayed: Traffic,
    dropped: u64,
}

/// A stream: caller RTP, caller RTCP, callee RTP, callee RTCP.
struct Channel {
    ports: [Port; 4],
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

/// All media sockets.
pub(super) struct Forwarder<'a> {
    epoll: &'a Epoll,
    rules: Rules,
    ipv4: Option<Local>,
    ipv6: Option<Local>,
    channels: Vec<Option<Channel>>,
    free: Vec<u32>,
    buffer: Vec<u8>,
    counts: Counts,
}

impl<'a> Forwarder<'a> {
    /// A forwarder without sockets. `random` selects the first ports.
    pub(super) fn new(config: &Config, epoll: &'a Epoll, random: u64) -> Self {
        let local = |family| {
            let ipv4 = family == Family::V4;
            let (ip, advertised) = config.address(ipv4).zip(config.advertised_address(ipv4))?;
            let (first, last) = config.ports;
            Some(Local { ip, advertised, ports: Ports::new(first, last, random) })
        };
        let rebinding =
            Millis::try_from(config.rebinding_timeout.as_millis()).unwrap_or(Millis::MAX);
        Forwarder {
            epoll,
            rules: Rules {
                rebinding,
                learn_from: config.learn_from,
                loopback: config.addresses.iter().any(|ip| ip.is_loopback()),
            },
            ipv4: local(Family::V4),
            ipv6: local(Family::V6),
            channels: Vec::new(),
            free: Vec::new(),
            buffer: vec![0; DATAGRAM],
            counts: Counts::default(),
        }
    }

    pub(super) fn counts(&self) -> Counts {
        self.counts
    }

    /// Forwards one packet from the socket with this token. Sockets are
    /// level-triggered: a socket with more packets is ready again at once, and
    /// all sockets take turns.
    pub(super) fn relay(&mut self, token: u64, now: Millis) {
        let Some((channel, index)) = self.channel_of(token) else { return };
        let Some(Some(channel)) = self.channels.get_mut(channel) else { return };
        let [a, b, c, d] = &mut channel.ports;
        let (from, to) = match index {
            0 => (a, c),
            1 => (b, d),
            2 => (c, a),
            _ => (d, b),
        };
        let (length, source) = match from.socket.recv_from(&mut self.buffer) {
            Ok(received) => received,
            Err(_) => return,
        };
        self.counts.received += 1;
        let own = |address: SocketAddr| {
            let local = if address.is_ipv4() { &self.ipv4 } else { &self.ipv6 };
            local.as_ref().is_some_and(|local| {
                [local.ip, local.advertised].contains(&address.ip())
                    && local.ports.is_used(address.port())
            })
        };
        // Packets between the proxy's own ports would circulate for ever.
        let relayed = !own(source) && from.learner.accept(source, &self.rules, now) && {
            channel.last_packet = Some(now);
            match (to.learner.target().filter(|target| !own(*target)), self.buffer.get(..length)) {
                (Some(target), Some(packet)) => send(&to.socket, packet, target),
                _ => false,
            }
        };
        if relayed {
            from.relayed.packets += 1;
            from.relayed.bytes += length as u64;
            self.counts.relayed += 1;
        } else {
            from.dropped += 1;
            self.counts.dropped += 1;
        }
    }

    fn channel_of(&self, token: u64) -> Option<(usize, u64)> {
        let token = token.checked_sub(FIRST_TOKEN)?;
        Some((usize::try_from(token >> 2).ok()?, token & 3))
    }

    fn channel(&self, id: ChannelId) -> Option<&Channel> {
        self.channels.get(usize::try_from(id.0).ok()?)?.as_ref()
    }

    fn channel_mut(&mut self, id: ChannelId) -> Option<&mut Channel> {
        self.channels.get_mut(usize::try_from(id.0).ok()?)?.as_mut()
    }

    fn local(&mut self, family: Family) -> Option<&mut Local> {
        match family {
            Family::V4 => self.ipv4.as_mut(),
            Family::V6 => self.ipv6.as_mut(),
        }
    }

    /// Binds an RTP and an RTCP socket, skipping pairs that other programs use.
    fn open_pair(&mut self, family: Family) -> Result<(Port, Port), Refusal> {
        let local = self.local(family).ok_or(Refusal::NoAddress)?;
        let exhausted = local.ports.exhausted();
        for _ in 0..ATTEMPTS {
            let port = local.ports.allocate().ok_or(exhausted)?;
            let rtp = SocketAddr::new(local.ip, port);
            let rtcp = SocketAddr::new(local.ip, port | 1);
            match (Port::bind(rtp), Port::bind(rtcp)) {
                (Ok(rtp), Ok(rtcp)) => return Ok((rtp, rtcp)),
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

    fn release(&mut self, port: &Port) {
        if let Some(local) = self.local(Family::of(port.local.ip())) {
            local.ports.release(port.local.port());
        }
    }

    /// Stores a channel in a free entry and adds its sockets to epoll.
    fn install(&mut self, channel: Channel) -> Result<ChannelId, Refusal> {
        let id = match self.free.pop() {
            Some(id) => id,
            None => {
                let used = self.channels.len();
                let id = u32::try_from(used).map_err(|_| Refusal::TooManySessions(used))?;
                self.channels.push(None);
                id
            }
        };
        let first = FIRST_TOKEN + (u64::from(id) << 2);
        let watched = (first..)
            .zip(&channel.ports)
            .try_for_each(|(token, port)| self.epoll.add(&port.socket, token));
        if let Some(entry) = usize::try_from(id).ok().and_then(|at| self.channels.get_mut(at)) {
            *entry = Some(channel);
            self.counts.open_ports += 4;
        }
        if let Err(error) = watched {
            self.close(ChannelId(id));
            return Err(Refusal::Watch(error.kind()));
        }
        Ok(ChannelId(id))
    }
}

impl Port {
    fn bind(local: SocketAddr) -> std::io::Result<Port> {
        let socket = UdpSocket::bind(local)?;
        socket.set_nonblocking(true)?;
        let learner = Learner::new(local.is_ipv4());
        Ok(Port { socket, local, learner, relayed: Traffic::default(), dropped: 0 })
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

/// Sends without retry: a full queue or an unreachable address loses the
/// packet, as any router on the path would.
fn send(socket: &UdpSocket, packet: &[u8], target: SocketAddr) -> bool {
    loop {
        match socket.send_to(packet, target) {
            Ok(_) => return true,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return false,
        }
    }
}

impl MediaPorts for Forwarder<'_> {
    fn relay_address(&self, family: Family) -> Option<IpAddr> {
        let local = match family {
            Family::V4 => &self.ipv4,
            Family::V6 => &self.ipv6,
        };
        local.as_ref().map(|local| local.advertised)
    }

    fn open(&mut self, families: Sides<Family>) -> Result<ChannelId, Refusal> {
        let (a, b) = self.open_pair(families.caller)?;
        let (c, d) = match self.open_pair(families.callee) {
            Ok(pair) => pair,
            Err(refusal) => {
                self.release(&a);
                return Err(refusal);
            }
        };
        self.install(Channel { ports: [a, b, c, d], last_packet: None })
    }

    fn close(&mut self, id: ChannelId) {
        let entry = usize::try_from(id.0).ok().and_then(|index| self.channels.get_mut(index));
        let Some(channel) = entry.and_then(Option::take) else { return };
        for port in &channel.ports {
            // Closing is not enough: a forked child may hold a copy of the
            // descriptor, and its packets would keep waking this thread.
            let _ = self.epoll.remove(&port.socket);
        }
        let [caller, _, callee, _] = &channel.ports;
        self.release(caller);
        self.release(callee);
        self.free.push(id.0);
        self.counts.open_ports -= 4;
    }

    fn local(&self, id: ChannelId, side: Side) -> Option<SocketAddr> {
        let [caller, _, callee, _] = &self.channel(id)?.ports;
        let port = if side == Side::Caller { caller } else { callee };
        let advertised = self.relay_address(Family::of(port.local.ip()))?;
        Some(SocketAddr::new(advertised, port.local.port()))
    }

    fn expect(
        &mut self,
        id: ChannelId,
        side: Side,
        expectation: Expectation,
        change: Change,
        now: Millis,
    ) {
        let rules = self.rules;
        let Some(channel) = self.channel_mut(id) else { return };
        let [a, b, c, d] = &mut channel.ports;
        let (rtp, rtcp) = if side == Side::Caller { (a, b) } else { (c, d) };
        rtp.learner.expect(expectation, change, &rules, now);
        // Port 65535 has no successor: a target with port 0 is not used.
        let port = expectation.port.checked_add(1).unwrap_or(0);
        rtcp.learner.expect(Expectation { port, ..expectation }, change, &rules, now);
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
