//! Any values in a query, and any bytes in an answer, in every relay protocol:
//! a query is one request, whatever is in its values, and an answer is the same
//! in whatever pieces it comes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::sync::Arc;

use mediaproxy::internals::relay::protocol::Decoded;
use mediaproxy::internals::relay::{
    Answer, Command, Exchange, Facts, Limits, Need, Outcome, Protocol, Query, Relay, RelayUri,
    Scope, Stream, StreamAddress,
};
use mediaproxy::sdp::Direction;
use mediaproxy::{Error, Status};

use super::input::Input;

const COMMANDS: [Command; 4] = [Command::Request, Command::Reply, Command::Delete, Command::Probe];

/// The headers of MediaProxy 2 that a query may have.
const HEADERS: [&str; 18] = [
    "type",
    "dialog_id",
    "call_id",
    "cseq",
    "from_uri",
    "to_uri",
    "from_tag",
    "to_tag",
    "user_agent",
    "signaling_ip",
    "media_relay",
    "early_tag",
    "branch",
    "final",
    "address_family",
    "mixed_families",
    "media",
    "scope",
];

pub fn check(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let command = input.pick(&COMMANDS);
    let query = query(&mut input, command);
    let cuts = [input.byte(), input.byte(), input.byte()].map(usize::from);
    let answer = input.rest();
    for protocol in Protocol::ALL {
        one_request(protocol, &query);
        for command in COMMANDS {
            decode_any(protocol, command, answer);
            let pieces = exchange(protocol, &query, answer, &cuts);
            assert_eq!(exchange(protocol, &query, answer, &[]), pieces, "{protocol:?}");
        }
    }
}

/// Its values are as long as the input says and hold any bytes.
fn query(input: &mut Input<'_>, command: Command) -> Query {
    // Every message has a Call-ID, and values are trimmed.
    let value = |start: &str, input: &mut Input<'_>| {
        let length = usize::from(input.byte() % 32);
        [start.as_bytes(), input.bytes(length)].concat()
    };
    let mut query = Query {
        command,
        call_id: value("c", input),
        from_tag: value("", input),
        to_tag: value("", input),
        from_uri: value("", input),
        to_uri: value("", input),
        request_uri: value("sip:", input),
        dialog_id: value("", input),
        media_relay: value("", input),
        ..Query::default()
    };
    let flags = input.byte();
    if flags & 1 != 0 {
        query.user_agent = value("U", input);
    }
    query.asymmetric = flags & 2 != 0;
    query.provisional = flags & 4 != 0;
    (query.from_local, query.to_local) = (flags & 8 != 0, flags & 16 != 0);
    if command == Command::Delete {
        let scopes = [Scope::Session, Scope::Dialog, Scope::Unanswered, Scope::Branch];
        query.scope = input.pick(&scopes);
        query.ended_cseq = (flags & 1 != 0).then(|| u32::from(input.word()));
    }
    query.branch = u32::from(flags & 64 != 0) << (flags % 32);
    query.null_to_tag = query.to_tag.is_empty() && flags & 128 != 0;
    query.cseq = u32::from(input.word()) << 16 | u32::from(input.word());
    query.signaling_ip = Some(address(input));
    query.receiver = (flags & 32 != 0).then(|| address(input));
    if matches!(command, Command::Request | Command::Reply) {
        // A query without streams is a bodyless reply, which MediaProxy 1.x is not sent.
        for _ in 0..=input.byte() % 4 {
            let name = value("", input);
            let kind = value("", input);
            query.streams.push(Stream {
                kind: kind.into(),
                address: match input.byte() % 2 {
                    0 => StreamAddress::Ip(address(input)),
                    _ => StreamAddress::Name(name),
                },
                port: input.word(),
                direction: input.pick(&[Direction::SendRecv, Direction::Inactive]),
                ice: flags & 64 != 0,
            });
        }
    }
    query
}

fn address(input: &mut Input<'_>) -> IpAddr {
    match input.byte() % 2 {
        0 => Ipv4Addr::from_bits(u32::from(input.word()) << 16).into(),
        _ => Ipv6Addr::from_bits(u128::from(input.word()) << 64).into(),
    }
}

/// The relay reads one request, with the words or headers that every request
/// has.
fn one_request(protocol: Protocol, query: &Query) {
    let codec = protocol.codec();
    for capabilities in [codec.capabilities(), codec.built_in_capabilities()] {
        let mut out = b"from before".to_vec();
        let is_ipv6 = |stream: &Stream| matches!(stream.address, StreamAddress::Ip(IpAddr::V6(_)));
        if let Err(error) = codec.encode(query, &capabilities, &mut out) {
            let ipv6 = !capabilities.ipv6 && query.streams.iter().any(is_ipv6);
            let less = matches!(query.scope, Scope::Unanswered | Scope::Branch);
            assert!(ipv6 || less && !capabilities.branch_delete, "{error}");
            continue;
        }
        let text = String::from_utf8(out).expect("a relay reads UTF-8");
        match protocol {
            Protocol::MediaProxy1 => one_line(&text, query),
            Protocol::MediaProxy2 => one_block(&text, query),
        }
    }
}

