//! Rule 2: a failure reply to the initial INVITE that goes upstream ends the leg
//! with all its early dialogs, whatever its tag (RFC 3261 12.3). The failure of one
//! server branch ends the early dialogs of that branch only (16.7).

use kit::call::Step;
use kit::relay::header;
use mediaproxy::internals::shared::Counter;

use super::{Kind, Scene, invite, reply, reply_sdp};

#[test]
fn final_failure_ends_all_early_dialogs_whatever_its_tag() {
    for tag in ["t1", "t2", "t9", ""] {
        Scene::each(|mut scene| {
            scene.relayed(&invite(1));
            scene.relayed(&reply_sdp("183 Session Progress", 1, "t1"));
            assert_eq!(scene.send(&reply("180 Ringing", 1, "t2")), Ok(None));
            scene.end(&reply("480 Temporarily Unavailable", 1, tag));
            let delete = format!("session a {tag}");
            assert_eq!(scene.deletes(), [delete.trim_end()]);
            assert_eq!(scene.active_calls(), 0, "tag {tag:?}");
            // A retransmission does no harm.
            scene.end(&reply("480 Temporarily Unavailable", 1, tag));
            assert_eq!(scene.deletes().len(), 1);
        });
    }
}

#[test]
fn branch_failure_before_others_ring_keeps_the_call() {
    Scene::each(|mut scene| {
        scene.relayed(&invite(1));
        scene.end_branch(&reply("486 Busy Here", 1, "t1").branch("z9hG4bKa"));
        scene.end_branch(&reply("603 Decline", 1, "t3").branch("z9hG4bKc"));
        assert_eq!(scene.send(&reply("180 Ringing", 1, "t2").branch("z9hG4bKb")), Ok(None));
        scene.relayed(&reply_sdp("200 OK", 1, "t2").branch("z9hG4bKb"));
        assert_eq!(scene.deletes(), [""; 0]);
        assert_eq!(scene.active_calls(), 1);
        scene.end(&Step::request("BYE", 2, "a", "t2"));
        assert_eq!(scene.deletes(), ["session a t2"]);
        assert_eq!(scene.active_calls(), 0);
    });
}

/// Two phones behind one branch of the server ring; the proxy between sends one
/// failure with a tag of its own.
#[test]
fn branch_failure_ends_the_early_dialogs_of_its_branch() {
    for (kind, deletes) in [(Kind::BuiltIn, &["branch a t9"][..]), (Kind::Dispatcher, &[][..])] {
        let mut scene = Scene::new(kind);
        scene.relayed(&invite(1));
        scene.relayed(&reply_sdp("183 Session Progress", 1, "t1").branch("z9hG4bKa"));
        scene.relayed(&reply_sdp("183 Session Progress", 1, "t2").branch("z9hG4bKb"));
        scene.end_branch(&reply("480 Temporarily Unavailable", 1, "t9").branch("z9hG4bKa"));
        assert_eq!(scene.deletes(), deletes, "{kind:?}");
        assert_eq!(scene.count(Counter::DeletesWithheld), u64::from(kind == Kind::Dispatcher));
        if kind == Kind::BuiltIn {
            let requests = scene.requests();
            let branch = |request: &String| header(request, "branch").to_string();
            let branches: Vec<_> = requests.iter().map(branch).collect();
            let [none, first, second, failed] = &branches[..] else { panic!("{branches:?}") };
            assert_eq!((none.as_str(), first.len()), ("(none)", 8));
            assert!(first == failed && first != second, "{branches:?}");
        }
        // The only answered dialog ends the leg: none of the first branch is left.
        scene.relayed(&reply_sdp("200 OK", 1, "t2").branch("z9hG4bKb"));
        scene.end(&Step::request("BYE", 2, "a", "t2"));
        assert_eq!(scene.deletes().last().map(String::as_str), Some("session a t2"));
    }
}

