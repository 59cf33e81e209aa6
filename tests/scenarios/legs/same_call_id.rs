//! A B2BUA that keeps the Call-ID has a leg for each of its sides: a dialog is
//! Call-ID and tags (RFC 3261 12).

use kit::call::{Step, alice_sdp, bob_sdp};
use kit::relay::header;

use super::{Scene, invite, reply_sdp};

#[test]
fn legs_with_one_call_id_end_one_by_one() {
    for cseq in [1, 101] {
        Scene::each(|mut scene| {
            scene.relayed(&invite(1));
            scene.relayed(&Step::request("INVITE", cseq, "b1", "").sdp(alice_sdp()));
            scene.relayed(&Step::reply("200 OK", "INVITE", cseq, "b1", "c").sdp(bob_sdp()));
            scene.relayed(&reply_sdp("200 OK", 1, "t"));
            assert_eq!(scene.active_calls(), 2);
            scene.end(&Step::request("BYE", 2, "a", "t"));
            assert_eq!(scene.deletes(), ["session a t"]);
            assert_eq!(scene.active_calls(), 1);
            scene.relayed(&Step::request("INVITE", cseq + 1, "b1", "c").sdp(alice_sdp()));
            scene.end(&Step::request("BYE", cseq + 2, "b1", "c"));
            assert_eq!(scene.deletes(), ["session a t", "session b1 c"]);
            assert_eq!(scene.active_calls(), 0);
        });
    }
}

/// The second leg is not a spiral of the first: its SDP has the relay's ports of the
/// other leg, and the relay gives it ports of its own.
#[test]
fn relay_is_asked_for_each_leg_although_the_sdp_has_its_own_ports() {
    Scene::each(|mut scene| {
        let port = scene.relayed(&invite(1));
        let through = kit::call::audio("203.0.113.9", port);
        scene.relayed(&Step::request("INVITE", 1, "b1", "").sdp(through));
        let requests = scene.requests();
        let tags: Vec<_> = requests.iter().map(|request| header(request, "from_tag")).collect();
        assert_eq!(tags, ["a", "b1"]);
    });
}

/// Anybody can send a request with the callee's tag in From and a To tag that nobody has.
#[test]
fn junk_of_the_callee_hides_no_dialog() {
    Scene::each(|mut scene| {
        scene.relayed(&invite(1));
        scene.relayed(&reply_sdp("200 OK", 1, "b"));
        scene.relayed(&Step::request("UPDATE", 5, "b", "x").sdp(bob_sdp()));
        scene.end(&Step::request("BYE", 6, "b", "y"));
        assert!(scene.deletes().iter().all(|delete| delete.ends_with(" b y")), "not the call's");
        scene.relayed(&Step::request("INVITE", 7, "b", "a").sdp(bob_sdp()));
        scene.relayed(&Step::reply("200 OK", "INVITE", 7, "b", "a").sdp(alice_sdp()));
        scene.end(&Step::request("BYE", 8, "b", "a"));
        assert_eq!(scene.deletes().last().unwrap(), "session b a");
        assert_eq!(scene.active_calls(), 1, "the junk's");
    });
}
