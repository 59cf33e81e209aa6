//! What operators see and do, and scripts in another language.

use std::fs;

use crate::scene::{Relays, Scene, audio_of, fixture, ours, with_module};

use kit::netns::SERVER;
use kit::running::wait_for;

/// The value of a field in what an RPC says of one relay.
fn field(said: &str, relay: &str, name: &str) -> String {
    let (_, rest) = said.split_once(relay).unwrap_or_else(|| panic!("no {relay} in {said}"));
    let prefix = format!("{name}: ");
    let line = rest.lines().find_map(|line| line.trim().strip_prefix(&prefix));
    line.unwrap_or_else(|| panic!("no {name} of {relay} in {said}")).to_string()
}

/// The value of a counter in what an RPC says.
fn counter(said: &str, name: &str) -> u64 {
    let prefix = format!("{name}: ");
    let line = said.lines().find_map(|line| line.trim().strip_prefix(&prefix));
    line.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {name} in {said}"))
}

#[test]
fn relays_are_drained_disabled_and_enabled() {
    with_module(kit::here!(), |network, directory| {
        let mut scene = ours(network, directory, Relays::Daemons, &[]);
        scene.register();
        let uris: Vec<String> = scene.relays.iter().map(|relay| relay.uri()).collect();
        let rpc = |scene: &Scene<'_>, words: &[&str]| {
            scene.server.rpc(words).unwrap_or_else(|said| panic!("{words:?}: {said}"))
        };
        let mut call = scene.answered("first@x");
        let on = usize::from(call.invite.media().port() / 1000 - 20);
        let (mine, other) = (&uris[on], &uris[1 - on]);
        let said = rpc(&scene, &["mediaproxy.relays"]);
        for uri in &uris {
            assert_eq!(field(&said, uri, "set"), "near");
            assert_eq!(field(&said, uri, "health"), "up");
            assert_eq!(field(&said, uri, "admin_state"), "enabled");
            assert_eq!(
                (field(&said, uri, "weight"), field(&said, uri, "listed")),
                ("1".into(), "1".into())
            );
        }
        let said = rpc(&scene, &["mediaproxy.sessions"]);
        assert_eq!(field(&said, mine, "active_calls"), "1");
        assert_eq!(field(&said, other, "active_calls"), "0");

        // Drained: its call stays, new ones go to the other.
        rpc(&scene, &["mediaproxy.drain", mine]);
        assert_eq!(field(&rpc(&scene, &["mediaproxy.relays"]), mine, "admin_state"), "draining");
        for number in 0..6 {
            let mut new = scene.answered(&format!("drained-{number}@x"));
            assert_ne!(usize::from(new.invite.media().port() / 1000 - 20), on);
            scene.hang_up(&mut new.caller);
        }
        let (invite, ok) = scene.reinvite(&mut call.caller, 2, "sendrecv", "sendrecv");
        assert_eq!(usize::from(invite.media().port() / 1000 - 20), on);
        scene.talk(ok.media(), invite.media());
        scene.hang_up(&mut call.caller);

        // Both out of use: no call.
        rpc(&scene, &["mediaproxy.disable", mine]);
        rpc(&scene, &["mediaproxy.disable", other]);
        assert_eq!(field(&rpc(&scene, &["mediaproxy.relays"]), other, "admin_state"), "disabled");
        let mut call = scene.alice.call("bob", "none@x");
        let offer = audio_of(&scene.alice, 1);
        scene.alice.ask(&mut call, "INVITE", "", &offer);
        let refused = scene.alice.response(503, "INVITE");
        scene.alice.acknowledge_failure(&call, &refused);

        rpc(&scene, &["mediaproxy.enable", mine]);
        let mut call = scene.answered("again@x");
        assert_eq!(usize::from(call.invite.media().port() / 1000 - 20), on);
        scene.hang_up(&mut call.caller);

        let why = scene.server.rpc(&["mediaproxy.drain", "mediaproxy:/nowhere"]);
        assert!(why.expect_err("no such relay").contains("/nowhere"));
        scene.server.rpc(&["mediaproxy.enable"]).expect_err("which one?");
        scene.server.stop();
    });
}

