//! Generated descriptions, and what a rewrite makes of them, worked out from
//! how they were generated: no line is ever read.

mod parts;

use std::net::{IpAddr, Ipv4Addr};

use mediaproxy::IceCandidate;
use proptest::prelude::*;

use parts::*;

/// A description and how its message is written.
#[derive(Clone, Debug)]
pub(crate) struct Description {
    connection: Option<Address>,
    /// A second one, which is invalid but real.
    second: Option<Address>,
    further: bool,
    credentials: bool,
    direction: Option<&'static str>,
    marked: bool,
    streams: Vec<Stream>,
    line_end: &'static str,
    last_line_end: bool,
    /// The line end of the headers, and of what is inserted.
    pub(crate) message_line_end: &'static str,
}

pub(crate) fn description(
    streams: impl Strategy<Value = usize>,
) -> impl Strategy<Value = Description> {
    let line_end = || prop_oneof![2 => Just("\r\n"), 1 => Just("\n")];
    let direction = prop::option::weighted(0.3, prop::sample::select(&DIRECTIONS[..]));
    let connection = prop::option::weighted(0.9, any_address());
    let second = prop::sample::select([&PHONES[..], &HOLDS].concat());
    let second = prop::option::weighted(0.1, second);
    let connection = (connection, second, prop::bool::weighted(0.1));
    let session = (connection, prop::bool::weighted(0.2), direction, prop::bool::weighted(0.05));
    let streams = streams.prop_flat_map(|count| prop::collection::vec(stream(), count));
    // One with remote candidates switches relay candidates off for all.
    let concluding = prop::option::weighted(0.1, any::<prop::sample::Index>());
    let form = (line_end(), prop::bool::weighted(0.8), line_end());
    (session, streams, concluding, prop::bool::weighted(0.3), form).prop_map(
        |(
            session,
            mut streams,
            concluding,
            bundle,
            (line_end, last_line_end, message_line_end),
        )| {
            let ((connection, second, further), credentials, direction, marked) = session;
            let second = second.filter(|_| connection.is_some());
            if let Some(index) = concluding {
                let at = index.index(streams.len());
                streams[at].attributes.push(Attribute::RemoteCandidates);
            }
            for (at, stream) in streams.iter_mut().enumerate() {
                stream.mid = bundle.then_some(at);
            }
            Description {
                connection,
                second,
                further,
                credentials,
                direction,
                marked,
                streams,
                line_end,
                last_line_end,
                message_line_end,
            }
        },
    )
}

/// How a rewrite goes, beside the description.
#[derive(Clone, Debug)]
pub(crate) struct How {
    pub(crate) relay: IpAddr,
    pub(crate) answer: bool,
    pub(crate) ice: IceCandidate,
    pub(crate) rewrite_origin: bool,
    pub(crate) loop_marker: bool,
    /// What the relay gives, one for each stream it is told of, or fewer.
    pub(crate) ports: Vec<u16>,
}

/// A stream as the relay is told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) kind: &'static str,
    pub(crate) address: &'static str,
    pub(crate) port: u16,
    pub(crate) direction: &'static str,
    pub(crate) ice: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// A stream that is on has no address.
    NoConnection,
    /// The relay gave an offer too few ports, or none for a stream that is on.
    NoPort,
}

