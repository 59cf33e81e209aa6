//! Inputs that crashed, hung or misled other SIP servers, modules and relays:
//! each by name, with what becomes of it here.

use mediaproxy::Edits;
use mediaproxy::IceCandidate;
use mediaproxy::internals::relay::Role;
use mediaproxy::nat::{self, Context, Networks, Tests, Verdict};
use mediaproxy::sip::body::find_sdp;
use mediaproxy::sip::{Message, Source};
use mediaproxy::{Error, Status};

use kit::call::{Step, answer, audio, rewrite, try_rewrite};
use kit::relay::{Relay, Reply, header};
use kit::rewriting::{Case, body_of, invite, lines, parse, with_body};
use kit::{applied, crlf, relay_and_worker, udp, worker};

const RELAY: &str = "203.0.113.9";
const RELAY_IPV6: &str = "2001:db8:9::9";
const SOURCE: &str = "198.51.100.7:61234";

fn request(headers: &str) -> Vec<u8> {
    crlf(&format!("INVITE sip:bob@example.com SIP/2.0\n{headers}Content-Length: 0\n\n"))
}

/// The message with its Contact fixed.
fn fixed(raw: &[u8], source: Source) -> Result<String, Error> {
    let message = Message::parse(raw, source)?;
    let mut edits = Edits::new();
    nat::fix_contact(&message, false, &mut edits)?;
    Ok(applied(raw, source, &edits))
}

fn matches(raw: &[u8], source: Source, tests: Tests) -> bool {
    let message = Message::parse(raw, source).unwrap();
    let (private, local) = (Networks::rfc1918(), Networks::default());
    let context = Context { private: &private, local: &local, sip_asymmetric: false };
    let mut verdict = Verdict::new();
    nat::test(&message, &context, tests, false, &mut verdict).unwrap();
    verdict.natted()
}

// 1. A stack buffer of 116 bytes for the address of a stream that keeps it.

#[test]
fn session_address_of_any_length_beside_a_stream_that_keeps_it() {
    for length in [115, 116, 117, 4_096, 30_000] {
        let name = "h".repeat(length);
        let session = format!("c=IN IP4 {name}");
        let before =
            ["v=0", &session, "m=audio 4000 RTP/AVP 0", "m=message 2855 TCP/MSRP *", "a=x"];
        let after = [
            "v=0",
            "c=IN IP4 203.0.113.9",
            "m=audio 50000 RTP/AVP 0",
            "m=message 2855 TCP/MSRP *",
            &session,
            "a=x",
        ];
        assert_eq!(Case::offer(RELAY, &[50000, 0]).sdp(&lines(&before)), lines(&after), "{length}");
    }
}

// 2. Loops over multiparts that never came to a description or an end.

const MIXED: &str = "Content-Type: multipart/mixed;boundary=b\r\n";

fn two_parts() -> String {
    let sdp = audio("10.0.0.1", 4000).replace('\n', "\r\n");
    format!(
        "--b\r\nContent-Type: application/isup\r\n\r\n\x01\x11\x00\r\n\
         --b\r\nContent-Type: application/sdp\r\n\r\n{sdp}\r\n--b--\r\n"
    )
}

#[test]
fn multipart_whose_first_part_is_no_sdp() {
    let raw = with_body(MIXED, two_parts().as_bytes());
    let (out, complaints) = Case::offer(RELAY, &[50000]).run(&raw).unwrap();
    let expected = two_parts()
        .replace("c=IN IP4 10.0.0.1", "c=IN IP4 203.0.113.9")
        .replace("m=audio 4000", "m=audio 50000");
    assert_eq!(body_of(&out), expected);
    assert!(complaints.is_empty());
}

#[test]
fn multipart_cut_anywhere_and_at_each_boundary() {
    let whole = two_parts();
    for end in 0..whole.len() {
        let cut = &whole[..end];
        let raw = with_body(MIXED, cut.as_bytes());
        let message = parse(&raw);
        let found = find_sdp(&message).unwrap();
        let starts = whole.find("v=0").unwrap();
        assert_eq!(found.is_some(), end > starts, "{cut}");
        if let Some(found) = found {
            assert!(whole.as_bytes()[starts..].starts_with(found), "{cut}");
        }
    }
}

#[test]
fn multipart_type_without_semicolon_names_no_boundary() {
    let raw = with_body("Content-Type: multipart/mixed\r\n", two_parts().as_bytes());
    let error = Case::offer(RELAY, &[50000]).run(&raw).unwrap_err();
    assert_eq!(error.status(), Status::Syntax);
    assert_eq!(error.text(), "Content-Type: multipart without a boundary");
}

