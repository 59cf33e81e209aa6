//! SIP URIs (RFC 3261 19.1).

use super::parameters;
use crate::address::{Host, leading_ipv4_port, parse_host, parse_host_port};
use crate::bytes;
use crate::error::{Error, Result};

/// A `sip:` or `sips:` URI; its parts are slices of the original text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uri<'a> {
    /// True for `sips:`.
    pub secure: bool,
    /// Before the `@`, password included; empty when there is none.
    pub user: &'a [u8],
    /// Host and port as written, the part that `fix_contact` replaces:
    /// `192.0.2.1:5060`, `[2001:db8::1]`.
    pub host_port: &'a [u8],
    /// The host.
    pub host: Host<'a>,
    /// The port, if written.
    pub port: Option<u16>,
    /// From the first `;` (included) up to the headers; may be empty.
    pub parameters: &'a [u8],
    /// From the `?` (included); may be empty.
    pub headers: &'a [u8],
}

impl<'a> Uri<'a> {
    /// Parses a URI; `Ok(None)` for a scheme other than sip and sips.
    /// `Status::Syntax` for text without a scheme, and for a SIP URI without a
    /// host or with an invalid port.
    pub fn parse(text: &'a [u8]) -> Result<Option<Self>> {
        let text = bytes::trim(text);
        // Fast path.
        let (secure, rest) = match text.strip_prefix(b"sip:") {
            Some(rest) => (false, rest),
            None => {
                let Some((scheme, rest)) = split_scheme(text) else {
                    return Err(Error::syntax("URI without a scheme"));
                };
                let secure = scheme.eq_ignore_ascii_case(b"sips");
                if !secure && !scheme.eq_ignore_ascii_case(b"sip") {
                    return Ok(None);
                }
                (secure, rest)
            }
        };
        // The user may contain `;` and `?`; no part after it may contain `@`.
        let (user, rest) = match bytes::find(b'@', rest).and_then(|at| rest.split_at_checked(at)) {
            Some((user, from_at)) => (user, from_at.get(1..).unwrap_or_default()),
            None => (&b""[..], rest),
        };
        let tail_of = |tail: &'a [u8]| {
            let question = bytes::find(b'?', tail).unwrap_or(tail.len());
            tail.split_at_checked(question).unwrap_or_default()
        };
        if let Some((ip, port, tail @ ([] | [b';' | b'?', ..]))) = leading_ipv4_port(rest) {
            let host_port = rest.get(..rest.len().saturating_sub(tail.len())).unwrap_or_default();
            let (parameters, headers) = tail_of(tail);
            let host = Host::Ip(ip.into());
            return Ok(Some(Uri { secure, user, host_port, host, port, parameters, headers }));
        }
        let end = bytes::find_either(b';', b'?', rest).unwrap_or(rest.len());
        let (host_port, tail) = rest.split_at_checked(end).unwrap_or_default();
        let (parameters, headers) = tail_of(tail);
        let host_port = bytes::trim(host_port);
        let Some((host, port)) = parse_host_port(host_port) else {
            return Err(Error::syntax("SIP URI without a valid host and port"));
        };
        Ok(Some(Uri { secure, user, host_port, host, port, parameters, headers }))
    }

    /// The parameter `;name=value` as written, with its leading `;`. The case of
    /// `name` does not matter.
    pub fn parameter(&self, name: &[u8]) -> Option<&'a [u8]> {
        parameters::find_in_uri(self.parameters, name).map(|found| found.whole)
    }

    /// The address that requests go to instead of the host (RFC 3261 19.1.1,
    /// `maddr`). The first one, if several are written.
    pub fn maddr(&self) -> Option<Host<'a>> {
        parameters::find_in_uri(self.parameters, b"maddr").map(|found| parse_host(found.value))
    }

    /// True for a GRUU (RFC 5627 4.4): the URI has the parameter `gr`, with a value
    /// (public) or without one (temporary), or the `gruu` of its drafts, which Microsoft's
    /// phones write (MS-SIPRE). Its host is the domain of the proxy that made the GRUU,
    /// and requests reach the phone through that proxy.
    pub fn is_gruu(&self) -> bool {
        let has = |name| parameters::find_in_uri(self.parameters, name).is_some();
        has(b"gr") || has(b"gruu")
    }

    /// False when the URI surely has neither `maddr` nor `gr`, by the first letters of
    /// its parameters.
    #[inline]
    pub(crate) fn may_route_elsewhere(&self) -> bool {
        let mut start = false;
        self.parameters.iter().any(|byte| {
            let found = start && matches!(byte, b'm' | b'M' | b'g' | b'G' | ..=b' ');
            start = *byte == b';';
            found
        })
    }

    /// The port, or the default: 5061 for sips and for `transport=tls`, else 5060
    /// (RFC 3261 19.1.2).
    pub fn port_or_default(&self) -> u16 {
        self.port.unwrap_or_else(|| if self.secure || self.over_tls() { 5061 } else { 5060 })
    }

    fn over_tls(&self) -> bool {
        self.transport().eq_ignore_ascii_case(b"tls")
    }

    /// The value of the parameter `transport`; empty without it.
    pub(crate) fn transport(&self) -> &'a [u8] {
        parameters::find_in_uri(self.parameters, b"transport").map_or(b"", |found| found.value)
    }
}

