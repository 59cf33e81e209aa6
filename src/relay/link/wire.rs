//! What drives an exchange over a connection.

use std::io;
use std::os::fd::RawFd;

use super::connection::Connection;
use super::pool::Pool;
use crate::relay::exchange::{Exchange, Need};

/// A full backlog is tried again after this many milliseconds.
const BACKLOG_PAUSE: u64 = 5;

/// What to wait for before an exchange is driven again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// The descriptor to watch; -1 when there is none: go on at the deadline at
    /// the latest. May change each time.
    pub descriptor: RawFd,
    /// Wait until it can be read.
    pub read: bool,
    /// Wait until it can be written.
    pub write: bool,
    /// When to go on at the latest, in milliseconds of the monotonic clock.
    pub deadline: u64,
}

impl Wait {
    /// There is nothing to wait for.
    pub const NOTHING: Wait = Wait { descriptor: -1, read: false, write: false, deadline: 0 };
}

/// The connection of an exchange under way.
#[derive(Debug)]
pub struct Wire<T> {
    connection: Option<Connection<T>>,
    /// When a full backlog is tried again.
    retry_at: u64,
}

impl<T> Default for Wire<T> {
    fn default() -> Self {
        Wire { connection: None, retry_at: 0 }
    }
}

impl<T> Wire<T> {
    /// Drives `exchange` as far as it goes without waiting. True when it is over;
    /// its connection is then back in the pool, or closed.
    pub fn drive(&mut self, exchange: &mut Exchange, pool: &mut Pool<T>, now: u64) -> bool {
        loop {
            let going = match exchange.need() {
                Need::Connect { fresh } => self.connect(exchange, fresh, pool, now),
                Need::Send => self.send(exchange),
                Need::Receive => self.receive(exchange, pool),
                Need::Nothing => {
                    self.finish(exchange, pool, now);
                    return true;
                }
            };
            if !going {
                exchange.timer(now);
                if exchange.need() != Need::Nothing {
                    return false;
                }
            }
        }
    }

    /// What to wait for before [`Wire::drive`] is called again.
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

    /// The steps below do one thing each, and say whether it could be done.
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
                // No relay is so fast that receiving at once would pay.
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
        // An answer for 64 streams has some 400 bytes; more room would only
        // cost its zeroes each time.
        let mut buffer = [0u8; 1024];
        match connection.receive(&mut buffer) {
            Ok(0) => exchange.closed(),
            Ok(length) => {
                let bytes = buffer.get(..length).unwrap_or_default();
                let earlier = exchange.received(bytes);
                if earlier > 0 {
                    pool.passed_over(connection, earlier);
                }
            }
            Err(error) if would_wait(&error) => return false,
            Err(_) => exchange.closed(),
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
