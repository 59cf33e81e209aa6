//! The little SIP and SDP a phone needs, as text. On purpose no line of the
//! library is used here: the phones judge what the library made.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// A message as a phone reads it.
#[derive(Clone, Debug)]
pub(crate) struct Sip {
    /// The first line.
    pub(crate) start: String,
    headers: Vec<(String, String)>,
    /// Everything after the empty line.
    pub(crate) body: String,
}

impl Sip {
    /// Reads a message; `None` when it is no text or has no end of headers.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Sip> {
        let text = std::str::from_utf8(bytes).ok()?;
        let (head, body) = text.split_once("\r\n\r\n")?;
        let mut lines = head.split("\r\n");
        let start = lines.next()?.to_string();
        let headers = lines
            .map(|line| line.split_once(':'))
            .map(|pair| pair.map(|(name, value)| (name.to_string(), value.trim().to_string())))
            .collect::<Option<Vec<_>>>()?;
        Some(Sip { start, headers, body: body.to_string() })
    }

    /// All values of a header, in order.
    pub(crate) fn all<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'s str> {
        self.headers
            .iter()
            .filter(move |(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The first value of a header; empty when there is none.
    pub(crate) fn first(&self, name: &str) -> &str {
        self.headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map_or("", |(_, value)| value)
    }

    /// The status of a reply.
    pub(crate) fn status(&self) -> Option<u16> {
        self.start.strip_prefix("SIP/2.0 ")?.split(' ').next()?.parse().ok()
    }

    /// What it is, in a word or two: `INVITE`, `200 OK`.
    pub(crate) fn title(&self) -> String {
        match self.start.strip_prefix("SIP/2.0 ") {
            Some(reply) => reply.to_string(),
            None => self.start.split(' ').next().unwrap_or_default().to_string(),
        }
    }

    /// The title, with a word about the description it carries.
    pub(crate) fn label(&self) -> String {
        let direction = ["sendonly", "recvonly", "inactive"]
            .into_iter()
            .find(|direction| self.body.contains(&format!("a={direction}\r\n")));
        match (self.body.is_empty(), direction) {
            (true, _) => self.title(),
            (false, None) => format!("{} (SDP)", self.title()),
            (false, Some(direction)) => format!("{} ({direction})", self.title()),
        }
    }
}

/// The URI between angle brackets.
pub(crate) fn uri_of(value: &str) -> &str {
    value.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map_or(value, |(uri, _)| uri)
}

/// The address and port of `sip:user@192.0.2.1:5060;...`.
pub(crate) fn address_of(uri: &str) -> Option<SocketAddr> {
    let host = uri.split_once('@').map_or(uri, |(_, host)| host);
    host.split(';').next()?.parse().ok()
}

/// The tag of a From or To value.
pub(crate) fn tag_of(value: &str) -> &str {
    value.split_once(";tag=").map_or("", |(_, rest)| rest.split(';').next().unwrap_or_default())
}

/// Where a phone is told to send its media.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MediaAddress {
    /// For RTP: c= and m=.
    pub(crate) rtp: SocketAddr,
    /// For RTCP: a=rtcp, else one port above.
    pub(crate) rtcp: SocketAddr,
}

/// The description a phone sends: one G.711 stream at `address`.
pub(crate) fn describe(address: Ipv4Addr, port: u16, version: u32, direction: &str) -> String {
    let rtcp = port + 1;
    format!(
        "v=0\r\n\
         o=- 3724394400 {version} IN IP4 {address}\r\n\
         s=-\r\n\
         c=IN IP4 {address}\r\n\
         t=0 0\r\n\
         m=audio {port} RTP/AVP 0 101\r\n\
         a=rtpmap:0 PCMU/8000\r\n\
         a=rtpmap:101 telephone-event/8000\r\n\
         a=ptime:20\r\n\
         a=rtcp:{rtcp}\r\n\
         a={direction}\r\n"
    )
}

/// Where the first stream of a description is to be sent.
pub(crate) fn media_address(sdp: &str) -> Option<MediaAddress> {
    let value = |start: &str| sdp.lines().find_map(|line| line.strip_prefix(start));
    let ip: IpAddr = value("c=IN IP4 ")?.parse().ok()?;
    let port: u16 = value("m=audio ")?.split(' ').next()?.parse().ok()?;
    let rtcp = match value("a=rtcp:") {
        Some(rtcp) => rtcp.split(' ').next()?.parse().ok()?,
        None => port.checked_add(1)?,
    };
    Some(MediaAddress { rtp: SocketAddr::new(ip, port), rtcp: SocketAddr::new(ip, rtcp) })
}
