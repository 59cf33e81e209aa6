//! An m= line has the same number in offer and answer, whatever becomes of it
//! (RFC 3264 6): in the request to the relay, in its answer, and in the answer's SDP.

use kit::rewriting::{Case, body_of, invite, lines, parse};
use mediaproxy::internals::relay::Role;

const RELAY: &str = "203.0.113.9";

/// The ports that the relay is sent for an SDP.
fn sent(case: &Case, sdp: &str) -> Vec<u16> {
    case.streams(sdp).iter().map(|stream| stream.port).collect()
}

fn relayed_lines(case: &Case, sdp: &str) -> u64 {
    case.plan(&parse(&invite(sdp.as_bytes()))).unwrap().relayed_lines()
}

/// Audio, a line in the middle, video.
fn three(middle: &str, address: &str) -> String {
    lines(&[
        &format!("c=IN IP4 {address}"),
        "m=audio 20000 RTP/AVP 0",
        middle,
        "m=video 20004 RTP/AVP 96",
    ])
}

/// An offer's line in the middle, how the answer refuses it, and whether the offer's
/// is relayed.
const REFUSED: [(&str, &str, bool); 8] = [
    ("m=application 20002 UDP/BFCP *", "m=application 0 UDP/BFCP *", true),
    ("m=application 20002 UDP/BFCP *", "m=application 0 TCP/BFCP *", true),
    (
        "m=application 20002 UDP/DTLS/SCTP webrtc-datachannel",
        "m=application 0 DTLS/SCTP 5000",
        true,
    ),
    ("m=image 20002 udptl t38", "m=image 0 TCP t38", true),
    ("m=application 20002 TCP/MSRP *", "m=application 0 RTP/AVP 0", false),
    ("m=application 20002 RTP/AVP 100", "m=application 0 * ", true),
    ("m=application 20002 TCP/MSRP *", "m=application 0 TCP/MSRP *", false),
    ("m=application 0 RTP/AVP 100", "m=application 0 TCP/MSRP *", false),
];

#[test]
fn refused_line_of_any_transport_leaves_the_numbers_of_the_others() {
    for (offered, refused, relayed) in REFUSED {
        let (offer, answer) = (three(offered, "10.0.0.1"), three(refused, "10.0.0.2"));
        let middle = if relayed { 50002 } else { 0 };
        let case = Case::offer(RELAY, &[50000, middle, 50004]);
        assert_eq!(sent(&case, &offer), [20000, if relayed { 20002 } else { 0 }, 20004]);
        let mask = relayed_lines(&case, &offer);
        assert_eq!(mask, if relayed { 0b111 } else { 0b101 }, "{offered}");
        case.sdp(&offer);

        // With the mask, and without it after a restart.
        for known in [Some(mask), None] {
            let mut case = Case::answer(RELAY, &[51000, 0, 51004]);
            case.relayed_lines = known;
            assert_eq!(sent(&case, &answer), [20000, 0, 20004], "{refused}");
            let expected = lines(&[
                "c=IN IP4 203.0.113.9",
                "m=audio 51000 RTP/AVP 0",
                refused,
                "m=video 51004 RTP/AVP 96",
            ]);
            assert_eq!(case.sdp(&answer), expected, "{offered} {refused} {known:?}");
        }
    }
}

#[test]
fn line_that_the_offer_did_not_relay_is_left_alone_in_the_answer() {
    let answer = three("m=application 20002 RTP/AVP 100", "10.0.0.2");
    let mut case = Case::answer(RELAY, &[51000, 0, 51004]);
    case.relayed_lines = Some(0b101);
    assert_eq!(sent(&case, &answer), [20000, 0, 20004]);
    let (out, _) = case.run(&invite(answer.as_bytes())).unwrap();
    assert_eq!(
        body_of(&out),
        lines(&[
            "c=IN IP4 203.0.113.9",
            "m=audio 51000 RTP/AVP 0",
            "m=application 20002 RTP/AVP 100",
            "c=IN IP4 10.0.0.2",
            "m=video 51004 RTP/AVP 96",
        ])
    );
    case.relayed_lines = Some(0);
    assert!(case.streams(&answer).is_empty(), "no line of the offer is relayed");
    let (out, _) = case.run(&invite(answer.as_bytes())).unwrap();
    assert_eq!(body_of(&out), answer);
}

