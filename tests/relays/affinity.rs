//! A call stays on its relay, in whichever process its messages arrive.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mediaproxy::Options;
use mediaproxy::internals::shared::Block;
use mediaproxy::internals::shared::health::AdminState;
use mediaproxy::{Keeper, Worker};

use super::calls::{bye, end, failure, ids_of, ok, rewrite, rewrite_with};
use super::daemon::Daemon;
use kit::call::{invite, reinvite};
use kit::children::{Child, alone, children, in_child};
use kit::directory::Directory;
use kit::relay::Relay;
use kit::{engine, worker};

#[test]
fn call_offered_while_a_relay_was_unreachable_stays_on_the_other() {
    let _alone = alone();
    let (a, b) = (Daemon::start(), Daemon::start());
    let engine = engine(&[("relay", &a.uri()), ("relay", &b.uri())]);
    let mut here = Worker::new(engine.clone()).unwrap();
    let id = ids_of(&here, &a.uri()).next().unwrap();
    a.kill();
    assert_eq!(rewrite(&mut here, &id, invite()).unwrap(), b.address);
    a.restart();
    // A probe finds that: new calls are its own again.
    let health = engine.health();
    let slot = health.slot(engine.calls().identity(&a.uri())).unwrap();
    assert!(health.mark_alive(slot, mediaproxy::now()));
    for step in [ok("b"), reinvite(2)] {
        in_child(|| {
            let mut worker = Worker::new(engine.clone()).unwrap();
            assert_eq!(rewrite(&mut worker, &id, step).unwrap(), b.address);
        });
    }
    in_child(|| {
        let mut worker = Worker::new(engine.clone()).unwrap();
        end(&mut worker, &id, bye());
    });
    b.wait_for("remove", 1);
    assert_eq!(b.requests("update"), 3);
    assert_eq!((a.requests("update"), a.requests("remove")), (0, 0));
}

#[test]
fn processes_that_answer_two_forks_of_one_call_agree() {
    let _alone = alone();
    let (a, b) = (Daemon::start(), Daemon::start());
    let engine = engine(&[("relay", &a.uri()), ("relay", &b.uri())]);
    for uri in [a.uri(), b.uri()] {
        let mut here = Worker::new(engine.clone()).unwrap();
        let id = ids_of(&here, &uri).nth(1).unwrap();
        let address = rewrite(&mut here, &id, invite()).unwrap();
        children(2, |number| {
            let mut worker = Worker::new(engine.clone()).unwrap();
            let answer = ok(if number == 0 { "b1" } else { "b2" });
            assert_eq!(rewrite(&mut worker, &id, answer).unwrap(), address);
        });
    }
    assert_eq!((a.requests("update"), b.requests("update")), (3, 3));
}

/// Processes that rewrite all the while.
const CHILDREN: usize = 4;
const CHANGES: usize = 40;
// Where the changes are: before the first, between it and the last, after that.
const BEFORE: u64 = 0;
const AMID: u64 = 1;
const AFTER: u64 = 2;

/// How often each child went through all calls, and where the changes are, in
/// memory that all share.
struct Rounds {
    block: Block,
}

impl Rounds {
    fn stage(&self) -> u64 {
        self.block.words()[0].load(Ordering::Acquire)
    }

    fn enter(&self, stage: u64) {
        self.block.words()[0].store(stage, Ordering::Release);
    }

    /// The rounds that a child began and ended in this stage.
    fn done(&self, stage: u64, number: usize) -> &AtomicU64 {
        &self.block.words()[1 + number + if stage == AMID { 0 } else { CHILDREN }]
    }

    fn all(&self, stage: u64) -> [u64; CHILDREN] {
        std::array::from_fn(|number| self.done(stage, number).load(Ordering::Acquire))
    }

    /// Waits (20 s at most) until every child has gone through all calls in
    /// this stage.
    fn wait_for(&self, stage: u64, keeper: &Keeper) {
        let end = Instant::now() + Duration::from_secs(20);
        while self.all(stage).contains(&0) {
            assert!(Instant::now() < end, "stage {stage}: rounds {:?}", self.all(stage));
            keep(keeper, 10);
        }
    }
}

