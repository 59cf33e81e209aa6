//! Audio between two phones through a relay, counted at both ends.

use std::net::{SocketAddr, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use crate::running::PATIENCE;

/// 20 ms of G.711.
const PACKET: usize = 172;
/// Faster than talk, to be done sooner; the relay is not measured here.
const INTERVAL: Duration = Duration::from_millis(3);
/// The number of the first packet that is counted.
const OPENING: u32 = 1000;

/// One end: its socket, and the relay as its session description names it.
#[derive(Debug)]
pub struct End {
    hears: UdpSocket,
    /// Another socket it sends from: of an asymmetric phone.
    sends: Option<UdpSocket>,
    relay: SocketAddr,
}

/// What an end received of the counted packets.
#[derive(Debug, Default)]
pub struct Heard {
    pub sent: u32,
    pub packets: u32,
    /// Packets that were the peer's, but not the relay's to send.
    pub strangers: u32,
}

impl Heard {
    /// At least 99 in 100 came, all of them from the relay.
    pub fn well(&self) -> bool {
        self.packets * 100 >= self.sent * 99 && self.strangers == 0
    }
}

/// The RTP packet of this number of a source.
pub fn packet(source: u32, sequence: u32) -> [u8; PACKET] {
    let mut packet = [0xd5; PACKET];
    packet[..2].copy_from_slice(&[0x80, 8]);
    packet[2..4].copy_from_slice(&sequence.to_be_bytes()[2..]);
    packet[4..8].copy_from_slice(&sequence.wrapping_mul(160).to_be_bytes());
    packet[8..12].copy_from_slice(&source.to_be_bytes());
    packet
}

impl End {
    pub fn new(socket: UdpSocket, relay: SocketAddr) -> End {
        socket.set_nonblocking(true).expect("a socket that does not wait");
        End { hears: socket, sends: None, relay }
    }

    /// It sends from another socket than it hears on.
    pub fn asymmetric(hears: UdpSocket, sends: UdpSocket, relay: SocketAddr) -> End {
        End { sends: Some(sends), ..End::new(hears, relay) }
    }

    fn send(&self, packet: &[u8]) {
        // A packet that cannot be sent is one that is lost.
        let _ = self.sends.as_ref().unwrap_or(&self.hears).send_to(packet, self.relay);
    }

    /// Reads all that is there.
    fn listen(&self, peer: u32, first: u32, heard: &mut Heard) {
        let mut buffer = [0; 2048];
        while let Ok((length, from)) = self.hears.recv_from(&mut buffer) {
            let sequence = u32::from(u16::from_be_bytes([buffer[2], buffer[3]]));
            if sequence < first || buffer[..length] != packet(peer, sequence) {
                continue;
            }
            heard.packets += 1;
            heard.strangers += u32::from(from != self.relay);
        }
    }
}

/// Those who `talk` do so at once, `count` packets each; what each end heard.
/// The first packets only open the way: until a NAT has let one out and the
/// relay has seen it, nothing can come back.
pub fn talk(ends: &[End; 2], talks: [bool; 2], count: u32) -> [Heard; 2] {
    let other = |source: u32| 1 - source;
    let mut opened = [Heard::default(), Heard::default()];
    let start = Instant::now();
    while opened.iter().any(|heard| heard.packets == 0) {
        assert!(start.elapsed() < PATIENCE, "no packet came through: {opened:?}, {ends:?}");
        for (source, (end, heard)) in (0..).zip(ends.iter().zip(&mut opened)) {
            end.send(&packet(source, 0));
            end.listen(other(source), 0, heard);
        }
        thread::sleep(Duration::from_millis(20));
    }
    let sent = |talks| if talks { count } else { 0 };
    let mut heard = [talks[1], talks[0]].map(|from| Heard { sent: sent(from), ..Heard::default() });
    for round in 0..count {
        for (source, (end, _)) in (0..).zip(ends.iter().zip(talks)).filter(|(_, (_, talks))| *talks)
        {
            end.send(&packet(source, OPENING + round));
        }
        thread::sleep(INTERVAL);
        for (source, (end, heard)) in (0..).zip(ends.iter().zip(&mut heard)) {
            end.listen(other(source), OPENING, heard);
        }
    }
    let last = Instant::now();
    while heard.iter().any(|heard| heard.packets < heard.sent) && last.elapsed().as_secs() < 2 {
        thread::sleep(Duration::from_millis(10));
        for (source, (end, heard)) in (0..).zip(ends.iter().zip(&mut heard)) {
            end.listen(other(source), OPENING, heard);
        }
    }
    heard
}
