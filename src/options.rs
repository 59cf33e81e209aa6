//! The options of one rewrite or termination, from the routing script.

use std::net::IpAddr;

use crate::address::{Host, parse_ip};
use crate::error::{Error, Result, Status};
use crate::relay::{IceCandidate, Query};
use crate::sip::{Message, StartLine, Uri};

/// The role of an SDP in the offer/answer exchange (RFC 3264).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RoleOption {
    /// Decided from the method, the CSeq and the call table.
    #[default]
    Auto,
    /// An offer.
    Offer,
    /// An answer.
    Answer,
}

/// What a failure reply to the INVITE that starts a call terminates (RFC 3261 12.3,
/// 16.7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ScopeOption {
    /// The call with all its early dialogs: the reply is the one that goes to the
    /// caller.
    #[default]
    Call,
    /// The early dialogs of the branch that the reply came on: the server has sent
    /// the INVITE to several destinations, and others may still answer.
    Branch,
}

/// Options of one rewrite or termination. `Default` leaves all decisions to the
/// library.
///
/// ```
/// use mediaproxy::{Options, RoleOption};
///
/// # fn main() -> mediaproxy::Result<()> {
/// let mut options = Options { role: RoleOption::Offer, ..Options::default() };
/// options.set("ice_candidate", b"low-priority")?;
/// options.set_next_hop(b"sip:bob@192.0.2.7:5060")?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The role of the SDP.
    pub role: RoleOption,
    /// What a failure reply terminates.
    pub scope: ScopeOption,
    /// The set of relays for a new call; empty: by the domains of From and To.
    pub set: String,
    /// The phone's signalling address, for a message that came through another
    /// proxy. `None`: the source of the message.
    pub signaling_ip: Option<IpAddr>,
    /// The address that the message goes to next. A relay with IPv4 and IPv6
    /// addresses answers with one of the same family. `None`: an offer is answered with an address of the
    /// sender's family, until the receiver has answered.
    pub receiver: Option<IpAddr>,
    /// The relay that a dispatcher should use for a new call.
    pub media_relay: Vec<u8>,
    /// The server's dialog id, with which a dispatcher can terminate the dialog
    /// after a media timeout.
    pub dialog_id: Vec<u8>,
    /// Overrides the setting `ice_candidate`.
    pub ice_candidate: Option<IceCandidate>,
    /// The current Request-URI, if the server has changed it; empty: that of the
    /// message. Sent to relays of MediaProxy 1.x.
    pub request_uri: Vec<u8>,
    /// The domain of From is local to the server. Sent to relays of MediaProxy
    /// 1.x.
    pub from_local: bool,
    /// The domain of the Request-URI is local to the server. Sent to relays of
    /// MediaProxy 1.x.
    pub to_local: bool,
    /// Fix the Contact only of a message that comes from the phone itself, not through
    /// another proxy ([`crate::Tests::FIRST_HOP`]).
    pub first_hop: bool,
}

/// The maximum length of an option's text, in bytes.
const MAX_TEXT: usize = 1024;

/// One option: its name, the form it accepts, and the function that sets it from
/// text of at most [`MAX_TEXT`] bytes.
struct Named {
    name: &'static str,
    form: &'static str,
    set: fn(&mut Options, &[u8]) -> Option<()>,
}

