//! The pool of connections that no exchange uses at the moment.

use std::io;
use std::sync::Arc;

use super::connection::{Connection, Unread, Watch};
use super::network::Network;
use crate::relay::exchange::{Exchange, Need};
use crate::relay::{ConnectionUse, Facts, Outcome, Relay};

/// Idle connections kept for each relay.
const MAX_IDLE: usize = 64;
/// The maximum number of unread answers on one connection.
const MAX_UNREAD: usize = 32;
/// The time limit for an unawaited answer (milliseconds).
const ANSWER_WITHIN: u64 = 10_000;
/// An idle TCP connection is not used after this time (milliseconds): the network
/// may have dropped it without closing it.
pub(in crate::relay) const MAX_TCP_IDLE: u64 = 30_000;

/// An unawaited query that is over.
#[derive(Debug)]
pub struct Finished<T> {
    /// The identity of the relay.
    pub relay: u32,
    /// The token of the query.
    pub token: T,
    /// `Answered`, `Refused`, or `ProtocolError` when the connection was lost.
    pub outcome: Outcome,
}

/// Idle connections, and connections with unread answers. An *unawaited* query is
/// sent without waiting for its answer. `T` is the token that identifies it.
#[derive(Debug)]
pub struct Pool<T> {
    idle: Vec<Connection<T>>,
    finished: Vec<Finished<T>>,
    watch: Option<Arc<dyn Watch>>,
    /// `None`: the system's sockets.
    network: Option<Arc<dyn Network>>,
}

impl<T> Default for Pool<T> {
    fn default() -> Self {
        Pool { idle: Vec::new(), finished: Vec::new(), watch: None, network: None }
    }
}

impl<T> Pool<T> {
    /// A pool whose connections are watched.
    pub fn watched(watch: Arc<dyn Watch>) -> Self {
        Pool { watch: Some(watch), ..Pool::default() }
    }

    /// A pool whose connections are in memory.
    pub fn in_memory(network: Arc<dyn Network>) -> Self {
        Pool { network: Some(network), ..Pool::default() }
    }

    /// An idle connection to the relay of an exchange, or a new one. `WouldBlock`
    /// when the relay's backlog is full: try again shortly.
    pub(super) fn take(
        &mut self,
        exchange: &Exchange,
        fresh: bool,
        now: u64,
    ) -> io::Result<Connection<T>> {
        let Some(relay) = exchange.relay() else { return Err(io::ErrorKind::NotFound.into()) };
        if fresh {
            // The relay has closed one connection; the others are as old.
            self.close(|connection| connection.relay() == relay.identity);
        } else {
            // One that serves a single query may be there still unused: it was
            // not made in time for an earlier query.
            let kept = connection_use(exchange) == ConnectionUse::Kept;
            let of_relay = |idle: &Connection<T>| {
                idle.relay() == relay.identity && (kept || idle.unread() == 0)
            };
            while let Some(at) = self.idle.iter().rposition(of_relay) {
                let mut connection = self.idle.swap_remove(at);
                let aged =
                    connection.is_tcp() && now.saturating_sub(connection.used) > MAX_TCP_IDLE;
                let usable = if kept {
                    self.read(&mut connection) && !connection.has_partial_answer()
                } else {
                    // Its end would be taken for the answer.
                    connection.is_silent()
                };
                if usable && !aged {
                    connection.reuse();
                    return Ok(connection);
                }
                self.discard(connection);
            }
        }
        self.open(relay, exchange.facts(), now)
    }

    /// As [`Pool::take`]; a new connection when the idle one has
    /// [`MAX_UNREAD`] unread answers.
    fn take_with_room(
        &mut self,
        exchange: &Exchange,
        fresh: bool,
        now: u64,
    ) -> io::Result<Connection<T>> {
        let connection = self.take(exchange, fresh, now)?;
        match exchange.relay() {
            Some(relay) if connection.unread() >= MAX_UNREAD => {
                let another = self.open(relay, exchange.facts(), now);
                self.keep(connection, now);
                another
            }
            _ => Ok(connection),
        }
    }

    fn open(&self, relay: &Relay, facts: Facts, now: u64) -> io::Result<Connection<T>> {
        match &self.network {
            None => Connection::open(relay, facts, self.watch.as_ref(), now),
            Some(network) => Connection::open_in_memory(relay, &**network, now),
        }
    }

    /// Reads the unawaited answers on a connection. False when the connection
    /// cannot be used any more.
    fn read(&mut self, connection: &mut Connection<T>) -> bool {
        if connection.unread() == 0 {
            return true;
        }
        let relay = connection.relay();
        let finished = &mut self.finished;
        connection.read_unread(&mut |token, outcome| {
            finished.push(Finished { relay, token, outcome });
        })
    }

    /// Keeps a connection for the next query.
    pub(super) fn keep(&mut self, mut connection: Connection<T>, now: u64) {
        let kept = self.idle.iter().filter(|idle| idle.relay() == connection.relay()).count();
        if kept < MAX_IDLE {
            connection.used = now;
            self.idle.push(connection);
        } else {
            self.discard(connection);
        }
    }

    /// Finishes the first `count` unawaited queries of a connection, whose answers
    /// an exchange has read.
    pub(super) fn finish_unread(&mut self, connection: &mut Connection<T>, count: usize) {
        for _ in 0..count {
            let Some(token) = connection.take_unread() else { return };
            let (relay, outcome) = (connection.relay(), Outcome::Answered);
            self.finished.push(Finished { relay, token, outcome });
        }
    }

