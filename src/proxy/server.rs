//! The serving thread: control connections and media sockets in one epoll
//! loop. It owns all state; other threads read the counters and request
//! summaries.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::io::{ErrorKind, Read};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use super::config::{Config, LogRecord};
use super::control::{self, Framer, Request};
use super::forward::{FIRST_TOKEN, Forwarder};
use super::learning::Millis;
use super::refusal::Refusal;
use super::statistics::{Counters, Statistics};
use super::summary::SessionSummary;
use super::table::{Reply, Table};
use crate::error::{Error, Result};
use crate::sys::epoll::{Epoll, Events, Waker};
use crate::sys::stream;

/// The most control connections; further ones are closed when accepted.
const MAX_CONNECTIONS: usize = 1_024;
/// The most ready descriptors handled per wait.
const BATCH: usize = 256;

const LISTENER: u64 = 0;
const WAKER: u64 = 1;
const FIRST_CONNECTION: u64 = 2;

/// The state that the serving thread shares with other threads.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) counters: Counters,
    running: AtomicBool,
    stop: AtomicBool,
    /// Created when serving starts, because nothing is opened before a fork.
    waker: OnceLock<Waker>,
    summary_requests: Mutex<Vec<Sender<Vec<SessionSummary>>>>,
}

impl Shared {
    /// Stops serving, now or as soon as it starts.
    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::SeqCst);
        self.wake();
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    /// Sets whether this process serves; returns the value before.
    pub(super) fn set_running(&self, running: bool) -> bool {
        self.running.swap(running, Ordering::SeqCst)
    }

    /// Requests the live sessions; they are sent to `sender`.
    pub(super) fn request_summaries(&self, sender: Sender<Vec<SessionSummary>>) {
        if self.running.load(Ordering::SeqCst) {
            self.lock_requests().push(sender);
            self.wake();
        }
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.get() {
            waker.wake();
        }
    }

    fn take_requests(&self) -> Vec<Sender<Vec<SessionSummary>>> {
        std::mem::take(&mut *self.lock_requests())
    }

    fn lock_requests(&self) -> MutexGuard<'_, Vec<Sender<Vec<SessionSummary>>>> {
        self.summary_requests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A control connection.
struct Connection {
    stream: UnixStream,
    framer: Framer,
    /// The peer closed its end, so replies are not sent. Requests that work
    /// without a reply are still processed: servers send a `remove` and close.
    /// A request for ports is skipped, since no one would use them.
    peer_closed: bool,
}

struct Server<'a> {
    config: &'a Config,
    shared: &'a Shared,
    listener: UnixListener,
    /// Accepting failed, as when no descriptor is free; the next tick retries.
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

