//! Media through the built-in proxy: real packets between phones on loopback
//! addresses.

use std::net::{SocketAddr, UdpSocket};
use std::sync::mpsc;
use std::time::Duration;

use mediaproxy::proxy::{EndReason, LearnFrom, Log, LogRecord, SessionEnd};

use kit::proxy::{Call, Message, Phone, Server, receive, receives_nothing, rtcp, send};

#[test]
fn rtp_and_rtcp_pass_both_ways_and_every_packet_is_counted() {
    let mut server = Server::start(|_| {});
    let call = Call::new(&mut server.control);
    let ways = [
        (&call.caller.rtp, call.for_caller, &call.callee.rtp, call.for_callee),
        (&call.callee.rtp, call.for_callee, &call.caller.rtp, call.for_caller),
        (&call.caller.rtcp, rtcp(call.for_caller), &call.callee.rtcp, rtcp(call.for_callee)),
        (&call.callee.rtcp, rtcp(call.for_callee), &call.caller.rtcp, rtcp(call.for_caller)),
    ];
    for (way, (from, to, at, source)) in ways.iter().enumerate() {
        for number in 0..50 {
            send(from, *to, &format!("way {way} packet {number}"));
        }
        for number in 0..50 {
            assert_eq!(receive(at, *source), format!("way {way} packet {number}"));
        }
    }
    for (_, _, at, _) in ways {
        receives_nothing(at);
    }
    let statistics = server.settled(|now| now.relayed == 200);
    assert_eq!((statistics.received, statistics.relayed, statistics.dropped), (200, 200, 0));
    let sessions = server.proxy.sessions();
    let [session] = sessions.as_slice() else { panic!("{sessions:?}") };
    assert_eq!((&*session.call_id, &*session.from_tag), (&b"call"[..], &b"ft"[..]));
    assert!(session.answered && !session.on_hold);
    let [stream] = session.streams.as_slice() else { panic!("{sessions:?}") };
    assert_eq!(stream.caller.rtp.local, call.for_caller);
    assert_eq!(stream.caller.rtp.remote, Some(call.caller.at()));
    for port in [stream.caller.rtp, stream.caller.rtcp, stream.callee.rtp, stream.callee.rtcp] {
        let bytes = (0..50).map(|n| format!("way 0 packet {n}").len() as u64).sum();
        assert_eq!((port.relayed.packets, port.relayed.bytes, port.dropped), (50, bytes, 0));
    }
}

#[test]
fn what_is_forwarded_arrives_byte_for_byte_whatever_its_size() {
    let mut server = Server::start(|_| {});
    let call = Call::new(&mut server.control);
    for size in [0, 1, 12, 1_500, 9_000, 60_000] {
        let packet = "x".repeat(size);
        send(&call.caller.rtp, call.for_caller, &packet);
        assert!(receive(&call.callee.rtp, call.for_callee) == packet, "{size} bytes");
    }
}

#[test]
fn third_party_never_reaches_the_other_side() {
    let mut server = Server::start(|_| {});
    let call = Call::new(&mut server.control);
    let third = Phone::new("127.0.0.9");
    let same_host = UdpSocket::bind("127.0.0.2:0").unwrap();
    let attack = |socket: &UdpSocket| {
        for port in [call.for_caller, call.for_callee] {
            send(socket, port, "attack");
            send(socket, rtcp(port), "attack");
        }
    };
    attack(&third.rtp);
    let before = server.settled(|now| now.dropped == 4);
    assert_eq!((before.dropped, before.relayed), (4, 0));
    call.talk();
    send(&call.caller.rtcp, rtcp(call.for_caller), "report");
    assert_eq!(receive(&call.callee.rtcp, rtcp(call.for_callee)), "report");
    attack(&third.rtp);
    attack(&third.rtcp);
    // The caller's own host, from another port, once the caller is locked.
    attack(&same_host);
    let after = server.settled(|now| now.dropped == 16);
    assert_eq!((after.dropped, after.relayed), (16, 3));
    for socket in [&call.caller.rtp, &call.caller.rtcp, &call.callee.rtp, &call.callee.rtcp] {
        receives_nothing(socket);
    }
    receives_nothing(&third.rtp);
    call.talk();
}

