//! From a description and a relay's ports to the description that goes on: one
//! test for each promise about streams.

mod rewrites;

use kit::rewriting::{Case, body_of, invite, lines};
use mediaproxy::Status;
use mediaproxy::internals::relay::{Stream, StreamAddress};
use mediaproxy::sdp::Direction;

use rewrites::REWRITES;

const RELAY: &str = "203.0.113.9";
const RELAY6: &str = "2001:db8:9::9";

/// A stream's address: literal, or a name.
fn at(text: &str) -> StreamAddress {
    text.parse().map_or_else(|_| StreamAddress::Name(text.into()), StreamAddress::Ip)
}

/// A case whose rewrite makes `after` of `before`.
#[track_caller]
fn rewrites(case: &Case, before: &[&str], after: &[&str]) {
    assert_eq!(case.sdp(&lines(before)), lines(after));
}

/// The SDP before and after the change that a row of [`REWRITES`] shows.
fn before_and_after(row: &str) -> (String, String) {
    let (mut before, mut after) = (String::new(), String::new());
    for line in row.lines() {
        if let Some(added) = line.strip_prefix('+') {
            after += &format!("{added}\r\n");
            continue;
        }
        let (old, new) = match line.split_once('{') {
            None => (line.to_string(), line.to_string()),
            Some((start, rest)) => {
                let (change, end) = rest.split_once('}').expect("a change in braces");
                let (old, new) = change.split_once('|').expect("before and after");
                (format!("{start}{old}{end}"), format!("{start}{new}{end}"))
            }
        };
        before += &format!("{old}\r\n");
        after += &format!("{new}\r\n");
    }
    (before, after)
}

#[test]
fn rewrites_are_those_of_the_table() {
    let mut count = 0;
    for row in REWRITES.split("= ").skip(1) {
        let (head, lines) = row.split_once('\n').expect("a name and lines");
        let (name, relay) = head.split_once(": ").expect("a name and a relay");
        let mut words = relay.split(' ');
        let address = words.next().expect("an address");
        let ports: Vec<u16> = words.map(|port| port.parse().expect("a port")).collect();
        let (before, after) = before_and_after(lines);
        assert_eq!(Case::offer(address, &ports).sdp(&before), after, "{name}");
        count += 1;
    }
    assert_eq!(count, 17);
}

#[test]
fn relay_request_has_every_line_and_port_0_for_those_not_relayed() {
    let sdp = lines(&[
        "c=IN IP4 192.168.1.10",
        "a=sendonly",
        "m=audio 40000 RTP/AVP 0",
        "m=message 2855 TCP/MSRP *",
        "m=video 0 RTP/AVP 34",
        "m=image 40004 udptl t38",
        "c=IN IP4 media.example.com",
        "a=inactive",
    ]);
    let told = Case::offer(RELAY, &[]).streams(&sdp);
    let stream = |kind: &str, address: &str, port, direction| Stream {
        kind: kind.as_bytes().to_vec().into(),
        address: at(address),
        port,
        direction,
        ice: false,
    };
    assert_eq!(
        told,
        [
            stream("audio", "192.168.1.10", 40000, Direction::SendOnly),
            stream("message", "192.168.1.10", 0, Direction::SendOnly),
            stream("video", "192.168.1.10", 0, Direction::SendOnly),
            stream("image", "media.example.com", 40004, Direction::Inactive),
        ]
    );
}

#[test]
fn sixty_four_streams_are_rewritten() {
    let sdp = format!("c=IN IP4 10.0.0.1\r\n{}", "m=audio 4000 RTP/AVP 0\r\n".repeat(64));
    let ports: Vec<u16> = (0..64).map(|i| 50000 + 2 * i).collect();
    let out = Case::offer(RELAY, &ports).sdp(&sdp);
    let mut expected = String::from("c=IN IP4 203.0.113.9\r\n");
    ports.iter().for_each(|port| expected += &format!("m=audio {port} RTP/AVP 0\r\n"));
    assert_eq!(out, expected);
}

