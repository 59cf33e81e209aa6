//! The relays of the simulated network, and the connections of workers to them:
//! the real relay code, reached through a network in memory.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};

use mediaproxy::Networks;
use mediaproxy::internals::relay::link::{Carrier, Network};
use mediaproxy::internals::relay::{Relay as RelayEntry, RelayAddress};
use mediaproxy::proxy::Config;
use mediaproxy::proxy::dry::DryProxy;

/// A relay that does not answer is probed every ten seconds, and one that refuses
/// connections every second (milliseconds).
const PROBED: u64 = 15_000;
const REFUSED: u64 = 2_000;

/// What a relay does at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Power {
    Runs,
    /// Its process is gone, with its sessions.
    Dead,
    /// It accepts connections and answers nothing.
    Frozen,
    /// A fault, to see it found: it drops every packet.
    Drops,
}

#[derive(Debug)]
struct Relay {
    power: Power,
    /// How often it was started: a new process has other free ports.
    started: u16,
    proxy: DryProxy,
}

#[derive(Debug)]
struct Connection {
    relay: usize,
    closed: bool,
    received: VecDeque<u8>,
}

/// Bytes under way on a connection.
#[derive(Debug)]
struct Transit {
    at: u64,
    connection: usize,
    to_relay: bool,
    bytes: Vec<u8>,
}

/// All relays, with the bytes under way.
#[derive(Debug)]
pub struct Relays {
    now: u64,
    /// One way on the fastest connection, in milliseconds; 0: an answer is there at
    /// once.
    delay: u64,
    /// They are named without the capabilities of the built-in relay.
    dispatcher: bool,
    relays: Vec<Relay>,
    connections: Vec<Connection>,
    transit: VecDeque<Transit>,
    /// When servers handled messages of calls last.
    used: BTreeMap<u32, u64>,
    /// Until when workers may not have noticed that a relay has failed or is back.
    noticed_at: u64,
    /// The calls of which a relay may not have heard everything, and the last time
    /// that it was so.
    unheard: BTreeMap<u32, u64>,
}

/// The relays as workers and the world share them.
#[derive(Clone, Debug)]
pub struct SharedRelays(Arc<Mutex<Relays>>);

impl SharedRelays {
    pub fn new(count: usize, dispatcher: bool, delay: u64, now: u64) -> Self {
        let relays = (0..count).map(|number| Relay {
            power: Power::Runs,
            started: 0,
            proxy: proxy(number, 0),
        });
        SharedRelays(Arc::new(Mutex::new(Relays {
            now,
            delay,
            dispatcher,
            relays: relays.collect(),
            connections: Vec::new(),
            transit: VecDeque::new(),
            used: BTreeMap::new(),
            noticed_at: 0,
            unheard: BTreeMap::new(),
        })))
    }

    pub fn get(&self) -> MutexGuard<'_, Relays> {
        self.0.lock().expect("no run has panicked with the relays locked")
    }

    pub fn network(&self) -> Arc<dyn Network> {
        Arc::new(self.clone())
    }
}

/// The address on which a relay receives media.
pub fn address(relay: usize) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(203, 0, 113, relay as u8 + 1))
}

/// True for an address that [`address`] returns.
pub fn is_address(ip: IpAddr) -> bool {
    (0..10).any(|relay| address(relay) == ip)
}

fn proxy(number: usize, started: u16) -> DryProxy {
    let first = 30_000 + 400 * started;
    let mut config = Config::new("/none", vec![address(number)], (first, first + 399));
    config.trusted = Networks::parse("10.9.9.0/24").expect("a network");
    DryProxy::new(&config)
}

impl Relays {
    /// The setting `relay` for a relay.
    pub fn setting(&self, relay: usize) -> String {
        let capable = if self.dispatcher { "" } else { ";ipv6=yes" };
        format!("mediaproxy2:/relay{relay}{capable}")
    }

    pub fn set_now(&mut self, now: u64) {
        self.now = now;
    }

    pub fn set_power(&mut self, relay: usize, power: Power) {
        let Some(entry) = self.relays.get_mut(relay) else { return };
        if power == Power::Dead {
            entry.started = (entry.started + 1) % 50;
            entry.proxy = proxy(relay, entry.started);
            let of_relay = self.connections.iter_mut().filter(|c| c.relay == relay);
            of_relay.for_each(|connection| connection.closed = true);
        }
        let before = std::mem::replace(&mut entry.power, power);
        if before == power || power == Power::Drops {
            return;
        }
        let frozen = [before, power].contains(&Power::Frozen);
        let noticed_at = self.now + if frozen { PROBED } else { REFUSED };
        self.noticed_at = self.noticed_at.max(noticed_at);
        // What was under way is lost.
        let since = self.now.saturating_sub(6 * self.delay + 1);
        let recent = self.used.iter().filter(|(_, at)| **at >= since);
        self.unheard.extend(recent.map(|(call_id, _)| (*call_id, self.now)));
    }

    pub fn power(&self, relay: usize) -> Option<Power> {
        self.relays.get(relay).map(|relay| relay.power)
    }

    /// A server handles a message of a call.
    pub fn uses(&mut self, call_id: u32) {
        self.used.insert(call_id, self.now);
        if self.are_unsettled() {
            self.unheard.insert(call_id, self.now);
        }
    }

    /// True while a relay is frozen: it closes no ports.
    pub fn are_frozen(&self) -> bool {
        self.relays.iter().any(|relay| relay.power == Power::Frozen)
    }

    /// True while a relay has failed, or is back and workers may not know it.
    pub fn are_unsettled(&self) -> bool {
        let failed = |relay: &Relay| matches!(relay.power, Power::Dead | Power::Frozen);
        self.now < self.noticed_at || self.relays.iter().any(failed)
    }

