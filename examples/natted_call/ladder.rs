//! The call ladder: who sent what to whom, in order, as arrows.

use std::net::SocketAddr;
use std::sync::Mutex;

use crate::nat::lock;
use crate::server::Record;
use kit::sip::Sip;

/// Characters between two vertical lines.
const WIDTH: usize = 22;
const COLUMNS: [&str; 5] = ["phone A", "NAT A", "proxy + relay", "NAT B", "phone B"];

/// Which half of the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    A,
    B,
}

/// One line of the ladder.
enum Event {
    /// A SIP message passed a NAT.
    Sip { side: Side, outward: bool, public: SocketAddr, bytes: Vec<u8> },
    /// Something about all of them.
    Note(String),
}

/// The ladder as it grows.
#[derive(Default)]
pub(crate) struct Ladder {
    events: Mutex<Vec<Event>>,
}

impl Ladder {
    /// A packet passed a NAT; only SIP gets a line.
    pub(crate) fn packet(&self, side: Side, outward: bool, public: SocketAddr, bytes: &[u8]) {
        // SIP starts with a letter, RTP and RTCP with version 2.
        if bytes.first().is_some_and(u8::is_ascii_uppercase) {
            let bytes = bytes.to_vec();
            lock(&self.events).push(Event::Sip { side, outward, public, bytes });
        }
    }

    /// A line across all columns.
    pub(crate) fn note(&self, text: impl Into<String>) {
        lock(&self.events).push(Event::Note(text.into()));
    }

    /// The picture. Messages the proxy got carry the number of its record.
    pub(crate) fn render(&self, records: &[Record]) -> String {
        let mut head = String::from("   ");
        for name in COLUMNS {
            head.push_str(&format!("{name:^width$}", width = WIDTH + 1));
        }
        let mut out = format!("{}\n", head.trim_end());
        let bars = format!("{:14}{}|\n", "", format!("|{:WIDTH$}", "").repeat(4));
        out.push_str(&bars);
        let mut used = 0;
        for event in lock(&self.events).iter() {
            match event {
                Event::Note(text) => {
                    let inner = 4 * WIDTH + 3;
                    out.push_str(&format!("{:14}|{:=^inner$}|\n", "", format!(" {text} ")));
                }
                Event::Sip { side, outward, public, bytes } => {
                    let found = records.iter().find(|record| {
                        *outward && record.number > used && record.received == *bytes
                    });
                    used = found.map_or(used, |record| record.number);
                    let number =
                        found.map_or(String::new(), |record| format!("#{}", record.number));
                    let line = arrow(*side, *outward, *public, bytes);
                    out.push_str(&format!("{number:>12}  {line}\n"));
                }
            }
        }
        out.push_str(&bars);
        out
    }
}

/// One message as two arrows, through the NAT.
fn arrow(side: Side, outward: bool, public: SocketAddr, bytes: &[u8]) -> String {
    let label = Sip::parse(bytes).map_or("?".to_string(), |message| message.label());
    let port = format!("{} :{}", if outward { "from" } else { "to" }, public.port());
    let rightward = (side == Side::A) == outward;
    let (label, port) = (segment(&label, rightward), segment(&port, rightward));
    let blank = " ".repeat(WIDTH);
    match side {
        Side::A => format!("|{label}|{port}|{blank}|{blank}|"),
        Side::B => format!("|{blank}|{blank}|{port}|{label}|"),
    }
}

fn segment(text: &str, rightward: bool) -> String {
    let text: String = text.chars().take(WIDTH - 4).collect();
    let text = format!(" {text} ");
    let inner = WIDTH - 1;
    if rightward { format!("{text:-^inner$}>") } else { format!("<{text:-^inner$}") }
}
