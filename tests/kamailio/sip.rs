//! The little SIP and SDP that a phone of the tests needs. No line of the
//! library is used: the phones judge what it made.

use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};

/// A message as a phone reads it.
#[derive(Clone, Debug)]
pub(crate) struct Sip {
    pub(crate) text: String,
}

impl Sip {
    pub(crate) fn start(&self) -> &str {
        self.text.lines().next().unwrap_or_default()
    }

    fn head(&self) -> &str {
        self.text.split_once("\r\n\r\n").map_or(self.text.as_str(), |(head, _)| head)
    }

    pub(crate) fn body(&self) -> &str {
        self.text.split_once("\r\n\r\n").map_or("", |(_, body)| body)
    }

    /// All values of a header, in order.
    pub(crate) fn all<'s, 'n>(
        &'s self,
        name: &'n str,
    ) -> impl Iterator<Item = &'s str> + use<'s, 'n> {
        let fields = self.head().lines().skip(1).filter_map(|line| line.split_once(':'));
        fields.filter(move |(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    /// The first value of a header; empty when there is none.
    pub(crate) fn first<'s>(&'s self, name: &str) -> &'s str {
        self.all(name).next().unwrap_or_default()
    }

    /// `INVITE`; `SIP/2.0` for a reply.
    pub(crate) fn method(&self) -> &str {
        self.start().split(' ').next().unwrap_or_default()
    }

    /// The status of a reply.
    pub(crate) fn status(&self) -> Option<u16> {
        self.start().strip_prefix("SIP/2.0 ")?.split(' ').next()?.parse().ok()
    }

    /// The method in CSeq.
    pub(crate) fn of(&self) -> &str {
        self.first("CSeq").split(' ').nth(1).unwrap_or_default()
    }

    /// The address and port in Contact.
    pub(crate) fn contact(&self) -> SocketAddr {
        address_of(uri_of(self.first("Contact")))
    }

    /// Where each stream of its description is to be sent.
    pub(crate) fn streams(&self) -> Vec<SocketAddr> {
        streams(self.body())
    }

    /// Where its first stream is to be sent.
    pub(crate) fn media(&self) -> SocketAddr {
        *self.streams().first().unwrap_or_else(|| panic!("no stream in {}", self.text))
    }
}

/// The URI between angle brackets.
pub(crate) fn uri_of(value: &str) -> &str {
    value.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map_or(value, |(uri, _)| uri)
}

/// The address and port of `sip:user@192.0.2.1:5060;...`.
pub(crate) fn address_of(uri: &str) -> SocketAddr {
    let host = uri.split_once('@').map_or(uri, |(_, host)| host);
    let host = host.split(';').next().unwrap_or_default();
    host.parse().unwrap_or_else(|_| panic!("no address and port: {uri}"))
}

/// Where each stream of a description is to be sent: its own c= or the
/// session's (RFC 8866 section 5.7).
pub(crate) fn streams(description: &str) -> Vec<SocketAddr> {
    let mut session: Option<IpAddr> = None;
    let mut found: Vec<(Option<IpAddr>, u16)> = Vec::new();
    for line in description.lines() {
        if let Some(connection) = line.strip_prefix("c=IN ") {
            let address = connection.split(' ').nth(1).and_then(|address| address.parse().ok());
            match found.last_mut() {
                Some((own, _)) => *own = address,
                None => session = address,
            }
        } else if let Some(media) = line.strip_prefix("m=") {
            let port = media.split(' ').nth(1).and_then(|port| port.parse().ok());
            found.push((session, port.expect("a port")));
        }
    }
    let address = |own: Option<IpAddr>| own.expect("a connection address");
    found.into_iter().map(|(own, port)| SocketAddr::new(address(own), port)).collect()
}

/// A description: `version` of the session, its address, and what follows.
pub(crate) fn describe(address: &str, version: u32, media: &[&str]) -> String {
    let family = if address.contains(':') { "IP6" } else { "IP4" };
    let mut text = format!(
        "v=0\r\no=- 3724394400 {version} IN {family} {address}\r\ns=-\r\n\
         c=IN {family} {address}\r\nt=0 0\r\n"
    );
    for line in media {
        let _ = write!(text, "{line}\r\n");
    }
    text
}