#[test]
fn phone_behind_nat_is_found_where_it_sends_from() {
    let mut server = Server::start(|_| {});
    let (caller, callee) = (Phone::new("127.0.0.2"), Phone::new("127.0.0.3"));
    let private = Message::offer(&caller).describing("192.168.1.10:4000");
    let for_callee = server.control.tell(&private);
    let for_caller = server.control.tell(&Message::answer(&callee));
    // Nothing is sent to the private address, nor anywhere else.
    send(&callee.rtp, for_callee, "early");
    let statistics = server.settled(|now| now.dropped == 1);
    assert_eq!((statistics.dropped, statistics.relayed), (1, 0));
    send(&caller.rtp, for_caller, "hello");
    assert_eq!(receive(&callee.rtp, for_callee), "hello");
    send(&callee.rtp, for_callee, "world");
    assert_eq!(receive(&caller.rtp, for_caller), "world");
}

#[test]
fn nat_rebinding_after_silence_is_followed() {
    let mut server = Server::start(|config| {
        config.rebinding_timeout = Duration::from_millis(200);
    });
    let call = Call::new(&mut server.control);
    call.talk();
    let moved = UdpSocket::bind("127.0.0.2:0").unwrap();
    let stranger = UdpSocket::bind("127.0.0.9:0").unwrap();
    std::thread::sleep(Duration::from_millis(300));
    send(&stranger, call.for_caller, "attack");
    send(&moved, call.for_caller, "from a new port");
    assert_eq!(receive(&call.callee.rtp, call.for_callee), "from a new port");
    send(&call.callee.rtp, call.for_callee, "found");
    assert_eq!(receive(&moved, call.for_caller), "found");
    receives_nothing(&call.caller.rtp);
}

#[test]
fn without_a_silence_the_lock_holds() {
    let mut server = Server::start(|_| {});
    let call = Call::new(&mut server.control);
    call.talk();
    let other = UdpSocket::bind("127.0.0.2:0").unwrap();
    send(&other, call.for_caller, "from a new port");
    let statistics = server.settled(|now| now.dropped == 1);
    assert_eq!((statistics.dropped, statistics.relayed), (1, 2));
    call.talk();
    receives_nothing(&other);
}

#[test]
fn asymmetric_client_receives_at_its_sdp_address() {
    let mut server = Server::start(|_| {});
    let (caller, callee) = (Phone::new("127.0.0.2"), Phone::new("127.0.0.3"));
    let sender = Phone::new("127.0.0.2");
    let for_callee = server.control.tell(&Message::offer(&caller).asymmetric());
    let for_caller = server.control.tell(&Message::answer(&callee));
    for round in ["one", "two"] {
        send(&sender.rtp, for_caller, round);
        assert_eq!(receive(&callee.rtp, for_callee), round);
        send(&sender.rtcp, rtcp(for_caller), round);
        assert_eq!(receive(&callee.rtcp, rtcp(for_callee)), round);
        send(&callee.rtp, for_callee, round);
        assert_eq!(receive(&caller.rtp, for_caller), round);
        send(&callee.rtcp, rtcp(for_callee), round);
        assert_eq!(receive(&caller.rtcp, rtcp(for_caller)), round);
    }
    receives_nothing(&sender.rtp);
}

#[test]
fn asymmetric_client_behind_a_port_forwarding_receives_at_its_public_address() {
    let mut server = Server::start(|_| {});
    let (caller, callee) = (Phone::new("127.0.0.2"), Phone::new("127.0.0.3"));
    let inside = format!("192.168.1.10:{}", caller.at().port());
    let for_callee = server.control.tell(&Message::offer(&caller).describing(&inside).asymmetric());
    let for_caller = server.control.tell(&Message::answer(&callee));
    send(&callee.rtp, for_callee, "hello");
    assert_eq!(receive(&caller.rtp, for_caller), "hello");
}

#[test]
fn hold_and_resume_keep_the_ports_and_learn_again() {
    let mut server = Server::start(|_| {});
    let call = Call::new(&mut server.control);
    call.talk();
    let control = &mut server.control;
    let offer = Message::offer(&call.caller).tagged("tt");
    let answer = Message::answer(&call.callee);
    let held = offer.clone().cseq(2).direction("sendonly");
    assert_eq!(control.tell(&held), call.for_callee);
    let held = answer.clone().cseq(2).direction("recvonly");
    assert_eq!(control.tell(&held), call.for_caller);
    assert!(server.proxy.sessions()[0].on_hold);
    send(&call.caller.rtp, call.for_caller, "music");
    assert_eq!(receive(&call.callee.rtp, call.for_callee), "music");
    assert_eq!(server.control.tell(&offer.cseq(3)), call.for_callee);
    assert_eq!(server.control.tell(&answer.cseq(3)), call.for_caller);
    assert!(!server.proxy.sessions()[0].on_hold);
    // The caller's NAT has made a new binding meanwhile.
    let moved = UdpSocket::bind("127.0.0.2:0").unwrap();
    send(&moved, call.for_caller, "back");
    assert_eq!(receive(&call.callee.rtp, call.for_callee), "back");
    send(&call.callee.rtp, call.for_callee, "welcome");
    assert_eq!(receive(&moved, call.for_caller), "welcome");
}

