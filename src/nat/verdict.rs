//! The result of [`crate::nat::test()`], with evidence.

use std::net::{IpAddr, SocketAddr};

use crate::address::{Host, canonical, push_ip, push_uri_host};
use crate::bytes;
use crate::nat::Tests;

/// The longest host name kept as evidence, in bytes.
const MAX_NAME: usize = 255;

/// The host of an [`Endpoint`]; the verdict owns a copy of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EvidenceHost {
    /// An address.
    Ip(IpAddr),
    /// A name: its range in the verdict's text, see [`Verdict::name`].
    Name {
        /// First byte.
        start: u32,
        /// Length; names longer than 255 bytes are cut.
        len: u32,
    },
}

/// One of the two values a test compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Its host.
    pub host: EvidenceHost,
    /// Its port: as written, or the default when ports were compared.
    pub port: Option<u16>,
}

impl Endpoint {
    /// The message's source as an endpoint.
    pub(super) fn source(address: SocketAddr) -> Self {
        let host = EvidenceHost::Ip(canonical(address.ip()));
        Endpoint { host, port: Some(address.port()) }
    }
}

/// Why one test matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// The test, a single bit.
    pub test: Tests,
    /// The header or line of `found`: "Contact", "Contact maddr", "Via", "c=",
    /// "source".
    pub place: &'static str,
    /// The value in the message.
    pub found: Endpoint,
    /// The source it was compared with, if the test compares.
    pub compared: Option<Endpoint>,
}

/// The outcome of [`crate::nat::test()`]. Reusable, allocates nothing after
/// warm-up.
///
/// ```
/// # use mediaproxy::Verdict;
/// # fn log(verdict: &Verdict) {
/// for evidence in verdict.evidence() {
///     let mut line = Vec::new();
///     verdict.explain(evidence, &mut line);
///     println!("{}", String::from_utf8_lossy(&line));
/// }
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    tested: Tests,
    matched: Tests,
    evidence: Vec<Evidence>,
    names: Vec<u8>,
}

impl Verdict {
    /// An empty verdict.
    pub fn new() -> Self {
        Self::default()
    }

    /// The tests that were run: all requested, or those up to the first match.
    pub fn tested(&self) -> Tests {
        self.tested
    }

    /// The tests that matched.
    pub fn matched(&self) -> Tests {
        self.matched
    }

    /// True when a test other than [`Tests::FIRST_HOP`] matched: the client is behind
    /// NAT.
    pub fn natted(&self) -> bool {
        self.matched.bits() & !Tests::FIRST_HOP.bits() != 0
    }

    /// One entry per matched test, in the order of their bits.
    pub fn evidence(&self) -> &[Evidence] {
        &self.evidence
    }

    /// The bytes of a host name in the evidence.
    pub fn name(&self, start: u32, len: u32) -> &[u8] {
        let start = start as usize;
        self.names.get(start..start.saturating_add(len as usize)).unwrap_or_default()
    }

    /// Appends a line of text for one piece of evidence, without line end:
    /// `private_contact: Contact 192.168.1.10:5060 is private`,
    /// `source_address: Via 192.168.1.10:5060, came from 203.0.113.5:61234`.
    /// Bytes of a name that are not printable ASCII become `?`.
    pub fn explain(&self, evidence: &Evidence, out: &mut Vec<u8>) {
        out.extend_from_slice(evidence.test.name().as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(evidence.place.as_bytes());
        out.push(b' ');
        self.push_endpoint(&evidence.found, out);
        if let Some(compared) = &evidence.compared {
            out.extend_from_slice(b", came from ");
            self.push_endpoint(compared, out);
        } else if evidence.test == Tests::WEBSOCKET {
            out.extend_from_slice(b" uses WebSocket");
        } else if evidence.test == Tests::FIRST_HOP {
            out.extend_from_slice(b" is the first hop");
        } else {
            out.extend_from_slice(b" is private");
        }
    }

    fn push_endpoint(&self, endpoint: &Endpoint, out: &mut Vec<u8>) {
        match endpoint.host {
            EvidenceHost::Ip(ip) if endpoint.port.is_some() => push_uri_host(ip, out),
            EvidenceHost::Ip(ip) => push_ip(ip, out),
            EvidenceHost::Name { start, len } => {
                let printable = |b: &u8| if b.is_ascii_graphic() { *b } else { b'?' };
                out.extend(self.name(start, len).iter().map(printable));
            }
        }
        if let Some(port) = endpoint.port {
            out.push(b':');
            bytes::push_number(u32::from(port), out);
        }
    }

    pub(super) fn clear(&mut self) {
        self.tested = Tests::default();
        self.matched = Tests::default();
        self.evidence.clear();
        self.names.clear();
    }

    pub(super) fn add_tested(&mut self, test: Tests) {
        self.tested = self.tested | test;
    }

    /// Makes an endpoint for evidence; a name is copied.
    pub(super) fn endpoint(&mut self, host: Host<'_>, port: Option<u16>) -> Endpoint {
        let host = match host {
            Host::Ip(ip) => EvidenceHost::Ip(ip),
            Host::Name(name) => {
                let name = name.get(..MAX_NAME).unwrap_or(name);
                let start = self.names.len() as u32;
                self.names.extend_from_slice(name);
                EvidenceHost::Name { start, len: name.len() as u32 }
            }
        };
        Endpoint { host, port }
    }

    /// Adds evidence, sorted by the bits of its test.
    pub(super) fn add(&mut self, evidence: Evidence) {
        self.matched = self.matched | evidence.test;
        let bits = evidence.test.bits();
        let index = self.evidence.partition_point(|earlier| earlier.test.bits() < bits);
        self.evidence.insert(index, evidence);
    }
}
