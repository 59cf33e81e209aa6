//! Debian's own modules with `mediaproxyd` in the place of their relay.

use crate::scene::{Module, stock, with_kamailio};

fn call_through(test: &str, defines: &[&str]) {
    with_kamailio(test, |network, directory| {
        let mut scene = stock(network, directory, Module::Stock, defines);
        scene.register();
        let mut call = scene.answered("stock@x");
        assert_eq!(call.invite.contact().to_string(), "203.0.113.5:5060");
        scene.talk(call.ok.media(), call.invite.media());
        scene.hang_up(&mut call.caller);
        let said = scene.server.stop();
        assert!(!said.contains("ERROR"), "{said}");
    });
}

#[test]
fn stock_modules_make_calls_through_mediaproxyd() {
    call_through(kit::here!(), &[]);
}

#[test]
fn stock_modules_follow_dialogs_through_mediaproxyd() {
    call_through(kit::here!(), &["WITH_ENGAGE"]);
}
