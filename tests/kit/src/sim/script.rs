//! Scripts: a network and what happens in it, one thing a line, so that a person
//! can read a fault and a test can repeat it.

use std::fmt;
use std::str::FromStr;

use super::b2bua::{Edit, Manner};
use super::dialog::Change;
use super::message::Method;
use super::nat::NatKind;
use super::phone::Keeps;
use super::relays::Power;
use super::sdp::Kind;

/// How the nodes are connected. `s` has the library; `u` is a B2BUA, `f` forks,
/// `p` is a stateless proxy.
pub const TOPOLOGIES: [(&str, usize); 13] = [
    ("direct", 2),
    ("stateful", 2),
    ("fork", 3),
    ("fork3", 4),
    ("downstream", 3),
    ("both", 4),
    ("hairpin", 2),
    ("chain", 2),
    ("spiral", 2),
    ("proxies", 2),
    ("edge", 2),
    ("forkchain", 3),
    ("upstream", 3),
];

/// So many of them, the first ones, are generated. In `forkchain` the second server ends
/// the session that the first one has made at their relay. With a fork before servers
/// that time out by themselves (`upstream`) nobody could say whose call is over.
pub const GENERATED: usize = 11;

/// A network. Times are in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setup {
    pub topology: &'static str,
    pub relays: usize,
    /// The relays are taken for AG Projects' dispatcher, which knows no dialogs.
    pub dispatcher: bool,
    pub workers: usize,
    /// The time of a SIP message from one node to the next.
    pub latency: u64,
    /// The time of a relay request, one way.
    pub relay_delay: u64,
    /// SIP messages lost, of a hundred.
    pub loss: u64,
    pub seed: u64,
    /// A phone's NAT, by the phone's place.
    pub nats: [Option<usize>; 4],
    pub streams: Vec<Kind>,
    pub manner: Manner,
    pub keeps: Keeps,
    /// A bit for each phone whose tags are missing.
    pub without_tags: u8,
    /// A bit for each phone whose media is not at its signalling address but at a
    /// private one, which the server trusts.
    pub elsewhere: u8,
}

impl Default for Setup {
    fn default() -> Self {
        Setup {
            topology: "direct",
            relays: 1,
            dispatcher: false,
            workers: 1,
            latency: 0,
            relay_delay: 0,
            loss: 0,
            seed: 1,
            nats: [None; 4],
            streams: vec![Kind::Audio],
            manner: Manner {
                same_call_id: false,
                same_tags: false,
                media: false,
                edit: Edit::Nothing,
            },
            keeps: Keeps::First,
            without_tags: 0,
            elsewhere: 0,
        }
    }
}

/// What happens next. A step that is not possible at its time does nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Calls {
        phone: u8,
        delayed: bool,
    },
    Rings {
        phone: u8,
        with_sdp: bool,
        reliable: bool,
    },
    Answers {
        phone: u8,
        without_sdp: bool,
    },
    Refuses {
        phone: u8,
        status: u16,
    },
    Cancels {
        phone: u8,
    },
    HangsUp {
        phone: u8,
    },
    Offers {
        phone: u8,
        method: Method,
        change: Change,
    },
    /// The phone refuses so many of the next offers within its dialogs.
    WillRefuse {
        phone: u8,
        count: u8,
    },
    /// The phone's next answers refuse these lines: see `Dialog::answer`.
    RefusesLines {
        phone: u8,
        lines: u8,
    },
    /// The phone only listens from now on.
    Listens {
        phone: u8,
    },
    Relay {
        relay: u8,
        power: Power,
    },
    Restarts {
        server: u8,
    },
    /// A fault, to see it found: the server sends descriptions on as they are.
    /// [`Power::Drops`] is another one.
    Breaks {
        server: u8,
    },
    /// The phone's answers name the address that the offer names.
    Mirrors {
        phone: u8,
    },
    Wait {
        milliseconds: u32,
    },
    /// As `Wait`, but no phone sends media meanwhile.
    Silence {
        milliseconds: u32,
    },
}

/// A whole script.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script {
    pub setup: Setup,
    pub steps: Vec<Step>,
}

const CHANGES: [(&str, Change); 9] = [
    ("trickle", Change::Trickle),
    ("same", Change::Same),
    ("hold", Change::Hold),
    ("hold-zero", Change::HoldZero),
    ("resume", Change::Resume),
    ("ports", Change::Ports),
    ("back", Change::Back),
    ("second", Change::Second),
    ("delayed", Change::Delayed),
];

