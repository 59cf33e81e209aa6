//! The built-in proxy's control protocol: any bytes, cut anywhere, on several
//! connections, with packets and time in between.
//!
//! An input is what connection 0 hears. The byte 0xff starts a command:
//! `0xff 0..3` the next bytes come on that connection; `0xff |` the bytes so
//! far and the next ones come apart; `0xff t N` N*N*50 milliseconds pass;
//! `0xff p S A P` a packet from address A, port P comes to the RTP port of
//! side S of the first stream; `0xff 0xff` is the byte itself.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use mediaproxy::proxy::dry::DryProxy;
use mediaproxy::proxy::{Config, LearnFrom, SessionSummary};

use super::input::Input;

/// Who sends packets.
const SENDERS: [&str; 6] =
    ["198.51.100.7", "192.168.1.10", "203.0.113.66", "127.0.0.1", "2001:db8::7", "224.0.0.1"];
const PORTS: (u16, u16) = (30_001, 30_064);

#[derive(Clone)]
enum Event {
    Bytes(u8, Vec<u8>),
    Time(u64),
    Packet { callee: bool, source: SocketAddr },
}

pub fn check(bytes: &[u8]) {
    let events = events(bytes);
    let ours: [IpAddr; 2] = [[192, 0, 2, 1].into(), "2001:db8::1".parse().unwrap()];
    let config = Config::new("/nowhere", ours.to_vec(), PORTS);
    let as_cut = converse(&events, &config);
    let in_bytes = converse(&byte_by_byte(&events), &config);
    assert_eq!(as_cut, in_bytes, "answers depend on how the bytes were cut");

    let tight = Config {
        learn_from: LearnFrom::Any,
        max_sessions: 2,
        hold_timeout: Duration::from_secs(9),
        ..Config::new("/nowhere", ours[..1].to_vec(), (30_000, 30_005))
    };
    converse(&events, &tight);
}

fn byte_by_byte(events: &[Event]) -> Vec<Event> {
    let mut apart = Vec::new();
    for event in events {
        match event {
            Event::Bytes(connection, bytes) => {
                apart.extend(bytes.iter().map(|byte| Event::Bytes(*connection, vec![*byte])));
            }
            other => apart.push(other.clone()),
        }
    }
    apart
}

fn events(bytes: &[u8]) -> Vec<Event> {
    let mut input = Input::new(bytes);
    let (mut connection, mut pending, mut events) = (0, Vec::new(), Vec::new());
    while !input.is_empty() {
        let byte = input.byte();
        if byte != 0xff {
            pending.push(byte);
            continue;
        }
        let command = input.byte();
        if command == 0xff {
            pending.push(byte);
            continue;
        }
        if !pending.is_empty() {
            events.push(Event::Bytes(connection, std::mem::take(&mut pending)));
        }
        match command {
            b't' => events.push(Event::Time(u64::from(input.byte()).pow(2) * 50)),
            b'p' => {
                let callee = input.byte() & 1 == 1;
                let ip: IpAddr = input.pick(&SENDERS).parse().unwrap();
                let source = SocketAddr::new(ip, 4000 + u16::from(input.byte()) % 8);
                events.push(Event::Packet { callee, source });
            }
            other => connection = other % 4,
        }
    }
    if !pending.is_empty() {
        events.push(Event::Bytes(connection, pending));
    }
    events
}

/// What every connection was answered.
type Answers = [Vec<u8>; 4];

