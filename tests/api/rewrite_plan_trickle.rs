//! A line without an address yet, 0.0.0.0 or `::` with port 9, as with trickle ICE
//! (RFC 8840 4.1.1): all of it is replaced or nothing.

use kit::rewriting::{Case, lines};
use mediaproxy::IceCandidate;
use mediaproxy::internals::relay::Role;

const RELAY: &str = "203.0.113.9";
const RELAY6: &str = "2001:db8:9::9";

const HOST: &str = "a=candidate:1 1 udp 2122260223 192.168.1.7 54321 typ host";
const MDNS: &str = "a=candidate:1 1 udp 2122260223 5f3c1a2b-1111-2222-3333-444455556666.local \
                    54321 typ host";
const TCP: &str = "a=candidate:2 1 tcp 1518280447 10.0.0.5 9 typ host tcptype active";

/// The SDP of a browser, whose only stream has this address and these candidates.
fn browser(address: &str, candidates: &[&str]) -> String {
    let mut all = vec![
        "a=group:BUNDLE 0".to_string(),
        "a=ice-options:trickle".into(),
        "m=audio 9 UDP/TLS/RTP/SAVPF 111".into(),
        format!("c=IN {address}"),
        format!("a=rtcp:9 IN {address}"),
        "a=ice-ufrag:abcd".into(),
        "a=ice-pwd:abcdabcdabcdabcdabcdab".into(),
    ];
    all.extend(candidates.iter().map(|line| line.to_string()));
    all.extend(["a=mid:0".into(), "a=rtcp-mux".into(), "a=sendrecv".into()]);
    all.iter().map(|line| format!("{line}\r\n")).collect()
}

const ADDRESSES: [&str; 2] = ["IP4 0.0.0.0", "IP6 ::"];
const CANDIDATES: [&[&str]; 5] = [&[], &[HOST], &[MDNS], &[TCP], &[MDNS, TCP]];

#[test]
fn trickle_offer_without_relay_candidates_is_left_to_ice() {
    let case = Case::offer(RELAY, &[50000]);
    for address in ADDRESSES {
        for candidates in CANDIDATES {
            let sdp = browser(address, candidates);
            assert!(case.streams(&sdp).is_empty(), "no request: {sdp}");
            assert_eq!(case.sdp(&sdp), sdp);
        }
    }
}

#[test]
fn answer_to_a_trickle_offer_is_left_to_ice_whatever_it_has() {
    let mut case = Case::answer(RELAY, &[50000]);
    case.relayed_lines = Some(0);
    for address in ["IP4 0.0.0.0", "IP6 ::", "IP4 192.168.1.7"] {
        for port in [9, 4000] {
            let sdp = browser(address, &[HOST]).replace("m=audio 9", &format!("m=audio {port}"));
            assert!(case.streams(&sdp).is_empty());
            assert_eq!(case.sdp(&sdp), sdp);
        }
    }
}

#[test]
fn trickle_answer_stays_as_it_is_and_is_on_hold_for_the_relay() {
    let mut case = Case::answer(RELAY, &[50000]);
    for known in [Some(1), None] {
        case.relayed_lines = known;
        for address in ADDRESSES {
            let sdp = browser(address, &[MDNS]);
            assert_eq!(case.streams(&sdp)[0].port, 9);
            assert_eq!(case.sdp(&sdp), sdp);
        }
    }
}

#[test]
fn relay_candidates_come_with_the_whole_address() {
    for role in [Role::Offer, Role::Answer] {
        for (relay, family, hidden) in [(RELAY, "IP4", "0.0.0.0"), (RELAY6, "IP6", "::")] {
            for address in ADDRESSES {
                for candidates in &CANDIDATES[1..] {
                    let ice = IceCandidate::LowPriority;
                    let case = Case { role, ice, ..Case::offer(relay, &[50000]) };
                    let sdp = browser(address, candidates);
                    let out = case.sdp(&sdp);
                    let foundation = out.split("a=candidate:").nth(1).unwrap().split(' ').next();
                    let inserted = format!(
                        "a=candidate:{} 1 UDP 16777215 {relay} 50000 typ relay raddr {hidden} \
                         rport 9\r\n{}",
                        foundation.unwrap(),
                        candidates[0]
                    );
                    let expected = sdp
                        .replace("m=audio 9 ", "m=audio 50000 ")
                        .replace(&format!("c=IN {address}"), &format!("c=IN {family} {relay}"))
                        .replace(
                            &format!("a=rtcp:9 IN {address}"),
                            &format!("a=rtcp:50000 IN {family} {relay}"),
                        )
                        .replacen(candidates[0], &inserted, 1);
                    assert_eq!(out, expected);
                    // The next pass finds the stream at its relay.
                    let ours = vec![
                        format!("{}", std::net::SocketAddr::new(relay.parse().unwrap(), 50000))
                            .parse()
                            .unwrap(),
                    ];
                    assert_eq!(Case { ours, ..case }.sdp(&out), out);
                }
            }
        }
    }
}

