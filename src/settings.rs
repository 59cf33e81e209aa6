//! Settings as name and value text, the way a configuration line holds them.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::address;
use crate::error::{Error, Result, Status};
use crate::nat::Networks;
use crate::relay::IceCandidate;
use crate::relay::RelayLine;
use crate::relay::line::MAX_RELAYS;

/// Whose defaults hold where a setting was not given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Profile {
    /// The SER module's of 2004.
    #[default]
    Seed,
    /// The stock modules' of Kamailio and OpenSIPS.
    Stock,
}

/// All settings. Made with the defaults of the profile `seed`; what was set
/// explicitly survives a later `profile`.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    profile: Profile,
    mediaproxy_socket: Option<PathBuf>,
    sip_asymmetrics: Option<PathBuf>,
    rtp_asymmetrics: Option<PathBuf>,
    private_networks: Option<Networks>,
    local_networks: Networks,
    relays: Vec<String>,
    relays_file: PathBuf,
    relay_timeout: Option<Duration>,
    relay_try: Option<Duration>,
    ice_candidate: IceCandidate,
    max_calls: Option<u32>,
    watch_by_polling: bool,
    loop_marker: bool,
    rewrite_origin: bool,
    proxy_socket: Option<PathBuf>,
    proxy_addresses: Vec<IpAddr>,
    proxy_advertised: Vec<IpAddr>,
    proxy_ports: Option<(u16, u16)>,
    proxy_idle_timeout: Option<Duration>,
    proxy_unanswered_timeout: Option<Duration>,
    proxy_hold_timeout: Option<Duration>,
}

/// One setting: its name, the form it accepts, and how it is taken.
struct Setting {
    name: &'static str,
    form: &'static str,
    set: fn(&mut Settings, &str) -> Option<()>,
}

/// Every setting there is.
const SETTINGS: &[Setting] = &[
    Setting {
        name: "profile",
        form: "seed or stock",
        set: |s, v| {
            s.profile = match v {
                "seed" => Profile::Seed,
                "stock" => Profile::Stock,
                _ => return None,
            };
            Some(())
        },
    },
    Setting {
        name: "mediaproxy_socket",
        form: "an absolute path of at most 107 bytes",
        set: |s, v| socket_path(v).map(|p| s.mediaproxy_socket = Some(p)),
    },
    Setting {
        name: "sip_asymmetrics",
        form: "a path; empty for no list",
        set: |s, v| {
            s.sip_asymmetrics = Some(PathBuf::from(v));
            Some(())
        },
    },
    Setting {
        name: "rtp_asymmetrics",
        form: "a path; empty for no list",
        set: |s, v| {
            s.rtp_asymmetrics = Some(PathBuf::from(v));
            Some(())
        },
    },
    Setting {
        name: "private_networks",
        form: "a list of CIDRs and of rfc1918, rfc6598, loopback, linklocal, ula",
        set: |s, v| Networks::parse(v).ok().map(|n| s.private_networks = Some(n)),
    },
    Setting {
        name: "local_networks",
        form: "a list of CIDRs and of rfc1918, rfc6598, loopback, linklocal, ula",
        set: |s, v| Networks::parse(v).ok().map(|n| s.local_networks = n),
    },
    Setting {
        name: "relay",
        form: "embedded, mediaproxy:/PATH or mediaproxy2:/PATH, then perhaps ;ipv6=yes \
               ;set=NAME ;weight=0-65535 ;priority=0-65535 ;domain=NAME",
        set: |s, v| {
            // The socket of `embedded` does not matter for the check.
            RelayLine::parse(v, Path::new("/")).ok()?;
            (s.relays.len() < MAX_RELAYS).then(|| s.relays.push(v.to_string()))
        },
    },
    Setting {
        name: "relays",
        form: "the path of a file with a relay a line; empty for none",
        set: |s, v| {
            s.relays_file = PathBuf::from(v);
            Some(())
        },
    },
    Setting {
        name: "relay_timeout",
        form: "milliseconds from 1 to 60000",
        set: |s, v| milliseconds(v).map(|d| s.relay_timeout = Some(d)),
    },
    Setting {
        name: "relay_try",
        form: "milliseconds from 1 to 60000",
        set: |s, v| milliseconds(v).map(|d| s.relay_try = Some(d)),
    },
    Setting {
        name: "ice_candidate",
        form: "none, low-priority or high-priority",
        set: |s, v| {
            s.ice_candidate = IceCandidate::parse(v)?;
            Some(())
        },
    },
    Setting {
        name: "max_calls",
        form: "a number from 16 to 16777216",
        set: |s, v| {
            let calls = crate::bytes::number(v.as_bytes())?;
            (16..=1 << 24).contains(&calls).then(|| s.max_calls = Some(calls))
        },
    },
    Setting {
        name: "watch",
        form: "notify or poll",
        set: |s, v| {
            s.watch_by_polling = match v {
                "notify" => false,
                "poll" => true,
                _ => return None,
            };
            Some(())
        },
    },
    Setting {
        name: "loop_marker",
        form: "yes or no",
        set: |s, v| yes_no(v).map(|b| s.loop_marker = b),
    },
    Setting {
        name: "rewrite_origin",
        form: "yes or no",
        set: |s, v| yes_no(v).map(|b| s.rewrite_origin = b),
    },
    Setting {
        name: "proxy_socket",
        form: "an absolute path of at most 107 bytes",
        set: |s, v| socket_path(v).map(|p| s.proxy_socket = Some(p)),
    },
    Setting {
        name: "proxy_address",
        form: "an IP address, once per family",
        set: |s, v| one_a_family(v, &mut s.proxy_addresses),
    },
    Setting {
        name: "proxy_advertised_address",
        form: "an IP address, once per family",
        set: |s, v| one_a_family(v, &mut s.proxy_advertised),
    },
    Setting {
        name: "proxy_ports",
        form: "FIRST-LAST, ports from 1024 to 65535 with room for at least one pair",
        set: |s, v| {
            let (first, last) = v.split_once('-')?;
            let first = crate::bytes::port(first.trim().as_bytes())?;
            let last = crate::bytes::port(last.trim().as_bytes())?;
            let even = first.checked_add(first % 2)?;
            (first >= 1024 && even < last).then(|| s.proxy_ports = Some((first, last)))
        },
    },
    Setting {
        name: "proxy_idle_timeout",
        form: "seconds from 1 to 86400",
        set: |s, v| seconds(v).map(|d| s.proxy_idle_timeout = Some(d)),
    },
    Setting {
        name: "proxy_unanswered_timeout",
        form: "seconds from 1 to 86400",
        set: |s, v| seconds(v).map(|d| s.proxy_unanswered_timeout = Some(d)),
    },
    Setting {
        name: "proxy_hold_timeout",
        form: "seconds from 1 to 86400",
        set: |s, v| seconds(v).map(|d| s.proxy_hold_timeout = Some(d)),
    },
];

