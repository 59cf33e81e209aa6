//! The first-hop test: does the message come from the phone itself?

use kit::udp;
use mediaproxy::nat::is_first_hop;
use mediaproxy::sip::Message;
use mediaproxy::{Edits, Options, Source, Status};

use super::{evidence, matched, message};

const PHONE: &str = "203.0.113.5:61234";
/// The Via of the server, of the phone and of other proxies.
const SERVER: &str = "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKs";
const FIRST: &str = "SIP/2.0/UDP 192.168.1.10:5060;branch=z9hG4bKp";
const OTHER: &str = "SIP/2.0/UDP 198.51.100.1:5060;branch=z9hG4bKo";

fn source() -> Source {
    Source { local: "192.0.2.1:5060".parse().ok(), ..udp(PHONE) }
}

#[track_caller]
fn check(raw: &[u8], expected: bool) {
    let text = String::from_utf8_lossy(raw);
    let found = matched(raw, source(), 8192);
    assert_eq!(found, if expected { 8192 } else { 0 }, "{text}");
    assert_eq!(is_first_hop(&Message::parse(raw, source()).unwrap()), Ok(expected), "{text}");
}

/// The ways to write several values of a header.
fn written(long: &str, short: &str, values: &[&str]) -> [String; 4] {
    let headers = |name: &str, between: &str| {
        let lines: Vec<_> = values.iter().map(|value| format!("{name}: {value}")).collect();
        lines.join(between)
    };
    [
        format!("{long}: {}", values.join(", ")),
        format!("{short} :\n {}", values.join("\n ,")),
        headers(long, "\n"),
        headers(short, "\nMax-Forwards: 70\n"),
    ]
}

#[test]
fn request_with_exactly_one_via_comes_from_the_phone() {
    for method in ["REGISTER", "INVITE", "ACK", "BYE", "UPDATE", "OPTIONS", "X"] {
        let request = |vias: &str| {
            message(
                &format!("{method} sip:b@example.com SIP/2.0"),
                &format!("{vias}\nCSeq: 1 {method}"),
            )
        };
        for vias in written("Via", "v", &[FIRST]) {
            check(&request(&vias), true);
        }
        for vias in [&[OTHER, FIRST][..], &[OTHER, OTHER, FIRST]] {
            for vias in written("Via", "V", vias) {
                check(&request(&vias), false);
            }
        }
        check(&request("Via: SIP/2.0/UDP 192.168.1.10;x=\"a, b\";branch=1"), true);
    }
}

#[test]
fn reply_without_record_route_counts_as_first_hop_whatever_its_vias() {
    for vias in [&[SERVER][..], &[SERVER, FIRST], &[SERVER, OTHER, FIRST]] {
        for vias in written("Via", "v", vias) {
            for status in ["180 Ringing", "200 OK", "486 Busy Here"] {
                check(
                    &message(&format!("SIP/2.0 {status}"), &format!("{vias}\nCSeq: 1 INVITE")),
                    true,
                );
            }
        }
    }
}

#[test]
fn reply_shows_a_proxy_behind_the_server_by_the_topmost_record_route() {
    let ours = "<sip:192.0.2.1;lr;ftag=a>";
    let upstream = "<sip:198.51.100.1;lr>";
    let behind = "<sip:198.51.100.77:5060;lr>";
    for (routes, expected) in [
        (&[ours][..], true),
        (&[ours, upstream], true),
        (&["<sip:192.0.2.1:5060;transport=udp;lr>", ours], true),
        (&["\"P, Q\" <sip:p@[::ffff:192.0.2.1]:5060;lr>;x=\"a,b\""], true),
        (&[behind], false),
        (&[behind, ours], false),
        (&[behind, ours, upstream], false),
        // Another proxy of the same host.
        (&["<sip:192.0.2.1:5070;lr>", ours], false),
        (&["<sip:[2001:db8::1];lr>", ours], false),
    ] {
        for routes in written("Record-Route", "record-ROUTE", routes) {
            let vias = format!("Via: {SERVER}, {OTHER}\nv: {FIRST}");
            check(
                &message("SIP/2.0 200 OK", &format!("{vias}\n{routes}\nCSeq: 1 INVITE")),
                expected,
            );
        }
    }
}