fn one_line(text: &str, query: &Query) {
    let line = text.strip_suffix('\n').expect("a line");
    assert!(line.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{text:?}");
    let words: Vec<&str> = line.split(' ').collect();
    assert!(words.iter().all(|word| !word.is_empty()), "{text:?}");
    let (command, count) = match query.command {
        Command::Request => ("request", 10),
        Command::Reply => ("lookup", 10),
        Command::Delete => ("delete", 3),
        Command::Probe => ("version", 1),
    };
    assert_eq!((words[0], words.len()), (command, count), "{text:?}");
    if count == 10 {
        let items: Vec<&str> = words[2].split(',').collect();
        assert_eq!(items.len(), query.streams.len(), "{text:?}");
        for (item, stream) in items.iter().zip(&query.streams) {
            let mut parts = item.rsplitn(3, ':');
            let (kind, port) = (parts.next().unwrap(), parts.next().expect("a port"));
            assert!(!kind.is_empty() && port == stream.port.to_string(), "{text:?}");
            assert!(parts.next().is_some_and(|address| !address.is_empty()), "{text:?}");
        }
        let fields = words[9].strip_prefix("info=").expect("the last word").split(',');
        let names: Vec<&str> = fields.map(|field| field.split(':').next().unwrap()).collect();
        let known = ["from", "to", "fromtag", "totag", "asymmetric"];
        assert_eq!(names, known[..4 + usize::from(query.asymmetric)], "{text:?}");
    }
}

fn one_block(text: &str, query: &Query) {
    let block = text.strip_suffix("\r\n\r\n").expect("an empty line");
    let mut lines = block.split("\r\n");
    let is_update = matches!(query.command, Command::Request | Command::Reply);
    assert_eq!(lines.next(), Some(if is_update { "update" } else { "remove" }), "{text:?}");
    let mut names = Vec::new();
    for line in lines {
        assert!(!line.contains(|c: char| c < ' ' || c == '\x7f'), "{text:?}");
        let (name, value) = line.split_once(": ").expect("a header");
        assert!(HEADERS.contains(&name) && !names.contains(&name), "{text:?}");
        names.push(name);
        if name == "media" {
            assert_eq!(value.split(',').count(), query.streams.len(), "{text:?}");
            for item in value.split(',') {
                // Bracketed addresses have colons of their own.
                let item = match (item.find('['), item.find(']')) {
                    (Some(from), Some(to)) => format!("{}x{}", &item[..from], &item[to + 1..]),
                    _ => item.to_string(),
                };
                let parts = item.split(':').count();
                assert_eq!(parts, 5 + usize::from(query.asymmetric), "{text:?}");
            }
        }
    }
    assert!(names.contains(&"call_id") && names.contains(&"from_tag"), "{text:?}");
}

/// No bytes upset it; an answer that is whole stays the same when more follows.
fn decode_any(protocol: Protocol, command: Command, bytes: &[u8]) {
    let codec = protocol.codec();
    for cut in 0..=bytes.len().min(64) {
        let part = &bytes[..cut];
        let decoded = codec.decode(command, part, false);
        if let Decoded::Answer { answer, length } = &decoded {
            assert!(*length <= part.len());
            sound(answer);
            assert_eq!(codec.decode(command, bytes, false), decoded);
        }
        if let Decoded::Answer { answer, length } = codec.decode(command, part, true) {
            assert!(length <= part.len());
            sound(&answer);
        }
    }
}

fn sound(answer: &Result<Answer, Error>) {
    match answer {
        Ok(Answer::Ports { address, ports, .. }) => {
            assert!(!address.is_unspecified() && !address.is_multicast());
            assert!(!ports.is_empty());
        }
        Ok(_) => {}
        Err(error) => {
            assert_eq!(error.status(), Status::RelayAnswer);
            assert!(error.text().len() < 1024);
        }
    }
}

/// What a query to a relay of this protocol ends in, when these bytes come in
/// pieces and the connection is closed.
fn exchange(
    protocol: Protocol,
    query: &Query,
    answer: &[u8],
    cuts: &[usize],
) -> Option<(Outcome, Result<Answer, Error>)> {
    let text = match protocol {
        Protocol::MediaProxy1 => "mediaproxy1:/relay",
        Protocol::MediaProxy2 => "mediaproxy2:/relay;ipv6=yes",
    };
    let uri = RelayUri::parse(text, Path::new("/own")).expect("a relay");
    let relay = Arc::new(Relay { uri, identity: 1, slot: None });
    let mut exchange = Exchange::new(query.clone());
    let limits = Limits { since: 0, until: 1, enough: 1 };
    exchange.begin(&relay, Facts::default(), limits).ok()?;
    exchange.connected(false, 0);
    exchange.sent(exchange.unsent().len());
    let mut rest = answer;
    for cut in cuts {
        let (piece, behind) = rest.split_at((*cut).min(rest.len()));
        exchange.received(piece);
        rest = behind;
    }
    exchange.received(rest);
    exchange.closed();
    assert_eq!(exchange.need(), Need::Nothing);
    Some((exchange.outcome()?, exchange.take_result()))
}
