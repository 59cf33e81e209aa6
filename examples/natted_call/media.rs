//! Speech between the phones: G.711 every 20 ms, sender reports every 500 ms,
//! each packet numbered, so that every loss, copy, stranger and damage shows.

use std::net::SocketAddr;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use crate::nat::Packet;
use crate::phone::Phone;

const FRAME: Duration = Duration::from_millis(20);
const FRAMES_PER_REPORT: u32 = 25;
/// Samples, and with G.711 also bytes, of one frame.
const FRAME_SAMPLES: usize = 160;
/// A packet that is not there this long after the last one was sent is lost.
const PATIENCE: Duration = Duration::from_millis(500);

/// First byte of RTP and RTCP packets: version 2.
const VERSION: u8 = 0x80;
const PCMU: u8 = 0;
/// A payload type nobody offered: the far phone throws it away (RFC 6263 4.6).
const UNKNOWN: u8 = 127;
const SENDER_REPORT: u8 = 200;
const SOURCE_DESCRIPTION: u8 = 202;

/// First byte of what a stranger sends.
pub(crate) const STRANGER: u8 = 0x7f;

/// Which packets of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Rtp,
    Rtcp,
}

/// What became of the packets of one kind in one direction.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    /// `A to B RTP`.
    pub(crate) name: String,
    /// Sent by one phone.
    pub(crate) sent: u64,
    /// Come from the relay to the other phone's NAT.
    pub(crate) relayed: u64,
    /// Come to the other phone.
    pub(crate) received: u64,
    /// Come more than once.
    pub(crate) repeated: u64,
    /// Come after a later one.
    pub(crate) reordered: u64,
    /// Not as they were sent, or never sent at all.
    pub(crate) damaged: u64,
    /// Come from elsewhere than the relay: from where.
    pub(crate) strangers: Vec<SocketAddr>,
    /// The time each packet took from phone to phone, in microseconds.
    pub(crate) delays: Vec<u64>,
}

impl Tally {
    /// What is wrong with it, if something is.
    pub(crate) fn faults(&self, stage: &str) -> Vec<String> {
        let mut faults = Vec::new();
        let mut say = |text: String| faults.push(format!("{stage}: {}: {text}", self.name));
        if self.received < self.sent {
            let lost = self.sent - self.received;
            say(format!("{lost} of {} packets lost", self.sent));
        }
        if self.repeated > 0 {
            say(format!("{} packets came twice", self.repeated));
        }
        if self.reordered > 0 {
            say(format!("{} packets came in the wrong order", self.reordered));
        }
        if self.damaged > 0 {
            say(format!("{} packets damaged", self.damaged));
        }
        if let Some(from) = self.strangers.first() {
            let count = self.strangers.len();
            say(format!("{count} packets not from the relay but from {from}"));
        }
        faults
    }
}

/// One phone as a sender of media: numbers go on from stage to stage.
#[derive(Debug)]
pub(crate) struct Sender {
    ssrc: u32,
    /// RTP and RTCP packets sent so far.
    rtp: u32,
    rtcp: u32,
    /// When each packet of this stage was sent.
    rtp_times: Vec<Instant>,
    rtcp_times: Vec<Instant>,
}

impl Sender {
    pub(crate) fn new(ssrc: u32) -> Sender {
        Sender { ssrc, rtp: 0, rtcp: 0, rtp_times: Vec::new(), rtcp_times: Vec::new() }
    }
}

/// Opens the way: each phone sends one RTP and one RTCP packet, so that the
/// NATs have mappings and the relay learns where the phones are. It cannot pass
/// on what comes before it knows the other side, so these are not counted.
pub(crate) fn open(phones: [&Phone; 2], senders: [&Sender; 2]) -> Result<(), String> {
    for (phone, sender) in phones.into_iter().zip(senders) {
        let to = phone.media()?;
        let mut rtp = vec![VERSION, UNKNOWN, 0, 0, 0, 0, 0, 0];
        rtp.extend(sender.ssrc.to_be_bytes());
        phone.send_media(phone.rtp_socket(), to.rtp, &rtp)?;
        let mut rtcp = vec![VERSION, 201, 0, 1];
        rtcp.extend(sender.ssrc.to_be_bytes());
        phone.send_media(phone.rtcp_socket(), to.rtcp, &rtcp)?;
    }
    Ok(())
}

