//! engage_media_proxy: calls that the dialog module follows.

use crate::ends::failed_invite;
use crate::forked::{Fork, first_kept, second_kept};
use crate::scene::{Module, Scene, stock, stock_server, with_module};

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
    engaged(kit::here!(), first_kept);
}

/// The dialog module has no dialog for the call that goes on.
#[test]
fn engaged_call_is_answered_twice_second_kept() {
    engaged(kit::here!(), second_kept);
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
fn failed_invite_with_the_tags_of_an_engaged_call_ends_nothing() {
    engaged(kit::here!(), failed_invite);
}

#[test]
fn engaged_call_that_nobody_answers() {
    engaged(kit::here!(), |scene| Fork::ring(scene, "nobody@x").all_busy(scene));
}
