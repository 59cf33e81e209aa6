//! The URI of a relay: `mediaproxy:/run/mediaproxy/dispatcher.sock`, `embedded`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result, Status};
use crate::relay::Capabilities;
use crate::relay::protocol::{Protocol, SCHEMES};
use crate::shared::health::MAX_RELAY_TEXT;

/// The control address of a relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RelayAddress {
    /// A Unix stream socket.
    Unix(PathBuf),
    /// A TCP address.
    Tcp(SocketAddr),
    /// A TCP port at a host name, which the keeper resolves.
    TcpName {
        /// The host name.
        host: String,
        /// The port.
        port: u16,
    },
}

/// A relay of the configuration, without the options of its choice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelayUri {
    /// Scheme, address and `;ipv6=yes`: the relay's name in log lines and
    /// statistics. The relay's identity is a hash of it.
    pub text: String,
    /// The control address.
    #[doc(hidden)]
    pub address: RelayAddress,
    /// The protocols that the relay may speak, in the order of trying.
    #[doc(hidden)]
    pub protocols: &'static [Protocol],
    /// True for `embedded` and with `;ipv6=yes`: the relay is the built-in relay of
    /// this library, as a part of the server or as `mediaproxyd`.
    built_in: bool,
}

/// The maximum length of a Unix socket's path, in bytes.
const MAX_PATH: usize = 107;
/// The maximum length of a host name (RFC 1035 section 2.3.4), in bytes.
const MAX_HOST: usize = 253;

impl RelayUri {
    /// Parses `embedded`, or a scheme of [`SCHEMES`] followed by `/path` or
    /// `tcp:host:port`, each with an optional `;ipv6=yes`. `own_socket` is the
    /// control socket of `embedded`. `Status::Setting` for an invalid text: the
    /// error has the accepted form.
    #[doc(hidden)]
    pub fn parse(text: &str, own_socket: &Path) -> Result<Self> {
        let (uri, rest) = Self::parse_with(text, own_socket)?;
        match rest.first() {
            Some((name, _)) => Err(bad(text, &format!("{name} is not part of a relay's name"))),
            None => Ok(uri),
        }
    }

    /// Parses a relay, and returns the options of its choice with their values.
    pub(super) fn parse_with<'t>(
        text: &'t str,
        own_socket: &Path,
    ) -> Result<(Self, Vec<(&'t str, &'t str)>)> {
        let mut parts = text.split(';').map(str::trim);
        let head = parts.next().unwrap_or_default();
        let embedded = head == "embedded";
        let (protocols, address) = if embedded {
            (&[Protocol::MediaProxy2][..], RelayAddress::Unix(own_socket.to_path_buf()))
        } else {
            let (scheme, place) = head.split_once(':').unwrap_or_default();
            let found = SCHEMES.iter().find(|(name, _)| *name == scheme);
            let (_, protocols) = found.ok_or_else(|| bad(text, "unknown kind of relay"))?;
            (*protocols, parse_place(place).map_err(|reason| bad(text, reason))?)
        };
        let mut uri = RelayUri { text: head.to_string(), address, protocols, built_in: embedded };
        let mut rest = Vec::new();
        for option in parts.filter(|part| !part.is_empty()) {
            match option.split_once('=').map(|(name, value)| (name.trim(), value.trim())) {
                Some(("ipv6", "yes")) if uri.built_in => {}
                Some(("ipv6", "yes")) => {
                    uri.built_in = true;
                    uri.text.push_str(";ipv6=yes");
                }
                Some(("ipv6", "no")) => {}
                Some(option @ ("set" | "weight" | "priority" | "domain", _)) => rest.push(option),
                _ => return Err(bad(text, &format!("unknown option \"{option}\""))),
            }
        }
        if uri.text.len() > MAX_RELAY_TEXT {
            return Err(bad(text, &format!("longer than {MAX_RELAY_TEXT} bytes")));
        }
        Ok((uri, rest))
    }

    /// The protocol for the next query: the one that the relay answered in, else
    /// the first one to try.
    #[doc(hidden)]
    pub fn protocol(&self, spoken: Option<Protocol>) -> Protocol {
        let first = || self.protocols.first().copied().unwrap_or(Protocol::MediaProxy2);
        spoken.filter(|spoken| self.protocols.contains(spoken)).unwrap_or_else(first)
    }

    /// The relay's capabilities in this protocol.
    #[doc(hidden)]
    pub fn capabilities(&self, protocol: Protocol) -> Capabilities {
        let codec = protocol.codec();
        if self.built_in { codec.built_in_capabilities() } else { codec.capabilities() }
    }
}