/// Every option that has a name, in the order of the manual.
const OPTIONS: &[Named] = &[
    Named {
        name: "role",
        form: "auto, offer or answer",
        set: |o, v| {
            o.role = match v.to_ascii_lowercase().as_slice() {
                b"" | b"auto" => RoleOption::Auto,
                b"offer" => RoleOption::Offer,
                b"answer" => RoleOption::Answer,
                _ => return None,
            };
            Some(())
        },
    },
    Named {
        name: "scope",
        form: "call or branch",
        set: |o, v| {
            o.scope = match v.to_ascii_lowercase().as_slice() {
                b"" | b"call" => ScopeOption::Call,
                b"branch" => ScopeOption::Branch,
                _ => return None,
            };
            Some(())
        },
    },
    Named {
        name: "relay_set",
        form: "UTF-8 text",
        set: |o, v| {
            o.set = std::str::from_utf8(v).ok()?.to_string();
            Some(())
        },
    },
    Named {
        name: "media_relay",
        form: "text",
        set: |o, v| {
            o.media_relay = v.to_vec();
            Some(())
        },
    },
    Named {
        name: "dialog_id",
        form: "text",
        set: |o, v| {
            o.dialog_id = v.to_vec();
            Some(())
        },
    },
    Named {
        name: "ice_candidate",
        form: "none, low-priority or high-priority",
        set: |o, v| {
            o.ice_candidate = match v {
                b"" => None,
                _ => Some(IceCandidate::parse(std::str::from_utf8(v).ok()?)?),
            };
            Some(())
        },
    },
    Named {
        name: "signaling_address",
        form: "an IP address",
        set: |o, v| address(v, &mut o.signaling_ip),
    },
    Named { name: "receiver", form: "an IP address", set: |o, v| address(v, &mut o.receiver) },
    Named {
        name: "request_uri",
        form: "a URI",
        set: |o, v| {
            o.request_uri = v.to_vec();
            Some(())
        },
    },
    Named { name: "from", form: "local or remote", set: |o, v| locality(v, &mut o.from_local) },
    Named { name: "to", form: "local or remote", set: |o, v| locality(v, &mut o.to_local) },
    Named { name: "first_hop", form: "yes or no", set: |o, v| yes_or_no(v, &mut o.first_hop) },
    Named { name: "next_hop", form: "a SIP URI", set: |o, v| o.set_next_hop(v).ok() },
];

fn address(text: &[u8], to: &mut Option<IpAddr>) -> Option<()> {
    *to = match text {
        b"" => None,
        _ => Some(parse_ip(text)?),
    };
    Some(())
}

fn locality(text: &[u8], to: &mut bool) -> Option<()> {
    *to = match text.to_ascii_lowercase().as_slice() {
        b"local" => true,
        b"" | b"remote" => false,
        _ => return None,
    };
    Some(())
}

fn yes_or_no(text: &[u8], to: &mut bool) -> Option<()> {
    *to = match text.to_ascii_lowercase().as_slice() {
        b"yes" => true,
        b"" | b"no" => false,
        _ => return None,
    };
    Some(())
}

impl Options {
    /// Fills `query` from these options.
    pub(crate) fn fill(&self, message: &Message<'_>, query: &mut Query) {
        query.dialog_id.clone_from(&self.dialog_id);
        query.media_relay.clone_from(&self.media_relay);
        if let Some(ip) = self.signaling_ip {
            query.signaling_ip = Some(ip.to_canonical());
        }
        query.receiver = self.receiver.map(|ip| ip.to_canonical());
        if let StartLine::Request { uri, .. } = message.start_line() {
            let current = if self.request_uri.is_empty() { uri } else { &self.request_uri };
            query.request_uri.extend_from_slice(current);
        }
        (query.from_local, query.to_local) = (self.from_local, self.to_local);
    }

