//! Two address families in one SDP: the relay may give each stream an address of its
//! own.

use kit::rewriting::{Case, body_of, invite, lines};
use mediaproxy::internals::relay::{Answer, Role};
use mediaproxy::{IceCandidate, Status};

const V4: &str = "203.0.113.9";
const V6: &str = "2001:db8:9::9";

/// The relay's answer: `address` for all lines but `others`.
fn case(role: Role, address: &str, ports: &[u16], others: &[(usize, &str)]) -> Case {
    let others = others.iter().map(|(line, ip)| (*line, ip.parse().unwrap())).collect();
    let (address, ports) = (address.parse().unwrap(), ports.to_vec());
    let answer = Answer::Ports { address, ports, others };
    Case { role, answer, ..Case::offer(V4, &[]) }
}

/// A case whose rewrite makes `after` of `before`.
#[track_caller]
fn rewrites(case: &Case, before: &[&str], after: &[&str]) {
    assert_eq!(case.sdp(&lines(before)), lines(after));
}

#[test]
fn each_line_gets_the_family_and_address_of_its_stream() {
    let before = [
        "m=audio 4000 RTP/AVP 0",
        "c=IN IP4 10.0.0.1/127",
        "a=rtcp:4001 IN IP4 10.0.0.1",
        "m=video 4002 RTP/AVP 31",
        "c=IN IP6 2001:db8::1/3",
        "a=rtcp:4003 IN IP6 2001:db8::1",
    ];
    for role in [Role::Offer, Role::Answer] {
        rewrites(
            &case(role, V4, &[50000, 50002], &[(1, V6)]),
            &before,
            &[
                "m=audio 50000 RTP/AVP 0",
                "c=IN IP4 203.0.113.9/127",
                "a=rtcp:50001 IN IP4 203.0.113.9",
                "m=video 50002 RTP/AVP 31",
                "c=IN IP6 2001:db8:9::9/3",
                "a=rtcp:50003 IN IP6 2001:db8:9::9",
            ],
        );
        rewrites(
            &case(role, V4, &[50000, 50002], &[(0, V6)]),
            &before,
            &[
                "m=audio 50000 RTP/AVP 0",
                "c=IN IP6 2001:db8:9::9",
                "a=rtcp:50001 IN IP6 2001:db8:9::9",
                "m=video 50002 RTP/AVP 31",
                "c=IN IP4 203.0.113.9",
                "a=rtcp:50003 IN IP4 203.0.113.9",
            ],
        );
    }
}

#[test]
fn session_address_is_that_of_its_first_stream_and_others_get_a_line() {
    let before = [
        "o=- 1 1 IN IP4 10.0.0.1",
        "c=IN IP4 10.0.0.1",
        "m=message 9 TCP/MSRP *",
        "m=audio 4000 RTP/AVP 0",
        "i=title",
        "m=video 4002 RTP/AVP 31",
        "m=image 4004 udptl t38",
        "c=IN IP4 10.0.0.2",
    ];
    let mut case = case(Role::Offer, V4, &[0, 50000, 50002, 50004], &[(1, V6), (3, "192.0.2.7")]);
    case.rewrite_origin = true;
    rewrites(
        &case,
        &before,
        &[
            "o=- 1 1 IN IP6 2001:db8:9::9",
            "c=IN IP6 2001:db8:9::9",
            "m=message 9 TCP/MSRP *",
            "c=IN IP4 10.0.0.1",
            "m=audio 50000 RTP/AVP 0",
            "i=title",
            "m=video 50002 RTP/AVP 31",
            "c=IN IP4 203.0.113.9",
            "m=image 50004 udptl t38",
            "c=IN IP4 192.0.2.7",
        ],
    );
}

#[test]
fn line_end_of_an_added_address_behind_an_open_line_stays_open() {
    let case = case(Role::Offer, V4, &[50000, 50002], &[(1, V6)]);
    assert_eq!(
        case.sdp("c=IN IP4 10.0.0.1\r\nm=audio 4 RTP/AVP 0\r\nm=video 6 RTP/AVP 31"),
        "c=IN IP4 203.0.113.9\r\nm=audio 50000 RTP/AVP 0\r\nm=video 50002 RTP/AVP 31\r\n\
         c=IN IP6 2001:db8:9::9"
    );
}

