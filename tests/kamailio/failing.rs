//! What goes wrong beside the server, or in its configuration.

use std::fs;
use std::process::Command;

use crate::module;
use crate::scene::{Relays, ours, with_module};
use crate::server::stock_modules;
use kit::running::{directory, wait_for};

/// The only child of a process.
pub(crate) fn child_of(pid: libc::pid_t) -> Option<libc::pid_t> {
    let said = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    said.split_whitespace().next()?.parse().ok()
}

/// The embedded relay is killed in a call. It comes back, the server goes on,
/// and the calls that lost their media are counted in the log.
#[test]
fn embedded_relay_is_restarted_when_killed() {
    with_module(kit::here!(), |network, directory| {
        let mut scene = ours(network, directory, Relays::Embedded, &[]);
        scene.register();
        let mut lost = scene.answered("lost@x");
        scene.talk(lost.ok.media(), lost.invite.media());
        let before = scene.server.processes("");
        let supervisor = scene.server.processes("MediaProxy relay")[0];
        let relay = child_of(supervisor).expect("the relay's process");
        // SAFETY: takes no pointers; a process of the server this test started.
        unsafe { libc::kill(relay, libc::SIGKILL) };
        scene.server.says("signal 9 ended the embedded relay: 1 calls lost their media");
        wait_for("another relay", || child_of(supervisor).filter(|&pid| pid != relay));
        // At once, and also for the call that lost its ports, when it asks.
        let mut call = scene.answered("next@x");
        scene.talk(call.ok.media(), call.invite.media());
        scene.hang_up(&mut call.caller);
        let (invite, ok) = scene.reinvite(&mut lost.caller, 2, "sendrecv", "sendrecv");
        scene.talk(ok.media(), invite.media());
        scene.hang_up(&mut lost.caller);
        assert_eq!(scene.server.processes(""), before, "all processes are as they were");
        scene.server.stop();
    });
}

/// One of two daemons dies; its call can go on after a re-INVITE, the other
/// relay's is not touched, and new calls are served.
#[test]
fn one_of_two_relays_dies() {
    with_module(kit::here!(), |network, directory| {
        let mut scene = ours(network, directory, Relays::Daemons, &[]);
        scene.register();
        // Calls until both relays have one.
        let mut calls = Vec::new();
        let on = |port: u16| usize::from(port / 1000 - 20);
        let mut first_on = [None, None];
        while first_on.contains(&None) {
            let call = scene.answered(&format!("call-{}@x", calls.len()));
            first_on[on(call.invite.media().port())].get_or_insert(calls.len());
            calls.push(call);
        }
        let [dead, alive] = first_on.map(|index| index.expect("a call on each"));
        scene.relays[0].running.signal(libc::SIGKILL);
        scene.talk(calls[alive].ok.media(), calls[alive].invite.media());
        let mut new = scene.answered("new@x");
        assert_eq!(on(new.invite.media().port()), 1);
        scene.talk(new.ok.media(), new.invite.media());
        scene.hang_up(&mut new.caller);
        let (invite, ok) = scene.reinvite(&mut calls[dead].caller, 2, "sendrecv", "sendrecv");
        assert_eq!(on(invite.media().port()), 1, "both sides are negotiated again");
        scene.talk(ok.media(), invite.media());
        for call in &mut calls {
            scene.hang_up(&mut call.caller);
        }
        scene.server.stop();
    });
}

/// What a server says that is not to start.
pub(crate) fn refusal(name: &str, script: &str) -> String {
    let directory = directory("kamailio", &format!("refusal-{name}"));
    let file = directory.join("kamailio.cfg");
    fs::write(
        &file,
        format!(
            "#!KAMAILIO\nlisten=udp:127.0.0.1:5060\nauto_aliases=no\nloadmodule \"sl.so\"\n\
             loadmodule \"pv.so\"\nloadmodule \"mediaproxy.so\"\n\
             modparam(\"mediaproxy\", \"sip_asymmetrics\", \"\")\n\
             modparam(\"mediaproxy\", \"rtp_asymmetrics\", \"\")\n{script}\n"
        ),
    )
    .expect("a configuration");
    // One that starts nevertheless is ended.
    let said = Command::new("timeout")
        .args(["20", "kamailio", "-DD", "-E", "-m", "8", "-L"])
        .arg(format!("{}:{}", module::ours().display(), stock_modules().display()))
        .arg("-Y")
        .arg(&directory)
        .arg("-f")
        .arg(&file)
        .output()
        .expect("kamailio runs");
    let text = String::from_utf8_lossy(&said.stderr).into_owned();
    assert_eq!(said.status.code(), Some(255), "{script}: it started:\n{text}");
    text
}

#[test]
fn bad_arguments_are_refused_with_the_accepted_form() {
    with_module(kit::here!(), |_, _| {
        for (call, names) in [
            ("client_nat_test(\"private\")", "private_contact"),
            ("client_nat_test(\"32\")", "source_port"),
            ("client_nat_test(\"-1\")", "a sum of numbers"),
            ("client_nat_test(\"\")", "a sum of numbers"),
            ("xlog(\"$mediaproxy(mood)\")", "matched, tests, evidence"),
        ] {
            let script = format!("loadmodule \"xlog.so\"\nrequest_route {{ {call}; }}");
            let said = refusal("argument", &script);
            assert!(said.contains(names), "{call} is not explained:\n{said}");
        }
    });
}
