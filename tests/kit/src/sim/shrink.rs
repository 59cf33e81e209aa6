//! Makes a script with a fault as short as it can be.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::run::{Outcome, run, run_recorded};
use super::script::{Script, Setup, Step};

/// Runs a script; a panic of the library is a fault.
pub fn judged(script: &Script) -> Outcome {
    caught(script, run)
}

fn caught(script: &Script, run: fn(&Script) -> Outcome) -> Outcome {
    catch_unwind(AssertUnwindSafe(|| run(script))).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("?");
        Outcome { faults: vec![format!("panic: {text}")], ..Outcome::default() }
    })
}

/// What two faults of one kind have in common: the text without numbers and
/// names.
pub fn kind(outcome: &Outcome) -> String {
    let first = outcome.faults.first().map_or("", String::as_str);
    let first = first.split(':').next().unwrap_or_default();
    first.chars().filter(|letter| !letter.is_ascii_digit()).collect()
}

/// The shortest script with a fault of the same kind that is found by leaving
/// things out.
pub fn shrink(script: &Script) -> Script {
    let wanted = kind(&judged(script));
    let fails = |script: &Script| kind(&judged(script)) == wanted;
    let mut best = script.clone();
    loop {
        let before = best.clone();
        best = with_fewer_steps(best, &fails);
        while let Some(simpler) = simpler(&best).into_iter().find(|simpler| fails(simpler)) {
            best = simpler;
        }
        // In a simpler network fewer steps may do.
        if best == before {
            return best;
        }
    }
}

fn with_fewer_steps(script: Script, fails: &impl Fn(&Script) -> bool) -> Script {
    let mut best = script;
    let mut length = best.steps.len().div_ceil(2);
    while length > 0 {
        let mut at = 0;
        while at < best.steps.len() {
            let mut shorter = best.clone();
            shorter.steps.drain(at..(at + length).min(best.steps.len()));
            if fails(&shorter) { best = shorter } else { at += length }
        }
        length /= 2;
    }
    best
}

/// Scripts with one thing simpler.
fn simpler(script: &Script) -> Vec<Script> {
    let default = Setup::default();
    let setters: [fn(&mut Setup, &Setup); 16] = [
        |to, from| to.topology = from.topology,
        |to, _| to.topology = "stateful",
        |to, _| to.topology = "fork",
        |to, from| to.relays = from.relays,
        |to, from| to.dispatcher = from.dispatcher,
        |to, from| to.workers = from.workers,
        |to, from| to.latency = from.latency,
        |to, from| to.relay_delay = from.relay_delay,
        |to, from| to.loss = from.loss,
        |to, from| to.nats = from.nats,
        |to, from| to.streams.clone_from(&from.streams),
        |to, from| to.manner = from.manner,
        |to, from| to.keeps = from.keeps,
        |to, from| to.without_tags = from.without_tags,
        |to, from| to.elsewhere = from.elsewhere,
        |to, from| to.seed = from.seed,
    ];
    let mut all = Vec::new();
    for set in setters {
        let mut simpler = script.clone();
        set(&mut simpler.setup, &default);
        if simpler != *script && rank(&simpler.setup) < rank(&script.setup) {
            all.push(simpler);
        }
    }
    for (number, nat) in script.setup.nats.iter().enumerate() {
        if nat.is_some() {
            let mut simpler = script.clone();
            simpler.setup.nats[number] = None;
            all.push(simpler);
        }
    }
    for (number, step) in script.steps.iter().enumerate() {
        if let Step::Wait { milliseconds } = step
            && let Some(shorter) = [100, 3_000].iter().find(|shorter| **shorter < *milliseconds)
        {
            let mut simpler = script.clone();
            simpler.steps[number] = Step::Wait { milliseconds: *shorter };
            all.push(simpler);
        }
    }
    all
}

/// How far a setup is from the simplest one.
fn rank(setup: &Setup) -> usize {
    let default = Setup::default();
    let topologies = ["direct", "stateful", "fork"];
    let topology = topologies.iter().position(|name| *name == setup.topology).unwrap_or(3);
    let others = [
        setup.relays != default.relays,
        setup.dispatcher != default.dispatcher,
        setup.workers != default.workers,
        setup.latency != default.latency,
        setup.relay_delay != default.relay_delay,
        setup.loss != default.loss,
        setup.nats != default.nats,
        setup.streams != default.streams,
        setup.manner != default.manner,
        setup.keeps != default.keeps,
        setup.without_tags != default.without_tags,
        setup.elsewhere != default.elsewhere,
        setup.seed != default.seed,
    ];
    topology * 16 + others.iter().filter(|differs| **differs).count()
}

/// What a test says of a script with a fault: the short script, what happened in
/// it, and the fault.
pub fn report(script: &Script) -> String {
    let short = shrink(script);
    let outcome = caught(&short, run_recorded);
    let (record, faults) = (outcome.record.join("\n"), outcome.faults.join("\n"));
    format!("{record}\n\nscript:\n{short}\nfaults:\n{faults}")
}