const POWERS: [(&str, Power); 4] = [
    ("returns", Power::Runs),
    ("dies", Power::Dead),
    ("freezes", Power::Frozen),
    ("drops", Power::Drops),
];

const KEEPS: [(&str, Keeps); 3] =
    [("first", Keeps::First), ("newest", Keeps::Newest), ("both", Keeps::Both)];

const EDITS: [(&str, Edit); 3] = [
    ("nothing", Edit::Nothing),
    ("drops-first", Edit::DropsFirst),
    ("adds-first", Edit::AddsFirst),
];

fn name<T: PartialEq>(all: &[(&'static str, T)], wanted: &T) -> &'static str {
    all.iter().find(|(_, value)| value == wanted).map_or("?", |(name, _)| name)
}

fn value<T: Copy>(all: &[(&'static str, T)], name: &str) -> Option<T> {
    all.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
}

fn letter(phone: u8) -> char {
    char::from(b'a' + phone % 26)
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Step::Calls { phone, delayed } => {
                write!(f, "{} calls{}", letter(phone), if delayed { " without-offer" } else { "" })
            }
            Step::Rings { phone, with_sdp, reliable } => {
                let sdp = if with_sdp { " with-sdp" } else { "" };
                write!(f, "{} rings{sdp}{}", letter(phone), if reliable { " reliably" } else { "" })
            }
            Step::Answers { phone, without_sdp } => {
                let sdp = if without_sdp { " without-sdp" } else { "" };
                write!(f, "{} answers{sdp}", letter(phone))
            }
            Step::Refuses { phone, status } => write!(f, "{} refuses {status}", letter(phone)),
            Step::Cancels { phone } => write!(f, "{} cancels", letter(phone)),
            Step::HangsUp { phone } => write!(f, "{} hangs-up", letter(phone)),
            Step::Offers { phone, method, change } => {
                let verb = if method == Method::Update { "updates" } else { "reinvites" };
                write!(f, "{} {verb} {}", letter(phone), name(&CHANGES, &change))
            }
            Step::WillRefuse { phone, count } => {
                write!(f, "{} will-refuse {count}", letter(phone))
            }
            Step::RefusesLines { phone, lines } => {
                write!(f, "{} refuses-lines {lines}", letter(phone))
            }
            Step::Listens { phone } => write!(f, "{} listens", letter(phone)),
            Step::Relay { relay, power } => write!(f, "relay {relay} {}", name(&POWERS, &power)),
            Step::Restarts { server } => write!(f, "server {server} restarts"),
            Step::Breaks { server } => write!(f, "server {server} breaks"),
            Step::Mirrors { phone } => write!(f, "{} mirrors", letter(phone)),
            Step::Wait { milliseconds } => write!(f, "wait {milliseconds}"),
            Step::Silence { milliseconds } => write!(f, "silence {milliseconds}"),
        }
    }
}

impl FromStr for Step {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let number = |at: usize| -> Option<u32> { words.get(at)?.parse().ok() };
        let read = || -> Option<Step> {
            let first = *words.first()?;
            match first {
                "wait" => return Some(Step::Wait { milliseconds: number(1)? }),
                "silence" => return Some(Step::Silence { milliseconds: number(1)? }),
                "relay" => {
                    let power = value(&POWERS, words.get(2)?)?;
                    return Some(Step::Relay { relay: number(1)? as u8, power });
                }
                "server" => {
                    let server = number(1)? as u8;
                    return match *words.get(2)? {
                        "restarts" => Some(Step::Restarts { server }),
                        "breaks" => Some(Step::Breaks { server }),
                        _ => None,
                    };
                }
                _ => {}
            }
            let byte =
                first.bytes().next().filter(|b| first.len() == 1 && b.is_ascii_lowercase())?;
            let phone = byte - b'a';
            let has = |word: &str| words.contains(&word);
            Some(match *words.get(1)? {
                "calls" => Step::Calls { phone, delayed: has("without-offer") },
                "rings" => {
                    let (with_sdp, reliable) = (has("with-sdp"), has("reliably"));
                    Step::Rings { phone, with_sdp, reliable }
                }
                "answers" => Step::Answers { phone, without_sdp: has("without-sdp") },
                "refuses" => Step::Refuses { phone, status: number(2)? as u16 },
                "listens" => Step::Listens { phone },
                "mirrors" => Step::Mirrors { phone },
                "cancels" => Step::Cancels { phone },
                "hangs-up" => Step::HangsUp { phone },
                "updates" => {
                    let change = value(&CHANGES, words.get(2)?)?;
                    Step::Offers { phone, method: Method::Update, change }
                }
                "reinvites" => {
                    let change = value(&CHANGES, words.get(2)?)?;
                    Step::Offers { phone, method: Method::Invite, change }
                }
                "will-refuse" => Step::WillRefuse { phone, count: number(2)? as u8 },
                "refuses-lines" => Step::RefusesLines { phone, lines: number(2)? as u8 },
                _ => return None,
            })
        };
        read().ok_or_else(|| format!("no step: {text:?}"))
    }
}

impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (setup, default) = (&self.setup, Setup::default());
        writeln!(f, "topology {}", setup.topology)?;
        let numbers = [
            ("relays", setup.relays as u64, default.relays as u64),
            ("dispatcher", u64::from(setup.dispatcher), u64::from(default.dispatcher)),
            ("workers", setup.workers as u64, default.workers as u64),
            ("latency", setup.latency, default.latency),
            ("relay-delay", setup.relay_delay, default.relay_delay),
            ("loss", setup.loss, default.loss),
            ("seed", setup.seed, default.seed),
            ("without-tags", u64::from(setup.without_tags), u64::from(default.without_tags)),
            ("elsewhere", u64::from(setup.elsewhere), u64::from(default.elsewhere)),
        ];
        for (name, value, default) in numbers {
            if value != default {
                writeln!(f, "{name} {value}")?;
            }
        }
        for (phone, nat) in setup.nats.iter().enumerate() {
            if let Some((name, _)) = nat.and_then(|nat| NatKind::NAMED.get(nat)) {
                writeln!(f, "nat {} {name}", letter(phone as u8))?;
            }
        }
        if setup.streams != default.streams {
            let names: Vec<_> = setup.streams.iter().map(|kind| kind.name()).collect();
            writeln!(f, "streams {}", names.join(" "))?;
        }
        let manner = setup.manner;
        if manner != default.manner {
            let words = [
                (manner.same_call_id, " same-call-id"),
                (manner.same_tags, " same-tags"),
                (manner.media, " media"),
            ];
            let words: String = words.iter().filter(|(on, _)| *on).map(|(_, word)| *word).collect();
            writeln!(f, "b2bua {}{words}", name(&EDITS, &manner.edit))?;
        }
        if setup.keeps != default.keeps {
            writeln!(f, "caller-keeps {}", name(&KEEPS, &setup.keeps))?;
        }
        for step in &self.steps {
            writeln!(f, "{step}")?;
        }
        Ok(())
    }
}

