//! Any bytes as a relays file.

use std::path::Path;

use mediaproxy::internals::relay::line::MAX_RELAYS;
use mediaproxy::internals::relay::uri::RelayUri;
use mediaproxy::internals::relay::{RelayAddress, RelayLine};
use mediaproxy::internals::shared::health::MAX_RELAY_TEXT;

const FILE: &str = "/etc/relays";
const OWN: &str = "/run/own/control.sock";

pub fn check(bytes: &[u8]) {
    let own = Path::new(OWN);
    let mut complaints = Vec::new();
    let relays = RelayLine::read(Path::new(FILE), bytes, own, &mut |line| {
        complaints.push(line.to_string());
    });
    let lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
    let mut bad = Vec::new();
    for complaint in &complaints {
        let (place, reason) = complaint.split_once(": ").expect("a place and a reason");
        let number = place.strip_prefix(FILE).and_then(|rest| rest.strip_prefix(':'));
        let number: usize = number.expect("the file").parse().expect("a line number");
        assert!((1..=lines.len()).contains(&number), "{complaint}");
        assert!(!reason.is_empty() && !reason.contains('\n'), "{complaint}");
        assert!(bad.last().is_none_or(|last| *last < number), "in order, one for a line");
        bad.push(number);
    }
    assert!(relays.len() <= MAX_RELAYS && relays.len() + bad.len() <= lines.len());
    relays.iter().for_each(|relay| named_by_itself(relay, own));

    // Each line alone says what it said in the file.
    let mut alone = Vec::new();
    for (number, line) in (1..).zip(&lines) {
        let read = RelayLine::read(Path::new(FILE), line, own, &mut |_| {});
        assert!(read.len() <= 1);
        assert!(read.is_empty() || alone.len() >= MAX_RELAYS || !bad.contains(&number));
        alone.extend(read);
    }
    alone.truncate(MAX_RELAYS);
    assert_eq!(relays, alone);
}

/// What a relay is named by is itself the text of that relay.
fn named_by_itself(relay: &RelayLine, own: &Path) {
    let RelayLine { uri, set, domains, .. } = relay;
    assert!(!uri.text.is_empty() && uri.text.len() <= MAX_RELAY_TEXT);
    assert_eq!(RelayUri::parse(&uri.text, own).as_ref(), Ok(uri));
    match &uri.address {
        RelayAddress::Unix(path) => assert!(path.is_absolute()),
        RelayAddress::Tcp(address) => assert_ne!(address.port(), 0),
        RelayAddress::TcpName { host, port } => assert!(!host.is_empty() && *port != 0),
    }
    assert!(!uri.protocols.is_empty());
    let bare = |text: &str| text.trim() == text && !text.contains([';', '\n']);
    assert!(bare(set) && domains.iter().all(|domain| bare(domain) && !domain.is_empty()));

    let mut text = format!("{};weight={};priority={}", uri.text, relay.weight, relay.priority);
    if !set.is_empty() {
        text.push_str(&format!(";set={set}"));
    }
    domains.iter().for_each(|domain| text.push_str(&format!(";domain={domain}")));
    assert_eq!(RelayLine::parse(&text, own).as_ref(), Ok(relay), "{text}");
}
