//! Audio between two phones through a relay, counted at both ends.

use std::net::{SocketAddr, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use crate::program::PATIENCE;

/// 20 ms of G.711.
const PACKET: usize = 172;
/// Packets each way.
const COUNT: u32 = 400;
/// Faster than talk, to be done sooner; the relay is not measured here.
const INTERVAL: Duration = Duration::from_millis(3);

/// One end: its socket, and the relay as its session description names it.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) socket: UdpSocket,
    pub(crate) relay: SocketAddr,
}

/// What an end received of the counted packets.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    pub(crate) packets: u32,
    /// Packets that were the peer's, but not the relay's to send.
    pub(crate) strangers: u32,
}

impl Heard {
    /// At least 99 in 100.
    pub(crate) fn enough(&self) -> bool {
        self.packets * 100 >= COUNT * 99
    }
}

fn packet(source: u32, sequence: u32) -> [u8; PACKET] {
    let mut packet = [0xd5; PACKET];
    packet[..2].copy_from_slice(&[0x80, 8]);
    packet[2..4].copy_from_slice(&sequence.to_be_bytes()[2..]);
    packet[4..8].copy_from_slice(&sequence.wrapping_mul(160).to_be_bytes());
    packet[8..12].copy_from_slice(&source.to_be_bytes());
    packet
}

impl End {
    /// Reads all that is there.
    fn listen(&self, peer: u32, first: u32, heard: &mut Heard) {
        let mut buffer = [0; 2048];
        while let Ok((length, from)) = self.socket.recv_from(&mut buffer) {
            let sequence = u32::from(u16::from_be_bytes([buffer[2], buffer[3]]));
            if sequence < first || buffer[..length] != packet(peer, sequence) {
                continue;
            }
            heard.packets += 1;
            heard.strangers += u32::from(from != self.relay);
        }
    }
}

/// Both talk at once. The first packets only open the way: until a NAT has let
/// one out and the relay has seen it, nothing can come back.
pub(crate) fn talk(ends: &[End; 2]) -> [Heard; 2] {
    const OPENING: u32 = 1000;
    for end in ends {
        end.socket.set_nonblocking(true).expect("a socket that does not wait");
    }
    let other = |source: u32| 1 - source;
    let mut opened = [Heard::default(), Heard::default()];
    let start = Instant::now();
    while opened.iter().any(|heard| heard.packets == 0) {
        assert!(start.elapsed() < PATIENCE, "no packet came through: {opened:?}");
        for (source, (end, heard)) in (0..).zip(ends.iter().zip(&mut opened)) {
            // A packet that cannot be sent is one that is lost.
            let _ = end.socket.send_to(&packet(source, 0), end.relay);
            end.listen(other(source), 0, heard);
        }
        thread::sleep(Duration::from_millis(20));
    }
    let mut heard = [Heard::default(), Heard::default()];
    for round in 0..COUNT {
        for (source, end) in (0..).zip(ends) {
            let _ = end.socket.send_to(&packet(source, OPENING + round), end.relay);
        }
        thread::sleep(INTERVAL);
        for (source, (end, heard)) in (0..).zip(ends.iter().zip(&mut heard)) {
            end.listen(other(source), OPENING, heard);
        }
    }
    let last = Instant::now();
    while heard.iter().any(|heard| heard.packets < COUNT) && last.elapsed().as_secs() < 2 {
        thread::sleep(Duration::from_millis(10));
        for (source, (end, heard)) in (0..).zip(ends.iter().zip(&mut heard)) {
            end.listen(other(source), OPENING, heard);
        }
    }
    heard
}
