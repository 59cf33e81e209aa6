//! What phones do, each once with the relay that is embedded in the server and
//! once with two `mediaproxyd`, and the configurations that are shipped.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use crate::phone::Phone;
use crate::scene::{audio_of, everywhere, everywhere_with, hang_up, negotiate};
use kit::audio::End;
use kit::netns::{HOMES, PHONE, PHONE6, SERVER, SERVER6};
use kit::running::PATIENCE;
use kit::sip::{Sip, describe};

#[test]
fn call_is_put_on_hold_and_resumed() {
    everywhere(kit::here!(), |scene| {
        scene.register();
        let mut call = scene.answered("hold@x");
        assert_eq!(call.invite.contact().to_string(), format!("{}:5060", HOMES[0].nat));
        assert_eq!(call.ok.contact().ip().to_string(), HOMES[1].nat);
        scene.talk(call.ok.media(), call.invite.media());
        let (invite, ok) = scene.reinvite(&mut call.caller, 2, "sendonly", "recvonly");
        assert!(invite.body().contains("a=sendonly") && ok.body().contains("a=recvonly"));
        scene.talk_over(0, ok.media(), invite.media(), [true, false]);
        let (invite, ok) = scene.reinvite(&mut call.caller, 3, "sendrecv", "sendrecv");
        scene.talk(ok.media(), invite.media());
        scene.hang_up(&mut call.caller);
    });
}

/// A re-INVITE without a description asks for an offer: it comes in the 200,
/// the answer in the ACK. Here from the phone that was called.
#[test]
fn reinvite_without_an_offer_gets_one() {
    everywhere(kit::here!(), |scene| {
        scene.register();
        let mut call = scene.answered("blind@x");
        scene.talk(call.ok.media(), call.invite.media());
        scene.bob.ask(&mut call.callee, "INVITE", "", "");
        let invite = scene.alice.request("INVITE");
        assert_eq!(invite.contact().ip().to_string(), HOMES[1].nat);
        let offer = audio_of(&scene.alice, 2);
        scene.alice.answer(&invite, "200 OK", "", &offer);
        let ok = scene.bob.response(200, "INVITE");
        let answer = audio_of(&scene.bob, 2);
        scene.bob.acknowledge(&mut call.callee, &ok, &answer);
        let ack = scene.alice.request("ACK");
        scene.talk(ack.media(), ok.media());
        scene.hang_up(&mut call.caller);
    });
}

#[test]
fn call_is_cancelled() {
    everywhere(kit::here!(), |scene| {
        scene.register();
        scene.cancelled("cancel@x");
    });
}

#[test]
fn busy_phone_frees_the_relay() {
    everywhere(kit::here!(), |scene| {
        scene.register();
        scene.busy("busy@x");
    });
}

/// The offer comes in the 200, the answer in the ACK.
#[test]
fn call_without_an_offer_in_the_invite() {
    everywhere(kit::here!(), |scene| {
        scene.register();
        let mut call = scene.alice.call("bob", "delayed@x");
        let (ack, ok) = scene.delayed(&mut call);
        scene.talk(ok.media(), ack.media());
        scene.hang_up(&mut call);
    });
}

/// The audio stream becomes a fax over UDPTL (T.38), at another port.
#[test]
fn call_switches_to_fax() {
    everywhere(kit::here!(), |scene| {
        scene.register();
        let mut call = scene.answered("fax@x");
        scene.talk(call.ok.media(), call.invite.media());
        let fax = |phone: &Phone| {
            let media = format!("m=image {} udptl t38", phone.media_port(1));
            describe(&phone.host, 2, &[&media, "a=T38FaxVersion:0"])
        };
        let (offer, answer) = (fax(&scene.bob), fax(&scene.alice));
        let (invite, ok) =
            negotiate(&mut scene.bob, &mut call.callee, &mut scene.alice, &offer, &answer);
        assert!(invite.body().contains("m=image ") && ok.body().contains("a=T38FaxVersion:0"));
        scene.talk_over(1, invite.media(), ok.media(), [true, true]);
        scene.hang_up(&mut call.caller);
    });
}

#[test]
fn ipv6_phone_calls_an_ipv4_phone() {
    everywhere_with(kit::here!(), &["ADDRESS6=[2001:db8:5::1]"], |scene| {
        scene.alice = Phone::udp("alice", &scene.network.phones[0], PHONE6, SERVER6);
        scene.alice.register();
        scene.bob.register();
        let mut call = scene.answered("six@x");
        assert_eq!(call.ok.media().ip().to_string(), SERVER6);
        assert_eq!(call.invite.media().ip().to_string(), SERVER);
        assert!(call.ok.body().contains("c=IN IP6 ") && call.invite.body().contains("c=IN IP4 "));
        scene.talk(call.ok.media(), call.invite.media());
        scene.hang_up(&mut call.caller);
    });
}

#[test]
fn tcp_phone_calls_and_is_called() {
    everywhere(kit::here!(), |scene| {
        // Both at once would want the same media ports.
        scene.alice.leave();
        scene.alice = Phone::tcp("alice", &scene.network.phones[0], PHONE, SERVER);
        scene.register();
        let mut call = scene.answered("tcp@x");
        scene.talk(call.ok.media(), call.invite.media());
        scene.hang_up(&mut call.caller);

        let mut call = scene.bob.call("alice", "to-tcp@x");
        let (offer, answer) = (audio_of(&scene.bob, 1), audio_of(&scene.alice, 1));
        let (invite, ok) = negotiate(&mut scene.bob, &mut call, &mut scene.alice, &offer, &answer);
        scene.talk(invite.media(), ok.media());
        hang_up(&mut scene.bob, &mut call, &mut scene.alice);
    });
}

