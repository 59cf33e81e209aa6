//! A second opinion on a rewritten message, from the two texts alone: lines are
//! split, words are counted, and what must come out is put together by hand.
//! Obvious and slow; it shares nothing with the parsers it judges.

mod candidates;

use std::net::IpAddr;
use std::ops::Range;

use mediaproxy::Edits;

use candidates::{component, insert_candidates};

/// What the relay gave.
pub struct Given<'g> {
    pub address: IpAddr,
    /// For each m= line; 0 where refused, or where the line is not relayed.
    pub ports: &'g [u16],
}

/// Bytes as text of the same length, so that places stay what they are.
fn ascii(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| if byte.is_ascii() { char::from(*byte) } else { '?' }).collect()
}

/// A line without CRLF or LF.
fn bare(line: &str) -> &str {
    let line = line.strip_suffix('\n').unwrap_or(line);
    line.strip_suffix('\r').unwrap_or(line)
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

/// The words of a line, each with the place where it starts.
fn words(line: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut start = None;
    for (at, c) in line.char_indices().chain([(line.len(), ' ')]) {
        match (start, is_blank(c)) {
            (None, false) => start = Some(at),
            (Some(from), true) => {
                found.push((from, &line[from..at]));
                start = None;
            }
            _ => {}
        }
    }
    found
}

fn ip(text: &str) -> Option<IpAddr> {
    let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    inner.unwrap_or(text).parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
}

/// `text` with the edits made, Content-Length left alone: in order, disjoint,
/// within the text.
pub fn spliced(text: &[u8], edits: &Edits) -> Vec<u8> {
    let mut out = Vec::new();
    let mut at = 0;
    for edit in edits.iter() {
        assert!(edit.offset >= at, "edits are sorted and disjoint");
        assert!(edit.remove > 0 || !edit.insert.is_empty(), "an edit that does nothing");
        out.extend_from_slice(&text[at..edit.offset]);
        out.extend_from_slice(edit.insert);
        at = edit.offset + edit.remove;
    }
    out.extend_from_slice(&text[at..]);
    out
}

/// A c= line that says nothing but hold.
pub fn holds_by_address(message: &[u8]) -> bool {
    let text = ascii(message);
    let mut lines = text.split('\n').filter(|line| line.starts_with("c="));
    lines.any(|line| words(line).iter().any(|(_, word)| matches!(*word, "0.0.0.0" | "::")))
}

/// A message taken apart at its line ends.
struct Taken<'t> {
    bytes: &'t [u8],
    text: String,
    /// The first line and the headers, continuation lines included.
    headers: Vec<Range<usize>>,
    /// Where the body starts.
    body: usize,
}

impl<'t> Taken<'t> {
    fn apart(bytes: &'t [u8]) -> Self {
        let text = ascii(bytes);
        let mut headers: Vec<Range<usize>> = Vec::new();
        let mut body = 0;
        for line in text.split_inclusive('\n') {
            let start = body;
            body += line.len();
            let empty = line == "\r\n" || line == "\n";
            let folded = line.starts_with([' ', '\t']) && headers.len() > 1;
            match headers.last_mut() {
                None if line.trim_matches(['\r', '\n']).is_empty() => {}
                Some(_) if empty => break,
                Some(last) if folded => last.end = body,
                _ => headers.push(start..body),
            }
        }
        Taken { bytes, text, headers, body }
    }

    /// The values of a header, by its long and its compact name.
    fn values(&self, long: &str, compact: &str) -> Vec<&str> {
        let lines = self.headers.iter().skip(1).map(|line| &self.text[line.clone()]);
        let fields = lines.filter_map(|line| line.split_once(':'));
        fields
            .filter(|(name, _)| {
                let name = name.trim_matches(is_blank);
                name.eq_ignore_ascii_case(long) || name.eq_ignore_ascii_case(compact)
            })
            .map(|(_, value)| value.trim_matches(is_blank))
            .collect()
    }

