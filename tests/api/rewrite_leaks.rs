//! No line that names an address of a relayed stream names the phone's, whatever lines
//! the SDP has and in whatever order. The judge reads text, nothing of the library's.

use std::net::SocketAddr;

use kit::cases;
use kit::rewriting::{Case, body_of, invite, parse, ports_answer};
use mediaproxy::internals::relay::{Answer, Role};
use mediaproxy::{Edits, IceCandidate};
use proptest::prelude::*;

const V4: &str = "203.0.113.9";
const V6: &str = "2001:db8:ffff::9";

/// c= lines, most of them of a phone: see [`is_phones`].
const CONNECTIONS: [&str; 14] = [
    "c=IN IP4 10.0.0.1",
    "c=IN IP4 10.0.0.1",
    "c=IN IP6 fd00::10.0.0.1",
    "c=IN IP4 0.0.0.0",
    "c=IN IP6 ::",
    "c=IN IP4 10.0.0.2/127",
    "c= IN  IP4\t10.0.0.3 ",
    "c=in ip4 10.0.0.4",
    "c=IN IP4 phone.lan",
    "c=IN IP4 0.0.0.0 10.0.0.6",
    "c=IN * 10.0.0.7",
    "c=IN IP4 233.252.0.1/127/3",
    "c=PSTN E164 10.0.0.8",
    "c=IN IP4 10.0.0.9\0",
];
const PORTS: [&str; 13] = [
    "4000", "4000", "4002", "9", "9", "0", "4000/2", "4000/1", "65535", "04000", "9/3", "0/2", "1",
];
const TRANSPORTS: [&str; 10] = [
    "RTP/AVP 0",
    "RTP/SAVPF 0",
    "UDP/TLS/RTP/SAVPF 0",
    "udptl t38",
    "udp 0",
    "RTP/AVP",
    "rtp/avp 0",
    "TCP/MSRP *",
    "TCP/RTP/AVP 0",
    "x 0",
];
/// Lines of the session or of a stream.
const LINES: [&str; 36] = [
    "a=rtcp:4001",
    "a=rtcp:4001 IN IP4 10.0.0.1",
    "a=rtcp:9 IN IP4 0.0.0.0",
    "a=rtcp:4001 IN IP6 fd00::10.0.0.1",
    "a=rtcp: 4001 10.0.0.2",
    "a=rtcp:0 IN IP4 10.0.0.1",
    "a=rtcp:9",
    "a=rtcp:",
    "a=rtcp:4001 IN IP4 10.0.0.1 10.0.0.2",
    "a=rtcp-mux",
    "a=altc:1 IP4 10.0.0.1 4000",
    "a=altc:2 IP6 fd00::10.0.0.1 4000",
    "a=source-filter: incl IN IP4 * 10.0.0.1",
    "a=source-filter:excl IN IP4 10.0.0.1 10.0.0.2 10.0.0.3",
    "a=source-filter: incl IN IP4 233.252.0.1 10.0.0.1",
    "a=source-filter: incl IN * host.example 10.0.0.1",
    "a=ice-ufrag:u",
    "a=ice-pwd:p",
    "a=ice-lite",
    "a=candidate:1 1 UDP 2130706431 10.0.0.1 4000 typ host",
    "a=candidate:1 2 UDP 2130706430 10.0.0.1 4001 typ host",
    "a=candidate:R97100cb 1 UDP 1 10.0.0.1 4000 typ host",
    "a=candidate:2 1 TCP 2130706431 10.0.0.1 9 typ host tcptype active",
    "a=candidate:3 1 udp 999999999999 a-b.local 5000 typ srflx raddr 10.0.0.1 rport 4",
    "a=end-of-candidates",
    "a=remote-candidates:1 10.0.0.1 4000",
    "a=group:BUNDLE 0 1",
    "a=mid:0",
    "a=mid:1",
    "a=bundle-only",
    "a=sendonly",
    "i=c=IN IP4 10.0.0.1",
    "b=AS:64",
    "y=z",
    "",
    "a",
];

fn is_phones(text: &str) -> bool {
    ["10.0.0.", "fd00:", ".lan"].iter().any(|part| text.contains(part))
}

/// True for a line that an RFC says is an address of its stream: RFC 8866 5.7, RFC 3605,
/// RFC 6947, RFC 4570.
fn names_address(line: &str) -> bool {
    ["c=", "a=rtcp:", "a=altc:", "a=source-filter:"].iter().any(|name| line.starts_with(name))
}

/// The lines of the session, then those of each stream.
fn sections(sdp: &str) -> Vec<Vec<&str>> {
    let mut all = vec![Vec::new()];
    for line in sdp.split('\n').map(|line| line.trim_end_matches('\r')) {
        if line.starts_with("m=") {
            all.push(Vec::new());
        }
        all.last_mut().unwrap().push(line);
    }
    all
}

/// The c= lines of a stream, else the session's; of each, the words that count.
fn connections(sections: &[Vec<&str>], at: usize) -> Vec<String> {
    let of = |section: &Vec<&str>| -> Vec<String> {
        let lines = section.iter().filter(|line| line.starts_with("c="));
        lines
            .map(|line| line[2..].split_whitespace().take(3).collect::<Vec<_>>().join(" "))
            .collect()
    };
    let own = of(&sections[at]);
    if own.is_empty() { of(&sections[0]) } else { own }
}

/// The port of a stream.
fn port(section: &[&str]) -> u16 {
    let word = section[0].split_whitespace().nth(1).unwrap();
    word.split('/').next().unwrap().parse().unwrap()
}

