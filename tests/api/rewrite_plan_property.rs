//! Whatever the description: relayed streams show the relay and nothing else,
//! the others stay where they are, and a second pass changes nothing.

mod model;

use std::net::IpAddr;

use kit::cases;
use kit::rewriting::{Case, body_of, invite, parse, ports_answer, rules};
use mediaproxy::Edits;
use mediaproxy::IceCandidate;
use mediaproxy::Status;
use mediaproxy::internals::media::plan;
use mediaproxy::internals::media::plan::Rules;
use mediaproxy::internals::relay::Role;
use mediaproxy::internals::relay::StreamAddress;
use mediaproxy::sdp::Session;
use mediaproxy::sip::body::find_sdp;
use model::{How, Refusal, Told, description as any_description};
use proptest::prelude::*;

/// One stream. Every address of a phone starts with `10.` or ends with `.lan`,
/// every port of a phone lies below 20000; the relay's are others.
#[derive(Clone, Debug)]
struct Stream {
    transport: &'static str,
    port: u16,
    count: bool,
    title: bool,
    connections: Vec<&'static str>,
    rtcp: Option<(u16, Option<&'static str>)>,
    mux: bool,
    /// The relay refuses it, if this is an answer.
    refused: bool,
}

const ADDRESSES: &[&str] = &[
    "IN IP4 10.0.0.1",
    "IN IP4 10.0.0.2/127",
    "IN IP4 phone.lan",
    "IN IP4 0.0.0.0",
    "IN IP6 ::",
    "IN IP6 ::ffff:10.0.0.3",
    "IN IP4 233.252.0.1/127",
    "PSTN E164 +4989",
];

const TRANSPORTS: &[&str] = &[
    "RTP/AVP",
    "rtp/savpf",
    "UDP/TLS/RTP/SAVPF",
    "udptl",
    "TCP/MSRP",
    "TCP/TLS/BFCP",
    "DTLS/SCTP",
];

fn stream() -> impl Strategy<Value = Stream> {
    let address = || prop::sample::select(ADDRESSES);
    let port = || prop_oneof![1 => Just(0u16), 6 => 10000u16..20000];
    let rtcp = prop::option::of((port(), prop::option::of(address())));
    (
        (prop::sample::select(TRANSPORTS), port(), any::<bool>(), any::<bool>()),
        prop::collection::vec(address(), 0..3),
        (rtcp, any::<bool>(), prop::bool::weighted(0.2)),
    )
        .prop_map(|((transport, port, count, title), connections, (rtcp, mux, refused))| {
            Stream { transport, port, count, title, connections, rtcp, mux, refused }
        })
}

fn description(
    session: Option<&str>,
    streams: &[Stream],
    line_end: &str,
    final_line_end: bool,
) -> String {
    let mut lines = vec!["v=0".to_string(), "o=- 1 1 IN IP4 192.0.2.1".to_string()];
    lines.extend(session.map(|address| format!("c={address}")));
    for stream in streams {
        let count = if stream.count { "/2" } else { "" };
        lines.push(format!("m=audio {}{count} {} 0", stream.port, stream.transport));
        lines.extend(stream.title.then(|| "i=title".to_string()));
        lines.extend(stream.connections.iter().map(|address| format!("c={address}")));
        if let Some((port, address)) = stream.rtcp {
            let address = address.map(|address| format!(" {address}")).unwrap_or_default();
            lines.push(format!("a=rtcp:{port}{address}"));
        }
        lines.extend(stream.mux.then(|| "a=rtcp-mux".to_string()));
    }
    lines.join(line_end) + if final_line_end { line_end } else { "" }
}

fn ports(streams: &[Stream], role: Role) -> Vec<u16> {
    let port = |(index, stream): (usize, &Stream)| {
        if role == Role::Answer && stream.refused { 0 } else { 50000 + 4 * index as u16 }
    };
    streams.iter().enumerate().map(port).collect()
}

/// Nothing of the phone's shows in the lines of a relayed stream.
fn shows_only_the_relay(text: &[u8]) {
    for line in String::from_utf8(text.to_vec()).unwrap().lines() {
        assert!(!line.contains("10.0.0.") && !line.contains(".lan"), "{line}");
        let port = line.strip_prefix("m=audio ").or(line.strip_prefix("a=rtcp:"));
        if let Some(port) = port {
            let digits = port.split([' ', '/']).next().unwrap();
            let port: u16 = digits.parse().unwrap();
            assert!(port == 0 || port >= 50000, "{line}");
        }
    }
}

fn config(usual: u32) -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases(usual)) }
}

