//! The configuration of a proxy, and its log hook.

use std::fmt;
use std::net::{IpAddr, UdpSocket};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::refusal::Refusal;
use super::summary::SessionEnd;
use super::warning::Warning;
use crate::error::{Error, Result, Status};
use crate::nat::Networks;

/// The configuration of a proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The Unix socket on which control requests are received.
    pub socket: PathBuf,
    /// The addresses media is received on and that are written into SDP: at
    /// most one IPv4 and one IPv6 address.
    pub addresses: Vec<IpAddr>,
    /// The addresses written into SDP instead, when a NAT forwards them to the
    /// address of the same family; at most one of each family.
    pub advertised: Vec<IpAddr>,
    /// First and last UDP port for media (see [`Config::PORTS`]).
    pub ports: (u16, u16),
    /// An answered session without media ends after this, counted from the
    /// answer or the last packet.
    pub idle_timeout: Duration,
    /// An unanswered session ends after this.
    pub unanswered_timeout: Duration,
    /// A session on hold ends after this without media.
    pub hold_timeout: Duration,
    /// After this much silence (3 s) an expected address replaces the learned
    /// one, also with another port: the NAT has made a new binding.
    pub rebinding_timeout: Duration,
    /// From which sources an address may be learned.
    pub learn_from: LearnFrom,
    /// An SDP address in these networks is sent to before a packet came from there,
    /// although it is private and not the source of signalling: for recorders and
    /// media servers that only receive.
    pub trusted: Networks,
    /// The most sessions at one time; further ones are refused.
    pub max_sessions: usize,
    /// Receives the log records, on the serving thread.
    pub log: Option<Log>,
}

impl Config {
    /// The default of the setting `proxy_ports`.
    pub const PORTS: (u16, u16) = (35_000, 64_999);
    /// The default of [`Config::idle_timeout`].
    pub const IDLE_TIMEOUT: Duration = Duration::from_secs(90);
    /// The default of [`Config::unanswered_timeout`].
    pub const UNANSWERED_TIMEOUT: Duration = Duration::from_secs(300);
    /// The default of [`Config::hold_timeout`].
    pub const HOLD_TIMEOUT: Duration = Duration::from_secs(7_200);
    /// The default of [`Config::max_sessions`].
    pub const MAX_SESSIONS: usize = 10_000;

    /// A configuration with the default timeouts and limits.
    pub fn new(socket: impl Into<PathBuf>, addresses: Vec<IpAddr>, ports: (u16, u16)) -> Self {
        Config {
            socket: socket.into(),
            addresses,
            advertised: Vec::new(),
            ports,
            idle_timeout: Config::IDLE_TIMEOUT,
            unanswered_timeout: Config::UNANSWERED_TIMEOUT,
            hold_timeout: Config::HOLD_TIMEOUT,
            rebinding_timeout: Duration::from_secs(3),
            learn_from: LearnFrom::Signaled,
            trusted: Networks::default(),
            max_sessions: Config::MAX_SESSIONS,
            log: None,
        }
    }

    /// The address of a family media is received on.
    pub(super) fn address(&self, ipv4: bool) -> Option<IpAddr> {
        self.addresses.iter().copied().find(|ip| ip.is_ipv4() == ipv4)
    }

    /// The address of a family that is written into SDP.
    pub(super) fn advertised_address(&self, ipv4: bool) -> Option<IpAddr> {
        let advertised = self.advertised.iter().copied().find(|ip| ip.is_ipv4() == ipv4);
        self.address(ipv4).map(|local| advertised.unwrap_or(local))
    }

    /// Tries that media can be received on the addresses.
    ///
    /// # Errors
    /// `Status::System`, naming the address: it is not one of this host, or the
    /// host has no IPv6.
    pub fn try_addresses(&self) -> Result<()> {
        self.addresses.iter().try_for_each(|&ip| match UdpSocket::bind((ip, 0)) {
            Ok(_) => Ok(()),
            Err(error) => Err(Error::system(format!("proxy_address {ip}"), &error)),
        })
    }

