//! Answers that refuse lines: the relay is told, and another dialog of the same offer
//! is not affected (RFC 3264 6).

use kit::call::{Step, alice_sdp, bob_sdp};
use kit::relay::header;

use super::{Scene, invite, reply, reply_sdp};

fn refused() -> String {
    bob_sdp().replace("m=audio 30000", "m=audio 0")
}

#[test]
fn answer_that_refuses_all_lines_is_reported_to_the_relay() {
    Scene::each(|mut scene| {
        scene.relayed(&invite(1));
        scene.relayed(&reply_sdp("200 OK", 1, "b"));
        scene.relayed(&Step::request("INVITE", 7, "b", "a").sdp(bob_sdp()));
        let answer = Step::reply("200 OK", "INVITE", 7, "b", "a").sdp(refused());
        assert_eq!(scene.send(&answer), Ok(Some(0)), "the line stays refused");
        let requests = scene.requests();
        let last = requests.last().expect("a request");
        assert_eq!((header(last, "type"), header(last, "cseq")), ("reply", "7"));
        assert!(header(last, "media").contains(":0:"), "{last}");
    });
}

/// All lines are removed, and both sides name other transports for them (RFC 3264 6).
#[test]
fn removal_of_all_lines_is_reported_to_the_relay_by_offer_and_answer() {
    let gone = alice_sdp().replace("m=audio 40000 RTP/AVP", "m=audio 0 TCP/RTP/AVP");
    assert!(gone.contains("m=audio 0 TCP/RTP/AVP"), "{gone}");
    Scene::each(|mut scene| {
        scene.relayed(&invite(1));
        scene.relayed(&reply_sdp("200 OK", 1, "b"));
        let offer = Step::request("INVITE", 2, "a", "b").sdp(gone.clone());
        for message in [offer, reply("200 OK", 2, "b").sdp(gone.clone())] {
            assert_eq!(scene.send(&message), Ok(Some(0)));
            let requests = scene.requests();
            let last = requests.last().expect("a request");
            assert_eq!(header(last, "cseq"), "2");
            assert!(header(last, "media").contains(":0:"), "{last}");
        }
    });
}

#[test]
fn second_answer_is_relayed_after_one_that_refuses_all_lines() {
    Scene::each(|mut scene| {
        scene.relayed(&invite(1));
        let answer = reply("200 OK", 1, "c").sdp(refused());
        assert_eq!(scene.send(&answer), Ok(Some(0)));
        scene.relayed(&reply_sdp("200 OK", 1, "b"));
        assert_eq!(scene.requests().len(), 3);
    });
}

/// A dialog without an offer of its own answers the initial offer.
#[test]
fn update_of_one_fork_does_not_take_lines_from_the_answer_of_another() {
    let two = |first: String, port: u16| first + &format!("m=video {port} RTP/AVP 96\n");
    Scene::each(|mut scene| {
        scene.relayed(&Step::request("INVITE", 1, "a", "").sdp(two(alice_sdp(), 40_002)));
        scene.relayed(&reply("183 Session Progress", 1, "c").sdp(two(bob_sdp(), 30_002)));
        scene.relayed(&Step::request("UPDATE", 3, "a", "c").sdp(two(alice_sdp(), 0)));
        scene.relayed(&Step::reply("200 OK", "UPDATE", 3, "a", "c").sdp(two(bob_sdp(), 0)));
        let answer = reply("200 OK", 1, "b").sdp(two(bob_sdp(), 30_002));
        scene.relayed(&answer);
        let requests = scene.requests();
        let media = header(requests.last().expect("a request"), "media");
        assert!(media.contains("video:10.0.0.2:30002:"), "{media}");
    });
}

/// Old phones answer in an order of their own. Their media does not pass the relay,
/// which must be seen.
#[test]
fn answer_in_another_order_than_its_offer_is_a_warning_with_the_call_id() {
    let message = "m=message 9 TCP/MSRP *\n";
    let in_front = |sdp: String| sdp.replace("m=audio", &format!("{message}m=audio"));
    Scene::each(|mut scene| {
        scene.relayed(&Step::request("INVITE", 1, "a", "").sdp(alice_sdp() + message));
        scene.log.lock().unwrap().clear();
        let warning = "call call@x: stream 1 (message) of the answer keeps its own address: \
                       the answer changes its transport";
        let more = "call call@x: stream 2 (audio) of the answer keeps its own address: \
                    its offer has no relayed line there";
        assert_eq!(scene.send(&reply("180 Ringing", 1, "b").sdp(in_front(bob_sdp()))), Ok(Some(9)));
        assert_eq!(scene.log.lock().unwrap().drain(..).collect::<Vec<_>>(), [warning]);
        let two = bob_sdp() + "m=audio 30002 RTP/AVP 0\n";
        scene.relayed(&reply("200 OK", 1, "b").sdp(two));
        assert_eq!(scene.log.lock().unwrap().drain(..).collect::<Vec<_>>(), [more]);
        scene.relayed(&reply_sdp("200 OK", 1, "b"));
        assert!(scene.log.lock().unwrap().is_empty());
    });
}