#[test]
fn line_that_the_offer_relayed_is_relayed_by_position() {
    let old_form = three("m=application 20002 DTLS/SCTP 5000", "10.0.0.2");
    let mut case = Case::answer(RELAY, &[51000, 51002, 51004]);
    case.relayed_lines = Some(0b111);
    assert_eq!(sent(&case, &old_form), [20000, 20002, 20004]);
    assert!(case.sdp(&old_form).contains("m=application 51002 DTLS/SCTP 5000\r\n"));
    // A relay carries no TCP: the line keeps its own address.
    let tcp = three("m=application 20002 TCP/BFCP *", "10.0.0.2");
    let mut case = Case::answer(RELAY, &[51000, 0, 51004]);
    case.relayed_lines = Some(0b111);
    assert_eq!(sent(&case, &tcp), [20000, 0, 20004]);
    let (out, complaints) = case.run(&invite(tcp.as_bytes())).unwrap();
    assert!(body_of(&out).contains("m=application 20002 TCP/BFCP *\r\nc=IN IP4 10.0.0.2\r\n"));
    let reason = "the answer changes its transport";
    assert_eq!(complaints, [unserved("stream 2 (application)", reason)]);
}

fn unserved(stream: &str, reason: &str) -> String {
    format!("{stream} of the answer keeps its own address: {reason}")
}

/// What is said of an answer with these m= lines at 10.0.0.2, whose offer had the lines
/// of this mask relayed.
fn complaints(mask: Option<u64>, media: &[&str]) -> Vec<String> {
    let mut all = vec!["c=IN IP4 10.0.0.2"];
    all.extend(media);
    let ports: Vec<u16> =
        (0..64).map(|line| if mask.unwrap_or(!0) >> line & 1 != 0 { 51_000 } else { 0 }).collect();
    let mut case = Case::answer(RELAY, &ports[..media.len()]);
    case.relayed_lines = mask;
    case.ours = vec!["10.0.0.2:50000".parse().unwrap()];
    case.run(&invite(lines(&all).as_bytes())).unwrap().1
}

#[test]
fn answer_whose_line_has_no_relayed_line_in_the_offer_is_reported_once() {
    let (audio, video) = ("m=audio 20000 RTP/AVP 0", "m=video 20004 UDP/TLS/RTP/SAVPF 96");
    let message = "m=message 9 TCP/MSRP *";
    let at = |stream| unserved(stream, "its offer has no relayed line there");
    for (mask, media, stream) in [
        // The order of the offer's lines changed.
        (0b01, &[message, audio][..], "stream 2 (audio)"),
        // One line more than the offer.
        (0b01, &[audio, video], "stream 2 (video)"),
        // The offer's line had port 0, or another transport.
        (0b10, &[audio, video], "stream 1 (audio)"),
        (0b00, &[audio], "stream 1 (audio)"),
        // Only the first of them is named.
        (0b00, &[message, video, audio, audio], "stream 2 (video)"),
    ] {
        let told = complaints(Some(mask), media);
        match stream {
            // In the place of the offer's audio is TCP, which is named first.
            "stream 2 (audio)" => {
                let reason = "the answer changes its transport";
                assert_eq!(told, [unserved("stream 1 (message)", reason)]);
                assert_eq!(complaints(Some(0), media), [at(stream)]);
            }
            _ => assert_eq!(told, [at(stream)], "{mask:b} {media:?}"),
        }
    }
}

#[test]
fn answer_whose_lines_need_no_relay_is_not_reported() {
    let audio = "m=audio 20000 RTP/AVP 0";
    for media in [
        &["m=audio 0 RTP/AVP 0"][..],
        &["m=message 9 TCP/MSRP *"],
        &["m=x 20000 x-unknown *"],
        &["m=audio 50000 RTP/AVP 0"],
        &[audio, "c=IN IP4 233.252.0.1/127"],
        &[audio, "c=IN IP4 0.0.0.0"],
        &["m=audio 9 RTP/AVP 0", "c=IN IP6 ::"],
        &[audio, "c=PSTN E164 +4989"],
        &[audio, "a=ice-ufrag:u", "a=ice-pwd:p"],
    ] {
        assert_eq!(complaints(Some(0), media), [""; 0], "{media:?}");
    }
    assert_eq!(complaints(Some(0b11), &[audio, audio]), [""; 0]);
    assert_eq!(complaints(None, &["m=message 9 TCP/MSRP *", audio]), [""; 0], "no stored offer");
    let mut offer = Case::offer(RELAY, &[50000]);
    offer.relayed_lines = Some(0);
    offer.sdp(&lines(&["c=IN IP4 10.0.0.1", audio]));
}

