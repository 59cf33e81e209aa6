//! One stream: an m= line and the lines that belong to it.

use crate::bytes;
use crate::sdp::Connection;
use crate::sdp::address::words;
use crate::sdp::ice::Ice;

/// The direction attributes: a=sendrecv, a=sendonly, ... (RFC 3264 5.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Direction {
    #[default]
    SendRecv,
    SendOnly,
    RecvOnly,
    Inactive,
}

/// The a=rtcp attribute (RFC 3605).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rtcp<'a> {
    /// The port as written, the part that an edit replaces. Where what follows it is
    /// not `IN`, an address type and an address, all of it: it may be an address.
    pub port_text: &'a [u8],
    /// The port; `None` when it cannot be read, or is 0 before other text.
    pub port: Option<u16>,
    /// The address, if the attribute has one that can be read.
    pub connection: Option<Connection<'a>>,
}

/// One stream of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Media<'a> {
    /// `audio`, `video`, `image`, ...
    pub kind: &'a [u8],
    /// The port as written, without `/count`.
    pub port_text: &'a [u8],
    /// The port.
    pub port: u16,
    /// The number of ports after the slash (RFC 8866 5.14), at least 1; 1 without a
    /// slash.
    pub count: u16,
    /// `RTP/AVP`, `udptl`, ...
    pub transport: &'a [u8],
    /// The m= line and the lines up to the next m= line or the end.
    pub text: &'a [u8],
    /// The m= line with its line end, and the i= line if one follows: the place
    /// after which a c= line is added.
    pub head: &'a [u8],
    /// The first c= line of the stream.
    pub connection: Option<Connection<'a>>,
    /// Further c= lines of the stream (RFC 8866 5.7 allows several).
    pub more_connections: Vec<Connection<'a>>,
    /// The stream's own direction attribute.
    pub direction: Option<Direction>,
    /// The first a=rtcp line that is not empty.
    pub rtcp: Option<Rtcp<'a>>,
    /// Further a=rtcp lines of the stream. RFC 3605 allows one; the addresses of
    /// all are rewritten, so that none bypasses the relay.
    pub more_rtcp: Vec<Rtcp<'a>>,
    /// True with a=rtcp-mux (RFC 5761).
    pub rtcp_mux: bool,
    /// The value of a=mid (RFC 5888).
    pub mid: Option<&'a [u8]>,
    /// The ICE attributes of the stream.
    pub ice: Ice<'a>,
}

impl<'a> Media<'a> {
    /// Parses the value of an m= line; the error names what is missing or wrong.
    // Without a call the large result is not copied.
    #[inline(always)]
    pub(crate) fn parse(value: &'a [u8]) -> Result<Self, &'static str> {
        let mut words = words(value);
        let kind = words.next().ok_or("no media type")?;
        let ports = words.next().ok_or("no port")?;
        let transport = words.next().ok_or("no transport")?;
        if transport.first() == Some(&b'/') {
            return Err("white space before the number of ports");
        }
        let (port_text, port, count) = match bytes::port(ports) {
            Some(port) => (ports, port, 1),
            None => port_and_count(ports)?,
        };
        Ok(Media {
            kind,
            port_text,
            port,
            count,
            transport,
            text: value,
            head: value,
            connection: None,
            more_connections: Vec::new(),
            direction: None,
            rtcp: None,
            more_rtcp: Vec::new(),
            rtcp_mux: false,
            mid: None,
            ice: Ice::default(),
        })
    }

    /// The port and `/count` as written.
    pub fn ports_text(&self) -> &'a [u8] {
        let start = bytes::offset_in(self.text, self.port_text);
        let from = start.and_then(|start| self.text.get(start..)).unwrap_or_default();
        words(from).next().unwrap_or_default()
    }

    /// True for the transports that are relayed: `RTP/*`, `UDP/*`, `udp`
    /// (RFC 8866 5.14) and `udptl`, in upper or lower case.
    pub fn relayable(&self) -> bool {
        if self.transport.starts_with(b"RTP/") {
            return true;
        }
        let family = self.transport.split(|byte| *byte == b'/').next().unwrap_or_default();
        family.eq_ignore_ascii_case(b"RTP")
            || family.eq_ignore_ascii_case(b"UDP")
            || self.transport.eq_ignore_ascii_case(b"udptl")
    }

    /// True for the transports over TCP: `TCP`, `TCP/MSRP`, `TCP/TLS/BFCP`, in
    /// upper or lower case.
    pub fn is_tcp(&self) -> bool {
        let family = self.transport.split(|byte| *byte == b'/').next().unwrap_or_default();
        family.eq_ignore_ascii_case(b"TCP")
    }
}

/// Parses a port and a number of ports after a slash: `49170/2`.
fn port_and_count(text: &[u8]) -> Result<(&[u8], u16, u16), &'static str> {
    let mut parts = text.splitn(2, |byte| *byte == b'/');
    let port_text = parts.next().unwrap_or_default();
    let port = bytes::port(port_text).ok_or("a port that is not 0 to 65535")?;
    let count = match parts.next() {
        Some(count) => bytes::port(count)
            .filter(|count| *count != 0)
            .ok_or("a number of ports that is not 1 to 65535")?,
        None => 1,
    };
    Ok((port_text, port, count))
}

