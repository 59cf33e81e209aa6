//! Rule 9: a provisional reply after the dialog was confirmed changes nothing (RFC
//! 3261 13.2.2.1).

use kit::call::Step;

use super::{Kind, Scene, invite, reply, reply_sdp};

#[test]
fn provisional_reply_after_the_answer_changes_no_state() {
    Scene::each(|mut scene| {
        scene.relayed(&invite(1));
        scene.relayed(&reply_sdp("183 Session Progress", 1, "c"));
        scene.relayed(&reply_sdp("200 OK", 1, "b"));
        let requests = scene.requests().len();
        assert_eq!(scene.send(&reply("180 Ringing", 1, "b")), Ok(None));
        assert_eq!(scene.send(&reply("180 Ringing", 1, "c")), Ok(None));
        assert_eq!(scene.send(&reply("180 Ringing", 1, "d")), Ok(None));
        assert_eq!(scene.requests().len(), requests, "nothing is reported");
        scene.end(&Step::request("BYE", 2, "b", "a"));
        assert_eq!(scene.deletes(), ["session b a"], "no early dialog came to life");
        assert_eq!(scene.active_calls(), 0);
    });
}

#[test]
fn provisional_reply_after_the_answer_gets_its_edits() {
    let mut scene = Scene::new(Kind::BuiltIn);
    scene.relayed(&invite(1));
    let port = scene.relayed(&reply_sdp("200 OK", 1, "b"));
    assert_eq!(scene.relayed(&reply_sdp("183 Session Progress", 1, "b")), port);
    scene.end(&Step::request("BYE", 2, "a", "b"));
    assert_eq!(scene.deletes(), ["session a b"]);
}