#[test]
fn mask_of_the_last_offer_is_nothing_to_an_offer() {
    let mut case = Case::offer(RELAY, &[50000, 50002, 50004]);
    case.relayed_lines = Some(0);
    assert_eq!(sent(&case, &three("m=audio 20002 RTP/AVP 0", "10.0.0.1")), [20000, 20002, 20004]);
}

#[test]
fn refusal_of_all_lines_is_sent_to_the_relay() {
    let mut case = Case::answer(RELAY, &[0, 0]);
    for (mask, refusal) in [
        (Some(0b11), ["m=audio 0 RTP/AVP 0", "m=image 0 TCP t38"]),
        (Some(0b10), ["m=message 0 TCP/MSRP *", "m=image 0 TCP t38"]),
        (None, ["m=audio 0 RTP/AVP 0", "m=image 0 TCP t38"]),
    ] {
        case.relayed_lines = mask;
        let sdp = lines(&refusal);
        assert_eq!(sent(&case, &sdp), [0, 0], "{mask:?}");
        assert_eq!(case.sdp(&sdp), sdp);
    }
    case.relayed_lines = Some(0);
    let sdp = lines(&["m=message 0 TCP/MSRP *", "m=image 0 TCP t38"]);
    assert!(case.streams(&sdp).is_empty(), "nothing of the offer was relayed");
}

/// RFC 3264 8.2: all streams of a call are removed, or moved to transports that relays
/// do not carry.
#[test]
fn sdp_without_a_line_for_the_relay_is_sent_when_the_call_has_a_session() {
    let left_to_ice = ["m=audio 9 RTP/AVP 0", "c=IN IP4 0.0.0.0", "a=ice-ufrag:u", "a=ice-pwd:p"];
    for role in [Role::Offer, Role::Answer] {
        for (mask, has_session, media, told) in [
            (Some(0), true, &["m=message 0 TCP/MSRP *", "m=image 0 TCP t38"][..], true),
            (None, true, &["m=message 0 TCP/MSRP *"], true),
            (Some(0), true, &["m=image 20000 TCP t38"], true),
            (Some(0), false, &["m=message 0 TCP/MSRP *"], false),
            (Some(0), true, &["m=audio 20000 RTP/AVP 0", "c=IN IP4 233.252.0.1/127"], false),
            (Some(0), true, &left_to_ice, false),
        ] {
            let mut case = Case { role, has_session, ..Case::offer(RELAY, &[0, 0]) };
            case.relayed_lines = mask;
            let sdp = lines(&[&["c=IN IP4 10.0.0.1"], media].concat());
            let ports = sent(&case, &sdp);
            assert_eq!(!ports.is_empty(), told, "{role:?} {media:?}");
            assert!(ports.iter().all(|port| *port == 0), "{ports:?}");
            let (out, _) = case.run(&invite(sdp.as_bytes())).unwrap();
            assert_eq!(body_of(&out), sdp, "the SDP stays");
        }
    }
    let ours = vec!["203.0.113.9:50000".parse().unwrap()];
    let case = Case { ours, has_session: true, ..Case::offer(RELAY, &[]) };
    let spiral = lines(&["c=IN IP4 203.0.113.9", "m=audio 50000 RTP/AVP 0"]);
    assert!(case.streams(&spiral).is_empty(), "the relay has given it");
    let mut case = Case { has_session: true, ..Case::answer(RELAY, &[]) };
    case.relayed_lines = Some(0b01);
    let moved = lines(&["c=IN IP4 10.0.0.1", "m=message 9 TCP/MSRP *", "m=audio 4 RTP/AVP 0"]);
    assert!(case.streams(&moved).is_empty(), "an answer that does not fit its offer");
}

#[test]
fn bundle_only_line_shares_the_port_of_its_group_in_the_answer() {
    let bundled = |video: &str| {
        lines(&[
            "c=IN IP4 10.0.0.2",
            "a=group:BUNDLE a v",
            "m=audio 4000 UDP/TLS/RTP/SAVPF 0",
            "a=mid:a",
            video,
            "a=mid:v",
        ])
    };
    let offer = bundled("m=video 0 UDP/TLS/RTP/SAVPF 96");
    let mask = relayed_lines(&Case::offer(RELAY, &[]), &offer);
    assert_eq!(mask, 0b01);
    let mut case = Case::answer(RELAY, &[51000, 0]);
    case.relayed_lines = Some(mask);
    let answer = bundled("m=video 4000 UDP/TLS/RTP/SAVPF 96");
    assert_eq!(sent(&case, &answer), [4000, 0]);
    let (out, complaints) = case.run(&invite(answer.as_bytes())).unwrap();
    assert_eq!(complaints, [""; 0]);
    assert!(body_of(&out).contains("m=video 51000 "), "{}", body_of(&out));
}

