//! The SDP of simulated phones. Each m= line names the *end* that it describes
//! in an attribute that no server changes, so that the judge knows whose
//! address a phone was given.

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// A socket of a phone for one stream. Numbers are never used twice in a run.
pub type EndId = u32;

/// The direction of a stream (RFC 3264 5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Both,
    SendOnly,
    ReceiveOnly,
    Inactive,
}

impl Direction {
    fn name(self) -> &'static str {
        match self {
            Direction::Both => "sendrecv",
            Direction::SendOnly => "sendonly",
            Direction::ReceiveOnly => "recvonly",
            Direction::Inactive => "inactive",
        }
    }

    pub fn sends(self) -> bool {
        matches!(self, Direction::Both | Direction::SendOnly)
    }

    pub fn receives(self) -> bool {
        matches!(self, Direction::Both | Direction::ReceiveOnly)
    }

    /// The direction with these two parts.
    pub fn new(sends: bool, receives: bool) -> Self {
        match (sends, receives) {
            (true, true) => Direction::Both,
            (true, false) => Direction::SendOnly,
            (false, true) => Direction::ReceiveOnly,
            (false, false) => Direction::Inactive,
        }
    }
}

/// The kind of an m= line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Audio,
    Video,
    /// MSRP over TCP: no relay serves it.
    Messages,
}

impl Kind {
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Kind::Audio => ("audio", "RTP/AVP 0"),
            Kind::Video => ("video", "RTP/AVP 31"),
            Kind::Messages => ("message", "TCP/MSRP *"),
        }
    }

    pub fn name(self) -> &'static str {
        self.words().0
    }

    pub fn of(name: &str) -> Option<Kind> {
        [Kind::Audio, Kind::Video, Kind::Messages].into_iter().find(|kind| kind.name() == name)
    }

    pub fn is_relayed(self) -> bool {
        self != Kind::Messages
    }
}

/// The transport of a refused line that is not as the offer has it.
const OTHER_TRANSPORT: &str = "TCP/RTP/AVP 0";

/// One m= line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    pub kind: Kind,
    /// Port 0 refuses or removes the stream.
    pub address: SocketAddr,
    pub direction: Direction,
    /// 0 when the stream is refused or removed.
    pub end: EndId,
    /// Refused with another transport than the offer's.
    pub other_transport: bool,
}

impl Line {
    pub fn is_active(&self) -> bool {
        self.address.port() != 0
    }
}

/// A session description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sdp {
    pub origin: u32,
    pub version: u32,
    pub lines: Vec<Line>,
    /// It has the loop marker.
    pub marked: bool,
    /// When the offer was made that this is, or that this answers. No message
    /// carries it: the judge looks at it.
    pub offered_at: u64,
}

impl Sdp {
    /// The description as text. The first line's address is the session's.
    pub fn text(&self) -> String {
        let session = self.lines.iter().find(|line| line.is_active()).or(self.lines.first());
        let zero = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let session = session.map_or(zero, |line| line.address.ip());
        let (origin, version) = (self.origin, self.version);
        let mut text = String::with_capacity(512);
        let _ = write!(text, "v=0\r\no=- {origin} {version} IN {}\r\ns=-\r\n", family(session));
        let _ = write!(text, "c=IN {}\r\nt=0 0\r\n", family(session));
        for line in &self.lines {
            let (media, transport) = line.kind.words();
            // A phone that offers the line again has its own transport.
            let refused = line.other_transport && line.address.port() == 0;
            let transport = if refused { OTHER_TRANSPORT } else { transport };
            let _ = write!(text, "m={media} {} {transport}\r\n", line.address.port());
            if line.address.ip() != session {
                let _ = write!(text, "c=IN {}\r\n", family(line.address.ip()));
            }
            let _ = write!(text, "a={}\r\na=x-end:{}\r\n", line.direction.name(), line.end);
        }
        if self.marked {
            text.push_str("a=nortpproxy:yes\r\n");
        }
        text
    }

    /// Reads what [`Sdp::text`] wrote, with other addresses.
    pub fn parse(text: &str) -> Result<Sdp, String> {
        let mut sdp =
            Sdp { origin: 0, version: 0, lines: Vec::new(), marked: false, offered_at: 0 };
        let mut session = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        for row in text.split_terminator("\r\n") {
            let bad = || format!("a line that nobody wrote: {row:?}");
            let (name, value) = row.split_once('=').ok_or_else(bad)?;
            let mut words = value.split(' ');
            match (name, sdp.lines.last_mut()) {
                ("o", None) => {
                    let mut number = || words.nth(1)?.parse().ok();
                    sdp.origin = number().ok_or_else(bad)?;
                    let version = value.split(' ').nth(2).and_then(|word| word.parse().ok());
                    sdp.version = version.ok_or_else(bad)?;
                }
                ("c", line) => {
                    let ip = words.nth(2).and_then(|word| word.parse().ok()).ok_or_else(bad)?;
                    match line {
                        Some(line) => line.address.set_ip(ip),
                        None => session = ip,
                    }
                }
                ("m", _) => {
                    let kind = words.next().and_then(Kind::of).ok_or_else(bad)?;
                    let port = words.next().and_then(|word| word.parse().ok()).ok_or_else(bad)?;
                    let address = SocketAddr::new(session, port);
                    let other_transport = value.ends_with(OTHER_TRANSPORT);
                    let direction = Direction::Both;
                    sdp.lines.push(Line { kind, address, direction, end: 0, other_transport });
                }
                ("a", _) if value == "nortpproxy:yes" => sdp.marked = true,
                ("a", Some(line)) => match value.split_once(':') {
                    Some(("x-end", end)) => line.end = end.parse().map_err(|_| bad())?,
                    Some(("rtcp", _)) => {}
                    _ => {
                        let all = [
                            Direction::Both,
                            Direction::SendOnly,
                            Direction::ReceiveOnly,
                            Direction::Inactive,
                        ];
                        let found = all.into_iter().find(|direction| direction.name() == value);
                        line.direction = found.ok_or_else(bad)?;
                    }
                },
                ("v" | "s" | "t", None) => {}
                _ => return Err(bad()),
            }
        }
        Ok(sdp)
    }

    /// The active line of an end.
    pub fn line_of(&self, end: EndId) -> Option<&Line> {
        self.lines.iter().find(|line| line.end == end && line.is_active())
    }

    /// For the record of a run.
    pub fn summary(&self) -> String {
        let line = |line: &Line| {
            let what = if line.is_active() { line.direction.name() } else { "no" };
            format!("{} {what} end {}", line.address, line.end)
        };
        self.lines.iter().map(line).collect::<Vec<_>>().join(", ")
    }
}

/// The address type and the address of an o= or c= line.
fn family(ip: IpAddr) -> String {
    format!("{} {ip}", if ip.is_ipv4() { "IP4" } else { "IP6" })
}
