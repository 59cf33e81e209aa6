//! How a proxy is set up.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::refusal::Refusal;
use super::summary::SessionEnd;
use crate::error::{Error, Result, Status};

/// How a proxy is set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The Unix socket it listens on for control.
    pub socket: PathBuf,
    /// The addresses media is received on and that go into descriptions: at
    /// most one IPv4 and one IPv6 address.
    pub addresses: Vec<IpAddr>,
    /// What goes into descriptions instead, where a NAT forwards from there to
    /// the address of the same family; at most one of each.
    pub advertised: Vec<IpAddr>,
    /// First and last UDP port handed out.
    pub ports: (u16, u16),
    /// An answered session without media ends after this (90 s), counted from
    /// the answer or the last packet.
    pub idle_timeout: Duration,
    /// An unanswered one after this (300 s).
    pub unanswered_timeout: Duration,
    /// One on hold after this (7,200 s).
    pub hold_timeout: Duration,
    /// After this much silence (3 s) an expected address may take over from
    /// the learned one with a new port: a NAT has bound anew.
    pub rebinding_timeout: Duration,
    /// Whose packets are learned from.
    pub learn_from: LearnFrom,
    /// More sessions than this are refused (10,000).
    pub max_sessions: usize,
    /// Told what an operator wants to know, on the serving thread.
    pub log: Option<Log>,
}

impl Config {
    /// A configuration with the default timeouts and bounds.
    pub fn new(socket: impl Into<PathBuf>, addresses: Vec<IpAddr>, ports: (u16, u16)) -> Self {
        Config {
            socket: socket.into(),
            addresses,
            advertised: Vec::new(),
            ports,
            idle_timeout: Duration::from_secs(90),
            unanswered_timeout: Duration::from_secs(300),
            hold_timeout: Duration::from_secs(7_200),
            rebinding_timeout: Duration::from_secs(3),
            learn_from: LearnFrom::Signaled,
            max_sessions: 10_000,
            log: None,
        }
    }

    /// The address of a family media is received on.
    pub(super) fn address(&self, ipv4: bool) -> Option<IpAddr> {
        self.addresses.iter().copied().find(|ip| ip.is_ipv4() == ipv4)
    }

    /// The address of a family that phones are told.
    pub(super) fn told(&self, ipv4: bool) -> Option<IpAddr> {
        let advertised = self.advertised.iter().copied().find(|ip| ip.is_ipv4() == ipv4);
        self.address(ipv4).map(|own| advertised.unwrap_or(own))
    }

    /// Whether a proxy can be made from this.
    pub(super) fn validate(&self) -> Result<()> {
        let bad = |text: String| Err(Error::new(Status::Setting, text));
        if self.addresses.is_empty() {
            return bad("proxy address: at least one IP address is needed".into());
        }
        for family in [IpAddr::is_ipv4, IpAddr::is_ipv6] {
            let several = |ips: &[IpAddr]| ips.iter().filter(|ip| family(ip)).count() > 1;
            if several(&self.addresses) || several(&self.advertised) {
                return bad("proxy address: at most one IPv4 and one IPv6 address".into());
            }
        }
        let both = || self.addresses.iter().chain(&self.advertised);
        if let Some(ip) = both().find(|ip| ip.is_unspecified() || ip.is_multicast()) {
            return bad(format!("proxy address {ip}: phones cannot send to it"));
        }
        if let Some(ip) = self.advertised.iter().find(|ip| self.address(ip.is_ipv4()).is_none()) {
            return bad(format!("advertised address {ip}: no proxy address of its family"));
        }
        let (first, last) = self.ports;
        let even = first.checked_add(first % 2);
        if first == 0 || even.is_none_or(|rtp| rtp >= last) {
            return bad(format!("proxy ports {first}-{last}: no even port with its odd successor"));
        }
        Ok(())
    }
}

/// Whose packets a side of a session is learned from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LearnFrom {
    /// Only from the address the side's signalling came from and from the
    /// address in its session description.
    #[default]
    Signaled,
    /// From anybody, when none of those has sent within 500 ms of its
    /// description; the first packet from one of those takes over. For sides
    /// behind another SIP server that hides where they are. It lets a third
    /// party that guesses a port in time take part in a call.
    Any,
}

/// What a proxy tells its [`Log`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A session ended.
    Ended(SessionEnd),
    /// A request was answered with `error`.
    Refused {
        /// Whose call; empty when the request cannot be read.
        call_id: Vec<u8>,
        /// Why.
        refusal: Refusal,
    },
}

/// A function that is told about each session that ends and each request that
/// is refused. It runs on the serving thread: it must be quick.
#[derive(Clone)]
pub struct Log(Arc<dyn Fn(&Notice) + Send + Sync>);

impl Log {
    /// Wraps a function.
    pub fn new(function: impl Fn(&Notice) + Send + Sync + 'static) -> Self {
        Log(Arc::new(function))
    }

    pub(super) fn tell(&self, notice: &Notice) {
        (self.0)(notice)
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Log")
    }
}

impl PartialEq for Log {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Log {}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(addresses: &[&str], ports: (u16, u16)) -> Result<()> {
        let addresses = addresses.iter().filter_map(|ip| ip.parse().ok()).collect();
        Config::new("/nowhere", addresses, ports).validate()
    }

    #[test]
    fn one_address_of_each_family_is_fine() {
        assert!(check(&["192.0.2.1", "2001:db8::1"], (35_000, 64_999)).is_ok());
        assert!(check(&["192.0.2.1"], (4_000, 4_001)).is_ok());
    }

    #[test]
    fn what_is_advertised_needs_an_address_to_forward_to() {
        let advertising = |address: &str, advertised: &[&str]| {
            let ips = |texts: &[&str]| texts.iter().filter_map(|ip| ip.parse().ok()).collect();
            let mut config = Config::new("/nowhere", ips(&[address]), (35_000, 64_999));
            config.advertised = ips(advertised);
            config
        };
        let config = advertising("10.0.0.1", &["203.0.113.7"]);
        assert!(config.validate().is_ok());
        assert_eq!(config.told(true), "203.0.113.7".parse().ok());
        assert_eq!(config.told(false), None);
        assert_eq!(advertising("10.0.0.1", &[]).told(true), "10.0.0.1".parse().ok());
        assert!(advertising("10.0.0.1", &["2001:db8::1"]).validate().is_err());
        assert!(advertising("10.0.0.1", &["0.0.0.0"]).validate().is_err());
        assert!(advertising("10.0.0.1", &["203.0.113.7", "203.0.113.8"]).validate().is_err());
    }

    #[test]
    fn settings_that_cannot_work_are_refused() {
        assert!(check(&[], (35_000, 64_999)).is_err());
        assert!(check(&["192.0.2.1", "192.0.2.2"], (35_000, 64_999)).is_err());
        assert!(check(&["0.0.0.0"], (35_000, 64_999)).is_err());
        assert!(check(&["192.0.2.1"], (4_000, 4_000)).is_err());
        assert!(check(&["192.0.2.1"], (4_001, 4_002)).is_err());
        assert!(check(&["192.0.2.1"], (0, 4_002)).is_err());
        assert!(check(&["192.0.2.1"], (65_535, 65_535)).is_err());
    }
}
