//! A proxy without sockets and clock, for tests that pass bytes, packets and
//! times in any order. The code behind it is that of the real proxy.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use super::config::Config;
use super::control::{self, Framer};
use super::family::{Family, Side, Sides};
use super::learning::{Change, Expectation, Learner, Millis, Rules};
use super::media_ports::{ChannelId, MediaPorts};
use super::ports::Ports;
use super::refusal::Refusal;
use super::summary::{EndReason, PortSummary, SessionSummary, SideSummary, Traffic};
use super::table::{Reply, Table};

/// A proxy whose control connections are numbers and whose sockets are
/// entries of a map.
#[derive(Debug)]
pub struct DryProxy {
    table: Table,
    media: DryMedia,
    connections: HashMap<u8, Framer>,
}

impl DryProxy {
    /// A proxy with this configuration; its control socket is not created.
    pub fn new(config: &Config) -> Self {
        let (first, last) = config.ports;
        let loopback = config.addresses.iter().any(IpAddr::is_loopback);
        let rebinding = Millis::try_from(config.rebinding_timeout.as_millis()).unwrap_or(u64::MAX);
        DryProxy {
            table: Table::new(config),
            media: DryMedia {
                addresses: [true, false]
                    .into_iter()
                    .filter_map(|ipv4| config.advertised_address(ipv4))
                    .collect(),
                ports: Ports::new(first, last, 0),
                rules: Rules { rebinding, learn_from: config.learn_from, loopback },
                channels: HashMap::new(),
                opened: 0,
                faults: Vec::new(),
            },
            connections: HashMap::new(),
        }
    }

    /// Receives bytes on a connection; replies are appended to `answers`. False
    /// when the proxy closes the connection and discards its incomplete request.
    pub fn receive(
        &mut self,
        connection: u8,
        bytes: &[u8],
        now: Millis,
        answers: &mut Vec<u8>,
    ) -> bool {
        let framer = self.connections.entry(connection).or_default();
        framer.push(bytes);
        loop {
            match framer.next() {
                Ok(None) => return true,
                Ok(Some(request)) => {
                    let reply = match control::parse(request) {
                        Some(request) => {
                            self.table.answer(&request, &mut self.media, now, &mut |_| {})
                        }
                        None => Reply::Error(Refusal::Malformed),
                    };
                    reply.write(answers);
                }
                Err(_) => {
                    self.connections.remove(&connection);
                    return false;
                }
            }
        }
    }

    /// Receives a packet on an RTP port and returns where it is sent, or `None`
    /// when it is dropped.
    pub fn packet(
        &mut self,
        port: SocketAddr,
        source: SocketAddr,
        now: Millis,
    ) -> Option<SocketAddr> {
        self.relayed(port, source, now).map(|(_, target)| target)
    }

    /// As [`DryProxy::packet`], with the port that the packet is sent from.
    pub fn relayed(
        &mut self,
        port: SocketAddr,
        source: SocketAddr,
        now: Millis,
    ) -> Option<(SocketAddr, SocketAddr)> {
        self.media.packet(port, source, now)
    }

    /// Ends the sessions whose timeout has passed.
    pub fn expire(&mut self, now: Millis, ended: &mut dyn FnMut(EndReason)) {
        self.table.expire(&mut self.media, now, &mut |end| ended(end.reason));
    }

    /// Ends all sessions.
    pub fn stop(&mut self, now: Millis) {
        self.table.stop(&mut self.media, now, &mut |_| {});
    }

    /// The live sessions.
    pub fn sessions(&self, now: Millis) -> Vec<SessionSummary> {
        self.table.summaries(&self.media, now)
    }

    /// The number of streams with open ports.
    pub fn open_streams(&self) -> usize {
        self.media.channels.len()
    }

    /// Errors of the session code: it used or closed ports that are not open.
    pub fn faults(&self) -> &[&'static str] {
        &self.media.faults
    }
}

