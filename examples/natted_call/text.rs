//! The SDP a phone needs, as text. On purpose no line of the library is used
//! here, nor in the SIP of the test kit: the phones judge what the library made.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

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
