//! What the parameters of the stock module do in ours.

use std::fs;
use std::path::Path;

use crate::failing::{child_of, refusal};
use crate::scene::{Scene, fixture, with_module};
use kit::netns::{Network, SERVER};
use kit::relay::Relay;
use kit::running::wait_for;
use kit::sip::describe;

fn server<'n>(
    network: &'n Network,
    directory: &Path,
    defines: &[(&'static str, String)],
) -> Scene<'n> {
    fs::create_dir_all(directory).expect("a directory");
    let list = directory.join("list");
    fs::write(&list, "^Odd Phone\n").expect("a client list");
    let mut all = vec![("LIST", format!("\"{}\"", list.display()))];
    all.extend_from_slice(defines);
    if defines.iter().all(|(name, _)| *name != "ADDRESS") {
        all.push(("ADDRESS", SERVER.to_string()));
    }
    fixture(network, directory, "avps.cfg", &all)
}

fn at(relay: &Relay) -> (&'static str, String) {
    ("DISPATCHER", format!("\"{}\"", relay.path().display()))
}

/// Alice's offer with these headers, and what the script logged of it.
fn offered(scene: &mut Scene<'_>, id: &str, headers: &str) -> String {
    let before = scene.server.said().len();
    let offer = describe(
        &scene.alice.host,
        1,
        &[
            "a=ice-ufrag:8hhY",
            "a=ice-pwd:asd88fgpdd777uzjYhagZg",
            "m=audio 6060 RTP/AVP 8",
            "a=candidate:H1 1 UDP 2130706431 192.168.1.10 6060 typ host",
        ],
    );
    let mut call = scene.alice.call("bob", id);
    scene.alice.ask(&mut call, "INVITE", headers, &offer);
    let reply = scene.alice.response(404, "INVITE");
    scene.alice.acknowledge_failure(&call, &reply);
    wait_for("the script's line", || {
        let said = scene.server.said();
        let new = said.get(before..).unwrap_or_default();
        new.contains("typ host").then(|| new.to_string())
    })
}

/// Relay candidates (RFC 8445 5.1.2.1): type preference 126 with the first local
/// preference that the phone does not use, and type preference 0.
const HIGH: &str = " UDP 2130706175 203.0.113.9 50000 typ relay";
const LOW: &str = " UDP 16777215 203.0.113.9 50000 typ relay";

#[test]
fn avps_of_a_script_apply_to_its_call() {
    let test = kit::here!();
    with_module(test, |network, directory| {
        let relay = Relay::answering();
        let mut scene = server(network, directory, &[at(&relay)]);

        // Nothing is said: the parameters hold.
        let said = offered(&mut scene, "plain@x", "");
        assert!(said.contains("lists 0 0\n"), "{said}");
        assert!(said.contains("tested 1 -1, used 1, ended 1"), "{said}");
        assert!(said.contains("moon_phase"), "the test that there is not is named: {said}");
        assert!(said.contains(HIGH), "{said}");
        let requests = relay.wait_for(2);
        assert!(requests[0].contains("signaling_ip: 203.0.113.5\r\n"), "{requests:?}");
        assert!(requests[0].contains("media_relay: \r\n"), "{requests:?}");
        assert!(requests[1].starts_with("remove\r\n"), "{requests:?}");

        let headers = "X-Came-From: 192.0.2.99\r\nX-Relay: 192.0.2.50\r\nX-ICE: low-priority\r\n";
        let said = offered(&mut scene, "told@x", headers);
        assert!(said.contains(LOW) && !said.contains(HIGH), "{said}");
        let requests = relay.wait_for(4);
        assert!(requests[2].contains("signaling_ip: 192.0.2.99\r\n"), "{requests:?}");
        assert!(requests[2].contains("media_relay: 192.0.2.50\r\n"), "{requests:?}");

        scene.alice.agent = "Odd Phone 1.0";
        let said = offered(&mut scene, "none@x", "X-ICE: none\r\n");
        assert!(said.contains("lists 0 1\n"), "{said}");
        assert!(!said.contains("typ relay"), "{said}");

        // Without a description, as with the stock module.
        let mut call = scene.alice.call("bob", "bare@x");
        scene.alice.ask(&mut call, "INVITE", "", "");
        let reply = scene.alice.response(404, "INVITE");
        scene.alice.acknowledge_failure(&call, &reply);
        scene.server.says("tested 1 -1, used -2, ended 1");
        scene.server.stop();
    });
}

