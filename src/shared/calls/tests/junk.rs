//! Requests with one tag of a call and one that nobody has (RFC 3261 12.2.2): whatever
//! they are, the messages of the call's own dialogs give what they give without them.

use super::random::Random;
use super::*;

/// A message of the call, and how it is handled.
#[derive(Clone, Copy, Debug)]
struct Step {
    message: CallMessage,
    update: CallUpdate,
    scope: EndScope,
    /// It carries SDP.
    sdp: bool,
}

/// What came of a message.
#[derive(Debug, PartialEq)]
struct Outcome {
    status: LegStatus,
    relay: Option<u32>,
    offer_answer: history::OfferAnswerState,
    upstream: bool,
    relayed_lines: Option<u64>,
    stored: Option<RelayPorts>,
    null_to_tag: bool,
    recorded: Option<Recorded>,
    ended: Option<Termination>,
}

/// Handles a message as a worker does.
fn handle(table: &Table, step: &Step, seconds: u32) -> Outcome {
    let (calls, Step { message, update, .. }) = (table.calls(), step);
    let leg = calls.look_up(message, seconds);
    let mut outcome = Outcome {
        status: leg.status(),
        relay: leg.relay(),
        offer_answer: leg.offer_answer(),
        upstream: leg.relayed_upstream(),
        relayed_lines: leg.relayed_lines(),
        stored: leg.stored_ports(),
        null_to_tag: leg.has_null_to_tag(),
        recorded: None,
        ended: None,
    };
    let failure = message.status.is_some_and(|status| status >= 300);
    if failure || matches!(message.method, Method::Bye | Method::Cancel) {
        outcome.ended = Some(calls.terminate(message, step.scope, true, seconds));
    } else if !step.sdp {
        calls.reply_without_sdp(message, seconds);
    } else if leg.is_active() || leg.is_first_try() || leg.status() == LegStatus::Unknown {
        let ticket = calls.begin_found(&leg, seconds);
        outcome.recorded = match calls.record(message, ticket, update, seconds) {
            // The junk was logged.
            Recorded::Full { .. } => Some(Recorded::Full { log: false }),
            recorded => Some(recorded),
        };
    }
    outcome
}

fn step(random: &mut Random, message: CallMessage) -> Step {
    let port = 2_000 + 2 * random.below(1_000) as u16;
    let mut update = with_ports(&[(0, &format!("203.0.113.1:{port}"))]);
    if message.status.is_none() {
        update.relayed_lines = Some(1 + random.below(3) as u64);
        let invite = message.method == Method::Invite;
        update.offer_answer.offered = invite.then_some(message.cseq);
    }
    let sdp = message.status != Some(180);
    Step { message, update, scope: EndScope::Branch, sdp }
}

/// The messages of a call of `a` that `b` and `c` answer or refuse, in an order that may
/// be: first the INVITE, and the replies of a phone before the requests in its dialog.
fn call(random: &mut Random, table: &Table) -> Vec<Step> {
    let caller = random.of(&["a", "a", "a", ""]);
    let mut phones = Vec::new();
    for (callee, branch) in [("b", 1 << 16), ("c", 2 << 16)] {
        let mut own = Vec::new();
        let reply = |status| CallMessage { branch, ..table.reply(status, 1, caller, callee) };
        for _ in 0..random.below(3) {
            own.push(reply(random.of(&[180, 183])));
        }
        let answers = random.below(4) > 0;
        own.push(reply(if answers { 200 } else { 486 }));
        for cseq in 2..2 + random.below(4) as u32 {
            let method = random.of(&[Method::Invite, Method::Update]);
            let (from, to) = random.of(&[(caller, callee), (callee, caller)]);
            let request = table.request(method, cseq, from, to);
            own.push(request);
            own.push(CallMessage { status: Some(random.of(&[200, 488])), ..request });
        }
        let (from, to) = random.of(&[(caller, callee), (callee, caller)]);
        own.push(table.request(Method::Bye, 9, from, to));
        if !answers {
            own.retain(|message| message.branch != 0);
        }
        phones.push(own.into_iter());
    }
    let invite = table.request(Method::Invite, 1, caller, "");
    let mut steps = vec![step(random, invite)];
    while !phones.is_empty() {
        let at = random.below(phones.len());
        match phones[at].next() {
            Some(message) => steps.push(step(random, message)),
            None => drop(phones.swap_remove(at)),
        }
    }
    if caller.is_empty() {
        // An ended leg makes no dialogs, and without tag nothing says it is the leg's.
        steps.sort_by_key(|step| step.message.method == Method::Bye);
    }
    if !steps.iter().any(|step| step.message.is_invite_success()) {
        let refused = step(random, table.reply(486, 1, caller, "b"));
        steps.push(Step { scope: EndScope::Call, ..refused });
    }
    steps
}