#[test]
fn refused_stream_keeps_its_address_beside_two_families() {
    let case = case(Role::Answer, V4, &[50000, 0, 50004], &[(2, V6)]);
    let before = lines(&[
        "c=IN IP4 10.0.0.1",
        "m=audio 4000 RTP/AVP 0",
        "m=video 4002 RTP/AVP 31",
        "m=video 4004 RTP/AVP 31",
    ]);
    let (out, complaints) = case.run(&invite(before.as_bytes())).unwrap();
    assert_eq!(complaints.len(), 1);
    assert_eq!(
        body_of(&out),
        lines(&[
            "c=IN IP4 203.0.113.9",
            "m=audio 50000 RTP/AVP 0",
            "m=video 4002 RTP/AVP 31",
            "c=IN IP4 10.0.0.1",
            "m=video 50004 RTP/AVP 31",
            "c=IN IP6 2001:db8:9::9",
        ])
    );
}

#[test]
fn session_address_is_that_of_the_first_stream_that_uses_it() {
    let four = ("c=IN IP4 10.0.0.1", "c=IN IP4 203.0.113.9", V4);
    let six = ("c=IN IP6 2001:db8::1", "c=IN IP6 2001:db8:9::9", V6);
    for ((session, moved, other), (own, kept, relay)) in [(four, six), (six, four)] {
        let case = case(Role::Offer, relay, &[50000, 50002, 50004], &[(1, other)]);
        rewrites(
            &case,
            &[
                session,
                "m=audio 4000 RTP/AVP 0",
                own,
                "m=video 4002 RTP/AVP 31",
                "m=text 4004 RTP/AVP 98",
                own,
            ],
            &[
                moved,
                "m=audio 50000 RTP/AVP 0",
                kept,
                "m=video 50002 RTP/AVP 31",
                "m=text 50004 RTP/AVP 98",
                kept,
            ],
        );
    }
}

#[test]
fn bundled_stream_has_the_address_of_its_group() {
    let before = [
        "c=IN IP6 2001:db8::1",
        "a=group:BUNDLE a v",
        "m=audio 4000 RTP/AVP 0",
        "a=mid:a",
        "m=video 4000 RTP/AVP 31",
        "a=mid:v",
    ];
    let after = [
        "c=IN IP6 2001:db8:9::9",
        "a=group:BUNDLE a v",
        "m=audio 50000 RTP/AVP 0",
        "a=mid:a",
        "m=video 50000 RTP/AVP 31",
        "a=mid:v",
    ];
    rewrites(&case(Role::Offer, V6, &[50000, 50002], &[(1, V4)]), &before, &after);
    rewrites(&case(Role::Offer, V4, &[50000, 50002], &[(0, V6)]), &before, &after);
}

#[test]
fn candidates_name_the_address_of_their_stream() {
    let mut case = case(Role::Offer, V4, &[50000, 50002], &[(1, V6)]);
    case.ice = IceCandidate::LowPriority;
    let out = case.sdp(&lines(&[
        "a=ice-pwd:p",
        "a=ice-ufrag:u",
        "m=audio 4000 RTP/AVP 0",
        "c=IN IP4 10.0.0.1",
        "a=candidate:1 1 UDP 2130706431 10.0.0.1 4000 typ host",
        "m=video 4002 RTP/AVP 31",
        "c=IN IP6 2001:db8::1",
        "a=candidate:2 1 UDP 2130706431 2001:db8::1 4002 typ host",
    ]));
    assert!(out.contains(" 203.0.113.9 50000 typ relay"), "{out}");
    assert!(out.contains(" 2001:db8:9::9 50002 typ relay"), "{out}");
}

#[test]
fn address_of_a_stream_that_nobody_can_send_to_is_an_error() {
    let sdp = lines(&["c=IN IP4 10.0.0.1", "m=audio 4 RTP/AVP 0", "m=video 6 RTP/AVP 31"]);
    for bad in ["0.0.0.0", "::", "ff0e::1"] {
        let case = case(Role::Offer, V4, &[50000, 50002], &[(1, bad)]);
        assert_eq!(case.error(&sdp).status(), Status::RelayAnswer, "{bad}");
    }
}
