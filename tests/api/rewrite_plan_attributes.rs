//! What else an SDP says of a stream's address: port counts, and attributes that name
//! further addresses.

use kit::rewriting::{Case, body_of, invite, lines};
use mediaproxy::Status;

const RELAY: &str = "203.0.113.9";

#[track_caller]
fn rewrites(case: &Case, before: &[&str], after: &[&str]) {
    assert_eq!(case.sdp(&lines(before)), lines(after));
}

#[test]
fn port_count_is_refused_with_one_warning() {
    let sdp = lines(&[
        "c=IN IP4 10.0.0.1",
        "m=audio 4000/2 RTP/AVP 0",
        "m=video 4004/3 RTP/AVP 31",
        "m=video 0/2 RTP/AVP 31",
        "m=message 9/2 TCP/MSRP *",
    ]);
    for case in
        [Case::offer(RELAY, &[50000, 50002, 0, 0]), Case::answer(RELAY, &[50000, 50002, 0, 0])]
    {
        let (out, complaints) = case.run(&invite(sdp.as_bytes())).unwrap();
        assert_eq!(
            body_of(&out),
            lines(&[
                "c=IN IP4 203.0.113.9",
                "m=audio 50000 RTP/AVP 0",
                "m=video 50002 RTP/AVP 31",
                "m=video 0/2 RTP/AVP 31",
                "m=message 9/2 TCP/MSRP *",
                "c=IN IP4 10.0.0.1",
            ])
        );
        let text = "stream 1 (audio) has a port count, which is refused: it has one port now";
        assert_eq!(complaints, [text]);
    }
}

#[test]
fn port_count_of_a_stream_that_the_relay_refuses_stays() {
    let sdp = lines(&["c=IN IP4 10.0.0.1", "m=audio 4000/2 RTP/AVP 0", "m=video 6 RTP/AVP 31"]);
    let (out, complaints) = Case::answer(RELAY, &[0, 50002]).run(&invite(sdp.as_bytes())).unwrap();
    assert!(body_of(&out).contains("m=audio 4000/2 RTP/AVP 0\r\nc=IN IP4 10.0.0.1\r\n"));
    assert_eq!(complaints.len(), 1, "{complaints:?}");
}

#[test]
fn port_count_that_is_no_count_is_an_error() {
    for count in ["0", "", "x", "-1", "2/2", "65536"] {
        let sdp = lines(&["c=IN IP4 10.0.0.1", &format!("m=audio 4000/{count} RTP/AVP 0")]);
        assert_eq!(Case::offer(RELAY, &[50000]).error(&sdp).status(), Status::Syntax, "{count}");
    }
    for apart in ["4000 /2", "4000/ 2", "4000 / 2", "4000\t/2", "0 /2"] {
        let sdp = lines(&["c=IN IP4 10.0.0.1", &format!("m=audio {apart} RTP/AVP 0")]);
        assert_eq!(Case::offer(RELAY, &[50000]).error(&sdp).status(), Status::Syntax, "{apart}");
    }
}

#[test]
fn alternative_addresses_and_source_filters_go_with_their_stream() {
    rewrites(
        &Case::offer(RELAY, &[50000, 0, 0]),
        &[
            "c=IN IP4 10.0.0.1",
            "a=source-filter: incl IN IP4 * 10.0.0.1",
            "a=source-filter: incl IN IP4 233.252.0.1 10.0.0.1",
            "a=source-filter: excl IN IP6 FF0E::11A 2001:db8::1",
            "a=altc:1 IP4 10.0.0.1 4000",
            "m=audio 4000 RTP/AVP 0",
            "a=altc:1 IP6 2001:db8::1 4000",
            "a=altc:2 IP4 10.0.0.1 4000",
            "a=sendrecv",
            "a=source-filter:incl IN IP4 10.0.0.1 10.0.0.1",
            "a=altcx:1 IP4 10.0.0.1 4000",
            "a=source-filters: incl IN IP4 * 10.0.0.1",
            "m=video 0 RTP/AVP 31",
            "a=altc:1 IP4 10.0.0.1 4002",
            "m=message 9 TCP/MSRP *",
            "a=altc:1 IP4 10.0.0.1 9",
        ],
        &[
            "c=IN IP4 203.0.113.9",
            "a=source-filter: incl IN IP4 233.252.0.1 10.0.0.1",
            "a=source-filter: excl IN IP6 FF0E::11A 2001:db8::1",
            "m=audio 50000 RTP/AVP 0",
            "a=sendrecv",
            "a=altcx:1 IP4 10.0.0.1 4000",
            "a=source-filters: incl IN IP4 * 10.0.0.1",
            "m=video 0 RTP/AVP 31",
            "a=altc:1 IP4 10.0.0.1 4002",
            "m=message 9 TCP/MSRP *",
            "c=IN IP4 10.0.0.1",
            "a=altc:1 IP4 10.0.0.1 9",
        ],
    );
}