#[test]
fn module_that_is_disabled_relays_nothing_and_still_tests() {
    with_module(kit::here!(), |network, directory| {
        let relay = Relay::answering();
        let mut scene = server(network, directory, &[at(&relay), ("OFF", String::new())]);
        let said = offered(&mut scene, "off@x", "X-Engage: yes\r\n");
        assert!(said.contains("engaged -1\n"), "{said}");
        assert!(said.contains("tested 1 -1, used -1, ended -1"), "{said}");
        assert!(!said.contains("203.0.113.9"), "{said}");
        assert_eq!(relay.requests(), [""; 0]);
        scene.server.stop();
    });
}

/// Phones reach the embedded relay where they reach the server, unless told
/// otherwise.
#[test]
fn embedded_relay_is_where_the_server_is() {
    with_module(kit::here!(), |network, directory| {
        let public = ("ADDRESS", format!("{SERVER}:5060 advertise 192.0.2.77"));
        let given = ("MEDIA", format!("\"{SERVER}\""));
        let both = [public, given];
        for (name, defines, media) in [
            ("own", &[][..], SERVER),
            ("advertised", &both[..1], "192.0.2.77"),
            ("given", &both, SERVER),
        ] {
            let mut scene = server(network, &directory.join(name), defines);
            let said = offered(&mut scene, name, "");
            assert!(said.contains(&format!("c=IN IP4 {media}\r\n")), "{name}: {said}");
            scene.server.stop();
        }
    });
}

/// Killed, it cannot tell its processes to end.
#[test]
fn keeper_and_embedded_relay_end_with_a_server_that_is_killed() {
    let test = kit::here!();
    with_module(test, |network, directory| {
        let scene = server(network, directory, &[]);
        let process = |name| wait_for(name, || scene.server.processes(name).first().copied());
        let (supervisor, keeper) = (process("MediaProxy relay"), process("MediaProxy keeper"));
        let relay = wait_for("the relay's process", || child_of(supervisor));
        // SAFETY: takes no pointers; the server this test started.
        unsafe { libc::kill(scene.server.pid(), libc::SIGKILL) };
        for pid in [relay, supervisor, keeper] {
            wait_for("the end of a process of ours", || {
                // One that has ended but was not waited for has no command line.
                let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
                line.is_empty().then_some(())
            });
        }
    });
}

/// Parameters that would do nothing beside others.
#[test]
fn nothing_is_accepted_and_ignored() {
    with_module(kit::here!(), |_, _| {
        for (parameters, reason) in [
            (
                &[("mediaproxy_socket", "/run/a"), ("relay", "mediaproxy:/run/b")][..],
                "mediaproxy_socket has no effect where relay or relays is set",
            ),
            (
                &[("relays", "/etc/kamailio/relays"), ("mediaproxy_socket", "/run/a")],
                "mediaproxy_socket has no effect where relay or relays is set",
            ),
            (
                &[("relay", "mediaproxy:/run/b"), ("proxy_ports", "20000-20999")],
                "proxy_ports belongs to the embedded relay",
            ),
            (&[("proxy_hold_timeout", "60")], "proxy_hold_timeout belongs to the embedded relay"),
        ] {
            let line = |(name, value): &(_, _)| {
                format!("modparam(\"mediaproxy\", \"{name}\", \"{value}\")\n")
            };
            let script: String = parameters.iter().map(line).collect();
            let said = refusal("ignored", &(script + "request_route { drop; }"));
            assert!(said.contains(reason), "{parameters:?}: {said}");
        }
    });
}