    /// Closes a connection. Its unread answers are lost.
    pub(super) fn discard(&mut self, mut connection: Connection<T>) {
        while let Some(token) = connection.take_unread() {
            let (relay, outcome) = (connection.relay(), Outcome::ProtocolError);
            self.finished.push(Finished { relay, token, outcome });
        }
    }

    fn close(&mut self, unwanted: impl Fn(&Connection<T>) -> bool) {
        let mut at = 0;
        while let Some(connection) = self.idle.get(at) {
            if unwanted(connection) {
                let connection = self.idle.swap_remove(at);
                self.discard(connection);
            } else {
                at = at.saturating_add(1);
            }
        }
    }

    /// Closes the idle connections of relays that are not `wanted`.
    pub fn retain(&mut self, wanted: impl Fn(u32) -> bool) {
        self.close(|connection| connection.unread() == 0 && !wanted(connection.relay()));
    }

    /// Closes all idle connections.
    pub fn clear(&mut self) {
        self.close(|_| true);
    }

    /// Sends the query of an exchange that has started, without waiting for its
    /// answer. After [`Pool::collect`], [`Pool::take_finished`] returns the result
    /// with `token`. Never waits. The error is the token; the outcome is then in
    /// the exchange ([`Outcome::LocalFailure`] when the relay accepts no more
    /// bytes at the moment).
    pub fn send_unawaited(&mut self, exchange: &mut Exchange, token: T, now: u64) -> Result<(), T> {
        while let Need::Connect { fresh } = exchange.need() {
            let mut connection = match self.take_with_room(exchange, fresh, now) {
                Ok(connection) => connection,
                Err(error) => {
                    exchange.connect_failed(&error);
                    break;
                }
            };
            exchange.connected(connection.reused(), connection.unread());
            match connection.send(exchange.unsent()) {
                Ok(sent) => exchange.sent(sent),
                // A TCP connection that is still connecting serves a later query.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.keep(connection, now);
                    break;
                }
                Err(error) => exchange.send_failed(&error),
            }
            let sent = exchange.need() == Need::Receive;
            match exchange.protocol().filter(|_| sent) {
                Some(protocol) => {
                    let command = exchange.query().command;
                    connection.expect_answer(Unread { command, protocol, token });
                    self.keep(connection, now);
                    return Ok(());
                }
                // Only a part of the query was sent, or nothing.
                None => self.discard(connection),
            }
        }
        exchange.give_up();
        Err(token)
    }

    /// Reads the unawaited answers that have come. An answer that has not come
    /// within [`ANSWER_WITHIN`] is lost.
    pub fn collect(&mut self, now: u64) {
        let mut at = 0;
        while let Some(unread) = self.idle.get(at).map(Connection::unread) {
            if unread == 0 {
                at = at.saturating_add(1);
                continue;
            }
            let mut connection = self.idle.swap_remove(at);
            let late = now.saturating_sub(connection.used) > ANSWER_WITHIN;
            if self.read(&mut connection) && !late {
                self.idle.push(connection);
                let last = self.idle.len().saturating_sub(1);
                self.idle.swap(at, last);
                at = at.saturating_add(1);
            } else {
                self.discard(connection);
            }
        }
    }

    /// True when there are unawaited queries without an answer, or finished ones
    /// that were not taken yet.
    pub fn has_unread(&self) -> bool {
        !self.finished.is_empty() || self.idle.iter().any(|connection| connection.unread() > 0)
    }

    /// Takes the unawaited queries that are over.
    pub fn take_finished(&mut self) -> Vec<Finished<T>> {
        std::mem::take(&mut self.finished)
    }
}

/// The number of queries on one connection, in the protocol of an exchange.
pub(super) fn connection_use(exchange: &Exchange) -> ConnectionUse {
    let capabilities = exchange
        .relay()
        .zip(exchange.protocol())
        .map(|(relay, protocol)| relay.uri.capabilities(protocol));
    capabilities.map_or(ConnectionUse::OneQuery, |capabilities| capabilities.connection)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::exchange::Limits;
    use crate::relay::{Query, RelayUri, Scope};
    use std::io::Read;
    use std::net::TcpListener;
    use std::path::Path;

    #[test]
    fn connection_for_one_query_that_the_relay_closed_is_not_used() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let text = format!("mediaproxy1:tcp:{}", listener.local_addr().unwrap());
        let uri = RelayUri::parse(&text, Path::new("/own")).unwrap();
        let relay = Arc::new(Relay { uri, identity: 1, slot: None });
        let mut exchange = Exchange::new(Query::delete(Scope::Session, b"c", b"f", b"t"));
        exchange.begin(&relay, Facts::default(), Limits::default()).unwrap();
        let mut pool = Pool::<()>::default();
        let unused = pool.take(&exchange, false, 1_000).unwrap();
        let (mut first, _) = listener.accept().unwrap();
        pool.keep(unused, 1_000);
        let unused = pool.take(&exchange, false, 2_000).unwrap();
        assert!(unused.reused(), "the relay has not closed it");
        pool.keep(unused, 2_000);
        first.shutdown(std::net::Shutdown::Write).unwrap();
        let taken = pool.take(&exchange, false, 3_000).unwrap();
        assert!(!taken.reused());
        assert_eq!(first.read(&mut [0; 8]).unwrap(), 0, "the closed one was closed here too");
        listener.accept().unwrap();
    }
}