#[test]
fn sixty_fifth_stream_is_an_error_and_nothing_changes() {
    let sdp = format!("c=IN IP4 10.0.0.1\r\n{}", "m=audio 4000 RTP/AVP 0\r\n".repeat(65));
    assert_eq!(Case::offer(RELAY, &[50000; 65]).error(&sdp).status(), Status::Limit);
}

#[test]
fn added_line_uses_the_messages_line_end_where_the_last_line_has_none() {
    let out = Case::offer(RELAY, &[50000, 0])
        .sdp("c=IN IP4 10.0.0.1\r\nm=audio 4 RTP/AVP 0\r\nm=message 9 TCP/MSRP *");
    assert_eq!(
        out,
        "c=IN IP4 203.0.113.9\r\nm=audio 50000 RTP/AVP 0\r\nm=message 9 TCP/MSRP *\r\nc=IN IP4 10.0.0.1"
    );
}

#[test]
fn message_of_bare_line_feeds_gets_bare_line_feeds() {
    let raw = String::from_utf8(invite(
        b"c=IN IP4 10.0.0.1\nm=audio 4 RTP/AVP 0\nm=message 9 TCP/MSRP *\na=x\n",
    ))
    .unwrap()
    .replace("\r\n", "\n");
    let mut case = Case::offer(RELAY, &[50000, 0]);
    case.loop_marker = true;
    let (out, _) = case.run(raw.as_bytes()).unwrap();
    assert!(!out.contains(&b'\r'));
    assert_eq!(
        body_of(&out),
        "c=IN IP4 203.0.113.9\nm=audio 50000 RTP/AVP 0\nm=message 9 TCP/MSRP *\nc=IN IP4 10.0.0.1\na=x\na=nortpproxy:yes\n"
    );
}

#[test]
fn missing_final_line_end_stays_missing() {
    let out = Case::offer(RELAY, &[50000]).sdp("c=IN IP4 10.0.0.1\r\nm=audio 4 RTP/AVP 0");
    assert_eq!(out, "c=IN IP4 203.0.113.9\r\nm=audio 50000 RTP/AVP 0");
}

#[test]
fn streams_all_with_port_0_are_in_the_request_and_unchanged() {
    let sdp = lines(&["c=IN IP4 10.0.0.1", "m=audio 0 RTP/AVP 0", "m=video 0/2 RTP/AVP 31"]);
    let case = Case::offer(RELAY, &[0, 50002]);
    assert_eq!(case.streams(&sdp).len(), 2);
    assert_eq!(case.sdp(&sdp), sdp);
}

#[test]
fn stream_that_is_off_needs_no_connection() {
    let sdp = lines(&["m=audio 0 RTP/AVP 0", "m=video 4 RTP/AVP 31", "c=IN IP4 10.0.0.1"]);
    let case = Case::offer(RELAY, &[0, 50002]);
    assert_eq!(case.streams(&sdp)[0].address, at("0.0.0.0"));
    assert_eq!(
        case.sdp(&sdp),
        lines(&["m=audio 0 RTP/AVP 0", "m=video 50002 RTP/AVP 31", "c=IN IP4 203.0.113.9"])
    );
}

#[test]
fn stream_that_is_on_without_connection_is_named() {
    let sdp = lines(&["m=audio 0 RTP/AVP 0", "m=video 4 RTP/AVP 31"]);
    let error = Case::offer(RELAY, &[50000, 50002]).error(&sdp);
    assert_eq!(error.status(), Status::Syntax);
    assert!(error.text().contains("stream 2 (video)"), "{error}");
}

#[test]
fn names_and_garbage_in_place_of_an_address_are_replaced() {
    for address in ["None", "media.example.com", "[[2001:db8::1]]", &"9".repeat(300)] {
        rewrites(
            &Case::offer(RELAY, &[50000, 0]),
            &[&format!("c=IN IP4 {address}"), "m=audio 4 RTP/AVP 0", "m=x 9 TCP/MSRP *"],
            &[
                "c=IN IP4 203.0.113.9",
                "m=audio 50000 RTP/AVP 0",
                "m=x 9 TCP/MSRP *",
                &format!("c=IN IP4 {address}"),
            ],
        );
    }
}