#[test]
fn call_with_audio_and_video() {
    everywhere(kit::here!(), |scene| {
        scene.register();
        let both = |phone: &Phone| {
            let audio = format!("m=audio {} RTP/AVP 8", phone.media_port(0));
            let video = format!("m=video {} RTP/AVP 96", phone.media_port(1));
            describe(&phone.host, 1, &[&audio, &video, "a=rtpmap:96 H264/90000"])
        };
        let mut call = scene.alice.call("bob", "video@x");
        let (offer, answer) = (both(&scene.alice), both(&scene.bob));
        let (invite, ok) = negotiate(&mut scene.alice, &mut call, &mut scene.bob, &offer, &answer);
        for stream in [0, 1] {
            let to = (ok.streams()[stream], invite.streams()[stream]);
            scene.talk_over(stream, to.0, to.1, [true, true]);
        }
        scene.hang_up(&mut call);
    });
}

/// Both phones speak ICE and find the relay among the candidates; their checks
/// and their audio go through it.
#[test]
fn ice_phones_find_the_relay_among_the_candidates() {
    everywhere_with(kit::here!(), &["ICE_CANDIDATE=\"low-priority\""], |scene| {
        scene.register();
        let ice = |phone: &Phone| {
            let port = phone.media_port(0);
            let audio = format!("m=audio {port} RTP/AVP 8");
            let host = format!("a=candidate:H1 1 UDP 2130706431 {} {port} typ host", phone.host);
            describe(
                &phone.host,
                1,
                &["a=ice-ufrag:8hhY", "a=ice-pwd:asd88fgpdd777uzjYhagZg", &audio, &host],
            )
        };
        let mut call = scene.alice.call("bob", "ice@x");
        let (offer, answer) = (ice(&scene.alice), ice(&scene.bob));
        let (invite, ok) = negotiate(&mut scene.alice, &mut call, &mut scene.bob, &offer, &answer);
        let to_relay = |message: &Sip| -> SocketAddr {
            let relayed = |line: &&str| line.starts_with("a=candidate:R") && line.contains("relay");
            let line = message.body().lines().find(relayed);
            let line = line.unwrap_or_else(|| panic!("no relay candidate in {}", message.text));
            let words: Vec<&str> = line.split(' ').collect();
            format!("{}:{}", words[4], words[5]).parse().expect("a candidate's address")
        };
        let (to_alice, to_bob) = (to_relay(&ok), to_relay(&invite));
        assert_eq!((to_alice, to_bob), (ok.media(), invite.media()));
        let ports = [scene.alice.media_socket(0), scene.bob.media_socket(0)];
        check_connectivity(&ports, [to_alice, to_bob]);
        scene.talk(to_alice, to_bob);
        scene.hang_up(&mut call);
    });
}

/// STUN binding requests (RFC 8489 section 5) from both sides until one came
/// through from each.
fn check_connectivity(ports: &[UdpSocket; 2], relay: [SocketAddr; 2]) {
    let request = |number: u8| {
        let mut bytes = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
        bytes.extend([number; 12]);
        bytes
    };
    let end = Instant::now() + PATIENCE;
    let mut came = [false; 2];
    while came != [true; 2] {
        assert!(Instant::now() < end, "no check came through: {came:?}");
        for (number, (port, relay)) in (0u8..).zip(ports.iter().zip(relay)) {
            port.send_to(&request(number), relay).expect("a check goes out");
        }
        for (number, (port, relay)) in (0u8..).zip(ports.iter().zip(relay)) {
            let mut buffer = [0; 100];
            port.set_nonblocking(false).expect("a socket that waits");
            port.set_read_timeout(Some(Duration::from_millis(20))).expect("a timeout");
            if let Ok((length, from)) = port.recv_from(&mut buffer) {
                assert_eq!(from, relay);
                came[usize::from(number)] |= buffer[..length] == request(1 - number);
            }
        }
    }
}

/// A phone that sends from other ports than it hears on, signalling and media,
/// behind a NAT whose owner forwards them.
#[test]
fn asymmetric_phone_with_forwarded_ports() {
    everywhere(kit::here!(), |scene| {
        scene.alice.leave();
        scene.network.forward_ports(0, "5060, 6060");
        scene.alice = Phone::asymmetric("alice", &scene.network.phones[0], PHONE, SERVER);
        scene.alice.agent = "Asymmetric Phone 1.0";
        scene.register();
        let mut call = scene.answered("asymmetric@x");
        assert_eq!(call.invite.contact().to_string(), format!("{}:5060", HOMES[0].nat));
        let alice = End::asymmetric(
            scene.alice.media_socket(0),
            scene.alice.media_socket(1),
            call.ok.media(),
        );
        let ends = [alice, End::new(scene.bob.media_socket(0), call.invite.media())];
        scene.check_talk(&ends, [true, true]);
        scene.hang_up(&mut call.caller);
    });
}
