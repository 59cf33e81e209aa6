//! The proxy's own addresses and their ports.

use std::net::{IpAddr, SocketAddr};

use super::config::Config;
use super::family::{Family, Side};
use super::ids::ChannelId;
use super::ports::Ports;

/// One address of the proxy and its ports.
#[derive(Clone, Debug)]
pub(super) struct Local {
    pub(super) ip: IpAddr,
    /// The address written into SDP.
    pub(super) advertised: IpAddr,
    pub(super) ports: Ports,
}

/// The address of each family.
#[derive(Clone, Debug)]
pub(super) struct Locals {
    ipv4: Option<Local>,
    ipv6: Option<Local>,
}

impl Locals {
    /// `random` selects the first ports.
    pub(super) fn new(config: &Config, random: u64) -> Self {
        let local = |family| {
            let ipv4 = family == Family::V4;
            let (ip, advertised) = config.address(ipv4).zip(config.advertised_address(ipv4))?;
            let (first, last) = config.ports;
            Some(Local { ip, advertised, ports: Ports::new(first, last, random) })
        };
        Locals { ipv4: local(Family::V4), ipv6: local(Family::V6) }
    }

    pub(super) fn get(&self, family: Family) -> Option<&Local> {
        match family {
            Family::V4 => self.ipv4.as_ref(),
            Family::V6 => self.ipv6.as_ref(),
        }
    }

    pub(super) fn get_mut(&mut self, family: Family) -> Option<&mut Local> {
        match family {
            Family::V4 => self.ipv4.as_mut(),
            Family::V6 => self.ipv6.as_mut(),
        }
    }

    /// The media port of this proxy that an address names, by the proxy's own or
    /// its advertised address; packets to it are sent to its own address.
    pub(super) fn own_port(&self, address: SocketAddr) -> Option<SocketAddr> {
        let local = self.get(Family::of(address.ip()))?;
        let own = [local.ip, local.advertised].contains(&address.ip())
            && local.ports.is_used(address.port());
        own.then(|| SocketAddr::new(local.ip, address.port()))
    }

    /// The channel and the index there of the media port that an address names.
    pub(super) fn owner(&self, address: SocketAddr) -> Option<(ChannelId, usize)> {
        let local = self.get(Family::of(address.ip()))?;
        let own = [local.ip, local.advertised].contains(&address.ip());
        let (channel, side) = own.then(|| local.ports.owner(address.port()))??;
        let first = if side == Side::Caller { 0 } else { 2 };
        Some((channel, first + usize::from(address.port() % 2)))
    }
}
