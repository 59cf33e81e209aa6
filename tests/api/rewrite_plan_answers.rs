//! What a relay may answer, and what becomes of the description then.

use std::net::SocketAddr;

use kit::rewriting::{Case, body_of, invite, lines, parse, with_body};
use mediaproxy::Status;
use mediaproxy::internals::edit::{Edits, Verb};
use mediaproxy::internals::media::plan::Accepted;
use mediaproxy::internals::relay::Answer;

const RELAY: &str = "203.0.113.9";

const TWO: [&str; 3] = ["c=IN IP4 10.0.0.1", "m=audio 4 RTP/AVP 0", "m=video 6 RTP/AVP 31"];

#[test]
fn too_few_ports_for_an_offer() {
    let error = Case::offer(RELAY, &[50000]).error(&lines(&TWO));
    assert_eq!(error.status(), Status::RelayAnswer);
    assert!(error.text().contains("1 ports for 2 streams"), "{error}");
    assert_eq!(Case::offer(RELAY, &[]).error(&lines(&TWO)).status(), Status::RelayAnswer);
}

#[test]
fn port_zero_or_no_room_for_rtcp_for_an_offer() {
    for bad in [0, 65535] {
        let error = Case::offer(RELAY, &[50000, bad]).error(&lines(&TWO));
        assert_eq!(error.status(), Status::RelayAnswer);
        assert!(error.text().contains("stream 2 (video)"), "{error}");
    }
}

#[test]
fn too_few_ports_for_an_answer_leave_the_others_where_they_are() {
    for ports in [&[50000][..], &[50000, 0]] {
        let raw = invite(lines(&TWO).as_bytes());
        let (out, complaints) = Case::answer(RELAY, ports).run(&raw).unwrap();
        assert_eq!(
            body_of(&out),
            lines(&[
                "c=IN IP4 203.0.113.9",
                "m=audio 50000 RTP/AVP 0",
                "m=video 6 RTP/AVP 31",
                "c=IN IP4 10.0.0.1",
            ])
        );
        assert!(complaints.iter().any(|text| text.contains("stream 2 (video)")), "{complaints:?}");
    }
}

#[test]
fn answer_to_an_earlier_offer_is_rewritten_whole_or_not_at_all() {
    let raw = invite(lines(&TWO).as_bytes());
    let message = parse(&raw);
    let stored = |ports: [u16; 2]| {
        move |line: usize| {
            ports.get(line).map(|port| SocketAddr::new(RELAY.parse().unwrap(), *port))
        }
    };
    for (given, known, expected) in [
        (&[50000, 50002][..], [0, 0], Ok([50000, 50002])),
        (&[50000, 0], [51000, 51002], Ok([51000, 51002])),
        (&[50000], [51000, 51002], Ok([51000, 51002])),
        (&[50000, 0], [51000, 0], Err("stream 2 (video)")),
        (&[0, 0], [0, 51002], Err("stream 1 (audio)")),
        (&[50000], [0, 0], Err("stream 2 (video)")),
    ] {
        let case = Case::answer(RELAY, given);
        let plan = case.plan(&message).unwrap();
        let mut warnings = Vec::new();
        let warn = &mut |text: &str| warnings.push(text.to_string());
        match (plan.accept_whole(&case.answer, stored(known), warn), expected) {
            (Ok(accepted), Ok(expected)) => {
                let Accepted::Ports(assigned) = &accepted else { panic!("{accepted:?}") };
                let ports: Vec<_> = assigned.lines().map(|(_, at)| at.port()).collect();
                assert_eq!(ports, expected);
            }
            (Err(error), Err(named)) => {
                assert_eq!(error.status(), Status::RelayAnswer);
                assert!(error.text().starts_with(named), "{error}");
            }
            (result, _) => panic!("{given:?} {known:?}: {result:?}"),
        }
        assert_eq!(warnings, [""; 0], "{given:?}");
    }
}

#[test]
fn answer_without_any_port_changes_nothing() {
    let raw = invite(lines(&TWO).as_bytes());
    let (out, complaints) = Case::answer(RELAY, &[0, 0]).run(&raw).unwrap();
    assert_eq!(out, raw);
    assert_eq!(complaints.len(), 2);
}

#[test]
fn more_ports_than_streams_are_ignored_with_a_complaint() {
    for case in [Case::offer(RELAY, &[1, 3, 5]), Case::answer(RELAY, &[1, 3, 5])] {
        let (out, complaints) = case.run(&invite(lines(&TWO).as_bytes())).unwrap();
        let expected = ["c=IN IP4 203.0.113.9", "m=audio 1 RTP/AVP 0", "m=video 3 RTP/AVP 31"];
        assert_eq!(body_of(&out), lines(&expected));
        assert_eq!(complaints, ["the relay gave 3 ports for 2 streams"]);
    }
}

#[test]
fn address_nobody_can_send_to_is_an_error() {
    for address in ["0.0.0.0", "::", "233.252.0.1", "ff0e::1", "::ffff:0.0.0.0"] {
        for case in [Case::offer(address, &[1, 3]), Case::answer(address, &[1, 3])] {
            assert_eq!(case.error(&lines(&TWO)).status(), Status::RelayAnswer, "{address}");
        }
    }
}

