//! engage_media_proxy: calls that the dialog module follows.

use crate::forked::Fork;
use crate::scene::{Module, Scene, audio_of, hang_up, negotiate, stock, stock_server, with_module};

/// Runs a scenario with our module, where no line of the script but
/// engage_media_proxy() and fix_contact() is about NAT; nothing may be left.
fn engaged(test: &str, scenario: impl FnOnce(&mut Scene<'_>)) {
    with_module(test, |network, directory| {
        let mut scene = stock(network, directory, Module::Ours, &["WITH_ENGAGE"]);
        scenario(&mut scene);
        // The dialog module has no dialog for the second answer, and says so.
        let known = ["tight matching failed", "dialog identification elements are"];
        scene.ends_well_despite(&known);
    });
}

#[test]
fn engaged_call_is_answered_twice_first_kept() {
    engaged(kit::here!(), |scene| {
        let mut fork = Fork::ring(scene, "first-kept@x");
        let [first, second] = fork.answered_twice(scene);
        Fork::hang_up(&fork.call, &mut scene.alice, &second, &mut fork.other);
        scene.talk(first.media(), fork.first.media());
        Fork::hang_up(&fork.call, &mut scene.alice, &first, &mut scene.bob);
    });
}

#[test]
fn engaged_call_is_answered_twice_second_kept() {
    engaged(kit::here!(), |scene| {
        let mut fork = Fork::ring(scene, "second-kept@x");
        let [first, second] = fork.answered_twice(scene);
        Fork::hang_up(&fork.call, &mut scene.alice, &first, &mut scene.bob);
        scene.talk_with(&fork.other, second.media(), fork.second.media());
        // The dialog module has no dialog for this one.
        let mut call = fork.call.forked(&second);
        call.dialog.cseq += 2;
        let (offer, answer) = (audio_of(&scene.alice, 2), audio_of(&fork.other, 2));
        let (invite, ok) = negotiate(&mut scene.alice, &mut call, &mut fork.other, &offer, &answer);
        scene.talk_with(&fork.other, ok.media(), invite.media());
        hang_up(&mut scene.alice, &mut call, &mut fork.other);
    });
}

/// The server starts again and has no database of dialogs; the relay lives on.
#[test]
fn engaged_call_over_a_restart() {
    with_module(kit::here!(), |network, directory| {
        let mut scene = stock(network, directory, Module::Ours, &["WITH_ENGAGE"]);
        scene.register();
        let mut call = scene.answered("restart@x");
        scene.talk(call.ok.media(), call.invite.media());
        let Scene { network, server, relays, alice, bob } = scene;
        server.stop();
        let server = stock_server(network, directory, Module::Ours, &relays[0], &["WITH_ENGAGE"]);
        let mut scene = Scene { network, server, relays, alice, bob };
        let (invite, ok) = scene.reinvite(&mut call.caller, 2, "sendrecv", "sendrecv");
        scene.talk(ok.media(), invite.media());
        scene.hang_up(&mut call.caller);
        scene.ends_well_despite(&["unable to find dialog for"]);
    });
}

#[test]
fn engaged_call_that_nobody_answers() {
    engaged(kit::here!(), |scene| {
        let mut fork = Fork::ring(scene, "nobody@x");
        let early = audio_of(&scene.bob, 1);
        scene.bob.answer(&fork.first, "183 Session Progress", "", &early);
        scene.alice.response(183, "INVITE");
        fork.other.answer(&fork.second, "486 Busy Here", "", "");
        fork.other.request("ACK");
        scene.bob.answer(&fork.first, "486 Busy Here", "", "");
        scene.bob.request("ACK");
        let busy = scene.alice.response(486, "INVITE");
        scene.alice.acknowledge_failure(&fork.call, &busy);
    });
}
