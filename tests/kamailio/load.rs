//! Two thousand calls through the configuration with two `mediaproxyd`: all is
//! well, one relay is killed in the middle, one is frozen. A call is REGISTERed
//! for, offered, answered, put on hold with a re-INVITE and ended.
//!
//! Fewer calls, unless MEDIAPROXY_LONG is set.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::scene::{Relays, Scene, ours, with_module};
use crate::server::Kamailio;
use kit::daemon::Daemon;
use kit::netns::{Network, SERVER};
use kit::running::{PATIENCE, wait_for};
use kit::sipp::{Phone, media};

/// Calls a second; each lasts one.
const RATE: u32 = 60;
/// Of the whole message, as the configuration says.
const RELAY_TIMEOUT: Duration = Duration::from_millis(400);
/// Bytes by which a process, or the shared memory, may have more in use than
/// after the first calls: less than one for each call.
const KEPT: u64 = 1024;

/// Of one stream at its relay, RTP and RTCP at both sides.
const PORTS: usize = 4;

fn is_long() -> bool {
    std::env::var_os("MEDIAPROXY_LONG").is_some()
}

fn calls() -> u32 {
    if is_long() { 2000 } else { 60 }
}

/// `run` tells how many ports the first relay may have open for media in the
/// end.
fn with_load(test: &str, run: impl FnOnce(&Network, &Path, &Kamailio, &mut [Daemon]) -> usize) {
    with_module(test, |network, directory| {
        let Scene { server, mut relays, .. } = ours(network, directory, Relays::Daemons, &[]);
        let more = ["-s", "bob", "-key", "expires", "3600", "-m", "1"];
        Phone::start(&network.phones[1], directory, "register", &more).succeeds();
        let ports = run(network, directory, &server, &mut relays);
        nothing_is_left(&server, &relays, ports);
        server.stop();
    });
}

/// What the phones were told, and how long they waited for it.
struct Outcome {
    /// For each call, first all those of the callee, the addresses of media in
    /// the first session description and the ones after it.
    told: Vec<Vec<SocketAddr>>,
    /// From INVITE to 200, the shortest first.
    waits: Vec<Duration>,
    /// The same of the calls that were answered when `meanwhile` was over.
    late: Vec<Duration>,
}

impl Outcome {
    /// How often a phone was told no address of a relay.
    fn without_relay(&self) -> usize {
        self.told.iter().flatten().filter(|&address| relay_of(address).is_none()).count()
    }

    /// How many of those that were told first of one relay (its number) were
    /// told of another place later.
    fn moved(&self, relay: u16) -> usize {
        let moved = |told: &&Vec<SocketAddr>| {
            relay_of(&told[0]) == Some(relay) && told.iter().any(|address| *address != told[0])
        };
        self.told.iter().filter(moved).count()
    }
}

/// The number of the relay that has this port.
fn relay_of(address: &SocketAddr) -> Option<u16> {
    let is_relay = address.ip().to_string() == SERVER;
    is_relay.then(|| (address.port() / 1000).checked_sub(20)).flatten()
}

fn percentile(waits: &[Duration], percent: usize) -> Duration {
    waits[(waits.len() - 1) * percent / 100]
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
    // Before the moment from which sipp counts.
    let start = Instant::now();
    let mut caller = Phone::start(alice, directory, "call", &[&each[..], &sockets].concat());
    sleep(Duration::from_secs_f64(f64::from(calls) / f64::from(RATE) / 2.0));
    meanwhile();
    let changed = start.elapsed();
    let end = Instant::now() + Duration::from_secs(600);
    while !caller.has_ended() && Instant::now() < end {
        sleep(Duration::from_millis(100));
    }
    let [called, calling] = [callee.stops(), caller.succeeds()].map(|said| {
        let mut told = BTreeMap::<_, Vec<_>>::new();
        for (call, address) in media(&said) {
            told.entry(call.to_string()).or_default().push(address);
        }
        told
    });
    let number = calls as usize;
    assert_eq!([called.len(), calling.len()], [number, number], "calls at callee and caller");
    assert!(calling.values().all(|told| told.len() == 2), "{calling:?}");
    // An INVITE may come twice to the callee, on a busy machine.
    assert!(called.values().all(|told| told.len() >= 2), "{called:?}");
    let told = called.into_values().chain(calling.into_values()).collect();
    let waits = waits(directory);
    assert_eq!(waits.len(), number, "response times that sipp has written");
    let sorted = |after| {
        let waits = waits.iter().filter(|(moment, _)| *moment >= after);
        let mut waits: Vec<_> = waits.map(|(_, wait)| *wait).collect();
        waits.sort();
        waits
    };
    Outcome { told, waits: sorted(Duration::ZERO), late: sorted(changed) }
}

/// sipp's table of response times, moment;milliseconds;name: when each response
/// came, since sipp's start, and how long it took.
fn waits(directory: &Path) -> Vec<(Duration, Duration)> {
    let files = fs::read_dir(directory).expect("the directory").flatten();
    let tables = files.filter(|file| file.file_name().to_string_lossy().ends_with("_rtt.csv"));
    let row = |line: &str| {
        let mut times = line.split(';').map_while(|time| time.parse::<f64>().ok());
        let mut next = || Some(Duration::from_secs_f64(times.next()? / 1000.0));
        Some((next()?, next()?))
    };
    tables
        .filter_map(|file| fs::read_to_string(file.path()).ok())
        .flat_map(|table| table.lines().filter_map(row).collect::<Vec<_>>())
        .collect()
}

