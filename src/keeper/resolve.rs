//! Resolves the names of relays on other machines (`tcp:HOST:PORT`). Workers
//! never wait for a name server: they use the address that this duty stores in
//! the shared block.

use std::collections::BTreeMap;
use std::net::{IpAddr, ToSocketAddrs};
use std::os::fd::AsFd;
use std::sync::{Arc, mpsc};

use crate::Engine;
use crate::keeper::duty::Duty;
use crate::log::Level;
use crate::relay::RelayAddress;
use crate::relay::link::Watch;
use crate::shared::health::RelayHealth;
use crate::sys::epoll::Waker;
use crate::sys::signal::without_signals;

/// How often the relays are searched for names (milliseconds).
const SEARCH_EVERY: u64 = 1_000;
/// How long an address is used before its name is resolved again (milliseconds).
const RESOLVED_FOR: u64 = 30_000;
/// A name that could not be resolved is tried again after this (milliseconds).
const RETRY_AFTER: u64 = 2_000;

/// A host name with its addresses, or with the reason why it has none.
type Found = (String, Result<Vec<IpAddr>, String>);

/// The duty: the host names, and the thread that resolves them.
#[derive(Debug)]
pub(super) struct Resolve {
    names: BTreeMap<String, Name>,
    search_at: u64,
    /// Wakes the keeper when the thread has a result.
    waker: Arc<Waker>,
    /// The results of the running thread. At most one thread runs, since a name
    /// server may not answer.
    thread: Option<mpsc::Receiver<Found>>,
}

#[derive(Debug, Default)]
struct Name {
    due: u64,
    /// The result that was logged last.
    last: Option<Result<IpAddr, String>>,
}

impl Resolve {
    pub(super) fn new(watch: &dyn Watch) -> std::io::Result<Resolve> {
        let waker = Arc::new(Waker::new()?);
        watch.watch(waker.as_fd())?;
        Ok(Resolve { names: BTreeMap::new(), search_at: 0, waker, thread: None })
    }

    /// Finds the host names of all relays that have a slot in the health table.
    fn search(&mut self, engine: &Engine) {
        let mut names = BTreeMap::new();
        for host in hosts(engine) {
            let name = self.names.remove(&host).unwrap_or_default();
            names.entry(host).or_insert(name);
        }
        self.names = names;
    }

    /// Starts to resolve the names that are due.
    fn start(&mut self, now: u64) {
        let due = self.names.iter_mut().filter(|(_, name)| name.due <= now);
        let hosts: Vec<_> = due
            .map(|(host, name)| {
                name.due = now.saturating_add(RETRY_AFTER);
                host.clone()
            })
            .collect();
        if hosts.is_empty() {
            return;
        }
        let (sender, receiver) = mpsc::channel();
        let waker = Arc::clone(&self.waker);
        let run = move || {
            for host in hosts {
                let found = resolve(&host);
                if sender.send((host, found)).is_err() {
                    return;
                }
                waker.wake();
            }
            drop(sender);
            waker.wake();
        };
        // The thread is not joined: a slow name server may block it for long.
        let name = "mediaproxy-dns".to_string();
        let spawned = without_signals(|| std::thread::Builder::new().name(name).spawn(run));
        if spawned.is_ok() {
            self.thread = Some(receiver);
        }
    }

    /// Takes the results of the thread.
    fn collect(&mut self, engine: &Engine, now: u64) {
        self.waker.clear();
        let Some(receiver) = &self.thread else { return };
        loop {
            match receiver.try_recv() {
                Ok((host, found)) => {
                    if let Some(name) = self.names.get_mut(&host) {
                        name.due = now.saturating_add(if found.is_ok() {
                            RESOLVED_FOR
                        } else {
                            RETRY_AFTER
                        });
                        let found = found.and_then(|addresses| {
                            let address = store(engine, &host, &addresses, now);
                            address.ok_or_else(|| "the name has no address".to_string())
                        });
                        if name.last.as_ref() != Some(&found) {
                            report(engine, &host, &found);
                            name.last = Some(found);
                        }
                    }
                }
                Err(mpsc::TryRecvError::Empty) => return,
                Err(mpsc::TryRecvError::Disconnected) => {
                    self.thread = None;
                    return;
                }
            }
        }
    }
}

impl Duty for Resolve {
    fn turn(&mut self, engine: &Engine, now: u64) -> u64 {
        self.collect(engine, now);
        if now >= self.search_at {
            self.search_at = now.saturating_add(SEARCH_EVERY);
            self.search(engine);
        }
        if self.thread.is_none() {
            self.start(now);
        }
        self.search_at
    }

    fn release(&mut self, _: &Engine, _: u64) {
        // A result of the thread would make the descriptor stay readable.
        self.waker.clear();
        self.names.clear();
        self.search_at = 0;
    }
}

