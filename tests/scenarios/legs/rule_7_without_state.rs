//! Rule 7: without stored state, after a restart or with a full table, messages in a
//! dialog still work: offers are sent to the relay by tags and CSeq, and only a BYE
//! ends something.

use kit::call::{Step, bob_sdp};
use kit::relay::header;

use super::{Kind, Scene, invite, reply, reply_sdp};

#[test]
fn messages_in_a_dialog_work_after_a_restart() {
    for (from, to) in [("a", "b"), ("b", "a")] {
        Scene::each(|mut scene| {
            scene.relayed(&invite(1));
            scene.relayed(&reply_sdp("200 OK", 1, "b"));
            scene.restart();
            scene.relayed(&Step::request("INVITE", 5, from, to).sdp(bob_sdp()));
            let requests = scene.requests();
            let last = requests.last().expect("a request");
            assert_eq!((header(last, "from_tag"), header(last, "to_tag")), (from, to));
            assert_eq!((header(last, "type"), header(last, "cseq")), ("request", "5"));
            scene.relayed(&Step::reply("200 OK", "INVITE", 5, from, to).sdp(bob_sdp()));
            // Either side finds the call that the first message made.
            scene.end(&Step::request("BYE", 9, "b", "a"));
            // Only the relay knows whether this was the only dialog of the call.
            let delete = match scene.kind {
                Kind::BuiltIn => "dialog b a",
                Kind::Dispatcher => "session b a",
            };
            assert_eq!(scene.deletes(), [delete]);
            assert_eq!(scene.active_calls(), 0);
        });
    }
}

/// A relay that has started again cannot know which dialogs there are: the server says it,
/// as long as it does.
#[test]
fn relay_is_sent_what_is_stored_of_the_dialog() {
    let mut scene = Scene::new(Kind::BuiltIn);
    let sent = |scene: &mut Scene, step: Step, line: &str| {
        scene.relayed(&step);
        let requests = scene.requests();
        let last = requests.last().expect("a request");
        assert_eq!(header(last, "dialog"), line, "{last}");
    };
    sent(&mut scene, invite(1), "(none)");
    sent(&mut scene, reply_sdp("200 OK", 1, "b"), "(none)");
    for (from, to, line) in
        [("a", "b", "confirmed"), ("b", "a", "confirmed"), ("a", "x", "missing")]
    {
        sent(&mut scene, Step::request("INVITE", 5, from, to).sdp(bob_sdp()), line);
    }
    sent(&mut scene, Step::reply("200 OK", "INVITE", 5, "b", "a").sdp(bob_sdp()), "confirmed");
    scene.restart();
    sent(&mut scene, Step::request("INVITE", 6, "a", "b").sdp(bob_sdp()), "(none)");
}

/// Whose tags these are, only the relay knows.
#[test]
fn bye_with_wrong_tags_after_a_restart_ends_no_call() {
    for (from, to) in [("b", "x"), ("x", "b"), ("a", "x"), ("x", "a")] {
        let mut scene = Scene::new(Kind::BuiltIn);
        scene.relayed(&invite(1));
        scene.relayed(&reply_sdp("200 OK", 1, "b"));
        scene.restart();
        scene.relayed(&Step::request("INVITE", 5, "b", "a").sdp(bob_sdp()));
        scene.end(&Step::request("BYE", 6, from, to));
        let deletes = scene.deletes();
        assert!(deletes.iter().all(|delete| delete.starts_with("dialog ")), "{deletes:?}");
        assert_eq!(scene.active_calls(), 1, "BYE from {from} to {to}");
        scene.relayed(&Step::reply("200 OK", "INVITE", 5, "b", "a").sdp(bob_sdp()));
    }
}

/// The relay knows whether the call has other dialogs; a dispatcher takes it whole.
#[test]
fn bye_after_a_restart_deletes_its_dialog() {
    for (kind, delete) in [(Kind::BuiltIn, "dialog b a"), (Kind::Dispatcher, "session b a")] {
        let mut scene = Scene::new(kind);
        scene.relayed(&invite(1));
        scene.relayed(&reply_sdp("200 OK", 1, "b"));
        scene.restart();
        scene.end(&Step::request("BYE", 9, "b", "a"));
        assert_eq!(scene.deletes(), [delete]);
    }
}

#[test]
fn bye_alone_ends_something_after_a_restart() {
    Scene::each(|mut scene| {
        scene.relayed(&invite(1));
        scene.relayed(&reply_sdp("200 OK", 1, "b"));
        scene.restart();
        scene.end(&Step::request("CANCEL", 1, "a", ""));
        scene.end(&reply("487 Request Terminated", 1, "b"));
        let deletes = scene.deletes();
        assert!(deletes.iter().all(|delete| delete.starts_with("unanswered")), "{deletes:?}");
        assert_eq!(scene.worker.engine().deletes().len(), 0);
    });
}

/// A relay that understands the report keeps ringing calls, and hears of the answer.
#[test]
fn replies_without_sdp_are_reported_after_a_restart() {
    for (kind, types) in [(Kind::BuiltIn, &["t1", ""][..]), (Kind::Dispatcher, &[""][..])] {
        let mut scene = Scene::new(kind);
        scene.relayed(&invite(1));
        scene.relayed(&reply_sdp("183 Session Progress", 1, "t1"));
        let before = scene.requests().len();
        scene.restart();
        assert_eq!(scene.send(&reply("180 Ringing", 1, "t1")), Ok(None));
        assert_eq!(scene.send(&reply("200 OK", 1, "t1")), Ok(None));
        let requests = scene.requests().split_off(before);
        let early: Vec<_> = requests.iter().map(|request| header(request, "early_tag")).collect();
        let early: Vec<_> = early.iter().map(|tag| tag.trim_start_matches("(none)")).collect();
        assert_eq!(early, types, "{kind:?}");
        assert_eq!(header(requests.last().expect("a report"), "to_tag"), "t1");
        assert_eq!(scene.active_calls(), 0, "nothing is stored of it");
    }
}
