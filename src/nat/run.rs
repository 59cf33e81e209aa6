//! `nat_test`: running the tests.
//!
//! What the tests compare, where the table of bits leaves it open:
//! - The client lists matter to `source_address` alone. `source_port` and
//!   `contact_port` state a fact about ports, for every client.
//! - In a reply the top Via is the server's own, so `private_via` and
//!   `source_port` never match there; `source_address` looks at the Contact.
//! - A missing Contact or description does not match. Neither does a
//!   description that cannot be read.

use std::net::IpAddr;

use crate::address::{Host, canonical};
use crate::error::Result;
use crate::nat::{Endpoint, Evidence, Networks, Tests, Verdict};
use crate::sdp::active;
use crate::sip::body;
use crate::sip::{Contact, Message, Transport, Via};

/// What the tests need to know beside the message.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings<'s> {
    /// What counts as private.
    pub private: &'s Networks,
    /// A source in here is never found NATed.
    pub local: &'s Networks,
    /// The client is SIP-asymmetric: `source_address` does not look at ports.
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
    let asymmetric = || Ok(around.sip_asymmetric);
    test_asking(message, around.private, around.local, asymmetric, tests, first_only, verdict)
}

/// As [`test()`], but whether the client is SIP-asymmetric is asked only when the
/// outcome hangs on it (the addresses are equal, the ports are not): most
/// messages then never need their User-Agent looked up.
pub fn test_asking(
    message: &Message<'_>,
    private: &Networks,
    local: &Networks,
    sip_asymmetric: impl Fn() -> Result<bool>,
    tests: Tests,
    first_only: bool,
    verdict: &mut Verdict,
) -> Result<()> {
    verdict.clear();
    let source = canonical(message.source().address.ip());
    if local.contains(source) {
        verdict.add_tested(tests);
        return Ok(());
    }
    let mut case = Case {
        message,
        private,
        source,
        sip_asymmetric,
        via: None,
        contact: None,
        streams: None,
        verdict,
    };
    let outcome = case.run(tests, first_only);
    if outcome.is_err() {
        verdict.clear();
    }
    outcome
}

/// Cheapest first: what the socket knows, the first header, a later one, the
/// body.
const ORDER: [Tests; 10] = [
    Tests::WEBSOCKET,
    Tests::PRIVATE_SOURCE,
    Tests::PRIVATE_VIA,
    Tests::SOURCE_ADDRESS,
    Tests::SOURCE_PORT,
    Tests::PRIVATE_CONTACT,
    Tests::SOURCE_CONTACT,
    Tests::CONTACT_PORT,
    Tests::PRIVATE_SDP,
    Tests::SOURCE_SDP,
];

/// One message under test. Headers and description are read once, and nothing
/// of the description is kept but what the tests may show.
struct Case<'c, 'a, F> {
    message: &'c Message<'a>,
    private: &'c Networks,
    source: IpAddr,
    sip_asymmetric: F,
    via: Option<Via<'a>>,
    contact: Option<Option<Contact<'a>>>,
    streams: Option<Streams<'a>>,
    verdict: &'c mut Verdict,
}

/// A host and port a header names.
#[derive(Clone, Copy)]
struct Named<'a> {
    place: &'static str,
    host: Host<'a>,
    port: Option<u16>,
    port_or_default: u16,
}

/// What the description says of addresses.
#[derive(Clone, Copy, Default)]
struct Streams<'a> {
    /// The first that is private.
    private: Option<Host<'a>>,
    /// The first that is not the source's.
    elsewhere: Option<Host<'a>>,
}