impl Settings {
    /// The defaults of the profile `seed`.
    pub fn new() -> Self {
        Self::default()
    }

    /// The names of all settings, in the order of the manual.
    pub fn names() -> impl Iterator<Item = &'static str> {
        SETTINGS.iter().map(|setting| setting.name)
    }

    /// Sets one setting from text; white space around it does not count.
    /// `relay` adds a relay each time, every other setting replaces.
    /// `Status::Setting` for an unknown name (all names are listed) and for a
    /// bad value (the accepted form is named); nothing is changed then.
    pub fn set(&mut self, name: &str, value: &str) -> Result<()> {
        let name = name.trim();
        let value = value.trim();
        let Some(setting) = SETTINGS.iter().find(|setting| setting.name == name) else {
            let names: Vec<_> = Self::names().collect();
            return Err(Error::new(
                Status::Setting,
                format!("no setting is called \"{name}\"; there are: {}", names.join(", ")),
            ));
        };
        (setting.set)(self, value).ok_or_else(|| {
            Error::new(
                Status::Setting,
                format!("{name} = \"{value}\" is not accepted; give {}", setting.form),
            )
        })
    }

    fn stock(&self) -> bool {
        self.profile == Profile::Stock
    }

    /// The Unix socket of a MediaProxy dispatcher, used when no relay is set.
    pub fn mediaproxy_socket(&self) -> PathBuf {
        self.mediaproxy_socket.clone().unwrap_or_else(|| {
            PathBuf::from(if self.stock() {
                "/run/mediaproxy/dispatcher.sock"
            } else {
                "/var/run/proxydispatcher.sock"
            })
        })
    }

    /// The list of SIP-asymmetric clients; empty for none.
    pub fn sip_asymmetrics(&self) -> PathBuf {
        let default = "sip-asymmetrics-clients";
        self.sip_asymmetrics.clone().unwrap_or_else(|| self.list_directory().join(default))
    }

    /// The list of RTP-asymmetric clients; empty for none.
    pub fn rtp_asymmetrics(&self) -> PathBuf {
        let default = "rtp-asymmetrics-clients";
        self.rtp_asymmetrics.clone().unwrap_or_else(|| self.list_directory().join(default))
    }

    fn list_directory(&self) -> PathBuf {
        PathBuf::from(if self.stock() { "/etc/kamailio" } else { "/etc/ser" })
    }

    /// What counts as private.
    pub fn private_networks(&self) -> Networks {
        self.private_networks.clone().unwrap_or_else(|| {
            if self.stock() {
                Networks::parse("rfc1918,rfc6598,192.0.0.0/29").unwrap_or_default()
            } else {
                Networks::rfc1918()
            }
        })
    }

    /// Sources that are never found NATed.
    pub fn local_networks(&self) -> &Networks {
        &self.local_networks
    }

    /// The relays of the setting `relay`; where neither that nor `relays` was
    /// set, the dispatcher on `mediaproxy_socket`. `embedded` listens at
    /// `own_socket`.
    pub fn relays(&self, own_socket: &Path) -> Result<Vec<RelayLine>> {
        if self.relays.is_empty() && self.relays_file.as_os_str().is_empty() {
            let default = format!("mediaproxy:{}", self.mediaproxy_socket().display());
            return Ok(vec![RelayLine::parse(&default, own_socket)?]);
        }
        self.relays.iter().map(|text| RelayLine::parse(text, own_socket)).collect()
    }

    /// The file of more relays, read again when it changes; empty for none.
    pub fn relays_file(&self) -> &Path {
        &self.relays_file
    }

    /// The time for one message, failovers included (400 ms, or `relay_try`
    /// where that is longer).
    pub fn relay_timeout(&self) -> Duration {
        let default = Duration::from_millis(400);
        self.relay_timeout.unwrap_or_else(|| default.max(self.relay_try.unwrap_or_default()))
    }

    /// The time for one relay, where it was set; else see
    /// [`crate::relay::request::Times`].
    pub fn relay_try(&self) -> Option<Duration> {
        self.relay_try
    }

    /// Relay candidates for ICE streams.
    pub fn ice_candidate(&self) -> IceCandidate {
        self.ice_candidate
    }

    /// How many calls the shared call table holds (65,536).
    pub fn max_calls(&self) -> u32 {
        self.max_calls.unwrap_or(65_536)
    }

    /// Changes of files are found by comparing alone; else the kernel is asked
    /// to tell of them too.
    pub fn watch_by_polling(&self) -> bool {
        self.watch_by_polling
    }

    /// Write and honour a=nortpproxy:yes.
    pub fn loop_marker(&self) -> bool {
        self.loop_marker
    }

    /// Replace the address in o= too.
    pub fn rewrite_origin(&self) -> bool {
        self.rewrite_origin
    }

    /// Where the built-in proxy listens: as set, else
    /// [`crate::proxy::default_socket`] of this process.
    pub fn proxy_socket(&self) -> PathBuf {
        self.proxy_socket.clone().unwrap_or_else(crate::proxy::default_socket)
    }

    /// How the built-in proxy is set up. `Status::Setting` when
    /// `proxy_address` was not set.
    pub fn proxy(&self) -> Result<crate::proxy::Config> {
        if self.proxy_addresses.is_empty() {
            return Err(Error::new(
                Status::Setting,
                "proxy_address is not set; give the public address media is received on",
            ));
        }
        let ports = self.proxy_ports.unwrap_or((35_000, 64_999));
        let mut config =
            crate::proxy::Config::new(self.proxy_socket(), self.proxy_addresses.clone(), ports);
        config.advertised.clone_from(&self.proxy_advertised);
        config.idle_timeout = self.proxy_idle_timeout.unwrap_or(config.idle_timeout);
        config.unanswered_timeout =
            self.proxy_unanswered_timeout.unwrap_or(config.unanswered_timeout);
        config.hold_timeout = self.proxy_hold_timeout.unwrap_or(config.hold_timeout);
        Ok(config)
    }
}

fn socket_path(text: &str) -> Option<PathBuf> {
    (text.starts_with('/') && text.len() <= 107).then(|| PathBuf::from(text))
}

/// Adds an address phones can send to, in place of one of its family.
fn one_a_family(text: &str, addresses: &mut Vec<IpAddr>) -> Option<()> {
    let ip = address::parse_ip(text.as_bytes())?;
    if ip.is_unspecified() || ip.is_multicast() {
        return None;
    }
    addresses.retain(|old| old.is_ipv4() != ip.is_ipv4());
    addresses.push(ip);
    Some(())
}

fn yes_no(text: &str) -> Option<bool> {
    match text {
        "yes" | "1" | "on" => Some(true),
        "no" | "0" | "off" => Some(false),
        _ => None,
    }
}

fn bounded(text: &str, most: u32) -> Option<u64> {
    crate::bytes::number(text.as_bytes()).filter(|n| (1..=most).contains(n)).map(u64::from)
}

fn milliseconds(text: &str) -> Option<Duration> {
    bounded(text, 60_000).map(Duration::from_millis)
}

fn seconds(text: &str) -> Option<Duration> {
    bounded(text, 86_400).map(Duration::from_secs)
}

mod validate;

#[cfg(test)]
mod tests;
