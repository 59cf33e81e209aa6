//! A reply whose SDP is not changed still makes or confirms its dialog (RFC 3261
//! 13.2.2.4): its BYE ends the call.

use kit::call::{Step, alice_sdp, bob_sdp};
use kit::relay::Reply;

use super::{Kind, Scene, invite, reply, reply_sdp};

fn bye_ends(scene: &mut Scene) {
    scene.end(&Step::request("BYE", 9, "a", "b"));
    assert_eq!(scene.deletes().last().map(String::as_str), Some("session a b"));
    assert_eq!(scene.active_calls(), 0);
}

/// The SDP has the relay's own address: the message was rewritten here before.
#[test]
fn answer_that_is_rewritten_already_confirms_its_dialog() {
    Scene::each(|mut scene| {
        scene.relayed(&invite(1));
        assert_eq!(scene.send(&reply("180 Ringing", 1, "b")), Ok(None));
        let port = scene.relayed(&reply_sdp("183 Session Progress", 1, "b"));
        let spiral = reply("200 OK", 1, "b").sdp(kit::call::audio("203.0.113.9", port));
        assert_eq!(scene.relayed(&spiral), port);
        bye_ends(&mut scene);
    });
}

#[test]
fn answer_whose_sdp_cannot_be_parsed_confirms_its_dialog() {
    Scene::each(|mut scene| {
        scene.relayed(&invite(1));
        assert_eq!(scene.send(&reply("180 Ringing", 1, "b")), Ok(None));
        assert!(scene.send(&reply("200 OK", 1, "b").sdp("m=audio\n".to_string())).is_err());
        bye_ends(&mut scene);
    });
}

/// A relay that refuses every answer of the call of the test.
fn refusing(kind: Kind) -> Scene {
    Scene::scripted(kind, |request| {
        let refused = request.contains("type: reply") && request.contains("call_id: call@x");
        Reply::Say(match (request.starts_with("remove"), refused) {
            (true, _) => "removed\r\n".to_string(),
            (_, true) => "error\r\n".to_string(),
            _ => "203.0.113.9 50000 50004\r\n".to_string(),
        })
    })
}

/// The BYE of the only dialog overtook its 200.
#[test]
fn refused_answer_after_the_bye_of_its_dialog_ends_the_call() {
    for kind in [Kind::BuiltIn, Kind::Dispatcher] {
        let mut scene = refusing(kind);
        scene.relayed(&invite(1));
        assert_eq!(scene.send(&reply("180 Ringing", 1, "b")), Ok(None));
        scene.end(&Step::request("BYE", 9, "b", "a"));
        assert!(scene.send(&reply_sdp("200 OK", 1, "b")).is_err());
        assert_eq!(scene.deletes().last().map(String::as_str), Some("session a b"));
        assert_eq!(scene.active_calls(), 0);
    }
}

#[test]
fn answer_that_the_relay_refuses_confirms_its_dialog() {
    for kind in [Kind::BuiltIn, Kind::Dispatcher] {
        let mut scene = refusing(kind);
        scene.relayed(&invite(1));
        assert_eq!(scene.send(&reply("180 Ringing", 1, "b")), Ok(None));
        assert!(scene.send(&reply_sdp("183 Session Progress", 1, "b")).is_err());
        assert!(scene.send(&reply_sdp("200 OK", 1, "b")).is_err());
        bye_ends(&mut scene);
    }
}

/// Whole or not at all: one line's port is not stored any more.
#[test]
fn late_answer_of_an_ended_call_is_not_rewritten_in_part() {
    let two = |first: String, port: u16| first + &format!("m=video {port} RTP/AVP 96\n");
    Scene::each(|mut scene| {
        scene.relayed(&Step::request("INVITE", 1, "a", "").sdp(two(alice_sdp(), 40_002)));
        let answer = reply("200 OK", 1, "b").sdp(two(bob_sdp(), 30_002));
        scene.relayed(&answer);
        scene.relayed(&kit::call::reinvite(2));
        scene.relayed(&reply_sdp("200 OK", 2, "b"));
        scene.end(&Step::request("BYE", 3, "a", "b"));
        assert_eq!(scene.send(&answer), Err(mediaproxy::Status::Ended));
        scene.relayed(&reply_sdp("200 OK", 2, "b"));
    });
}
