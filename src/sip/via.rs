//! Via values (RFC 3261 20.42): transport and sent-by.

use crate::address::{Host, leading_ipv4_port, parse_host_port};
use crate::bytes;
use crate::error::{Error, Result};
use crate::sip::{Transport, parameters};

/// One Via value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Via<'a> {
    /// The transport, `None` when unknown.
    pub transport: Option<Transport>,
    /// The sent-by host.
    pub host: Host<'a>,
    /// The sent-by port, if written.
    pub port: Option<u16>,
}

impl<'a> Via<'a> {
    /// Parses the first value of a Via header. White space is allowed around
    /// every `/` and `:` (RFC 4475 3.1.1.1).
    pub fn parse(value: &'a [u8]) -> Result<Self> {
        Self::read(value)
            .ok_or_else(|| Error::syntax("Via: expected SIP/2.0/TRANSPORT HOST[:PORT]"))
    }

    fn read(value: &'a [u8]) -> Option<Self> {
        // Fast path.
        if let Some(sent_by) = value.strip_prefix(b"SIP/2.0/UDP ")
            && let Some((ip, port, [] | [b';' | b',', ..])) = leading_ipv4_port(sent_by)
        {
            let host = Host::Ip(ip.into());
            return Some(Via { transport: Some(Transport::Udp), host, port });
        }
        let rest = match value.strip_prefix(b"SIP/2.0/") {
            Some(rest) => rest,
            None => {
                let (protocol, rest) = before_slash(value)?;
                if !protocol.eq_ignore_ascii_case(b"SIP") {
                    return None;
                }
                before_slash(rest)?.1
            }
        };
        let rest = bytes::trim(rest);
        let blank = rest.iter().position(|b| bytes::is_space(*b))?;
        let (transport, rest) = rest.split_at_checked(blank)?;
        let transport = parse_transport(transport)?;
        let sent_by = rest.get(..bytes::find_either(b';', b',', rest).unwrap_or(rest.len()))?;
        let (host, port) = parse_host_port(sent_by)?;
        Some(Via { transport, host, port })
    }

    /// The branch of the first value of a Via header (RFC 3261 8.1.1.7); empty when
    /// it has none.
    pub(crate) fn branch_of(value: &[u8]) -> &[u8] {
        let end = parameters::find_unquoted(value, b',').unwrap_or(value.len());
        let first = value.get(..end).unwrap_or_default();
        let start = bytes::find(b';', first).unwrap_or(end);
        let branch = parameters::find(first.get(start..).unwrap_or_default(), b"branch");
        branch.map_or(b"", |branch| branch.value)
    }

    /// The port, or the transport's default: 5061 for TLS and WSS, else 5060
    /// (RFC 3261 18.1.1).
    pub fn port_or_default(&self) -> u16 {
        let secure = matches!(self.transport, Some(Transport::Tls | Transport::Wss));
        self.port.unwrap_or(if secure { 5061 } else { 5060 })
    }
}

/// The text before the first slash, trimmed, and the text after it.
fn before_slash(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let (before, from_slash) = text.split_at_checked(bytes::find(b'/', text)?)?;
    Some((bytes::trim(before), from_slash.get(1..)?))
}

