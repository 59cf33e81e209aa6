//! Rule 5: an end that comes while a rewrite of the same leg waits for its relay is
//! stored; the relay's late answer is followed by a delete, and the rewrite ends
//! with an error of its own. Two processes: `tests/relays/end_meets_rewrite.rs`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mediaproxy::internals::relay::Protocol;
use mediaproxy::internals::shared::Counter;
use mediaproxy::internals::shared::deletes::Scope;
use mediaproxy::{Edits, Progress, Rewrite, Status, now};

use kit::call::{Step, bob_sdp};
use kit::relay::{Reply, header, usual_reply};

use super::{Kind, Scene, invite, reply, reply_sdp};

/// A relay that answers requests for the call of the test only when the gate is open.
fn slow(kind: Kind) -> (Scene, Arc<AtomicBool>) {
    let open = Arc::new(AtomicBool::new(true));
    let gate = open.clone();
    let scene = Scene::scripted(kind, move |request| {
        while request.starts_with("update") && !gate.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(2));
        }
        match usual_reply(Protocol::MediaProxy2, request) {
            Reply::Say(answer) => Reply::Say(answer),
            _ => panic!("the usual reply is one line"),
        }
    });
    (scene, open)
}

fn finish(scene: &mut Scene, rewrite: &mut Rewrite) -> Result<usize, Status> {
    let mut edits = Edits::new();
    let end = Instant::now() + Duration::from_secs(10);
    while Instant::now() < end {
        match rewrite.resume(&mut scene.worker, now(), &mut edits) {
            Ok(Progress::Pending) => std::thread::sleep(Duration::from_millis(2)),
            Ok(Progress::Done) => return Ok(edits.len()),
            Err(error) => {
                assert!(edits.is_empty(), "the message stays as it was");
                return Err(error.status());
            }
        }
    }
    panic!("the rewrite does not end")
}

/// The relay gets the delete of the end, if one is sent, before its answer to the
/// rewrite is known.
fn end_while_waiting(before: &[Step], waiting: &Step, ends: &[Step], last: &str) {
    for kind in [Kind::BuiltIn, Kind::Dispatcher] {
        let (mut scene, open) = slow(kind);
        for step in before {
            scene.send(step).unwrap();
        }
        open.store(false, Ordering::SeqCst);
        let mut rewrite = waiting.start(&mut scene.worker, now());
        for step in ends {
            scene.end(step);
        }
        if !before.is_empty() {
            // The delete of the end itself, on another connection.
            scene.relay.wait_for(before.len() + 2);
        }
        open.store(true, Ordering::SeqCst);
        assert_eq!(finish(&mut scene, &mut rewrite), Err(Status::Ended), "{kind:?}");
        assert_eq!(scene.count(Counter::EndedMeanwhile), 1);
        assert_eq!(scene.count(Counter::FailedEnded), 1);
        let requests = scene.requests();
        let remove = requests.last().expect("a request");
        assert!(remove.starts_with("remove") && !remove.contains("scope"), "{requests:?}");
        if kind == Kind::BuiltIn {
            let update = requests.iter().rfind(|request| request.starts_with("update"));
            let cseq = header(update.expect("the rewrite"), "cseq");
            assert_eq!(header(remove, "cseq"), cseq, "its session begins with it");
        }
        assert_eq!(scene.deletes().last().map(String::as_str), Some(last));
        assert_eq!(scene.active_calls(), 0);
        let log = scene.log.lock().unwrap().join("\n");
        assert!(log.contains("call call@x: the call ended while its relay"), "{log}");
    }
}

#[test]
fn final_failure_while_the_invite_waits() {
    let end = reply("408 Request Timeout", 1, "s");
    end_while_waiting(&[], &invite(1), &[end], "session a");
}

#[test]
fn cancel_and_487_while_the_invite_waits() {
    let cancel = Step::request("CANCEL", 1, "a", "");
    let end = reply("487 Request Terminated", 1, "s");
    end_while_waiting(&[], &invite(1), &[cancel, end], "session a");
}

#[test]
fn bye_while_a_reinvite_waits() {
    let before = [invite(1), reply_sdp("200 OK", 1, "b")];
    let bye = Step::request("BYE", 5, "b", "a");
    end_while_waiting(&before, &kit::call::reinvite(2), &[bye], "session a b");
}