    /// The names that [`Options::set`] takes.
    pub fn names() -> impl Iterator<Item = &'static str> {
        OPTIONS.iter().map(|option| option.name)
    }

    /// Sets one option from text, which is not trimmed. The empty text restores
    /// the default.
    ///
    /// # Errors
    /// `Status::Argument` for an unknown name (the error lists all names) and for an
    /// invalid value (the error has the accepted form), `Status::Limit` above 1024
    /// bytes. Nothing is changed then.
    pub fn set(&mut self, name: &str, value: &[u8]) -> Result<()> {
        let Some(option) = OPTIONS.iter().find(|option| option.name == name) else {
            let names: Vec<_> = Self::names().collect();
            return Err(Error::new(
                Status::Argument,
                format!("no option is called \"{name}\"; there are: {}", names.join(", ")),
            ));
        };
        if value.len() > MAX_TEXT {
            return Err(Error::limit(format!("{name} is longer than {MAX_TEXT} bytes")));
        }
        (option.set)(self, value).ok_or_else(|| {
            let value = value.escape_ascii();
            Error::new(
                Status::Argument,
                format!("{name} = \"{value}\" is not accepted; give {}", option.form),
            )
        })
    }

    /// Sets the receiver to the host of the URI that the message goes to next
    /// (RFC 3261 8.1.2). When the host is a name, the receiver is unknown: no name
    /// is resolved. The same holds for the empty text and for a scheme other than
    /// sip: and sips:.
    ///
    /// # Errors
    /// `Status::Syntax` when the text is not a URI; nothing is changed then.
    pub fn set_next_hop(&mut self, uri: &[u8]) -> Result<()> {
        self.receiver = match uri {
            b"" => None,
            _ => Uri::parse(uri)?.and_then(|uri| match uri.host {
                Host::Ip(ip) => Some(ip),
                Host::Name(_) => None,
            }),
        };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_by_name_and_text() {
        let mut options = Options::default();
        for (name, value) in [
            ("role", "Answer"),
            ("scope", "Branch"),
            ("relay_set", "west"),
            ("media_relay", "relay1"),
            ("dialog_id", "7:8"),
            ("ice_candidate", "Low-Priority"),
            ("signaling_address", "192.0.2.1"),
            ("receiver", "[2001:db8::1]"),
            ("request_uri", "sip:bob@192.0.2.7"),
            ("from", "Local"),
            ("to", "local"),
            ("first_hop", "Yes"),
        ] {
            options.set(name, value.as_bytes()).unwrap();
        }
        assert_eq!(options.role, RoleOption::Answer);
        assert_eq!(options.scope, ScopeOption::Branch);
        assert_eq!(options.set, "west");
        assert_eq!(options.media_relay, b"relay1");
        assert_eq!(options.dialog_id, b"7:8");
        assert_eq!(options.ice_candidate, Some(IceCandidate::LowPriority));
        assert_eq!(options.signaling_ip, Some("192.0.2.1".parse().unwrap()));
        assert_eq!(options.receiver, Some("2001:db8::1".parse().unwrap()));
        assert_eq!(options.request_uri, b"sip:bob@192.0.2.7");
        assert!(options.from_local && options.to_local && options.first_hop);
        for name in Options::names() {
            options.set(name, b"").unwrap();
        }
        assert_eq!(format!("{options:?}"), format!("{:?}", Options::default()));
    }

    #[test]
    fn options_refuse_unknown_names_and_bad_values() {
        let mut options = Options::default();
        for (name, value, status, text) in [
            ("colour", &b"red"[..], Status::Argument, "ice_candidate"),
            ("role", b"both", Status::Argument, "auto, offer or answer"),
            ("scope", b"dialog", Status::Argument, "call or branch"),
            ("ice_candidate", b"high", Status::Argument, "ice_candidate = \"high\""),
            ("signaling_address", b"host.example.com", Status::Argument, "an IP address"),
            ("first_hop", b"1", Status::Argument, "yes or no"),
            ("from", b"near", Status::Argument, "local or remote"),
            ("next_hop", b"no uri", Status::Argument, "a SIP URI"),
            ("relay_set", b"\xff", Status::Argument, "relay_set = \"\\xff\""),
            ("dialog_id", &[b'x'; 1025], Status::Limit, "1024 bytes"),
        ] {
            let error = options.set(name, value).unwrap_err();
            assert_eq!(error.status(), status, "{error}");
            assert!(error.text().contains(text), "{error}");
        }
        assert_eq!(format!("{options:?}"), format!("{:?}", Options::default()));
    }

    #[test]
    fn next_hop_sets_the_receiver_if_its_host_is_an_address() {
        let mut options = Options::default();
        for (uri, receiver) in [
            ("sip:bob@192.0.2.7:5080;transport=tcp", Some("192.0.2.7")),
            ("sip:host.example.com", None),
            ("sips:[2001:db8::7];lr", Some("2001:db8::7")),
            ("tel:+3120", None),
        ] {
            options.set_next_hop(uri.as_bytes()).unwrap();
            assert_eq!(options.receiver, receiver.map(|ip| ip.parse().unwrap()), "{uri}");
        }
        assert_eq!(options.set_next_hop(b"sip:").unwrap_err().status(), Status::Syntax);
    }
}
