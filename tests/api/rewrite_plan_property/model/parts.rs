//! The parts of generated descriptions: addresses, attributes, streams.

use std::net::IpAddr;

use proptest::prelude::*;

/// `IN IP4 10.0.0.1/127`, in its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) network: &'static str,
    pub(super) family: &'static str,
    pub(super) host: &'static str,
    pub(super) suffix: &'static str,
    /// More words, which are invalid but real.
    pub(super) more: &'static str,
    /// What a relay can do with it.
    pub(super) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Phone,
    /// 0.0.0.0 and ::
    Hold,
    /// A group address, or another network.
    Unreachable,
}

pub(super) const fn address(
    family: &'static str,
    host: &'static str,
    suffix: &'static str,
) -> Address {
    Address { network: "IN", family, host, suffix, more: "", kind: Kind::Phone }
}

pub(super) const PHONES: [Address; 7] = [
    address("IP4", "10.0.0.1", ""),
    address("IP4", "10.0.0.2", "/127"),
    address("IP4", "phone.lan", ""),
    address("IP6", "2001:db8::10", ""),
    address("IP6", "2001:db8::11", "/3"),
    address("IP6", "::ffff:10.0.0.1", ""),
    Address { more: " 10.0.0.3 x", ..address("IP4", "10.0.0.1", "/127") },
];
pub(super) const HOLDS: [Address; 3] = [
    Address { kind: Kind::Hold, ..address("IP4", "0.0.0.0", "") },
    Address { kind: Kind::Hold, ..address("IP6", "::", "") },
    Address { kind: Kind::Hold, more: " 10.0.0.3", ..address("IP4", "0.0.0.0", "") },
];
pub(super) const OTHERS: [Address; 3] = [
    Address { kind: Kind::Unreachable, ..address("IP4", "233.252.0.1", "/127") },
    Address { kind: Kind::Unreachable, ..address("IP6", "ff15::101", "/3") },
    Address { network: "PSTN", kind: Kind::Unreachable, ..address("E164", "+4989", "") },
];

impl Address {
    pub(super) fn text(&self) -> String {
        let Address { network, family, host, suffix, more, .. } = self;
        format!("{network} {family} {host}{suffix}{more}")
    }

    /// As a line on hold of a relayed stream has it.
    pub(super) fn held(&self) -> String {
        let suffix = if self.more.is_empty() { self.suffix } else { "" };
        Address { suffix, more: "", ..*self }.text()
    }

    /// The relay's in its place: what stands behind a slash means nothing in
    /// the other family.
    pub(super) fn moved(&self, relay: IpAddr) -> String {
        let family = if relay.is_ipv6() { "IP6" } else { "IP4" };
        let suffix = if family == self.family && self.more.is_empty() { self.suffix } else { "" };
        format!("{} {family} {relay}{suffix}", self.network)
    }

    pub(super) fn same_host(&self, other: &Address) -> bool {
        let value = |host: &str| host.parse::<IpAddr>().ok().map(|ip| ip.to_canonical());
        match (value(self.host), value(other.host)) {
            (None, None) => self.host == other.host,
            (a, b) => a == b,
        }
    }
}

pub(super) fn any_address() -> impl Strategy<Value = Address> {
    prop_oneof![
        6 => prop::sample::select(&PHONES[..]),
        1 => prop::sample::select(&HOLDS[..]),
        1 => prop::sample::select(&OTHERS[..]),
    ]
}

