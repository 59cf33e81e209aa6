//! The values of settings, and the forms in which they are written.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use crate::nat::Networks;
use crate::proxy::LearnFrom;
use crate::relay::IceCandidate;
use crate::{address, bytes};

/// The values of all settings: as given, or the default.
#[derive(Clone, Debug, Default)]
pub(super) struct Values {
    pub(super) is_stock: bool,
    pub(super) config_directory: PathBuf,
    pub(super) mediaproxy_socket: PathBuf,
    pub(super) sip_asymmetrics: PathBuf,
    pub(super) rtp_asymmetrics: PathBuf,
    pub(super) private_networks: NetworkList,
    pub(super) local_networks: NetworkList,
    pub(super) relays: Vec<String>,
    pub(super) relays_file: PathBuf,
    pub(super) relay_timeout: u32,
    pub(super) relay_try: Option<u32>,
    pub(super) ice_candidate: IceCandidate,
    pub(super) max_calls: u32,
    pub(super) watch_by_polling: bool,
    pub(super) loop_marker: bool,
    pub(super) rewrite_origin: bool,
    pub(super) proxy_socket: Option<PathBuf>,
    pub(super) proxy_addresses: Vec<IpAddr>,
    pub(super) proxy_advertised: Vec<IpAddr>,
    pub(super) proxy_ports: (u16, u16),
    pub(super) proxy_learn_from: LearnFrom,
    pub(super) trusted_media_networks: NetworkList,
    pub(super) proxy_max_sessions: u32,
    pub(super) proxy_idle_timeout: u32,
    pub(super) proxy_unanswered_timeout: u32,
    pub(super) proxy_hold_timeout: u32,
}

impl Values {
    /// A file of the server's configuration: relative to `config_directory`.
    /// Empty stays empty.
    pub(super) fn file(&self, path: &Path) -> PathBuf {
        if path.as_os_str().is_empty() { PathBuf::new() } else { self.config_directory.join(path) }
    }

    /// The relays of the setting `relay`, one a line; the dispatcher on
    /// `mediaproxy_socket` where neither that nor `relays` was given.
    pub(super) fn relay_texts(&self) -> String {
        if self.relays.is_empty() && self.relays_file.as_os_str().is_empty() {
            return format!("mediaproxy:{}", self.mediaproxy_socket.display());
        }
        self.relays.join("\n")
    }

    /// At least the time for one relay.
    pub(super) fn relay_timeout(&self) -> u32 {
        self.relay_timeout.max(self.relay_try.unwrap_or_default())
    }

    pub(super) fn proxy_socket(&self) -> PathBuf {
        self.proxy_socket.clone().unwrap_or_else(crate::proxy::default_socket)
    }
}

/// A list of networks, and the text it was read from.
#[derive(Clone, Debug, Default)]
pub(super) struct NetworkList {
    pub(super) text: String,
    pub(super) networks: Networks,
}

/// The form in which a setting is written, and the place of its value.
#[derive(Debug)]
pub(super) enum Form {
    /// One of a few words.
    Word {
        words: &'static [&'static str],
        set: fn(&mut Values, &str),
        get: fn(&Values) -> &'static str,
    },
    /// `yes` or `no`.
    YesNo { set: fn(&mut Values, bool), get: fn(&Values) -> bool },
    /// A whole number. `get` has none where nothing was set and the default
    /// depends on the relay.
    Number {
        unit: &'static str,
        range: RangeInclusive<u32>,
        set: fn(&mut Values, u32),
        get: fn(&Values) -> Option<u32>,
    },
    /// The path of a Unix socket.
    Socket { set: fn(&mut Values, PathBuf), get: fn(&Values) -> PathBuf },
    /// The path of a file or directory.
    Path { form: &'static str, set: fn(&mut Values, PathBuf), get: fn(&Values) -> PathBuf },
    /// A list of networks.
    Networks { set: fn(&mut Values, NetworkList), get: fn(&Values) -> &NetworkList },
    /// An IP address of each family: setting one replaces that of its family.
    Addresses { field: fn(&mut Values) -> &mut Vec<IpAddr>, get: fn(&Values) -> &[IpAddr] },
    /// A range of UDP ports.
    Ports { set: fn(&mut Values, (u16, u16)), get: fn(&Values) -> (u16, u16) },
    /// Anything else. `get` writes each value on a line of its own.
    Text {
        form: &'static str,
        set: fn(&mut Values, &str) -> Option<()>,
        get: fn(&Values) -> String,
    },
}

/// The longest path that a Unix socket can have, in bytes (sun_path in unix(7)
/// holds 108, with the NUL).
const MAX_SOCKET_PATH: usize = 107;

