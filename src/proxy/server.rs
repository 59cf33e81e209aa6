//! The serving thread: control connections and media sockets in one epoll
//! loop. It owns all state; other threads read counters and ask for
//! summaries.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::io::{ErrorKind, Read};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use super::config::{Config, Notice};
use super::control::{self, Framer, Request};
use super::forward::{FIRST_TOKEN, Forwarder};
use super::learning::Millis;
use super::refusal::Refusal;
use super::socket::{self, Epoll, Waker};
use super::summary::{Counters, SessionSummary, Statistics};
use super::table::{Reply, Table};
use crate::error::{Error, Result};

/// More control connections than this are closed at once.
const MAX_CONNECTIONS: usize = 1_024;
/// Ready descriptors taken at a time.
const BATCH: usize = 256;

const LISTENER: u64 = 0;
const WAKER: u64 = 1;
const FIRST_CONNECTION: u64 = 2;

/// What the serving thread shares with others.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) counters: Counters,
    running: AtomicBool,
    stop: AtomicBool,
    /// Made when serving starts: before a fork there is none.
    waker: OnceLock<Waker>,
    questions: Mutex<Vec<Sender<Vec<SessionSummary>>>>,
}

impl Shared {
    /// Ends serving, now or as soon as it starts.
    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::SeqCst);
        self.wake();
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    /// Whether this process serves; gives what was set before.
    pub(super) fn set_running(&self, running: bool) -> bool {
        self.running.swap(running, Ordering::SeqCst)
    }

    /// Asks for the live sessions.
    pub(super) fn ask(&self, answer: Sender<Vec<SessionSummary>>) {
        if self.running.load(Ordering::SeqCst) {
            self.questions.lock().unwrap_or_else(PoisonError::into_inner).push(answer);
            self.wake();
        }
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.get() {
            waker.wake();
        }
    }

    fn questions(&self) -> Vec<Sender<Vec<SessionSummary>>> {
        std::mem::take(&mut *self.questions.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A control connection.
struct Connection {
    stream: UnixStream,
    framer: Framer,
    /// Nobody is there any more to read an answer. Servers tell of ended and
    /// of answered calls without waiting for it, and may be gone by then: what
    /// they told holds all the same. Ports would be of no use to them.
    left: bool,
}

struct Server<'a> {
    config: &'a Config,
    shared: &'a Shared,
    listener: UnixListener,
    /// Accepting failed for want of descriptors; tried again at the next tick.
    paused: bool,
    connections: Vec<Option<Connection>>,
    table: Table,
    refused: u64,
    forwarder: Forwarder<'a>,
    control: &'a Epoll,
    scratch: Vec<u8>,
    line: Vec<u8>,
    clock: Instant,
}

/// Makes what the loop waits with. Done before a thread is spawned: who starts
/// a server learns when it cannot be.
pub(super) fn prepare(shared: &Shared, listener: &UnixListener) -> Result<Epoll> {
    let watch = || {
        if shared.waker.get().is_none() {
            // Nobody else gets here: `running` is taken.
            let _ = shared.waker.set(Waker::new()?);
        }
        let epoll = Epoll::new()?;
        epoll.add(listener, LISTENER)?;
        if let Some(waker) = shared.waker.get() {
            epoll.add(waker, WAKER)?;
        }
        Ok(epoll)
    };
    watch().map_err(|error| Error::system("set up the proxy's event loop", &error))
}

/// Serves until [`Shared::stop`].
pub(super) fn serve(
    config: &Config,
    shared: &Shared,
    listener: UnixListener,
    epoll: &Epoll,
) -> Result<()> {
    let random = RandomState::new().build_hasher().finish();
    let mut server = Server {
        config,
        shared,
        listener,
        paused: false,
        connections: Vec::new(),
        table: Table::new(config),
        refused: 0,
        forwarder: Forwarder::new(config, epoll, random),
        control: epoll,
        scratch: vec![0; control::MAX_REQUEST],
        line: Vec::new(),
        clock: Instant::now(),
    };
    let result = server.run().map_err(|error| Error::system("wait for packets", &error));
    server.finish();
    result
}

impl Server<'_> {
    fn run(&mut self) -> std::io::Result<()> {
        let tick = self.tick();
        let mut next_tick = 0;
        let mut events = socket::Events::new(BATCH);
        while !self.shared.stop.load(Ordering::SeqCst) {
            let busy = self.table.len() > 0 || self.paused;
            let timeout = if busy { i32::try_from(tick).unwrap_or(i32::MAX) } else { -1 };
            self.control.wait(&mut events, timeout)?;
            let now = self.now();
            for token in events.tokens() {
                match token {
                    LISTENER => self.accept(),
                    WAKER => self.answer_questions(now),
                    FIRST_TOKEN.. => self.forwarder.relay(token, now),
                    _ => self.converse(token, now),
                }
            }
            if now >= next_tick {
                self.on_tick(now);
                next_tick = now + tick;
            }
            self.publish();
        }
        Ok(())
    }

    fn now(&self) -> Millis {
        Millis::try_from(self.clock.elapsed().as_millis()).unwrap_or(Millis::MAX)
    }

    /// How often time is looked at: a fraction of the shortest timeout.
    fn tick(&self) -> Millis {
        let config = self.config;
        let shortest =
            config.idle_timeout.min(config.unanswered_timeout).min(config.hold_timeout) / 4;
        let tick = shortest.clamp(Duration::from_millis(10), Duration::from_secs(1));
        Millis::try_from(tick.as_millis()).unwrap_or(1_000)
    }

    fn on_tick(&mut self, now: Millis) {
        let config = self.config;
        self.table.expire(&mut self.forwarder, now, &mut |end| log(config, Notice::Ended(end)));
        if self.paused && self.control.add(&self.listener, LISTENER).is_ok() {
            self.paused = false;
        }
    }

    fn publish(&self) {
        let counts = self.forwarder.counts();
        self.shared.counters.publish(&Statistics {
            sessions: self.table.len() as u64,
            sessions_total: self.table.made(),
            refused: self.refused,
            open_ports: counts.open_ports,
            received: counts.received,
            relayed: counts.relayed,
            dropped: counts.dropped,
        });
    }

    fn answer_questions(&mut self, now: Millis) {
        if let Some(waker) = self.shared.waker.get() {
            waker.clear();
        }
        for question in self.shared.questions() {
            // Who asked may have given up.
            let _ = question.send(self.table.summaries(&self.forwarder, now));
        }
    }

    fn accept(&mut self) {
        match self.listener.accept() {
            Ok((stream, _)) => self.welcome(stream),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
            // A listener that stays ready would keep this thread spinning.
            Err(_) => self.paused = self.control.remove(&self.listener).is_ok(),
        }
    }

    fn welcome(&mut self, stream: UnixStream) {
        let free = self.connections.iter().position(Option::is_none);
        let place = free.unwrap_or(self.connections.len());
        if place >= MAX_CONNECTIONS || stream.set_nonblocking(true).is_err() {
            return;
        }
        if self.control.add(&stream, FIRST_CONNECTION + place as u64).is_err() {
            return;
        }
        let connection = Some(Connection { stream, framer: Framer::default(), left: false });
        match self.connections.get_mut(place) {
            Some(entry) => *entry = connection,
            None => self.connections.push(connection),
        }
    }

    /// Reads from a control connection and answers what is complete.
    fn converse(&mut self, token: u64, now: Millis) {
        let place = usize::try_from(token - FIRST_CONNECTION).unwrap_or(usize::MAX);
        let Some(entry) = self.connections.get_mut(place) else { return };
        let Some(mut connection) = entry.take() else { return };
        if !self.hear(&mut connection, now) {
            // A forked child may hold a copy: see `Forwarder::close`.
            let _ = self.control.remove(&connection.stream);
            return;
        }
        if let Some(entry) = self.connections.get_mut(place) {
            *entry = Some(connection);
        }
    }

    /// False when the connection is over.
    fn hear(&mut self, connection: &mut Connection, now: Millis) -> bool {
        match connection.stream.read(&mut self.scratch) {
            Ok(0) => return false,
            Ok(length) => connection.framer.push(self.scratch.get(..length).unwrap_or_default()),
            Err(error) => {
                return matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted);
            }
        }
        self.answer(connection, now)
    }

    /// Answers what is complete. False when the connection is over.
    fn answer(&mut self, connection: &mut Connection, now: Millis) -> bool {
        loop {
            let config = self.config;
            let request = match connection.framer.next() {
                Err(control::TooLong) => return false,
                Ok(None) => return true,
                Ok(Some(request)) => control::parse(request),
            };
            if connection.left && !request.as_ref().is_some_and(Request::is_news) {
                continue;
            }
            let (reply, call_id) = match request {
                Some(request) => {
                    let ended = &mut |end| log(config, Notice::Ended(end));
                    let reply = self.table.answer(&request, &mut self.forwarder, now, ended);
                    (reply, request.call_id())
                }
                None => (Reply::Error(Refusal::Unreadable), &b""[..]),
            };
            if let Reply::Error(refusal) = reply {
                self.refused += 1;
                log(config, Notice::Refused { call_id: call_id.to_vec(), refusal });
            }
            self.line.clear();
            reply.write(&mut self.line);
            // Who reads the answer may read the counters next.
            self.publish();
            if connection.left {
                continue;
            }
            // One send a line: clients look for its end in what they read
            // last. Who lets so many answers lie that one does not fit in
            // has stopped listening.
            match socket::send(&connection.stream, &self.line) {
                Ok(length) if length == self.line.len() => {}
                Err(error) if error.kind() == ErrorKind::BrokenPipe => connection.left = true,
                _ => return false,
            }
        }
    }

    fn finish(&mut self) {
        let now = self.now();
        let config = self.config;
        self.table.stop(&mut self.forwarder, now, &mut |end| log(config, Notice::Ended(end)));
        self.publish();
        self.shared.questions().clear();
    }
}

fn log(config: &Config, notice: Notice) {
    if let Some(log) = &config.log {
        log.tell(&notice);
    }
}