#[test]
fn answer_with_a_body_replaces_the_sdp_by_one_edit() {
    let body = b"v=0\r\nc=IN IP4 203.0.113.9\r\nm=audio 9 RTP/AVP 0\r\n".to_vec();
    let mut case = Case::offer(RELAY, &[]);
    case.answer = Answer::Body(body.clone());
    let raw = invite(lines(&TWO).as_bytes());
    let message = parse(&raw);
    let mut edits = Edits::new();
    case.plan(&message).unwrap().fill(&case.answer, &mut edits, &mut |_| {}).unwrap();
    assert_eq!(edits.len(), 1);
    assert_eq!(case.sdp(&lines(&TWO)).into_bytes(), body);
}

#[test]
fn whole_body_replaces_only_its_part_of_a_multipart() {
    let raw = with_body(
        "Content-Type: multipart/mixed;boundary=b\r\n",
        b"--b\r\nContent-Type: application/sdp\r\n\r\nv=0\r\nc=IN IP4 10.0.0.1\r\nm=audio 4 RTP/AVP 0\r\n--b--\r\n",
    );
    let mut case = Case::offer(RELAY, &[]);
    case.answer = Answer::Body(b"v=0".to_vec());
    let (out, _) = case.run(&raw).unwrap();
    assert_eq!(body_of(&out), "--b\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--b--\r\n");
}

#[test]
fn answer_of_neither_ports_nor_body_is_an_error() {
    for answer in [Answer::Body(Vec::new()), Answer::Body(b"None".to_vec()), Answer::Deleted] {
        let case = Case { answer, ..Case::answer(RELAY, &[]) };
        assert_eq!(case.error(&lines(&TWO)).status(), Status::RelayAnswer);
    }
}

#[test]
fn second_answer_replaces_the_edits_of_the_first() {
    let raw = invite(lines(&TWO).as_bytes());
    let message = parse(&raw);
    let case = Case::offer(RELAY, &[50000, 50002]);
    let plan = case.plan(&message).unwrap();
    let mut edits = Edits::new();
    edits.push(Verb::FixContact, 0, 1, b"i").unwrap();
    plan.fill(&case.answer, &mut edits, &mut |_| {}).unwrap();
    let first = edits.len();
    let second = Case::offer("203.0.113.10", &[51000, 51002]);
    plan.fill(&second.answer, &mut edits, &mut |_| {}).unwrap();
    assert_eq!(edits.len(), first);
    let mut out = Vec::new();
    edits.apply(&message, &mut out).unwrap();
    assert!(out.starts_with(b"iNVITE"), "the other verb's edit stays");
    let out = String::from_utf8(out).unwrap();
    assert!(out.ends_with(&lines(&[
        "c=IN IP4 203.0.113.10",
        "m=audio 51000 RTP/AVP 0",
        "m=video 51002 RTP/AVP 31",
    ])));
}

#[test]
fn failed_second_answer_leaves_the_first_ones_edits() {
    let raw = invite(lines(&TWO).as_bytes());
    let message = parse(&raw);
    let case = Case::offer(RELAY, &[50000, 50002]);
    let plan = case.plan(&message).unwrap();
    let mut edits = Edits::new();
    plan.fill(&case.answer, &mut edits, &mut |_| {}).unwrap();
    let count = edits.len();
    let failed = Case::offer(RELAY, &[50000]).answer;
    plan.fill(&failed, &mut edits, &mut |_| {}).unwrap_err();
    assert_eq!(edits.len(), count);
    let mut out = Vec::new();
    edits.apply(&message, &mut out).unwrap();
    assert!(body_of(&out).contains("m=video 50002 "));
}

#[test]
fn empty_plan_takes_back_earlier_edits() {
    let sdp = lines(&["c=IN IP4 10.0.0.1", "m=message 9 TCP/MSRP *"]);
    let raw = invite(sdp.as_bytes());
    let message = parse(&raw);
    let case = Case::offer(RELAY, &[]);
    let plan = case.plan(&message).unwrap();
    assert!(plan.streams.is_empty());
    let mut edits = Edits::new();
    edits.push(Verb::RewriteSdp, 0, 1, b"x").unwrap();
    plan.fill(&case.answer, &mut edits, &mut |_| {}).unwrap();
    assert!(edits.is_empty());
}

#[test]
fn edit_of_another_verb_in_the_way_leaves_none_of_ours() {
    let raw = invite(lines(&TWO).as_bytes());
    let message = parse(&raw);
    let case = Case::offer(RELAY, &[50000, 50002]);
    let plan = case.plan(&message).unwrap();
    let mut edits = Edits::new();
    edits.push(Verb::FixContact, raw.len() - 30, 30, b"").unwrap();
    let error = plan.fill(&case.answer, &mut edits, &mut |_| {}).unwrap_err();
    assert_eq!(error.status(), Status::Edits);
    assert_eq!(edits.len(), 1);
}

#[test]
fn sdp_from_elsewhere_is_refused() {
    use mediaproxy::internals::media::plan;
    use mediaproxy::internals::relay::Role;
    let raw = invite(b"");
    let elsewhere = lines(&TWO);
    let session = mediaproxy::sdp::Session::parse(elsewhere.as_bytes()).unwrap();
    let rules = kit::rewriting::rules(Role::Offer);
    let error = plan(&parse(&raw), &session, &rules).unwrap_err();
    assert_eq!(error.status(), Status::Argument);
}
