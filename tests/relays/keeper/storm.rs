//! Workers and keepers of one server, killed at random while they work.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mediaproxy::Worker;
use mediaproxy::internals::shared::calls::history::OfferAnswerUpdate;
use mediaproxy::internals::shared::calls::{CallMessage, CallUpdate, RelayPorts};
use mediaproxy::internals::shared::{Block, Counter};
use mediaproxy::now;
use mediaproxy::proxy::{Config, Proxy};
use mediaproxy::sip::Method;

use super::processes::{keeper, obey, within};
use kit::children::{Child, alone};
use kit::directory::Directory;
use kit::engine;

const WORKERS: usize = 8;
const TABLE: u64 = 4096;
/// Calls that all workers offer again and again.
const HOT: u64 = 16;

/// What the workers of all lives have done, in memory they share.
struct Tally {
    block: Block,
}

impl Tally {
    fn word(&self, at: usize) -> &AtomicU64 {
        &self.block.words()[at]
    }

    /// Messages served by the worker in this place.
    fn served(&self, place: usize) -> u64 {
        self.word(place).load(Ordering::Relaxed)
    }

    fn serve(&self, place: usize) {
        self.word(place).fetch_add(1, Ordering::Relaxed);
    }
}

/// Whole calls, one after the other, and the hot ones between them.
fn work(worker: &mut Worker, tally: &Tally, place: usize, life: u64) {
    let mut turn = 0;
    loop {
        turn += 1;
        let call = 1_000 + (life * WORKERS as u64 + place as u64) * 1_000_000 + turn;
        for order in [
            format!("offer {call}"),
            format!("offer {}", turn % HOT),
            format!("answer {call}"),
            format!("bye {call}"),
        ] {
            let outcome = obey(worker, &order);
            assert!(outcome.parse::<u16>().is_ok(), "worker {place}, {order}: {outcome}");
            tally.serve(place);
        }
    }
}

/// A small generator (xorshift): which one is killed, and when.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

#[test]
fn processes_killed_at_random_leave_the_others_working_and_nothing_stuck() {
    let _alone = alone();
    let long = std::env::var_os("MEDIAPROXY_LONG").is_some();
    let lasts = Duration::from_secs(if long { 60 } else { 6 });
    let directory = Directory::new();
    let socket = directory.path("proxy.sock");
    let mut config = Config::new(&socket, vec!["127.0.0.1".parse().unwrap()], (20_000, 39_999));
    // What a killed worker leaves behind is not the proxy's matter here.
    config.unanswered_timeout = Duration::from_secs(10);
    config.idle_timeout = Duration::from_secs(10);
    let proxy = Proxy::bind(config).unwrap();
    let _server = Child::run(|| proxy.run().unwrap());
    proxy.close_inherited();
    let engine = engine(&[
        ("relay", &format!("mediaproxy2:{};ipv6=yes", socket.display())),
        ("max_calls", &TABLE.to_string()),
        ("relay_timeout", "20000"),
        ("relay_try", "20000"),
    ]);
    // Beside the workers: the first word behind them counts their failures.
    let tally = Tally { block: Block::new(WORKERS + 1).unwrap() };
    let start = |place: usize, life: u64| {
        Child::run(|| {
            let worker = std::panic::AssertUnwindSafe(|| {
                let mut worker = Worker::new(engine.clone()).unwrap();
                work(&mut worker, &tally, place, life);
            });
            if std::panic::catch_unwind(worker).is_err() {
                tally.serve(WORKERS);
            }
        })
    };
    let mut workers: Vec<Child> = (0..WORKERS).map(|place| start(place, 0)).collect();
    let mut keepers = vec![keeper(&engine), keeper(&engine)];

    let seed = std::process::id().into();
    println!("seed {seed}");
    let mut random = Random(seed);
    let mut kills = 0;
    let end = Instant::now() + lasts;
    while Instant::now() < end {
        std::thread::sleep(Duration::from_millis(random.below(40)));
        match random.below(WORKERS as u64 + 2) as usize {
            place if place < WORKERS => {
                kills += 1;
                workers[place] = start(place, kills);
            }
            place => keepers[place - WORKERS] = keeper(&engine),
        }
        assert_eq!(tally.served(WORKERS), 0, "a worker met a failure");
    }

    // The others work: all that live now go on.
    let before: Vec<u64> = (0..WORKERS).map(|place| tally.served(place)).collect();
    within(Duration::from_secs(5), "all workers go on", || {
        (0..WORKERS).all(|place| tally.served(place) > before[place])
    });
    assert_eq!(tally.served(WORKERS), 0, "a worker met a failure");
    drop(workers);
    drop(keepers);

    // The counters add up, but for what each killed worker was in the midst of.
    let count = |counter| engine.counters().get(counter);
    let dead = kills + WORKERS as u64;
    let served: u64 = (0..WORKERS).map(|place| tally.served(place)).sum();
    let requests = count(Counter::Requests);
    assert!(kills > 20 && served > 100 * WORKERS as u64, "{kills} killed, {served} served");
    let sums = [
        ("by role", requests, count(Counter::Offers) + count(Counter::Answers)),
        ("rewritten", requests, count(Counter::Rewritten)),
        ("messages", requests + count(Counter::Terminations), served),
        ("latencies", requests, engine.counters().latency().iter().sum()),
    ];
    for (what, whole, parts) in sums {
        assert!(whole.abs_diff(parts) <= dead, "{what}: {whole}, {parts}; {dead} died");
    }
    let ends = [Counter::DeletesWithheld, Counter::DeletesSent, Counter::DeletesQueued];
    let ends: u64 = ends.into_iter().map(count).sum();
    assert!(count(Counter::Terminations).abs_diff(ends) <= dead, "ends: {ends}; {dead} died");
    println!("{kills} workers killed, {served} messages served, {requests} requests");

    // No entry of the table is stuck: when all calls are old each one can be
    // had again.
    let calls = engine.calls();
    let later = u32::try_from(now() / 1000).unwrap() + 100_000;
    let event = CallUpdate {
        relay: 1,
        offer_answer: OfferAnswerUpdate::default(),
        media: RelayPorts::default(),
        relayed_lines: None,
    };
    let message = |call: u64| {
        let key = calls.key(format!("later-{call}").as_bytes(), b"a", b"");
        CallMessage { method: Method::Invite, cseq: 1, ..CallMessage::command(key) }
    };
    for call in 0..40 * TABLE {
        let ticket = calls.begin(&message(call), later);
        let _ = calls.record(&message(call), ticket, &event, later);
    }
    let usable = (0..40 * TABLE).filter(|call| calls.look_up(&message(*call), later).is_active());
    assert_eq!(usable.count() as u64, TABLE);
    assert_eq!(calls.len(later) as u64, TABLE);
}
