//! Messages of one leg in several processes.

use std::sync::atomic::Ordering;

use super::*;
use crate::shared::test_children::children;

const PROCESSES: usize = 8;

/// The messages of a short forked call.
fn call(table: &Table) -> [CallMessage; 6] {
    [
        table.request(Method::Invite, 1, "a", ""),
        table.reply(183, 1, "a", "b1"),
        table.reply(200, 1, "a", "b2"),
        table.request(Method::Invite, 1, "b2", "a"),
        table.request(Method::Cancel, 1, "a", ""),
        table.request(Method::Bye, 2, "b2", "a"),
    ]
}

/// Handles a message as a worker does. A number for what came of it.
fn handle(table: &Table, message: &CallMessage) -> u64 {
    let calls = table.calls();
    if matches!(message.method, Method::Bye | Method::Cancel) {
        return calls.terminate(message, EndScope::Call, true, 100).scope as u64;
    }
    let leg = calls.look_up(message, 100);
    let known = leg.relay().is_some() as u64 | (leg.status() as u64) << 4;
    let carried = leg.offer_answer().carried_offer as u64;
    let update = if message.status.is_none() { offered(message.cseq) } else { update() };
    let recorded = match table.record(message, &update, 100) {
        Recorded::Stored { first, .. } => u64::from(first),
        Recorded::Full { .. } => 2,
        Recorded::EndedMeanwhile(_) => 3,
    };
    16 + (known << 8 | carried << 4 | recorded)
}

/// Every order of `n` things, by Heap's algorithm.
fn orders(n: usize) -> Vec<Vec<usize>> {
    let mut all = vec![Vec::new()];
    for next in 0..n {
        let insert = |order: &Vec<usize>| {
            let order = order.clone();
            (0..=next).map(move |at| {
                let mut order = order.clone();
                order.insert(at, next);
                order
            })
        };
        all = all.iter().flat_map(insert).collect();
    }
    all
}

/// Eight processes take turns with the messages of a call, in every order: what comes
/// of each message is what comes of it in one process.
#[test]
fn messages_of_a_leg_in_eight_processes_give_what_one_gives() {
    let orders = orders(6);
    assert_eq!(orders.len(), 720);
    let rounds = orders.len() * 6;
    let (alone, spread) = (Table::new(rounds), Table::new(rounds));
    let of_call = |table: &Table, number: usize, at: usize| {
        let call_id = number.to_be_bytes();
        let message = call(table)[at];
        CallMessage {
            key: CallKey { call: table.calls().key(&call_id, b"", b"").call, ..message.key },
            ..message
        }
    };
    let results = Block::new(rounds + 1).unwrap();
    let turn = &results.words()[rounds];
    children(PROCESSES, |process| {
        for (number, order) in orders.iter().enumerate() {
            for (step, at) in order.iter().enumerate() {
                let round = number * 6 + step;
                if (number + step * 3) % PROCESSES != process {
                    continue;
                }
                while turn.load(Ordering::SeqCst) != round as u64 {
                    std::thread::yield_now();
                }
                let result = handle(&spread, &of_call(&spread, number, *at));
                results.words()[round].store(result, Ordering::SeqCst);
                turn.store(round as u64 + 1, Ordering::SeqCst);
            }
        }
    });
    for (number, order) in orders.iter().enumerate() {
        let expected: Vec<u64> =
            order.iter().map(|at| handle(&alone, &of_call(&alone, number, *at))).collect();
        let results = &results.words()[number * 6..number * 6 + 6];
        let results: Vec<u64> = results.iter().map(|word| word.load(Ordering::SeqCst)).collect();
        assert_eq!(results, expected, "{order:?}");
    }
    assert_eq!(spread.calls().len(100), alone.calls().len(100));
}

/// Eight processes work on the same legs at once: no leg has two entries, whichever
/// process is killed when.
#[test]
fn processes_that_are_killed_leave_one_entry_a_leg() {
    let table = Table::new(256);
    let invite = |n: u32| {
        let key = table.calls().key(&n.to_be_bytes(), b"a", b"");
        CallMessage { method: Method::Invite, cseq: 1, ..CallMessage::command(key) }
    };
    let legs = 96;
    for round in 0..20u32 {
        let seconds = 100 + 400 * round;
        let workers: Vec<_> = (0..PROCESSES)
            .map(|_| {
                // SAFETY: the child touches shared atomics and its own memory until it
                // is killed.
                let child = unsafe { libc::fork() };
                if child == 0 {
                    loop {
                        for n in 0..legs {
                            let ticket = table.calls().begin(&invite(n), seconds);
                            if n % 3 == 0 {
                                table.calls().abandon(ticket, seconds);
                            } else {
                                let _ = table.record(&invite(n), &update(), seconds);
                            }
                        }
                    }
                }
                child
            })
            .collect();
        std::thread::sleep(std::time::Duration::from_millis(u64::from(1 + round % 7)));
        for child in workers {
            // SAFETY: kills and reaps our own child.
            unsafe {
                libc::kill(child, libc::SIGKILL);
                libc::waitpid(child, std::ptr::null_mut(), 0);
            }
        }
        let mut keys: Vec<u64> =
            table.calls().slots.legs(seconds).map(|leg| leg.word & !0xf).collect();
        let all = keys.len();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), all, "round {round}: a leg has two entries");
        for n in 0..legs {
            stored(table.record(&invite(n), &update(), seconds + 3));
        }
        assert_eq!(table.calls().len(seconds + 3), legs as usize);
    }
}
