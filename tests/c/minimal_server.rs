//! `examples/minimal_server` with phones behind real NATs: they register, call
//! each other and hear each other.

mod plain;
mod program;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::compile::have_tool;
use kit::audio::End;
use kit::daemon::Daemon;
use kit::netns::{Network, PHONE, SERVER};
use kit::running::Running;
use kit::sipp::Phone;
use program::{directory, longest_turn, minimal_server, waits};

/// Runs a test where there are namespaces and sipp; else prints a SKIP line.
fn with_phones(test: &str, run: impl FnOnce(&Network)) {
    match Command::new("sipp").arg("-v").output() {
        Ok(_) => kit::netns::in_network(test, run),
        Err(error) => println!("SKIP {test}: sipp: {error}"),
    }
}

/// The server, in the namespace of servers.
fn serve(network: &Network, directory: &Path, under: &[&str], arguments: &[&str]) -> Running {
    let mut all: Vec<String> = under.iter().map(|word| word.to_string()).collect();
    all.push(minimal_server().to_string_lossy().into_owned());
    all.extend(arguments.iter().map(|word| word.to_string()));
    all.push(format!("{SERVER}:5060"));
    let (first, rest) = all.split_first().expect("a program");
    let mut command: Command = network.server.command(first);
    let server = Running::start(command.args(rest), directory.join("server"));
    server.says("listening on");
    server
}

/// Both phones register.
fn register(network: &Network, directory: &Path) {
    for (phone, user) in network.phones.iter().zip(["alice", "bob"]) {
        let more = ["-s", user, "-key", "expires", "600", "-m", "1"];
        let said = Phone::start(phone, directory, "register", &more).succeeds();
        assert!(said.contains(&format!("<sip:{user}@")) && !said.contains(PHONE), "{said}");
    }
}

/// Both phones register, alice calls bob, they talk, and alice hangs up.
fn call_with_audio(network: &Network, directory: &Path, server: &Running, pause: &str) {
    let [alice, bob] = &network.phones;
    register(network, directory);
    // One NAT keeps the port, the other one does not.
    server.says("registered alice at sip:alice@203.0.113.5:5060 for 600 s");
    server.says("registered bob at sip:bob@198.51.100.7:20");

    let callee = Phone::start(bob, directory, "answer", &["-m", "1"]);
    let caller = Phone::start(alice, directory, "call", &["-s", "bob", "-m", "1", "-d", pause]);
    let (to_bob, to_alice) = (callee.media(), caller.media());
    assert_eq!(to_bob.ip().to_string(), SERVER);
    assert_eq!(to_alice.ip().to_string(), SERVER);
    let media = format!("{PHONE}:4000");
    let ends = [End::new(alice.udp(&media), to_alice), End::new(bob.udp(&media), to_bob)];
    for heard in kit::audio::talk(&ends, [true, true], 400) {
        println!("{heard:?}");
        assert!(heard.well(), "{heard:?}\n{}", server.said());
    }
    caller.succeeds();
    callee.succeeds();
    server.says("BYE of call ");
}

/// The built-in relay had this call and forgot it.
fn relay_is_empty(said: &str) -> bool {
    said.contains("relay: 1 sessions, 0 left; ")
}

/// Many calls without audio, each from a port of its own, so that they come to
/// all workers.
fn many_calls(network: &Network, directory: &Path, calls: &str) {
    let [alice, bob] = &network.phones;
    let callee = Phone::start(bob, directory, "answer", &["-m", calls]);
    let each =
        ["-s", "bob", "-m", calls, "-r", "20", "-d", "500", "-t", "un", "-max_socket", "1000"];
    let caller = Phone::start(alice, directory, "call", &each);
    caller.succeeds();
    callee.succeeds();
}

/// The numbers of the processes that relayed an INVITE.
fn processes(said: &str) -> BTreeSet<&str> {
    let relayed = said.lines().filter(|line| line.contains("] INVITE of call "));
    relayed.filter_map(|line| line.strip_prefix('[')?.split(']').next()).collect()
}