proptest! {
    #![proptest_config(config(400))]
    #[test]
    fn relayed_streams_show_the_relay_and_the_others_stay(
        session in prop::option::of(prop::sample::select(ADDRESSES)),
        mut streams in prop_oneof![
            8 => prop::collection::vec(stream(), 1..9),
            1 => prop::collection::vec(stream(), 1..65)
        ],
        answer in any::<bool>(),
        relay in prop_oneof![Just("203.0.113.9"), Just("2001:db8:9::9")],
        line_end in prop_oneof![Just("\r\n"), Just("\n")],
        final_line_end in any::<bool>(),
    ) {
        if session.is_none() {
            for stream in streams.iter_mut().filter(|stream| stream.connections.is_empty()) {
                stream.connections.push("IN IP4 10.0.0.4");
            }
        }
        let role = if answer { Role::Answer } else { Role::Offer };
        let ports = ports(&streams, role);
        let case = Case { role, answer: ports_answer(relay, &ports), ..Case::offer(relay, &[]) };
        let sdp = description(session, &streams, line_end, final_line_end);
        let raw = invite(sdp.as_bytes());
        let (out, _) = case.run(&raw).unwrap();

        let (was, is) = (parse(&raw), parse(&out));
        let before = Session::parse(find_sdp(&was).unwrap().unwrap()).unwrap();
        let after = Session::parse(find_sdp(&is).unwrap().unwrap()).unwrap();
        let relay: IpAddr = relay.parse().unwrap();
        kit::promises::check(&before, &after, relay, &ports);
        let mut given = ports.iter();
        for (old, new) in before.media.iter().zip(&after.media) {
            let port = *given.next().unwrap();
            if port != 0 && kit::promises::on(&before, old) {
                shows_only_the_relay(new.text);
            }
        }

        // A name that was refused is nobody's address yet; all else is left alone.
        if ports.contains(&0) {
            return Ok(());
        }
        let rules = Rules { ours: &|_, _| true, ..rules(role) };
        let second = plan(&is, &after, &rules).unwrap();
        let answer = ports_answer("203.0.113.10", &vec![60000; second.streams.len()]);
        let mut edits = Edits::new();
        second.fill(&answer, &mut edits, &mut |_| {}).unwrap();
        prop_assert!(edits.is_empty());
    }

    /// Cut, and with bytes changed: an error or a rewrite, and what comes out
    /// can be read again.
    #[test]
    fn damaged_sdp_is_refused_or_rewritten(
        streams in prop::collection::vec(stream(), 1..6),
        cut in any::<prop::sample::Index>(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        answer in any::<bool>(),
    ) {
        let mut sdp = description(Some("IN IP4 10.0.0.1"), &streams, "\r\n", true).into_bytes();
        sdp.truncate(cut.index(sdp.len() + 1));
        for (at, byte) in damage.iter().filter(|_| !sdp.is_empty()).collect::<Vec<_>>() {
            let at = at.index(sdp.len());
            sdp[at] = *byte;
        }
        let role = if answer { Role::Answer } else { Role::Offer };
        let ports: Vec<u16> = (0..64).map(|index| 50000 + 4 * index).collect();
        let relay = "203.0.113.9";
        let case = Case { role, answer: ports_answer(relay, &ports), ..Case::offer(relay, &[]) };
        let raw = invite(&sdp);
        if let Ok((out, _)) = case.run(&raw) {
            let is = parse(&out);
            prop_assert!(Session::parse(find_sdp(&is).unwrap().unwrap()).is_ok());
        }
    }
}

fn how() -> impl Strategy<Value = How> {
    let ice = prop_oneof![
        Just(IceCandidate::None),
        Just(IceCandidate::LowPriority),
        Just(IceCandidate::HighPriority)
    ];
    let flags = (any::<bool>(), prop::bool::weighted(0.2), prop::bool::weighted(0.2));
    // Now and then a port that cannot be used, or fewer ports than streams.
    let bad = prop_oneof![
        6 => Just(Vec::new()),
        1 => prop::collection::vec((0..64usize, prop::sample::select(&[0u16, 65_535][..])), 1..4)
    ];
    let fewer = prop_oneof![6 => Just(64), 1 => 0..64usize];
    (model::relay(), flags, ice, bad, fewer).prop_map(
        |(relay, (answer, rewrite_origin, loop_marker), ice, bad, fewer)| {
            let mut ports: Vec<u16> = (0..64).map(|at| 50_000 + 4 * at).collect();
            bad.into_iter().for_each(|(at, port)| ports[at] = port);
            ports.truncate(fewer);
            How { relay, answer, ice, rewrite_origin, loop_marker, ports }
        },
    )
}

fn case(how: &How) -> Case {
    let role = if how.answer { Role::Answer } else { Role::Offer };
    Case {
        role,
        ice: how.ice,
        rewrite_origin: how.rewrite_origin,
        loop_marker: how.loop_marker,
        ..Case::offer(&how.relay.to_string(), &how.ports)
    }
}

/// The message that carries the description, in the line ends it has.
fn message(description: &model::Description) -> Vec<u8> {
    let sdp = description.before();
    let mut raw = invite(sdp.as_bytes());
    raw.truncate(raw.len() - sdp.len());
    let head = String::from_utf8(raw).unwrap().replace("\r\n", description.message_line_end);
    [head.as_bytes(), sdp.as_bytes()].concat()
}

proptest! {
    #![proptest_config(config(500))]
    #[test]
    fn every_rewrite_is_the_one_worked_out_by_hand(
        description in any_description(prop_oneof![8 => 1..6usize, 1 => 1..=64usize, 1 => Just(64)]),
        mut how in how(),
    ) {
        let case = case(&how);
        how.relay = how.relay.to_canonical();
        let raw = message(&description);
        let is = parse(&raw);
        match case.plan(&is) {
            Err(error) => {
                prop_assert_eq!(error.status(), Status::Syntax);
                prop_assert_eq!(description.after(&how), Err(Refusal::NoConnection));
            }
            Ok(plan) => {
                let told: Vec<_> = plan.streams.iter().map(as_told).collect();
                let expected: Vec<_> = description.told(&how);
                prop_assert_eq!(told.len(), expected.len());
                for (told, expected) in told.iter().zip(&expected) {
                    prop_assert_eq!(told, &as_text(expected));
                }
            }
        }
        match (case.run(&raw), description.after(&how)) {
            (Ok((out, _)), Ok(after)) => {
                prop_assert_eq!(body_of(&out), after);
                let head = raw.len() - description.before().len();
                let length = |line: &&str| !line.starts_with("Content-Length");
                let kept = |raw: &[u8]| {
                    let text = String::from_utf8(raw.to_vec()).unwrap();
                    text.lines().filter(length).map(String::from).collect::<Vec<_>>()
                };
                let start = parse(&out).body_offset().unwrap();
                prop_assert_eq!(kept(&out[..start]), kept(&raw[..head]));
            }
            (Err(error), Err(Refusal::NoPort)) => {
                prop_assert_eq!(error.status(), Status::RelayAnswer);
            }
            (Err(error), Err(Refusal::NoConnection)) => {
                prop_assert_eq!(error.status(), Status::Syntax);
            }
            (is, expected) => prop_assert!(false, "{:?} is not {:?}", is, expected),
        }
    }
}

proptest! {
    #![proptest_config(config(24))]
    #[test]
    fn sixty_fifth_stream_of_any_kind_is_an_error_and_nothing_changes(
        description in any_description(65..70usize),
        how in how(),
    ) {
        let raw = message(&description);
        let error = case(&how).run(&raw).unwrap_err();
        prop_assert_eq!(error.status(), Status::Limit);
    }
}

type Texts = (String, String, u16, String, bool);

fn as_told(stream: &mediaproxy::internals::relay::Stream) -> Texts {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let direction = format!("{:?}", stream.direction).to_lowercase();
    let address = match &stream.address {
        StreamAddress::Ip(ip) => ip.to_string(),
        StreamAddress::Name(name) => text(name),
    };
    (text(&stream.kind), address, stream.port, direction, stream.ice)
}

fn as_text(told: &Told) -> Texts {
    let direction = told.direction.trim_start_matches("a=").into();
    // A literal address goes to the relay by value: IPv4-mapped is IPv4.
    let literal = told.address.parse().map(|ip: IpAddr| ip.to_canonical().to_string());
    let address = literal.unwrap_or(told.address.into());
    (told.kind.into(), address, told.port, direction, told.ice)
}