impl FromStr for Script {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut script = Script::default();
        for row in text.lines().map(str::trim) {
            if row.is_empty() || row.starts_with('#') {
                continue;
            }
            let words: Vec<&str> = row.split_whitespace().collect();
            if !script.setup.read(&words).ok_or_else(|| format!("bad value: {row:?}"))? {
                script.steps.push(row.parse()?);
            }
        }
        Ok(script)
    }
}

impl Setup {
    /// Reads one line of a setup. `Some(false)` when it is none, `None` when its
    /// value is bad.
    fn read(&mut self, words: &[&str]) -> Option<bool> {
        let number = || words.get(1)?.parse::<u64>().ok();
        match words.first().copied()? {
            "topology" => {
                let known = TOPOLOGIES.iter().find(|(name, _)| Some(name) == words.get(1));
                self.topology = known?.0;
            }
            "relays" => self.relays = number()? as usize,
            "dispatcher" => self.dispatcher = number()? != 0,
            "workers" => self.workers = number()? as usize,
            "latency" => self.latency = number()?,
            "relay-delay" => self.relay_delay = number()?,
            "loss" => self.loss = number()?,
            "seed" => self.seed = number()?,
            "without-tags" => self.without_tags = number()? as u8,
            "elsewhere" => self.elsewhere = number()? as u8,
            "nat" => {
                let phone = words.get(1)?.bytes().next()?.checked_sub(b'a')?;
                let kind = NatKind::NAMED.iter().position(|(name, _)| Some(name) == words.get(2));
                *self.nats.get_mut(usize::from(phone))? = Some(kind?);
            }
            "streams" => {
                self.streams =
                    words[1..].iter().map(|word| Kind::of(word)).collect::<Option<_>>()?;
            }
            "b2bua" => {
                let has = |word: &str| words.contains(&word);
                self.manner = Manner {
                    same_call_id: has("same-call-id"),
                    same_tags: has("same-tags"),
                    media: has("media"),
                    edit: value(&EDITS, words.get(1)?)?,
                };
            }
            "caller-keeps" => self.keeps = value(&KEEPS, words.get(1)?)?,
            _ => return Some(false),
        }
        Some(true)
    }
}