/// Creates the epoll set. Done before a thread is spawned, so that the caller
/// of `start` gets the error.
pub(super) fn prepare(shared: &Shared, listener: &UnixListener) -> Result<Epoll> {
    let watch = || {
        if shared.waker.get().is_none() {
            // No other thread sets it: the caller holds `running`.
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
        let mut events = Events::new(BATCH);
        while !self.shared.stop.load(Ordering::SeqCst) {
            let busy = self.table.len() > 0 || self.paused;
            let timeout = if busy { i32::try_from(tick).unwrap_or(i32::MAX) } else { -1 };
            self.control.wait(&mut events, timeout)?;
            let now = self.now();
            for token in events.tokens() {
                match token {
                    LISTENER => self.accept(),
                    WAKER => self.answer_summary_requests(now),
                    FIRST_TOKEN.. => self.forwarder.relay(token, now),
                    _ => self.serve_connection(token, now),
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

    /// How often timeouts are checked: a quarter of the shortest one, between
    /// 10 ms and 1 s.
    fn tick(&self) -> Millis {
        let config = self.config;
        let shortest =
            config.idle_timeout.min(config.unanswered_timeout).min(config.hold_timeout) / 4;
        let tick = shortest.clamp(Duration::from_millis(10), Duration::from_secs(1));
        Millis::try_from(tick.as_millis()).unwrap_or(1_000)
    }

    fn on_tick(&mut self, now: Millis) {
        let config = self.config;
        self.table
            .expire(&mut self.forwarder.media, now, &mut |end| log(config, LogRecord::Ended(end)));
        if self.paused && self.control.add(&self.listener, LISTENER).is_ok() {
            self.paused = false;
        }
    }

    fn publish(&self) {
        let counts = self.forwarder.media.counts;
        let calls = self.table.counts();
        self.shared.counters.publish(&Statistics {
            sessions: self.table.len() as u64,
            sessions_total: calls.created,
            refused: self.refused,
            open_ports: counts.open_ports,
            received: counts.received,
            relayed: counts.relayed,
            dropped: counts.dropped,
            loops: calls.loops,
            waits_for_packet: calls.waits_for_packet,
        });
    }

    fn answer_summary_requests(&mut self, now: Millis) {
        if let Some(waker) = self.shared.waker.get() {
            waker.clear();
        }
        for sender in self.shared.take_requests() {
            // The receiver may have timed out.
            let _ = sender.send(self.table.summaries(&self.forwarder.media, now));
        }
    }

    fn accept(&mut self) {
        match self.listener.accept() {
            Ok((stream, _)) => self.add_connection(stream),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
            // A listener that stays ready would make this thread spin.
            Err(_) => self.paused = self.control.remove(&self.listener).is_ok(),
        }
    }

    fn add_connection(&mut self, stream: UnixStream) {
        let free = self.connections.iter().position(Option::is_none);
        let index = free.unwrap_or(self.connections.len());
        if index >= MAX_CONNECTIONS || stream.set_nonblocking(true).is_err() {
            return;
        }
        if self.control.add(&stream, FIRST_CONNECTION + index as u64).is_err() {
            return;
        }
        let connection = Some(Connection { stream, framer: Framer::default(), peer_closed: false });
        match self.connections.get_mut(index) {
            Some(entry) => *entry = connection,
            None => self.connections.push(connection),
        }
    }

    /// Reads from a control connection and answers the complete requests.
    fn serve_connection(&mut self, token: u64, now: Millis) {
        let index = usize::try_from(token - FIRST_CONNECTION).unwrap_or(usize::MAX);
        let Some(entry) = self.connections.get_mut(index) else { return };
        let Some(mut connection) = entry.take() else { return };
        if !self.read_requests(&mut connection, now) {
            // A forked child may hold a copy of the descriptor: see
            // `UdpSockets::unwatch`.
            let _ = self.control.remove(&connection.stream);
            return;
        }
        if let Some(entry) = self.connections.get_mut(index) {
            *entry = Some(connection);
        }
    }

    /// Returns false when the connection is to be closed.
    fn read_requests(&mut self, connection: &mut Connection, now: Millis) -> bool {
        match connection.stream.read(&mut self.scratch) {
            Ok(0) => return false,
            Ok(length) => connection.framer.push(self.scratch.get(..length).unwrap_or_default()),
            Err(error) => {
                return matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted);
            }
        }
        self.answer_requests(connection, now)
    }

    /// Answers the complete requests. Returns false when the connection is to
    /// be closed.
    fn answer_requests(&mut self, connection: &mut Connection, now: Millis) -> bool {
        loop {
            let config = self.config;
            let request = match connection.framer.next() {
                Err(control::TooLong) => return false,
                Ok(None) => return true,
                Ok(Some(request)) => control::parse(request),
            };
            if connection.peer_closed && !request.as_ref().is_some_and(Request::works_without_reply)
            {
                continue;
            }
            let (reply, call_id) = match request {
                Some(request) => {
                    let log = &mut |record| log(config, record);
                    let reply = self.table.answer(&request, &mut self.forwarder.media, now, log);
                    (reply, request.call_id())
                }
                None => (Reply::Error(Refusal::Malformed), &b""[..]),
            };
            if let Reply::Error(refusal) = reply {
                self.refused += 1;
                log(config, LogRecord::Refused { call_id: call_id.to_vec(), refusal });
            }
            self.line.clear();
            reply.write(&mut self.line);
            // The client may read the counters as soon as it has the reply.
            self.publish();
            if connection.peer_closed {
                continue;
            }
            // One send per line: some clients search for the line end only in
            // the last read. A client whose socket buffer is full has stopped
            // reading, so its connection is closed.
            match stream::send(&connection.stream, &self.line) {
                Ok(length) if length == self.line.len() => {}
                Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                    connection.peer_closed = true
                }
                _ => return false,
            }
        }
    }

    fn finish(&mut self) {
        let now = self.now();
        let config = self.config;
        self.table
            .stop(&mut self.forwarder.media, now, &mut |end| log(config, LogRecord::Ended(end)));
        self.publish();
        self.shared.take_requests().clear();
    }
}

fn log(config: &Config, record: LogRecord) {
    if let Some(log) = &config.log {
        log.write(&record);
    }
}
