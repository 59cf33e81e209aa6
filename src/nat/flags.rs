//! The tests of [`crate::nat::test`] as bits and as names.

use crate::bytes;
use crate::error::{Error, Result, Status};

/// A set of tests: bits, ORed. 1, 2 and 4 are those of SER's mediaproxy module, 8
/// and 16 those of nathelper.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tests(u32);

impl Tests {
    /// The host of the Contact or its `maddr` (RFC 3261 19.1.1) is a private address.
    pub const PRIVATE_CONTACT: Tests = Tests(1);
    /// Source IP or port differ from the sent-by of the top Via (RFC 3261
    /// 18.2.1), in a reply from the Contact. The port is not compared for a
    /// SIP-asymmetric client, nor on TCP, TLS, SCTP, WS and WSS, where a client
    /// connects from a port that nobody wrote (RFC 3261 18.1.1, RFC 5923).
    pub const SOURCE_ADDRESS: Tests = Tests(2);
    /// The host of the top Via is a private address. Never in a reply.
    pub const PRIVATE_VIA: Tests = Tests(4);
    /// The connection address of a stream is private (RFC 4566 5.7).
    pub const PRIVATE_SDP: Tests = Tests(8);
    /// The source port differs from the port of the top Via, on any transport.
    pub const SOURCE_PORT: Tests = Tests(16);
    /// The source IP differs from the host of the Contact or from its `maddr`.
    pub const SOURCE_CONTACT: Tests = Tests(256);
    /// The source port differs from the port of the Contact, on any transport, or a
    /// `maddr` other than the source IP sends requests to a port of another host.
    pub const CONTACT_PORT: Tests = Tests(512);
    /// The source itself is a private address.
    pub const PRIVATE_SOURCE: Tests = Tests(1024);
    /// The connection address of a stream differs from the source IP.
    pub const SOURCE_SDP: Tests = Tests(2048);
    /// The message came over WS or WSS (RFC 7118).
    pub const WEBSOCKET: Tests = Tests(4096);

    /// The message comes from the phone itself, not through another proxy, as far as
    /// it shows (RFC 3261 16.6, 16.7; RFC 3327): a request with one Via, a reply whose
    /// topmost Record-Route is the server's own or that has none. No sign of NAT.
    pub const FIRST_HOP: Tests = Tests(8192);

    /// Every test for a sign of NAT: all but [`Tests::FIRST_HOP`].
    pub const ALL: Tests = Tests(1 | 2 | 4 | 8 | 16 | 256 | 512 | 1024 | 2048 | 4096);

    /// Every bit that is a test.
    const KNOWN: Tests = Tests(Tests::ALL.0 | Tests::FIRST_HOP.0);
}

/// Every test with its name.
const NAMES: [(Tests, &str); 11] = [
    (Tests::PRIVATE_CONTACT, "private_contact"),
    (Tests::SOURCE_ADDRESS, "source_address"),
    (Tests::PRIVATE_VIA, "private_via"),
    (Tests::PRIVATE_SDP, "private_sdp"),
    (Tests::SOURCE_PORT, "source_port"),
    (Tests::SOURCE_CONTACT, "source_contact"),
    (Tests::CONTACT_PORT, "contact_port"),
    (Tests::PRIVATE_SOURCE, "private_source"),
    (Tests::SOURCE_SDP, "source_sdp"),
    (Tests::WEBSOCKET, "websocket"),
    (Tests::FIRST_HOP, "first_hop"),
];

impl Tests {
    /// Checks the bits: 0 and unknown bits are `Status::Argument`.
    pub fn from_bits(bits: u32) -> Result<Tests> {
        if bits == 0 {
            return Err(Error::new(Status::Argument, "no test selected: the bits are 0"));
        }
        let unknown = bits & !Tests::KNOWN.0;
        if unknown != 0 {
            let known = Tests::KNOWN.0;
            return Err(Error::new(
                Status::Argument,
                format!("unknown test bits {unknown} in {bits}; all tests together are {known}"),
            ));
        }
        Ok(Tests(bits))
    }

    /// Parses names and numbers separated by `,`, `|`, `+` or spaces:
    /// `private_contact,source_address`, `7`. Case does not matter.
    /// `Status::Argument` for an unknown name or number.
    pub fn parse(text: &str) -> Result<Tests> {
        let separator = |c: char| matches!(c, ',' | '|' | '+') || c.is_ascii_whitespace();
        let mut tests = Tests::default();
        for part in text.split(separator).filter(|part| !part.is_empty()) {
            let named = NAMES.iter().find(|(_, name)| name.eq_ignore_ascii_case(part));
            tests = tests
                | match (named, bytes::number(part.as_bytes())) {
                    (Some((test, _)), _) => *test,
                    (None, Some(bits)) => Tests::from_bits(bits)?,
                    (None, None) => return Err(Self::unknown(part)),
                };
        }
        Tests::from_bits(tests.0)
    }

    #[cold]
    fn unknown(part: &str) -> Error {
        let names = NAMES.map(|(_, name)| name).join(", ");
        Error::new(
            Status::Argument,
            format!("unknown test \"{part}\"; expected a number or one of: {names}"),
        )
    }

    /// The bits.
    pub fn bits(self) -> u32 {
        self.0
    }

    /// True when the set has all tests of `other`.
    pub fn contains(self, other: Tests) -> bool {
        self.0 & other.0 == other.0
    }

    /// The tests that are in both sets.
    pub(super) fn common(self, other: Tests) -> Tests {
        Tests(self.0 & other.0)
    }

    /// The name of a single test: `private_contact`; `""` for several.
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(test, _)| *test == self).map_or("", |(_, name)| name)
    }
}

impl std::ops::BitOr for Tests {
    type Output = Tests;
    fn bitor(self, other: Tests) -> Tests {
        Tests(self.0 | other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn from_bits_refuses_unknown_bits() {
        assert_eq!(Tests::from_bits(7).unwrap().bits(), 7);
        assert_eq!(Tests::from_bits(Tests::KNOWN.bits()).unwrap(), Tests::KNOWN);
        for bits in [0, 32, 64, 128, 16_384, 7 | 32, u32::MAX] {
            assert_eq!(Tests::from_bits(bits).unwrap_err().status(), Status::Argument, "{bits}");
        }
    }

    #[test]
    fn parse_accepts_names_and_numbers() {
        assert_eq!(Tests::parse("7").unwrap().bits(), 7);
        assert_eq!(Tests::parse("private_contact,source_address").unwrap().bits(), 3);
        assert_eq!(Tests::parse(" private_via | 2 + WebSocket ").unwrap().bits(), 4 | 2 | 4096);
        for bad in ["", " , ", "0", "32", "private", "-1", "1;2"] {
            assert_eq!(Tests::parse(bad).unwrap_err().status(), Status::Argument, "{bad}");
        }
        assert!(Tests::parse("private").unwrap_err().text().contains("private_contact"));
    }

    #[test]
    fn name_of_every_test_parses_back() {
        for (test, name) in NAMES {
            assert_eq!(test.name(), name);
            assert_eq!(Tests::parse(name).unwrap(), test);
        }
        assert_eq!(Tests::from_bits(3).unwrap().name(), "");
        let all = NAMES.iter().fold(Tests::default(), |all, (test, _)| all | *test);
        assert_eq!(all, Tests::KNOWN);
        assert_eq!(all, Tests::ALL | Tests::FIRST_HOP);
    }
}
