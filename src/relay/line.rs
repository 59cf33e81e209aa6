//! A relay with the options of its choice, as in the setting `relay` and in the
//! lines of the relays file:
//! `mediaproxy:/run/a.sock;set=west;weight=3;priority=1;domain=example.com`.

use std::path::Path;

use crate::error::Result;
use crate::relay::uri::{RelayUri, bad};

/// The maximum number of relays of a server.
pub const MAX_RELAYS: usize = 512;

/// A relay with the options of its choice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelayLine {
    /// The relay.
    pub uri: RelayUri,
    /// The set that the relay belongs to; empty for the unnamed set.
    pub set: String,
    /// The relay's share of the calls, in proportion to the weights of the others.
    /// 0: a backup, used when no relay with a weight is usable.
    pub weight: u16,
    /// Of the usable relays, those with the lowest number are used.
    pub priority: u16,
    /// The SIP domains that the relay serves, in lower case. Empty: all domains
    /// that no relay of the set serves.
    pub domains: Vec<String>,
}

impl RelayLine {
    /// Parses a relay and its options. `own_socket` is the control socket of
    /// `embedded`. `Status::Setting` for an invalid text: the error has the
    /// accepted form.
    pub fn parse(text: &str, own_socket: &Path) -> Result<Self> {
        let (uri, options) = RelayUri::parse_with(text, own_socket)?;
        let mut line =
            RelayLine { uri, set: String::new(), weight: 1, priority: 0, domains: Vec::new() };
        let number = |name: &str, value: &str| {
            crate::bytes::number(value.as_bytes())
                .and_then(|number| u16::try_from(number).ok())
                .ok_or_else(|| bad(text, &format!("{name} must be a number from 0 to 65535")))
        };
        for (at, &(name, value)) in options.iter().enumerate() {
            let is_repeated = || options.iter().take(at).any(|(earlier, _)| *earlier == name);
            match name {
                _ if value.is_empty() => return Err(bad(text, &format!("{name} is empty"))),
                "set" | "weight" | "priority" if is_repeated() => {
                    return Err(bad(text, &format!("{name} is given twice")));
                }
                "set" => line.set = value.to_string(),
                "weight" => line.weight = number(name, value)?,
                "priority" => line.priority = number(name, value)?,
                _ => line.domains.push(value.to_ascii_lowercase()),
            }
        }
        Ok(line)
    }

    /// Reads a relays file: see [`RelayLine::read`]. A missing file has no relays.
    /// `Status::System` when the file cannot be read.
    #[doc(hidden)]
    pub fn load(
        path: &Path,
        own_socket: &Path,
        warn: &mut dyn FnMut(&str),
    ) -> Result<Vec<RelayLine>> {
        let text = crate::reload::read(path)?.unwrap_or_default();
        Ok(RelayLine::read(path, &text, own_socket, warn))
    }

    /// Parses the text of a relays file: one relay in each line, comments after
    /// `#` at the start of a line. An invalid line is reported to `warn` as
    /// "FILE:LINE: reason" and left out, as are the lines after [`MAX_RELAYS`]
    /// relays. The caller decides whether the others are used.
    #[doc(hidden)]
    pub fn read(
        path: &Path,
        text: &[u8],
        own_socket: &Path,
        warn: &mut dyn FnMut(&str),
    ) -> Vec<RelayLine> {
        let mut lines = Vec::new();
        for (at, line) in text.split(|byte| *byte == b'\n').enumerate() {
            let mut report = |reason: &str| {
                warn(&format!("{}:{}: {reason}", path.display(), at.saturating_add(1)));
            };
            let Ok(line) = std::str::from_utf8(line) else {
                report("not UTF-8 text");
                continue;
            };
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match RelayLine::parse(line, own_socket) {
                Ok(_) if lines.len() >= MAX_RELAYS => {
                    report(&format!(
                        "more than {MAX_RELAYS} relays; this line and the following ones are \
                         ignored"
                    ));
                    break;
                }
                Ok(line) => lines.push(line),
                Err(error) => report(error.text()),
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
    fn options_of_the_choice_are_not_part_of_the_name() {
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
        let twice = line("embedded;weight=1;set=a;weight=2").unwrap_err();
        assert!(twice.text().contains("weight is given twice"), "{twice}");
    }

    #[test]
    fn invalid_line_is_reported_with_its_number_and_the_others_are_read() {
        let path = Path::new("/etc/x/relays");
        let text =
            b"# all\n\nmediaproxy:/a;weight=2\r\nmediaproxy:b\n\xff\n  embedded  \nembedded;x";
        let mut reports = Vec::new();
        let mut warn = |line: &str| reports.push(line.to_string());
        let lines = RelayLine::read(path, text, Path::new("/own"), &mut warn);
        let names: Vec<_> = lines.iter().map(|line| line.uri.text.as_str()).collect();
        assert_eq!(names, ["mediaproxy:/a", "embedded"]);
        let places: Vec<_> = reports.iter().map(|line| line.split(": ").next().unwrap()).collect();
        let place = |number: usize| format!("{}:{number}", path.display());
        assert_eq!(places, [place(4), place(5), place(7)]);
        let text = "embedded\n".repeat(MAX_RELAYS + 2);
        let mut reports = 0;
        let mut warn = |_: &str| reports += 1;
        let lines = RelayLine::read(path, text.as_bytes(), Path::new("/own"), &mut warn);
        assert_eq!((lines.len(), reports), (MAX_RELAYS, 1));
    }
}
