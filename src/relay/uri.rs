//! A relay as a setting names it: `mediaproxy:/run/mediaproxy/dispatcher.sock`,
//! `embedded`.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result, Status};
use crate::shared::health::MAX_RELAY_TEXT;

/// Where a relay listens for control.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RelayAddress {
    /// A Unix stream socket.
    Unix(PathBuf),
}

/// One relay of the configuration, without what says when it is chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelayUri {
    /// Kind and place, and `;ipv6=yes` where that was said: its identity, and
    /// its name in logs.
    pub text: String,
    /// Where it listens.
    pub address: RelayAddress,
    /// It is this server's own proxy, which understands our extensions:
    /// `early_tag`, `asymmetric`, bracketed IPv6 addresses.
    pub own: bool,
}

impl RelayUri {
    /// Reads `embedded`, `mediaproxy:/path` or `mediaproxy2:/path`, with
    /// `;ipv6=yes` when that relay takes IPv6. `embedded` listens at
    /// `own_socket`. `Status::Setting` says what form is accepted.
    pub fn parse(text: &str, own_socket: &Path) -> Result<Self> {
        let (uri, rest) = Self::parse_with(text, own_socket)?;
        match rest.first() {
            Some((name, _)) => Err(bad(text, &format!("{name} is no part of its name"))),
            None => Ok(uri),
        }
    }

    /// The same, and the options that say when it is chosen.
    pub(super) fn parse_with<'t>(
        text: &'t str,
        own_socket: &Path,
    ) -> Result<(Self, Vec<(&'t str, &'t str)>)> {
        let mut parts = text.split(';').map(str::trim);
        let head = parts.next().unwrap_or_default();
        let mut own = false;
        let address = if head == "embedded" {
            own = true;
            RelayAddress::Unix(own_socket.to_path_buf())
        } else if let Some(path) =
            head.strip_prefix("mediaproxy2:").or_else(|| head.strip_prefix("mediaproxy:"))
        {
            if !path.starts_with('/') {
                return Err(bad(text, "the path must start with /"));
            }
            if path.len() > 107 {
                return Err(bad(text, "a Unix socket path has at most 107 bytes"));
            }
            RelayAddress::Unix(PathBuf::from(path))
        } else {
            return Err(bad(text, "unknown kind of relay"));
        };
        let mut name = head.to_string();
        let mut rest = Vec::new();
        for option in parts.filter(|part| !part.is_empty()) {
            match option.split_once('=').map(|(name, value)| (name.trim(), value.trim())) {
                Some(("ipv6", "yes")) if own => {}
                Some(("ipv6", "yes")) => {
                    own = true;
                    name.push_str(";ipv6=yes");
                }
                Some(("ipv6", "no")) => {}
                Some(option @ ("set" | "weight" | "priority" | "domain", _)) => rest.push(option),
                _ => return Err(bad(text, &format!("unknown option \"{option}\""))),
            }
        }
        if name.len() > MAX_RELAY_TEXT {
            return Err(bad(text, "it is too long"));
        }
        Ok((RelayUri { text: name, address, own }, rest))
    }
}

/// What a relay's line may hold, for errors and the manual.
pub const ACCEPTED_RELAY: &str = "embedded, mediaproxy:/PATH or mediaproxy2:/PATH, then perhaps \
    ;ipv6=yes where that relay takes IPv6, ;set=NAME ;weight=0-65535 ;priority=0-65535 \
    ;domain=NAME";

/// What is wrong with the text of a relay, and what would be right.
pub(super) fn bad(text: &str, reason: &str) -> Error {
    Error::new(Status::Setting, format!("relay \"{text}\": {reason}; accepted: {ACCEPTED_RELAY}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_form_and_names_the_form_it_wants() {
        let own = Path::new("/run/x/control.sock");
        let embedded = RelayUri::parse("embedded", own).unwrap();
        assert_eq!(embedded.address, RelayAddress::Unix(own.into()));
        assert!(embedded.own);
        let plain = RelayUri::parse("mediaproxy:/run/d.sock", own).unwrap();
        assert_eq!(plain.address, RelayAddress::Unix("/run/d.sock".into()));
        assert!(!plain.own);
        assert!(RelayUri::parse("mediaproxy2:/run/d.sock;ipv6=yes", own).unwrap().own);
        for bad in
            ["", "rtpengine:udp:1.2.3.4:5", "mediaproxy:run", "embedded;weight", "embedded;x=1"]
        {
            let error = RelayUri::parse(bad, own).unwrap_err();
            assert_eq!(error.status(), Status::Setting, "{bad}");
            assert!(error.text().contains("accepted: embedded"), "{bad}");
        }
    }
}