#[test]
fn bye_while_a_reinvite_of_the_callee_waits() {
    let before = [invite(1), reply_sdp("200 OK", 1, "b")];
    let reinvite = Step::request("INVITE", 101, "b", "a").sdp(bob_sdp());
    let bye = Step::request("BYE", 2, "a", "b");
    end_while_waiting(&before, &reinvite, &[bye], "session b a");
}

#[test]
fn failure_while_an_early_answer_waits() {
    let end = reply("480 Temporarily Unavailable", 1, "b");
    let waiting = reply_sdp("183 Session Progress", 1, "b");
    end_while_waiting(&[invite(1)], &waiting, &[end], "session a b");
}

#[test]
fn command_of_the_server_while_the_invite_waits() {
    let (mut scene, open) = slow(Kind::BuiltIn);
    open.store(false, Ordering::SeqCst);
    let mut rewrite = invite(1).start(&mut scene.worker, now());
    scene.worker.end_call(b"call@x", b"a", b"").unwrap();
    open.store(true, Ordering::SeqCst);
    assert_eq!(finish(&mut scene, &mut rewrite), Err(Status::Ended));
    assert_eq!(scene.deletes(), ["session a"]);
    assert_eq!(scene.active_calls(), 0);
}

/// A CANCEL alone ends nothing yet: the caller waits for the final reply.
#[test]
fn cancel_while_the_invite_waits_schedules_the_delete() {
    let (mut scene, open) = slow(Kind::BuiltIn);
    open.store(false, Ordering::SeqCst);
    let mut rewrite = invite(1).start(&mut scene.worker, now());
    scene.end(&Step::request("CANCEL", 1, "a", ""));
    open.store(true, Ordering::SeqCst);
    assert!(finish(&mut scene, &mut rewrite).is_ok());
    assert_eq!(scene.count(Counter::DeletesScheduled), 1);
    scene.end(&reply("487 Request Terminated", 1, "s"));
    assert_eq!(scene.deletes(), ["session a s"]);
    assert_eq!(scene.worker.engine().deletes().len(), 0);
}

/// The CANCEL has scheduled a delete, and then the 200 answers the call.
#[test]
fn cancel_while_the_answer_waits_deletes_nothing() {
    for dropped in [false, true] {
        for kind in [Kind::BuiltIn, Kind::Dispatcher] {
            let (mut scene, open) = slow(kind);
            scene.relayed(&invite(1));
            open.store(false, Ordering::SeqCst);
            let mut rewrite = reply_sdp("200 OK", 1, "b").start(&mut scene.worker, now());
            scene.end(&Step::request("CANCEL", 1, "a", ""));
            assert_eq!(scene.worker.engine().deletes().len(), 1, "no answer has come yet");
            open.store(true, Ordering::SeqCst);
            match dropped {
                true => drop(rewrite),
                false => assert_eq!(finish(&mut scene, &mut rewrite), Ok(2)),
            }
            assert_eq!(scene.worker.engine().deletes().len(), 0, "the call was answered");
            scene.end(&Step::request("CANCEL", 1, "a", ""));
            assert_eq!(scene.worker.engine().deletes().len(), 0, "a repeated CANCEL");
            assert_eq!(scene.active_calls(), 1);
        }
    }
}

/// A copy of the first INVITE still waits when the second try is answered.
#[test]
fn late_copy_of_an_ended_try_does_not_end_the_next_one() {
    for kind in [Kind::BuiltIn, Kind::Dispatcher] {
        let (mut scene, open) = slow(kind);
        scene.relayed(&invite(1));
        open.store(false, Ordering::SeqCst);
        let mut copy = invite(1).start(&mut scene.worker, now());
        scene.relay.wait_for(2);
        scene.end(&reply("407 Proxy Authentication Required", 1, "s"));
        open.store(true, Ordering::SeqCst);
        scene.relayed(&invite(2));
        scene.relayed(&reply_sdp("200 OK", 2, "b"));
        assert_eq!(finish(&mut scene, &mut copy), Err(Status::Ended));
        assert_eq!(scene.deletes(), ["session a s"], "{kind:?}");
        assert_eq!(scene.active_calls(), 1);
    }
}

