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
use crate::sys::epoll::Waker;
use crate::sys::signal::without_signals;

/// How often the relays are searched for names (milliseconds).
const SEARCH_EVERY: u64 = 1_000;
/// How long an address is used before its name is resolved again (milliseconds).
const RESOLVED_FOR: u64 = 30_000;
/// A name that could not be resolved is tried again after this (milliseconds).
const RETRY_AFTER: u64 = 2_000;

/// What a name was resolved to, or why not.
type Found = (String, Result<IpAddr, String>);

/// The names and the thread that resolves them.
#[derive(Debug)]
pub(super) struct Resolve {
    names: BTreeMap<String, Name>,
    search_at: u64,
    /// Wakes the keeper when the thread has found something.
    waker: Arc<Waker>,
    /// The thread that resolves; one at a time, since resolving may block.
    thread: Option<mpsc::Receiver<Found>>,
}

#[derive(Debug, Default)]
struct Name {
    due: u64,
    /// What was reported last.
    last: Option<Result<IpAddr, String>>,
}

impl Resolve {
    pub(super) fn new(watch: &dyn Watch) -> std::io::Result<Resolve> {
        let waker = Arc::new(Waker::new()?);
        watch.watch(waker.as_fd())?;
        Ok(Resolve { names: BTreeMap::new(), search_at: 0, waker, thread: None })
    }

    /// Finds the names of relays that any process has in its list.
    fn search(&mut self, engine: &Engine) {
        let mut names = BTreeMap::new();
        for host in hosts(engine) {
            let known = self.names.remove(&host).unwrap_or_default();
            names.entry(host).or_insert(known);
        }
        self.names = names;
    }

    /// Begins to resolve what is due.
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
        // Nobody joins it: a name server may keep it for long.
        let name = "mediaproxy-dns".to_string();
        let spawned = without_signals(|| std::thread::Builder::new().name(name).spawn(run));
        if spawned.is_ok() {
            self.thread = Some(receiver);
        }
    }

    /// Takes what the thread has found.
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
                        if let Ok(address) = found {
                            store(engine, &host, address, now);
                        }
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

    fn rest(&mut self, _: &Engine, _: u64) {
        // The thread may still end: without this the keeper would not sleep.
        self.waker.clear();
        self.names.clear();
        self.search_at = 0;
    }
}

/// The names of all relays that have one.
fn hosts(engine: &Engine) -> impl Iterator<Item = String> {
    named(engine).map(|(_, host)| host)
}

/// The relays that have a name, and it.
fn named(engine: &Engine) -> impl Iterator<Item = (crate::shared::health::Slot, String)> {
    let health = engine.health();
    health.slots().filter_map(move |slot| {
        // Most relays have none: their text need not be parsed.
        health.name(slot).filter(|name| name.contains(":tcp:"))?;
        match engine.relay(slot.identity())?.uri.address {
            RelayAddress::TcpName { host, .. } => Some((slot, host)),
            _ => None,
        }
    })
}

/// Stores the address for every relay of this name. One that was given up since
/// it had no address is probed at once.
fn store(engine: &Engine, host: &str, address: IpAddr, now: u64) {
    let health = engine.health();
    for (slot, _) in named(engine).filter(|(_, name)| name == host) {
        if health.resolved(slot) != Some(address) {
            health.set_resolved(slot, address);
            health.probe_now(slot, now);
        }
    }
}

fn report(engine: &Engine, host: &str, found: &Result<IpAddr, String>) {
    match found {
        Ok(address) => {
            let text = format_args!("relay host {host} resolved to {address}");
            engine.log().write(Level::Info, text);
        }
        Err(error) => {
            let text = format_args!("relay host {host} cannot be resolved ({error})");
            engine.log().write(Level::Warning, text);
        }
    }
}

fn resolve(host: &str) -> Result<IpAddr, String> {
    let found = (host, 0u16).to_socket_addrs().map_err(|error| error.to_string())?;
    let mut addresses = found.map(|address| address.ip());
    addresses.next().ok_or_else(|| "it has no address".to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keeper::event_loop::EventLoop;
    use crate::log::Log;
    use crate::settings::Settings;

    #[test]
    fn resolver_that_ends_while_another_keeper_works_wakes_once() {
        let mut settings = Settings::new();
        settings.set("max_calls", "16").unwrap();
        let engine = Engine::new(settings, Log::none()).unwrap();
        let ready = EventLoop::new().unwrap();
        ready.due_in(60_000);
        let mut resolve = Resolve::new(&ready).unwrap();
        assert!(!ready.is_ready());
        resolve.waker.wake();
        assert!(ready.is_ready());
        resolve.rest(&engine, 1_000);
        assert!(!ready.is_ready());
    }
}
