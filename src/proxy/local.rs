//! The proxy's own addresses and their ports.

use std::net::{IpAddr, SocketAddr};

use super::config::Config;
use super::family::{Family, Side};
use super::media_ports::ChannelId;
use super::ports::Ports;

/// One address of the proxy and its ports.
#[derive(Debug)]
pub(super) struct Local {
    pub(super) ip: IpAddr,
    /// The address written into SDP.
    pub(super) advertised: IpAddr,
    pub(super) ports: Ports,
}

/// The address of each family.
#[derive(Debug)]
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

    /// True for a media port of this proxy, by its own or its advertised address.
    pub(super) fn is_own(&self, address: SocketAddr) -> bool {
        self.get(Family::of(address.ip())).is_some_and(|local| {
            [local.ip, local.advertised].contains(&address.ip())
                && local.ports.is_used(address.port())
        })
    }

    /// The channel and the side that a media port of this proxy serves.
    pub(super) fn owner(&self, address: SocketAddr) -> Option<(ChannelId, Side)> {
        let local = self.get(Family::of(address.ip()))?;
        let own = [local.ip, local.advertised].contains(&address.ip());
        own.then(|| local.ports.owner(address.port()))?
    }
}