    /// What Content-Length says; all the rest without one.
    fn body_length(&self) -> usize {
        let declared = self.values("Content-Length", "l");
        declared.first().map_or(self.text.len() - self.body, |value| value.parse().unwrap())
    }

    /// The first and the last byte of the description.
    fn description(&self) -> (usize, usize) {
        let end = self.body + self.body_length();
        let kind = self.values("Content-Type", "c").first().map_or("", |value| value);
        if !kind.to_ascii_lowercase().starts_with("multipart") {
            return (self.body, end);
        }
        let (mut at, mut typed, mut start) = (self.body, false, None);
        for line in self.text[self.body..end].split_inclusive('\n') {
            let low = line.to_ascii_lowercase();
            if low.starts_with("--")
                && let Some(start) = start
            {
                let part = &self.text[start..at];
                return (start, start + bare(part).len());
            }
            typed |= low.starts_with("content-type:") && low.contains("application/sdp");
            at += line.len();
            if typed && start.is_none() && bare(line).is_empty() {
                start = Some(at);
            }
        }
        (start.expect("a part with a description"), end)
    }
}

/// A description taken apart: the session's lines, then each stream's.
fn sections(text: &str) -> Vec<Vec<&str>> {
    let mut sections = vec![Vec::new()];
    for line in text.split_inclusive('\n').map(bare) {
        if line.starts_with("m=") {
            sections.push(Vec::new());
        }
        sections.last_mut().unwrap().push(line);
    }
    sections
}

/// True for the attributes that name further addresses of a stream; they go with it.
fn names_more_addresses(line: &str) -> bool {
    line.starts_with("a=altc:") || line.starts_with("a=source-filter:")
}

/// True for a source filter of a group address, which is nobody's to relay.
fn filters_group(line: &str) -> bool {
    let Some(filter) = line.strip_prefix("a=source-filter:") else { return false };
    let found = words(filter);
    found.get(3).and_then(|(_, word)| ip(word)).is_some_and(|ip| ip.is_multicast())
}

fn connection<'l>(lines: &[&'l str]) -> Option<&'l str> {
    lines.iter().copied().find(|line| line.starts_with("c="))
}

/// The address word of a c= line, without what follows its slash.
fn address(line: &str) -> &str {
    let address = words(&line[2..])[2].1;
    address.split('/').next().unwrap()
}

/// `c=IN IP4 192.0.2.1/127`, or the end of an a=rtcp line, with the relay in
/// it: `from` is where the network type stands.
fn moved(line: &str, from: usize, relay: IpAddr, hold_too: bool) -> String {
    let found = words(&line[from..]);
    let (kind_at, kind) = found[1];
    let (address_at, word) = found[2];
    let old = word.split('/').next().unwrap();
    // A second address, which is nobody's to use.
    let more = found.len() > 3;
    let (last_at, last) = found[found.len() - 1];
    let behind = &line[from + last_at + last.len()..];
    if !hold_too && ip(old).is_some_and(|ip| ip.is_unspecified()) {
        return match more {
            true => format!("{}{behind}", &line[..from + address_at + old.len()]),
            false => line.to_string(),
        };
    }
    let token = if relay.is_ipv6() { "IP6" } else { "IP4" };
    // A TTL or a count means nothing in the other family.
    let same_family = kind.eq_ignore_ascii_case("IP6") == relay.is_ipv6();
    let kept = if same_family { old.len() } else { word.len() };
    let after = if more { behind } else { &line[from + address_at + kept..] };
    format!("{}{token} {relay}{after}", &line[..from + kind_at])
}

/// An m= line as its words.
struct Stream<'l> {
    lines: &'l [&'l str],
    port: u16,
    relayable: bool,
    /// The c= line that holds for it.
    connection: Option<&'l str>,
    mid: Option<&'l str>,
}

