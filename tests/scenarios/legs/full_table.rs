//! A full call table: calls are relayed without stored state, one line is logged, and
//! the calls that are stored are served as before.

use mediaproxy::internals::shared::Counter;

use kit::call::{Step, alice_sdp, bob_sdp};

use super::{Scene, invite, reply_sdp};

#[test]
fn full_table_is_logged_once_and_calls_go_on() {
    Scene::each(|mut scene| {
        scene.relayed(&invite(1));
        scene.relayed(&reply_sdp("200 OK", 1, "b"));
        let junk = |n: u32| format!("junk-{n}@x");
        for n in 0..600 {
            let first = Step::request("INVITE", 1, "j", "").sdp(alice_sdp()).call_id(&junk(n));
            scene.relayed(&first);
        }
        assert!(scene.count(Counter::CallsNotStored) >= 600 - 256);
        let full = |line: &&String| line.contains("call table full");
        assert_eq!(scene.log.lock().unwrap().iter().filter(full).count(), 1);
        // The stored call, and one that is not stored.
        scene.relayed(&kit::call::reinvite(2));
        let last = junk(599);
        let answer = Step::reply("200 OK", "INVITE", 1, "j", "k").sdp(bob_sdp());
        scene.relayed(&answer.call_id(&last));
        scene.relayed(&Step::request("INVITE", 2, "j", "k").sdp(alice_sdp()).call_id(&last));
        scene.end(&Step::request("BYE", 3, "b", "a"));
        assert_eq!(scene.deletes(), ["session b a"]);
    });
}
