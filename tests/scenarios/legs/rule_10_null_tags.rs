//! Rule 10: a missing tag counts as null (RFC 3261 12.1.1: peers of RFC 2543), and
//! the call works.

use kit::call::{Step, alice_sdp, bob_sdp};
use kit::relay::header;
use mediaproxy::Status;

use super::{Kind, Scene, reply_sdp};

/// The tags that the relay was sent with its last request.
fn last_tags(scene: &mut Scene) -> (String, String) {
    let requests = scene.requests();
    let last = requests.last().expect("a request");
    (header(last, "from_tag").to_string(), header(last, "to_tag").to_string())
}

fn tags(from: &str, to: &str) -> (String, String) {
    (from.to_string(), to.to_string())
}

#[test]
fn caller_without_tag_has_a_call() {
    for (kind, null) in [(Kind::BuiltIn, ""), (Kind::Dispatcher, "null")] {
        let mut scene = Scene::new(kind);
        scene.relayed(&Step::request("INVITE", 1, "", "").sdp(alice_sdp()));
        assert_eq!(last_tags(&mut scene), tags(null, ""));
        scene.relayed(&Step::reply("200 OK", "INVITE", 1, "", "b").sdp(bob_sdp()));
        assert_eq!(last_tags(&mut scene), tags(null, "b"));
        assert_eq!(scene.active_calls(), 1);
        // From the callee, the caller's null tag is To's.
        scene.relayed(&Step::request("INVITE", 7, "b", "").sdp(bob_sdp()));
        assert_eq!(last_tags(&mut scene), tags("b", null), "{kind:?}");
        assert_eq!(scene.active_calls(), 1, "no call of its own");
        scene.relayed(&Step::reply("200 OK", "INVITE", 7, "b", "").sdp(alice_sdp()));
        scene.end(&Step::request("BYE", 8, "b", ""));
        assert_eq!(scene.deletes(), [format!("session {null} b")]);
        assert_eq!(scene.active_calls(), 0);
    }
}

#[test]
fn callee_without_tag_has_a_call() {
    for (kind, null) in [(Kind::BuiltIn, ""), (Kind::Dispatcher, "null")] {
        let mut scene = Scene::new(kind);
        scene.relayed(&super::invite(1));
        scene.relayed(&reply_sdp("200 OK", 1, ""));
        assert_eq!(last_tags(&mut scene), tags("a", null), "{kind:?}");
        scene.relayed(&Step::request("INVITE", 7, "", "a").sdp(bob_sdp()));
        assert_eq!(last_tags(&mut scene), tags(null, "a"));
        scene.relayed(&Step::reply("200 OK", "INVITE", 7, "", "a").sdp(alice_sdp()));
        assert_eq!(scene.active_calls(), 1);
        scene.end(&Step::request("BYE", 8, "", "a"));
        assert_eq!(scene.deletes(), [format!("session {null} a")]);
        assert_eq!(scene.active_calls(), 0);
    }
}

#[test]
fn failed_invite_of_a_caller_without_tag_is_ended_by_its_reply() {
    for (kind, null) in [(Kind::BuiltIn, ""), (Kind::Dispatcher, "null")] {
        for tag in ["b", ""] {
            let mut scene = Scene::new(kind);
            scene.relayed(&Step::request("INVITE", 1, "", "").sdp(alice_sdp()));
            scene
                .relayed(&Step::reply("183 Session Progress", "INVITE", 1, "", "b").sdp(bob_sdp()));
            scene.end(&Step::reply("486 Busy Here", "INVITE", 1, "", tag));
            let delete = format!("session {null} {tag}");
            assert_eq!(scene.deletes(), [delete.trim_end()], "{kind:?}");
            assert_eq!(scene.active_calls(), 0);
        }
    }
}

/// A From tag that the server has left out is an error, also beside the other one.
#[test]
fn command_with_an_empty_from_tag_ends_a_call_of_null_tags_only() {
    for (caller, callee) in [("a", "b"), ("", "b"), ("a", "")] {
        for (from, to) in [("", ""), ("", "a"), ("", "b")] {
            let mut scene = Scene::new(Kind::BuiltIn);
            scene.relayed(&Step::request("INVITE", 1, caller, "").sdp(alice_sdp()));
            scene.relayed(&Step::reply("200 OK", "INVITE", 1, caller, callee).sdp(bob_sdp()));
            let ended = scene.worker.end_call(b"call@x", from.as_bytes(), to.as_bytes());
            let is_call = match to {
                "" => caller.is_empty(),
                _ => [caller, callee].contains(&to) && [caller, callee].contains(&from),
            };
            let of_null_caller = caller.is_empty();
            match is_call {
                true => assert_eq!(scene.active_calls(), 0, "{caller} {callee}: {from} {to}"),
                false => assert_eq!(scene.active_calls(), 1, "{caller} {callee}: {from} {to}"),
            }
            let error = ended.map_err(|error| error.status()).err();
            let expected = (!is_call && !of_null_caller).then_some(Status::Argument);
            assert_eq!(error, expected, "{caller} {callee}: {from} {to}");
        }
    }
}
