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
            "a=candidate:R100007f 1 UDP 2130706175 127.0.0.1 50000 typ relay raddr 0.0.0.0 rport 9",
            "a=candidate:R100007f 2 UDP 2130706174 127.0.0.1 50001 typ relay raddr 0.0.0.0 rport 9",
            "a=candidate:1 1 UDP 2130706431 10.0.0.1 4000 typ host",
            "a=candidate:1 2 UDP 2130706430 10.0.0.1 4001 typ host",
            "m=video 50002 RTP/AVP 31",
            "a=rtcp-mux",
            "a=candidate:R100007f 1 UDP 2130706175 127.0.0.1 50002 typ relay raddr 0.0.0.0 rport 9",
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
        out.contains("a=candidate:R97100cb 1 UDP 16777215 203.0.113.9 50000 typ relay raddr 0.0.0.0 rport 9\r\n"),
        "{out}"
    );
    assert!(
        out.contains("a=candidate:R97100cb 2 UDP 16777214 203.0.113.9 50001 typ relay raddr 0.0.0.0 rport 9\r\n"),
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
    assert_eq!(rest, "1 UDP 16777215 2001:db8:9::9 50000 typ relay raddr :: rport 9");
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
        "m=audio 4000 RTP/AVP 0",
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

/// The priorities of the relay's candidates for a stream whose candidates are these.
fn priorities(ice: IceCandidate, candidates: &[String]) -> Vec<u32> {
    let case = Case { ice, ..Case::offer(RELAY, &[50000]) };
    let mut sdp = lines(&["c=IN IP4 10.0.0.1", "a=ice-pwd:p", "a=ice-ufrag:u"]);
    sdp += "m=audio 4000 RTP/AVP 0\r\n";
    candidates.iter().for_each(|line| sdp += &format!("a=candidate:{line}\r\n"));
    let out = case.sdp(&sdp);
    let inserted = out.lines().filter(|line| line.contains("typ relay"));
    inserted.map(|line| line.split(' ').nth(3).unwrap().parse().unwrap()).collect()
}

fn host(component: u32, priority: u32) -> String {
    format!("1 {component} UDP {priority} 10.0.0.1 4000 typ host")
}

/// RFC 8445 5.1.2.1
fn priority(kind: u32, local: u32, component: u32) -> u32 {
    (kind << 24) + (local << 8) + 256 - component
}

#[test]
fn high_priority_is_the_highest_free_one_of_type_preference_126() {
    let high = |candidates: &[String]| priorities(IceCandidate::HighPriority, candidates);
    let free = |local| vec![priority(126, local, 1)];
    assert_eq!(high(&[host(1, 1)]), free(65_535));
    assert_eq!(high(&[host(1, priority(110, 65_535, 1))]), free(65_535));
    assert_eq!(high(&[host(1, priority(126, 32_542, 1))]), free(65_535));
    assert_eq!(high(&[host(1, priority(126, 65_535, 1))]), free(65_534));
    assert_eq!(high(&[host(1, u32::MAX)]), free(65_535), "no priority of RFC 8445");
    let mut all: Vec<String> = (0..100).map(|at| host(1, priority(126, 65_535 - at, 1))).collect();
    assert_eq!(high(&all), free(65_435));
    all.remove(7);
    assert_eq!(high(&all), free(65_528), "the first that is free");
    let both = [host(1, priority(126, 65_535, 1)), host(2, priority(126, 65_534, 2))];
    assert_eq!(high(&both), [priority(126, 65_533, 1), priority(126, 65_533, 2)]);
}

#[test]
fn low_priority_is_below_every_candidate_of_the_phone() {
    let low = |candidates: &[String]| priorities(IceCandidate::LowPriority, candidates);
    assert_eq!(low(&[host(1, 2_130_706_431)]), [16_777_215]);
    assert_eq!(low(&[host(1, 16_777_215)]), [16_777_214]);
    assert_eq!(low(&[host(1, 900), host(2, 500), host(1, 700)]), [499, 498]);
    assert_eq!(low(&[host(1, 2)]), [1]);
    assert_eq!(low(&[host(1, 3), host(2, 4)]), [2, 1]);
    assert_eq!(low(&[host(1, 1)]), [0; 0], "there is no lower priority than 1");
    assert_eq!(low(&[host(1, 2), host(2, 9)]), [0; 0], "nor room for two");
    assert_eq!(low(&["1 1 UDP x 10.0.0.1 4000 typ host".into()]), [16_777_215]);
}

#[test]
fn foundation_is_none_of_the_phones() {
    let foundation = |phones: &[&str]| {
        let ice = IceCandidate::HighPriority;
        let case = Case { ice, ..Case::offer(RELAY, &[50000, 50002]) };
        let mut sdp = lines(&["c=IN IP4 10.0.0.1", "a=ice-pwd:p", "a=ice-ufrag:u"]);
        for phone in phones {
            sdp += &lines(&[
                "m=audio 4000 RTP/AVP 0",
                &format!("a=candidate:{phone} 1 UDP 900 10.0.0.1 4000 typ host"),
            ]);
        }
        let out = case.sdp(&sdp);
        let inserted = out.lines().filter(|line| line.contains("typ relay"));
        let mut all: Vec<String> =
            inserted.map(|line| line.split(' ').next().unwrap()[12..].to_string()).collect();
        assert_eq!(all.len(), 2);
        all.dedup();
        assert_eq!(all.len(), 1, "one relay address has one foundation (RFC 8445 5.1.1.3)");
        all.remove(0)
    };
    assert_eq!(foundation(&["1", "2"]), "R97100cb");
    assert_eq!(foundation(&["R97100cb", "2"]), "RR97100cb");
    assert_eq!(foundation(&["1", "RR97100cb"]), "RRR97100cb");
    let long = foundation(&[&"R".repeat(32), "1"]);
    assert!(long.len() <= 32, "{long}");
}

#[test]
fn remote_candidates_are_not_touched() {
    let case = Case { ice: IceCandidate::HighPriority, ..Case::offer(RELAY, &[50000]) };
    let remote = "a=remote-candidates:1 10.0.0.2 4000 2 10.0.0.2 4001";
    let candidate = "a=candidate:1 1 UDP 900 10.0.0.1 4000 typ host";
    let credentials = ["a=ice-pwd:p", "a=ice-ufrag:u"];
    rewrites(
        &case,
        &[
            "c=IN IP4 10.0.0.1",
            "m=audio 4000 RTP/AVP 0",
            credentials[0],
            credentials[1],
            candidate,
            remote,
        ],
        &[
            "c=IN IP4 203.0.113.9",
            "m=audio 50000 RTP/AVP 0",
            credentials[0],
            credentials[1],
            candidate,
            remote,
        ],
    );
}