#[test]
fn two_natted_phones_talk_through_one_process() {
    with_phones(kit::here!(), |network| {
        let directory = directory("one_process");
        let server = serve(network, &directory, &[], &[]);
        call_with_audio(network, &directory, &server, "4000");
        let said = server.stop();
        assert!(relay_is_empty(&said), "{said}");
    });
}

#[test]
fn two_natted_phones_talk_through_four_workers() {
    with_phones(kit::here!(), |network| {
        let directory = directory("four_workers");
        let server = serve(network, &directory, &[], &["--workers", "4"]);
        call_with_audio(network, &directory, &server, "4000");
        many_calls(network, &directory, "20");
        let said = server.stop();
        assert!(said.contains("relay: 21 sessions, 0 left; "), "{said}");
        assert_eq!(waits(&said).len(), 42, "an INVITE and a re-INVITE each:\n{said}");
        assert!(processes(&said).len() > 1, "{said}");
    });
}

/// Under valgrind's memcheck, all processes: no bad access, no leak.
fn memcheck(test: &str, workers: usize) {
    if !have_tool("valgrind", test) {
        return;
    }
    with_phones(test, |network| {
        let directory = directory(&format!("memcheck_{workers}"));
        let log = format!("--log-file={}/memcheck.%p", directory.display());
        let valgrind = [
            "valgrind",
            "--quiet",
            "--trace-children=yes",
            "--error-exitcode=9",
            "--leak-check=full",
            "--errors-for-leak-kinds=definite,indirect",
            "--show-leak-kinds=definite,indirect",
            &log,
        ];
        // Everything is slow there, the relay too.
        let mut arguments = vec!["--set", "relay_timeout=9000", "--set", "relay_try=9000"];
        let count = workers.to_string();
        if workers > 0 {
            arguments.extend(["--workers", &count]);
        }
        let server = serve(network, &directory, &valgrind, &arguments);
        call_with_audio(network, &directory, &server, "8000");
        let said = server.stop();
        assert!(relay_is_empty(&said), "{said}");
        let logs = program::files(&directory, "memcheck.");
        assert_eq!(logs.len(), 2 + workers, "the first process, keeper and workers: {logs:?}");
        for log in logs {
            assert_eq!(fs::read_to_string(&log).expect("a log"), "", "{}", log.display());
        }
    });
}

#[test]
fn memcheck_finds_nothing_in_the_one_process_that_works() {
    memcheck(kit::here!(), 0);
}

#[test]
fn memcheck_finds_nothing_in_any_of_two_workers() {
    memcheck(kit::here!(), 2);
}

#[test]
fn memcheck_finds_nothing_in_any_of_four_workers() {
    memcheck(kit::here!(), 4);
}

/// Three relays, and one of them stands still: calls are served by the others,
/// and nobody in the server waits for it.
#[test]
fn frozen_relay_holds_up_no_turn_of_the_event_loop() {
    with_phones(kit::here!(), |network| {
        let directory = directory("frozen");
        let start = |number| Daemon::start_in(&network.server, &directory, number, &[SERVER]);
        let relays = [0, 1, 2].map(start);
        let uris = relays.each_ref().map(Daemon::uri);
        let uris: Vec<&str> = uris.iter().flat_map(|uri| ["--relay", uri]).collect();
        for frozen in &relays {
            let server = serve(network, &directory, &[], &uris);
            register(network, &directory);
            many_calls(network, &directory, "5");
            frozen.running.signal(libc::SIGSTOP);
            many_calls(network, &directory, "20");
            frozen.running.signal(libc::SIGCONT);
            let said = server.stop();
            let waits = waits(&said);
            assert_eq!(waits.len(), 50, "an INVITE and a re-INVITE each:\n{said}");
            let longest = longest_turn(&said);
            println!(
                "longest wait for a relay {:?} ms, longest turn {longest} us",
                waits.iter().max()
            );
            assert!(longest <= 20_000, "{said}");
            if waits.iter().any(|&wait| wait >= 140) {
                return;
            }
            // No call asked this one; at least one of the three is asked first.
        }
        panic!("no relay was ever asked while it stood still");
    });
}
