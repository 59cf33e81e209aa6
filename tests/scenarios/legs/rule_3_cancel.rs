//! Rule 3: CANCEL marks the INVITE as cancelled and sends nothing; the final failure
//! reply, or 32 s without any, ends it; a 2xx that crossed it makes the dialog (RFC
//! 3261 9.1).

use std::sync::Barrier;

use mediaproxy::internals::shared::Counter;
use mediaproxy::{Worker, now};

use kit::call::Step;

use super::{Kind, Scene, invite, reply, reply_sdp};

fn cancel(cseq: u32, to: &'static str) -> Step {
    Step::request("CANCEL", cseq, "a", to)
}

#[test]
fn cancel_sends_nothing_and_the_final_reply_ends_the_call() {
    Scene::each(|mut scene| {
        scene.relayed(&invite(1));
        assert_eq!(scene.send(&reply("180 Ringing", 1, "b")), Ok(None));
        scene.end(&cancel(1, ""));
        scene.end(&cancel(1, ""));
        assert_eq!(scene.deletes(), [""; 0]);
        assert_eq!(scene.count(Counter::DeletesScheduled), 1);
        scene.end(&reply("487 Request Terminated", 1, "b"));
        assert_eq!(scene.deletes(), ["session a b"]);
        assert_eq!(scene.active_calls(), 0);
        assert_eq!(scene.worker.engine().deletes().len(), 0, "none is sent later");
    });
}

#[test]
fn answer_that_crosses_the_cancel_makes_the_dialog() {
    for with_sdp in [true, false] {
        Scene::each(|mut scene| {
            scene.relayed(&invite(1));
            scene.relayed(&reply_sdp("183 Session Progress", 1, "b"));
            scene.end(&cancel(1, ""));
            match with_sdp {
                true => drop(scene.relayed(&reply_sdp("200 OK", 1, "b"))),
                false => assert_eq!(scene.send(&reply("200 OK", 1, "b")), Ok(None)),
            }
            assert_eq!(scene.worker.engine().deletes().len(), 0, "the call was answered");
            assert_eq!(scene.active_calls(), 1);
            scene.relayed(&kit::call::reinvite(2));
            assert_eq!(scene.deletes(), [""; 0]);
            scene.end(&Step::request("BYE", 3, "a", "b"));
            assert_eq!(scene.deletes(), ["session a b"]);
        });
    }
}

/// Whichever is stored later removes the delete.
#[test]
fn cancel_and_answer_in_two_threads_leave_no_delete() {
    let mut scene = Scene::new(Kind::Dispatcher);
    let mut other = Worker::new(scene.worker.engine().clone()).unwrap();
    let barrier = Barrier::new(2);
    for round in 0..600 {
        let cseq = 2 * round + 1;
        scene.relayed(&invite(cseq));
        let answer = reply("200 OK", cseq, "b");
        std::thread::scope(|scope| {
            scope.spawn(|| {
                barrier.wait();
                kit::call::terminate(&mut other, &cancel(cseq, "")).unwrap();
            });
            barrier.wait();
            assert_eq!(scene.send(&answer), Ok(None));
        });
        assert_eq!(scene.worker.engine().deletes().len(), 0, "round {round}");
        scene.end(&Step::request("BYE", cseq + 1, "a", "b"));
    }
}

#[test]
fn cancel_without_a_final_reply_deletes_after_32_s() {
    Scene::each(|mut scene| {
        scene.relayed(&invite(1));
        let before = now();
        scene.end(&cancel(1, ""));
        let after = now();
        let deletes = scene.worker.engine().deletes();
        assert_eq!(deletes.claim(&mut 0, before + 31_999, |_| true), None);
        let claim = deletes.claim(&mut 0, after + 32_000, |_| true).expect("a delete is due");
        assert_eq!((&*claim.delete.from_tag, &*claim.delete.to_tag), (&b"a"[..], &b""[..]));
    });
}

#[test]
fn delete_of_a_cancelled_invite_is_cancelled_by_a_newer_invite_only() {
    Scene::each(|mut scene| {
        scene.relayed(&invite(1));
        scene.end(&cancel(1, ""));
        let _ = scene.send(&invite(1));
        assert_eq!(scene.worker.engine().deletes().len(), 1, "a copy of the first one");
        scene.relayed(&invite(2));
        assert_eq!(scene.worker.engine().deletes().len(), 0);
    });
}

/// Each branch answers the CANCEL with its own 487; the final reply is to come yet.
#[test]
fn branch_failure_keeps_the_delete_of_a_cancelled_invite() {
    Scene::each(|mut scene| {
        scene.relayed(&invite(1));
        scene.relayed(&reply_sdp("183 Session Progress", 1, "b").branch("z9hG4bKa"));
        scene.relayed(&reply_sdp("183 Session Progress", 1, "c").branch("z9hG4bKb"));
        scene.end(&cancel(1, ""));
        scene.end_branch(&reply("487 Request Terminated", 1, "b").branch("z9hG4bKa"));
        scene.end(&Step::request("BYE", 2, "a", "c"));
        assert_eq!(scene.worker.engine().deletes().len(), 1);
        scene.end(&reply("487 Request Terminated", 1, "b"));
        assert_eq!(scene.deletes().last().map(String::as_str), Some("session a b"));
        assert_eq!(scene.worker.engine().deletes().len(), 0);
    });
}

#[test]
fn cancel_of_a_reinvite_or_of_another_invite_changes_nothing() {
    Scene::each(|mut scene| {
        scene.relayed(&invite(2));
        scene.end(&cancel(1, ""));
        scene.relayed(&reply_sdp("200 OK", 2, "b"));
        scene.relayed(&kit::call::reinvite(3));
        scene.end(&cancel(3, "b"));
        scene.end(&reply("487 Request Terminated", 3, "b"));
        scene.end(&cancel(9, ""));
        assert_eq!(scene.count(Counter::DeletesScheduled), 0);
        assert_eq!(scene.worker.engine().deletes().len(), 0);
        assert_eq!(scene.deletes(), [""; 0]);
        assert_eq!(scene.active_calls(), 1);
    });
}