/// The scheme (RFC 3986 3.1) and the text after its colon.
fn split_scheme(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let (scheme, rest) = text.split_at_checked(bytes::find(b':', text)?)?;
    let letter = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.');
    let good = scheme.first()?.is_ascii_alphabetic() && scheme.iter().all(letter);
    good.then_some((scheme, rest.get(1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(text: &str) -> Uri<'_> {
        Uri::parse(text.as_bytes()).unwrap().unwrap()
    }

    #[test]
    fn uri_is_split_into_all_parts() {
        let uri = uri("SIP:alice:pw@192.168.1.10:5062;transport=UDP;maddr=10.0.0.1;lr?Route=x&a=b");
        assert!(!uri.secure);
        assert_eq!(uri.user, b"alice:pw");
        assert_eq!(uri.host_port, b"192.168.1.10:5062");
        assert_eq!(uri.host, Host::Ip("192.168.1.10".parse().unwrap()));
        assert_eq!(uri.port, Some(5062));
        assert_eq!(uri.parameters, b";transport=UDP;maddr=10.0.0.1;lr");
        assert_eq!(uri.parameter(b"MADDR"), Some(&b";maddr=10.0.0.1"[..]));
        assert_eq!(uri.parameter(b"addr"), None);
        assert_eq!(uri.headers, b"?Route=x&a=b");
    }

    #[test]
    fn host_is_found_with_and_without_user() {
        assert_eq!(uri("sip:example.com").host, Host::Name(b"example.com"));
        assert_eq!(uri("sip:[2001:db8::1]").host_port, b"[2001:db8::1]");
        assert_eq!(uri("sip:a@[2001:db8::1]:5061").port, Some(5061));
        assert_eq!(uri("sip:2001:db8::1").port, None);
        assert_eq!(
            uri("sip:user;par=u%40example.net@example.com").user,
            b"user;par=u%40example.net"
        );
        assert_eq!(uri("sip:1_u~(be!)&i+it$/c?,/;;*:&it@example.com").host_port, b"example.com");
        assert_eq!(uri("sip:192.0.2.1:").host_port, b"192.0.2.1:");
        assert_eq!(uri("sip:192.0.2.1:").port, None);
        assert_eq!(uri("sip:%00@host5.example.com").user, b"%00");
    }

    #[test]
    fn port_or_default_depends_on_scheme_and_transport() {
        assert_eq!(uri("sip:a@b").port_or_default(), 5060);
        assert_eq!(uri("sips:a@b").port_or_default(), 5061);
        assert_eq!(uri("sip:a@b;Transport=TLS").port_or_default(), 5061);
        assert_eq!(uri("sip:a@b;transport=tcp").port_or_default(), 5060);
        assert_eq!(uri("sips:a@b:7").port_or_default(), 7);
    }

    #[test]
    fn maddr_is_a_host_and_gruu_a_flag() {
        let ip = |text: &str| Some(Host::Ip(text.parse().unwrap()));
        assert_eq!(uri("sip:a@b;maddr=192.0.2.1").maddr(), ip("192.0.2.1"));
        assert_eq!(uri("sip:a@b;lr; MADDR = 192.0.2.1;x").maddr(), ip("192.0.2.1"));
        assert_eq!(uri("sip:a@b;maddr=[2001:db8::1]").maddr(), ip("2001:db8::1"));
        assert_eq!(uri("sip:a@b;maddr=x.example.com").maddr(), Some(Host::Name(b"x.example.com")));
        // A URI has no quoted strings.
        let quoted = uri("sip:a@b;x=\"y;maddr=192.0.2.1;gr;transport=tls;z=\"");
        assert_eq!((quoted.maddr(), quoted.is_gruu()), (ip("192.0.2.1"), true));
        assert_eq!(quoted.port_or_default(), 5061);
        for other in ["sip:a@b", "sip:a@b;smaddr=1", "sip:maddr=1@b", "sip:a@b;m=1?maddr=1"] {
            assert_eq!(uri(other).maddr(), None, "{other}");
        }
        for special in ["sip:a@b;Gr", "sip:a@b;lr; maddr=1", "sip:a@b;Max=1"] {
            assert!(uri(special).may_route_elsewhere(), "{special}");
        }
        assert!(!uri("sip:gr;maddr=1@b;transport=tcp;lr;x=g;ob?maddr=1").may_route_elsewhere());
        for gruu in ["sip:a@b;gr", "sip:a@b;GR=urn:uuid:f8", "sip:a@b;x=1;Gr=", "sip:a@b; gr ;lr"] {
            assert!(uri(gruu).is_gruu(), "{gruu}");
        }
        for other in ["sip:a@b", "sip:a@b;grid=1", "sip:gr@b;agr", "sip:gr;gr@b", "sip:a@b;g?gr=1"]
        {
            assert!(!uri(other).is_gruu(), "{other}");
        }
    }

    #[test]
    fn other_scheme_is_none_and_missing_scheme_an_error() {
        assert_eq!(Uri::parse(b"tel:+3120"), Ok(None));
        assert_eq!(Uri::parse(b"soap.beep://192.0.2.103:3002"), Ok(None));
        for bad in [
            "",
            "alice",
            ":a@b",
            "a b:c",
            "sip:",
            "sip:a@",
            "sip:@",
            "sip:a@b:c",
            "sip:a@b@c",
            "1sip:a",
        ] {
            assert!(Uri::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
