//! The control socket of the built-in proxy, against what AG Projects'
//! dispatcher and relay answered to the same requests.

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, UdpSocket};
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::time::Duration;

use kit::json::Json;
use kit::proxy::{Server, ask};
use mediaproxy::proxy::{Log, LogRecord, Refusal};

/// What came back: lines, or how the connection went.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Heard {
    Lines(Vec<u8>),
    Silence,
    Closed,
}

fn hear(stream: &mut UnixStream, lines: usize, patience: Duration) -> Heard {
    stream.set_read_timeout(Some(patience)).unwrap();
    let mut heard = Vec::new();
    let mut chunk = [0; 4_096];
    while heard.windows(2).filter(|end| end == b"\r\n").count() < lines {
        match stream.read(&mut chunk) {
            Ok(0) => return Heard::Closed,
            Ok(length) => heard.extend_from_slice(&chunk[..length]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return Heard::Closed,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Heard::Silence,
            Err(error) => panic!("{error}"),
        }
    }
    Heard::Lines(heard)
}

fn offer(call_id: &str, cseq: u32, media: &str) -> String {
    format!(
        "update\r\ntype: request\r\ncall_id: {call_id}\r\ncseq: {cseq}\r\nfrom_tag: ft\r\n\
         to_tag: \r\nsignaling_ip: 127.0.0.2\r\nmedia: {media}\r\n\r\n"
    )
}

/// One recorded exchange.
struct Exchange {
    scenario: String,
    note: String,
    send: Vec<u8>,
    theirs: Heard,
}

fn fixture(name: &str) -> String {
    let path = kit::root().join("tests/fixtures").join(name);
    std::fs::read_to_string(path).unwrap()
}

fn recording() -> Vec<Exchange> {
    let exchange = |line: &str| {
        let fields = Json::parse(line);
        let theirs = match fields.get("end").text() {
            "line" => Heard::Lines(fields.get("recv").bytes().to_vec()),
            "silence" => Heard::Silence,
            "closed" => Heard::Closed,
            other => panic!("how did it end: {other}"),
        };
        Exchange {
            scenario: fields.get("scenario").text().to_string(),
            note: fields.get("note").text().to_string(),
            send: fields.get("send").bytes().to_vec(),
            theirs,
        }
    };
    fixture("mediaproxy2.jsonl").lines().map(exchange).collect()
}

/// Whether an answer is an address and ports: those.
fn ports(line: &str) -> Option<Vec<u16>> {
    let mut words = line.split(' ');
    words.next()?.parse::<std::net::IpAddr>().ok()?;
    words.map(|word| word.parse().ok()).collect()
}

/// An answer as far as two servers can agree: port numbers are hidden.
fn shape(heard: &Heard, relay: &str) -> String {
    let Heard::Lines(lines) = heard else { return format!("{heard:?}").to_lowercase() };
    let lines = String::from_utf8_lossy(lines);
    let shape = |line: &str| match ports(line) {
        Some(ports) => {
            let address = if line.starts_with(relay) { "RELAY" } else { "elsewhere" };
            let port = |port: &u16| if *port == 0 { " 0" } else { " PORT" };
            ports.iter().map(port).fold(address.to_string(), |all, one| all + one)
        }
        None => line.to_string(),
    };
    lines.trim_end().split("\r\n").map(shape).collect::<Vec<_>>().join(", ")
}

/// Which of our ports stands for which of theirs, within a scenario.
#[derive(Default)]
struct Pairing {
    ours: HashMap<u16, u16>,
    theirs: HashMap<u16, u16>,
}

impl Pairing {
    /// False when one of two ports already stands for another.
    fn agree(&mut self, theirs: &Heard, ours: &Heard) -> bool {
        let (Heard::Lines(theirs), Heard::Lines(ours)) = (theirs, ours) else { return true };
        let all = |lines: &[u8]| -> Vec<u16> {
            let text = String::from_utf8_lossy(lines).into_owned();
            text.lines().filter_map(ports).flatten().filter(|port| *port != 0).collect()
        };
        all(theirs).into_iter().zip(all(ours)).all(|(theirs, ours)| {
            *self.ours.entry(theirs).or_insert(ours) == ours
                && *self.theirs.entry(ours).or_insert(theirs) == theirs
        })
    }
}

#[test]
fn recorded_dispatcher_is_matched_answer_for_answer() {
    let server = Server::start(|_| {});
    let mut stream = server.connect();
    let mut found = Vec::new();
    let mut scenario = String::new();
    let mut pairing = Pairing::default();
    let recording = recording();
    assert_eq!(recording.len(), 103);
    for exchange in &recording {
        if scenario != exchange.scenario {
            scenario.clone_from(&exchange.scenario);
            pairing = Pairing::default();
        }
        stream.write_all(&exchange.send).unwrap();
        let requests = exchange.send.windows(4).filter(|end| end == b"\r\n\r\n").count().max(1);
        let patience = match exchange.theirs {
            Heard::Silence => Duration::from_millis(300),
            _ => Duration::from_secs(10),
        };
        let ours = hear(&mut stream, requests, patience);
        if !matches!(ours, Heard::Lines(_)) {
            stream = server.connect();
        }
        let theirs = match shape(&exchange.theirs, "10.77.0.10 ").as_str() {
            // Their own failure, which no client may take for an address.
            "None" => "error".to_string(),
            shape => shape.to_string(),
        };
        let mut own = shape(&ours, "127.0.0.1 ");
        if own == theirs && !pairing.agree(&exchange.theirs, &ours) {
            own = format!("{own} (another port)");
        }
        if own != theirs {
            let theirs = shape(&exchange.theirs, "10.77.0.10 ");
            found.push([exchange.scenario.clone(), exchange.note.clone(), theirs, own]);
        }
    }
    let listed: Vec<Vec<String>> = fixture("mediaproxy2-differences.tsv")
        .lines()
        .skip(1)
        .map(|line| line.split('\t').map(str::to_string).collect())
        .collect();
    for row in &listed {
        assert_eq!(row.len(), 5, "scenario, note, theirs, ours, reason: {row:?}");
        assert!(row[4].len() > 20, "a reason for {row:?}");
        assert!(found.iter().any(|one| *one == row[..4]), "listed, but not so: {row:?}");
    }
    for one in &found {
        assert!(listed.iter().any(|row| *one == row[..4]), "a new difference: {one:?}");
    }
    assert_eq!(listed.len(), found.len());
}

#[test]
fn all_ports_are_closed_when_the_recorded_calls_are_over() {
    let server = Server::start(|_| {});
    let mut stream = server.connect();
    for scenario in ["basic call", "hold and resume", "address changes", "several streams"] {
        for exchange in recording().iter().filter(|exchange| exchange.scenario == scenario) {
            stream.write_all(&exchange.send).unwrap();
            assert!(matches!(hear(&mut stream, 1, Duration::from_secs(10)), Heard::Lines(_)));
        }
    }
    let noop = ask(&mut stream, "noop\r\n\r\n");
    assert_eq!(noop, "error");
    let statistics = server.proxy.statistics();
    assert_eq!((statistics.sessions, statistics.open_ports), (0, 0));
    assert_eq!(statistics.sessions_total, 4);
}

#[test]
fn requests_arrive_in_any_pieces_and_are_answered_in_order() {
    let server = Server::start(|_| {});
    let mut stream = server.connect();
    let mut requests = String::new();
    for call in 0..20 {
        requests += &offer(&format!("c{call}"), 1, "audio:127.0.0.2:4000:sendrecv");
        requests += "remove\r\ncall_id: c0\r\nfrom_tag: ft\r\n\r\n";
    }
    for piece in requests.as_bytes().chunks(97) {
        stream.write_all(piece).unwrap();
    }
    let Heard::Lines(lines) = hear(&mut stream, 40, Duration::from_secs(10)) else { panic!() };
    let lines = String::from_utf8(lines).unwrap();
    for (index, line) in lines.lines().enumerate() {
        match index {
            1 => assert_eq!(line, "removed"),
            _ if index % 2 == 1 => assert_eq!(line, "error"),
            _ => assert_eq!(ports(line).unwrap().len(), 1, "{line}"),
        }
    }
}

#[test]
fn connections_do_not_wait_for_each_other() {
    let server = Server::start(|_| {});
    let mut half = server.connect();
    half.write_all(b"update\r\ncall_id: x\r\n").unwrap();
    let mut connections: Vec<UnixStream> = (0..50).map(|_| server.connect()).collect();
    for (index, stream) in connections.iter_mut().enumerate() {
        let line = ask(stream, &offer(&format!("m{index}"), 1, "audio:127.0.0.2:4000:sendrecv"));
        assert!(line.starts_with("127.0.0.1 "), "{line}");
    }
    half.shutdown(Shutdown::Write).unwrap();
    assert_eq!(hear(&mut half, 1, Duration::from_secs(10)), Heard::Closed);
}

#[test]
fn endless_request_closes_its_connection_only() {
    let server = Server::start(|_| {});
    let mut other = server.connect();
    let mut stream = server.connect();
    let chunk = [b'x'; 4_096];
    // The connection may be closed, and writing fail, at any time from 64 KiB.
    let written = (0..64).take_while(|_| stream.write_all(&chunk).is_ok()).count();
    assert!(written >= 16);
    assert_eq!(hear(&mut stream, 1, Duration::from_secs(10)), Heard::Closed);
    let line = ask(&mut other, &offer("c", 1, "audio:127.0.0.2:4000:sendrecv"));
    assert!(line.starts_with("127.0.0.1 "), "{line}");
}

#[test]
fn client_that_never_reads_is_let_go() {
    let server = Server::start(|_| {});
    let mut deaf = server.connect();
    deaf.set_write_timeout(Some(Duration::from_secs(10))).unwrap();
    let requests = "noop\r\n\r\n".repeat(5_000);
    let end = (0..200).find_map(|_| deaf.write_all(requests.as_bytes()).err());
    assert_eq!(end.map(|error| error.kind()), Some(ErrorKind::BrokenPipe));
    assert_eq!(ask(&mut server.connect(), "noop\r\n\r\n"), "error");
}

#[test]
fn sessions_and_streams_are_bounded() {
    let server = Server::start(|config| config.max_sessions = 2);
    let mut stream = server.connect();
    let media = "audio:127.0.0.2:4000:sendrecv";
    assert!(ask(&mut stream, &offer("a", 1, media)).starts_with("127.0.0.1 "));
    assert!(ask(&mut stream, &offer("b", 1, media)).starts_with("127.0.0.1 "));
    assert_eq!(ask(&mut stream, &offer("c", 1, media)), "error");
    assert!(ask(&mut stream, &offer("b", 2, media)).starts_with("127.0.0.1 "));
    let many = vec![media; 64].join(",");
    let line = ask(&mut stream, &offer("a", 2, &many));
    assert_eq!(ports(line.trim_end()).unwrap().len(), 64);
    assert_eq!(ask(&mut stream, &offer("a", 3, &format!("{many},{media}"))), "error");
    assert_eq!(server.proxy.statistics().sessions, 2);
}

#[test]
fn offer_that_finds_too_few_ports_changes_nothing() {
    // Room for two streams: eight ports, four pairs.
    let server = Server::start(|config| config.ports = (19_000, 19_007));
    let mut stream = server.connect();
    let media = "audio:127.0.0.2:4000:sendrecv";
    let first = ask(&mut stream, &offer("a", 1, media));
    assert!(first.starts_with("127.0.0.1 "), "{first}");
    assert_eq!(ask(&mut stream, &offer("b", 1, &format!("{media},{media}"))), "error");
    assert_eq!(ask(&mut stream, &offer("a", 2, &format!("{media},{media},{media}"))), "error");
    assert_eq!(ask(&mut stream, &offer("a", 2, media)), first);
    assert!(ask(&mut stream, &offer("b", 1, media)).starts_with("127.0.0.1 "));
    assert_eq!(server.proxy.statistics().open_ports, 8);
}

#[test]
fn every_refusal_is_counted_and_its_reason_logged() {
    let (tell, told) = mpsc::channel();
    let refused = move |record: &LogRecord| {
        if let LogRecord::Refused { call_id, refusal } = record {
            drop(tell.send((call_id.clone(), *refusal)));
        }
    };
    let server = Server::start(|config| {
        config.ports = (19_100, 19_103);
        config.max_sessions = 1;
        config.log = Some(Log::new(refused));
    });
    // Somebody else has the second of the two pairs.
    let taken = UdpSocket::bind("127.0.0.1:19103").unwrap();
    let mut stream = server.connect();
    let media = "audio:127.0.0.2:4000:sendrecv";
    let mut refuse = |request: &str, call_id: &str, refusal: Refusal| {
        assert_eq!(ask(&mut stream, request), "error");
        assert_eq!(told.recv().unwrap(), (call_id.as_bytes().to_vec(), refusal));
    };
    refuse("noop\r\n\r\n", "", Refusal::Malformed);
    refuse("remove\r\ncall_id: r\r\nfrom_tag: f\r\n\r\n", "r", Refusal::UnknownSession);
    refuse(&offer("a", 1, media), "a", Refusal::PortsExhausted(19_100, 19_103));
    drop(taken);
    assert!(ask(&mut server.connect(), &offer("a", 1, media)).starts_with("127.0.0.1 "));
    refuse(&offer("a", 0, media), "a", Refusal::OutOfPlace);
    refuse(&offer("b", 1, media), "b", Refusal::TooManySessions(1));
    assert_eq!(server.proxy.statistics().refused, 5);
}