/// A request with one tag of the call, and its relay's answer.
fn junk(random: &mut Random, table: &Table, caller: &str) -> Step {
    let own = random.of(&[caller, "b", "c"]);
    let other = format!("junk{}", random.below(12));
    let method = random.of(&[
        Method::Invite,
        Method::Update,
        Method::Bye,
        Method::Cancel,
        Method::Prack,
        Method::Other,
    ]);
    let (from, to) = match random.below(3) {
        0 if own != caller && !caller.is_empty() => (own, ""),
        1 => (other.as_str(), own),
        _ => (own, other.as_str()),
    };
    let cseq = 1 + random.below(6) as u32;
    let mut junk = step(random, table.request(method, cseq, from, to));
    junk.update.relay = 99;
    junk
}

fn run(seed: u64, legs: usize) {
    let mut random = Random(seed);
    let (alone, beside) = (Table::new(legs), Table::new(legs));
    let hash = alone.hash.clone();
    let beside = Table { hash, ..beside };
    let steps = call(&mut random, &alone);
    let caller = if steps[0].message.key.from == 0 { "" } else { "a" };
    let mut script = Vec::new();
    for (number, step) in steps.iter().enumerate() {
        // Nobody knows the tags before the first message.
        for _ in 0..random.below(4).min(number) {
            let junk = junk(&mut random, &alone, caller);
            script.push(format!("junk {:?}", junk.message));
            handle(&beside, &junk, 100);
        }
        script.push(format!("{:?}", step.message));
        let (expected, found) = (handle(&alone, step, 100), handle(&beside, step, 100));
        assert_eq!(found, expected, "seed {seed}, {legs} legs\n{script:#?}");
    }
    assert_eq!(alone.calls().len(100), 0, "seed {seed}: the call is over\n{script:#?}");
}

#[test]
fn junk_requests_change_nothing_for_the_dialogs_of_a_call() {
    for seed in 0..3_000 {
        run(seed, 64);
    }
}

/// The junk finds no slot.
#[test]
fn junk_requests_change_nothing_in_a_full_table() {
    for seed in 0..1_000 {
        run(seed, 1);
    }
}

#[test]
fn junk_dialogs_take_no_place_of_one_that_is_over() {
    let table = Table::new(64);
    table.invite(1);
    table.answer(200, 1, "a", "b");
    table.answer(200, 1, "a", "c");
    assert_eq!(table.bye("c", "a"), DeleteScope::Dialog);
    for n in 0..20 {
        table.offer(&table.request(Method::Invite, n, "a", &format!("junk{n}")), 100);
    }
    assert_eq!(table.status_of("c", "a"), LegStatus::Ended);
    table.bare(200, 1, "a", "c");
    assert_eq!(table.bye("a", "b"), DeleteScope::Call);
}

/// BYEs after a restart, with tags that nobody has: they are stored in half of the places.
#[test]
fn junk_byes_after_a_restart_take_no_place_of_a_dialog() {
    let table = Table::new(64);
    table.answer(200, 1, "a", "b0");
    for n in 0..20 {
        assert_eq!(table.bye("a", &format!("junk{n}")), DeleteScope::Dialog);
    }
    for n in 1..4 {
        table.offer(&table.request(Method::Invite, n, "a", &format!("b{n}")), 100);
    }
    for n in 0..4 {
        let tag = format!("b{n}");
        assert_eq!(table.status_of("a", &tag), LegStatus::Established, "{tag}");
        assert_eq!(table.bye("a", &tag), DeleteScope::Dialog);
        assert_eq!(table.status_of("a", &tag), LegStatus::Ended, "{tag}");
    }
    assert!(table.calls().is_empty(100));
}