/// Lines, each with the line end it has.
#[derive(Default)]
struct Text(Vec<(String, &'static str)>);

impl Text {
    fn line(&mut self, text: impl Into<String>, end: &'static str) {
        self.0.push((text.into(), end));
    }

    /// A new line among the old ones. At the end of a text whose last line is
    /// open it becomes the open one.
    fn insert(&mut self, text: impl Into<String>, end: &'static str) {
        let open = self.0.last_mut().filter(|(_, end)| end.is_empty());
        let own = if open.is_some() { "" } else { end };
        if let Some((_, before)) = open {
            *before = end;
        }
        self.line(text, own);
    }

    fn written(&self) -> String {
        self.0.iter().map(|(text, end)| format!("{text}{end}")).collect()
    }
}

impl Description {
    fn session_lines(&self) -> impl Iterator<Item = Address> {
        self.connection.into_iter().chain(self.second)
    }

    fn address_of(&self, stream: &Stream) -> Option<Address> {
        stream.connections.first().copied().or(self.connection)
    }

    fn is_relayable(stream: &Stream) -> bool {
        RELAYABLE.contains(&stream.transport)
    }

    /// On, of a transport that a relay carries, at an address it can stand for.
    fn reaches_relay(&self, stream: &Stream) -> bool {
        let reachable = |address: Address| address.kind != Kind::Unreachable;
        Self::is_relayable(stream)
            && stream.port != 0
            && self.address_of(stream).is_some_and(reachable)
    }

    /// As `reaches_relay`, but no line of an offer that leaves all to ICE.
    fn is_for_relay(&self, stream: &Stream, how: &How) -> bool {
        let left_to_ice = self.trickles(stream)
            && !how.answer
            && self.has_credentials(stream)
            && !self.gets_candidates(stream, how);
        self.reaches_relay(stream) && !left_to_ice
    }

    /// No address yet: all of the line is replaced or nothing.
    fn trickles(&self, stream: &Stream) -> bool {
        let mut all: Vec<_> = match stream.connections.is_empty() {
            true => self.session_lines().collect(),
            false => stream.connections.clone(),
        };
        let mut is_odd = false;
        for attribute in &stream.attributes {
            match attribute {
                Attribute::Rtcp(_, Some(at)) if at.network != "IN" => is_odd = true,
                Attribute::Rtcp(_, address) => all.extend(*address),
                Attribute::OddRtcp(_) => is_odd = true,
                _ => {}
            }
        }
        let hold = |at: &Address| at.kind == Kind::Hold && at.more.is_empty();
        stream.port == 9 && !is_odd && self.address_of(stream).is_some() && all.iter().all(hold)
    }

    /// Trickles, and stays as it is.
    fn stays(&self, stream: &Stream, how: &How) -> bool {
        self.trickles(stream) && !self.gets_candidates(stream, how)
    }

    fn has_credentials(&self, stream: &Stream) -> bool {
        let own = |attribute: &Attribute| matches!(attribute, Attribute::Other("a=ice-ufrag:u"));
        self.credentials || stream.attributes.iter().any(own)
    }

    fn gets_candidates(&self, stream: &Stream, how: &How) -> bool {
        let has =
            |wanted: fn(&Attribute) -> bool, stream: &Stream| stream.attributes.iter().any(wanted);
        let concluding =
            self.streams.iter().any(|s| has(|a| matches!(a, Attribute::RemoteCandidates), s));
        how.ice != IceCandidate::None
            && !concluding
            && self.reaches_relay(stream)
            && self.has_credentials(stream)
            && has(|a| matches!(a, Attribute::Candidate { .. }), stream)
    }

    /// What the relay is asked for; nothing where it is of no use.
    pub(crate) fn told(&self, how: &How) -> Vec<Told> {
        let use_of = |stream: &Stream| {
            Self::is_relayable(stream) && (stream.port == 0 || self.is_for_relay(stream, how))
        };
        if (how.loop_marker && self.marked) || !self.streams.iter().any(use_of) {
            return Vec::new();
        }
        self.streams
            .iter()
            .map(|stream| {
                let own = stream.attributes.iter().find_map(|attribute| match attribute {
                    Attribute::Other(text) if DIRECTIONS.contains(text) => Some(*text),
                    _ => None,
                });
                Told {
                    kind: stream.kind,
                    address: self.address_of(stream).map_or("0.0.0.0", |address| address.host),
                    port: if self.is_for_relay(stream, how) { stream.port } else { 0 },
                    direction: own.or(self.direction).unwrap_or(DIRECTIONS[0]),
                    ice: self.gets_candidates(stream, how),
                }
            })
            .collect()
    }

    /// The port each stream gets, `None` where it keeps its own.
    fn given(&self, how: &How) -> Result<Vec<Option<u16>>, Refusal> {
        let mut from_relay = how.ports.iter().copied();
        let mut given: Vec<Option<u16>> = Vec::new();
        for (at, stream) in self.streams.iter().enumerate() {
            let offered = from_relay.next();
            if !self.is_for_relay(stream, how) {
                given.push(None);
                continue;
            }
            let shares = |other: &Stream| {
                self.is_for_relay(other, how)
                    && other.port == stream.port
                    && self.address_of(other).unwrap().same_host(&self.address_of(stream).unwrap())
            };
            let leader = match stream.mid {
                Some(_) => self.streams[..at].iter().position(shares),
                None => None,
            };
            let port = match leader {
                Some(leader) => given[leader],
                None => offered.filter(|port| (1..65_535).contains(port)),
            };
            if port.is_none() && !how.answer {
                return Err(Refusal::NoPort);
            }
            given.push(port);
        }
        Ok(given)
    }

    /// As it was written.
    pub(crate) fn before(&self) -> String {
        self.write(None, &vec![None; self.streams.len()])
    }

    /// As the rewrite must leave it.
    pub(crate) fn after(&self, how: &How) -> Result<String, Refusal> {
        if how.loop_marker && self.marked {
            return Ok(self.before());
        }
        let lost =
            |s: &Stream| Self::is_relayable(s) && s.port != 0 && self.address_of(s).is_none();
        if self.streams.iter().any(lost) {
            return Err(Refusal::NoConnection);
        }
        // One port for each stream an offer tells of, those that are off too.
        if !how.answer && how.ports.len() < self.told(how).len() {
            return Err(Refusal::NoPort);
        }
        Ok(self.write(Some(how), &self.given(how)?))
    }

    fn write(&self, how: Option<&How>, given: &[Option<u16>]) -> String {
        // A line that stays as it is changes nothing of the session level.
        let moved = |(s, port): &(&Stream, &Option<u16>)| {
            port.is_some() && how.is_some_and(|how| !self.stays(s, how))
        };
        let how = how.filter(|_| self.streams.iter().zip(given).any(|pair| moved(&pair)));
        let uses_session = |(s, port): (&Stream, &Option<u16>)| {
            s.connections.is_empty() && port.is_some() && !self.trickles(s)
        };
        let moves = self.session_lines().any(|address| address.kind == Kind::Phone)
            && self.streams.iter().zip(given).any(uses_session);
        let mut text = Text::default();
        let mut lines = vec!["v=0".to_string()];
        let origin = address("IP4", "10.0.0.1", "");
        lines.push(match how {
            Some(how) if how.rewrite_origin => format!("o=a b 1 1 {}", origin.moved(how.relay)),
            _ => format!("o=a b 1 1 {}", origin.text()),
        });
        lines.extend(["s=c=IN IP4 10.9.9.9".into(), "i=(o=IN IP4 10.9.9.9)".into()]);
        lines.extend(self.session_lines().map(|address| match how {
            Some(how) if moves && address.kind == Kind::Phone => {
                format!("c={}", address.moved(how.relay))
            }
            Some(_) if address.kind == Kind::Hold => format!("c={}", address.held()),
            _ => format!("c={}", address.text()),
        }));
        if self.further {
            lines.push(GROUP_FILTER.into());
            if how.is_none() {
                lines.extend([FURTHER[2].into(), SESSION_RTCP.into()]);
            }
        }
        lines.push("t=0 0".into());
        lines.extend(self.marked.then(|| "a=nortpproxy:yes".into()));
        lines.extend(self.direction.map(Into::into));
        if self.credentials {
            lines.extend(["a=ice-ufrag:s".into(), "a=ice-pwd:s".into()]);
        }
        let mids: String =
            self.streams.iter().filter_map(|s| s.mid).map(|mid| format!(" m{mid}")).collect();
        lines.extend((!mids.is_empty()).then(|| format!("a=group:BUNDLE{mids}")));
        lines.into_iter().for_each(|line| text.line(line, self.line_end));

        for (at, (stream, port)) in self.streams.iter().zip(given).enumerate() {
            let last = at + 1 == self.streams.len();
            self.write_stream(stream, *port, how, moves, last, &mut text);
        }
        if let Some(how) = how
            && how.loop_marker
        {
            text.insert("a=nortpproxy:yes", self.message_line_end);
            text.0.last_mut().unwrap().1 = self.message_line_end;
        }
        text.written()
    }

    fn write_stream(
        &self,
        stream: &Stream,
        port: Option<u16>,
        how: Option<&How>,
        moves: bool,
        last: bool,
        text: &mut Text,
    ) {
        let relayed = how.zip(port).filter(|(how, _)| !self.stays(stream, how));
        let trickles = self.trickles(stream);
        // Only the very last line of all may be open.
        let mut left = 1
            + usize::from(stream.title)
            + stream.connections.len()
            + stream.attributes.len()
            + usize::from(stream.mid.is_some());
        let mut end = || {
            left -= 1;
            if left == 0 && last && !self.last_line_end { "" } else { self.line_end }
        };
        let Stream { kind, transport, count, .. } = stream;
        let ports = match relayed {
            Some((_, port)) => port.to_string(),
            None => format!("{}{count}", stream.port),
        };
        text.line(format!("m={kind} {ports} {transport} 0"), end());
        if stream.title {
            text.line("i=c=IN IP4 10.9.9.9", end());
        }
        let stays = stream.port != 0 && relayed.is_none() && stream.connections.is_empty();
        for address in self.session_lines().filter(|_| moves && stays && how.is_some()) {
            text.insert(format!("c={}", address.text()), self.message_line_end);
        }
        if let Some((how, _)) = relayed
            && trickles
            && stream.connections.is_empty()
        {
            let address = address("IP4", "", "").moved(how.relay);
            text.insert(format!("c={address}"), self.message_line_end);
        }
        for address in &stream.connections {
            let new = match relayed {
                Some((how, _)) if trickles || address.kind == Kind::Phone => {
                    address.moved(how.relay)
                }
                Some(_) if address.kind == Kind::Hold => address.held(),
                _ => address.text(),
            };
            text.line(format!("c={new}"), end());
        }
        let mut first_candidate = true;
        let component_2 =
            stream.attributes.iter().any(|a| matches!(a, Attribute::Candidate { component: 2 }));
        let mux = stream.attributes.iter().any(|a| matches!(a, Attribute::Mux));
        for attribute in &stream.attributes {
            let Some((how, port)) = relayed else {
                text.line(attribute.text(), end());
                continue;
            };
            if matches!(attribute, Attribute::Further(_)) {
                end();
                continue;
            }
            let new = match attribute {
                Attribute::OddRtcp(text) => {
                    let space = if text.starts_with("a=rtcp: ") { " " } else { "" };
                    format!("a=rtcp:{space}{}", port + 1)
                }
                // An address that no phone can send to.
                Attribute::Rtcp(old, Some(at)) if at.network != "IN" => {
                    let same = mux && *old == stream.port;
                    format!("a=rtcp:{}", if same { port } else { port + 1 })
                }
                Attribute::Rtcp(old, address) => {
                    let new = match *old {
                        0 => 0,
                        old if mux && old == stream.port => port,
                        _ => port + 1,
                    };
                    let moved = |at: &Address| match (at.network, at.kind) {
                        ("IN", Kind::Phone | Kind::Unreachable) => at.moved(how.relay),
                        ("IN", Kind::Hold) if trickles => at.moved(how.relay),
                        _ => at.held(),
                    };
                    let address = address.as_ref().map(|at| format!(" {}", moved(at)));
                    format!("a=rtcp:{new}{}", address.unwrap_or_default())
                }
                Attribute::Candidate { .. } => {
                    if first_candidate && self.gets_candidates(stream, how) {
                        for component in 1..=1 + u16::from(component_2) {
                            let line = candidate(how, component, port + component - 1);
                            text.insert(line, self.message_line_end);
                        }
                    }
                    first_candidate = false;
                    attribute.text()
                }
                _ => attribute.text(),
            };
            text.line(new, end());
        }
        if let Some(mid) = stream.mid {
            text.line(format!("a=mid:m{mid}"), end());
        }
    }
}

/// `R`, the network-order address as a little-endian number; a priority that the
/// phone's candidate has not (`Attribute::text`: the highest of all).
fn candidate(how: &How, component: u16, port: u16) -> String {
    let relay = how.relay;
    let folded = match relay {
        IpAddr::V4(ip) => u32::from_le_bytes(ip.octets()),
        IpAddr::V6(ip) => ip
            .octets()
            .chunks(4)
            .map(|word| u32::from_le_bytes(word.try_into().unwrap()))
            .fold(0, |all, word| all ^ word),
    };
    let high = how.ice == IceCandidate::HighPriority;
    let (kind, local): (u32, u32) = if high { (126, 65_534) } else { (0, 65_535) };
    let priority = (kind << 24) + (local << 8) + 256 - u32::from(component);
    let hidden = if relay.is_ipv6() { "::" } else { "0.0.0.0" };
    format!(
        "a=candidate:R{folded:x} {component} UDP {priority} {relay} {port} typ relay \
         raddr {hidden} rport 9"
    )
}

/// A relay's address; a mapped one is the IPv4 one.
pub(crate) fn relay() -> impl Strategy<Value = IpAddr> {
    let v4 = Ipv4Addr::new(203, 0, 113, 9);
    prop_oneof![
        2 => Just(IpAddr::V4(v4)),
        2 => Just("2001:db8:9::9".parse().unwrap()),
        1 => Just(IpAddr::V6(v4.to_ipv6_mapped())),
    ]
}
