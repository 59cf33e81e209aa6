//! Every short dialog: three exchanges of offer and answer, of either side, with a
//! new port or none, agreed, refused or crossing, at once or three seconds later,
//! repeated or not. A model that knows RFC 3264 and nothing of the relay says who
//! must receive whom.

use std::net::SocketAddr;

use super::phones::World;

/// A phone's addresses: an exchange may move it to the next one.
const PORTS: [&str; 3] = ["0", "2", "4"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Agreed,
    /// The answerer takes another port.
    AgreedElsewhere,
    Refused,
    /// Both offer at the same time, and both refuse (491).
    Glare,
}

#[derive(Clone, Copy, Debug)]
struct Exchange {
    /// 0 the caller, 1 the callee.
    offerer: usize,
    moves: bool,
    outcome: Outcome,
    repeated: bool,
    pause: u64,
}

/// What both phones have agreed upon.
#[derive(Clone, Debug)]
struct Model {
    /// The address of each phone.
    at: [String; 2],
    /// The relay's port that each phone sends to.
    to: [SocketAddr; 2],
    cseq: [u32; 2],
    moved: usize,
}

impl Model {
    fn elsewhere(&mut self, side: usize) -> String {
        self.moved += 1;
        let host = side + 1;
        format!("198.51.100.{host}:40{}{}", self.moved % 2, PORTS[self.moved % PORTS.len()])
    }
}

/// The tags of a message in a transaction of one side.
fn tags(side: usize) -> &'static str {
    ["a>b", "b>a"][side]
}

/// Both phones receive each other where the model says, and nowhere else.
fn check(world: &mut World, model: &Model, script: &[Exchange]) {
    for side in [0, 1] {
        let from: SocketAddr = model.at[side].parse().unwrap();
        let sent = world.packet(from, model.to[side]).map(|to| to.to_string());
        assert_eq!(sent.as_ref(), Some(&model.at[1 - side]), "{model:?} {script:?}");
    }
}

fn send(
    world: &mut World,
    times: usize,
    kind: &str,
    cseq: u32,
    tags: &str,
    sdp: &str,
) -> SocketAddr {
    let first = world.send(kind, cseq, tags, sdp);
    for _ in 1..times {
        assert_eq!(world.send(kind, cseq, tags, sdp), first);
    }
    first.first()
}

fn run(world: &mut World, model: &mut Model, script: &[Exchange]) {
    let Some(&exchange) = script.last() else { return };
    let Exchange { offerer, moves, outcome, repeated, pause } = exchange;
    let answerer = 1 - offerer;
    let times = if repeated { 2 } else { 1 };
    world.wait(pause);
    let offered = if moves { model.elsewhere(offerer) } else { model.at[offerer].clone() };
    model.cseq[offerer] += 1;
    let (cseq, names) = (model.cseq[offerer], tags(offerer));
    let for_answerer = send(world, times, "request", cseq, names, &offered);
    check(world, model, script);
    match outcome {
        Outcome::Refused => {}
        Outcome::Glare => {
            let crossing = model.elsewhere(answerer);
            model.cseq[answerer] += 1;
            let (cseq, names) = (model.cseq[answerer], tags(answerer));
            send(world, times, "request", cseq, names, &crossing);
        }
        Outcome::Agreed | Outcome::AgreedElsewhere => {
            let here = model.at[answerer].clone();
            let elsewhere = outcome == Outcome::AgreedElsewhere;
            let answered = if elsewhere { model.elsewhere(answerer) } else { here };
            let for_offerer = send(world, times, "reply", cseq, names, &answered);
            model.at[offerer] = offered;
            model.at[answerer] = answered;
            model.to[offerer] = for_offerer;
            model.to[answerer] = for_answerer;
        }
    }
    check(world, model, script);
    world.wait(pause);
    check(world, model, script);
}

fn variants(repetitions: &[bool]) -> Vec<Exchange> {
    let mut all = Vec::new();
    for offerer in [0, 1] {
        for moves in [false, true] {
            for outcome in
                [Outcome::Agreed, Outcome::AgreedElsewhere, Outcome::Refused, Outcome::Glare]
            {
                for pause in [0, 3_000] {
                    for &repeated in repetitions {
                        all.push(Exchange { offerer, moves, outcome, repeated, pause });
                    }
                }
            }
        }
    }
    all
}

/// The answered calls that scripts start from.
fn calls() -> Vec<(World, Model)> {
    let mut calls = Vec::new();
    let (a, b, c) = ("198.51.100.1:4000", "198.51.100.2:4000", "198.51.100.3:4000");
    for start in 0..4 {
        let mut world = World::new();
        let for_b = world.send("request", 1, "a>", a).first();
        match start {
            0 => {}
            1 => drop(world.send("reply", 1, "a>?b", b)),
            2 => drop((world.send("reply", 1, "a>?b", b), world.send("reply", 1, "a>?c", c))),
            _ => {
                world.send("reply", 1, "a>?c", c);
                world.send("request", 2, "a>c", a);
                world.send("reply", 2, "a>c", c);
                world.send("reply", 1, "a>?b", b);
            }
        }
        let sdp = if start == 2 { "" } else { b };
        let for_a = world.send("reply", 1, "a>b", sdp).first();
        let at = [a.to_string(), b.to_string()];
        let model = Model { at, to: [for_a, for_b], cseq: [10, 10], moved: 0 };
        calls.push((world, model));
    }
    calls
}

/// Runs every script that continues `script`.
fn continue_all(
    world: &World,
    model: &Model,
    script: &mut Vec<Exchange>,
    steps: &[Vec<Exchange>],
) -> u32 {
    let Some((step, later)) = steps.split_first() else {
        let mut world = world.clone();
        // Lingering streams and those of other branches are closed then.
        world.wait(32_000);
        // One stream is agreed, and a refused offer may have left another one.
        assert!(world.proxy.open_streams() <= 2, "{script:?}");
        world.wait(7_200_000);
        assert_eq!(world.proxy.open_streams(), 0, "{script:?}");
        return 1;
    };
    let mut count = 0;
    for &exchange in step {
        let (mut world, mut model) = (world.clone(), model.clone());
        script.push(exchange);
        run(&mut world, &mut model, script);
        count += continue_all(&world, &model, script, later);
        script.pop();
    }
    count
}

#[test]
fn every_dialog_of_three_exchanges_keeps_its_media() {
    let once = variants(&[false]);
    let mut count = 0;
    for (world, model) in &calls()[..1] {
        let steps = [once.clone(), once.clone(), once.clone()];
        count += continue_all(world, model, &mut Vec::new(), &steps);
    }
    assert_eq!(count, 32 * 32 * 32);
}

#[test]
fn every_dialog_of_two_exchanges_keeps_its_media_however_the_call_began() {
    let twice = variants(&[false, true]);
    for (world, model) in calls() {
        let steps = [twice.clone(), twice.clone()];
        let count = continue_all(&world, &model, &mut Vec::new(), &steps);
        assert_eq!(count, 64 * 64);
    }
}