/// `None` for text that is not a token, `Some(None)` for an unknown transport.
fn parse_transport(name: &[u8]) -> Option<Option<Transport>> {
    if name.is_empty() || bytes::find_either(b';', b',', name).is_some() {
        return None;
    }
    const KNOWN: [(&[u8], Transport); 6] = [
        (b"UDP", Transport::Udp),
        (b"TCP", Transport::Tcp),
        (b"TLS", Transport::Tls),
        (b"SCTP", Transport::Sctp),
        (b"WS", Transport::Ws),
        (b"WSS", Transport::Wss),
    ];
    let known = KNOWN.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    Some(known.map(|(_, transport)| *transport))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn via(text: &str) -> Via<'_> {
        Via::parse(text.as_bytes()).unwrap()
    }

    fn ip(text: &str) -> Host<'static> {
        Host::Ip(text.parse().unwrap())
    }

    #[test]
    fn sent_by_is_parsed_in_every_form() {
        let v = via("SIP/2.0/UDP 192.168.1.10:5062;branch=z9hG4bK1;rport, SIP/2.0/TCP 10.0.0.1");
        assert_eq!(
            (v.transport, v.host, v.port),
            (Some(Transport::Udp), ip("192.168.1.10"), Some(5062))
        );
        let v = via("SIP  /   2.0\r\n /UDP\r\n    192.0.2.2;branch=390skdjuw");
        assert_eq!((v.transport, v.host, v.port), (Some(Transport::Udp), ip("192.0.2.2"), None));
        let v = via(
            "SIP  / 2.0  / TCP     spindle.example.com   ;\r\n  branch  =   z9hG4bK9ikj8  ,\r\n SIP / 2.0/UDP x",
        );
        assert_eq!(
            (v.transport, v.host),
            (Some(Transport::Tcp), Host::Name(b"spindle.example.com"))
        );
        let v = via("SIP/2.0/TLS 192.0.2.2 : 5070 ;x");
        assert_eq!(
            (v.transport, v.host, v.port),
            (Some(Transport::Tls), ip("192.0.2.2"), Some(5070))
        );
        assert_eq!(
            via("sip/2.0/udp [2001:db8::9:1];received=[2001:db8::9:255]").host,
            ip("2001:db8::9:1")
        );
        assert_eq!(via("SIP/2.0/UDP [2001:db8::9]:5060").port, Some(5060));
        assert_eq!(via("SIP/2.0/UDP 2001:db8::9;branch=1").host, ip("2001:db8::9"));
        assert_eq!(via("SIP/2.0/UDP a").host, Host::Name(b"a"));
    }

    #[test]
    fn port_or_default_depends_on_transport() {
        assert_eq!(via("SIP/2.0/UDP a").port_or_default(), 5060);
        assert_eq!(via("SIP/2.0/TLS a").port_or_default(), 5061);
        assert_eq!(via("SIP/2.0/wss a.invalid").port_or_default(), 5061);
        assert_eq!(via("SIP/2.0/SCTP a").port_or_default(), 5060);
        assert_eq!(via("SIP/2.0/TLS a:5060").port_or_default(), 5060);
        assert_eq!(via("SIP/2.0/UNKNOWN a:1").transport, None);
    }

    #[test]
    fn branch_is_that_of_the_first_value() {
        for (value, branch) in [
            ("SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1;rport", "z9hG4bK1"),
            (
                "SIP/2.0/UDP a;received=192.0.2.9; Branch = z9hG4bK2 , SIP/2.0/UDP b;branch=z",
                "z9hG4bK2",
            ),
            ("SIP/2.0/UDP a, SIP/2.0/UDP b;branch=z9hG4bK3", ""),
            ("SIP/2.0/UDP [2001:db8::1]:5060;branch=x;i=\"a,b;branch=y\"", "x"),
            ("SIP/2.0/UDP a;rport", ""),
            ("", ""),
        ] {
            assert_eq!(Via::branch_of(value.as_bytes()), branch.as_bytes(), "{value}");
        }
    }

    #[test]
    fn malformed_via_is_an_error() {
        for bad in [
            "",
            ",",
            "SIP/2.0/UDP",
            "SIP/2.0/UDP ",
            "SIP/2.0/UDP ;branch=1",
            "SIP/2.0 192.0.2.1",
            "192.0.2.1",
            "HTTP/1.1/TCP a",
            "SIP/2.0/UDP a b",
            "SIP/2.0/UDP a:b",
            "SIP/2.0/UDP a:70000",
            "SIP/2.0/;x a",
            "SIP/2.0/ , a",
        ] {
            assert!(Via::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
