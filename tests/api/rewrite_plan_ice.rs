//! Relay candidates in descriptions that speak ICE.

use kit::rewriting::{Case, lines};
use mediaproxy::IceCandidate;

const RELAY: &str = "203.0.113.9";
const RELAY6: &str = "2001:db8:9::9";

/// A case whose rewrite makes `after` of `before`.
#[track_caller]
fn rewrites(case: &Case, before: &[&str], after: &[&str]) {
    assert_eq!(case.sdp(&lines(before)), lines(after));
}

const ICE: [&str; 9] = [
    "c=IN IP4 10.0.0.1",
    "a=ice-pwd:p",
    "a=ice-ufrag:u",
    "m=audio 4000 RTP/AVP 0",
    "a=candidate:1 1 UDP 2130706431 10.0.0.1 4000 typ host",
    "a=candidate:1 2 UDP 2130706430 10.0.0.1 4001 typ host",
    "m=video 4002 RTP/AVP 31",
    "a=rtcp-mux",
    "a=candidate:1 1 UDP 2130706431 10.0.0.1 4002 typ host",
];

#[test]
fn relay_candidates_of_high_priority() {
    let mut case = Case::offer("127.0.0.1", &[50000, 50002]);
    case.ice = IceCandidate::HighPriority;
    let told = case.streams(&lines(&ICE));
    assert!(told.iter().all(|stream| stream.ice));
    rewrites(
        &case,
        &ICE,
        &[
            "c=IN IP4 127.0.0.1",
            "a=ice-pwd:p",
            "a=ice-ufrag:u",
            "m=audio 50000 RTP/AVP 0",
            "a=candidate:R100007f 1 UDP 2197815295 127.0.0.1 50000 typ relay",
            "a=candidate:R100007f 2 UDP 2197815294 127.0.0.1 50001 typ relay",
            "a=candidate:1 1 UDP 2130706431 10.0.0.1 4000 typ host",
            "a=candidate:1 2 UDP 2130706430 10.0.0.1 4001 typ host",
            "m=video 50002 RTP/AVP 31",
            "a=rtcp-mux",
            "a=candidate:R100007f 1 UDP 2197815295 127.0.0.1 50002 typ relay",
            "a=candidate:1 1 UDP 2130706431 10.0.0.1 4002 typ host",
        ],
    );
}

#[test]
fn relay_candidates_of_low_priority() {
    let mut case = Case::offer(RELAY, &[50000, 50002]);
    case.ice = IceCandidate::LowPriority;
    let out = case.sdp(&lines(&ICE));
    assert!(
        out.contains("a=candidate:R97100cb 1 UDP 16777215 203.0.113.9 50000 typ relay\r\n"),
        "{out}"
    );
    assert!(
        out.contains("a=candidate:R97100cb 2 UDP 16777214 203.0.113.9 50001 typ relay\r\n"),
        "{out}"
    );
}

#[test]
fn relay_candidates_of_an_ipv6_relay() {
    let mut case = Case::offer(RELAY6, &[50000, 50002]);
    case.ice = IceCandidate::LowPriority;
    let out = case.sdp(&lines(&ICE));
    let line = out.lines().find(|line| line.contains("typ relay")).unwrap();
    let rest = line.strip_prefix("a=candidate:").unwrap();
    let (foundation, rest) = rest.split_once(' ').unwrap();
    assert_eq!(rest, "1 UDP 16777215 2001:db8:9::9 50000 typ relay");
    assert!(foundation.len() <= 32 && foundation.starts_with('R'), "{foundation}");
}

#[test]
fn candidates_are_inserted_only_where_ice_is_spoken() {
    let mut case = Case::offer(RELAY, &[50000, 50002]);
    assert_eq!(case.sdp(&lines(&ICE)).matches("typ relay").count(), 0, "none asked for");
    case.ice = IceCandidate::HighPriority;
    let told = |sdp: &str| case.streams(sdp).iter().map(|stream| stream.ice).collect::<Vec<_>>();
    assert_eq!(told(&lines(&ICE).replace("a=ice-pwd:p\r\n", "")), [false, false]);
    let own = lines(&ICE).replace("a=ice-pwd:p\r\n", "") + "a=ice-pwd:p\r\na=ice-ufrag:u\r\n";
    assert_eq!(told(&own), [false, true]);
    let one = lines(&ICE[..8]);
    assert_eq!(told(&one), [true, false], "no candidate in the second stream");
    assert_eq!(told(&lines(&ICE).replace("m=audio 4000", "m=audio 0")), [false, true]);
    let concluded = lines(&ICE) + "a=remote-candidates:1 10.0.0.2 4000\r\n";
    assert_eq!(told(&concluded), [false, false], "ICE is concluded");
    assert_eq!(case.sdp(&concluded).matches("typ relay").count(), 0);
}

#[test]
fn stream_on_hold_that_comes_by_again_gets_no_second_candidates() {
    let mut case = Case::offer(RELAY, &[50000]);
    case.ice = IceCandidate::HighPriority;
    let offer = lines(&[
        "c=IN IP4 0.0.0.0",
        "m=audio 9 RTP/AVP 0",
        "a=ice-pwd:p",
        "a=ice-ufrag:u",
        "a=candidate:1 1 UDP 2130706431 10.0.0.1 4000 typ host",
    ]);
    let once = case.sdp(&offer);
    assert_eq!(once.matches("typ relay").count(), 1, "{once}");
    case.ours = vec!["203.0.113.9:50000".parse().unwrap()];
    assert_eq!(case.sdp(&once), once);
    let told = case.streams(&once);
    assert!(told[0].ice, "it still speaks ICE");
}