impl<'a, F: Fn() -> Result<bool>> Case<'_, 'a, F> {
    fn run(&mut self, tests: Tests, first_only: bool) -> Result<()> {
        for test in ORDER {
            if !tests.contains(test) {
                continue;
            }
            self.verdict.add_tested(test);
            self.run_one(test)?;
            if first_only && self.verdict.natted() {
                break;
            }
        }
        Ok(())
    }

    fn run_one(&mut self, test: Tests) -> Result<()> {
        let transport = self.message.source().transport;
        let source_port = self.message.source().address.port();
        let reply = self.message.status().is_some();
        match test {
            Tests::WEBSOCKET if matches!(transport, Transport::Ws | Transport::Wss) => {
                self.matches_source(test);
            }
            Tests::PRIVATE_SOURCE if self.private.contains(self.source) => {
                self.matches_source(test);
            }
            Tests::PRIVATE_VIA if !reply => {
                let via = self.via()?;
                self.private_host(test, via);
            }
            Tests::SOURCE_PORT if !reply => {
                let via = self.via()?;
                if via.port_or_default != source_port {
                    self.differs(test, via);
                }
            }
            Tests::SOURCE_ADDRESS => {
                let named = if reply { self.contact()? } else { Some(self.via()?) };
                if let Some(named) = named
                    && (!self.is_source(named.host)
                        || (named.port_or_default != source_port && !(self.sip_asymmetric)()?))
                {
                    self.differs(test, named);
                }
            }
            Tests::PRIVATE_CONTACT => {
                if let Some(contact) = self.contact()? {
                    self.private_host(test, contact);
                }
            }
            Tests::SOURCE_CONTACT => {
                if let Some(contact) = self.contact()?
                    && !self.is_source(contact.host)
                {
                    self.differs(test, contact);
                }
            }
            Tests::CONTACT_PORT => {
                if let Some(contact) = self.contact()?
                    && contact.port_or_default != source_port
                {
                    self.differs(test, contact);
                }
            }
            Tests::PRIVATE_SDP => {
                if let Some(host) = self.streams().private {
                    let found = self.verdict.endpoint(host, None);
                    self.verdict.add(Evidence { test, place: "c=", found, compared: None });
                }
            }
            Tests::SOURCE_SDP => {
                if let Some(host) = self.streams().elsewhere {
                    let found = self.verdict.endpoint(host, None);
                    let compared = Endpoint { port: None, ..self.source_endpoint() };
                    let compared = Some(compared);
                    self.verdict.add(Evidence { test, place: "c=", found, compared });
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn via(&mut self) -> Result<Named<'a>> {
        let via = match self.via {
            Some(via) => via,
            None => *self.via.insert(self.message.top_via()?),
        };
        let port_or_default = via.port_or_default();
        Ok(Named { place: "Via", host: via.host, port: via.port, port_or_default })
    }

    fn contact(&mut self) -> Result<Option<Named<'a>>> {
        let contact = match self.contact {
            Some(contact) => contact,
            None => *self.contact.insert(self.message.contact()?),
        };
        Ok(contact.map(|Contact { uri, .. }| Named {
            place: "Contact",
            host: uri.host,
            port: uri.port,
            port_or_default: uri.port_or_default(),
        }))
    }

    /// What is wanted of the addresses of streams that are in use: a port of 0
    /// is none, 0.0.0.0 is on hold, and another network than IN has no addresses
    /// that compare.
    fn streams(&mut self) -> Streams<'a> {
        if let Some(streams) = self.streams {
            return streams;
        }
        let (private, source) = (self.private, self.source);
        let mut streams = Streams::default();
        if let Ok(Some(description)) = body::find_sdp(self.message) {
            let readable = active::for_each_connection(description, &mut |connection| {
                if connection.is_unspecified() || !connection.is_internet() {
                    return;
                }
                let host = connection.host;
                if streams.private.is_none() && host.ip().is_some_and(|ip| private.contains(ip)) {
                    streams.private = Some(host);
                }
                if streams.elsewhere.is_none() && host != Host::Ip(source) {
                    streams.elsewhere = Some(host);
                }
            });
            if !readable {
                streams = Streams::default();
            }
        }
        *self.streams.insert(streams)
    }

    /// A name never equals an address.
    fn is_source(&self, host: Host<'_>) -> bool {
        host == Host::Ip(self.source)
    }

    fn source_endpoint(&self) -> Endpoint {
        Endpoint::source(self.message.source().address)
    }

    fn matches_source(&mut self, test: Tests) {
        let found = self.source_endpoint();
        self.verdict.add(Evidence { test, place: "source", found, compared: None });
    }

    fn private_host(&mut self, test: Tests, named: Named<'_>) {
        if named.host.ip().is_some_and(|ip| self.private.contains(ip)) {
            let found = self.verdict.endpoint(named.host, named.port);
            self.verdict.add(Evidence { test, place: named.place, found, compared: None });
        }
    }

    fn differs(&mut self, test: Tests, named: Named<'_>) {
        let found = self.verdict.endpoint(named.host, Some(named.port_or_default));
        let compared = Some(self.source_endpoint());
        self.verdict.add(Evidence { test, place: named.place, found, compared });
    }
}