#[test]
fn content_type_of_one_word_or_none_is_no_sdp() {
    let sdp = audio("10.0.0.1", 4000);
    for kind in ["application", "multipart", "/", "", ";", "sdp"] {
        let raw = with_body(&format!("Content-Type: {kind}\r\n"), sdp.as_bytes());
        let result = find_sdp(&parse(&raw)).map(|found| found.is_some());
        // Only a multipart needs more than its type.
        let expected = if kind == "multipart" { Err(Status::Syntax) } else { Ok(false) };
        assert_eq!(result.map_err(|error| error.status()), expected, "{kind}");
    }
}

// 3. Lists and values longer than the buffers for them.

#[test]
fn media_list_of_any_length_reaches_the_relay_whole() {
    // At 4,087 bytes and around it, and as long as 64 streams make it.
    for (streams, host, list) in (4_080..=4_095).map(|list| (40, 70, list)).chain([(64, 900, 0)]) {
        let item = |host: &str| format!("audio:{host}:4000:sendrecv:ice=no");
        let host = "h".repeat(host);
        let mut items = vec![item(&host); streams];
        let missing = usize::saturating_sub(list, items.join(",").len());
        let first = "h".repeat(host.len() + missing);
        items[0] = item(&first);
        let media = items.join(",");
        assert!(list == 0 || media.len() == list);

        let mut sdp = format!("v=0\no=- 1 1 IN IP4 10.0.0.1\ns=-\nc=IN IP4 {host}\nt=0 0\n");
        sdp.push_str(&format!("m=audio 4000 RTP/AVP 0\nc=IN IP4 {first}\n"));
        sdp.push_str(&"m=audio 4000 RTP/AVP 0\n".repeat(streams - 1));
        let (relay, mut worker) = relay_and_worker();
        let step = Step::request("INVITE", 1, "a", "").sdp(sdp);
        let out = rewrite(&mut worker, &step);
        assert_eq!(header(&relay.requests()[0], "media"), media);
        assert!(!out.contains("hhh"), "{} bytes of list", media.len());
        assert_eq!(out.matches("m=audio 5").count(), streams);
    }
}

#[test]
fn contact_of_any_length_is_fixed() {
    for length in [100, 1_024, 4_096, 60_000] {
        let long = "u".repeat(length);
        for (before, after) in [
            (format!("<sip:{long}@10.0.0.1:5070>"), format!("<sip:{long}@{SOURCE}>")),
            (format!("<sip:a@{long}>"), format!("<sip:a@{SOURCE}>")),
            (format!("\"{long}\" <sip:a@10.0.0.1>"), format!("\"{long}\" <sip:a@{SOURCE}>")),
            (format!("sip:a@10.0.0.1;x={long}"), format!("sip:a@{SOURCE};x={long}")),
            (format!("<sip:a@10.0.0.1?x={long}>"), format!("<sip:a@{SOURCE}?x={long}>")),
        ] {
            let raw = request(&format!("Contact: {before}\n"));
            let expected = request(&format!("Contact: {after}\n"));
            assert_eq!(fixed(&raw, udp(SOURCE)).unwrap().as_bytes(), expected, "{length}");
        }
    }
}

#[test]
fn huge_alias_parameter_stays_as_it_is() {
    let alias = format!(";alias={}", "1.2.3.4~".repeat(7_000));
    let raw = request(&format!("Contact: <sip:a@10.0.0.1{alias}>\n"));
    let expected = request(&format!("Contact: <sip:a@{SOURCE}{alias}>\n"));
    assert_eq!(fixed(&raw, udp(SOURCE)).unwrap().as_bytes(), expected);
}

#[test]
fn request_uri_of_any_length_is_not_read() {
    let uri = format!("sip:bob@example.com;alias={}", "9".repeat(60_000));
    let message = |contact: &str| {
        crlf(&format!("INVITE {uri} SIP/2.0\nContact: <sip:a@{contact}>\nContent-Length: 0\n\n"))
    };
    assert_eq!(fixed(&message("10.0.0.1"), udp(SOURCE)).unwrap().as_bytes(), message(SOURCE));
}