impl Form {
    /// The accepted values in words, for the manual and for errors.
    pub(super) fn accepted(&self) -> String {
        match self {
            Form::Word { words, .. } => match words.split_last() {
                Some((last, [])) => (*last).into(),
                Some((last, others)) => format!("{} or {last}", others.join(", ")),
                None => String::new(),
            },
            Form::YesNo { .. } => "yes or no".into(),
            Form::Number { unit, range, .. } => {
                format!("{unit} from {} to {}", range.start(), range.end())
            }
            Form::Socket { .. } => format!("an absolute path of at most {MAX_SOCKET_PATH} bytes"),
            Form::Networks { .. } => {
                "a list of CIDRs and of rfc1918, rfc6598, loopback, linklocal, ula".into()
            }
            Form::Addresses { .. } => "an IP address, once per family".into(),
            Form::Ports { .. } => {
                "FIRST-LAST, ports from 1024 to 65535 with room for at least one pair".into()
            }
            Form::Path { form, .. } | Form::Text { form, .. } => (*form).into(),
        }
    }

    /// Stores a value. `None` where it is not accepted: nothing is changed then.
    pub(super) fn set(&self, values: &mut Values, text: &str) -> Option<()> {
        // No path holds a NUL, and values are written one a line.
        let is_kept_as_text =
            matches!(self, Form::Socket { .. } | Form::Path { .. } | Form::Text { .. });
        if is_kept_as_text && text.contains(char::is_control) {
            return None;
        }
        match self {
            Form::Word { words, set, .. } => words
                .iter()
                .find(|word| word.eq_ignore_ascii_case(text))
                .map(|word| set(values, word)),
            Form::YesNo { set, .. } => yes_no(text).map(|is_on| set(values, is_on)),
            Form::Number { range, set, .. } => bytes::number(text.as_bytes())
                .filter(|number| range.contains(number))
                .map(|number| set(values, number)),
            Form::Socket { set, .. } => (text.starts_with('/') && text.len() <= MAX_SOCKET_PATH)
                .then(|| set(values, PathBuf::from(text))),
            Form::Path { set, .. } => {
                set(values, PathBuf::from(text));
                Some(())
            }
            Form::Networks { set, .. } => Networks::parse(text)
                .ok()
                .map(|networks| set(values, NetworkList { text: text.into(), networks })),
            Form::Addresses { field, .. } => {
                let address = unicast(text);
                address.map(|address| replace_in_family(field(values), address))
            }
            Form::Ports { set, .. } => ports(text).map(|range| set(values, range)),
            Form::Text { set, .. } => set(values, text),
        }
    }

    /// The value as text that [`Form::set`] accepts, several one a line. Empty
    /// where there is none.
    pub(super) fn get(&self, values: &Values) -> String {
        let path = |path: &Path| path.display().to_string();
        match self {
            Form::Word { get, .. } => get(values).into(),
            Form::YesNo { get, .. } => if get(values) { "yes" } else { "no" }.into(),
            Form::Number { get, .. } => get(values).map_or(String::new(), |n| n.to_string()),
            Form::Socket { get, .. } | Form::Path { get, .. } => path(&get(values)),
            Form::Networks { get, .. } => get(values).text.clone(),
            Form::Addresses { get, .. } => {
                let addresses: Vec<_> = get(values).iter().map(IpAddr::to_string).collect();
                addresses.join("\n")
            }
            Form::Ports { get, .. } => {
                let (first, last) = get(values);
                format!("{first}-{last}")
            }
            Form::Text { get, .. } => get(values),
        }
    }
}

fn yes_no(text: &str) -> Option<bool> {
    match text {
        "yes" | "1" | "on" => Some(true),
        "no" | "0" | "off" => Some(false),
        _ => None,
    }
}

/// An address that phones can send to.
fn unicast(text: &str) -> Option<IpAddr> {
    let ip = address::parse_ip(text.as_bytes())?;
    (!ip.is_unspecified() && !ip.is_multicast()).then_some(ip)
}

fn replace_in_family(addresses: &mut Vec<IpAddr>, ip: IpAddr) {
    addresses.retain(|old| old.is_ipv4() != ip.is_ipv4());
    addresses.push(ip);
}

/// A range of ports with an even one and its odd successor.
fn ports(text: &str) -> Option<(u16, u16)> {
    let (first, last) = text.split_once('-')?;
    let first = bytes::port(first.trim().as_bytes())?;
    let last = bytes::port(last.trim().as_bytes())?;
    let even = first.checked_add(first % 2)?;
    (first >= 1024 && even < last).then_some((first, last))
}
