//! `nat_test`: the tests, their verdict and its evidence.

use std::net::IpAddr;

use crate::error::Result;
use crate::nat::Networks;
use crate::sip::{HeaderName, Message};

/// A set of tests: bits, ORed. 1, 2 and 4 are the seed's, 8 and 16 mean what
/// nathelper's do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tests(u32);

#[allow(missing_docs)]
impl Tests {
    pub const PRIVATE_CONTACT: Tests = Tests(1);
    pub const SOURCE_ADDRESS: Tests = Tests(2);
    pub const PRIVATE_VIA: Tests = Tests(4);
    pub const PRIVATE_SDP: Tests = Tests(8);
    pub const SOURCE_PORT: Tests = Tests(16);
    pub const SOURCE_CONTACT: Tests = Tests(256);
    pub const CONTACT_PORT: Tests = Tests(512);
    pub const PRIVATE_SOURCE: Tests = Tests(1024);
    pub const SOURCE_SDP: Tests = Tests(2048);
    pub const WEBSOCKET: Tests = Tests(4096);

    /// Every test.
    pub const ALL: Tests = Tests(1 | 2 | 4 | 8 | 16 | 256 | 512 | 1024 | 2048 | 4096);

    /// Checks the bits: 0 and unknown bits are `Status::Argument`.
    pub fn from_bits(bits: u32) -> Result<Tests> {
        let _ = bits;
        todo!()
    }

    /// Reads a number, or names separated by `,`, `|`, `+` or spaces:
    /// `private_contact,source_address`.
    pub fn parse(text: &str) -> Result<Tests> {
        let _ = text;
        todo!()
    }

    /// The bits.
    pub fn bits(self) -> u32 {
        self.0
    }

    /// True when all of `other` are in.
    pub fn contains(self, other: Tests) -> bool {
        self.0 & other.0 == other.0
    }

    /// The name of a single test: `private_contact`; `""` for several.
    pub fn name(self) -> &'static str {
        todo!()
    }
}

impl std::ops::BitOr for Tests {
    type Output = Tests;
    fn bitor(self, other: Tests) -> Tests {
        Tests(self.0 | other.0)
    }
}

/// The host of an [`Endpoint`]: evidence owns what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EvidenceHost {
    /// An address.
    Ip(IpAddr),
    /// A name: its place in the verdict's own text, see [`Verdict::name`].
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
    /// Its port, where the test looked at ports.
    pub port: Option<u16>,
}

/// Why one test matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// The test, a single bit.
    pub test: Tests,
    /// Where `found` was read: "Contact", "Via", "c=", "source".
    pub place: &'static str,
    /// What the message says.
    pub found: Endpoint,
    /// What it was compared with (the source), if with something.
    pub compared: Option<Endpoint>,
}

/// The outcome of [`test`]. Reusable, allocates nothing after warm-up.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    tested: u32,
    matched: u32,
    evidence: Vec<Evidence>,
    names: Vec<u8>,
}

impl Verdict {
    /// An empty verdict to be filled.
    pub fn new() -> Self {
        Self::default()
    }

    /// The tests that were run (all asked for, or up to the first match).
    pub fn tested(&self) -> Tests {
        Tests(self.tested)
    }

    /// The tests that matched.
    pub fn matched(&self) -> Tests {
        Tests(self.matched)
    }

    /// True when a test matched: the client is behind NAT.
    pub fn natted(&self) -> bool {
        self.matched != 0
    }

    /// One entry per matched test, in the order of their bits.
    pub fn evidence(&self) -> &[Evidence] {
        &self.evidence
    }

    /// The bytes of a host name in the evidence.
    pub fn name(&self, start: u32, len: u32) -> &[u8] {
        let _ = (start, len);
        todo!()
    }

    /// Appends one line of evidence, without line end, as an operator reads
    /// it: `private_contact: Contact 192.168.1.10:5060 is private`,
    /// `source_address: Via 192.168.1.10:5060, came from 203.0.113.5:61234`.
    pub fn explain(&self, evidence: &Evidence, out: &mut Vec<u8>) {
        let _ = (evidence, out);
        todo!()
    }
}

/// What the tests need to know beside the message.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings<'s> {
    /// What counts as private.
    pub private: &'s Networks,
    /// A source in here is never found NATed.
    pub local: &'s Networks,
    /// The client is SIP-asymmetric: its source port says nothing.
    pub sip_asymmetric: bool,
}

/// Runs `tests` on a message, cheapest first, and fills `verdict` (cleared
/// first). With `first_only` it stops at the first match. Which header a test
/// needs and cannot be read is an error; a broken body never fails a header
/// test, and a missing Contact or body simply does not match.
pub fn test(
    message: &Message<'_>,
    around: &Surroundings<'_>,
    tests: Tests,
    first_only: bool,
    verdict: &mut Verdict,
) -> Result<()> {
    let _ = (message, around, tests, first_only, verdict, HeaderName::Via);
    todo!()
}