/// The caller of the library gives up before the relay has answered.
#[test]
fn cancelled_rewrite_of_the_first_invite_leaves_no_session() {
    for (kind, delete) in [(Kind::BuiltIn, "unanswered a"), (Kind::Dispatcher, "session a")] {
        let (mut scene, open) = slow(kind);
        open.store(false, Ordering::SeqCst);
        let rewrite = invite(1).start(&mut scene.worker, now());
        scene.relay.wait_for(1);
        drop(rewrite);
        open.store(true, Ordering::SeqCst);
        assert_eq!(scene.active_calls(), 0);
        assert_eq!(scene.worker.engine().deletes().len(), 1);
        // The next verbs send it, and read its answer.
        let end = Instant::now() + Duration::from_secs(10);
        while scene.deletes().is_empty() || !scene.worker.engine().deletes().is_empty() {
            assert!(Instant::now() < end, "{:?}", scene.deletes());
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(scene.deletes(), [delete], "{kind:?}");
    }
}

/// The call ends while the rewrite waits, and then the caller of the library gives up.
#[test]
fn cancelled_rewrite_of_an_ended_call_leaves_no_session() {
    for (kind, scope) in [(Kind::BuiltIn, Scope::Dialog), (Kind::Dispatcher, Scope::Session)] {
        let (mut scene, open) = slow(kind);
        scene.relayed(&invite(1));
        scene.relayed(&reply_sdp("200 OK", 1, "b"));
        open.store(false, Ordering::SeqCst);
        let rewrite = kit::call::reinvite(2).start(&mut scene.worker, now());
        scene.relay.wait_for(3);
        scene.end(&Step::request("BYE", 5, "b", "a"));
        scene.relay.wait_for(4);
        drop(rewrite);
        open.store(true, Ordering::SeqCst);
        let deletes = scene.worker.engine().deletes();
        let claim = deletes.claim(&mut 0, now() + 1, |_| true).expect("a queued delete");
        assert_eq!((&*claim.delete.from_tag, &*claim.delete.to_tag), (&b"a"[..], &b"b"[..]));
        assert_eq!(claim.delete.scope, scope, "{kind:?}");
    }
}

/// The same, but only the dialog of the rewrite ends: a dispatcher is sent nothing.
#[test]
fn cancelled_rewrite_of_an_ended_dialog_keeps_the_other_one() {
    for (kind, queued) in [(Kind::BuiltIn, 1), (Kind::Dispatcher, 0)] {
        let (mut scene, open) = slow(kind);
        scene.relayed(&invite(1));
        scene.relayed(&reply_sdp("200 OK", 1, "b"));
        scene.relayed(&reply_sdp("200 OK", 1, "c"));
        open.store(false, Ordering::SeqCst);
        let rewrite = kit::call::reinvite(2).start(&mut scene.worker, now());
        scene.relay.wait_for(4);
        scene.end(&Step::request("BYE", 5, "b", "a"));
        let withheld = scene.count(Counter::DeletesWithheld);
        drop(rewrite);
        open.store(true, Ordering::SeqCst);
        assert_eq!(scene.worker.engine().deletes().len(), queued, "{kind:?}");
        assert_eq!(scene.count(Counter::DeletesWithheld) - withheld, 1 - queued as u64);
        assert_eq!(scene.active_calls(), 1);
    }
}

/// One of two dialogs ends while its 200 waits: the other dialog goes on.
#[test]
fn bye_of_one_dialog_while_its_answer_waits() {
    for (kind, deletes) in
        [(Kind::BuiltIn, &["dialog c a", "dialog a c"][..]), (Kind::Dispatcher, &[][..])]
    {
        let (mut scene, open) = slow(kind);
        scene.relayed(&invite(1));
        assert_eq!(scene.send(&reply("180 Ringing", 1, "c")), Ok(None));
        scene.relayed(&reply_sdp("200 OK", 1, "b"));
        let count = scene.relay.requests().len();
        open.store(false, Ordering::SeqCst);
        let mut rewrite = reply_sdp("200 OK", 1, "c").start(&mut scene.worker, now());
        scene.relay.wait_for(count + 1);
        scene.end(&Step::request("BYE", 7, "c", "a"));
        if kind == Kind::BuiltIn {
            scene.relay.wait_for(count + 2);
        }
        open.store(true, Ordering::SeqCst);
        assert_eq!(finish(&mut scene, &mut rewrite), Err(Status::Ended), "{kind:?}");
        assert_eq!(scene.deletes(), deletes, "{kind:?}");
        let withheld = if kind == Kind::BuiltIn { 0 } else { 2 };
        assert_eq!(scene.count(Counter::DeletesWithheld), withheld);
        assert_eq!(scene.active_calls(), 1);
        scene.relayed(&kit::call::reinvite(2));
    }
}

#[test]
fn cancelled_rewrite_of_a_reinvite_keeps_the_session() {
    let (mut scene, open) = slow(Kind::Dispatcher);
    scene.relayed(&invite(1));
    scene.relayed(&reply_sdp("200 OK", 1, "b"));
    open.store(false, Ordering::SeqCst);
    let rewrite = kit::call::reinvite(2).start(&mut scene.worker, now());
    scene.relay.wait_for(3);
    drop(rewrite);
    open.store(true, Ordering::SeqCst);
    assert_eq!(scene.deletes(), [""; 0]);
    assert_eq!(scene.active_calls(), 1);
}

/// The same phone calls again while its first try still waits.
#[test]
fn new_try_after_the_end_is_not_ended() {
    let (mut scene, open) = slow(Kind::BuiltIn);
    open.store(false, Ordering::SeqCst);
    let mut rewrite = invite(1).start(&mut scene.worker, now());
    scene.end(&reply("407 Proxy Authentication Required", 1, "s"));
    open.store(true, Ordering::SeqCst);
    assert_eq!(finish(&mut scene, &mut rewrite), Err(Status::Ended));
    scene.relayed(&invite(2));
    scene.relayed(&reply_sdp("200 OK", 2, "b"));
    assert_eq!(scene.active_calls(), 1);
}

/// A request within a dialog of the try that has ended makes a session of its own.
#[test]
fn late_request_of_an_ended_try_is_deleted_without_the_new_try() {
    let (mut scene, open) = slow(Kind::BuiltIn);
    scene.relayed(&invite(1));
    scene.relayed(&reply_sdp("183 Session Progress", 1, "b"));
    open.store(false, Ordering::SeqCst);
    let update = Step::request("UPDATE", 101, "b", "a").sdp(bob_sdp());
    let mut rewrite = update.start(&mut scene.worker, now());
    scene.end(&reply("407 Proxy Authentication Required", 1, "b"));
    let mut next = invite(2).start(&mut scene.worker, now());
    open.store(true, Ordering::SeqCst);
    assert!(finish(&mut scene, &mut next).is_ok());
    assert_eq!(finish(&mut scene, &mut rewrite), Err(Status::Ended));
    assert_eq!(scene.deletes(), ["session a b", "dialog b a"]);
    assert_eq!(scene.active_calls(), 1);
}

/// The delete of the end has reached the relay before the request.
#[test]
fn request_that_the_relay_refuses_after_the_end_of_its_call_is_one_of_an_ended_call() {
    let open = Arc::new(AtomicBool::new(true));
    let gate = open.clone();
    let mut scene = Scene::scripted(Kind::BuiltIn, move |request| {
        if !request.starts_with("update") || gate.load(Ordering::SeqCst) {
            return usual_reply(Protocol::MediaProxy2, request);
        }
        while !gate.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(2));
        }
        Reply::Say("error\r\n".into())
    });
    scene.relayed(&invite(1));
    open.store(false, Ordering::SeqCst);
    let early = reply_sdp("183 Session Progress", 1, "b");
    let mut rewrite = early.start(&mut scene.worker, now());
    std::thread::sleep(Duration::from_millis(20));
    scene.end(&reply("488 Not Acceptable Here", 1, "b"));
    open.store(true, Ordering::SeqCst);
    assert_eq!(finish(&mut scene, &mut rewrite), Err(Status::Ended));
}
