//! Drives an exchange over a connection.

use std::io;
use std::os::fd::RawFd;

use super::connection::Connection;
use super::pool::Pool;
use crate::relay::exchange::{Exchange, Need};

/// The pause before another attempt to connect to a relay whose backlog is full
/// (milliseconds).
const BACKLOG_PAUSE: u64 = 5;

/// The event or the time that an exchange waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// The descriptor to watch, which may be another one after each step; -1: only
    /// the deadline counts.
    pub descriptor: RawFd,
    /// Wait until the descriptor is readable.
    pub read: bool,
    /// Wait until the descriptor is writable.
    pub write: bool,
    /// Continue at this time at the latest (milliseconds of the monotonic clock).
    pub deadline: u64,
}

impl Wait {
    /// There is nothing to wait for.
    pub const NOTHING: Wait = Wait { descriptor: -1, read: false, write: false, deadline: 0 };
}

/// The connection of a pending exchange.
#[derive(Debug)]
pub struct Wire<T> {
    connection: Option<Connection<T>>,
    /// The time of the next attempt after a full backlog.
    retry_at: u64,
}

impl<T> Default for Wire<T> {
    fn default() -> Self {
        Wire { connection: None, retry_at: 0 }
    }
}

impl<T> Wire<T> {
    /// Drives `exchange` as far as possible without waiting. True when it is over:
    /// its connection is then returned to the pool, or closed.
    pub fn drive(&mut self, exchange: &mut Exchange, pool: &mut Pool<T>, now: u64) -> bool {
        loop {
            let progress = match exchange.need() {
                Need::Connect { fresh } => self.connect(exchange, fresh, pool, now),
                Need::Send => self.send(exchange),
                Need::Receive => self.receive(exchange, pool),
                Need::Nothing => {
                    self.finish(exchange, pool, now);
                    return true;
                }
            };
            if !progress {
                exchange.timer(now);
                if exchange.need() != Need::Nothing {
                    return false;
                }
            }
        }
    }

    /// The event or the time to wait for before the next call of [`Wire::drive`].
    pub fn wait(&self, exchange: &Exchange) -> Wait {
        let deadline = exchange.deadline();
        match (exchange.need(), &self.connection) {
            (Need::Connect { .. }, _) => {
                Wait { deadline: deadline.min(self.retry_at), ..Wait::NOTHING }
            }
            (need, Some(connection)) => Wait {
                descriptor: connection.descriptor(),
                read: need == Need::Receive,
                write: need == Need::Send,
                deadline,
            },
            _ => Wait { deadline, ..Wait::NOTHING },
        }
    }

    /// This step and those below return whether they could be done without
    /// waiting.
    fn connect(
        &mut self,
        exchange: &mut Exchange,
        fresh: bool,
        pool: &mut Pool<T>,
        now: u64,
    ) -> bool {
        if let Some(earlier) = self.connection.take() {
            pool.discard(earlier);
        }
        if now < self.retry_at {
            return false;
        }
        match pool.take(exchange, fresh, now) {
            Ok(connection) => {
                exchange.connected(connection.reused(), connection.unread());
                self.connection = Some(connection);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.retry_at = now.saturating_add(BACKLOG_PAUSE);
                return false;
            }
            Err(error) => exchange.connect_failed(&error),
        }
        true
    }

    fn send(&mut self, exchange: &mut Exchange) -> bool {
        let Some(connection) = &self.connection else {
            exchange.closed();
            return true;
        };
        match connection.send(exchange.unsent()) {
            Ok(sent) => {
                exchange.sent(sent);
                // No relay has answered yet at this time.
                return false;
            }
            Err(error) if would_wait(&error) => return false,
            Err(error) => exchange.send_failed(&error),
        }
        true
    }

    fn receive(&mut self, exchange: &mut Exchange, pool: &mut Pool<T>) -> bool {
        let Some(connection) = &mut self.connection else {
            exchange.closed();
            return true;
        };
        // An answer for 64 streams has about 400 bytes. A larger buffer costs
        // time to clear.
        let mut buffer = [0u8; 1024];
        match connection.receive(&mut buffer) {
            Ok(0) => exchange.closed(),
            Ok(length) => {
                let bytes = buffer.get(..length).unwrap_or_default();
                let earlier = exchange.received(bytes);
                if earlier > 0 {
                    pool.finish_unread(connection, earlier);
                }
            }
            Err(error) if would_wait(&error) => return false,
            Err(_) => exchange.receive_failed(),
        }
        true
    }

    fn finish(&mut self, exchange: &Exchange, pool: &mut Pool<T>, now: u64) {
        match self.connection.take() {
            Some(connection) if exchange.is_in_step() => pool.keep(connection, now),
            Some(connection) => pool.discard(connection),
            None => {}
        }
        self.retry_at = 0;
    }
}

fn would_wait(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}
