//! Streams by their m= line, from an offer to its answer.

use kit::call::{Step, answer, invite, reinvite, rewrite};
use kit::relay::header;
use kit::{relay_and_worker, worker};

const ICE: &str = "a=ice-ufrag:u\na=ice-pwd:p\n";

/// A description with these lines behind its c= line.
fn sdp(ip: &str, streams: &str) -> String {
    format!("v=0\no=- 1 1 IN IP4 {ip}\ns=-\nc=IN IP4 {ip}\nt=0 0\n{streams}")
}

#[test]
fn answer_that_refuses_a_line_with_another_transport_keeps_the_numbers() {
    let (relay, mut worker) = relay_and_worker();
    let lines = |middle: &str| {
        format!("m=audio 4000 RTP/AVP 0\nm=application {middle}\nm=video 4004 RTP/AVP 96\n")
    };
    rewrite(&mut worker, &invite().sdp(sdp("192.168.1.10", &lines("4002 UDP/BFCP *"))));
    let bob = answer("200 OK", "b").sdp(sdp("10.0.0.2", &lines("0 TCP/BFCP *")));
    let text = rewrite(&mut worker, &bob);
    let ports: Vec<String> = relay
        .requests()
        .iter()
        .map(|request| {
            let items = header(request, "media").split(',');
            items.map(|item| item.split(':').nth(2).unwrap()).collect::<Vec<_>>().join(" ")
        })
        .collect();
    assert_eq!(ports, ["4000 4002 4004", "4000 0 4004"]);
    assert!(text.contains("m=application 0 TCP/BFCP *\r\n"), "{text}");
    assert!(text.contains("m=audio 50000 ") && text.contains("m=video 50008 "), "{text}");
}

#[test]
fn line_that_the_offer_did_not_relay_stays_in_the_answer() {
    let (relay, mut worker) = relay_and_worker();
    let lines = |chat: &str| format!("m=message 2855 {chat} *\nm=audio 4000 RTP/AVP 0\n");
    rewrite(&mut worker, &invite().sdp(sdp("192.168.1.10", &lines("TCP/MSRP"))));
    let bob = answer("200 OK", "b").sdp(sdp("10.0.0.2", &lines("RTP/AVP")));
    let text = rewrite(&mut worker, &bob);
    assert!(text.contains("m=message 2855 RTP/AVP *\r\nc=IN IP4 10.0.0.2\r\n"), "{text}");
    let media = header(&relay.requests()[1], "media").to_string();
    assert!(media.starts_with("message:10.0.0.2:0:"), "{media}");
}

#[test]
fn call_whose_offer_is_left_to_ice_is_left_to_ice_in_the_answer_too() {
    let (relay, mut worker) = relay_and_worker();
    let host = "a=candidate:1 1 UDP 2130706431 10.0.0.2 4000 typ host\n";
    let trickle = format!("m=audio 9 UDP/TLS/RTP/SAVPF 111\n{ICE}");
    let full = format!("m=audio 4000 UDP/TLS/RTP/SAVPF 111\n{ICE}{host}");
    let offer = invite().sdp(sdp("0.0.0.0", &trickle));
    assert_eq!(rewrite(&mut worker, &offer).as_bytes(), offer.bytes());
    for status in ["183 Session Progress", "200 OK"] {
        let bob = answer(status, "b").sdp(sdp("10.0.0.2", &full));
        assert_eq!(rewrite(&mut worker, &bob).as_bytes(), bob.bytes());
    }
    assert!(relay.requests().is_empty(), "{:?}", relay.requests());

    // Another process or a server that was restarted does not know the offer.
    let mut other = worker_of(&relay);
    let bob = answer("200 OK", "b").sdp(sdp("10.0.0.2", &full));
    assert!(rewrite(&mut other, &bob).contains("m=audio 50000 "));
    let requests = relay.requests().len();

    // A later offer with an address is relayed, and one without is not.
    let later = reinvite(2).sdp(sdp("192.168.1.10", &full));
    assert!(rewrite(&mut worker, &later).contains("m=audio 50000 "));
    let bob = answer_of(2).sdp(sdp("10.0.0.2", &full));
    assert!(rewrite(&mut worker, &bob).contains("m=audio 50000 "));
    assert_eq!(relay.requests().len(), requests + 2);
    let again = reinvite(3).sdp(sdp("0.0.0.0", &trickle));
    assert_eq!(rewrite(&mut worker, &again).as_bytes(), again.bytes());
    let bob = answer_of(3).sdp(sdp("10.0.0.2", &full));
    assert_eq!(rewrite(&mut worker, &bob).as_bytes(), bob.bytes());
    assert_eq!(relay.requests().len(), requests + 2);
}

fn worker_of(relay: &kit::relay::Relay) -> mediaproxy::Worker {
    worker(&[("relay", &relay.uri())])
}

/// Bob's answer to an INVITE in the dialog.
fn answer_of(cseq: u32) -> Step {
    Step::reply("200 OK", "INVITE", cseq, "a", "b")
}