#[test]
fn rtcp_of_a_stream_that_is_not_relayed_stays() {
    let sdp = lines(&[
        "c=IN IP4 10.0.0.1",
        "m=audio 4 RTP/AVP 0",
        "m=video 0 RTP/AVP 31",
        "a=rtcp:7 IN IP4 10.0.0.1",
        "m=x 9 TCP/RTP/AVP 0",
        "c=IN IP4 10.0.0.1",
        "a=rtcp:10 IN IP4 10.0.0.1",
    ]);
    let out = Case::offer(RELAY, &[50000, 0, 0]).sdp(&sdp);
    assert!(out.contains("a=rtcp:7 IN IP4 10.0.0.1\r\n"));
    assert!(out.contains("a=rtcp:10 IN IP4 10.0.0.1\r\n"));
}

#[test]
fn bundled_streams_are_refused_together() {
    let sdp = lines(&[
        "c=IN IP4 10.0.0.1",
        "a=group:BUNDLE a v",
        "m=audio 4000 RTP/AVP 0",
        "a=mid:a",
        "m=video 4000 RTP/AVP 31",
        "a=mid:v",
    ]);
    let (out, complaints) = Case::answer(RELAY, &[0, 50002]).run(&invite(sdp.as_bytes())).unwrap();
    assert_eq!(body_of(&out), sdp);
    assert_eq!(complaints.len(), 2);
}

#[test]
fn mapped_relay_address_is_written_as_ipv4() {
    let out = Case::offer("::ffff:203.0.113.9", &[50000])
        .sdp(&lines(&["c=IN IP4 10.0.0.1", "m=audio 4 RTP/AVP 0"]));
    assert_eq!(out, lines(&["c=IN IP4 203.0.113.9", "m=audio 50000 RTP/AVP 0"]));
}

#[test]
fn wrong_time_to_live_stays_within_a_family_and_goes_with_it() {
    let sdp = lines(&["c=IN IP4 10.0.0.1/127", "m=audio 4 RTP/AVP 0"]);
    let out = Case::offer(RELAY, &[50000]).sdp(&sdp);
    assert_eq!(out, lines(&["c=IN IP4 203.0.113.9/127", "m=audio 50000 RTP/AVP 0"]));
    let out = Case::offer(RELAY6, &[50000]).sdp(&sdp);
    assert_eq!(out, lines(&["c=IN IP6 2001:db8:9::9", "m=audio 50000 RTP/AVP 0"]));
}

#[test]
fn lookalikes_inside_other_lines_are_not_touched() {
    let lookalikes = [
        "i=(c=IN IP4 10.0.0.1)",
        "s=c=IN IP4 10.0.0.1",
        "i=m=audio 4 RTP/AVP 0",
        "a=note:c=IN IP4 10.0.0.1",
        "a=x-rtcp:4 IN IP4 10.0.0.1",
    ];
    let with = |first: [&str; 2], stream: &str| {
        let mut all = first.to_vec();
        all.extend(lookalikes);
        all.push(stream);
        all.extend(lookalikes);
        lines(&all)
    };
    let before = with(["v=0", "c=IN IP4 10.0.0.1"], "m=audio 4 RTP/AVP 0");
    let after = with(["v=0", "c=IN IP4 203.0.113.9"], "m=audio 50000 RTP/AVP 0");
    assert_eq!(Case::offer(RELAY, &[50000]).sdp(&before), after);
}

