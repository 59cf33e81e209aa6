//! Which messages end a call, and which ones do not.

use crate::forked::Fork;
use crate::phone::Call;
use crate::scene::{
    Answered, Relays, Scene, audio_of, everywhere, negotiate, ours, ours_server, with_module,
};
use kit::netns::Network;
use kit::sip::Sip;

/// Runs a scenario with two `mediaproxyd` that live on when the server starts
/// again: it knows nothing of the calls then.
fn over_a_restart(
    test: &str,
    before: impl FnOnce(&mut Scene<'_>) -> Answered,
    after: impl FnOnce(&mut Scene<'_>, Answered),
) {
    with_module(test, |network: &Network, directory| {
        let mut scene = ours(network, directory, Relays::Daemons, &[]);
        scene.register();
        let call = before(&mut scene);
        let Scene { network, server, relays, alice, bob } = scene;
        server.stop();
        let server = ours_server(network, directory, &relays, &[]);
        let mut scene = Scene { network, server, relays, alice, bob };
        assert_eq!(scene.open_ports(), 4, "the relay has the call's session");
        after(&mut scene, call);
        scene.ends_well();
    });
}

/// Alice's offer within a call is refused with this status.
pub(crate) fn refused(scene: &mut Scene<'_>, call: &mut Call, status: &str) {
    let offer = audio_of(&scene.alice, 2);
    scene.alice.ask(call, "INVITE", "", &offer);
    let invite = scene.bob.request("INVITE");
    scene.bob.answer(&invite, status, "", "");
    let number = status.split(' ').next().and_then(|word| word.parse().ok());
    scene.not_answered(call, number.expect("a status"));
}

#[test]
fn reinvite_488_keeps_session() {
    everywhere(kit::here!(), |scene| {
        scene.register();
        let mut call = scene.answered("refused@x");
        refused(scene, &mut call.caller, "488 Not Acceptable Here");
        scene.talk(call.ok.media(), call.invite.media());
        scene.hang_up(&mut call.caller);
    });
}

#[test]
fn reinvite_488_after_a_restart_keeps_session() {
    over_a_restart(
        kit::here!(),
        |scene| scene.answered("refused@x"),
        |scene, mut call| {
            refused(scene, &mut call.caller, "488 Not Acceptable Here");
            scene.talk(call.ok.media(), call.invite.media());
            scene.hang_up(&mut call.caller);
        },
    );
}

#[test]
fn reinvite_after_a_restart_goes_on_at_the_same_relay() {
    over_a_restart(
        kit::here!(),
        |scene| scene.answered("held@x"),
        |scene, mut call| {
            let (invite, ok) = scene.reinvite(&mut call.caller, 2, "sendrecv", "sendrecv");
            assert_eq!((ok.media(), invite.media()), (call.ok.media(), call.invite.media()));
            scene.talk(ok.media(), invite.media());
            // The called phone's turn.
            let (offer, answer) = (audio_of(&scene.bob, 3), audio_of(&scene.alice, 3));
            let Scene { alice, bob, .. } = scene;
            let (invite, ok) = negotiate(bob, &mut call.callee, alice, &offer, &answer);
            scene.talk(invite.media(), ok.media());
            scene.hang_up(&mut call.caller);
        },
    );
}

/// A proxy behind bob's NAT forks. One of its phones rings, another one is busy,
/// and the busy one's reply is the one that comes back.
#[test]
fn downstream_fork_fails_under_another_tag() {
    everywhere(kit::here!(), |scene| {
        scene.register();
        let (call, invite) = scene.calling("other-tag@x");
        let early = audio_of(&scene.bob, 1);
        scene.bob.answer_as("rings", &invite, "180 Ringing", "", &early);
        scene.alice.response(180, "INVITE");
        scene.bob.answer_as("busy", &invite, "486 Busy Here", "", "");
        scene.not_answered(&call, 486);
    });
}

/// Alice's call to bob, of whose early media she hears: the INVITE as he got it.
pub(crate) fn early(scene: &mut Scene<'_>, id: &str) -> (Call, Sip) {
    scene.register();
    let (call, invite) = scene.calling(id);
    let early = audio_of(&scene.bob, 1);
    scene.bob.answer(&invite, "183 Session Progress", "", &early);
    let progress = scene.alice.response(183, "INVITE");
    scene.talk(progress.media(), invite.media());
    (call, invite)
}

/// A CANCEL whose branch no transaction of the server has, and one that comes
/// when the call is answered.
#[test]
fn stray_cancel_ends_nothing() {
    everywhere(kit::here!(), |scene| {
        let (mut call, invite) = early(scene, "stray@x");
        let mut stray = call.clone();
        stray.has_another_branch();
        scene.alice.ask(&mut stray, "CANCEL", "", "");
        let answer = audio_of(&scene.bob, 1);
        scene.bob.answer(&invite, "200 OK", "", &answer);
        let ok = scene.alice.response(200, "INVITE");
        scene.talk(ok.media(), invite.media());
        scene.alice.ask(&mut call.clone(), "CANCEL", "", "");
        scene.alice.response(200, "CANCEL");
        scene.talk(ok.media(), invite.media());
        scene.alice.acknowledge(&mut call, &ok, "");
        scene.bob.request("ACK");
        scene.hang_up(&mut call);
    });
}

/// A BYE of a dialog that is not among those of the call.
#[test]
fn bye_of_another_dialog_ends_nothing() {
    everywhere(kit::here!(), |scene| {
        scene.register();
        let mut call = scene.answered("other-bye@x");
        let mut other = call.caller.clone();
        other.dialog.remote = other.dialog.remote.replace("tag-bob", "tag-nobody");
        scene.alice.ask(&mut other, "BYE", "", "");
        let bye = scene.bob.request("BYE");
        scene.bob.answer(&bye, "481 No Such Dialog", "", "");
        scene.alice.response(481, "BYE");
        scene.talk(call.ok.media(), call.invite.media());
        call.caller.dialog.cseq += 1;
        scene.hang_up(&mut call.caller);
    });
}

/// The second try, with the same Call-ID and tag and the next CSeq, as after a
/// 401: it is a call like any other.
#[test]
fn invite_after_a_401_is_a_new_try() {
    everywhere(kit::here!(), |scene| {
        scene.register();
        let (mut call, invite) = scene.calling("again@x");
        scene.bob.answer_as("first", &invite, "401 Unauthorized", "", "");
        scene.not_answered(&call, 401);
        let (offer, answer) = (audio_of(&scene.alice, 1), audio_of(&scene.bob, 1));
        let Scene { alice, bob, .. } = scene;
        let (invite, ok) = negotiate(alice, &mut call, bob, &offer, &answer);
        scene.talk(ok.media(), invite.media());
        scene.hang_up(&mut call);
    });
}

#[test]
fn failed_invite_with_the_tags_of_an_answered_call_ends_nothing() {
    everywhere(kit::here!(), failed_invite);
}

/// Whoever has seen Alice's INVITE can send one with its Call-ID and tag.
pub(crate) fn failed_invite(scene: &mut Scene<'_>) {
    scene.register();
    let mut call = scene.answered("seen@x");
    let mut other = scene.alice.call("bob", "seen@x");
    other.dialog.cseq = call.caller.dialog.cseq;
    scene.alice.ask(&mut other, "INVITE", "", "");
    let invite = scene.bob.request("INVITE");
    scene.bob.answer_as("other", &invite, "486 Busy Here", "", "");
    scene.not_answered(&other, 486);
    scene.talk(call.ok.media(), call.invite.media());
    scene.hang_up(&mut call.caller);
}

#[test]
fn reinvite_after_the_bye_is_refused_with_487() {
    everywhere(kit::here!(), |scene| {
        scene.register();
        let mut call = scene.answered("over@x");
        scene.hang_up(&mut call.caller);
        let offer = audio_of(&scene.alice, 2);
        scene.alice.ask(&mut call.caller, "INVITE", "", &offer);
        let reply = scene.alice.response(487, "INVITE");
        scene.alice.acknowledge_failure(&call.caller, &reply);
        // The server has no transaction for its reply.
        scene.bob.request("ACK");
    });
}

#[test]
fn invite_that_cannot_be_sent_leaves_no_session() {
    with_module(kit::here!(), |network, directory| {
        let mut scene = ours(network, directory, Relays::Embedded, &[]);
        scene.alice.register();
        scene.bob.register_out_of_reach();
        let mut call = scene.alice.call("bob", "nowhere@x");
        let offer = audio_of(&scene.alice, 1);
        scene.alice.ask(&mut call, "INVITE", "", &offer);
        let reply = scene.alice.failure("INVITE");
        scene.alice.acknowledge_failure(&call, &reply);
        scene.holds_nothing();
    });
}

/// Alice's phone has no tags (RFC 2543).
#[test]
fn call_without_tags_of_the_caller_ends() {
    everywhere(kit::here!(), |scene| {
        scene.register();
        let without_tag = |call: &mut Call| {
            let (uri, _) = call.dialog.local.split_once(";tag=").expect("a tag");
            call.dialog.local = uri.to_string();
        };
        let mut call = scene.alice.call("bob", "busy@x");
        without_tag(&mut call);
        let offer = audio_of(&scene.alice, 1);
        scene.alice.ask(&mut call, "INVITE", "", &offer);
        let invite = scene.bob.request("INVITE");
        scene.bob.answer(&invite, "486 Busy Here", "", "");
        scene.not_answered(&call, 486);
        scene.holds_nothing();

        let mut call = scene.alice.call("bob", "answered@x");
        without_tag(&mut call);
        let answer = audio_of(&scene.bob, 1);
        let Scene { alice, bob, .. } = scene;
        let (invite, ok) = negotiate(alice, &mut call, bob, &offer, &answer);
        scene.talk(ok.media(), invite.media());
        scene.hang_up(&mut call);
    });
}

/// One phone is busy, the other one has left without a word, and alice gives up:
/// the server makes the final reply itself.
#[test]
fn server_answers_for_a_silent_phone() {
    everywhere(kit::here!(), |scene| {
        let mut fork = Fork::ring(scene, "silent@x");
        fork.other.leave();
        scene.bob.answer(&fork.first, "486 Busy Here", "", "");
        scene.bob.request("ACK");
        scene.alice.ask(&mut fork.call, "CANCEL", "", "");
        scene.alice.response(200, "CANCEL");
        // After fr_timer.
        let reply = scene.alice.failure("INVITE");
        scene.alice.acknowledge_failure(&fork.call, &reply);
    });
}

/// Alice gives up at the moment bob answers: there is a call.
#[test]
fn cancel_that_crosses_the_answer() {
    everywhere(kit::here!(), |scene| {
        scene.register();
        let (mut call, invite) = scene.calling("crossing@x");
        scene.bob.answer(&invite, "180 Ringing", "", "");
        scene.alice.response(180, "INVITE");
        scene.alice.ask(&mut call, "CANCEL", "", "");
        scene.alice.response(200, "CANCEL");
        let cancel = scene.bob.request("CANCEL");
        let answer = audio_of(&scene.bob, 1);
        scene.bob.answer(&invite, "200 OK", "", &answer);
        scene.bob.answer(&cancel, "481 No Such Transaction", "", "");
        let ok = scene.alice.response(200, "INVITE");
        scene.alice.acknowledge(&mut call, &ok, "");
        scene.bob.request("ACK");
        scene.talk(ok.media(), invite.media());
        assert_eq!(scene.open_ports(), 4, "one session");
        scene.hang_up(&mut call);
    });
}