    /// The last time that a relay may not have heard of a call, 0 if never.
    pub fn unheard_at(&self, call_id: u32) -> u64 {
        self.unheard.get(&call_id).copied().unwrap_or(0)
    }

    pub fn count(&self) -> usize {
        self.relays.len()
    }

    /// When the next bytes arrive.
    pub fn next(&self) -> Option<u64> {
        self.transit.front().map(|transit| transit.at)
    }

    /// Lets the bytes arrive that are due. True when some did.
    pub fn deliver(&mut self) -> bool {
        let mut any = false;
        while self.next().is_some_and(|at| at <= self.now) {
            let Some(transit) = self.transit.pop_front() else { break };
            any = true;
            if transit.to_relay {
                self.at_relay(transit.connection, &transit.bytes);
            } else if let Some(connection) = self.connections.get_mut(transit.connection) {
                connection.received.extend(transit.bytes);
            }
        }
        any
    }

    fn at_relay(&mut self, number: usize, bytes: &[u8]) {
        let Some(connection) = self.connections.get_mut(number) else { return };
        let relay = &mut self.relays[connection.relay];
        if connection.closed || matches!(relay.power, Power::Dead | Power::Frozen) {
            return;
        }
        let mut answers = Vec::new();
        if !relay.proxy.receive(number, bytes, self.now, &mut answers) {
            connection.closed = true;
        }
        if answers.is_empty() {
            return;
        }
        if self.delay == 0 {
            connection.received.extend(answers);
        } else {
            let at = self.now + self.delay_of(number);
            self.start(Transit { at, connection: number, to_relay: false, bytes: answers });
        }
    }

    /// Later connections are faster, so that a query can overtake another one.
    fn delay_of(&self, connection: usize) -> u64 {
        self.delay * (3 - connection as u64 % 3)
    }

    fn start(&mut self, transit: Transit) {
        let later = |other: &Transit| other.at > transit.at;
        let at = self.transit.iter().position(later).unwrap_or(self.transit.len());
        self.transit.insert(at, transit);
    }

    fn send(&mut self, number: usize, bytes: &[u8]) -> io::Result<usize> {
        if self.connections[number].closed {
            return Err(ErrorKind::ConnectionReset.into());
        }
        if self.delay == 0 {
            self.at_relay(number, bytes);
        } else {
            let (at, bytes) = (self.now + self.delay_of(number), bytes.to_vec());
            self.start(Transit { at, connection: number, to_relay: true, bytes });
        }
        Ok(bytes.len())
    }

    fn receive(&mut self, number: usize, buffer: &mut [u8]) -> io::Result<usize> {
        let connection = &mut self.connections[number];
        if connection.received.is_empty() {
            return if connection.closed { Ok(0) } else { Err(ErrorKind::WouldBlock.into()) };
        }
        let length = connection.received.len().min(buffer.len());
        for (to, byte) in buffer.iter_mut().zip(connection.received.drain(..length)) {
            *to = byte;
        }
        Ok(length)
    }

    /// A packet for one of the relays' addresses: where it leaves from, and for
    /// where. `None` when the address is no relay's; `Some(None)` when the relay
    /// drops it.
    pub fn packet(
        &mut self,
        port: SocketAddr,
        source: SocketAddr,
    ) -> Option<Option<(SocketAddr, SocketAddr)>> {
        let number = (0..self.relays.len()).find(|number| address(*number) == port.ip())?;
        let relay = &mut self.relays[number];
        if matches!(relay.power, Power::Dead | Power::Drops) {
            return Some(None);
        }
        Some(relay.proxy.packet(port, source, self.now).map(|sent| (sent.from, sent.to)))
    }

    /// Ends the sessions whose time is over.
    pub fn expire(&mut self) {
        for relay in self.relays.iter_mut().filter(|relay| relay.power == Power::Runs) {
            relay.proxy.expire(self.now, &mut |_| {});
        }
    }

    /// Sessions and streams that a relay still has.
    pub fn left(&self) -> Vec<String> {
        let mut left = Vec::new();
        for (number, relay) in self.relays.iter().enumerate() {
            let sessions = relay.proxy.sessions(self.now);
            for session in &sessions {
                left.push(format!(
                    "relay {number} still has session {}",
                    session.call_id.escape_ascii()
                ));
            }
            let streams = relay.proxy.open_streams();
            if sessions.is_empty() && streams > 0 {
                left.push(format!("relay {number} still has {streams} streams without a session"));
            }
            let faults = relay.proxy.faults();
            if faults > 0 {
                left.push(format!("relay {number} used {faults} ports that were not open"));
            }
        }
        left
    }
}

impl Network for SharedRelays {
    fn connect(&self, relay: &RelayEntry) -> io::Result<Box<dyn Carrier>> {
        let mut relays = self.get();
        let RelayAddress::Unix(path) = &relay.uri.address else {
            return Err(ErrorKind::Unsupported.into());
        };
        let number = path.to_str().and_then(|path| path.strip_prefix("/relay")?.parse().ok());
        let number: usize = number.ok_or(ErrorKind::NotFound)?;
        if relays.power(number).is_none_or(|power| power == Power::Dead) {
            return Err(ErrorKind::ConnectionRefused.into());
        }
        let connection = Connection { relay: number, closed: false, received: VecDeque::new() };
        relays.connections.push(connection);
        let number = relays.connections.len() - 1;
        Ok(Box::new(Wire { relays: self.clone(), number }))
    }
}

/// A worker's end of a connection.
#[derive(Debug)]
struct Wire {
    relays: SharedRelays,
    number: usize,
}

impl Carrier for Wire {
    fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        self.relays.get().send(self.number, bytes)
    }

    fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.relays.get().receive(self.number, buffer)
    }
}
