//! Rule 4: BYE ends its dialog, and the leg ends with its last one. An ended leg is
//! stored for 32 s: a late reply gets the same edits as before, never a new session
//! (RFC 3261 15).

use mediaproxy::Status;
use mediaproxy::internals::shared::Counter;

use kit::call::{Step, bob_sdp};

use super::{Kind, Scene, invite, reply, reply_sdp};

#[test]
fn bye_from_either_side_ends_the_call_once() {
    for (from, to) in [("a", "b"), ("b", "a")] {
        Scene::each(|mut scene| {
            scene.relayed(&invite(1));
            scene.relayed(&reply_sdp("200 OK", 1, "b"));
            let bye = Step::request("BYE", 2, from, to);
            scene.end(&bye);
            scene.end(&bye);
            scene.end(&Step::request("BYE", 2, to, from));
            assert_eq!(scene.deletes(), [format!("session {from} {to}")]);
            assert_eq!(scene.active_calls(), 0);
        });
    }
}

#[test]
fn bye_of_one_of_two_answered_dialogs_keeps_the_other() {
    for (kind, first) in [(Kind::BuiltIn, &["dialog a b"][..]), (Kind::Dispatcher, &[][..])] {
        let mut scene = Scene::new(kind);
        scene.relayed(&invite(1));
        scene.relayed(&reply_sdp("200 OK", 1, "b"));
        scene.relayed(&reply_sdp("200 OK", 1, "c"));
        scene.end(&Step::request("BYE", 2, "a", "b"));
        assert_eq!(scene.deletes(), first, "{kind:?}");
        assert_eq!(scene.active_calls(), 1);
        scene.relayed(&Step::request("INVITE", 7, "c", "a").sdp(bob_sdp()));
        scene.end(&Step::request("BYE", 3, "a", "c"));
        assert_eq!(scene.deletes().last().map(String::as_str), Some("session a c"));
        assert_eq!(scene.active_calls(), 0);
    }
}

#[test]
fn bye_with_wrong_tags_ends_nothing_and_is_counted() {
    Scene::each(|mut scene| {
        scene.relayed(&invite(1));
        scene.relayed(&reply_sdp("200 OK", 1, "b"));
        scene.end(&Step::request("BYE", 2, "a", "x"));
        scene.end(&Step::request("BYE", 2, "x", "a"));
        assert_eq!(scene.deletes(), [""; 0]);
        assert_eq!(scene.count(Counter::TerminationsUnmatched), 2);
        let log = scene.log.lock().unwrap().join("\n");
        assert_eq!(log.matches("call call@x: BYE terminated nothing").count(), 2, "{log}");
        assert_eq!(scene.active_calls(), 1);
    });
}

#[test]
fn late_reply_of_an_ended_call_gets_the_stored_ports() {
    Scene::each(|mut scene| {
        scene.relayed(&invite(1));
        let port = scene.relayed(&reply_sdp("200 OK", 1, "b"));
        scene.end(&Step::request("BYE", 2, "a", "b"));
        let requests = scene.requests().len();
        assert_eq!(scene.relayed(&reply_sdp("200 OK", 1, "b")), port);
        assert_eq!(scene.send(&reply("200 OK", 1, "b")), Ok(None));
        assert_eq!(scene.requests().len(), requests, "the relay is not asked");
        assert_eq!(scene.active_calls(), 0);
    });
}

/// A copy of the INVITE that comes after the BYE starts nothing: the delete stays.
#[test]
fn repeated_invite_keeps_the_queued_delete() {
    Scene::each(|mut scene| {
        scene.relayed(&invite(1));
        scene.relayed(&reply_sdp("200 OK", 1, "b"));
        scene.relay.close_at_once();
        scene.end(&Step::request("BYE", 2, "a", "b"));
        // The relay does not answer: the next verb queues the delete.
        for _ in 0..100 {
            assert_eq!(scene.send(&invite(1)), Err(Status::Ended));
            if !scene.worker.engine().deletes().is_empty() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        assert_eq!(scene.send(&invite(1)), Err(Status::Ended));
        assert_eq!(scene.worker.engine().deletes().len(), 1);
        assert_eq!(scene.count(Counter::DeletesCancelled), 0);
    });
}

#[test]
fn offer_in_an_ended_call_is_an_error() {
    Scene::each(|mut scene| {
        scene.relayed(&invite(1));
        scene.relayed(&reply_sdp("200 OK", 1, "b"));
        scene.end(&Step::request("BYE", 2, "a", "b"));
        let requests = scene.requests().len();
        assert_eq!(scene.send(&kit::call::reinvite(3)), Err(Status::Ended));
        assert_eq!(scene.send(&invite(1)), Err(Status::Ended), "a retransmission");
        assert_eq!(scene.requests().len(), requests);
        assert_eq!(scene.count(Counter::FailedEnded), 2);
        // A new call attempt of the same phone.
        scene.relayed(&invite(4));
        scene.relayed(&reply_sdp("200 OK", 4, "c"));
        assert_eq!(scene.active_calls(), 1);
    });
}
