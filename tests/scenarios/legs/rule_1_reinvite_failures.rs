//! Rule 1: a failure reply to a re-INVITE or UPDATE never ends anything (RFC 3261
//! 14.1), also when the table does not know the call.

use kit::call::{Step, bob_sdp};

use super::{Kind, Scene, invite, reply, reply_sdp};

const FAILURES: [&str; 5] = [
    "488 Not Acceptable Here",
    "491 Request Pending",
    "408 Request Timeout",
    "481 Call/Transaction Does Not Exist",
    "500 Server Error",
];

#[test]
fn reinvite_failure_keeps_the_call() {
    for failure in FAILURES {
        Scene::each(|mut scene| {
            scene.relayed(&invite(1));
            scene.relayed(&reply_sdp("200 OK", 1, "b"));
            scene.relayed(&kit::call::reinvite(2));
            scene.end(&reply(failure, 2, "b"));
            scene.end_branch(&reply(failure, 2, "b"));
            // The callee's re-INVITE has the tags the other way round.
            scene.relayed(&Step::request("INVITE", 7, "b", "a").sdp(bob_sdp()));
            scene.end(&Step::reply(failure, "INVITE", 7, "b", "a"));
            assert_eq!(scene.deletes(), [""; 0], "{failure}");
            assert_eq!(scene.active_calls(), 1);
            scene.relayed(&kit::call::reinvite(3));
            scene.end(&Step::request("BYE", 4, "a", "b"));
            assert_eq!(scene.deletes(), ["session a b"], "{failure}");
        });
    }
}

#[test]
fn reinvite_failure_after_a_restart_keeps_the_call() {
    Scene::each(|mut scene| {
        scene.relayed(&invite(1));
        scene.relayed(&reply_sdp("200 OK", 1, "b"));
        scene.restart();
        scene.relayed(&kit::call::reinvite(2));
        scene.end(&reply("488 Not Acceptable Here", 2, "b"));
        assert_eq!(scene.deletes(), [""; 0]);
    });
}

/// The relay decides: it knows whether the call was answered.
#[test]
fn failure_of_an_unknown_call_ends_no_answered_call() {
    let mut scene = Scene::new(Kind::BuiltIn);
    scene.end(&reply("488 Not Acceptable Here", 2, "b"));
    assert_eq!(scene.deletes(), ["unanswered a b"]);
    let mut scene = Scene::new(Kind::Dispatcher);
    scene.end(&reply("488 Not Acceptable Here", 2, "b"));
    assert_eq!(scene.deletes(), [""; 0]);
}
