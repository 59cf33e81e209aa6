//! Phones around a proxy without sockets: they send SDP through one connection, and
//! packets.

use std::net::{IpAddr, SocketAddr};

use super::DryProxy;
use crate::proxy::config::Config;

/// An SDP with audio at this address, which signalling comes from as well.
pub(super) type Sdp = &'static str;

// The caller, before and after it moved, and two callees.
pub(super) const A: Sdp = "198.51.100.1:4000";
pub(super) const A_NEW: Sdp = "198.51.100.1:4010";
pub(super) const B: Sdp = "198.51.100.2:5000";
pub(super) const C: Sdp = "198.51.100.3:6000";

/// A re-INVITE between the moved caller and C, from either side, with its offer in the
/// request or in the 2xx: the message that has the offer, its CSeq, tags and SDP, and the
/// message that has the answer, and its SDP.
pub(super) const REOFFERS_OF_C: [(&str, u32, &str, Sdp, &str, Sdp); 4] = [
    ("request", 2, "a>c", A_NEW, "reply", C),
    ("request", 101, "c>a", C, "reply", A_NEW),
    ("reply", 2, "a>c", C, "request", A_NEW),
    ("reply", 101, "c>a", A_NEW, "request", C),
];

/// A proxy, a clock, and a call.
#[derive(Clone)]
pub(super) struct World {
    pub(super) proxy: DryProxy,
    pub(super) now: u64,
}

/// What the proxy answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line(pub(super) String);

impl Line {
    /// The address of the first stream.
    pub(super) fn first(&self) -> SocketAddr {
        self.stream(0)
    }

    pub(super) fn stream(&self, index: usize) -> SocketAddr {
        let mut words = self.0.split(' ');
        let ip: IpAddr = words.next().unwrap().parse().unwrap_or_else(|_| panic!("{}", self.0));
        let word = words.nth(index).unwrap_or_else(|| panic!("{}", self.0));
        match word.parse() {
            Ok(port) => SocketAddr::new(ip, port),
            Err(_) => word.parse().unwrap(),
        }
    }
}

pub(super) fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// The RTCP port that belongs to an RTP port.
pub(super) fn rtcp(rtp: SocketAddr) -> SocketAddr {
    SocketAddr::new(rtp.ip(), rtp.port() + 1)
}

impl World {
    /// How many sessions there are, and open streams.
    pub(super) fn left(&self) -> (usize, usize) {
        (self.proxy.sessions(self.now).len(), self.proxy.open_streams())
    }

    pub(super) fn new() -> World {
        World::with(|_| {})
    }

    pub(super) fn with(change: impl FnOnce(&mut Config)) -> World {
        let own = ["192.0.2.1", "2001:db8::1"].map(|ip| ip.parse().unwrap());
        let mut config = Config::new("/nowhere", own.to_vec(), (30_000, 30_199));
        change(&mut config);
        World { proxy: DryProxy::new(&config), now: 1_000 }
    }

    pub(super) fn request(&mut self, request: &str) -> Line {
        let mut answer = Vec::new();
        let before = self.proxy.clone();
        assert!(self.proxy.receive(0, request.as_bytes(), self.now, &mut answer));
        assert_eq!(self.proxy.faults(), 0);
        let line = String::from_utf8(answer).unwrap().trim_end().to_string();
        if line == "error" {
            let unchanged = self.proxy.state() == before.state();
            assert!(unchanged, "refused, but it changed something: {request}");
        }
        Line(line)
    }

    /// An update for call `c`. `tags` is `from>to`, or `from>?to` for a provisional
    /// reply. No SDP when `sdp` is empty; several, separated by commas, are several
    /// streams, each with its direction after a space.
    pub(super) fn send(&mut self, kind: &str, cseq: u32, tags: &str, sdp: &str) -> Line {
        self.send_in("c", kind, cseq, tags, sdp, "")
    }

    pub(super) fn send_in(
        &mut self,
        call: &str,
        kind: &str,
        cseq: u32,
        tags: &str,
        sdp: &str,
        headers: &str,
    ) -> Line {
        let (from, to) = tags.split_once('>').unwrap();
        let (to, early) = match to.split_once('?') {
            Some((to, early)) => (to, format!("early_tag: {early}\r\n")),
            None => (to, String::new()),
        };
        let item = |text: &str| {
            let (address, direction) = text.split_once(' ').unwrap_or((text, "sendrecv"));
            format!("audio:{address}:{direction}")
        };
        let items = sdp.split(',').map(item).collect::<Vec<_>>().join(",");
        let first = sdp.split([',', ' ']).next().unwrap_or_default();
        let signaling =
            first.parse().map_or("198.51.100.250".parse().unwrap(), |a: SocketAddr| a.ip());
        let media = if sdp.is_empty() { String::new() } else { format!("media: {items}\r\n") };
        let signaling = match headers.contains("signaling_ip") {
            true => String::new(),
            false => format!("signaling_ip: {signaling}\r\n"),
        };
        self.request(&format!(
            "update\r\ntype: {kind}\r\ncall_id: {call}\r\ncseq: {cseq}\r\nfrom_tag: {from}\r\n\
             to_tag: {to}\r\n{early}{signaling}{headers}{media}\r\n"
        ))
    }

    pub(super) fn remove(&mut self, tags: &str, scope: &str) -> Line {
        let (from, to) = tags.split_once('>').unwrap();
        self.request(&format!(
            "remove\r\ncall_id: c\r\nfrom_tag: {from}\r\nto_tag: {to}\r\n{scope}\r\n"
        ))
    }

    /// Time passes, as the server's ticks.
    pub(super) fn wait(&mut self, time: u64) {
        self.now += time;
        self.proxy.expire(self.now, &mut |_| {});
    }

    /// A packet from a phone to a port of the proxy; where it arrives in the end.
    pub(super) fn packet(&mut self, from: SocketAddr, to: SocketAddr) -> Option<SocketAddr> {
        let (mut source, mut port) = (from, to);
        for _ in 0..8 {
            let sent = self.proxy.packet(port, source, self.now)?;
            let own =
                [at("192.0.2.1:0").ip(), at("[2001:db8::1]:0").ip(), at("203.0.113.99:0").ip()];
            if !own.contains(&sent.to.ip()) {
                return Some(sent.to);
            }
            (source, port) = (sent.from, sent.to);
        }
        panic!("a packet from {from} to {to} goes round");
    }

    /// Asserts that RTP and RTCP of one phone reach another one's address.
    #[track_caller]
    pub(super) fn reaches(&mut self, from: &str, port: SocketAddr, to: &str) {
        let (from, to) = (at(from), at(to));
        assert_eq!(self.packet(from, port), Some(to), "RTP from {from} to {port}");
        assert_eq!(self.packet(rtcp(from), rtcp(port)), Some(rtcp(to)), "RTCP from {from}");
    }

    /// Asserts that nothing is sent for a phone's packets.
    #[track_caller]
    pub(super) fn reaches_nobody(&mut self, from: &str, port: SocketAddr) {
        assert_eq!(self.packet(at(from), port), None, "RTP from {from} to {port}");
        assert_eq!(self.packet(rtcp(at(from)), rtcp(port)), None, "RTCP from {from} to {port}");
    }
}
