//! `end_media_session()` for every message in every route: only what ends a call
//! does.

use crate::ends::{early, refused};
use crate::forked::Fork;
use crate::scene::{Scene, audio_of, fixture, hang_up, with_module};
use kit::netns::SERVER;

fn everything_ends(test: &str, more: &[&'static str], scenario: impl FnOnce(&mut Scene<'_>)) {
    with_module(test, |network, directory| {
        let mut defines = vec![("ADDRESS", SERVER.to_string())];
        defines.extend(more.iter().map(|name| (*name, String::new())));
        let mut scene = fixture(network, directory, "routes.cfg", &defines);
        scenario(&mut scene);
        scene.ends_well();
    });
}

/// One phone is busy at once, the other one answers, and a re-INVITE is refused.
#[test]
fn routes_end_what_their_message_ends() {
    everything_ends(kit::here!(), &[], |scene| {
        let mut fork = Fork::ring(scene, "everywhere@x");
        scene.bob.answer(&fork.first, "486 Busy Here", "", "");
        scene.bob.request("ACK");
        let early = audio_of(&fork.other, 1);
        fork.other.answer(&fork.second, "183 Session Progress", "", &early);
        scene.alice.response(183, "INVITE");
        let ok = fork.answered_by_other(scene);
        scene.talk_with(&fork.other, ok.media(), fork.second.media());
        std::mem::swap(&mut scene.bob, &mut fork.other);
        refused(scene, &mut fork.call, "488 Not Acceptable Here");
        scene.talk(ok.media(), fork.second.media());
        assert_eq!(scene.open_ports(), 4);
        scene.hang_up(&mut fork.call);
        scene.holds_nothing();
        std::mem::swap(&mut scene.bob, &mut fork.other);

        // Nobody answers.
        fork.ring_again(scene, "nobody@x").all_busy(scene);
    });
}

/// Without transactions each failure reply goes back to the caller.
#[test]
fn stateless_reply_route_ends_the_call() {
    everything_ends(kit::here!(), &["STATELESS"], |scene| {
        let (_, invite) = early(scene, "busy@x");
        scene.bob.answer(&invite, "486 Busy Here", "", "");
        scene.alice.response(486, "INVITE");
        scene.holds_nothing();

        let mut call = scene.answered("answered@x");
        scene.talk(call.ok.media(), call.invite.media());
        let Scene { alice, bob, .. } = scene;
        hang_up(alice, &mut call.caller, bob);
    });
}
