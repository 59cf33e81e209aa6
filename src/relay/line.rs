//! A relay and when it is chosen, as the setting `relay` and the lines of the
//! relays file name it:
//! `mediaproxy:/run/a.sock;set=west;weight=3;priority=1;domain=example.com`.

use std::path::Path;

use crate::error::Result;
use crate::relay::uri::{RelayUri, bad};

/// The most relays a server may have.
pub const MAX_RELAYS: usize = 512;

/// One relay and when it is chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelayLine {
    /// The relay.
    pub uri: RelayUri,
    /// The set it belongs to; empty for the unnamed one.
    pub set: String,
    /// Its share of the calls; 0: only when all others are gone.
    pub weight: u16,
    /// The lowest number that answers is used.
    pub priority: u16,
    /// The SIP domains it serves, in lower case; none: those that no relay
    /// names.
    pub domains: Vec<String>,
}

impl RelayLine {
    /// Reads a relay and its options. `Status::Setting` says what is accepted.
    pub fn parse(text: &str, own_socket: &Path) -> Result<Self> {
        let (uri, options) = RelayUri::parse_with(text, own_socket)?;
        let mut line =
            RelayLine { uri, set: String::new(), weight: 1, priority: 0, domains: Vec::new() };
        let number = |name: &str, value: &str| {
            crate::bytes::number(value.as_bytes())
                .and_then(|number| u16::try_from(number).ok())
                .ok_or_else(|| bad(text, &format!("{name} is no number from 0 to 65535")))
        };
        for (name, value) in options {
            match name {
                _ if value.is_empty() => return Err(bad(text, &format!("{name} is empty"))),
                "set" => line.set = value.to_string(),
                "weight" => line.weight = number(name, value)?,
                "priority" => line.priority = number(name, value)?,
                _ => line.domains.push(value.to_ascii_lowercase()),
            }
        }
        Ok(line)
    }

    /// Reads the relays file as it is now: [`RelayLine::read`]. A file that is
    /// missing names no relay; `Status::System` for one that cannot be read.
    pub fn load(
        path: &Path,
        own_socket: &Path,
        complain: &mut dyn FnMut(&str),
    ) -> Result<Vec<RelayLine>> {
        let text = crate::reload::read(path)?.unwrap_or_default();
        Ok(RelayLine::read(path, &text, own_socket, complain))
    }

    /// Reads the text of a relays file: a relay a line, `#` comments. A bad line is given
    /// to `complain` as "FILE:LINE: reason" and is not among what is returned;
    /// so is what is beyond [`MAX_RELAYS`]. Whether the others hold is the
    /// caller's matter: they do when an engine is made, while a worker that
    /// reads the file again keeps the relays it has until no line is bad.
    pub fn read(
        path: &Path,
        text: &[u8],
        own_socket: &Path,
        complain: &mut dyn FnMut(&str),
    ) -> Vec<RelayLine> {
        let mut lines = Vec::new();
        for (at, line) in text.split(|byte| *byte == b'\n').enumerate() {
            let mut tell = |reason: &str| {
                complain(&format!("{}:{}: {reason}", path.display(), at.saturating_add(1)));
            };
            let Ok(line) = std::str::from_utf8(line) else {
                tell("it is not UTF-8 text");
                continue;
            };
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match RelayLine::parse(line, own_socket) {
                Ok(_) if lines.len() >= MAX_RELAYS => {
                    tell(&format!("there are more than {MAX_RELAYS} relays"));
                    break;
                }
                Ok(line) => lines.push(line),
                Err(error) => tell(error.text()),
            }
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Result<RelayLine> {
        RelayLine::parse(text, Path::new("/own"))
    }

    #[test]
    fn options_say_when_a_relay_is_chosen_and_are_no_part_of_its_name() {
        let all = line(
            "mediaproxy:/a ; set = west;weight=3;priority=2;domain=Example.COM;domain=b.example",
        )
        .unwrap();
        assert_eq!(all.uri.text, "mediaproxy:/a");
        assert_eq!((all.set.as_str(), all.weight, all.priority), ("west", 3, 2));
        assert_eq!(all.domains, ["example.com", "b.example"]);
        let bare = line("mediaproxy:/a;ipv6=yes").unwrap();
        assert_eq!(bare.uri.text, "mediaproxy:/a;ipv6=yes");
        assert_eq!((bare.set.as_str(), bare.weight, bare.priority), ("", 1, 0));
        assert_eq!(line("embedded;ipv6=yes;weight=0").unwrap().uri.text, "embedded");
        for bad in ["embedded;weight=-1", "embedded;weight=65536", "embedded;set=", "x;set=1"] {
            assert!(line(bad).unwrap_err().text().contains("accepted"), "{bad}");
        }
    }

    #[test]
    fn a_bad_line_is_told_with_its_number_and_the_others_hold() {
        let path = Path::new("/etc/x/relays");
        let text =
            b"# all\n\nmediaproxy:/a;weight=2\r\nmediaproxy:b\n\xff\n  embedded  \nembedded;x";
        let mut told = Vec::new();
        let mut complain = |line: &str| told.push(line.to_string());
        let lines = RelayLine::read(path, text, Path::new("/own"), &mut complain);
        let names: Vec<_> = lines.iter().map(|line| line.uri.text.as_str()).collect();
        assert_eq!(names, ["mediaproxy:/a", "embedded"]);
        let places: Vec<_> = told.iter().map(|line| line.split(": ").next().unwrap()).collect();
        let place = |number: usize| format!("{}:{number}", path.display());
        assert_eq!(places, [place(4), place(5), place(7)]);
        let text = "embedded\n".repeat(MAX_RELAYS + 2);
        let mut told = 0;
        let lines = RelayLine::read(path, text.as_bytes(), Path::new("/own"), &mut |_| told += 1);
        assert_eq!((lines.len(), told), (MAX_RELAYS, 1));
    }
}
