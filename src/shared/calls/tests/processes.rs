//! Messages of one leg in several processes.

use std::collections::HashSet;
use std::hash::DefaultHasher;
use std::sync::atomic::Ordering;

use super::model::Model;
use super::*;
use crate::shared::test_children::children;

const PROCESSES: usize = 8;

/// A message, and how it is handled.
#[derive(Clone, Copy)]
struct Step {
    message: CallMessage,
    scope: EndScope,
    /// It carries SDP.
    sdp: bool,
}

impl Step {
    fn ends(&self) -> bool {
        matches!(self.message.method, Method::Bye | Method::Cancel)
            || self.message.status.is_some_and(|status| status >= 300)
    }

    fn update(&self) -> CallUpdate {
        match self.message.status {
            None => CallUpdate { relayed_lines: Some(1), ..offered(self.message.cseq) },
            Some(_) => update(),
        }
    }

    /// Handles the message as a worker does. What was stored before it, and what comes
    /// of it, as text.
    fn in_table(&self, table: &Table) -> String {
        let (calls, message) = (table.calls(), &self.message);
        let leg = calls.look_up(message, 100);
        let known =
            (leg.status(), leg.relay(), leg.offer_answer().carried_offer, leg.relayed_lines());
        let outcome = if self.ends() {
            format!("ended {:?}", calls.terminate(message, self.scope, true, 100).scope)
        } else if self.sdp {
            format!("{:?}", table.record(message, &self.update(), 100))
        } else {
            format!("reported {:?}", calls.reply_without_sdp(message, 100))
        };
        format!("{known:?} {outcome}")
    }

    /// The same by the rules.
    fn in_model(&self, model: &mut Model) -> String {
        let message = &self.message;
        let known = model.look_up(message, 100);
        let outcome = if self.ends() {
            format!("ended {:?}", model.terminate(message, self.scope, 100))
        } else if self.sdp {
            let begun = model.begin(message, 100);
            format!("{:?}", model.record(message, begun, &self.update(), 100))
        } else {
            format!("reported {:?}", model.reply_without_sdp(message, 100))
        };
        format!("{known:?} {outcome}")
    }
}

/// Three short calls: one that forks, is answered and renegotiated by both sides; one of
/// whose branches fails; and one that is cancelled, refused and tried again.
fn calls(table: &Table) -> [[Step; 6]; 3] {
    let step = |message| Step { message, scope: EndScope::Call, sdp: true };
    let bare = |message| Step { sdp: false, ..step(message) };
    let request = |method, cseq, from, to| step(table.request(method, cseq, from, to));
    let on = |branch: u32, message| CallMessage { branch: branch << 16, ..message };
    let invite = request(Method::Invite, 1, "a", "");
    let failure = |cseq, to| table.reply(486, cseq, "a", to);
    [
        [
            invite,
            step(table.reply(183, 1, "a", "b1")),
            step(table.reply(200, 1, "a", "b2")),
            request(Method::Invite, 2, "a", "b2"),
            request(Method::Invite, 1, "b2", "a"),
            request(Method::Bye, 3, "b2", "a"),
        ],
        [
            invite,
            bare(on(1, table.reply(180, 1, "a", "b1"))),
            Step { scope: EndScope::Branch, ..step(on(1, failure(1, "b1"))) },
            bare(on(2, table.reply(200, 1, "a", "b2"))),
            step(failure(1, "b1")),
            request(Method::Bye, 2, "a", "b2"),
        ],
        [
            invite,
            request(Method::Cancel, 1, "a", ""),
            step(failure(1, "b1")),
            step(table.reply(200, 1, "a", "b1")),
            request(Method::Invite, 2, "a", ""),
            step(failure(2, "b1")),
        ],
    ]
}

/// Every order of `n` things.
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

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(text.as_bytes());
    hasher.finish()
}

