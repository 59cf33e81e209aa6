//! Two thousand calls through the configuration with two `mediaproxyd`: all is
//! well, one relay is killed in the middle, one is frozen. A call is REGISTERed
//! for, offered, answered, put on hold with a re-INVITE and ended.
//!
//! Fewer calls, unless MEDIAPROXY_LONG is set.

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::module;
use crate::netns::{Network, SERVER};
use crate::scene::{Relays, Scene, ours, with_kamailio};
use crate::server::{Kamailio, Relay};
use crate::sipp::Phone;

/// Calls a second; each lasts one.
const RATE: u32 = 60;
/// Of the whole message, as the configuration says.
const RELAY_TIMEOUT: Duration = Duration::from_millis(400);
/// Bytes by which a process, or the shared memory, may have more in use than
/// after the first calls: what is kept once, not for each call.
const KEPT: u64 = 16 * 1024;

fn calls() -> u32 {
    if std::env::var_os("MEDIAPROXY_LONG").is_some() { 2000 } else { 60 }
}

fn with_load(test: &str, run: impl FnOnce(&Network, &Path, &Kamailio, &[Relay])) {
    with_kamailio(test, |network, directory| {
        if !module::can_be_built(test) {
            return;
        }
        let Scene { server, relays, .. } = ours(network, directory, Relays::Daemons, &[]);
        let more = ["-s", "bob", "-key", "expires", "3600", "-m", "1"];
        Phone::start(&network.phones[1], directory, "register", &more).succeeds();
        run(network, directory, &server, &relays);
        no_session_is_left(&server);
        server.stop();
    });
}

/// What the phones were told, and how long they waited for it.
struct Outcome {
    /// The addresses of media, at the caller and at the callee.
    told: Vec<String>,
    /// From INVITE to 200, the shortest first.
    waits: Vec<Duration>,
}

impl Outcome {
    /// How often a phone was told no address of a relay.
    fn without_relay(&self) -> usize {
        self.told.iter().filter(|address| !address.starts_with(SERVER)).count()
    }

    fn percentile(&self, percent: usize) -> Duration {
        self.waits[(self.waits.len() - 1) * percent / 100]
    }
}

/// So many calls, each of which must go well as SIP; `meanwhile` is called when
/// half of them should have begun.
fn carry(network: &Network, directory: &Path, calls: u32, meanwhile: impl FnOnce()) -> Outcome {
    fs::create_dir_all(directory).expect("a directory");
    let [alice, bob] = &network.phones;
    let (number, rate) = (calls.to_string(), RATE.to_string());
    let callee = Phone::start(bob, directory, "answer", &["-timeout", "600s"]);
    let each = ["-s", "bob", "-m", &number, "-r", &rate, "-d", "1000", "-timeout", "600s"];
    let sockets = ["-t", "un", "-max_socket", "5000", "-trace_rtt", "-rtt_freq", "1"];
    let mut caller = Phone::start(alice, directory, "call", &[&each[..], &sockets].concat());
    sleep(Duration::from_secs_f64(f64::from(calls) / f64::from(RATE) / 2.0));
    meanwhile();
    let end = Instant::now() + Duration::from_secs(600);
    while !caller.has_ended() && Instant::now() < end {
        sleep(Duration::from_millis(100));
    }
    let [called, calling] = [callee.stops(), caller.succeeds()].map(|said| {
        let told = said.lines().filter_map(|line| Some(line.strip_prefix("media ")?.to_string()));
        told.collect::<Vec<_>>()
    });
    // An INVITE may come twice to the callee, on a busy machine.
    assert!(calling.len() == calls as usize && called.len() >= calls as usize);
    let told = [called, calling].concat();
    Outcome { told, waits: waits(directory) }
}