impl<'a> Rtcp<'a> {
    /// Parses the value of an a=rtcp attribute, which is part of `line`; `None`
    /// when it is empty. `like` as in [`Connection::parse`].
    pub(crate) fn parse(
        value: &'a [u8],
        line: &'a [u8],
        like: Option<&Connection<'a>>,
    ) -> Option<Self> {
        let port_text = words(value).next()?;
        let port = bytes::port(port_text);
        let end = bytes::offset_in(value, port_text)?.checked_add(port_text.len())?;
        let behind = bytes::trim(value.get(end..)?);
        if port.is_some() {
            if behind.is_empty() {
                return Some(Rtcp { port_text, port, connection: None });
            }
            let connection = Connection::parse(behind, line, like).filter(Connection::is_internet);
            if connection.is_some() {
                return Some(Rtcp { port_text, port, connection });
            }
        }
        let digits = port_text.split(|byte| !byte.is_ascii_digit()).next();
        let port = digits.and_then(bytes::port).filter(|port| *port != 0);
        Some(Rtcp { port_text: bytes::trim(value), port, connection: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_with_count_is_split() {
        let media = Media::parse(b"audio 40000/2 RTP/AVP 0").unwrap();
        assert_eq!(media.kind, b"audio");
        assert_eq!(media.port_text, b"40000");
        assert_eq!((media.port, media.count), (40000, 2));
        assert_eq!(media.transport, b"RTP/AVP");
    }

    #[test]
    fn media_without_format_list_is_accepted() {
        assert_eq!(Media::parse(b"audio 40000 RTP/AVP").unwrap().count, 1);
    }

    #[test]
    fn media_with_invalid_port_is_refused() {
        for value in ["audio 65536 RTP/AVP 0", "audio -1 RTP/AVP 0", "audio x RTP/AVP 0"] {
            assert_eq!(Media::parse(value.as_bytes()), Err("a port that is not 0 to 65535"));
        }
        for count in ["", "0", "x", "-1", "65536", "2/2"] {
            let value = format!("audio 4000/{count} RTP/AVP 0");
            assert_eq!(
                Media::parse(value.as_bytes()),
                Err("a number of ports that is not 1 to 65535"),
                "{count}"
            );
        }
        for apart in ["audio 4000 /2 RTP/AVP 0", "audio 4000 / 2 RTP/AVP 0", "audio 0 /RTP 0"] {
            let error = Err("white space before the number of ports");
            assert_eq!(Media::parse(apart.as_bytes()), error, "{apart}");
        }
        assert!(Media::parse(b"audio 4000").is_err());
        assert!(Media::parse(b"audio").is_err());
        assert!(Media::parse(b"").is_err());
    }

    #[test]
    fn relayable_covers_rtp_udp_and_udptl() {
        let relayable = |transport: &str| {
            Media::parse(format!("x 9 {transport} 0").as_bytes()).unwrap().relayable()
        };
        for transport in
            ["RTP/AVP", "rtp/savpf", "UDP/TLS/RTP/SAVPF", "udptl", "UDPTL", "udp", "UDP/DTLS/SCTP"]
        {
            assert!(relayable(transport), "{transport}");
        }
        for transport in ["TCP/MSRP", "TCP/RTP/AVP", "RTPX/AVP", "udptlx", "DTLS/SCTP", "PSTN"] {
            assert!(!relayable(transport), "{transport}");
        }
    }

    #[test]
    fn rtcp_with_and_without_address() {
        let plain = Rtcp::parse(b"53020", b"", None).unwrap();
        assert_eq!((plain.port, plain.connection), (Some(53020), None));
        let full = Rtcp::parse(b"53020 IN IP6 2001:db8::1", b"", None).unwrap();
        assert_eq!(full.connection.unwrap().text, b"IP6 2001:db8::1");
        assert_eq!(full.port_text, b"53020");
        assert_eq!(Rtcp::parse(b"0", b"", None).unwrap().port, Some(0));
        assert_eq!(Rtcp::parse(b" ", b"", None), None);
    }

    #[test]
    fn rtcp_that_cannot_be_read_is_replaced_whole() {
        for (value, port) in [
            ("53020 IN IP4", Some(53020)),
            ("53020 192.0.2.1", Some(53020)),
            ("53020/2 IN IP4 192.0.2.1", Some(53020)),
            ("53020 PSTN E164 1", Some(53020)),
            ("0 192.0.2.1", None),
            ("70000", None),
            ("x IN IP4 192.0.2.1", None),
            ("192.0.2.1 53020", Some(192)),
        ] {
            let padded = format!(" {value}\t");
            let rtcp = Rtcp::parse(padded.as_bytes(), b"", None).unwrap();
            assert_eq!((rtcp.port_text, rtcp.port), (value.as_bytes(), port), "{value}");
            assert_eq!(rtcp.connection, None);
        }
    }
}
