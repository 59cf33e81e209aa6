//! What signalling says of one side of a stream, and the settings that decide
//! about its packets.

use std::net::{IpAddr, SocketAddr};

use super::config::LearnFrom;
use crate::nat::Networks;

/// Milliseconds of the server's monotonic clock.
pub(super) type Millis = u64;

/// The settings that all sides share.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    /// The silence after which an expected address replaces the learned one.
    pub(super) rebinding: Millis,
    pub(super) learn_from: LearnFrom,
    /// Packets may be sent to loopback addresses, since the proxy's own address
    /// is one.
    pub(super) loopback: bool,
    /// SDP addresses that packets are sent to before one came from there, although
    /// they are private and not the source of signalling.
    pub(super) trusted: Networks,
}

impl Rules {
    /// True when packets may be received from and sent to an address.
    pub(super) fn usable(&self, address: SocketAddr) -> bool {
        let ip = address.ip();
        address.port() != 0
            && !ip.is_unspecified()
            && !ip.is_multicast()
            && !matches!(ip, IpAddr::V4(ip) if ip.is_broadcast())
            && (self.loopback || !ip.is_loopback())
    }
}

/// The addresses of one side of a stream, from SIP and SDP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Expectation {
    /// The source address of its SIP messages.
    pub(super) signaling: IpAddr,
    /// The address in its SDP, unless that is a host name.
    pub(super) sdp_address: Option<IpAddr>,
    /// The port in its SDP.
    pub(super) port: u16,
    /// The side receives on the port of its SDP, whichever port it sends from.
    pub(super) asymmetric: bool,
}

impl Expectation {
    /// True when packets of this side may come from `ip`.
    pub(super) fn includes(&self, ip: IpAddr) -> bool {
        ip == self.signaling || self.sdp_address == Some(ip)
    }

    /// The SDP address and port.
    pub(super) fn sdp(&self) -> Option<SocketAddr> {
        self.sdp_address.map(|ip| SocketAddr::new(ip, self.port))
    }

    /// The SDP address, if it can be used before a packet came from it: a private
    /// address other than the source of signalling is behind a NAT, or belongs
    /// to another host.
    pub(super) fn plausible(&self, rules: &Rules) -> Option<IpAddr> {
        self.sdp_address
            .filter(|ip| *ip == self.signaling || is_public(*ip) || rules.trusted.contains(*ip))
    }

    /// The SDP address, if nothing is sent to it before a packet came, and the
    /// reason is probably no NAT: the side will never send, or its signalling
    /// comes from another private address.
    pub(super) fn waits_for_packet(&self, receive_only: bool, rules: &Rules) -> Option<SocketAddr> {
        let waits = !self.asymmetric
            && self.plausible(rules).is_none()
            && (receive_only || !is_public(self.signaling));
        self.sdp().filter(|address| waits && !address.ip().is_unspecified())
    }
}

/// The change by a new SDP, for a side whose address may be learned already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// The SDP is the same as before.
    Refresh,
    /// Hold or resume: the address is learned again; until then packets go to
    /// the old one.
    Reopen,
    /// Another address: the learned one is discarded.
    Replace,
}

/// True for an address of the public Internet.
fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            let shared = a == 100 && b & 0xc0 == 64;
            !(ip.is_private()
                || shared
                || ip.is_loopback()
                || ip.is_link_local()
                || ip.is_unspecified()
                || ip.is_broadcast()
                || ip.is_multicast())
        }
        IpAddr::V6(ip) => {
            !(ip.is_loopback()
                || ip.is_unspecified()
                || ip.is_multicast()
                || ip.is_unique_local()
                || ip.is_unicast_link_local())
        }
    }
}