impl<'l> Stream<'l> {
    fn read(lines: &'l [&'l str], session: &[&'l str]) -> Self {
        let found = words(&lines[0][2..]);
        let port = found[1].1.split('/').next().unwrap().parse().unwrap();
        let transport = found[2].1.to_ascii_lowercase();
        let family = transport.split('/').next().unwrap();
        let relayable = family == "rtp" || family == "udp" || transport == "udptl";
        let mid = lines.iter().find_map(|line| line.strip_prefix("a=mid:"));
        Stream {
            lines,
            port,
            relayable,
            connection: connection(lines).or(connection(session)),
            mid: mid.map(|mid| mid.trim_matches(is_blank)),
        }
    }

    fn has_own_connection(&self) -> bool {
        connection(self.lines).is_some()
    }

    /// On, at an address that a relay can stand in for.
    fn on(&self) -> bool {
        self.relayable
            && self.port != 0
            && self.connection.is_some_and(|line| {
                let group = ip(address(line)).is_some_and(|ip| ip.is_multicast());
                words(&line[2..])[0].1.eq_ignore_ascii_case("IN") && !group
            })
    }

    /// Without an address: all of it is replaced or nothing.
    fn trickles(&self) -> bool {
        let held = |line| ip(address(line)).is_some_and(|ip| ip.is_unspecified());
        self.port == 9 && self.connection.is_some_and(held)
    }

    /// ICE, with a candidate before which the relay's can stand.
    fn wants_candidates(&self, session: &[&str]) -> bool {
        let has_credentials = |lines: &[&str]| {
            let has = |name: &str| {
                let value = |line: &&str| line.strip_prefix(name).map(str::to_string);
                lines.iter().filter_map(value).any(|value| !value.trim_matches(is_blank).is_empty())
            };
            has("a=ice-ufrag:") && has("a=ice-pwd:")
        };
        (has_credentials(self.lines) || has_credentials(session))
            && self.lines.iter().any(|line| component(line).is_some())
    }

    /// Bundled with the other on one address and port.
    fn shares_with(&self, other: &Stream<'_>, session: &[&str]) -> bool {
        let (Some(mine), Some(theirs)) = (self.mid, other.mid) else { return false };
        let host = |stream: &Stream<'_>| {
            let text = address(stream.connection.unwrap());
            ip(text).map_or(text.to_string(), |ip| ip.to_string())
        };
        let mut groups = session.iter().filter_map(|line| line.strip_prefix("a=group:BUNDLE "));
        groups.any(|group| {
            let mids: Vec<&str> = words(group).into_iter().map(|(_, word)| word).collect();
            mids.contains(&mine) && mids.contains(&theirs)
        }) && self.port == other.port
            && host(self) == host(other)
    }

    /// Its lines as they must be at the relay's port.
    fn relayed(&self, port: u16, relay: IpAddr) -> Vec<String> {
        let hold_too = self.trickles();
        let mux = self.lines.iter().any(|line| line.trim_end_matches(is_blank) == "a=rtcp-mux");
        let mut expected = Vec::new();
        for line in self.lines {
            expected.push(if let Some(value) = line.strip_prefix("m=") {
                let (at, old) = words(value)[1];
                let (digits, count) = old.split_once('/').unwrap_or((old, "1"));
                // A relay has one port for a line.
                let one = count.parse() == Ok(1u16);
                let digits = if one { digits.len() } else { old.len() };
                format!("{}{port}{}", &line[..2 + at], &line[2 + at + digits..])
            } else if names_more_addresses(line) {
                continue;
            } else if line.starts_with("c=") {
                moved(line, 2, relay, hold_too)
            } else if line.starts_with("a=rtcp:") {
                self.rtcp(line, port, relay, mux).unwrap_or(line.to_string())
            } else {
                line.to_string()
            });
        }
        expected
    }

    /// An a=rtcp line; `None` for an empty one.
    fn rtcp(&self, line: &str, port: u16, relay: IpAddr, mux: bool) -> Option<String> {
        let found = words(&line[7..]);
        let (at, old) = *found.first()?;
        let (last_at, last) = *found.last()?;
        let digits: String = old.chars().take_while(char::is_ascii_digit).collect();
        let number = digits.parse::<u16>().ok();
        let is_port = number.is_some() && digits == old;
        let internet = found.len() > 3 && found[1].1.eq_ignore_ascii_case("IN");
        let readable = is_port && (internet || found.len() == 1);
        let new = match number {
            Some(0) if readable => 0,
            Some(number) if mux && number == self.port => port,
            _ => port + 1,
        };
        let behind = 7 + at + old.len();
        let rest = match (readable, internet) {
            // It may be the phone's address in any form.
            (false, _) => line[7 + last_at + last.len()..].to_string(),
            (true, true) => moved(line, behind, relay, self.trickles())[behind..].to_string(),
            (true, false) => line[behind..].to_string(),
        };
        Some(format!("{}{new}{rest}", &line[..7 + at]))
    }

    /// No line names the phone's address any more but those of `KEPT`, and none
    /// that has a port its old port.
    fn check_nothing_left(&self, after: &[&str], port: u16) {
        let old = address(self.connection.unwrap());
        let hold = ip(old).is_some_and(|ip| ip.is_unspecified());
        for line in after {
            let kept = KEPT.iter().any(|(start, _)| line.starts_with(start));
            assert!(hold || kept || !names(line, old), "{old} is left in {line}");
            let (value, place) = match (line.strip_prefix("m="), line.strip_prefix("a=rtcp:")) {
                (Some(value), _) => (value, 1),
                (_, Some(value)) => (value, 0),
                _ => continue,
            };
            let shown = words(value).get(place).and_then(|(_, word)| word.split('/').next());
            let same = shown.and_then(|word| word.parse().ok()) == Some(self.port);
            let given = self.port == port || self.port == port + 1;
            assert!(given || !same, "port {} is left in {line}", self.port);
        }
    }
}

