//! The table of settings: name, accepted form, default and meaning. Parsing,
//! error texts, reading back, the help of `mediaproxyd` and `docs/settings.md`
//! come from it.

use std::path::Path;

use super::values::{Form, Values};
use crate::proxy::{self, LearnFrom};
use crate::relay::IceCandidate;
use crate::relay::line::{MAX_RELAYS, RelayLine};
use crate::relay::uri::ACCEPTED_RELAY;

/// One row.
#[derive(Debug)]
pub(super) struct Setting {
    pub(super) name: &'static str,
    pub(super) default: Initial,
    pub(super) help: &'static str,
    pub(super) form: Form,
}

/// The value of a setting that was not given.
#[derive(Debug)]
pub(super) enum Initial {
    /// None.
    None,
    /// One text for both profiles.
    Text(&'static str),
    /// A number that other code defines.
    Number(u64),
    /// A range of ports that other code defines.
    Ports((u16, u16)),
    /// In the profile `seed`, and in `stock`.
    Profiles(&'static str, &'static str),
    /// No value is stored: other settings or the process decide. In the words
    /// of the manual.
    Derived(&'static str),
}

impl Initial {
    /// The text that is set where nothing was given.
    pub(super) fn text(&self, is_stock: bool) -> Option<String> {
        match self {
            Initial::Text(text) => Some((*text).into()),
            Initial::Number(number) => Some(number.to_string()),
            Initial::Ports((first, last)) => Some(format!("{first}-{last}")),
            Initial::Profiles(seed, stock) => Some(if is_stock { *stock } else { *seed }.into()),
            Initial::None | Initial::Derived(_) => None,
        }
    }

    /// For the manual.
    pub(super) fn describe(&self) -> String {
        match self {
            Initial::None => "none".into(),
            Initial::Profiles(seed, stock) => format!("seed: {seed}; stock: {stock}"),
            Initial::Derived(words) => (*words).into(),
            other => other.text(false).unwrap_or_default(),
        }
    }
}

/// Settings that belong together, under their heading in the manual.
pub(super) type Section = (&'static str, &'static [Setting]);

/// All settings.
pub(super) static SECTIONS: [Section; 4] = [
    ("Defaults and files", FILES),
    ("Relays", RELAYS),
    ("Messages", MESSAGES),
    ("The built-in relay", BUILT_IN_RELAY),
];

/// Those of the built-in relay.
pub(super) static PROXY_SECTION: [Section; 1] = [("The built-in relay", BUILT_IN_RELAY)];

/// All rows.
pub(super) fn all() -> impl Iterator<Item = &'static Setting> {
    SECTIONS.iter().flat_map(|(_, settings)| settings.iter())
}

const FILES: &[Setting] = &[
    Setting {
        name: "profile",
        default: Initial::Text("seed"),
        help: "Whose defaults hold for settings that were not given: those of the SER module, or \
               those of the stock modules of Kamailio and OpenSIPS.",
        form: Form::Word {
            words: &["seed", "stock"],
            set: |v, word| v.is_stock = word == "stock",
            get: |v| if v.is_stock { "stock" } else { "seed" },
        },
    },
    Setting {
        name: "config_directory",
        default: Initial::Text("/etc/ser"),
        help: "The directory of the SIP server's configuration: sip_asymmetrics, rtp_asymmetrics \
               and relays start here when they are relative.",
        form: Form::Path {
            form: "the path of a directory",
            set: |v, path| v.config_directory = path,
            get: |v| v.config_directory.clone(),
        },
    },
    Setting {
        name: "sip_asymmetrics",
        default: Initial::Text("sip-asymmetrics-clients"),
        help: "The list of SIP-asymmetric clients, a regular expression for User-Agent a line. \
               Read again when it changes.",
        form: Form::Path {
            form: "a path; empty for no list",
            set: |v, path| v.sip_asymmetrics = path,
            get: |v| v.file(&v.sip_asymmetrics),
        },
    },
    Setting {
        name: "rtp_asymmetrics",
        default: Initial::Text("rtp-asymmetrics-clients"),
        help: "The list of RTP-asymmetric clients, in the same form.",
        form: Form::Path {
            form: "a path; empty for no list",
            set: |v, path| v.rtp_asymmetrics = path,
            get: |v| v.file(&v.rtp_asymmetrics),
        },
    },
    Setting {
        name: "watch",
        default: Initial::Text("notify"),
        help: "How changes of files are found: with inotify and by comparing them once a second, \
               or by comparing alone.",
        form: Form::Word {
            words: &["notify", "poll"],
            set: |v, word| v.watch_by_polling = word == "poll",
            get: |v| if v.watch_by_polling { "poll" } else { "notify" },
        },
    },
];

const RELAYS: &[Setting] = &[
    Setting {
        name: "relay",
        default: Initial::Derived("mediaproxy: on mediaproxy_socket"),
        help: "A relay. May be given several times: each adds a relay.",
        form: Form::Text {
            form: ACCEPTED_RELAY,
            set: |v, text| {
                // The socket of `embedded` does not matter for the check.
                RelayLine::parse(text, Path::new("/")).ok()?;
                (v.relays.len() < MAX_RELAYS).then(|| v.relays.push(text.to_string()))
            },
            get: Values::relay_texts,
        },
    },
    Setting {
        name: "relays",
        default: Initial::None,
        help: "A file with a relay a line. Read again when it changes.",
        form: Form::Path {
            form: "a path; empty for none",
            set: |v, path| v.relays_file = path,
            get: |v| v.file(&v.relays_file),
        },
    },
    Setting {
        name: "mediaproxy_socket",
        default: Initial::Profiles(
            "/var/run/proxydispatcher.sock",
            "/run/mediaproxy/dispatcher.sock",
        ),
        help: "The Unix socket of a MediaProxy dispatcher: the relay where neither relay nor \
               relays is given.",
        form: Form::Socket {
            set: |v, path| v.mediaproxy_socket = path,
            get: |v| v.mediaproxy_socket.clone(),
        },
    },
    Setting {
        name: "relay_timeout",
        default: Initial::Text("400"),
        help: "The time for one message, failovers included. Never less than relay_try.",
        form: Form::Number {
            unit: "milliseconds",
            range: 1..=60_000,
            set: |v, number| v.relay_timeout = number,
            get: |v| Some(v.relay_timeout()),
        },
    },
    Setting {
        name: "relay_try",
        default: Initial::Derived(
            "150; for a MediaProxy dispatcher 400, less 150 where another relay is left",
        ),
        help: "The time for one relay.",
        form: Form::Number {
            unit: "milliseconds",
            range: 1..=60_000,
            set: |v, number| v.relay_try = Some(number),
            get: |v| v.relay_try,
        },
    },
    Setting {
        name: "max_calls",
        default: Initial::Text("65536"),
        help: "How many calls the call table holds, with 256 bytes for each. Calls beyond it are \
               relayed, but their state is not stored.",
        form: Form::Number {
            unit: "a number",
            range: 16..=1 << 24,
            set: |v, number| v.max_calls = number,
            get: |v| Some(v.max_calls),
        },
    },
];

const MESSAGES: &[Setting] = &[
    Setting {
        name: "private_networks",
        default: Initial::Profiles("rfc1918", "rfc1918,rfc6598,192.0.0.0/29"),
        help: "The networks whose addresses are private.",
        form: Form::Networks {
            set: |v, list| v.private_networks = list,
            get: |v| &v.private_networks,
        },
    },
    Setting {
        name: "local_networks",
        default: Initial::None,
        help: "Sources in these networks are never found behind NAT.",
        form: Form::Networks { set: |v, list| v.local_networks = list, get: |v| &v.local_networks },
    },
    Setting {
        name: "ice_candidate",
        default: Initial::Text("none"),
        help: "The relay candidates added to streams with ICE.",
        form: Form::Word {
            words: &["none", "low-priority", "high-priority"],
            set: |v, word| v.ice_candidate = IceCandidate::parse(word).unwrap_or_default(),
            get: |v| match v.ice_candidate {
                IceCandidate::None => "none",
                IceCandidate::LowPriority => "low-priority",
                IceCandidate::HighPriority => "high-priority",
            },
        },
    },
    Setting {
        name: "loop_marker",
        default: Initial::Text("no"),
        help: "Write a=nortpproxy:yes into relayed SDP, and leave SDP alone that has it.",
        form: Form::YesNo { set: |v, is_on| v.loop_marker = is_on, get: |v| v.loop_marker },
    },
    Setting {
        name: "rewrite_origin",
        default: Initial::Text("no"),
        help: "Replace the address in o= too.",
        form: Form::YesNo { set: |v, is_on| v.rewrite_origin = is_on, get: |v| v.rewrite_origin },
    },
];

pub(super) const BUILT_IN_RELAY: &[Setting] = &[
    Setting {
        name: "proxy_address",
        default: Initial::None,
        help: "Receive media on this address and write it into SDP. The built-in relay needs at \
               least one.",
        form: Form::Addresses { field: |v| &mut v.proxy_addresses, get: |v| &v.proxy_addresses },
    },
    Setting {
        name: "proxy_advertised_address",
        default: Initial::None,
        help: "Write this address into SDP instead, where a NAT forwards from it to the \
               proxy_address of its family.",
        form: Form::Addresses { field: |v| &mut v.proxy_advertised, get: |v| &v.proxy_advertised },
    },
    Setting {
        name: "proxy_ports",
        default: Initial::Ports(proxy::Config::PORTS),
        help: "The UDP ports for media.",
        form: Form::Ports { set: |v, range| v.proxy_ports = range, get: |v| v.proxy_ports },
    },
    Setting {
        name: "proxy_socket",
        default: Initial::Derived(
            "proxy.sock in a directory of the user and the process; for mediaproxyd the default \
             of mediaproxy_socket",
        ),
        help: "The Unix socket on which the built-in relay receives control requests.",
        form: Form::Socket {
            set: |v, path| v.proxy_socket = Some(path),
            get: Values::proxy_socket,
        },
    },
    Setting {
        name: "proxy_learn_from",
        default: Initial::Text("signaled"),
        help: "From which sources the address of a phone is learned: only from the addresses of \
               its signaling and its SDP, or from any when those send nothing.",
        form: Form::Word {
            words: &["signaled", "any"],
            set: |v, word| {
                v.proxy_learn_from =
                    if word == "any" { LearnFrom::Any } else { LearnFrom::Signaled };
            },
            get: |v| match v.proxy_learn_from {
                LearnFrom::Signaled => "signaled",
                LearnFrom::Any => "any",
            },
        },
    },
    Setting {
        name: "trusted_media_networks",
        default: Initial::None,
        help: "Media is sent to SDP addresses in these networks before the phone has sent any, \
               although they are private and not the source of its signaling. For recorders and \
               media servers that only receive.",
        form: Form::Networks {
            set: |v, list| v.trusted_media_networks = list,
            get: |v| &v.trusted_media_networks,
        },
    },
    Setting {
        name: "proxy_max_sessions",
        default: Initial::Number(proxy::Config::MAX_SESSIONS as u64),
        help: "Further sessions are refused.",
        form: Form::Number {
            unit: "a number",
            range: 1..=1 << 20,
            set: |v, number| v.proxy_max_sessions = number,
            get: |v| Some(v.proxy_max_sessions),
        },
    },
    Setting {
        name: "proxy_idle_timeout",
        default: Initial::Number(proxy::Config::IDLE_TIMEOUT.as_secs()),
        help: "An answered session without media ends after this time.",
        form: Form::Number {
            unit: "seconds",
            range: 1..=86_400,
            set: |v, number| v.proxy_idle_timeout = number,
            get: |v| Some(v.proxy_idle_timeout),
        },
    },
    Setting {
        name: "proxy_unanswered_timeout",
        default: Initial::Number(proxy::Config::UNANSWERED_TIMEOUT.as_secs()),
        help: "An unanswered session ends after this time.",
        form: Form::Number {
            unit: "seconds",
            range: 1..=86_400,
            set: |v, number| v.proxy_unanswered_timeout = number,
            get: |v| Some(v.proxy_unanswered_timeout),
        },
    },
    Setting {
        name: "proxy_hold_timeout",
        default: Initial::Number(proxy::Config::HOLD_TIMEOUT.as_secs()),
        help: "A session on hold and without media ends after this time.",
        form: Form::Number {
            unit: "seconds",
            range: 1..=86_400,
            set: |v, number| v.proxy_hold_timeout = number,
            get: |v| Some(v.proxy_hold_timeout),
        },
    },
];
