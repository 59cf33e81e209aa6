//! Every short dialog, and many long ones by their seed.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use kit::sim::choices::Choices;
use kit::sim::generate::{SHORT_DIALOGS, script, short_dialog};
use kit::sim::shrink::{judged, kind, report, shrink};
use kit::sim::{Script, Setup};

/// Runs the scripts of the numbers below `count` on two threads. At the end one
/// script of each kind of fault is reported.
fn run_all(count: u64, script: impl Fn(u64) -> Script + Sync) {
    let next = AtomicU64::new(0);
    let calls = AtomicU64::new(0);
    let found = Mutex::new(BTreeMap::<String, (u64, u64)>::new());
    let start = std::time::Instant::now();
    let work = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count || found.lock().unwrap().len() > 20 {
                return;
            }
            let outcome = judged(&script(number));
            calls.fetch_add(outcome.calls, Ordering::Relaxed);
            if !outcome.faults.is_empty() {
                let mut found = found.lock().unwrap();
                found.entry(kind(&outcome)).or_insert((number, 0)).1 += 1;
            }
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(work);
        scope.spawn(work);
    });
    let (calls, time) = (calls.load(Ordering::Relaxed), start.elapsed().as_secs_f64());
    println!("{count} scripts, {calls} calls, {:.0} calls a second", calls as f64 / time);
    let found = found.into_inner().unwrap();
    for (kind, (number, times)) in &found {
        println!("{times} times, first number {number}: {kind}\n{}\n", report(&script(*number)));
    }
    assert!(found.is_empty(), "{} kinds of faults", found.len());
}

#[test]
fn short_dialogs_hold() {
    run_all(SHORT_DIALOGS, short_dialog);
}

/// With the short dialogs 20,000 calls, and 2,000,000 with `MEDIAPROXY_LONG`.
#[test]
fn long_calls_by_seed_hold() {
    let count = match std::env::var_os("MEDIAPROXY_LONG") {
        None => 6_600,
        Some(_) => 1_340_000,
    };
    run_all(count, |seed| script(&mut Choices::of_seed(seed), seed));
}

/// A long call with a fault of its own shrinks to what a person reads at once.
#[test]
fn script_with_a_fault_shrinks_to_its_shortest_form() {
    let faults = [
        // The address of a phone is shown in the first INVITE.
        ("server 0 breaks", "was shown", "server 0 breaks\na calls"),
        // Nobody hears anybody, as soon as there is an answer.
        ("relay 0 drops", "agreed media does not arrive", "relay 0 drops\na calls"),
    ];
    for (step, fault, begin) in faults {
        let mut shown = 0;
        for seed in 0..40 {
            let mut long = script(&mut Choices::of_seed(seed), seed);
            long.setup.relays = 1;
            long.steps.insert(0, step.parse().unwrap());
            let outcome = judged(&long);
            // A call that nobody answers shows nothing, and a B2BUA hides addresses.
            let found = outcome.faults.first().is_some_and(|first| first.contains(fault));
            if !found || long.steps.len() < 10 {
                continue;
            }
            shown += 1;
            let short = shrink(&long);
            assert_eq!(kind(&judged(&short)), kind(&outcome));
            let steps: String = short.steps.iter().map(|step| format!("{step}\n")).collect();
            assert!(steps.starts_with(begin) && short.steps.len() <= 4, "{long}\n{short}");
            assert!(short.to_string().lines().count() <= 6, "{long}\n{short}");
        }
        assert!(shown >= 10, "{step} is shown by {shown} scripts");
    }
}

#[test]
fn scripts_are_read_as_they_are_written() {
    for seed in 0..300 {
        let made = script(&mut Choices::of_seed(seed), seed);
        assert_eq!(made.to_string().parse(), Ok(made));
    }
    assert_eq!(
        "topology direct\n".parse(),
        Ok(Script { setup: Setup::default(), steps: Vec::new() })
    );
}