/// The values of one name in what an RPC says.
fn values(server: &Kamailio, command: &[&str], name: &str) -> Vec<u64> {
    let said = server.rpc(command).expect("an answer");
    let of_name = |line: &str| line.trim().strip_prefix(name)?.strip_prefix(": ")?.parse().ok();
    let values: Vec<u64> = said.lines().filter_map(of_name).collect();
    assert!(!values.is_empty(), "no {name} in {said}");
    values
}

/// The server knows of no call any more, and of no end a relay was not told of;
/// the relays have no port open, but for the first so many.
fn nothing_is_left(server: &Kamailio, relays: &[Daemon], ports: usize) {
    let all = |command, name| values(server, &[command], name);
    let end = Instant::now() + PATIENCE;
    loop {
        let sessions = all("mediaproxy.sessions", "active_calls");
        let waiting = all("mediaproxy.stats", "deletes_waiting");
        let open: Vec<_> = relays.iter().map(Daemon::open_ports).collect();
        if sessions == [0, 0] && waiting == [0] && open[0] <= ports && open[1] == 0 {
            break;
        }
        assert!(Instant::now() < end, "{sessions:?} sessions, {waiting:?} ends, {open:?} ports");
        sleep(Duration::from_millis(20));
    }
    assert_eq!(all("mediaproxy.stats", "deletes_dropped"), [0]);
}

/// Bytes in use, once no transaction is left: shared, then of each process.
fn memory(server: &Kamailio) -> Vec<u64> {
    wait_for("the end of all transactions", || {
        (values(server, &["tm.stats"], "current") == [0]).then_some(())
    });
    let shared = values(server, &["core.shmmem"], "used");
    [shared, values(server, &["pkg.stats"], "used")].concat()
}

#[test]
fn calls_leave_nothing_behind() {
    with_load(kit::here!(), |network, directory, server, relays| {
        carry(network, &directory.join("first"), calls().min(200), || ());
        nothing_is_left(server, relays, 0);
        let before = memory(server);
        let start = Instant::now();
        let outcome = carry(network, &directory.join("calls"), calls(), || ());
        let rate = f64::from(calls()) / (start.elapsed().as_secs_f64() - 1.0);
        assert_eq!(outcome.without_relay(), 0);
        assert_eq!([0, 1].map(|relay| outcome.moved(relay)), [0, 0]);
        nothing_is_left(server, relays, 0);
        let after = memory(server);
        println!(
            "{} calls, {rate:.0} a second; half answered within {:?}, 99 % within {:?}; \
             bytes in use before {before:?}, after {after:?}",
            calls(),
            percentile(&outcome.waits, 50),
            percentile(&outcome.waits, 99),
        );
        assert_eq!(before.len(), after.len());
        for (before, after) in before.iter().zip(&after) {
            assert!(*after <= before + KEPT, "{before} bytes have become {after}");
        }
        // What sipp takes to start weighs too much among few.
        assert!(!is_long() || rate >= 50.0);
        0
    });
}

#[test]
fn relay_that_dies_touches_its_own_calls_only() {
    with_load(kit::here!(), |network, directory, server, relays| {
        let mut on_it = 0;
        let outcome = carry(network, &directory.join("calls"), calls(), || {
            on_it = values(server, &["mediaproxy.sessions"], "active_calls")[0] as usize;
            relays[0].running.signal(libc::SIGKILL);
        });
        let waiting = values(server, &["mediaproxy.relays"], "deletes_waiting");
        println!(
            "{} calls, {on_it} on the relay that was killed, {} addresses of it changed in the \
             call, {waiting:?} ends wait; a phone got no relay {} times; 99 % answered within {:?}",
            calls(),
            outcome.moved(0),
            outcome.without_relay(),
            percentile(&outcome.waits, 99),
        );
        assert!(on_it > 0, "it had no call");
        // Those that it had been asked for, and not yet been answered.
        assert!(outcome.without_relay() <= on_it);
        assert!(outcome.moved(0) > 0, "its calls go on elsewhere");
        assert_eq!(outcome.moved(1), 0, "those of the other one stay where they are");
        // They are kept for the relay that comes in its place.
        assert_eq!(waiting[1], 0);
        relays[0].start_again();
        0
    });
}

#[test]
fn frozen_relay_keeps_no_caller_waiting() {
    with_load(kit::here!(), |network, directory, server, relays| {
        let outcome = carry(network, &directory.join("calls"), calls(), || {
            relays[0].running.signal(libc::SIGSTOP);
        });
        let open = relays[0].open_ports();
        let failures = values(server, &["mediaproxy.relays"], "failures")[0] as usize;
        relays[0].running.signal(libc::SIGCONT);
        server.says("answers again");
        println!(
            "{} calls, {} of them answered after the freeze: half within {:?}, 99 % within {:?}, \
             all within {:?}; a phone got no relay {} times; {} addresses of the frozen one changed \
             in the call, {open} ports of it were open, {failures} requests to it had failed",
            calls(),
            outcome.late.len(),
            percentile(&outcome.late, 50),
            percentile(&outcome.late, 99),
            percentile(&outcome.late, 100),
            outcome.without_relay(),
            outcome.moved(0),
        );
        assert!(outcome.late.len() * 3 > outcome.waits.len(), "about half of them");
        // Of all: few are asked of it before it is left alone.
        assert!(percentile(&outcome.late, 100) < 2 * RELAY_TIMEOUT);
        assert_eq!(outcome.moved(1), 0, "calls of the other one stay where they are");
        // What it has of calls that went on elsewhere, and what it was asked for in
        // vain and found when it went on, it ends itself by their silence.
        PORTS * (outcome.moved(0) / 2 + failures)
    });
}