/// Parses `/path` or `tcp:host:port`.
fn parse_place(place: &str) -> std::result::Result<RelayAddress, &'static str> {
    if let Some(tcp) = place.strip_prefix("tcp:") {
        if let Ok(address) = tcp.parse::<SocketAddr>() {
            return match address.port() {
                0 => Err("the port must be a number from 1 to 65535"),
                _ => Ok(RelayAddress::Tcp(address)),
            };
        }
        let (host, port) = tcp.rsplit_once(':').ok_or("tcp: must be followed by HOST:PORT")?;
        let port = crate::bytes::port(port.as_bytes()).filter(|port| *port != 0);
        let port = port.ok_or("the port must be a number from 1 to 65535")?;
        let letter = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
        let is_name = !host.is_empty() && host.len() <= MAX_HOST && host.bytes().all(letter);
        let numeric = host.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        if !is_name || numeric {
            return Err("HOST must be an IPv4 address, an IPv6 address in brackets or a host name");
        }
        return Ok(RelayAddress::TcpName { host: host.to_ascii_lowercase(), port });
    }
    if !place.starts_with('/') {
        return Err("the path must start with /");
    }
    if place.len() > MAX_PATH {
        return Err("the path of a Unix socket must not be longer than 107 bytes");
    }
    Ok(RelayAddress::Unix(PathBuf::from(place)))
}

/// The accepted form of a relay, for errors and the manual.
pub const ACCEPTED_RELAY: &str = "embedded, or mediaproxy:, mediaproxy1: or mediaproxy2: with \
    /PATH or tcp:HOST:PORT, followed by any of: ;ipv6=yes (the relay accepts IPv6) ;set=NAME \
    ;weight=0-65535 ;priority=0-65535 ;domain=NAME";

/// The error for an invalid text of a relay, with the reason and the accepted
/// form.
pub(super) fn bad(text: &str, reason: &str) -> Error {
    Error::new(Status::Setting, format!("relay \"{text}\": {reason}; accepted: {ACCEPTED_RELAY}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepted_forms_name_every_scheme() {
        for (scheme, _) in SCHEMES {
            assert!(ACCEPTED_RELAY.contains(&format!("{scheme}:")), "{scheme}");
        }
    }

    #[test]
    fn relay_uri_has_one_of_the_accepted_forms() {
        let own = Path::new("/run/x/control.sock");
        let ipv6 = |uri: &RelayUri| uri.capabilities(uri.protocols[0]).ipv6;
        let embedded = RelayUri::parse("embedded", own).unwrap();
        assert_eq!(embedded.address, RelayAddress::Unix(own.into()));
        assert!(ipv6(&embedded));
        let plain = RelayUri::parse("mediaproxy:/run/d.sock", own).unwrap();
        assert_eq!(plain.address, RelayAddress::Unix("/run/d.sock".into()));
        assert_eq!(plain.protocols, [Protocol::MediaProxy2, Protocol::MediaProxy1]);
        assert!(!ipv6(&plain));
        let ours = RelayUri::parse("mediaproxy:/run/d.sock;ipv6=yes", own).unwrap();
        for (protocol, full) in [(Protocol::MediaProxy2, true), (Protocol::MediaProxy1, false)] {
            let has = ours.capabilities(protocol);
            assert!(has.ipv6 && !has.dispatcher);
            assert_eq!((has.branch_delete, has.provisional_reports), (full, full), "{protocol:?}");
            assert_eq!(has.mixed_families, full, "{protocol:?}");
        }
        let tcp = RelayUri::parse("mediaproxy1:tcp:[2001:db8::1]:25060", own).unwrap();
        assert_eq!(tcp.address, RelayAddress::Tcp("[2001:db8::1]:25060".parse().unwrap()));
        assert_eq!(tcp.protocols, [Protocol::MediaProxy1]);
        let name = RelayUri::parse("mediaproxy2:tcp:Relay.example.com:25060;weight=2", own);
        assert!(name.is_err(), "a weight is not part of the name");
        let name = RelayUri::parse("mediaproxy2:tcp:Relay.example.com:25060", own).unwrap();
        let host = "relay.example.com".to_string();
        assert_eq!(name.address, RelayAddress::TcpName { host, port: 25060 });
        for bad in [
            "",
            "rtpengine:udp:1.2.3.4:5",
            "mediaproxy:run",
            "mediaproxy:tcp:",
            "mediaproxy:tcp:host",
            "mediaproxy:tcp:host:0",
            "mediaproxy:tcp:10.0.0.1:0",
            "mediaproxy:tcp:10.0.0.300:5",
            "mediaproxy:tcp:a b:5",
            "mediaproxy:tcp:host:65536",
            "embedded;weight",
            "embedded;x=1",
        ] {
            let error = RelayUri::parse(bad, own).unwrap_err();
            assert_eq!(error.status(), Status::Setting, "{bad}");
            assert!(error.text().contains("accepted: embedded"), "{bad}");
        }
    }
}