/// The host names of all relays that have one.
fn hosts(engine: &Engine) -> impl Iterator<Item = String> {
    named(engine).map(|(_, host)| host)
}

/// The relays with a host name, and the name.
fn named(engine: &Engine) -> impl Iterator<Item = (crate::shared::health::Slot, String)> {
    let health = engine.health();
    health.slots().filter_map(move |slot| {
        // Most relays have no host name, and their text is not parsed.
        health.name(slot).filter(|name| name.contains(":tcp:"))?;
        match engine.relay(slot.identity())?.uri.address {
            RelayAddress::TcpName { host, .. } => Some((slot, host)),
            _ => None,
        }
    })
}

/// Stores an address for every relay with this host name, and returns it. A relay
/// that is down because it had no address is probed at once.
fn store(engine: &Engine, host: &str, addresses: &[IpAddr], now: u64) -> Option<IpAddr> {
    let health = engine.health();
    let mut chosen = addresses.first().copied();
    for (slot, _) in named(engine).filter(|(_, name)| name == host) {
        let stored = health.resolved(slot);
        let is_up = health.state(Some(slot)).health == RelayHealth::Up;
        let address = choose(addresses, stored, is_up)?;
        if stored != Some(address) {
            health.set_resolved(slot, address);
            health.probe_now(slot, now);
        }
        chosen = Some(address);
    }
    chosen
}

/// The address to use of a name that has several, in an order that changes. A
/// relay that is up keeps the `stored` address: the sessions of its calls are
/// there. One that is down gets another address.
fn choose(addresses: &[IpAddr], stored: Option<IpAddr>, is_up: bool) -> Option<IpAddr> {
    let mut others = addresses.iter().filter(|address| Some(**address) != stored);
    let stored = stored.filter(|stored| addresses.contains(stored));
    if is_up { stored.or(others.next().copied()) } else { others.next().copied().or(stored) }
}

fn report(engine: &Engine, host: &str, found: &Result<IpAddr, String>) {
    match found {
        Ok(address) => {
            let text = format_args!("relay host {host}: resolved to {address}");
            engine.log().write(Level::Info, text);
        }
        Err(error) => {
            let text = format_args!("relay host {host}: cannot be resolved: {error}");
            engine.log().write(Level::Warning, text);
        }
    }
}

fn resolve(host: &str) -> Result<Vec<IpAddr>, String> {
    let found = (host, 0u16).to_socket_addrs().map_err(|error| error.to_string())?;
    Ok(found.map(|address| address.ip().to_canonical()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keeper::event_loop::EventLoop;
    use crate::log::Log;
    use crate::settings::Settings;

    #[test]
    fn relay_keeps_its_address_while_it_is_up() {
        let [a, b, c] = ["192.0.2.1", "192.0.2.2", "192.0.2.3"].map(|ip| ip.parse().unwrap());
        for order in [[a, b], [b, a]] {
            assert_eq!(choose(&order, None, true), Some(order[0]));
            assert_eq!(choose(&order, Some(a), true), Some(a));
            assert_eq!(choose(&order, Some(c), true), Some(order[0]), "the name has moved");
            assert_eq!(choose(&order, Some(a), false), Some(b));
        }
        assert_eq!(choose(&[a], Some(a), false), Some(a));
        assert_eq!(choose(&[], Some(a), true), None);
    }

    #[test]
    fn address_of_a_relay_follows_its_name() {
        let mut settings = Settings::new();
        settings.set("max_calls", "16").unwrap();
        settings.set("relay", "mediaproxy2:tcp:relay.example.com:25060").unwrap();
        let engine = Engine::new(settings, Log::none()).unwrap();
        let health = engine.health();
        let slot = health.slots().next().unwrap();
        let [a, b] = ["192.0.2.1", "192.0.2.2"].map(|ip| ip.parse().unwrap());
        for (order, stored) in [([a, b], a), ([b, a], a), ([b, b], b), ([a, b], b)] {
            assert_eq!(store(&engine, "relay.example.com", &order, 1_000), Some(stored));
            assert_eq!(health.resolved(slot), Some(stored));
        }
        health.mark_suspect(slot, 1_000);
        assert_eq!(store(&engine, "relay.example.com", &[a, b], 1_000), Some(a));
    }

    #[test]
    fn resolver_that_ends_while_another_keeper_works_wakes_once() {
        let mut settings = Settings::new();
        settings.set("max_calls", "16").unwrap();
        let engine = Engine::new(settings, Log::none()).unwrap();
        let event_loop = EventLoop::new().unwrap();
        event_loop.wake_after(60_000);
        let mut resolve = Resolve::new(&event_loop).unwrap();
        assert!(!event_loop.is_ready());
        resolve.waker.wake();
        assert!(event_loop.is_ready());
        resolve.release(&engine, 1_000);
        assert!(!event_loop.is_ready());
    }
}