    /// Checks that a proxy can work with this configuration. [`super::Proxy::bind`]
    /// calls it.
    ///
    /// # Errors
    /// `Status::Setting`: the text says what cannot work.
    pub fn validate(&self) -> Result<()> {
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

/// From which sources the address of a side may be learned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LearnFrom {
    /// Only from the address the side's SIP messages come from and from the
    /// address in its SDP.
    #[default]
    Signaled,
    /// From any source, when neither of those has sent a packet within 500 ms
    /// of the SDP; the first packet from one of those takes over. For phones
    /// behind another SIP server that hides their addresses. A third party that
    /// guesses a port in time can take part in a call.
    Any,
}

/// A record that a proxy writes to its [`Log`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogRecord {
    /// A session ended.
    Ended(SessionEnd),
    /// A request was answered with `error`.
    Refused {
        /// The Call-ID; empty when the request is malformed.
        call_id: Vec<u8>,
        /// Why it was refused.
        refusal: Refusal,
    },
    /// A side of a session is sent nothing.
    Warning {
        /// The Call-ID.
        call_id: Vec<u8>,
        /// Why.
        warning: Warning,
    },
}

/// A function that is called for each session that ends, each request that is
/// refused and each warning. It runs on the serving thread and must not block.
#[derive(Clone)]
pub struct Log(Arc<dyn Fn(&LogRecord) + Send + Sync>);

impl Log {
    /// Wraps a function.
    pub fn new(function: impl Fn(&LogRecord) + Send + Sync + 'static) -> Self {
        Log(Arc::new(function))
    }

    pub(super) fn write(&self, record: &LogRecord) {
        (self.0)(record)
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
    fn addresses_one_of_each_family_are_accepted() {
        assert!(check(&["192.0.2.1", "2001:db8::1"], Config::PORTS).is_ok());
        assert!(check(&["192.0.2.1"], (4_000, 4_001)).is_ok());
    }

    #[test]
    fn address_of_another_host_is_found_by_trial() {
        let config = |ip: &str| Config::new("/nowhere", vec![ip.parse().unwrap()], Config::PORTS);
        assert!(config("127.0.0.1").try_addresses().is_ok());
        let error = config("192.0.2.1").try_addresses().unwrap_err();
        assert!(error.text().contains("proxy_address 192.0.2.1"), "{error}");
    }

    #[test]
    fn advertised_address_needs_an_address_of_its_family() {
        let advertising = |address: &str, advertised: &[&str]| {
            let ips = |texts: &[&str]| texts.iter().filter_map(|ip| ip.parse().ok()).collect();
            let mut config = Config::new("/nowhere", ips(&[address]), Config::PORTS);
            config.advertised = ips(advertised);
            config
        };
        let config = advertising("10.0.0.1", &["203.0.113.7"]);
        assert!(config.validate().is_ok());
        assert_eq!(config.advertised_address(true), "203.0.113.7".parse().ok());
        assert_eq!(config.advertised_address(false), None);
        assert_eq!(advertising("10.0.0.1", &[]).advertised_address(true), "10.0.0.1".parse().ok());
        assert!(advertising("10.0.0.1", &["2001:db8::1"]).validate().is_err());
        assert!(advertising("10.0.0.1", &["0.0.0.0"]).validate().is_err());
        assert!(advertising("10.0.0.1", &["203.0.113.7", "203.0.113.8"]).validate().is_err());
    }

    #[test]
    fn addresses_and_ports_that_cannot_work_are_refused() {
        assert!(check(&[], Config::PORTS).is_err());
        assert!(check(&["192.0.2.1", "192.0.2.2"], Config::PORTS).is_err());
        assert!(check(&["0.0.0.0"], Config::PORTS).is_err());
        assert!(check(&["192.0.2.1"], (4_000, 4_000)).is_err());
        assert!(check(&["192.0.2.1"], (4_001, 4_002)).is_err());
        assert!(check(&["192.0.2.1"], (0, 4_002)).is_err());
        assert!(check(&["192.0.2.1"], (65_535, 65_535)).is_err());
    }
}
