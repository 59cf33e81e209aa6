//! The control protocols of relays. A protocol is one file with one [`Codec`]:
//! its framing, its magic words and its capabilities stand there only. A new
//! one is registered by a variant of [`Protocol`] and a row of [`SCHEMES`].

pub mod mediaproxy1;
pub mod mediaproxy2;

use crate::address;
use crate::bytes;
use crate::error::{Error, Result, Status};
use crate::relay::{Answer, Capabilities, Command, Query};

/// A control protocol. The numbers are kept in the shared block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// MediaProxy 2 and later.
    MediaProxy2 = 1,
    /// MediaProxy 1.x ("proxydispatcher").
    MediaProxy1 = 2,
}

/// The schemes of relay URIs, and the protocols that a relay of each may speak:
/// the first one is tried first.
pub const SCHEMES: &[(&str, &[Protocol])] = &[
    ("mediaproxy", &[Protocol::MediaProxy2, Protocol::MediaProxy1]),
    ("mediaproxy1", &[Protocol::MediaProxy1]),
    ("mediaproxy2", &[Protocol::MediaProxy2]),
];

impl Protocol {
    /// Every protocol.
    pub const ALL: [Protocol; 2] = [Protocol::MediaProxy2, Protocol::MediaProxy1];

    /// Its codec.
    pub fn codec(self) -> &'static dyn Codec {
        match self {
            Protocol::MediaProxy2 => &mediaproxy2::MediaProxy2,
            Protocol::MediaProxy1 => &mediaproxy1::MediaProxy1,
        }
    }

    /// The protocol of a number in the shared block.
    pub fn from_number(number: u64) -> Option<Protocol> {
        Protocol::ALL.into_iter().find(|protocol| *protocol as u64 == number)
    }
}

/// How queries and answers are written in one protocol.
pub trait Codec: Sync {
    /// The protocol's name in documents.
    fn name(&self) -> &'static str;

    /// What relays of this protocol can do.
    fn capabilities(&self) -> Capabilities;

    /// Writes `query` for a relay of these capabilities to `out`, which is
    /// cleared first. `Status::RelayAnswer` for what this relay cannot be
    /// asked; the text says why.
    fn encode(&self, query: &Query, capabilities: &Capabilities, out: &mut Vec<u8>) -> Result<()>;

    /// Reads the answer to a query of this command at the start of `input`: all
    /// bytes received so far. `closed`: there will be no more.
    fn decode(&self, command: Command, input: &[u8], closed: bool) -> Decoded;
}

/// What the bytes received so far are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// The answer is not complete yet.
    Incomplete,
    /// A complete answer of `length` bytes. An error: it refuses the query, or
    /// it cannot be used.
    Answer {
        /// What it says.
        answer: Result<Answer>,
        /// How many bytes it has.
        length: usize,
    },
    /// No answer of this protocol, and none can follow.
    Garbage,
}

/// Reads `ADDRESS PORT PORT ...`, which both versions of MediaProxy answer with.
/// Anything else, also the `error` and `None` of dispatchers, is
/// `Status::RelayAnswer`.
fn parse_ports(line: &[u8]) -> Result<Answer> {
    let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let Some(address) = words.next().and_then(address::parse_ip) else {
        return Err(unusable(line, "no address"));
    };
    if address.is_unspecified() || address.is_multicast() {
        return Err(unusable(line, "not an address that can receive media"));
    }
    let ports: Option<Vec<u16>> = words.map(bytes::port).collect();
    match ports {
        Some(ports) if !ports.is_empty() => Ok(Answer::Ports { address, ports }),
        Some(_) => Err(unusable(line, "no ports")),
        None => Err(unusable(line, "what follows the address is not ports")),
    }
}

fn unusable(line: &[u8], reason: &str) -> Error {
    let shown = String::from_utf8_lossy(line.get(..line.len().min(80)).unwrap_or_default());
    let shown = if line.is_empty() { "nothing".into() } else { shown };
    Error::new(Status::RelayAnswer, format!("the relay answered \"{shown}\": {reason}"))
}

/// The value, or `other` where it is empty.
fn or<'v>(value: &'v [u8], other: &'v [u8]) -> &'v [u8] {
    if value.is_empty() { other } else { value }
}

/// A part of a stream item: whatever could end it becomes `_`.
fn push_token(out: &mut Vec<u8>, value: &[u8]) {
    if value.is_empty() {
        out.push(b'_');
    }
    let kept = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'+');
    out.extend(value.iter().map(|b| if kept(b) { *b } else { b'_' }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_answer_is_an_address_and_ports_or_an_error() {
        assert_eq!(
            parse_ports(b"10.77.0.10 50002 0\r").unwrap(),
            Answer::Ports { address: "10.77.0.10".parse().unwrap(), ports: vec![50002, 0] }
        );
        for bad in [
            "",
            "error",
            "None",
            "10.0.0.1",
            "10.0.0.1 70000",
            "10.0.0.1 abc",
            "0.0.0.0 5000",
            "224.0.0.1 5000",
            "relay.example.com 5000",
            "10.0.0.1 -1",
        ] {
            let error = parse_ports(bad.as_bytes()).unwrap_err();
            assert_eq!(error.status(), Status::RelayAnswer, "{bad}");
        }
    }

    #[test]
    fn protocol_numbers_and_schemes_are_unique() {
        for protocol in Protocol::ALL {
            assert_eq!(Protocol::from_number(protocol as u64), Some(protocol));
            assert!(SCHEMES.iter().any(|(_, spoken)| spoken == &[protocol]), "{protocol:?}");
        }
        assert_eq!(Protocol::from_number(0), None, "0 stands for not known yet");
    }
}