/// A line below an m= line.
#[derive(Clone, Debug)]
pub(super) enum Attribute {
    Rtcp(u16, Option<Address>),
    /// Not in the form of RFC 3605.
    OddRtcp(&'static str),
    Mux,
    Candidate {
        component: u8,
    },
    RemoteCandidates,
    /// A further address of the stream, which goes with it.
    Further(&'static str),
    /// ufrag or pwd, a direction, what does not matter.
    Other(&'static str),
}

impl Attribute {
    pub(super) fn text(&self) -> String {
        match self {
            Attribute::Rtcp(port, None) => format!("a=rtcp:{port}"),
            Attribute::Rtcp(port, Some(address)) => format!("a=rtcp:{port} {}", address.text()),
            Attribute::Mux => "a=rtcp-mux".into(),
            Attribute::Candidate { component } => {
                format!("a=candidate:1 {component} UDP 2130706431 10.0.0.1 4000 typ host")
            }
            Attribute::RemoteCandidates => "a=remote-candidates:1 10.0.0.1 4000".into(),
            Attribute::OddRtcp(text) | Attribute::Further(text) | Attribute::Other(text) => {
                (*text).into()
            }
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Stream {
    pub(super) kind: &'static str,
    pub(super) transport: &'static str,
    pub(super) port: u16,
    pub(super) count: &'static str,
    pub(super) title: bool,
    pub(super) connections: Vec<Address>,
    pub(super) attributes: Vec<Attribute>,
    /// Its place in `a=mid:`, where the session bundles.
    pub(super) mid: Option<usize>,
}

pub(super) const RELAYABLE: [&str; 5] =
    ["RTP/AVP", "rtp/savpf", "UDP/TLS/RTP/SAVPF", "udptl", "UDP"];
pub(super) const NOT_RELAYABLE: [&str; 4] = ["TCP/MSRP", "TCP/RTP/AVP", "DTLS/SCTP", "x-unknown"];
pub(super) const NOISE: [&str; 8] = [
    "a=rtpmap:0 PCMU/8000",
    "a=fmtp:0 c=IN IP4 10.9.9.9",
    "a=x-rtcp:4000 IN IP4 10.9.9.9",
    "a=RTCP:4000",
    "a=rtcp:",
    "a=candidate:",
    "b=AS:64",
    "a=m=audio 4000 RTP/AVP 0",
];
pub(super) const FURTHER: [&str; 3] = [
    "a=altc:1 IP4 10.0.0.1 4000",
    "a=altc:2 IP6 2001:db8::10 4000",
    "a=source-filter: incl IN IP4 * 10.0.0.1",
];
pub(super) const ODD_RTCP: [&str; 7] = [
    "a=rtcp:4001 10.0.0.1",
    "a=rtcp:4001 IP4 10.0.0.1",
    "a=rtcp:4001 IN IP4",
    "a=rtcp:4001/2 IN IP4 10.0.0.1",
    "a=rtcp:0 10.0.0.1",
    "a=rtcp:10.0.0.1 4001",
    "a=rtcp: x IN IP4 10.0.0.1",
];
pub(super) const SESSION_RTCP: &str = "a=rtcp:4001 IN IP4 10.0.0.1";
pub(super) const GROUP_FILTER: &str = "a=source-filter: incl IN IP4 233.252.0.1 10.0.0.1";
pub(super) const DIRECTIONS: [&str; 4] = ["a=sendrecv", "a=sendonly", "a=recvonly", "a=inactive"];

pub(super) fn port() -> impl Strategy<Value = u16> {
    prop_oneof![1 => Just(0u16), 2 => Just(9), 2 => Just(4000), 5 => 10_000u16..20_000, 1 => Just(65_535)]
}

pub(super) fn ice() -> impl Strategy<Value = Vec<Attribute>> {
    let credentials = vec![Attribute::Other("a=ice-ufrag:u"), Attribute::Other("a=ice-pwd:p")];
    let candidates = vec![Attribute::Candidate { component: 1 }];
    let both = vec![Attribute::Candidate { component: 1 }, Attribute::Candidate { component: 2 }];
    prop_oneof![
        4 => Just(Vec::new()),
        1 => Just(credentials.clone()),
        1 => Just(candidates.clone()),
        2 => Just([credentials.clone(), candidates].concat()),
        2 => Just([credentials, both].concat()),
    ]
}

pub(super) fn attributes() -> impl Strategy<Value = Vec<Attribute>> {
    let rtcp = prop_oneof![
        3 => Just(Vec::new()),
        1 => port().prop_map(|port| vec![Attribute::Rtcp(port, None)]),
        1 => prop::sample::select(&ODD_RTCP[..]).prop_map(|text| vec![Attribute::OddRtcp(text)]),
        1 => (port(), any_address()).prop_map(|(port, at)| vec![Attribute::Rtcp(port, Some(at))]),
        1 => prop::collection::vec((port(), prop::option::of(any_address())), 2..4)
            .prop_map(|all| all.into_iter().map(|(port, at)| Attribute::Rtcp(port, at)).collect()),
    ];
    let others = prop::collection::vec(prop::sample::select(&NOISE[..]), 0..3);
    let direction = prop::option::of(prop::sample::select(&DIRECTIONS[..]));
    let further = prop_oneof![
        4 => Just(Vec::new()),
        1 => prop::collection::vec(prop::sample::select(&FURTHER[..]), 1..3)
    ];
    (rtcp, any::<bool>(), ice(), further, others, direction)
        .prop_map(|(rtcp, mux, ice, further, others, direction)| {
            let mut all = [rtcp, ice].concat();
            all.extend(mux.then_some(Attribute::Mux));
            all.extend(further.into_iter().map(Attribute::Further));
            all.extend(others.into_iter().chain(direction).map(Attribute::Other));
            all
        })
        .prop_shuffle()
}

pub(super) fn stream() -> impl Strategy<Value = Stream> {
    let transport = prop_oneof![
        4 => prop::sample::select(&RELAYABLE[..]),
        1 => prop::sample::select(&NOT_RELAYABLE[..]),
    ];
    let connections = prop_oneof![
        3 => Just(Vec::new()),
        2 => any_address().prop_map(|address| vec![address]),
        1 => prop::collection::vec(prop::sample::select([&PHONES[..], &HOLDS].concat()), 2..4),
    ];
    let kind = prop::sample::select(&["audio", "video", "image"][..]);
    let count = prop_oneof![4 => Just(""), 1 => Just("/2")];
    (kind, transport, port(), count, any::<bool>(), connections, attributes()).prop_map(
        |(kind, transport, port, count, title, connections, attributes)| Stream {
            kind,
            transport,
            port,
            count,
            title,
            connections,
            attributes,
            mid: None,
        },
    )
}
