//! Rule 6: a message repeated gives the same edits and the same request to the
//! relay.

use kit::call::{Step, alice_sdp, bob_sdp};
use kit::relay::{Reply, header, usual_reply};
use mediaproxy::Status;
use mediaproxy::internals::relay::Protocol;

use super::{Kind, Scene, invite, reply, reply_sdp};

#[test]
fn repeated_messages_give_the_same_edits_and_requests() {
    let refused = bob_sdp() + "m=video 0 TCP/RTP/AVP 0\n";
    let offered = alice_sdp() + "m=video 40002 RTP/AVP 96\n";
    let call = [
        Step::request("INVITE", 1, "a", "").sdp(offered),
        reply("183 Session Progress", 1, "b").sdp(refused.clone()),
        Step::request("UPDATE", 3, "a", "b").sdp(alice_sdp()),
        Step::reply("200 OK", "UPDATE", 3, "a", "b").sdp(bob_sdp()),
        reply("200 OK", 1, "b").sdp(refused),
        kit::call::reinvite(4),
        reply_sdp("200 OK", 4, "b"),
    ];
    Scene::each(|mut scene| {
        for step in &call {
            let port = scene.relayed(step);
            assert_eq!(scene.relayed(step), port);
            let requests = scene.requests();
            let [.., first, second] = requests.as_slice() else { panic!("two requests") };
            assert_eq!(first, second);
        }
        assert_eq!(scene.active_calls(), 1);
    });
}

/// Whoever has seen the INVITE can send it again with another SDP.
#[test]
fn copy_of_the_invite_after_the_answer_changes_nothing() {
    Scene::each(|mut scene| {
        let port = scene.relayed(&invite(1));
        scene.relayed(&reply_sdp("200 OK", 1, "b"));
        let requests = scene.requests().len();
        assert_eq!(scene.relayed(&invite(1)), port);
        let other =
            Step::request("INVITE", 1, "a", "").sdp(kit::call::audio("198.51.100.66", 6666));
        assert_eq!(scene.relayed(&other), port);
        assert_eq!(scene.requests().len(), requests, "the relay gets no offer");
        scene.relayed(&kit::call::reinvite(2));
        assert_eq!(scene.requests().len(), requests + 1);
    });
}

/// The ACK of a re-INVITE without SDP is lost, and the 200 with the offer comes again
/// after the next re-INVITE.
#[test]
fn late_delayed_offer_is_no_new_offer() {
    Scene::each(|mut scene| {
        scene.relayed(&invite(1));
        scene.relayed(&reply_sdp("200 OK", 1, "b"));
        assert_eq!(scene.send(&Step::request("INVITE", 2, "a", "b")), Ok(None));
        let port = scene.relayed(&reply_sdp("200 OK", 2, "b"));
        scene.relayed(&Step::request("ACK", 2, "a", "b").sdp(alice_sdp()));
        scene.relayed(&kit::call::reinvite(3));
        let requests = scene.requests().len();
        assert_eq!(scene.relayed(&reply_sdp("200 OK", 2, "b")), port);
        assert_eq!(scene.requests().len(), requests, "the relay gets no offer");
        scene.relayed(&reply_sdp("200 OK", 3, "b"));
        assert_eq!(scene.requests().len(), requests + 1);
    });
}

/// A stand-in relay that answers late messages with a part of the ports.
fn partial_for_late_answers() -> Scene {
    Scene::scripted(Kind::BuiltIn, |request| {
        let late = header(request, "type") == "reply" && request.matches("5600").count() > 0;
        match late {
            true => Reply::Say("203.0.113.9 50000 0\r\n".into()),
            false => usual_reply(Protocol::MediaProxy2, request),
        }
    })
}

/// A re-INVITE has removed a line, and the 200 to the one before comes again.
#[test]
fn late_answer_is_rewritten_whole_or_not_at_all() {
    let two = |first: String, port: u16| first + &format!("m=video {port} RTP/AVP 96\n");
    let mut scene = partial_for_late_answers();
    scene.relayed(&Step::request("INVITE", 1, "a", "").sdp(two(alice_sdp(), 40_002)));
    scene.relayed(&reply("200 OK", 1, "b").sdp(two(bob_sdp(), 30_002)));
    scene.relayed(&Step::request("INVITE", 2, "a", "b").sdp(two(alice_sdp(), 40_002)));
    scene.relayed(&reply("200 OK", 2, "b").sdp(two(bob_sdp(), 30_002)));
    scene.relayed(&Step::request("INVITE", 1, "b", "a").sdp(two(bob_sdp(), 0)));
    scene.log.lock().unwrap().clear();
    // Of the last SDP for the caller line 2 has no port.
    let late = reply("200 OK", 2, "b").sdp(two(bob_sdp(), 56_000));
    assert_eq!(scene.send(&late), Err(Status::RelayAnswer));
    let log = scene.log.lock().unwrap().join("\n");
    let line = "call call@x: stream 2 (video) answers an offer whose ports are gone; \
                the message is unchanged";
    assert!(log.contains(line), "{log}");
    // An answer to the last offer keeps what it has.
    let last = Step::reply("200 OK", "INVITE", 1, "b", "a").sdp(two(alice_sdp(), 56_000));
    scene.relayed(&last);
}

/// The ports of the last SDP are those of the repeated one.
#[test]
fn late_answer_has_the_stored_ports_where_the_relay_has_only_a_part() {
    let two = |first: String, port: u16| first + &format!("m=video {port} RTP/AVP 96\n");
    let mut scene = partial_for_late_answers();
    scene.relayed(&Step::request("INVITE", 1, "a", "").sdp(two(alice_sdp(), 40_002)));
    scene.relayed(&reply("200 OK", 1, "b").sdp(two(bob_sdp(), 30_002)));
    scene.relayed(&Step::request("INVITE", 2, "a", "b").sdp(two(alice_sdp(), 0)));
    let late = reply("200 OK", 1, "b").sdp(two(bob_sdp(), 56_000));
    let text = kit::call::rewrite(&mut scene.worker, &late);
    assert!(text.contains("m=audio 50000 ") && text.contains("m=video 50004 "), "{text}");
}

/// An answer that comes again after a later offer still answers its own offer.
#[test]
fn late_answer_has_the_cseq_of_its_offer() {
    Scene::each(|mut scene| {
        scene.relayed(&invite(1));
        scene.relayed(&reply_sdp("200 OK", 1, "b"));
        scene.relayed(&kit::call::reinvite(2));
        scene.relayed(&reply_sdp("200 OK", 1, "b"));
        let requests = scene.requests();
        let last = requests.last().expect("a request");
        assert_eq!((header(last, "type"), header(last, "cseq")), ("reply", "1"));
    });
}