#[test]
fn attributes_stay_where_nothing_is_relayed() {
    let sdp = lines(&[
        "c=IN IP4 10.0.0.1",
        "a=source-filter: incl IN IP4 * 10.0.0.1",
        "m=audio 4000 RTP/AVP 0",
        "a=altc:1 IP4 10.0.0.1 4000",
    ]);
    let (out, _) = Case::answer(RELAY, &[0]).run(&invite(sdp.as_bytes())).unwrap();
    assert_eq!(body_of(&out), sdp);
}

#[test]
fn loop_marker_after_a_removed_open_line_is_a_line() {
    let mut case = Case::offer(RELAY, &[50000]);
    case.loop_marker = true;
    let sdp = "c=IN IP4 10.0.0.1\r\nm=audio 4 RTP/AVP 0\r\na=altc:1 IP4 10.0.0.1 4";
    let marked = ["c=IN IP4 203.0.113.9", "m=audio 50000 RTP/AVP 0", "a=nortpproxy:yes"];
    assert_eq!(case.sdp(sdp), lines(&marked));
    case.loop_marker = false;
    assert_eq!(case.sdp(sdp), lines(&marked[..2]));
}

#[test]
fn line_that_ends_in_cr_only_is_an_error() {
    // What comes behind the CR of an m= or c= line, or of the last line, would be lost.
    let sdp = lines(&["c=IN IP4 10.0.0.1", "m=audio 4 RTP/AVP 0", "m=video 6 RTP/AVP 31", "a=x"]);
    let case = Case::offer(RELAY, &[50000, 50002]);
    case.sdp(&sdp);
    let ends: Vec<usize> = sdp.match_indices("\r\n").map(|(at, _)| at).collect();
    for cr_only in 1u32..1 << (ends.len() - 1) {
        let mut mixed = sdp.clone();
        for (bit, at) in ends.iter().enumerate().rev() {
            if cr_only >> bit & 1 != 0 {
                mixed.replace_range(*at..*at + 2, "\r");
            }
        }
        assert_eq!(case.error(&mixed).status(), Status::Syntax, "{mixed:?}");
    }
    assert_eq!(case.error(&sdp.replace("\r\n", "\r")).status(), Status::Syntax);
}

/// What a=rtcp of audio, m= port 4000, becomes with the relay's port 50000.
#[track_caller]
fn rtcp_becomes(before: &str, after: &str) {
    let session = ["c=IN IP4 10.0.0.1", "m=audio 4000 RTP/AVP 0"];
    let moved = ["c=IN IP4 203.0.113.9", "m=audio 50000 RTP/AVP 0"];
    let end = "a=sendrecv";
    for case in [Case::offer(RELAY, &[50000]), Case::answer(RELAY, &[50000])] {
        rewrites(&case, &[session[0], session[1], before, end], &[moved[0], moved[1], after, end]);
    }
}

#[test]
fn rtcp_in_any_form_shows_no_address_of_the_phone() {
    for (before, after) in [
        ("4001", "50001"),
        ("4001 IN IP4 10.0.0.1", "50001 IN IP4 203.0.113.9"),
        ("4001  IN\tIP6 2001:db8::1 ", "50001  IN\tIP4 203.0.113.9 "),
        ("4001 IN IP4 10.0.0.1 10.0.0.2", "50001 IN IP4 203.0.113.9"),
        ("4001 IN IP4 0.0.0.0", "50001 IN IP4 0.0.0.0"),
        ("4001 IN IP4 0.0.0.0 10.0.0.1", "50001 IN IP4 0.0.0.0"),
        ("0", "0"),
        ("0 IN IP4 10.0.0.1", "0 IN IP4 203.0.113.9"),
        // Not in the form of RFC 3605.
        ("4001 10.0.0.1", "50001"),
        ("4001 IP4 10.0.0.1", "50001"),
        ("4001 IN IP4", "50001"),
        ("4001 IN 10.0.0.1", "50001"),
        ("4001 PSTN E164 +4989", "50001"),
        ("4001/2", "50001"),
        ("4001/2 IN IP4 10.0.0.1 ", "50001 "),
        ("10.0.0.1:4001", "50001"),
        ("0 10.0.0.1", "50001"),
        ("70000 IN IP4 10.0.0.1", "50001"),
        ("x IN IP4 10.0.0.1", "50001"),
        ("", ""),
        (" ", " "),
    ] {
        rtcp_becomes(&format!("a=rtcp:{before}"), &format!("a=rtcp:{after}"));
    }
}

