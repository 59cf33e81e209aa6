//! A proxy without sockets and clock, for tests that pass bytes, packets and
//! times in any order. The code behind it is that of the real proxy: only the
//! system calls are missing.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;

use super::config::Config;
use super::control::{self, Framer};
use super::ids::ChannelId;
use super::learning::Millis;
use super::media::{Media, Sockets};
use super::refusal::Refusal;
use super::summary::{EndReason, SessionSummary};
use super::table::{Reply, Table};

/// A proxy whose control connections are numbers and whose sockets are
/// nothing.
#[derive(Clone, Debug)]
pub struct DryProxy {
    table: Table,
    media: Media<NoSockets>,
    connections: HashMap<usize, Framer>,
}

/// A packet that the proxy sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The proxy's own address and the port it is sent from.
    pub from: SocketAddr,
    /// Where it is sent.
    pub to: SocketAddr,
}

#[derive(Clone, Debug)]
struct NoSockets;

impl Sockets for NoSockets {
    type Socket = ();

    fn bind(&mut self, _: SocketAddr) -> io::Result<()> {
        Ok(())
    }

    fn watch(&mut self, (): &(), _: ChannelId, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn unwatch(&mut self, (): &()) {}
}

impl DryProxy {
    /// A proxy with this configuration; its control socket is not created.
    pub fn new(config: &Config) -> Self {
        DryProxy {
            table: Table::new(config),
            media: Media::new(config, NoSockets, 0),
            connections: HashMap::new(),
        }
    }

    /// Receives bytes on a connection; replies are appended to `answers`. False
    /// when the proxy closes the connection and discards its incomplete request.
    pub fn receive(
        &mut self,
        connection: usize,
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

    /// Receives a packet on an RTP or RTCP port, which may be named by the
    /// proxy's own or by its advertised address, and returns what is sent, or
    /// `None` when the packet is dropped.
    pub fn packet(&mut self, port: SocketAddr, source: SocketAddr, now: Millis) -> Option<Sent> {
        let (channel, index) = self.media.locals.owner(port)?;
        let Media { channels, rules, locals, counts, .. } = &mut self.media;
        let channel = channels.get_mut(usize::try_from(channel.0).ok()?)?.as_mut()?;
        let mut sent = None;
        channel.forward(index, (source, 0), (rules, locals), counts, now, |(), from, to| {
            sent = Some(Sent { from, to });
            true
        });
        sent
    }

    /// Ends the sessions whose timeout has passed.
    pub fn expire(&mut self, now: Millis, ended: &mut dyn FnMut(EndReason)) {
        self.table.expire(&mut self.media, now, &mut |end| ended(end.reason));
    }

    /// Ends all sessions.
    pub fn stop(&mut self, now: Millis) {
        self.table.stop(&mut self.media, now, &mut |_| {});
    }

    /// The warnings since the start: sessions that point at themselves, and those
    /// with a side that is sent nothing before it sends.
    pub fn warnings(&self) -> (u64, u64) {
        let counts = self.table.counts();
        (counts.loops, counts.waits_for_packet)
    }

    /// The live sessions.
    pub fn sessions(&self, now: Millis) -> Vec<SessionSummary> {
        self.table.summaries(&self.media, now)
    }

    /// The number of streams with open ports.
    pub fn open_streams(&self) -> usize {
        usize::try_from(self.media.counts.open_ports / 4).unwrap_or(usize::MAX)
    }

    /// All that is stored of the sessions, to be compared: a refused request leaves it
    /// as it was.
    pub fn state(&self) -> String {
        self.table.state()
    }

    /// How often the session code used or closed ports that were not open:
    /// always 0.
    pub fn faults(&self) -> u32 {
        self.media.faults()
    }
}

#[cfg(test)]
mod branches;
#[cfg(test)]
mod ends;
#[cfg(test)]
mod exchanges;
#[cfg(test)]
mod offers;
#[cfg(test)]
mod own_ports;
#[cfg(test)]
mod phones;
#[cfg(test)]
mod stored_dialogs;
#[cfg(test)]
mod tests;