#[test]
fn reply_compares_the_server_by_name_or_counts_where_a_name_meets_an_address() {
    let reply = |via: &str, vias: usize, routes: &str| {
        let upstream = format!("\nVia: {OTHER}").repeat(vias - 1);
        let lines = format!("Via: SIP/2.0/TLS {via};branch=1{upstream}\n{routes}\nCSeq: 1 INVITE");
        message("SIP/2.0 200 OK", &lines)
    };
    let named = "Record-Route: <sip:sip.example.com;lr>";
    check(&reply("SIP.example.COM:5061", 2, named), true);
    check(&reply("other.example.com", 3, &format!("{named},{named}")), true);
    // One route for the server, none for a proxy behind it.
    check(&reply("192.0.2.1:5061", 2, named), true);
    check(&reply("192.0.2.1:5061", 2, &format!("{named}\n{named}")), false);
    check(&reply("192.0.2.1:5061", 3, &format!("{named}\n{named}")), true);
    // Two routes of one proxy with two interfaces.
    let doubled = "Record-Route: <sip:sip.example.com;r2=on;lr>, <sip:10.0.0.1;r2=on;lr>";
    check(&reply("192.0.2.1:5061", 2, doubled), true);
    check(&reply("192.0.2.1:5061", 2, &format!("{named}\n{doubled}")), false);
}

#[test]
fn route_of_the_address_that_received_the_reply_is_the_servers_own() {
    // The Via has a name, or the address that the server advertises.
    for via in ["sip.example.com", "203.0.113.80:5060"] {
        let reply = |top: &str| {
            let routes = format!("Record-Route: {top}\nRecord-Route: <sip:198.51.100.1;lr>");
            let vias = format!("Via: SIP/2.0/UDP {via};branch=z9hG4bKs, {FIRST}");
            message("SIP/2.0 200 OK", &format!("{vias}\n{routes}\nCSeq: 1 INVITE"))
        };
        check(&reply("<sip:192.0.2.1;lr>"), true);
        check(&reply("<sip:[::ffff:192.0.2.1]:5060;lr>"), true);
        check(&reply("<sip:192.0.2.1:5070;lr>"), false);
        check(&reply("<sip:192.0.2.2;lr>"), false);
    }
}

#[test]
fn reply_to_register_comes_from_a_registrar() {
    let vias = format!("Via: {SERVER}\nVia: {FIRST}");
    check(&message("SIP/2.0 200 OK", &format!("{vias}\nCSeq: 1 REGISTER")), false);
    let path = "Path: <sip:192.0.2.1;lr>";
    check(&message("SIP/2.0 200 OK", &format!("{vias}\n{path}\nCSeq: 1 PUBLISH")), false);
}

#[test]
fn first_hop_has_evidence_and_is_no_sign_of_nat() {
    let raw = message("OPTIONS sip:b SIP/2.0", &format!("Via: {FIRST}\nCSeq: 1 OPTIONS"));
    assert_eq!(
        evidence(&raw, source(), 8192 | 1024),
        ["first_hop: source 203.0.113.5:61234 is the first hop"]
    );
    let (message, mut verdict) =
        (Message::parse(&raw, source()).unwrap(), mediaproxy::Verdict::new());
    // Also for a source in local_networks.
    for networks in ["", "203.0.113.0/24"] {
        let mut worker = kit::worker(&[("local_networks", networks)]);
        for first_only in [false, true] {
            let tests = mediaproxy::Tests::parse("first_hop,private_source").unwrap();
            worker.nat_test(&message, tests, first_only, &mut verdict).unwrap();
            assert_eq!((verdict.tested(), verdict.matched().bits()), (tests, 8192));
            assert!(!verdict.natted());
        }
    }
}

#[test]
fn first_hop_without_the_headers_that_show_it_is_an_error() {
    for raw in [
        message("INVITE sip:b SIP/2.0", "CSeq: 1 INVITE"),
        message("INVITE sip:b SIP/2.0", "Via: x\nCSeq: 1 INVITE"),
        message("SIP/2.0 200 OK", &format!("Via: {SERVER}")),
        message("SIP/2.0 200 OK", "Via: x\nRecord-Route: <sip:a>\nCSeq: 1 INVITE"),
        message("SIP/2.0 200 OK", &format!("Via: {SERVER}\nRecord-Route: <sip:a\nCSeq: 1 INVITE")),
    ] {
        let error = is_first_hop(&Message::parse(&raw, source()).unwrap()).unwrap_err();
        assert_eq!(error.status(), Status::Syntax);
    }
}

#[test]
fn fix_contact_with_first_hop_leaves_the_contact_behind_another_proxy() {
    let mut worker = kit::worker(&[]);
    for (vias, direct) in [(FIRST.to_string(), true), (format!("{OTHER}, {FIRST}"), false)] {
        let lines = format!("Via: {vias}\nCSeq: 1 INVITE\nContact: <sip:a@192.168.1.10>");
        let raw = message("INVITE sip:b@example.com SIP/2.0", &lines);
        let message = Message::parse(&raw, source()).unwrap();
        let mut edits = Edits::new();
        for first_hop in [false, true] {
            let options = Options { first_hop, ..Options::default() };
            let done = worker.fix_contact_with(&message, &options, &mut edits).unwrap();
            assert_eq!(done, direct || !first_hop);
            assert_eq!(edits.is_empty(), !done, "the option removes earlier edits too");
        }
    }
}