/// Lines that go on naming the phone's address, and why they may.
const KEPT: [(&str, &str); 2] = [
    ("a=candidate:", "ICE tries the relay's first and the phone's own beside them"),
    ("a=alt:", "candidates of an early draft of ICE: they are tried, as those of ICE are"),
];

/// The address stands in the line, not as a part of a longer one.
fn names(line: &str, address: &str) -> bool {
    let inside = |c: char| {
        c.is_ascii_alphanumeric() || matches!(c, '.' | '-') || c == ':' && address.contains(':')
    };
    line.match_indices(address).any(|(at, _)| {
        let behind = &line[at + address.len()..];
        !line[..at].ends_with(inside) && !behind.starts_with(inside)
    })
}

/// Judges a rewritten message. `candidates`: relay candidates were asked for.
pub fn check(was: &[u8], is: &[u8], edits: &Edits, given: &Given<'_>, candidates: bool) {
    let edited = spliced(was, edits);
    let (before, between, after) = (Taken::apart(was), Taken::apart(&edited), Taken::apart(is));

    let (start, end) = before.description();
    for edit in edits.iter() {
        assert!(start <= edit.offset && edit.offset + edit.remove <= end, "outside: {edit:?}");
    }
    assert_eq!(is[after.body..], edited[between.body..], "the body as edited");
    assert_eq!(between.headers.len(), after.headers.len());
    for (old, new) in between.headers.iter().zip(&after.headers) {
        if between.bytes[old.clone()] == after.bytes[new.clone()] {
            continue;
        }
        let (old, new) = (&between.text[old.clone()], &after.text[new.clone()]);
        let name = old.split(':').next().unwrap().trim_matches(is_blank).to_ascii_lowercase();
        assert!(name == "content-length" || name == "l", "{old} became {new}");
        let value = |line: &str| line.split_once(':').unwrap().1.trim_matches(is_blank).len();
        assert_eq!(old.len() - value(old), new.len() - value(new), "only the number changes");
    }
    let grown = edited.len() as i64 - was.len() as i64;
    let length = before.body_length() as i64 + grown;
    for value in after.values("Content-Length", "l") {
        assert_eq!(value.parse::<i64>().unwrap(), length, "Content-Length");
    }

    let new_start = after.body + (start - before.body);
    let new_end = (new_start as i64 + (end - start) as i64 + grown) as usize;
    let (old, new) = (&before.text[start..end], &after.text[new_start..new_end]);
    check_description(old, new, given, candidates);
}