#[test]
fn value_that_ends_in_a_half_alias() {
    let alias = ";alias=1.2.3.4~5060~";
    for end in 0..=alias.len() {
        let alias = &alias[..end];
        for (open, close) in [("<", ">"), ("", "")] {
            // The message ends where the value does.
            let contact = |host: &str| {
                crlf(&format!(
                    "REGISTER sip:example.com SIP/2.0\nContact: {open}sip:a@{host}{alias}{close}"
                ))
            };
            let expected = contact(SOURCE);
            assert_eq!(fixed(&contact("10.0.0.1"), udp(SOURCE)).unwrap().as_bytes(), expected);
        }
    }
}

// 4. Lines cut short, which were read beyond their end.

#[test]
fn bandwidth_line_without_colon() {
    for line in ["b=", "b=AS", "b=AS64", "b"] {
        let sdp = |ip: &str, port: u16| {
            lines(&[&format!("c=IN IP4 {ip}"), line, &format!("m=audio {port} RTP/AVP 0"), line])
        };
        let out = Case::offer(RELAY, &[50000]).sdp(&sdp("10.0.0.1", 4000));
        assert_eq!(out, sdp(RELAY, 50000));
    }
}

#[test]
fn short_origin_stays_even_when_it_is_to_be_rewritten() {
    for origin in ["o=", "o", "o=-", "o=IN IP4", "o=- 1 1 IN IP4", "o=x "] {
        let sdp = |ip: &str, port: u16| {
            lines(&[origin, &format!("c=IN IP4 {ip}"), &format!("m=audio {port} RTP/AVP 0")])
        };
        let mut case = Case::offer(RELAY, &[50000]);
        case.rewrite_origin = true;
        assert_eq!(case.sdp(&sdp("10.0.0.1", 4000)), sdp(RELAY, 50000), "{origin}");
    }
}

#[test]
fn body_that_ends_in_a_bare_attribute() {
    let bare = [
        "a=rtpmap:",
        "a=fmtp:",
        "a=candidate:",
        "a=ice-options:",
        "a=ice-ufrag:",
        "a=ice-pwd:",
        "a=rtcp:",
        "a=rtcp-fb:",
        "a=mid:",
        "a=remote-candidates",
        "a=group:",
        "a=",
        "a",
    ];
    for attribute in bare {
        for end in ["", "\r", "\n", "\r\n"] {
            for ice in [IceCandidate::None, IceCandidate::HighPriority] {
                let sdp = |ip: &str, port: u16| {
                    let head = lines(&[
                        &format!("c=IN IP4 {ip}"),
                        "a=ice-ufrag:u",
                        "a=ice-pwd:p",
                        &format!("m=audio {port} RTP/AVP 0"),
                    ]);
                    format!("{head}{attribute}{end}")
                };
                let mut case = Case::offer(RELAY, &[50000]);
                case.ice = ice;
                assert_eq!(case.sdp(&sdp("10.0.0.1", 4000)), sdp(RELAY, 50000), "{attribute}");
            }
        }
    }
}

#[test]
fn direction_cut_short_is_none() {
    let whole = "a=sendonly";
    for end in 0..=whole.len() {
        let sdp = format!("c=IN IP4 10.0.0.1\r\nm=audio 4000 RTP/AVP 0\r\n{}", &whole[..end]);
        let raw = invite(sdp.as_bytes());
        let plan = Case::offer(RELAY, &[50000]).plan(&parse(&raw)).unwrap();
        let expected = match end == whole.len() {
            true => mediaproxy::sdp::Direction::SendOnly,
            false => mediaproxy::sdp::Direction::SendRecv,
        };
        assert_eq!(plan.streams[0].direction, expected);
    }
}

#[test]
fn body_that_ends_within_a_direction() {
    use mediaproxy::sdp::Direction;
    let whole = "a=sendrecv";
    for end in 0..=whole.len() {
        let sdp = |ip: &str, port: u16| {
            let connection = format!("c=IN IP4 {ip}");
            let stream = format!("m=audio {port} RTP/AVP 0");
            lines(&[&connection, "a=inactive", &stream]) + &whole[..end]
        };
        let case = Case::offer(RELAY, &[50000]);
        let raw = invite(sdp("10.0.0.1", 4000).as_bytes());
        let plan = case.plan(&parse(&raw)).unwrap();
        let expected = if end == whole.len() { Direction::SendRecv } else { Direction::Inactive };
        assert_eq!(plan.streams[0].direction, expected, "{}", &whole[..end]);
        assert_eq!(case.sdp(&sdp("10.0.0.1", 4000)), sdp(RELAY, 50000));
    }
}

// 5. What looks like another line.