/// A relay that gets the INVITE of the next try first keeps its session.
#[test]
fn deletes_name_the_invite_that_they_end() {
    let ended = |scene: &mut Scene| {
        let requests = scene.requests();
        let remove = requests.iter().rfind(|request| request.starts_with("remove"));
        header(remove.expect("a delete"), "cseq").to_string()
    };
    let mut scene = Scene::new(Kind::BuiltIn);
    scene.relayed(&invite(7));
    scene.end(&reply("407 Proxy Authentication Required", 7, "s"));
    assert_eq!(ended(&mut scene), "7");
    scene.relayed(&invite(8));
    scene.relayed(&reply_sdp("183 Session Progress", 8, "b"));
    scene.end_branch(&reply("486 Busy Here", 8, "b"));
    assert_eq!(ended(&mut scene), "(none)", "a dialog");
    scene.relayed(&reply_sdp("200 OK", 8, "c"));
    scene.end(&Step::request("BYE", 9, "a", "c"));
    assert_eq!(ended(&mut scene), "(none)", "of a BYE");
    scene.restart();
    scene.end(&reply("486 Busy Here", 12, "b"));
    assert_eq!(ended(&mut scene), "12", "of a call that is not stored");
    scene.relayed(&invite(20));
    scene.end(&Step::request("CANCEL", 20, "a", ""));
    let deletes = scene.worker.engine().deletes();
    let claim = deletes.claim(&mut 0, mediaproxy::now() + 33_000, |_| true).expect("a delete");
    assert_eq!(claim.delete.cseq, Some(20));
    let mut dispatcher = Scene::new(Kind::Dispatcher);
    dispatcher.relayed(&invite(7));
    dispatcher.end(&reply("407 Proxy Authentication Required", 7, "s"));
    assert_eq!(ended(&mut dispatcher), "(none)");
}

#[test]
fn branch_failure_with_the_tag_of_its_dialog_deletes_that_dialog() {
    for (kind, deletes) in [(Kind::BuiltIn, &["dialog a t1"][..]), (Kind::Dispatcher, &[][..])] {
        let mut scene = Scene::new(kind);
        scene.relayed(&invite(1));
        scene.relayed(&reply_sdp("183 Session Progress", 1, "t1").branch("z9hG4bKa"));
        scene.relayed(&reply_sdp("183 Session Progress", 1, "t2").branch("z9hG4bKb"));
        scene.end_branch(&reply("486 Busy Here", 1, "t1").branch("z9hG4bKa"));
        assert_eq!(scene.deletes(), deletes, "{kind:?}");
        assert_eq!(scene.active_calls(), 1);
        scene.end(&reply("486 Busy Here", 1, "t1"));
        assert_eq!(scene.deletes().last().map(String::as_str), Some("session a t1"));
        assert_eq!(scene.active_calls(), 0);
    }
}

#[test]
fn failure_of_an_earlier_try_keeps_the_new_one() {
    for challenge in ["401 Unauthorized", "407 Proxy Authentication Required", "302 Moved"] {
        Scene::each(|mut scene| {
            scene.relayed(&invite(1));
            scene.end(&reply(challenge, 1, "s"));
            assert_eq!(scene.deletes(), ["session a s"]);
            scene.relayed(&invite(2));
            // Retransmitted, or late.
            scene.end(&reply(challenge, 1, "s"));
            scene.end_branch(&reply(challenge, 1, "s"));
            scene.relayed(&reply_sdp("200 OK", 2, "b"));
            assert_eq!(scene.deletes().len(), 1, "{challenge}");
            assert_eq!(scene.active_calls(), 1);
            scene.end(&Step::request("BYE", 3, "b", "a"));
            assert_eq!(scene.deletes().len(), 2);
        });
    }
}

/// A failure of another branch that comes after the 200 frees what it names only.
#[test]
fn failure_after_the_answer_keeps_the_call() {
    Scene::each(|mut scene| {
        scene.relayed(&invite(1));
        scene.relayed(&reply_sdp("200 OK", 1, "b").branch("z9hG4bKa"));
        scene.end_branch(&reply("487 Request Terminated", 1, "c").branch("z9hG4bKb"));
        scene.end(&reply("487 Request Terminated", 1, "c").branch("z9hG4bKb"));
        assert_eq!(scene.deletes(), [""; 0]);
        scene.relayed(&kit::call::reinvite(2));
    });
}

/// The server itself refuses an INVITE, or a copy of one that was answered.
#[test]
fn invite_that_the_server_refuses_ends_an_unanswered_call_only() {
    Scene::each(|mut scene| {
        scene.relayed(&invite(1));
        assert_eq!(scene.send(&reply("180 Ringing", 1, "t1")), Ok(None));
        scene.end(&invite(1));
        assert_eq!(scene.deletes(), ["session a"]);
        assert_eq!(scene.active_calls(), 0);
    });
    Scene::each(|mut scene| {
        scene.relayed(&invite(1));
        scene.relayed(&reply_sdp("200 OK", 1, "b"));
        scene.end(&invite(1));
        scene.end(&invite(2));
        assert_eq!(scene.deletes(), [""; 0]);
        assert_eq!(scene.active_calls(), 1);
        let reinvite = kit::call::reinvite(3);
        let raw = reinvite.bytes();
        let message = mediaproxy::Message::parse(&raw, reinvite.source()).unwrap();
        let refused = scene.worker.end_session(&message, &mediaproxy::Options::default());
        assert_eq!(refused.unwrap_err().status(), mediaproxy::Status::Argument);
    });
}