fn converse(events: &[Event], config: &Config) -> Answers {
    let mut proxy = DryProxy::new(config);
    let mut answers = Answers::default();
    let mut gone = [false; 4];
    let mut now = 1_000;
    for event in events {
        match event {
            Event::Bytes(connection, bytes) => {
                let at = usize::from(*connection);
                let before = answers[at].len();
                if !gone[at] {
                    let state = proxy.state();
                    gone[at] =
                        !proxy.receive(usize::from(*connection), bytes, now, &mut answers[at]);
                    let new = &answers[at][before..];
                    lines(new, config);
                    if new.split(|byte| *byte == b'\n').all(|line| matches!(line, b"" | b"error\r"))
                    {
                        assert!(proxy.state() == state, "a refused request changes nothing");
                    }
                }
                if answers[at].len() == before {
                    continue;
                }
            }
            Event::Time(time) => {
                now += time;
                let before = proxy.sessions(now).len();
                let mut ended = 0;
                proxy.expire(now, &mut |_| ended += 1);
                assert_eq!(proxy.sessions(now).len() + ended, before);
            }
            Event::Packet { callee, source } => packet(&mut proxy, *callee, *source, now),
        }
        assert_eq!(proxy.faults(), 0, "ports were used or closed that were not open");
        table(&proxy, now, config);
    }
    proxy.stop(now);
    assert_eq!((proxy.open_streams(), proxy.sessions(now).len()), (0, 0), "all is closed");
    assert_eq!(proxy.faults(), 0, "ports were used or closed that were not open");
    answers
}

/// Every answer is a line: error, removed, or one of our addresses and ports.
fn lines(answers: &[u8], config: &Config) {
    let text = std::str::from_utf8(answers).expect("answers are text");
    assert!(text.is_empty() || text.ends_with("\r\n"));
    for line in text.lines() {
        if line == "error" || line == "removed" {
            continue;
        }
        let mut words = line.split(' ');
        let first: IpAddr = words.next().unwrap().parse().expect("an address");
        let stream = |word: &str| match word.parse() {
            Ok(port) => SocketAddr::new(first, port),
            // Of another family than the first stream.
            Err(_) => word.parse().expect("a port, or an address and a port"),
        };
        let mut used: Vec<SocketAddr> = words.map(stream).collect();
        assert!(config.addresses.contains(&first), "{line}");
        assert!(used.len() <= 64, "{line}");
        used.retain(|stream| stream.port() != 0);
        let (low, high) = config.ports;
        assert!(used.iter().all(|stream| config.addresses.contains(&stream.ip())), "{line}");
        let even = |port: u16| port.is_multiple_of(2) && (low..high).contains(&port);
        assert!(used.iter().all(|stream| even(stream.port())), "{line}");
        used.sort_unstable();
        assert!(used.windows(2).all(|pair| pair[0] != pair[1]), "one port for two streams: {line}");
    }
}

/// No two streams share a port; bounds hold.
fn table(proxy: &DryProxy, now: u64, config: &Config) {
    let sessions = proxy.sessions(now);
    assert!(sessions.len() <= config.max_sessions);
    let sides = |session: &SessionSummary| -> Vec<SocketAddr> {
        let both = |s: &mediaproxy::proxy::StreamSummary| [s.caller.rtp.local, s.callee.rtp.local];
        session.streams.iter().flat_map(both).collect()
    };
    let mut all: Vec<SocketAddr> = sessions.iter().flat_map(sides).collect();
    let count = all.len();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), count, "a port serves two streams");
    assert!(count <= 2 * proxy.open_streams());
    let pairs = usize::from(config.ports.1 - config.ports.0 + 2) / 2;
    assert!(proxy.open_streams() <= pairs * config.addresses.len() / 2);
}

/// A packet goes nowhere, or to the other side, which is never the loopback
/// device, a group or the proxy itself.
fn packet(proxy: &mut DryProxy, callee: bool, source: SocketAddr, now: u64) {
    let sessions = proxy.sessions(now);
    let first = sessions
        .iter()
        .filter_map(|session| session.streams.first())
        .min_by_key(|stream| stream.caller.rtp.local.port());
    let Some(stream) = first else { return };
    let (side, other) =
        if callee { (&stream.callee, &stream.caller) } else { (&stream.caller, &stream.callee) };
    let Some(sent) = proxy.packet(side.rtp.local, source, now) else { return };
    let target = sent.to;
    assert_eq!(sent.from, other.rtp.local, "a packet leaves from the other side's port");
    assert_eq!(Some(target), other.rtp.remote, "a packet goes where the other side is known to be");
    let ip = target.ip();
    assert!(!ip.is_loopback() && !ip.is_multicast() && !ip.is_unspecified() && target.port() != 0);
    assert_eq!(ip.is_ipv4(), other.rtp.local.is_ipv4());
    assert!(!source.ip().is_loopback() && !source.ip().is_multicast());
}