#[test]
fn relayed_lines_count_those_already_at_the_relay_and_no_others() {
    let sdp = lines(&[
        "c=IN IP4 203.0.113.9",
        "m=audio 50000 RTP/AVP 0",
        "m=message 9 TCP/MSRP *",
        "m=video 0 RTP/AVP 31",
        "m=video 4000 RTP/AVP 31",
        "c=IN IP4 10.0.0.1",
        "m=audio 4002 RTP/AVP 0",
        "c=IN IP4 233.252.0.1/127",
    ]);
    let mut case = Case::offer(RELAY, &[50000, 0, 0, 50006, 0]);
    case.ours = vec!["203.0.113.9:50000".parse().unwrap()];
    assert_eq!(relayed_lines(&case, &sdp), 0b01001);
    case.ours.push("10.0.0.1:4000".parse().unwrap());
    assert!(case.streams(&sdp).is_empty(), "no request");
    assert_eq!(relayed_lines(&case, &sdp), 0b01001, "known also without a request");
    let all = "m=audio 4000 RTP/AVP 0\r\nc=IN IP4 10.0.0.1\r\n".repeat(64);
    assert_eq!(relayed_lines(&Case::offer(RELAY, &[]), &all), u64::MAX);
}

#[test]
fn assigned_lines_are_those_that_the_sdp_has_after_the_edits() {
    use mediaproxy::internals::media::plan::Accepted;
    let sdp = lines(&[
        "c=IN IP4 10.0.0.1",
        "a=group:BUNDLE a v",
        "m=message 9 TCP/MSRP *",
        "m=audio 4000 RTP/AVP 0",
        "a=mid:a",
        "m=video 4000 RTP/AVP 31",
        "a=mid:v",
    ]);
    let case = Case::offer(RELAY, &[0, 50000, 50002]);
    let raw = invite(sdp.as_bytes());
    let plan = case.plan(&parse(&raw)).unwrap();
    let Accepted::Ports(assigned) = plan.accept(&case.answer, &mut |_| {}).unwrap() else {
        panic!("ports")
    };
    let written: Vec<_> = assigned.lines().collect();
    let address = "203.0.113.9:50000".parse().unwrap();
    assert_eq!(written, [(1, address), (2, address)]);
}

/// A late answer of an ended call gets what the call table has of its lines.
#[test]
fn stored_addresses_make_the_edits_of_the_relays_answer() {
    use mediaproxy::Edits;
    use mediaproxy::internals::media::plan::Accepted;
    use mediaproxy::internals::relay::{Answer, Role};
    let sdp = lines(&[
        "c=IN IP4 10.0.0.1",
        "m=message 9 TCP/MSRP *",
        "m=audio 4000 RTP/AVP 0",
        "m=video 4002 RTP/AVP 31",
    ]);
    let others = vec![(2, "2001:db8:9::9".parse().unwrap())];
    let (address, ports) = (RELAY.parse().unwrap(), vec![0, 50000, 50002]);
    let answer = Answer::Ports { address, ports, others };
    let case = Case { role: Role::Answer, answer, ..Case::offer(RELAY, &[]) };
    let raw = invite(sdp.as_bytes());
    let plan = case.plan(&parse(&raw)).unwrap();
    let accepted = plan.accept(&case.answer, &mut |_| {}).unwrap();
    let Accepted::Ports(assigned) = &accepted else { panic!("ports") };
    let edits = |accepted: &Accepted| {
        let mut edits = Edits::new();
        plan.apply(accepted, &mut edits).unwrap();
        format!("{edits:?}")
    };
    let stored = plan.accept_stored(|line| assigned.line(line)).expect("all lines are stored");
    assert_eq!(edits(&stored), edits(&accepted));
    let lacks_one = |line| assigned.line(line).filter(|_| line != 2);
    assert!(plan.accept_stored(lacks_one).is_none(), "no line keeps the phone's address");
}
