//! What is set reaches the verbs: settings, client lists, two proxies that
//! know each other by the loop marker.

use mediaproxy::Edits;
use mediaproxy::IceCandidate;
use mediaproxy::Options;
use mediaproxy::nat::{Tests, Verdict};
use mediaproxy::sip::Message;
use mediaproxy::{Status, Worker};

use kit::call::{Step, alice_sdp, answer, bob_sdp, invite, rewrite, rewrite_with};
use kit::directory::Directory;
use kit::relay::{Relay, header};
use kit::{applied, relay_and_worker, udp, worker};

const MARKER: &str = "a=nortpproxy:yes\r\n";

/// A worker with one client list as both.
fn with_list(settings: &[(&str, &str)], list: &str) -> (Worker, Directory) {
    let directory = Directory::new();
    let path = directory.file("clients", list);
    let mut settings = settings.to_vec();
    settings.extend([("sip_asymmetrics", &*path), ("rtp_asymmetrics", &*path)]);
    (worker(&settings), directory)
}

#[test]
fn origin_is_rewritten_with_rewrite_origin() {
    let relay = Relay::answering();
    let mut worker = worker(&[("relay", &relay.uri()), ("rewrite_origin", "yes")]);
    let text = rewrite(&mut worker, &invite());
    assert!(text.contains("o=- 1 1 IN IP4 203.0.113.9\r\n"), "{text}");
}

#[test]
fn relay_candidates_by_setting_and_by_message() {
    let ice = "a=ice-ufrag:u\na=ice-pwd:p\n\
               a=candidate:1 1 UDP 2130706431 192.168.1.10 40000 typ host\n";
    let offer = || invite().sdp(alice_sdp() + ice);
    let low =
        "a=candidate:R97100cb 1 UDP 16777215 203.0.113.9 50000 typ relay raddr 0.0.0.0 rport 9\r\n";
    let high = "a=candidate:R97100cb 1 UDP 2130706175 203.0.113.9 50000 typ relay raddr 0.0.0.0 rport 9\r\n";
    let relay = Relay::answering();
    for (setting, expected) in [("none", ""), ("low-priority", low), ("high-priority", high)] {
        let mut worker = worker(&[("relay", &relay.uri()), ("ice_candidate", setting)]);
        let text = rewrite(&mut worker, &offer());
        assert!(text.contains(&format!("a=ice-pwd:p\r\n{expected}a=candidate:1 1 ")), "{text}");
        let told = relay.requests();
        let ice = if expected.is_empty() { ":ice=no" } else { ":ice=yes" };
        assert!(header(told.last().unwrap(), "media").ends_with(ice), "{told:?}");
        let options =
            Options { ice_candidate: Some(IceCandidate::LowPriority), ..Options::default() };
        let text = rewrite_with(&mut worker, &offer(), &options).unwrap().unwrap();
        assert!(text.contains(low), "the message's option goes before the setting: {text}");
    }
}

#[test]
fn phone_asymmetric_for_signaling_and_media_keeps_its_ports() {
    let relay = Relay::answering();
    // User-Agent: Phone 1.0
    let (mut worker, _list) = with_list(&[("relay", &relay.uri())], "^phone 1\n");
    let mut verdict = Verdict::new();
    let mut natted = |worker: &mut Worker, raw: &[u8], source: &str| {
        let message = Message::parse(raw, udp(source)).unwrap();
        let tests = Tests::PRIVATE_CONTACT | Tests::SOURCE_ADDRESS;
        worker.nat_test(&message, tests, true, &mut verdict).unwrap();
        verdict.natted()
    };
    let fix = |worker: &mut Worker, raw: &[u8], source: &str| {
        let message = Message::parse(raw, udp(source)).unwrap();
        let mut edits = Edits::new();
        worker.fix_contact(&message, &mut edits).unwrap();
        applied(raw, udp(source), &edits)
    };
    let text = String::from_utf8(invite().bytes()).unwrap();
    let server = text.replace("User-Agent: Phone", "Server: Phone");
    let stranger = text.replace("User-Agent: Phone", "User-Agent: Other");

    // Public: it sends from another port than the one it listens on.
    for (text, is) in [(&text, false), (&server, false), (&stranger, true)] {
        let public = text.replace("192.168.1.10", "198.51.100.1").into_bytes();
        assert_eq!(natted(&mut worker, &public, "198.51.100.1:32768"), is, "{text}");
    }
    // Behind NAT, its ports forwarded.
    for (text, port, asymmetric) in
        [(&text, 5060, true), (&server, 5060, true), (&stranger, 32768, false)]
    {
        let raw = text.clone().into_bytes();
        assert!(natted(&mut worker, &raw, "198.51.100.1:32768"));
        let fixed = fix(&mut worker, &raw, "198.51.100.1:32768");
        assert!(fixed.contains(&format!("Contact: <sip:alice@198.51.100.1:{port}>")), "{fixed}");
        let message = Message::parse(&raw, udp("198.51.100.1:32768")).unwrap();
        worker.rewrite_sdp(&message, &Options::default(), &mut Edits::new()).unwrap();
        let requests = relay.requests();
        let media = header(requests.last().unwrap(), "media");
        assert_eq!(media.ends_with(":asymmetric=yes"), asymmetric, "{media}");
    }
}

