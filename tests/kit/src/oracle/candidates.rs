//! Relay candidates among the lines of a stream.

use std::net::IpAddr;

use super::words;

/// The component that a candidate names.
pub(super) fn component(line: &str) -> Option<u32> {
    let value = line.strip_prefix("a=candidate:")?;
    words(value).get(1)?.1.parse::<u32>().ok()
}

/// Puts relay candidates before the first candidate that names a component.
/// Their foundation and priority are taken from what came out; that they are valid
/// and no other candidate's, and that they say the relay's address and ports, is
/// judged (RFC 8445 5.1.2, RFC 8839 5.1).
pub(super) fn insert_candidates(lines: &mut Vec<String>, port: u16, relay: IpAddr, new: &[&str]) {
    let Some(first) = lines.iter().position(|line| component(line).is_some()) else { return };
    let rtcp = lines.iter().any(|line| component(line) == Some(2));
    let theirs: Vec<String> = lines.clone();
    let theirs: Vec<Vec<&str>> = theirs
        .iter()
        .filter(|line| component(line).is_some())
        .map(|line| words(line).into_iter().map(|(_, word)| word).collect())
        .collect();
    // Below a candidate with priority 1 or 2 there may be no room.
    let lowest = theirs.iter().filter_map(|words| words.get(3)?.parse::<u32>().ok()).min();
    let is_relay = |line: &str| line.starts_with("a=candidate:R") && line.contains(" typ relay ");
    if lowest.is_some_and(|lowest| lowest <= 2)
        && !new.get(first).is_some_and(|line| is_relay(line))
    {
        return;
    }
    let mut last = 1 << 31;
    for number in 1..=1 + u16::from(rtcp) {
        let at = first + usize::from(number) - 1;
        let inserted = new.get(at).expect("a relay candidate");
        let found: Vec<&str> = words(inserted).into_iter().map(|(_, word)| word).collect();
        let [foundation, _, _, priority, ..] = found[..] else { panic!("{inserted}") };
        assert!(foundation.starts_with("a=candidate:R"), "{foundation}");
        assert!(foundation.len() <= "a=candidate:".len() + 32, "{foundation}");
        assert!(theirs.iter().all(|words| words[0] != foundation), "{foundation} is taken");
        let value = priority.parse::<u32>().unwrap();
        assert!((1..last).contains(&value), "{priority}");
        let taken = theirs.iter().any(|words| words.get(3) == Some(&priority));
        assert!(!taken, "{priority} is taken");
        last = value;
        let port = port + number - 1;
        let hidden = if relay.is_ipv6() { "::" } else { "0.0.0.0" };
        let line = format!(
            "{foundation} {number} UDP {priority} {relay} {port} typ relay raddr {hidden} rport 9"
        );
        lines.insert(at, line);
    }
}