#[test]
fn refresh_does_not_open_the_lock() {
    let mut server = Server::start(|_| {});
    let call = Call::new(&mut server.control);
    call.talk();
    let offer = Message::offer(&call.caller).tagged("tt").cseq(2);
    assert_eq!(server.control.tell(&offer), call.for_callee);
    let answer = Message::answer(&call.callee).cseq(2);
    assert_eq!(server.control.tell(&answer), call.for_caller);
    let other = UdpSocket::bind("127.0.0.2:0").unwrap();
    send(&other, call.for_caller, "attack");
    let statistics = server.settled(|now| now.dropped == 1);
    assert_eq!(statistics.dropped, 1);
    receives_nothing(&call.callee.rtp);
    call.talk();
}

#[test]
fn new_sdp_moves_the_media() {
    let mut server = Server::start(|_| {});
    let call = Call::new(&mut server.control);
    call.talk();
    let elsewhere = Phone::new("127.0.0.4");
    let offer = Message::offer(&elsewhere).tagged("tt").cseq(2);
    let for_callee = server.control.tell(&offer);
    assert_ne!(for_callee, call.for_callee);
    // Until the offer is answered (it may be refused) the call goes on.
    call.talk();
    let for_caller = server.control.tell(&Message::answer(&call.callee).cseq(2));
    send(&elsewhere.rtp, for_caller, "from elsewhere");
    assert_eq!(receive(&call.callee.rtp, for_callee), "from elsewhere");
    send(&call.callee.rtp, for_callee, "to elsewhere");
    assert_eq!(receive(&elsewhere.rtp, for_caller), "to elsewhere");
    // Back again, on ports of their own: those of the move are closed in the end. Those of
    // the initial offer serve other branches for 32 s.
    let again = Message::offer(&call.caller).tagged("tt").cseq(3);
    server.control.tell(&again);
    server.control.tell(&Message::answer(&call.callee).cseq(3));
    assert_eq!(server.proxy.statistics().open_ports, 12);
    let statistics = server.settled(|now| now.open_ports == 8);
    assert_eq!(statistics.open_ports, 8);
}

#[test]
fn refused_re_offer_leaves_the_call_as_it_was() {
    let mut server = Server::start(|_| {});
    let call = Call::new(&mut server.control);
    let elsewhere = Phone::new("127.0.0.4");
    server.control.tell(&Message::offer(&elsewhere).tagged("tt").cseq(2));
    call.talk();
    let again = Message::offer(&call.caller).tagged("tt").cseq(3);
    assert_eq!(server.control.tell(&again), call.for_callee);
    assert_eq!(server.control.tell(&Message::answer(&call.callee).cseq(3)), call.for_caller);
    call.talk();
    assert_eq!(server.proxy.statistics().open_ports, 4);
}

#[test]
fn answering_phone_takes_over_from_the_voicemail_that_rang_first() {
    let mut server = Server::start(|_| {});
    let (caller, callee) = (Phone::new("127.0.0.2"), Phone::new("127.0.0.3"));
    let voicemail = Phone::new("127.0.0.5");
    let for_callee = server.control.tell(&Message::offer(&caller));
    let early = Message::answer(&voicemail).tagged("").header("early_tag: vm\r\n");
    let for_caller = server.control.tell(&early);
    send(&voicemail.rtp, for_callee, "please wait");
    assert_eq!(receive(&caller.rtp, for_caller), "please wait");
    assert_eq!(server.control.tell(&Message::answer(&callee)), for_caller);
    send(&voicemail.rtp, for_callee, "still here");
    let statistics = server.settled(|now| now.dropped == 1);
    assert_eq!(statistics.dropped, 1);
    send(&callee.rtp, for_callee, "hello");
    assert_eq!(receive(&caller.rtp, for_caller), "hello");
    // A branch that rings on must not take the call back.
    assert_eq!(server.control.tell(&early), for_caller);
    send(&callee.rtp, for_callee, "hello again");
    assert_eq!(receive(&caller.rtp, for_caller), "hello again");
}

