//! The media sockets of all sessions, and the forwarding of packets.

use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};

use super::config::Config;
use super::ids::ChannelId;
use super::learning::Millis;
use super::media::{Media, Sockets};
use crate::sys::epoll::Epoll;

/// The largest UDP datagram.
const DATAGRAM: usize = 65_536;
/// Tokens of media sockets start here; the lower ones are the server's.
pub(super) const FIRST_TOKEN: u64 = 1 << 32;

/// UDP sockets, watched by an epoll set.
pub(super) struct UdpSockets<'a> {
    epoll: &'a Epoll,
}

impl Sockets for UdpSockets<'_> {
    type Socket = UdpSocket;

    fn bind(&mut self, local: SocketAddr) -> std::io::Result<UdpSocket> {
        let socket = UdpSocket::bind(local)?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    }

    fn watch(
        &mut self,
        socket: &UdpSocket,
        channel: ChannelId,
        index: usize,
    ) -> std::io::Result<()> {
        self.epoll.add(socket, FIRST_TOKEN + (u64::from(channel.0) << 2) + index as u64)
    }

    fn unwatch(&mut self, socket: &UdpSocket) {
        // Closing is not enough: a forked child may hold a copy of the
        // descriptor, and its packets would keep waking this thread.
        let _ = self.epoll.remove(socket);
    }
}

/// All media sockets.
pub(super) struct Forwarder<'a> {
    pub(super) media: Media<UdpSockets<'a>>,
    buffer: Vec<u8>,
}

impl<'a> Forwarder<'a> {
    /// A forwarder without sockets. `random` selects the first ports.
    pub(super) fn new(config: &Config, epoll: &'a Epoll, random: u64) -> Self {
        let media = Media::new(config, UdpSockets { epoll }, random);
        Forwarder { media, buffer: vec![0; DATAGRAM] }
    }

    /// Forwards one packet from the socket with this token. Sockets are
    /// level-triggered: a socket with more packets is ready again at once, and
    /// all sockets take turns.
    pub(super) fn relay(&mut self, token: u64, now: Millis) {
        let Some((channel, index)) = channel_of(token) else { return };
        let Media { channels, rules, locals, counts, .. } = &mut self.media;
        let Some(Some(channel)) = channels.get_mut(channel) else { return };
        let (from, _) = channel.pair(index);
        let (length, source) = match from.socket.recv_from(&mut self.buffer) {
            Ok(received) => received,
            Err(_) => return,
        };
        let Some(packet) = self.buffer.get(..length) else { return };
        channel.forward(
            index,
            (source, length),
            (rules, locals),
            counts,
            now,
            |socket, _, target| send(socket, packet, target),
        );
    }
}

/// The channel of a token, and the index of the socket there.
fn channel_of(token: u64) -> Option<(usize, usize)> {
    let token = token.checked_sub(FIRST_TOKEN)?;
    Some((usize::try_from(token >> 2).ok()?, usize::try_from(token & 3).ok()?))
}

/// Sends without retry: a full queue or an unreachable address loses the
/// packet, as any router on the path would.
fn send(socket: &UdpSocket, packet: &[u8], target: SocketAddr) -> bool {
    loop {
        match socket.send_to(packet, target) {
            Ok(_) => return true,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return false,
        }
    }
}