/// Lets the phones talk for a while; `talking` says who does. The tallies: from
/// the first phone RTP and RTCP, from the second the same.
pub(crate) fn talk(
    phones: [&Phone; 2],
    senders: &mut [Sender; 2],
    talking: [bool; 2],
    time: Duration,
) -> Result<Vec<Tally>, String> {
    let before = phones.map(arrivals);
    for sender in senders.iter_mut() {
        sender.rtp_times.clear();
        sender.rtcp_times.clear();
    }
    let first = [(senders[0].rtp, senders[0].rtcp), (senders[1].rtp, senders[1].rtcp)];
    let start = Instant::now();
    for frame in 0.. {
        let due = FRAME * frame;
        if due >= time {
            break;
        }
        std::thread::sleep(due.saturating_sub(start.elapsed()));
        for ((phone, sender), talks) in phones.into_iter().zip(senders.iter_mut()).zip(talking) {
            let to = phone.media()?;
            if talks {
                let packet = rtp_packet(sender.ssrc, sender.rtp);
                sender.rtp += 1;
                sender.rtp_times.push(Instant::now());
                phone.send_media(phone.rtp_socket(), to.rtp, &packet)?;
            }
            // Reports go both ways even on hold (RFC 3550 section 6).
            if frame % FRAMES_PER_REPORT == 0 {
                let packet = rtcp_packet(sender.ssrc, sender.rtcp);
                sender.rtcp += 1;
                sender.rtcp_times.push(Instant::now());
                phone.send_media(phone.rtcp_socket(), to.rtcp, &packet)?;
            }
        }
    }
    let mut tallies = Vec::new();
    for (from, to) in [(0, 1), (1, 0)] {
        let (sender, receiver) = (&senders[from], phones[to]);
        let names = (phones[from].setup.name, phones[to].setup.name);
        let (rtp_first, rtcp_first) = first[from];
        let relay = receiver.media()?;
        for kind in [Kind::Rtp, Kind::Rtcp] {
            let (inbox, relay, times, first) = match kind {
                Kind::Rtp => (&receiver.rtp, relay.rtp, &sender.rtp_times, rtp_first),
                Kind::Rtcp => (&receiver.rtcp, relay.rtcp, &sender.rtcp_times, rtcp_first),
            };
            let word = if kind == Kind::Rtp { "RTP " } else { "RTCP" };
            let name = format!("{} to {} {word}", names.0, names.1);
            tallies.push(collect(name, kind, inbox, relay, sender.ssrc, first, times));
        }
    }
    // From the NATs, now that everything has come.
    for (tally, (to, kind)) in tallies.iter_mut().zip([(1, 0), (1, 1), (0, 0), (0, 1)]) {
        tally.relayed = arrivals(phones[to])[kind] - before[to][kind];
    }
    Ok(tallies)
}

/// Packets come to the phone's NAT from its peers: RTP, RTCP.
pub(crate) fn arrivals(phone: &Phone) -> [u64; 2] {
    [phone.nat.arrived(phone.rtp_socket()), phone.nat.arrived(phone.rtcp_socket())]
}

/// Takes what came to one port and holds it against what was sent.
fn collect(
    name: String,
    kind: Kind,
    inbox: &Receiver<Packet>,
    relay: SocketAddr,
    ssrc: u32,
    first: u32,
    times: &[Instant],
) -> Tally {
    let mut tally = Tally {
        name,
        sent: times.len() as u64,
        relayed: 0,
        received: 0,
        repeated: 0,
        reordered: 0,
        damaged: 0,
        strangers: Vec::new(),
        delays: Vec::new(),
    };
    let mut seen = vec![false; times.len()];
    let mut last = None;
    let end = Instant::now() + PATIENCE;
    loop {
        // When all is there, only what is waiting already is looked at.
        let done = tally.received == tally.sent;
        let wait =
            if done { Duration::ZERO } else { end.saturating_duration_since(Instant::now()) };
        let Ok(packet) = inbox.recv_timeout(wait) else { break };
        if packet.from != relay {
            tally.strangers.push(packet.from);
            continue;
        }
        if is_opening(&packet.bytes) {
            continue;
        }
        let Some(index) = number_of(kind, ssrc, &packet.bytes)
            .and_then(|number| number.checked_sub(first))
            .map(|index| index as usize)
        else {
            tally.damaged += 1;
            continue;
        };
        match (seen.get_mut(index), times.get(index)) {
            (Some(seen), _) if *seen => tally.repeated += 1,
            (Some(seen), Some(sent)) => {
                *seen = true;
                tally.received += 1;
                tally.delays.push(packet.at.saturating_duration_since(*sent).as_micros() as u64);
                if last.is_some_and(|last| last > index) {
                    tally.reordered += 1;
                }
                last = Some(index);
            }
            _ => tally.damaged += 1,
        }
    }
    tally
}

/// One of the packets of [`open`], that the relay passed on.
fn is_opening(bytes: &[u8]) -> bool {
    matches!(bytes, [VERSION, UNKNOWN, ..] if bytes.len() == 12)
        || matches!(bytes, [VERSION, 201, ..] if bytes.len() == 8)
}

/// The number of a packet that is exactly as the sender made it.
fn number_of(kind: Kind, ssrc: u32, bytes: &[u8]) -> Option<u32> {
    let field = |at: usize| bytes.get(at..at + 4)?.try_into().ok().map(u32::from_be_bytes);
    let (number, packet) = match kind {
        Kind::Rtp => {
            let number = field(4)? / FRAME_SAMPLES as u32;
            (number, rtp_packet(ssrc, number))
        }
        Kind::Rtcp => {
            let number = field(20)?;
            (number, rtcp_packet(ssrc, number))
        }
    };
    (packet == bytes).then_some(number)
}

/// The RTP packet of this number (RFC 3550 5.1).
fn rtp_packet(ssrc: u32, number: u32) -> Vec<u8> {
    let mut packet = vec![VERSION, PCMU];
    packet.extend((number as u16).to_be_bytes());
    packet.extend(number.wrapping_mul(FRAME_SAMPLES as u32).to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    packet.extend((0..FRAME_SAMPLES).map(|at| (at as u32).wrapping_mul(number + 7) as u8));
    packet
}

/// The sender report of this number, and the name that must go with it
/// (RFC 3550 6.1, 6.4.1).
fn rtcp_packet(ssrc: u32, number: u32) -> Vec<u8> {
    let mut packet = vec![VERSION, SENDER_REPORT, 0, 6];
    for word in [ssrc, 0, 0, 0, number, number.wrapping_mul(FRAME_SAMPLES as u32)] {
        packet.extend(word.to_be_bytes());
    }
    let cname = format!("{ssrc:08x}");
    packet.extend([VERSION + 1, SOURCE_DESCRIPTION, 0, 4]);
    packet.extend(ssrc.to_be_bytes());
    packet.extend([1, cname.len() as u8]);
    packet.extend(cname.bytes());
    packet.extend([0, 0]);
    packet
}