/// Eight processes take turns with the messages of each call, in every order: what comes
/// of each message is what the rules say.
#[test]
fn messages_of_a_leg_in_eight_processes_give_what_the_rules_say() {
    let orders = orders(6);
    assert_eq!(orders.len(), 720);
    let kinds = calls(&Table::new(1)).len();
    let rounds = kinds * orders.len();
    let table = Table::new(2 * rounds);
    let steps = |round: usize| {
        let call = table.calls().key(&round.to_be_bytes(), b"", b"").call;
        let steps = calls(&table)[round % kinds];
        orders[round / kinds].clone().into_iter().map(move |at| {
            let Step { message, .. } = steps[at];
            let key = CallKey { call, ..message.key };
            Step { message: CallMessage { key, ..message }, ..steps[at] }
        })
    };
    // Of each call the number of messages that are done, and what came of each.
    let results = Block::new(rounds * 7).unwrap();
    let (turns, outcomes) = results.words().split_at(rounds);
    children(PROCESSES, |process| {
        let mut left: Vec<usize> = (0..rounds).collect();
        while !left.is_empty() {
            left.retain(|round| {
                let step = turns[*round].load(Ordering::SeqCst) as usize;
                if step < 6 && (round + step * 3) % PROCESSES == process {
                    let outcome = steps(*round).nth(step).unwrap().in_table(&table);
                    outcomes[round * 6 + step].store(hash(&outcome), Ordering::SeqCst);
                    turns[*round].fetch_add(1, Ordering::SeqCst);
                }
                step < 6
            });
            std::thread::yield_now();
        }
    });
    let mut model = Model::default();
    for round in 0..rounds {
        for (step, of_call) in steps(round).enumerate() {
            let expected = of_call.in_model(&mut model);
            let outcome = outcomes[round * 6 + step].load(Ordering::SeqCst);
            let order: Vec<_> = steps(round).map(|step| step.message).collect();
            assert_eq!(outcome, hash(&expected), "{step} of {order:#?}: expected {expected}");
        }
    }
    assert_eq!(table.calls().len(100), model.len(100));
}

/// Eight processes work on the same legs at once: no leg has two entries and no dialog
/// two places, and each leg can be used, whichever process is killed when.
#[test]
fn processes_that_are_killed_leave_one_entry_a_leg() {
    let table = Table::new(256);
    let message = |n: u32, method, to: &[u8]| {
        let key = table.calls().key(&n.to_be_bytes(), b"a", to);
        CallMessage { method, cseq: 1, ..CallMessage::command(key) }
    };
    let invite = |n, cseq| CallMessage { cseq, ..message(n, Method::Invite, b"") };
    let reply =
        |n, status, to| CallMessage { status: Some(status), ..message(n, Method::Invite, to) };
    let legs = 96;
    let work = |n: u32, seconds: u32| {
        let calls = table.calls();
        let ticket = calls.begin(&invite(n, 1), seconds);
        if n.is_multiple_of(3) {
            return calls.abandon(ticket, seconds);
        }
        let _ = calls.record(&invite(n, 1), ticket, &update(), seconds);
        calls.reply_without_sdp(&reply(n, 180, b"b1"), seconds);
        let end = |message| calls.terminate(message, EndScope::Call, true, seconds);
        match n % 5 {
            0 => end(&reply(n, 486, b"b2")),
            1 => end(&message(n, Method::Cancel, b"")),
            _ => {
                calls.reply_without_sdp(&reply(n, 200, b"b2"), seconds);
                end(&message(n, Method::Bye, b"b2"))
            }
        };
    };
    for round in 0..20u32 {
        let seconds = 100 + 30_000 * round;
        let workers: Vec<_> = (0..PROCESSES)
            .map(|_| {
                // SAFETY: the child touches shared atomics and its own memory until it
                // is killed.
                let child = unsafe { libc::fork() };
                if child == 0 {
                    loop {
                        (0..legs).for_each(|n| work(n, seconds));
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
        let mut keys = HashSet::new();
        for leg in table.calls().slots.legs(seconds) {
            assert!(keys.insert(leg.word & !0xf), "round {round}: a leg has two entries");
            let mut tags = HashSet::new();
            let once = leg.dialogs().all(|dialog| tags.insert(dialog.tag()));
            assert!(once, "round {round}: a dialog has two places");
        }
        for n in 0..legs {
            stored(table.record(&invite(n, 2), &update(), seconds + 3));
        }
        assert_eq!(table.calls().len(seconds + 3), legs as usize);
    }
}