fn lines(most: usize) -> impl Strategy<Value = Vec<&'static str>> {
    prop::collection::vec(prop::sample::select(&LINES[..]), 0..most)
}

fn connection_lines(most: usize) -> impl Strategy<Value = Vec<&'static str>> {
    prop::collection::vec(prop::sample::select(&CONNECTIONS[..]), 0..most)
}

/// An SDP of any lines, with its number of streams.
fn sdp() -> impl Strategy<Value = (String, usize)> {
    let port = prop::sample::select(&PORTS[..]);
    let transport = prop::sample::select(&TRANSPORTS[..]);
    let stream = (port, transport, connection_lines(3), lines(7), connection_lines(2));
    let streams = prop::collection::vec(stream, 1..5);
    let end = prop::sample::select(&["\r\n", "\n", "\r\r\n"][..]);
    (connection_lines(3), lines(4), streams, end, any::<bool>()).prop_map(
        |(connections, session, streams, end, is_open)| {
            let mut all = vec!["v=0".to_string()];
            all.extend(connections.into_iter().chain(session).map(String::from));
            let count = streams.len();
            for (port, transport, first, lines, last) in streams {
                all.push(format!("m=audio {port} {transport}"));
                all.extend(first.into_iter().chain(lines).chain(last).map(String::from));
            }
            (all.join(end) + if is_open { "" } else { end }, count)
        },
    )
}

fn case() -> impl Strategy<Value = Case> {
    let ice = prop::sample::select(
        &[IceCandidate::None, IceCandidate::LowPriority, IceCandidate::HighPriority][..],
    );
    let other = prop::option::weighted(0.3, 0..4usize);
    let refused = prop::option::weighted(0.3, 0..4usize);
    (any::<bool>(), any::<bool>(), ice, other, refused).prop_map(
        |(answer, ipv6, ice, other, refused)| {
            let mut ports = [50_000, 50_004, 50_008, 50_012];
            if let Some(refused) = refused.filter(|_| answer) {
                ports[refused] = 0;
            }
            let (address, another) = if ipv6 { (V6, V4) } else { (V4, V6) };
            let mut given = ports_answer(address, &ports);
            if let Answer::Ports { others, .. } = &mut given {
                others.extend(other.map(|line| (line, another.parse().unwrap())));
            }
            let role = if answer { Role::Answer } else { Role::Offer };
            Case { role, ice, answer: given, ..Case::offer(address, &[]) }
        },
    )
}

/// The address that the relay gives for a line.
fn given(answer: &Answer, line: usize) -> String {
    let Answer::Ports { address, others, .. } = answer else { panic!("ports") };
    let other = others.iter().find(|(other, _)| *other == line);
    other.map_or(*address, |(_, other)| *other).to_string()
}

/// True for a c= line with this address, or on hold.
fn is_at(connection: &str, address: &str) -> bool {
    let word = connection.split_whitespace().nth(2).unwrap();
    [address, "0.0.0.0", "::"].contains(&word.split('/').next().unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(cases(2_000))
    })]

    #[test]
    fn lines_that_name_an_address_of_a_relayed_stream_name_the_relays(
        (sdp, count) in sdp(),
        mut case in case(),
    ) {
        let raw = invite(sdp.as_bytes());
        let message = parse(&raw);
        let Ok(plan) = case.plan(&message) else { return Ok(()) };
        let mut edits = Edits::new();
        if plan.fill(&case.answer, &mut edits, &mut |_| {}).is_err() {
            prop_assert!(edits.is_empty(), "all edits or none");
            return Ok(());
        }
        let mut out = Vec::new();
        edits.apply(&message, &mut out).unwrap();
        let text = body_of(&out);
        let (before, after) = (sections(&sdp), sections(&text));
        prop_assert_eq!(after.len(), count + 1);
        let mut relayed = Vec::new();
        for at in 1..=count {
            let (was, is) = (port(&before[at]), port(&after[at]));
            if is >= 50_000 && is != was {
                relayed.push(is);
                let named = after[at].iter().filter(|line| names_address(line));
                let own: Vec<_> = named.filter(|line| is_phones(line)).collect();
                prop_assert!(own.is_empty(), "{:?} in\n{}\nof\n{}", own, text, sdp);
                let connections = connections(&after, at);
                prop_assert!(!connections.iter().any(|line| is_phones(line)), "{}", text);
                // Streams of a BUNDLE group may share an address.
                if !sdp.contains("BUNDLE") {
                    let given = given(&case.answer, at - 1);
                    prop_assert!(connections.iter().all(|line| is_at(line, &given)), "{}", text);
                }
            } else {
                prop_assert_eq!(was, is);
                if was != 0 {
                    prop_assert_eq!(connections(&before, at), connections(&after, at), "{}", text);
                }
            }
        }
        if relayed.is_empty() {
            return Ok(());
        }
        // The c= lines of the session were judged with each stream.
        let is_group = |line: &&&str| line.contains("233.252.0.1") || line.starts_with("c=");
        let session = after[0].iter().filter(|line| names_address(line) && !is_group(line));
        prop_assert_eq!(session.filter(|line| is_phones(line)).count(), 0, "{}", text);

        // The same message again, where the call knows its addresses at the relay.
        let at = |ip: &str, port| SocketAddr::new(ip.parse().unwrap(), port);
        case.ours = relayed.iter().flat_map(|port| [at(V4, *port), at(V6, *port)]).collect();
        let all_given = matches!(&case.answer, Answer::Ports { ports, .. } if !ports.contains(&0));
        if all_given {
            let (twice, _) = case.run(&out).unwrap();
            prop_assert_eq!(body_of(&twice), text);
        }
    }
}