#[test]
fn lookalikes_in_titles_and_names_are_not_lines() {
    let sdp = |ip: &str, port: u16| {
        lines(&[
            "v=0",
            "o=- 1 1 IN IP4 10.0.0.1",
            "s=c=IN IP4 10.0.0.1",
            "i=(o=IN IP4 10.0.0.1) m=audio 4000 RTP/AVP 0",
            &format!("c=IN IP4 {ip}"),
            "t=0 0",
            &format!("m=audio {port} RTP/AVP 0"),
            "i=c=IN IP4 10.0.0.1",
            "a=x:m=audio 4000 RTP/AVP 0",
            " c=IN IP4 10.0.0.1",
        ])
    };
    let case = Case::offer(RELAY, &[50000]);
    assert_eq!(case.sdp(&sdp("10.0.0.1", 4000)), sdp(RELAY, 50000));
}

#[test]
fn two_version_lines_and_nothing_else() {
    let raw = invite(b"v=\nv=0\r\n");
    let case = Case::offer(RELAY, &[50000]);
    assert!(case.plan(&parse(&raw)).unwrap().streams.is_empty(), "no stream, nothing to ask");
    assert_eq!(case.run(&raw).unwrap().0, raw);
}

// 6. Answers that are not what the offer led to expect.

#[test]
fn answer_with_more_streams_than_its_offer() {
    let (_relay, mut worker) = relay_and_worker();
    rewrite(&mut worker, &kit::call::invite());
    let two = format!("{}m=video 6000 RTP/AVP 31\n", audio("10.0.0.2", 5000));
    let out = rewrite(&mut worker, &answer("200 OK", "b").sdp(two));
    assert!(out.contains("c=IN IP4 203.0.113.9\r\n"), "{out}");
    // No offer made the second line: it stays as it is, at its own address.
    let left_alone = "m=video 6000 RTP/AVP 31\r\nc=IN IP4 10.0.0.2\r\n";
    assert!(out.contains(&format!("m=audio 50000 RTP/AVP 0\r\n{left_alone}")), "{out}");
}

#[test]
fn relay_with_fewer_ports_than_the_answer_has_streams() {
    let answer = ["c=IN IP4 10.0.0.2", "m=audio 5000 RTP/AVP 0", "m=video 6000 RTP/AVP 31"];
    let case = Case { role: Role::Answer, ..Case::offer(RELAY, &[50000]) };
    let (out, complaints) = case.run(&invite(lines(&answer).as_bytes())).unwrap();
    let expected = [
        "c=IN IP4 203.0.113.9",
        "m=audio 50000 RTP/AVP 0",
        "m=video 6000 RTP/AVP 31",
        "c=IN IP4 10.0.0.2",
    ];
    assert_eq!(body_of(&out), lines(&expected), "what nobody relays stays reachable");
    assert!(!complaints.is_empty());
}

#[test]
fn none_for_an_address_is_never_written_and_always_replaced() {
    let relay = Relay::scripted(|_| Reply::Say("None 50000\r\n".into()));
    let mut worker = worker(&[("relay", &relay.uri())]);
    let error = try_rewrite(&mut worker, &kit::call::invite()).unwrap_err();
    assert_eq!(error.status(), Status::RelayAnswer);

    let written_by_others = ["c=IN IP4 None", "m=audio 4000 RTP/AVP 0"];
    let out = Case::offer(RELAY, &[50000]).sdp(&lines(&written_by_others));
    assert_eq!(out, lines(&["c=IN IP4 203.0.113.9", "m=audio 50000 RTP/AVP 0"]));
}

#[test]
fn ipv6_address_in_two_pairs_of_brackets() {
    let sdp = lines(&["c=IN IP6 [[2001:db8::1]]", "m=audio 4000 RTP/AVP 0"]);
    let out = Case::offer(RELAY_IPV6, &[50000]).sdp(&sdp);
    assert_eq!(out, lines(&["c=IN IP6 2001:db8:9::9", "m=audio 50000 RTP/AVP 0"]));

    let relay = Relay::scripted(|_| Reply::Say("[[2001:db8::1]] 50000\r\n".into()));
    let mut worker = worker(&[("relay", &relay.uri())]);
    let error = try_rewrite(&mut worker, &kit::call::invite()).unwrap_err();
    assert_eq!(error.status(), Status::RelayAnswer);

    let raw = request("Contact: <sip:a@[[2001:db8::1]]:5060;lr>\n");
    let expected = request("Contact: <sip:a@[2001:db8::7]:5062;lr>\n");
    assert_eq!(fixed(&raw, udp("[2001:db8::7]:5062")).unwrap().as_bytes(), expected);
}