#[test]
fn rtcp_of_the_session_goes_when_a_stream_is_relayed() {
    let sdp = |address: &str, rtcp: &[&str], port: u16| {
        let connection = format!("c=IN IP4 {address}");
        let stream = format!("m=audio {port} RTP/AVP 0");
        let mut all = vec![connection.as_str()];
        all.extend(rtcp);
        all.extend(["a=rtcp-mux", stream.as_str()]);
        lines(&all)
    };
    for rtcp in ["a=rtcp:4001 IN IP4 10.0.0.1", "a=rtcp:4001", "a=rtcp:10.0.0.1"] {
        let before = sdp("10.0.0.1", &[rtcp], 4000);
        let case = Case::offer(RELAY, &[50000]);
        assert_eq!(case.sdp(&before), sdp("203.0.113.9", &[], 50000));
        let (out, _) = Case::answer(RELAY, &[0]).run(&invite(before.as_bytes())).unwrap();
        assert_eq!(body_of(&out), before, "the relay refuses the stream");
    }
}

#[test]
fn words_behind_an_address_go_with_it() {
    for (relay, kept) in [(RELAY, "IP4 203.0.113.9"), ("2001:db8:9::9", "IP6 2001:db8:9::9")] {
        for more in [" 10.0.0.2", "/127 10.0.0.2", " 10.0.0.2 x", "\tIP4 10.0.0.2"] {
            let (old, new) = (format!("c=IN IP4 10.0.0.1{more} "), format!("c=IN {kept} "));
            let held = format!("c=IN IP4 0.0.0.0{more}");
            rewrites(
                &Case::offer(relay, &[50000, 50002, 0]),
                &[
                    &old,
                    &held,
                    "m=audio 4000 RTP/AVP 0",
                    "m=video 4002 RTP/AVP 31",
                    &held,
                    &old,
                    "m=message 9 TCP/MSRP *",
                    &old,
                ],
                &[
                    &new,
                    "c=IN IP4 0.0.0.0",
                    "m=audio 50000 RTP/AVP 0",
                    "m=video 50002 RTP/AVP 31",
                    "c=IN IP4 0.0.0.0",
                    &new,
                    "m=message 9 TCP/MSRP *",
                    &old,
                ],
            );
        }
    }
}

#[test]
fn all_session_addresses_are_the_relays() {
    rewrites(
        &Case::offer(RELAY, &[50000, 0]),
        &[
            "c=IN IP4 10.0.0.1",
            "c=IN IP6 2001:db8::1",
            "c=IN IP4 10.0.0.1",
            "m=audio 4000 RTP/AVP 0",
            "m=message 9 TCP/MSRP *",
        ],
        &[
            "c=IN IP4 203.0.113.9",
            "c=IN IP4 203.0.113.9",
            "c=IN IP4 203.0.113.9",
            "m=audio 50000 RTP/AVP 0",
            "m=message 9 TCP/MSRP *",
            "c=IN IP4 10.0.0.1",
            "c=IN IP6 2001:db8::1",
            "c=IN IP4 10.0.0.1",
        ],
    );
}

#[test]
fn loop_marker_after_words_that_went_is_a_line() {
    let mut case = Case::offer(RELAY, &[50000]);
    case.loop_marker = true;
    let sdp = "m=audio 4 RTP/AVP 0\r\nc=IN IP4 0.0.0.0 10.0.0.1";
    let marked = ["m=audio 50000 RTP/AVP 0", "c=IN IP4 0.0.0.0", "a=nortpproxy:yes"];
    assert_eq!(case.sdp(sdp), lines(&marked));
}
