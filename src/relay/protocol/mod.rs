//! The control protocols of relays. Each protocol is one file with one [`Codec`],
//! which alone has its framing, its keywords and its capabilities. A new protocol
//! is registered by a variant of [`Protocol`] and a row of [`SCHEMES`].

pub mod mediaproxy1;
pub mod mediaproxy2;

use std::net::IpAddr;

use crate::address;
use crate::bytes;
use crate::error::{Error, Result, Status};
use crate::relay::{Answer, Capabilities, Command, Query};

/// A control protocol. The shared block stores its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// MediaProxy 2 and later.
    MediaProxy2 = 1,
    /// MediaProxy 1.x ("proxydispatcher").
    MediaProxy1 = 2,
}

/// The schemes of relay URIs, and the protocols that a relay with that scheme may
/// speak, in the order of trying.
pub const SCHEMES: &[(&str, &[Protocol])] = &[
    ("mediaproxy", &[Protocol::MediaProxy2, Protocol::MediaProxy1]),
    ("mediaproxy1", &[Protocol::MediaProxy1]),
    ("mediaproxy2", &[Protocol::MediaProxy2]),
];

impl Protocol {
    /// Every protocol.
    pub const ALL: [Protocol; 2] = [Protocol::MediaProxy2, Protocol::MediaProxy1];

    /// The codec of the protocol.
    pub fn codec(self) -> &'static dyn Codec {
        match self {
            Protocol::MediaProxy2 => &mediaproxy2::MediaProxy2,
            Protocol::MediaProxy1 => &mediaproxy1::MediaProxy1,
        }
    }

    /// The protocol with this number.
    pub fn from_number(number: u64) -> Option<Protocol> {
        Protocol::ALL.into_iter().find(|protocol| *protocol as u64 == number)
    }
}

/// Writes the queries and reads the answers of one protocol.
pub trait Codec: Sync {
    /// The protocol's name in documents.
    fn name(&self) -> &'static str;

    /// The capabilities of relays that speak this protocol.
    fn capabilities(&self) -> Capabilities;

    /// The capabilities of the built-in relay when it speaks this protocol.
    fn built_in_capabilities(&self) -> Capabilities;

    /// Writes `query` for a relay with these capabilities to `out`, which is
    /// cleared first. `Status::RelayAnswer` for a query that such a relay does not
    /// support; the error has the reason.
    fn encode(&self, query: &Query, capabilities: &Capabilities, out: &mut Vec<u8>) -> Result<()>;

    /// Reads the answer to a query with this command at the start of `input`, which
    /// has all bytes received so far. `closed`: no more bytes will come.
    fn decode(&self, command: Command, input: &[u8], closed: bool) -> Decoded;
}

/// The state of an answer, from the bytes received so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// The answer is not complete yet.
    Incomplete,
    /// A complete answer.
    Answer {
        /// The answer. An error when the relay refuses the query, or when the
        /// answer cannot be used.
        answer: Result<Answer>,
        /// The length of the answer in bytes.
        length: usize,
    },
    /// The bytes are not an answer of this protocol.
    Garbage,
}

/// Parses `ADDRESS PORT PORT ...`, the answer of both versions of MediaProxy. In the
/// place of a port, the built-in relay may give `ADDRESS:PORT` (an IPv6 address in
/// brackets) for a stream that it relays at another address.
/// `Status::RelayAnswer` for anything else, also for the `error` or `None` with
/// which a dispatcher refuses.
fn parse_ports(line: &[u8]) -> Result<Answer> {
    // Most calls have one or two streams.
    const USUAL_PORTS: usize = 2;

    let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let Some(address) = words.next().and_then(address::parse_ip) else {
        let reason = match line {
            b"error" | b"None" => "the request is refused; the relay's log has the reason",
            _ => "no address",
        };
        return Err(unusable(line, reason));
    };
    if !can_receive(address) {
        return Err(unusable(line, "not an address that can receive media"));
    }
    let (mut ports, mut others) = (Vec::with_capacity(USUAL_PORTS), Vec::new());
    for word in words {
        ports.push(match bytes::port(word) {
            Some(port) => port,
            None => match socket_address(word).filter(|(other, _)| can_receive(*other)) {
                Some((other, port)) => {
                    if other != address {
                        others.push((ports.len(), other));
                    }
                    port
                }
                None => {
                    return Err(unusable(line, "the words after the address are not ports"));
                }
            },
        });
    }
    if ports.is_empty() {
        return Err(unusable(line, "no ports"));
    }
    Ok(Answer::Ports { address, ports, others })
}