#[test]
fn strangers_are_learned_from_only_on_request() {
    let mut server = Server::start(|config| config.learn_from = LearnFrom::Any);
    let (caller, callee) = (Phone::new("127.0.0.2"), Phone::new("127.0.0.3"));
    let for_callee = server.control.tell(&Message::offer(&caller));
    let hidden = Message::answer(&callee).describing("192.168.1.10:4000");
    let for_caller = server.control.tell(&hidden);
    let elsewhere = UdpSocket::bind("127.0.0.6:0").unwrap();
    send(&elsewhere, for_callee, "too soon");
    std::thread::sleep(Duration::from_millis(600));
    send(&elsewhere, for_callee, "from elsewhere");
    assert_eq!(receive(&caller.rtp, for_caller), "from elsewhere");
    send(&callee.rtp, for_callee, "from the callee");
    assert_eq!(receive(&caller.rtp, for_caller), "from the callee");
    send(&elsewhere, for_callee, "no more");
    let statistics = server.settled(|now| now.dropped == 2);
    assert_eq!(statistics.dropped, 2);
    receives_nothing(&caller.rtp);
}

#[test]
fn packets_never_go_round_between_our_own_ports() {
    let mut server = Server::start(|_| {});
    let caller = Phone::new("127.0.0.2");
    let for_callee = server.control.tell(&Message::offer(&caller));
    // The callee's description names the very port that sends to it.
    let looped = Message::answer(&caller).describing(&for_callee.to_string());
    let looped = looped.header("signaling_ip: 127.0.0.1\r\n");
    let for_caller = server.control.tell(&looped);
    send(&caller.rtp, for_caller, "round");
    let statistics = server.settled(|now| now.dropped == 1);
    assert_eq!((statistics.received, statistics.relayed, statistics.dropped), (1, 0, 1));
    std::thread::sleep(kit::proxy::QUIET);
    assert_eq!(server.proxy.statistics().received, 1);
}

#[test]
fn advertised_address_is_what_phones_get() {
    let public = "203.0.113.7".parse().unwrap();
    let mut server = Server::start(|config| config.advertised = vec![public]);
    let call = Call::new(&mut server.control);
    assert_eq!((call.for_caller.ip(), call.for_callee.ip()), (public, public));
    // What the NAT does: it forwards to the address the proxy has itself.
    let own = |told: SocketAddr| SocketAddr::new("127.0.0.1".parse().unwrap(), told.port());
    send(&call.caller.rtp, own(call.for_caller), "there");
    assert_eq!(receive(&call.callee.rtp, own(call.for_callee)), "there");
    send(&call.callee.rtp, own(call.for_callee), "back");
    assert_eq!(receive(&call.caller.rtp, own(call.for_caller)), "back");
}

#[test]
fn removed_call_frees_its_ports() {
    let mut server = Server::start(|_| {});
    let call = Call::new(&mut server.control);
    call.talk();
    assert_eq!(server.proxy.statistics().open_ports, 4);
    assert_eq!(server.control.remove(), "removed");
    let statistics = server.proxy.statistics();
    assert_eq!((statistics.open_ports, statistics.sessions), (0, 0));
    for port in [call.for_caller, call.for_callee] {
        UdpSocket::bind(port).unwrap();
        UdpSocket::bind(rtcp(port)).unwrap();
    }
    assert_eq!(server.control.remove(), "error");
}

/// A hook that hands over how each session ended.
fn ends() -> (Log, mpsc::Receiver<SessionEnd>) {
    let (tell, told) = mpsc::channel();
    let log = move |record: &LogRecord| {
        if let LogRecord::Ended(end) = record {
            drop(tell.send(end.clone()));
        }
    };
    (Log::new(log), told)
}

#[test]
fn answered_call_without_media_is_removed() {
    let (log, told) = ends();
    let mut server = Server::start(|config| {
        config.idle_timeout = Duration::from_millis(400);
        config.log = Some(log);
    });
    let call = Call::new(&mut server.control);
    // Media keeps it alive for longer than the timeout.
    for _ in 0..8 {
        std::thread::sleep(Duration::from_millis(100));
        call.talk();
    }
    let end = told.recv_timeout(kit::proxy::PATIENCE).unwrap();
    assert_eq!(end.reason, EndReason::Idle);
    assert_eq!(end.session.streams[0].caller.rtp.relayed.packets, 8);
    let statistics = server.settled(|now| now.open_ports == 0);
    assert_eq!((statistics.open_ports, statistics.sessions), (0, 0));
}