/// sipp's table of response times: moment;milliseconds;name.
fn waits(directory: &Path) -> Vec<Duration> {
    let files = fs::read_dir(directory).expect("the directory").flatten();
    let tables = files.filter(|file| file.file_name().to_string_lossy().ends_with("_rtt.csv"));
    let mut waits: Vec<_> = tables
        .filter_map(|file| fs::read_to_string(file.path()).ok())
        .flat_map(|table| {
            let milliseconds = |line: &str| line.split(';').nth(1)?.parse::<f64>().ok();
            table.lines().filter_map(milliseconds).collect::<Vec<_>>()
        })
        .map(|milliseconds| Duration::from_secs_f64(milliseconds / 1000.0))
        .collect();
    waits.sort();
    assert!(!waits.is_empty(), "sipp has written no response times");
    waits
}

/// The values of one name in what an RPC says.
fn values(server: &Kamailio, command: &[&str], name: &str) -> Vec<u64> {
    let said = server.rpc(command).expect("an answer");
    let of_name = |line: &str| line.trim().strip_prefix(name)?.strip_prefix(": ")?.parse().ok();
    let values: Vec<u64> = said.lines().filter_map(of_name).collect();
    assert!(!values.is_empty(), "no {name} in {said}");
    values
}

fn no_session_is_left(server: &Kamailio) {
    crate::running::wait_for("the end of all sessions", || {
        let sessions = values(server, &["mediaproxy.sessions"], "sessions");
        sessions.iter().all(|&number| number == 0).then_some(())
    });
}

/// Bytes in use, once no transaction is left: shared, then of each process.
fn memory(server: &Kamailio) -> Vec<u64> {
    crate::running::wait_for("the end of all transactions", || {
        (values(server, &["tm.stats"], "current") == [0]).then_some(())
    });
    let shared = values(server, &["core.shmmem"], "used");
    [shared, values(server, &["pkg.stats"], "used")].concat()
}

#[test]
fn calls_leave_nothing_behind() {
    with_load("load::calls_leave_nothing_behind", |network, directory, server, _| {
        carry(network, &directory.join("first"), calls().min(200), || ());
        no_session_is_left(server);
        let before = memory(server);
        let start = Instant::now();
        let outcome = carry(network, &directory.join("calls"), calls(), || ());
        let rate = f64::from(calls()) / (start.elapsed().as_secs_f64() - 1.0);
        assert_eq!(outcome.without_relay(), 0);
        no_session_is_left(server);
        let after = memory(server);
        println!(
            "{} calls, {rate:.0} a second; half answered within {:?}, 99 % within {:?}; \
             bytes in use before {before:?}, after {after:?}",
            calls(),
            outcome.percentile(50),
            outcome.percentile(99),
        );
        for (before, after) in before.iter().zip(&after) {
            assert!(*after <= before + KEPT, "{before} bytes have become {after}");
        }
    });
}

#[test]
fn a_relay_that_dies_touches_its_own_calls_only() {
    let test = "load::a_relay_that_dies_touches_its_own_calls_only";
    with_load(test, |network, directory, server, relays| {
        let mut on_it = 0;
        let outcome = carry(network, &directory.join("calls"), calls(), || {
            on_it = values(server, &["mediaproxy.sessions"], "sessions")[0] as usize;
            relays[0].running.signal(libc::SIGKILL);
        });
        println!(
            "{} calls, {on_it} on the relay that was killed; a phone got no relay {} times; \
             99 % answered within {:?}",
            calls(),
            outcome.without_relay(),
            outcome.percentile(99),
        );
        assert!(on_it > 0, "it had no call");
        // Those that it had been asked for, and not yet been answered.
        assert!(outcome.without_relay() <= on_it);
    });
}

#[test]
fn a_frozen_relay_keeps_no_caller_waiting() {
    let test = "load::a_frozen_relay_keeps_no_caller_waiting";
    with_load(test, |network, directory, _, relays| {
        let outcome = carry(network, &directory.join("calls"), calls(), || {
            relays[0].running.signal(libc::SIGSTOP);
        });
        relays[0].running.signal(libc::SIGCONT);
        println!(
            "{} calls; half answered within {:?}, 99 % within {:?}, all within {:?}; a phone got \
             no relay {} times",
            calls(),
            outcome.percentile(50),
            outcome.percentile(99),
            outcome.percentile(100),
            outcome.without_relay(),
        );
        assert!(outcome.percentile(99) < 2 * RELAY_TIMEOUT);
    });
}