fn can_receive(address: IpAddr) -> bool {
    !address.is_unspecified() && !address.is_multicast()
}

/// Parses `192.0.2.1:50002` or `[2001:db8::1]:50002`.
fn socket_address(word: &[u8]) -> Option<(IpAddr, u16)> {
    let colon = memchr::memrchr(b':', word)?;
    let (host, port) = word.split_at_checked(colon)?;
    let port = bytes::port(port.get(1..)?)?;
    let address = address::parse_ip(host)?;
    let brackets = host.starts_with(b"[");
    (brackets == address.is_ipv6()).then_some((address, port))
}

/// Sent instead of a null tag to a relay without the capability `null_tags`: such a
/// relay finds no call by an empty tag.
const NULL_TAG: &[u8] = b"null";

fn unusable(line: &[u8], reason: &str) -> Error {
    let shown = String::from_utf8_lossy(line.get(..line.len().min(80)).unwrap_or_default());
    let shown = if line.is_empty() { "nothing".into() } else { shown };
    Error::new(Status::RelayAnswer, format!("the relay answered \"{shown}\": {reason}"))
}

/// The error for a delete that must not delete an answered call.
fn takes_the_call() -> Error {
    Error::new(Status::RelayAnswer, "this relay's delete would also end an answered call")
}

/// The value, or `other` where it is empty.
fn or<'v>(value: &'v [u8], other: &'v [u8]) -> &'v [u8] {
    if value.is_empty() { other } else { value }
}

/// Appends one part of a stream item. Each byte that could end the part is
/// replaced by `_`.
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
            Answer::Ports {
                address: "10.77.0.10".parse().unwrap(),
                ports: vec![50002, 0],
                others: Vec::new()
            }
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
            "10.0.0.1 2001:db8::1:50000",
            "10.0.0.1 [2001:db8::1]",
            "10.0.0.1 [2001:db8::1]:",
            "10.0.0.1 [2001:db8::1]:70000",
            "10.0.0.1 [10.0.0.2]:50000",
            "10.0.0.1 0.0.0.0:50000",
            "10.0.0.1 [::]:50000",
            "10.0.0.1 relay:50000",
            "10.0.0.1 :50000",
        ] {
            let error = parse_ports(bad.as_bytes()).unwrap_err();
            assert_eq!(error.status(), Status::RelayAnswer, "{bad}");
        }
    }

    #[test]
    fn ports_answer_may_have_an_address_for_a_stream() {
        let line = b"10.77.0.10 50000 [2001:db8::1]:50002 10.77.0.11:50004 10.77.0.10:50006";
        assert_eq!(
            parse_ports(line).unwrap(),
            Answer::Ports {
                address: "10.77.0.10".parse().unwrap(),
                ports: vec![50000, 50002, 50004, 50006],
                others: vec![
                    (1, "2001:db8::1".parse().unwrap()),
                    (2, "10.77.0.11".parse().unwrap())
                ],
            }
        );
    }

    #[test]
    fn protocol_numbers_and_schemes_are_unique() {
        for protocol in Protocol::ALL {
            assert_eq!(Protocol::from_number(protocol as u64), Some(protocol));
            assert!(SCHEMES.iter().any(|(_, spoken)| spoken == &[protocol]), "{protocol:?}");
        }
        assert_eq!(Protocol::from_number(0), None, "0 is the value before the first answer");
    }
}
