//! Random messages against the plain model of the rules.

use super::model::{Begun, Model};
use super::random::Random;
use super::*;

/// A rewrite whose relay takes its time.
struct Held {
    message: CallMessage,
    ticket: Ticket,
    begun: Option<Begun>,
    update: CallUpdate,
}

fn message(random: &mut Random, table: &Table) -> CallMessage {
    let callee = ["b1", "b2", "b3", ""];
    let caller = random.of(&["a", "a", "a", "x", ""]);
    let callee = random.of(&callee);
    let (from, to) = if random.below(3) > 0 { (caller, callee) } else { (callee, caller) };
    let (method, status) = random.of(&[
        (Method::Invite, None),
        (Method::Invite, None),
        (Method::Invite, Some(180)),
        (Method::Invite, Some(183)),
        (Method::Invite, Some(200)),
        (Method::Invite, Some(486)),
        (Method::Update, None),
        (Method::Bye, None),
        (Method::Cancel, None),
    ]);
    let to = if method == Method::Cancel || random.below(6) == 0 { "" } else { to };
    let call_id = random.of(&[b"one".as_slice(), b"two"]);
    CallMessage {
        key: table.calls().key(call_id, from.as_bytes(), to.as_bytes()),
        method,
        status,
        cseq: 1 + random.below(3) as u32,
        branch: random.below(3) as u32 * 0x1_0000,
    }
}

fn update_of(random: &mut Random, message: &CallMessage) -> CallUpdate {
    let mut update = update();
    update.relay = 1 + random.below(3) as u32;
    if message.status.is_none() {
        update.relayed_lines = Some(random.below(4) as u64);
        let invite = message.method == Method::Invite;
        update.offer_answer.offered = invite.then_some(message.cseq);
    }
    update
}

fn run(seed: u64) {
    let table = Table::new(64);
    let calls = table.calls();
    let mut model = Model::default();
    let mut random = Random(seed);
    let mut now = 100;
    let mut held: Vec<Held> = Vec::new();
    let mut script = Vec::new();
    for step in 0..60 {
        now += random.of(&[0, 0, 0, 0, 1, 20, 40]);
        let message = message(&mut random, &table);
        script.push(format!("{step}: at {now} {message:?}"));
        let check = |what: &str, same: bool| assert!(same, "seed {seed}: {what}\n{script:#?}");
        let leg = calls.look_up(&message, now);
        let carried = leg.offer_answer().carried_offer;
        let known = (leg.status(), leg.relay(), carried, leg.relayed_lines());
        let expected = model.look_up(&message, now);
        check(&format!("stored {known:?}, expected {expected:?}"), known == expected);
        if matches!(message.method, Method::Bye | Method::Cancel)
            || message.status.is_some_and(|status| status >= 300)
        {
            let scope = random.of(&[EndScope::Call, EndScope::Branch]);
            let ended = calls.terminate(&message, scope, true, now).scope;
            let expected = model.terminate(&message, scope, now);
            check(&format!("{scope:?}: {ended:?}, expected {expected:?}"), ended == expected);
        } else if message.status.is_some() && random.below(2) == 0 {
            let ended = calls.reply_without_sdp(&message, now);
            let expected = model.reply_without_sdp(&message, now);
            check(&format!("{ended:?}, expected {expected:?}"), ended == expected);
        } else {
            let update = update_of(&mut random, &message);
            let ticket = calls.begin(&message, now);
            let begun = model.begin(&message, now);
            held.push(Held { message, ticket, begun, update });
        }
        // Some relays take their time.
        while !held.is_empty() && (random.below(3) > 0 || held.len() > 3) {
            let held = held.swap_remove(random.below(held.len()));
            let Held { message, ticket, begun, update } = held;
            let recorded = calls.record(&message, ticket, &update, now);
            let expected = model.record(&message, begun, &update, now);
            let what = format!("{message:?}: {recorded:?}, expected {expected:?}");
            check(&what, recorded == expected);
        }
        check("the number of legs", calls.len(now) == model.len(now));
    }
}

#[test]
fn random_messages_give_what_a_plain_model_of_the_rules_gives() {
    for seed in 0..1_500 {
        run(seed);
    }
}