/// The RTP ports of one stream, each with its learner.
#[derive(Debug)]
struct Channel {
    locals: Sides<SocketAddr>,
    learners: Sides<Learner>,
    last_packet: Option<Millis>,
}

#[derive(Debug)]
struct DryMedia {
    addresses: Vec<IpAddr>,
    ports: Ports,
    rules: Rules,
    channels: HashMap<u32, Channel>,
    opened: u32,
    faults: Vec<&'static str>,
}

impl DryMedia {
    fn packet(
        &mut self,
        port: SocketAddr,
        source: SocketAddr,
        now: Millis,
    ) -> Option<(SocketAddr, SocketAddr)> {
        let sides = [Side::Caller, Side::Callee];
        let (channel, side) = self.channels.values_mut().find_map(|channel| {
            let side = sides.into_iter().find(|side| *channel.locals.get(*side) == port)?;
            Some((channel, side))
        })?;
        if !channel.learners.get_mut(side).accept(source, &self.rules, now) {
            return None;
        }
        channel.last_packet = Some(now);
        let target = channel.learners.get(side.other()).target()?;
        Some((*channel.locals.get(side.other()), target))
    }
}

impl MediaPorts for DryMedia {
    fn relay_address(&self, family: Family) -> Option<IpAddr> {
        self.addresses.iter().copied().find(|ip| Family::of(*ip) == family)
    }

    fn open(&mut self, families: Sides<Family>) -> Result<ChannelId, Refusal> {
        let caller_ip = self.relay_address(families.caller).ok_or(Refusal::NoAddress)?;
        let callee_ip = self.relay_address(families.callee).ok_or(Refusal::NoAddress)?;
        let exhausted = self.ports.exhausted();
        let caller = self.ports.allocate().ok_or(exhausted)?;
        let Some(callee) = self.ports.allocate() else {
            self.ports.release(caller);
            return Err(exhausted);
        };
        self.opened = self.opened.wrapping_add(1);
        let learner = |family| Learner::new(family == Family::V4);
        self.channels.insert(
            self.opened,
            Channel {
                locals: Sides {
                    caller: SocketAddr::new(caller_ip, caller),
                    callee: SocketAddr::new(callee_ip, callee),
                },
                learners: Sides {
                    caller: learner(families.caller),
                    callee: learner(families.callee),
                },
                last_packet: None,
            },
        );
        Ok(ChannelId(self.opened))
    }

    fn close(&mut self, id: ChannelId) {
        match self.channels.remove(&id.0) {
            Some(channel) => {
                self.ports.release(channel.locals.caller.port());
                self.ports.release(channel.locals.callee.port());
            }
            None => self.faults.push("ports were closed that were not open"),
        }
    }

    fn local(&self, id: ChannelId, side: Side) -> Option<SocketAddr> {
        self.channels.get(&id.0).map(|channel| *channel.locals.get(side))
    }

    fn expect(
        &mut self,
        id: ChannelId,
        side: Side,
        expectation: Expectation,
        change: Change,
        now: Millis,
    ) {
        match self.channels.get_mut(&id.0) {
            Some(channel) => {
                channel.learners.get_mut(side).expect(expectation, change, &self.rules, now);
            }
            None => self.faults.push("a side was described whose ports were not open"),
        }
    }

    fn last_packet(&self, id: ChannelId) -> Option<Millis> {
        self.channels.get(&id.0)?.last_packet
    }

    fn summary(&self, id: ChannelId) -> Option<Sides<SideSummary>> {
        let channel = self.channels.get(&id.0)?;
        let side = |side: Side| {
            let rtp = PortSummary {
                local: *channel.locals.get(side),
                remote: channel.learners.get(side).target(),
                relayed: Traffic::default(),
                dropped: 0,
            };
            SideSummary { rtp, rtcp: rtp }
        };
        Some(Sides { caller: side(Side::Caller), callee: side(Side::Callee) })
    }
}