#[test]
fn session_level_address_is_replaced_for_the_stream_alone() {
    let ice = IceCandidate::LowPriority;
    let case = Case { ice, ..Case::offer(RELAY, &[50000, 50002]) };
    let out = case.sdp(&lines(&[
        "c=IN IP4 0.0.0.0",
        "a=ice-ufrag:u",
        "a=ice-pwd:p",
        "m=audio 9 RTP/AVP 0",
        HOST,
        "m=video 4002 RTP/AVP 31",
    ]));
    assert_eq!(
        out,
        lines(&[
            "c=IN IP4 0.0.0.0",
            "a=ice-ufrag:u",
            "a=ice-pwd:p",
            "m=audio 50000 RTP/AVP 0",
            "c=IN IP4 203.0.113.9",
            "a=candidate:R97100cb 1 UDP 16777215 203.0.113.9 50000 typ relay raddr 0.0.0.0 rport 9",
            HOST,
            "m=video 50002 RTP/AVP 31",
        ])
    );
}

#[test]
fn port_9_without_ice_is_on_hold_and_stays_as_it_is() {
    for address in ADDRESSES {
        let sdp = lines(&[
            "o=- 1 1 IN IP4 10.0.0.1",
            "m=audio 9 RTP/AVP 0",
            &format!("c=IN {address}"),
            &format!("a=rtcp:9 IN {address}"),
        ]);
        for mut case in [Case::offer(RELAY, &[50000]), Case::answer(RELAY, &[50000])] {
            case.rewrite_origin = true;
            assert_eq!(case.streams(&sdp)[0].port, 9, "the relay has ports for its media");
            assert_eq!(case.sdp(&sdp), sdp);
        }
    }
}

#[test]
fn hold_with_a_real_port_gets_the_port_and_stays_hold() {
    for address in ADDRESSES {
        let sdp = browser(address, &[]).replace("m=audio 9 ", "m=audio 4000 ");
        let out = Case::offer(RELAY, &[50000]).sdp(&sdp);
        assert_eq!(
            out,
            sdp.replace("m=audio 4000 ", "m=audio 50000 ").replace("rtcp:9", "rtcp:50001")
        );
    }
}

#[test]
fn port_9_at_a_real_address_is_a_stream_as_any_other() {
    let sdp = browser("IP4 10.0.0.1", &[]);
    let out = Case::offer(RELAY, &[50000]).sdp(&sdp);
    let expected = sdp.replace("10.0.0.1", RELAY).replace("m=audio 9 ", "m=audio 50000 ");
    assert_eq!(out, expected.replace("rtcp:9", "rtcp:50000"));
}

#[test]
fn line_that_names_an_address_beside_0_0_0_0_is_on_hold() {
    let case = Case::offer(RELAY, &[50000]);
    for ice in [false, true] {
        // The first connection is the session's or the stream's.
        for (before, after) in [
            (["0.0.0.0", "10.0.0.1", "9"], ["0.0.0.0", RELAY, "50001"]),
            (["10.0.0.1", "0.0.0.0", "9"], [RELAY, "0.0.0.0", "50001"]),
            (
                ["0.0.0.0", "0.0.0.0", "4001 IN IP4 10.0.0.1"],
                ["0.0.0.0", "0.0.0.0", "50001 IN IP4 203.0.113.9"],
            ),
            (["0.0.0.0", "0.0.0.0", "4001 10.0.0.1"], ["0.0.0.0", "0.0.0.0", "50001"]),
        ] {
            for own in [false, true] {
                let sdp = |port: u16, [first, second, rtcp]: [&str; 3]| {
                    let connections = [first, second].map(|ip| format!("c=IN IP4 {ip}"));
                    let stream = [format!("m=audio {port} RTP/AVP 0")];
                    let mut all = match own {
                        true => [&stream[..], &connections].concat(),
                        false => [&connections[..], &stream].concat(),
                    };
                    all.push(format!("a=rtcp:{rtcp}"));
                    if ice {
                        all.extend(["a=ice-ufrag:u".into(), "a=ice-pwd:p".into()]);
                    }
                    lines(&all.iter().map(String::as_str).collect::<Vec<_>>())
                };
                assert_eq!(case.sdp(&sdp(9, before)), sdp(50000, after), "{own}");
            }
        }
    }
}