// 8. Addresses of two families, read at the wrong place or compared as text.

#[test]
fn address_type_follows_the_relays_family() {
    let sdp = |kind: &str, ip: &str, port: u16| {
        lines(&[
            &format!("c=IN {kind} {ip}"),
            &format!("m=audio {port} RTP/AVP 0"),
            &format!("a=rtcp:{} IN {kind} {ip}", port + 1),
            &format!("m=video {} RTP/AVP 31", port + 2),
            &format!("c=IN {kind} {ip}"),
        ])
    };
    let (v4, v6) = (sdp("IP4", "10.0.0.1", 4000), sdp("IP6", "2001:db8::1", 4000));
    let to_v4 = Case::offer(RELAY, &[50000, 50002]);
    let to_v6 = Case::offer(RELAY_IPV6, &[50000, 50002]);
    assert_eq!(to_v6.sdp(&v4), sdp("IP6", RELAY_IPV6, 50000));
    assert_eq!(to_v6.sdp(&v6), sdp("IP6", RELAY_IPV6, 50000));
    assert_eq!(to_v4.sdp(&v6), sdp("IP4", RELAY, 50000));
    // The old token left behind by another server does not mislead either.
    assert_eq!(to_v4.sdp(&sdp("IP4", "2001:db8::1", 4000)), sdp("IP4", RELAY, 50000));
    assert_eq!(to_v6.sdp(&sdp("IP4", "2001:db8::1", 4000)), sdp("IP6", RELAY_IPV6, 50000));
}

#[test]
fn rtcp_attribute_without_address() {
    let sdp = |ip: &str, port: u16, rtcp: u16| {
        lines(&[
            &format!("c=IN IP4 {ip}"),
            &format!("m=audio {port} RTP/AVP 0"),
            &format!("a=rtcp:{rtcp}"),
        ])
    };
    let out = Case::offer(RELAY, &[50000]).sdp(&sdp("10.0.0.1", 4000, 4017));
    assert_eq!(out, sdp(RELAY, 50000, 50001));
}

#[test]
fn connection_of_the_streams_own_is_not_passed_over() {
    let description =
        |own: &str| lines(&["v=0", "c=IN IP4 198.51.100.7", "m=audio 4000 RTP/AVP 0", own]);
    let private = invite(description("c=IN IP4 192.168.1.10").as_bytes());
    let public = invite(description("c=IN IP4 198.51.100.7").as_bytes());
    for test in [Tests::PRIVATE_SDP, Tests::SOURCE_SDP] {
        assert!(matches(&private, udp(SOURCE), test));
        assert!(!matches(&public, udp(SOURCE), test));
    }
    let out = Case::offer(RELAY, &[50000]).sdp(&description("c=IN IP4 192.168.1.10"));
    let expected =
        ["v=0", "c=IN IP4 198.51.100.7", "m=audio 50000 RTP/AVP 0", "c=IN IP4 203.0.113.9"];
    assert_eq!(out, lines(&expected));
}

#[test]
fn ipv6_via_is_compared_by_value() {
    let source = udp("[2001:db8::1]:5060");
    for same in ["[2001:DB8:0::1]", "[2001:db8:0:0:0:0:0:1]:5060", "2001:db8::1"] {
        let raw = request(&format!("Via: SIP/2.0/UDP {same};branch=z9hG4bK1\n"));
        assert!(!matches(&raw, source, Tests::SOURCE_ADDRESS), "{same}");
    }
    let mapped = request("Via: SIP/2.0/UDP [::ffff:198.51.100.7]:61234;branch=z9hG4bK1\n");
    assert!(!matches(&mapped, udp(SOURCE), Tests::SOURCE_ADDRESS));
    let other = request("Via: SIP/2.0/UDP [2001:db8::10];branch=z9hG4bK1\n");
    assert!(matches(&other, source, Tests::SOURCE_ADDRESS));
}

#[test]
fn host_name_in_via_never_equals_an_address() {
    for name in ["phone.example.com:61234", "198.51.100.7.example.com:61234", "h9x.invalid:61234"] {
        let raw = request(&format!("Via: SIP/2.0/UDP {name};branch=z9hG4bK1\n"));
        assert!(matches(&raw, udp(SOURCE), Tests::SOURCE_ADDRESS), "{name}");
        assert!(!matches(&raw, udp(SOURCE), Tests::SOURCE_PORT), "the port is the same");
    }
}