#[test]
fn strangers_do_not_keep_a_call_alive() {
    let (log, told) = ends();
    let mut server = Server::start(|config| {
        config.idle_timeout = Duration::from_millis(300);
        config.log = Some(log);
    });
    let call = Call::new(&mut server.control);
    let stranger = UdpSocket::bind("127.0.0.9:0").unwrap();
    let mut end = None;
    for _ in 0..400 {
        send(&stranger, call.for_caller, "attack");
        end = told.recv_timeout(Duration::from_millis(25)).ok();
        if end.is_some() {
            break;
        }
    }
    assert_eq!(end.map(|end| end.reason), Some(EndReason::Idle));
}

#[test]
fn unanswered_and_held_calls_have_their_own_timeouts() {
    let (log, told) = ends();
    let mut server = Server::start(|config| {
        config.idle_timeout = Duration::from_secs(600);
        config.unanswered_timeout = Duration::from_millis(200);
        config.hold_timeout = Duration::from_millis(300);
        config.log = Some(log);
    });
    let caller = Phone::new("127.0.0.2");
    server.control.tell(&Message::offer(&caller));
    assert_eq!(told.recv_timeout(kit::proxy::PATIENCE).unwrap().reason, EndReason::Unanswered);
    server.control.tell(&Message::offer(&caller).direction("inactive"));
    server.control.tell(&Message::answer(&caller).direction("inactive"));
    assert_eq!(told.recv_timeout(kit::proxy::PATIENCE).unwrap().reason, EndReason::Hold);
    Call::new(&mut server.control);
    assert!(told.recv_timeout(Duration::from_millis(700)).is_err(), "answered, not on hold");
    server.proxy.stop();
    assert_eq!(told.recv_timeout(kit::proxy::PATIENCE).unwrap().reason, EndReason::Stopped);
}

fn has_ipv6(test: &str) -> bool {
    let there = UdpSocket::bind("[::1]:0").is_ok();
    if !there {
        println!("SKIP {test}: no IPv6 on this machine");
    }
    there
}

#[test]
fn ipv6_phone_talks_to_an_ipv4_phone() {
    if !has_ipv6(kit::here!()) {
        return;
    }
    let mut server = Server::start(|config| {
        config.addresses.push("::1".parse().unwrap());
    });
    let (caller, callee) = (Phone::new("::1"), Phone::new("127.0.0.3"));
    let offer = Message::offer(&caller).header("address_family: IP4\r\n");
    let for_callee = server.control.tell(&offer);
    assert!(for_callee.is_ipv4());
    let for_caller = server.control.tell(&Message::answer(&callee));
    assert!(for_caller.is_ipv6());
    let call = Call { caller, callee, for_caller, for_callee };
    call.talk();
    // From now on the callee's family is known.
    let again = Message::offer(&call.caller).tagged("tt").cseq(2);
    assert_eq!(server.control.tell(&again), for_callee);
}

#[test]
fn ipv6_call_stays_ipv6_before_the_callee_answers() {
    if !has_ipv6(kit::here!()) {
        return;
    }
    let mut server = Server::start(|config| {
        config.addresses.push("::1".parse().unwrap());
    });
    let (caller, callee) = (Phone::new("::1"), Phone::new("::1"));
    let for_callee = server.control.tell(&Message::offer(&caller));
    let for_caller = server.control.tell(&Message::answer(&callee));
    assert!(for_callee.is_ipv6() && for_caller.is_ipv6());
    Call { caller, callee, for_caller, for_callee }.talk();
}

#[test]
fn twenty_calls_lose_no_packet() {
    let server = Server::start(|_| {});
    let outcome = kit::load::run(server.connect(), 20, Duration::from_secs(1));
    assert_eq!(outcome.sent, 20 * 2 * 50);
    assert_eq!((outcome.lost(), outcome.wrong), (0, 0), "{outcome:?}");
    let statistics = server.proxy.statistics();
    assert_eq!((statistics.relayed, statistics.dropped), (outcome.sent, 0));
}

#[test]
fn described_address_is_used_before_the_phone_sends() {
    let mut server = Server::start(|_| {});
    let call = Call::new(&mut server.control);
    send(&call.callee.rtp, call.for_callee, "answering");
    assert_eq!(receive(&call.caller.rtp, call.for_caller), "answering");
    let somewhere: SocketAddr = call.caller.at();
    assert_eq!(server.proxy.sessions()[0].streams[0].caller.rtp.remote, Some(somewhere));
}
