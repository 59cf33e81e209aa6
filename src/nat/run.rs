//! `nat_test`: runs the tests.
//!
//! Details of the tests:
//! - The client lists matter only to `source_address`. `source_port` and
//!   `contact_port` compare ports for every client.
//! - In a reply the top Via is the server's own, so `private_via` and
//!   `source_port` never match there; `source_address` compares the Contact.
//! - A missing Contact or SDP does not match, nor does SDP that cannot be parsed.

use std::net::IpAddr;

use crate::address::{Host, canonical};
use crate::error::Result;
use crate::nat::{Endpoint, Evidence, Networks, Tests, Verdict, is_first_hop};
use crate::sdp::active;
use crate::sip::body;
use crate::sip::message::SenderContact;
use crate::sip::{Contact, Message, Transport, Via};

/// The input of the tests besides the message.
#[derive(Clone, Copy, Debug)]
pub struct Context<'s> {
    /// The networks that count as private.
    pub private: &'s Networks,
    /// The server's own networks: no test matches for a source in one of them.
    pub local: &'s Networks,
    /// The client is SIP-asymmetric: `source_address` does not compare ports.
    pub sip_asymmetric: bool,
}

/// Runs `tests` on a message, cheapest first, and fills `verdict`, which is
/// cleared first. With `first_only` it stops at the first match.
///
/// # Errors
/// When a header that a test needs cannot be parsed. SDP that cannot be parsed
/// is no error.
pub fn test(
    message: &Message<'_>,
    context: &Context<'_>,
    tests: Tests,
    first_only: bool,
    verdict: &mut Verdict,
) -> Result<()> {
    let asymmetric = || Ok(context.sip_asymmetric);
    test_with_lookup(
        message,
        context.private,
        context.local,
        asymmetric,
        tests,
        first_only,
        verdict,
    )
}

/// As [`test()`], but `sip_asymmetric` is called only when the result depends on it
/// (equal addresses, different ports): for most messages the User-Agent is never
/// looked up in the client list.
pub fn test_with_lookup(
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
    let tests = match local.contains(source) {
        true => {
            verdict.add_tested(tests);
            tests.common(Tests::FIRST_HOP)
        }
        false => tests,
    };
    let mut case =
        Case { message, private, source, sip_asymmetric, via: None, streams: None, verdict };
    let outcome = case.run(tests, first_only);
    if outcome.is_err() {
        verdict.clear();
    }
    outcome
}

/// The order of the tests, cheapest first: source, Via, Contact, all headers, SDP.
const ORDER: [Tests; 11] = [
    Tests::WEBSOCKET,
    Tests::PRIVATE_SOURCE,
    Tests::PRIVATE_VIA,
    Tests::SOURCE_ADDRESS,
    Tests::SOURCE_PORT,
    Tests::PRIVATE_CONTACT,
    Tests::SOURCE_CONTACT,
    Tests::CONTACT_PORT,
    Tests::FIRST_HOP,
    Tests::PRIVATE_SDP,
    Tests::SOURCE_SDP,
];

/// One message under test. Headers and SDP are parsed once; of the SDP only the
/// addresses for the evidence are kept.
struct Case<'c, 'a, F> {
    message: &'c Message<'a>,
    private: &'c Networks,
    source: IpAddr,
    sip_asymmetric: F,
    via: Option<Via<'a>>,
    streams: Option<Streams<'a>>,
    verdict: &'c mut Verdict,
}

/// The host and port of a header.
#[derive(Clone, Copy)]
struct Named<'a> {
    place: &'static str,
    host: Host<'a>,
    port: Option<u16>,
    port_or_default: u16,
}

/// The addresses of the SDP that the tests need.
#[derive(Clone, Copy, Default)]
struct Streams<'a> {
    /// The first private address.
    private: Option<Host<'a>>,
    /// The first address other than the source's.
    elsewhere: Option<Host<'a>>,
}