fn check_description(was: &str, is: &str, given: &Given<'_>, candidates: bool) {
    let (before, after) = (sections(was), sections(is));
    assert_eq!(before.len(), after.len(), "m= lines neither come nor go");
    let session = &before[0];
    let streams: Vec<Stream<'_>> =
        before[1..].iter().map(|lines| Stream::read(lines, session)).collect();
    let concluded = was.contains("\na=remote-candidates:");

    let mut ports: Vec<Option<u16>> = Vec::new();
    let mut listed = given.ports.iter();
    for stream in &streams {
        let own = *listed.next().expect("a port for each m= line");
        let earlier = streams[..ports.len()]
            .iter()
            .position(|other| other.on() && stream.on() && stream.shares_with(other, session));
        ports.push(match earlier {
            _ if stream.on()
                && stream.trickles()
                && !(candidates && !concluded && stream.wants_candidates(session)) =>
            {
                None
            }
            Some(earlier) => ports[earlier],
            None => Some(own).filter(|port| *port != 0 && stream.on()),
        });
    }

    let uses_session = |(stream, port): (&Stream<'_>, &Option<u16>)| {
        port.is_some() && !stream.has_own_connection() && !stream.trickles()
    };
    let session_moves = streams.iter().zip(&ports).any(uses_session);
    let any = ports.iter().any(Option::is_some);
    let mut expected: Vec<String> = Vec::new();
    for line in session {
        let goes = names_more_addresses(line) || line.starts_with("a=rtcp:");
        if any && goes && !filters_group(line) {
            continue;
        }
        let on_hold = || any && ip(address(line)).is_some_and(|ip| ip.is_unspecified());
        let moves = line.starts_with("c=") && (session_moves || on_hold());
        expected.push(match moves {
            true => moved(line, 2, given.address, false),
            false => line.to_string(),
        });
    }
    assert_eq!(after[0], expected, "the session level");
    let mut lines = session.iter().filter(|line| line.starts_with("c="));
    let held = lines.all(|line| ip(address(line)).is_some_and(|ip| ip.is_unspecified()));

    for ((stream, port), new) in streams.iter().zip(&ports).zip(&after[1..]) {
        match port {
            Some(port) => {
                let mut expected = stream.relayed(*port, given.address);
                if stream.trickles() && !stream.has_own_connection() {
                    let title = expected.get(1).is_some_and(|line| line.starts_with("i="));
                    let family = if given.address.is_ipv6() { "IP6" } else { "IP4" };
                    let line = format!("c=IN {family} {}", given.address);
                    expected.insert(1 + usize::from(title), line);
                }
                if candidates && !concluded && stream.wants_candidates(session) {
                    insert_candidates(&mut expected, *port, given.address, new);
                }
                assert_eq!(*new, expected, "a relayed stream");
                stream.check_nothing_left(new, *port);
            }
            None => {
                let mut expected: Vec<&str> = stream.lines.to_vec();
                let loses = session_moves && !held && stream.port != 0;
                if loses && !stream.has_own_connection() {
                    let title = expected.get(1).is_some_and(|line| line.starts_with("i="));
                    let kept = session.iter().filter(|line| line.starts_with("c="));
                    let at = 1 + usize::from(title);
                    expected.splice(at..at, kept.copied());
                }
                assert_eq!(*new, expected, "a stream that is not relayed");
            }
        }
    }
}