#[test]
fn counters_by_rpc_and_as_statistics_of_the_server() {
    with_module(kit::here!(), |network, directory| {
        let mut scene = ours(network, directory, Relays::Embedded, &[]);
        scene.register();
        let mut call = scene.answered("counted@x");
        scene.talk(call.ok.media(), call.invite.media());
        let said = scene.server.rpc(&["mediaproxy.stats"]).expect("the counters");
        assert_eq!(counter(&said, "offers"), 1);
        // The relay tells what it did five times a second.
        wait_for("the packets of the relay", || {
            let said = scene.server.rpc(&["mediaproxy.stats"]).expect("the counters");
            (counter(&said, "embedded_sessions") == 1 && counter(&said, "embedded_relayed") >= 400)
                .then_some(())
        });
        scene.hang_up(&mut call.caller);
        wait_for("the end of the session", || {
            let said = scene.server.rpc(&["mediaproxy.stats"]).expect("the counters");
            (counter(&said, "embedded_sessions") == 0 && counter(&said, "embedded_open_ports") == 0)
                .then_some(())
        });
        // The same numbers in the server's own way.
        let names: Vec<String> = said
            .lines()
            .filter_map(|line| line.trim().split_once(": "))
            .map(|(name, _)| name.to_string())
            .collect();
        assert!(names.len() > 10, "{said}");
        let group = scene.server.rpc(&["stats.get_statistics", "mediaproxy:"]).expect("the group");
        for name in names {
            assert!(group.contains(&format!("mediaproxy:{name} = ")), "no {name} in {group}");
        }
        scene.ends_well();
    });
}

#[test]
fn lists_are_reloaded_on_command() {
    with_module(kit::here!(), |network, directory| {
        let scene = ours(network, directory, Relays::Embedded, &[]);
        let before = scene.server.said().matches("asymmetric: loaded").count();
        fs::write(directory.join("asymmetric"), "# nobody\n").expect("a list");
        scene.server.rpc(&["mediaproxy.reload"]).expect("a reload");
        let mut scene = scene;
        scene.register();
        wait_for("the list", || {
            (scene.server.said().matches("asymmetric: loaded").count() > before).then_some(())
        });
        scene.ends_well();
    });
}

#[test]
fn scripts_in_another_language_have_every_function() {
    with_module(kit::here!(), |network, directory| {
        let script = kit::root().join("tests/fixtures/kamailio/kemi.js");
        let text = fs::read_to_string(&script).expect("the script");
        let source =
            fs::read_to_string(kit::root().join("bindings/kamailio/kemi.c")).expect("kemi.c");
        for line in source.lines().filter_map(|line| line.trim().strip_prefix("FUNCTION(")) {
            let name = line.split(',').next().expect("a name");
            assert!(text.contains(&format!("KSR.mediaproxy.{name}(")), "{name} is not called");
        }
        let defines =
            [("ADDRESS", SERVER.to_string()), ("SCRIPT", format!("\"{}\"", script.display()))];
        let mut scene = fixture(network, directory, "kemi.cfg", &defines);
        scene.register();
        let mut call = scene.answered("kemi@x");
        scene.talk(call.ok.media(), call.invite.media());
        scene.hang_up(&mut call.caller);
        // Followed by the dialog module.
        let mut call = scene.alice.call("bob", "engaged@x");
        let offer = audio_of(&scene.alice, 1);
        scene.alice.ask(&mut call, "INVITE", "X-Engage: yes\r\n", &offer);
        let invite = scene.bob.request("INVITE");
        let answer = audio_of(&scene.bob, 1);
        scene.bob.answer(&invite, "200 OK", "", &answer);
        let ok = scene.alice.response(200, "INVITE");
        scene.alice.acknowledge(&mut call, &ok, "");
        scene.bob.request("ACK");
        scene.talk(ok.media(), invite.media());
        scene.hang_up(&mut call);
        wait_for("the end of both sessions", || scene.sessions().eq(&[0]).then_some(()));
        scene.server.stop();
    });
}