impl<'c, 'a, F: Fn() -> Result<bool>> Case<'c, 'a, F> {
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
            Tests::SOURCE_ADDRESS if !reply => {
                let via = self.via()?;
                if !self.is_source(via.host) || self.has_other_port(via.port_or_default)? {
                    self.differs(test, via);
                }
            }
            Tests::SOURCE_ADDRESS => {
                if let Some(sender) = self.contact()? {
                    let named = named(sender.contact);
                    let elsewhere = !self.is_source(named.host)
                        || self.has_other_port(named.port_or_default)?;
                    self.differs_or_maddr(test, elsewhere, sender);
                }
            }
            Tests::PRIVATE_CONTACT => {
                if let Some(sender) = self.contact()?
                    && !self.private_host(test, named(sender.contact))
                    && let Some(maddr) = named_maddr(sender)
                {
                    self.private_host(test, maddr);
                }
            }
            Tests::SOURCE_CONTACT => {
                if let Some(sender) = self.contact()? {
                    let elsewhere = !self.is_source(sender.contact.uri.host);
                    self.differs_or_maddr(test, elsewhere, sender);
                }
            }
            Tests::CONTACT_PORT => {
                if let Some(sender) = self.contact()? {
                    let elsewhere = sender.contact.uri.port_or_default() != source_port;
                    self.differs_or_maddr(test, elsewhere, sender);
                }
            }
            Tests::FIRST_HOP if is_first_hop(self.message)? => self.matches_source(test),
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

    fn contact(&self) -> Result<Option<SenderContact<'c, 'a>>> {
        self.message.sender_contact()
    }

    /// True when the port is not the source's and says so about a NAT: not on a
    /// connection, whose client side has a port of its own (RFC 3261 18.1.1, RFC
    /// 5923), and not for a SIP-asymmetric client.
    fn has_other_port(&self, port: u16) -> Result<bool> {
        let source = self.message.source();
        if port == source.address.port() || source.transport.is_connection() {
            return Ok(false);
        }
        Ok(!(self.sip_asymmetric)()?)
    }

    /// The addresses of active streams. Streams with port 0, streams on hold by
    /// 0.0.0.0 and networks other than IN do not count.
    fn streams(&mut self) -> Streams<'a> {
        if let Some(streams) = self.streams {
            return streams;
        }
        let (private, source) = (self.private, self.source);
        let mut streams = Streams::default();
        if let Ok(Some(sdp)) = body::find_sdp(self.message) {
            let readable = active::for_each_connection(sdp, &mut |connection| {
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

    /// False for a host name: names are not resolved.
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

    /// True when the host is private; evidence is added then.
    fn private_host(&mut self, test: Tests, named: Named<'_>) -> bool {
        let private = named.host.ip().is_some_and(|ip| self.private.contains(ip));
        if private {
            let found = self.verdict.endpoint(named.host, named.port);
            self.verdict.add(Evidence { test, place: named.place, found, compared: None });
        }
        private
    }

    /// Evidence for a Contact that is `elsewhere`, or whose `maddr` is.
    fn differs_or_maddr(&mut self, test: Tests, elsewhere: bool, sender: SenderContact<'_, '_>) {
        if elsewhere {
            self.differs(test, named(sender.contact));
        } else if let Some(maddr) = named_maddr(sender)
            && !self.is_source(maddr.host)
        {
            self.differs(test, maddr);
        }
    }

    fn differs(&mut self, test: Tests, named: Named<'_>) {
        let found = self.verdict.endpoint(named.host, Some(named.port_or_default));
        let compared = Some(self.source_endpoint());
        self.verdict.add(Evidence { test, place: named.place, found, compared });
    }
}

/// Host and port of a Contact.
fn named<'a>(contact: &Contact<'a>) -> Named<'a> {
    let uri = &contact.uri;
    let port_or_default = uri.port_or_default();
    Named { place: "Contact", host: uri.host, port: uri.port, port_or_default }
}

/// The `maddr` of a Contact, and the port that belongs to it (RFC 3261 19.1.1).
fn named_maddr<'a>(sender: SenderContact<'_, 'a>) -> Option<Named<'a>> {
    if !sender.is_special {
        return None;
    }
    let host = sender.contact.uri.maddr()?;
    Some(Named { place: "Contact maddr", host, ..named(sender.contact) })
}
