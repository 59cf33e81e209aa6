//! Messages without SDP that show that a call is alive: the refresh of a session timer
//! (RFC 4028) is often an UPDATE without SDP.

use std::thread::sleep;
use std::time::Duration;

use kit::call::Step;
use mediaproxy::internals::shared::calls::{CallMessage, LegStatus};

use super::{Kind, Scene, invite, reply_sdp};

/// An answered call is stored for 8 h after its last message (seconds).
const ESTABLISHED: u32 = 8 * 3600;

fn seconds() -> u32 {
    u32::try_from(mediaproxy::now() / 1000).unwrap()
}

fn status(scene: &Scene, seconds: u32) -> LegStatus {
    let calls = scene.worker.engine().calls();
    let key = calls.key(b"call@x", b"a", b"t");
    calls.look_up(&CallMessage::command(key), seconds).status()
}

#[test]
fn update_without_sdp_refreshes_its_call() {
    for (from, to, refreshes) in [("a", "t", true), ("t", "a", true), ("a", "x", false)] {
        let mut scene = Scene::new(Kind::BuiltIn);
        scene.relayed(&invite(1));
        scene.relayed(&reply_sdp("200 OK", 1, "t"));
        let answered = seconds();
        sleep(Duration::from_millis(2_000));
        assert_eq!(scene.send(&Step::request("UPDATE", 2, from, to)), Ok(None));
        let stored = status(&scene, answered + ESTABLISHED + 1) == LegStatus::Established;
        assert_eq!(stored, refreshes, "{from} {to}");
    }
}