#[test]
fn multicast_stream_stays_and_is_off_for_the_relay() {
    let sdp = lines(&[
        "c=IN IP4 233.252.0.1/127",
        "m=audio 4000 RTP/AVP 0",
        "m=video 4002 RTP/AVP 31",
        "c=IN IP4 10.0.0.1",
    ]);
    let case = Case::offer(RELAY, &[0, 50002]);
    let told = case.streams(&sdp);
    assert_eq!((told[0].port, told[1].port), (0, 4002));
    assert_eq!(
        case.sdp(&sdp),
        lines(&[
            "c=IN IP4 233.252.0.1/127",
            "m=audio 4000 RTP/AVP 0",
            "m=video 50002 RTP/AVP 31",
            "c=IN IP4 203.0.113.9",
        ])
    );
    let alone = lines(&["c=IN IP6 ff0e::1", "m=audio 4000 RTP/AVP 0"]);
    assert!(case.streams(&alone).is_empty());
}

#[test]
fn spiral_is_left_alone() {
    let mut case = Case::offer(RELAY, &[51000, 51002]);
    case.ours = vec!["203.0.113.9:50000".parse().unwrap(), "203.0.113.9:50002".parse().unwrap()];
    let sdp = lines(&[
        "c=IN IP4 203.0.113.9",
        "m=audio 50000 RTP/AVP 0",
        "m=video 50002 RTP/AVP 31",
        "m=image 0 udptl t38",
    ]);
    assert!(case.streams(&sdp).is_empty());
    assert_eq!(case.sdp(&sdp), sdp);
}

#[test]
fn stream_added_on_the_way_is_relayed_and_the_spiral_keeps_its_address() {
    let mut case = Case::offer("203.0.113.10", &[51000, 51002]);
    case.ours = vec!["203.0.113.9:50000".parse().unwrap()];
    rewrites(
        &case,
        &["c=IN IP4 203.0.113.9", "m=audio 50000 RTP/AVP 0", "m=video 50002 RTP/AVP 31"],
        &[
            "c=IN IP4 203.0.113.10",
            "m=audio 50000 RTP/AVP 0",
            "c=IN IP4 203.0.113.9",
            "m=video 51002 RTP/AVP 31",
        ],
    );
}

#[test]
fn origin_stays_without_rewrite_origin() {
    let sdp = lines(&["o=- 1 1 IN IP6 2001:db8::1", "c=IN IP4 10.0.0.1", "m=audio 4 RTP/AVP 0"]);
    let mut case = Case::offer(RELAY, &[50000]);
    assert!(case.sdp(&sdp).starts_with("o=- 1 1 IN IP6 2001:db8::1\r\n"));
    case.rewrite_origin = true;
    assert!(case.sdp(&sdp).starts_with("o=- 1 1 IN IP4 203.0.113.9\r\n"));
    let off = sdp.replace("m=audio 4 ", "m=audio 0 ");
    assert_eq!(case.sdp(&off), off, "nothing is relayed, nothing changes");
}

#[test]
fn loop_marker_is_written_and_honoured() {
    let mut case = Case::offer(RELAY, &[50000]);
    case.loop_marker = true;
    let sdp = lines(&["c=IN IP4 10.0.0.1", "m=audio 4 RTP/AVP 0"]);
    let marked = case.sdp(&sdp);
    let expected = ["c=IN IP4 203.0.113.9", "m=audio 50000 RTP/AVP 0", "a=nortpproxy:yes"];
    assert_eq!(marked, lines(&expected));
    assert_eq!(case.sdp(&marked), marked, "the next proxy leaves it alone");
    assert!(case.streams(&marked).is_empty());
    assert_eq!(case.sdp(sdp.trim_end()), lines(&expected), "a missing final line end is added");
    case.loop_marker = false;
    assert_eq!(case.streams(&marked).len(), 1, "not honoured unless set");
}

#[test]
fn marker_comes_after_a_kept_address_behind_an_open_line() {
    let mut case = Case::offer(RELAY, &[50000, 0]);
    case.loop_marker = true;
    assert_eq!(
        case.sdp("c=IN IP4 10.0.0.1\r\nm=audio 4 RTP/AVP 0\r\nm=message 9 TCP/MSRP *"),
        lines(&[
            "c=IN IP4 203.0.113.9",
            "m=audio 50000 RTP/AVP 0",
            "m=message 9 TCP/MSRP *",
            "c=IN IP4 10.0.0.1",
            "a=nortpproxy:yes",
        ])
    );
}
