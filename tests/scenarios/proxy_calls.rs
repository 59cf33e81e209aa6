//! Calls of several legs and dialogs through the built-in proxy, with real packets.

use std::net::SocketAddr;
use std::sync::mpsc;
use std::time::Duration;

use kit::proxy::{Message, Phone, Server, ask, receive, receives_nothing, rtcp, send};
use mediaproxy::nat::Networks;
use mediaproxy::proxy::{Log, LogRecord, Warning};

/// RTP and RTCP pass both ways at once.
fn talk(a: &Phone, for_a: SocketAddr, b: &Phone, for_b: SocketAddr) {
    send(&a.rtp, for_a, "from a");
    assert_eq!(receive(&b.rtp, for_b), "from a");
    send(&b.rtp, for_b, "from b");
    assert_eq!(receive(&a.rtp, for_a), "from b");
    send(&a.rtcp, rtcp(for_a), "report of a");
    assert_eq!(receive(&b.rtcp, rtcp(for_b)), "report of a");
    send(&b.rtcp, rtcp(for_b), "report of b");
    assert_eq!(receive(&a.rtcp, rtcp(for_a)), "report of b");
}

/// A B2BUA that passes on the SDPs: its second leg has a Call-ID of its own or that of
/// the first.
#[test]
fn b2bua_with_media_bypassed_is_relayed_through_both_sessions_at_once() {
    for second in ["other call", "call"] {
        let mut server = Server::start(|_| {});
        let (a, b) = (Phone::new("127.0.0.2"), Phone::new("127.0.0.3"));
        let b2bua = Phone::new("127.0.0.20");
        let p1 = server.control.tell(&Message::offer(&a));
        let passed = Message::offer(&b2bua).describing(&p1.to_string()).leg(second, "fb");
        let for_b = server.control.tell(&passed);
        let p2 = server.control.tell(&Message::answer(&b).leg(second, "fb").tagged("tb"));
        let passed = Message::answer(&b2bua).describing(&p2.to_string());
        let for_a = server.control.tell(&passed);
        talk(&a, for_a, &b, for_b);
        talk(&a, for_a, &b, for_b);
        assert_eq!(server.proxy.sessions().len(), 2, "{second}");
        let statistics = server.settled(|now| now.relayed == 16);
        assert_eq!((statistics.relayed, statistics.dropped, statistics.loops), (16, 0, 0));
        // The first leg ends: the second one stays.
        assert_eq!(server.control.remove(), "removed");
        assert_eq!(server.proxy.sessions().len(), 1);
    }
}

/// A hook that hands over the warnings.
fn warnings() -> (Log, mpsc::Receiver<(Vec<u8>, Warning)>) {
    let (sender, warnings) = mpsc::channel();
    let log = move |record: &LogRecord| {
        if let LogRecord::Warning { call_id, warning } = record {
            drop(sender.send((call_id.clone(), *warning)));
        }
    };
    (Log::new(log), warnings)
}

#[test]
fn session_that_points_at_itself_is_reported_with_its_call_id() {
    let (log, warnings) = warnings();
    let mut server = Server::start(|config| config.log = Some(log));
    let (a, b2bua) = (Phone::new("127.0.0.2"), Phone::new("127.0.0.20"));
    let own = server.control.tell(&Message::offer(&a));
    let answer = Message::answer(&b2bua).describing(&own.to_string());
    let for_a = server.control.tell(&answer);
    server.control.tell(&answer);
    assert_eq!(warnings.try_recv(), Ok((b"call".to_vec(), Warning::Loop(own))));
    assert!(warnings.try_recv().is_err(), "once");
    send(&a.rtp, for_a, "round");
    let statistics = server.settled(|now| now.dropped == 1);
    assert_eq!((statistics.received, statistics.dropped, statistics.loops), (1, 1, 1));
}

/// SIPREC: the recorder signals from one private address, receives at another one, and
/// never sends.
#[test]
fn recorder_elsewhere_is_reported_and_receives_where_it_is_trusted() {
    for trusted in ["", "127.0.0.32/32"] {
        let (log, warnings) = warnings();
        let mut server = Server::start(|config| {
            config.log = Some(log);
            config.trusted = Networks::parse(trusted).unwrap();
        });
        let (a, signaling) = (Phone::new("127.0.0.2"), Phone::new("127.0.0.12"));
        let recorder = Phone::new("127.0.0.32");
        server.control.tell(&Message::offer(&a).direction("sendonly"));
        let answer = Message::answer(&signaling).describing(&recorder.at().to_string());
        let for_a = server.control.tell(&answer.clone().direction("recvonly"));
        server.control.tell(&answer.direction("recvonly"));
        send(&a.rtp, for_a, "voice");
        if trusted.is_empty() {
            receives_nothing(&recorder.rtp);
            let warning = Warning::WaitsForPacket(recorder.at());
            assert_eq!(warnings.try_recv(), Ok((b"call".to_vec(), warning)));
            assert!(warnings.try_recv().is_err(), "once");
        } else {
            assert!(server.proxy.statistics().waits_for_packet == 0);
            let mut buffer = [0; 16];
            recorder.rtp.set_read_timeout(Some(kit::proxy::PATIENCE)).unwrap();
            assert_eq!(recorder.rtp.recv(&mut buffer).unwrap(), 5);
            assert!(warnings.try_recv().is_err());
        }
    }
}

#[test]
fn reoffer_back_to_the_old_port_that_is_refused_keeps_the_agreed_stream() {
    for pause in [0, 2_500] {
        let mut server = Server::start(|_| {});
        let (old, new) = (Phone::new("127.0.0.2"), Phone::new("127.0.0.2"));
        let callee = Phone::new("127.0.0.3");
        server.control.tell(&Message::offer(&old));
        let for_old = server.control.tell(&Message::answer(&callee));
        let for_callee = server.control.tell(&Message::offer(&new).tagged("tt").cseq(2));
        let for_new = server.control.tell(&Message::answer(&callee).cseq(2));
        assert_ne!(for_old, for_new);
        talk(&new, for_new, &callee, for_callee);
        std::thread::sleep(Duration::from_millis(pause));
        // Refused with 491: the relay hears nothing of that.
        server.control.tell(&Message::offer(&old).tagged("tt").cseq(3));
        talk(&new, for_new, &callee, for_callee);
        std::thread::sleep(Duration::from_millis(2_500));
        talk(&new, for_new, &callee, for_callee);
    }
}

#[test]
fn two_answers_are_received_side_by_side_until_one_gets_a_bye() {
    let mut server = Server::start(|_| {});
    let (a, b, c) = (Phone::new("127.0.0.2"), Phone::new("127.0.0.3"), Phone::new("127.0.0.4"));
    let callees = server.control.tell(&Message::offer(&a));
    let for_a = server.control.tell(&Message::answer(&b).tagged("b"));
    assert_eq!(server.control.tell(&Message::answer(&c).tagged("c")), for_a);
    send(&b.rtp, callees, "from b");
    assert_eq!(receive(&a.rtp, for_a), "from b");
    talk(&a, for_a, &c, callees);
    let bye = "remove\r\ncall_id: call\r\nfrom_tag: ft\r\nto_tag: c\r\nscope: dialog\r\n\r\n";
    assert_eq!(ask(&mut server.connect(), bye), "removed");
    talk(&a, for_a, &b, callees);
    send(&c.rtp, callees, "still here");
    receives_nothing(&a.rtp);
    assert_eq!(ask(&mut server.connect(), &bye.replace("to_tag: c", "to_tag: b")), "removed");
    assert_eq!(server.proxy.statistics().sessions, 0);
}