#[test]
fn private_and_local_networks_are_those_that_are_set() {
    let raw = invite().bytes();
    let natted = |settings: &[(&str, &str)]| {
        let message = Message::parse(&raw, udp("198.51.100.1:5060")).unwrap();
        let mut verdict = Verdict::new();
        worker(settings).nat_test(&message, Tests::PRIVATE_CONTACT, true, &mut verdict).unwrap();
        verdict.natted()
    };
    assert!(natted(&[]));
    assert!(!natted(&[("private_networks", "10.0.0.0/8,rfc6598")]));
    assert!(natted(&[("private_networks", "192.168.1.0/28")]));
    assert!(!natted(&[("local_networks", "198.51.100.0/24")]));
}

#[test]
fn body_of_another_length_than_announced_is_an_error_where_sdp_is_lost() {
    let (relay, mut worker) = relay_and_worker();
    let text = String::from_utf8(invite().bytes()).unwrap();
    let length = alice_sdp().replace('\n', "\r\n").len();
    let header = format!("Content-Length: {length}");
    let mut run = |raw: &str| {
        let message = Message::parse(raw.as_bytes(), udp("198.51.100.1:61000")).unwrap();
        let mut edits = Edits::new();
        let done = worker.rewrite_sdp(&message, &Options::default(), &mut edits);
        done.map(|_| applied(raw.as_bytes(), udp("198.51.100.1:61000"), &edits))
    };
    let longer = text.replace(&header, &format!("Content-Length: {}", length + 1));
    assert_eq!(run(&longer).unwrap_err().status(), Status::Syntax);
    assert!(relay.requests().is_empty());
    // The SDP goes on beyond its length: a line of it would bypass the relay.
    assert_eq!(
        run(&format!("{text}m=video 40002 RTP/AVP 34\r\n")).unwrap_err().status(),
        Status::Syntax
    );
    assert!(relay.requests().is_empty());
    let out = run(&format!("{text}\r\n\0\0")).unwrap();
    assert!(out.ends_with("m=audio 50000 RTP/AVP 0\r\n\r\n\0\0"), "{out}");
}

/// Two proxies on the way of one call, each with a relay of its own.
#[test]
fn only_the_first_proxy_relays_where_both_honour_the_loop_marker() {
    let (relay_1, relay_2) = (Relay::answering(), Relay::answering());
    let mut near_alice = worker(&[("relay", &relay_1.uri()), ("loop_marker", "yes")]);
    let mut near_bob = worker(&[("relay", &relay_2.uri()), ("loop_marker", "yes")]);
    let body = |text: String| text.split_once("\r\n\r\n").unwrap().1.to_string();

    let offer = body(rewrite(&mut near_alice, &invite()));
    assert!(offer.ends_with(MARKER), "{offer}");
    let passed = invite().sdp(offer.clone());
    assert_eq!(rewrite(&mut near_bob, &passed).as_bytes(), passed.bytes());

    // Bob knows no marker; his answer comes by his own proxy first.
    for status in ["183 Session Progress", "200 OK", "200 OK"] {
        let unmarked = answer(status, "b");
        assert_eq!(rewrite(&mut near_bob, &unmarked).as_bytes(), unmarked.bytes(), "{status}");
        let text = body(rewrite(&mut near_alice, &unmarked));
        assert!(text.contains("c=IN IP4 203.0.113.9\r\n") && text.ends_with(MARKER), "{text}");
    }
    let bare = Step::reply("200 OK", "INVITE", 1, "a", "b");
    assert_eq!(rewrite_with(&mut near_bob, &bare, &Options::default()), Ok(None));
    assert!(relay_2.requests().is_empty());

    // Bob's own offer is his proxy's to relay, and so is alice's answer to it.
    let own = Step::request("INVITE", 1, "b", "a").sdp(bob_sdp());
    let offer = body(rewrite(&mut near_bob, &own));
    let passed = Step::request("INVITE", 1, "b", "a").sdp(offer);
    assert_eq!(rewrite(&mut near_alice, &passed).as_bytes(), passed.bytes());
    let unmarked = Step::reply("200 OK", "INVITE", 1, "b", "a").sdp(alice_sdp());
    assert_eq!(rewrite(&mut near_alice, &unmarked).as_bytes(), unmarked.bytes());
    assert!(body(rewrite(&mut near_bob, &unmarked)).ends_with(MARKER));
    assert_eq!((relay_1.requests().len(), relay_2.requests().len()), (4, 2));
}