#[test]
fn adding_removing_reordering_and_draining_moves_no_live_call() {
    let _alone = alone();
    const CALLS: usize = 24;
    let relays: Vec<_> = (0..3).map(|_| Daemon::start()).collect();
    let directory = Directory::new();
    let file = directory.path("relays");
    let write = |lines: &[String]| {
        let new = file.with_extension("new");
        std::fs::write(&new, lines.join("\n")).unwrap();
        std::fs::rename(&new, &file).unwrap();
    };
    let all: Vec<_> = relays.iter().map(Daemon::uri).collect();
    write(&all);
    let engine = engine(&[("relays", file.to_str().unwrap()), ("relay_timeout", "5000")]);
    let mut here = Worker::new(engine.clone()).unwrap();
    let calls: Vec<_> = (0..CALLS).map(|n| format!("live-{n}@example.com")).collect();
    let on: Vec<_> = calls.iter().map(|id| rewrite(&mut here, id, invite()).unwrap()).collect();
    for relay in &relays {
        assert!(on.contains(&relay.address), "each has calls");
    }
    let rounds = Rounds { block: Block::new(1 + 2 * CHILDREN).unwrap() };
    let running: Vec<_> = (0..CHILDREN)
        .map(|number| {
            Child::run(|| {
                let mut worker = Worker::new(engine.clone()).unwrap();
                for round in 0.. {
                    let stage = rounds.stage();
                    for (id, address) in calls.iter().zip(&on) {
                        let cseq = u32::try_from(2 + CHILDREN * round + number).unwrap();
                        assert_eq!(&rewrite(&mut worker, id, reinvite(cseq)).unwrap(), address);
                    }
                    if stage == rounds.stage() && stage != BEFORE {
                        rounds.done(stage, number).fetch_add(1, Ordering::AcqRel);
                        if stage == AFTER {
                            break;
                        }
                    }
                }
            })
        })
        .collect();
    let keeper = Keeper::new(engine.clone()).unwrap();
    for round in 0..CHANGES {
        let mut lines = all.clone();
        lines.rotate_left(round % 3);
        lines.truncate(round % 4);
        lines.push(format!("mediaproxy:/nonexistent/{round};weight=0"));
        let orders = [AdminState::Draining, AdminState::Enabled];
        engine.set_admin_state(&all[round % 3], orders[round / 3 % 2]).unwrap();
        write(&lines);
        keep(&keeper, 30);
        if round == 0 {
            rounds.enter(AMID);
        }
        // On a busy machine a round takes its time: the second half waits.
        if round == CHANGES / 2 {
            rounds.wait_for(AMID, &keeper);
        }
    }
    rounds.enter(AFTER);
    rounds.wait_for(AFTER, &keeper);
    println!("rounds of {CALLS} calls amid {CHANGES} changes: {:?}", rounds.all(AMID));
    for child in running {
        assert_eq!(child.wait(), 0, "a call moved");
    }
    // New calls go only where they may.
    write(&[all[1].clone(), all[2].clone()]);
    for uri in &all {
        engine.set_admin_state(uri, AdminState::Enabled).unwrap();
    }
    engine.set_admin_state(&all[1], AdminState::Draining).unwrap();
    keep(&keeper, 1_500);
    for n in 0..CALLS {
        let id = format!("new-{n}@example.com");
        assert_eq!(rewrite(&mut here, &id, invite()).unwrap(), relays[2].address);
    }
    // A process made after the removal finds a removed relay's calls too.
    let mut late = Worker::new(engine.clone()).unwrap();
    let id = &calls[on.iter().position(|address| *address == relays[0].address).unwrap()];
    assert_eq!(rewrite(&mut late, id, reinvite(1_000_000)).unwrap(), relays[0].address);
    end(&mut late, id, failure());
    relays[0].wait_for("remove", 1);
}

#[test]
fn calls_go_to_the_set_that_the_script_names_or_that_their_domain_has() {
    let relays: Vec<_> = (0..3).map(|_| Relay::answering()).collect();
    let mut worker = worker(&[
        ("relay", &format!("{};domain=example.com", relays[0].uri())),
        ("relay", &relays[1].uri()),
        ("relay", &format!("{};set=gold", relays[2].uri())),
    ]);
    let requests = || relays.iter().map(|relay| relay.requests().len()).collect::<Vec<_>>();
    rewrite(&mut worker, "1@x", invite()).unwrap();
    assert_eq!(requests(), [1, 0, 0], "alice is of example.com");
    let gold = Options { set: "gold".into(), ..Options::default() };
    rewrite_with(&mut worker, "2@x", invite(), &gold).unwrap();
    assert_eq!(requests(), [1, 0, 1]);
    let none = Options { set: "silver".into(), ..Options::default() };
    let error = rewrite_with(&mut worker, "3@x", invite(), &none).unwrap_err();
    assert!(error.text().contains("set"), "{error}");
    // Once on a relay, the set is no question any more.
    rewrite_with(&mut worker, "2@x", ok("b"), &none).unwrap();
    assert_eq!(requests(), [1, 0, 2]);
}

/// Lets the keeper work for so many milliseconds.
fn keep(keeper: &Keeper, milliseconds: u64) {
    let end = mediaproxy::now() + milliseconds;
    while mediaproxy::now() < end {
        keeper.tick(mediaproxy::now()).unwrap();
        std::thread::sleep(Duration::from_millis(10));
    }
}
