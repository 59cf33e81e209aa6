//! Random messages against a plain model of the rules, without bounds: a map of legs
//! with maps of dialogs, one process, no packed words.

use std::collections::HashMap;

use super::random::Random;
use super::*;
use crate::shared::calls::expiry::{ENDED, ESTABLISHED, PENDING};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Phase {
    Restarted,
    Pending,
    Completed,
    Cancelled,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Early,
    Confirmed,
    Assumed,
    Over,
    GivenUp,
}

#[derive(Clone, Debug)]
struct Dialog {
    state: State,
    branch: u32,
    /// The last offer of the callee and of the caller.
    offered: [Option<u32>; 2],
    relayed: Option<u64>,
    /// The side and the CSeq of the last offer, whose lines `relayed` has.
    last: Option<(bool, u32)>,
}

#[derive(Clone, Debug)]
struct Leg {
    /// Differs for each leg.
    number: usize,
    cseq: u32,
    phase: Phase,
    carried: bool,
    ended: bool,
    ends: u32,
    relayed: Option<u64>,
    relay: Option<u32>,
    expires: u32,
    dialogs: HashMap<u32, Dialog>,
}

impl Leg {
    fn has(&self, state: State) -> bool {
        self.dialogs.values().any(|dialog| dialog.state == state)
    }

    fn is_live(&self) -> bool {
        self.has(State::Early) || self.has(State::Confirmed)
    }

    fn is_unanswered(&self) -> bool {
        matches!(self.phase, Phase::Pending | Phase::Cancelled)
    }

    fn status(&self, now: u32) -> LegStatus {
        match self.phase {
            _ if self.ended => LegStatus::Ended,
            Phase::Pending => LegStatus::Pending,
            Phase::Cancelled if self.has(State::Confirmed) => LegStatus::Established,
            Phase::Cancelled if now > self.expires - ENDED => LegStatus::Ended,
            Phase::Cancelled => LegStatus::Cancelled,
            Phase::Restarted | Phase::Completed => LegStatus::Established,
        }
    }

    fn touch(&mut self, now: u32) {
        self.expires = match self.phase {
            _ if self.ended => return,
            Phase::Restarted if self.is_left() => now + ENDED,
            _ if self.has(State::Confirmed) => now + ESTABLISHED,
            Phase::Completed => now + ESTABLISHED,
            Phase::Cancelled => return,
            Phase::Pending | Phase::Restarted => now + PENDING,
        };
    }

    fn end(&mut self, now: u32) -> DeleteScope {
        self.ended = true;
        self.ends += 1;
        self.expires = now + ENDED;
        DeleteScope::Call
    }

    /// Every dialog that was seen is over.
    fn is_left(&self) -> bool {
        !self.dialogs.is_empty() && self.dialogs.values().all(|d| d.state == State::Over)
    }

    /// After a message of a dialog that is over.
    fn end_if_over(&mut self, tag: u32, now: u32) -> DeleteScope {
        match self.dialogs.get(&tag) {
            Some(dialog) if dialog.state == State::Over => {}
            _ => return DeleteScope::Nothing,
        }
        if self.is_live() || self.is_unanswered() || self.phase == Phase::Restarted {
            return DeleteScope::Dialog;
        }
        self.end(now);
        DeleteScope::Call
    }

    fn dialog(&mut self, tag: u32, state: State, branch: u32) -> &mut Dialog {
        let new = Dialog { state, branch, offered: [None; 2], relayed: None, last: None };
        let dialog = self.dialogs.entry(tag).or_insert(new);
        match (dialog.state, state) {
            (State::Assumed | State::GivenUp, State::Early | State::Confirmed) => {
                (dialog.state, dialog.branch) = (state, branch);
            }
            (State::Early, State::Confirmed) => dialog.state = state,
            _ => {}
        }
        dialog
    }
}

#[derive(Default)]
struct Model {
    /// How many legs were made.
    made: usize,
    /// By Call-ID and caller tag.
    legs: HashMap<(u64, u32), Leg>,
}

/// The leg of a rewrite when it began: its place, its number, and how often it had ended.
type Begun = ((u64, u32), usize, u32);

struct Held {
    message: CallMessage,
    ticket: Ticket,
    /// The leg and how often it had ended.
    leg: Option<Begun>,
    update: CallUpdate,
}

impl Model {
    fn find(&self, key: CallKey, now: u32) -> Option<((u64, u32), bool)> {
        let stored = |at: &(u64, u32)| self.legs.get(at).filter(|leg| now <= leg.expires);
        let (from, to) = ((key.call, key.from), (key.call, key.to));
        let has = |at: &(u64, u32), tag| stored(at).is_some_and(|l| l.dialogs.contains_key(&tag));
        let restarted = |at: &(u64, u32)| stored(at).is_some_and(|l| l.phase == Phase::Restarted);
        if has(&from, key.to) {
            return Some((from, true));
        }
        if has(&to, key.from) && (key.to != 0 || stored(&from).is_none() || restarted(&from)) {
            return Some((to, false));
        }
        if stored(&from).is_some() {
            let ended = key.to != 0 && stored(&to).is_some_and(|leg| leg.ended);
            return Some(if ended { (to, false) } else { (from, true) });
        }
        let may_be_in = key.to != 0 && stored(&to).is_some() && !restarted(&to);
        may_be_in.then_some((to, false))
    }

    fn new_leg(&mut self, message: &CallMessage, now: u32) -> Leg {
        self.made += 1;
        let initial = message.is_initial_invite();
        Leg {
            number: self.made,
            cseq: if initial { message.cseq } else { 0 },
            phase: if initial { Phase::Pending } else { Phase::Restarted },
            carried: false,
            ended: false,
            ends: 0,
            relayed: None,
            relay: None,
            expires: now + PENDING,
            dialogs: HashMap::new(),
        }
    }

    fn begin(&mut self, message: &CallMessage, now: u32) -> Option<Begun> {
        let Some((at, by_caller)) = self.find(message.key, now) else {
            if !message.is_initial_invite() {
                return None;
            }
            let at = (message.key.call, message.key.from);
            let leg = self.new_leg(message, now);
            self.legs.insert(at, leg);
            return Some((at, self.made, 0));
        };
        let leg = self.legs.get_mut(&at).unwrap();
        if message.is_initial_invite() && by_caller {
            let status = leg.status(now);
            let assumed = leg.phase == Phase::Restarted && !leg.is_live();
            if message.cseq > leg.cseq && (status != LegStatus::Established || assumed) {
                let ended = status == LegStatus::Ended;
                leg.dialogs.retain(|_, dialog| !ended && dialog.state == State::Confirmed);
                (leg.cseq, leg.phase, leg.ended) = (message.cseq, Phase::Pending, false);
                (leg.carried, leg.relayed) = (false, None);
                leg.relay = leg.relay.filter(|_| !ended);
                leg.touch(now);
            } else if status == LegStatus::Pending {
                leg.touch(now);
            }
        }
        Some((at, leg.number, leg.ends))
    }

    fn record(&mut self, held: &Held, now: u32) -> Recorded {
        let message = &held.message;
        let kept = held.leg.filter(|(at, number, _)| {
            self.legs[at].number == *number && now <= self.legs[at].expires
        });
        let ends = kept.map(|(_, _, ends)| ends);
        let kept = kept.map(|(at, ..)| (at, at.1 == message.key.from));
        let found = kept.or_else(|| self.find(message.key, now));
        let (at, by_caller) = found.unwrap_or_else(|| {
            let at = (message.key.call, message.key.from);
            let leg = self.new_leg(message, now);
            self.legs.insert(at, leg);
            (at, true)
        });
        let leg = self.legs.get_mut(&at).unwrap();
        let tag = message.key.callee_tag(by_caller);
        if leg.status(now) == LegStatus::Ended {
            return Recorded::EndedMeanwhile(DeleteScope::Call);
        }
        if ends.is_some_and(|ends| ends != leg.ends) {
            return Recorded::EndedMeanwhile(DeleteScope::Nothing);
        }
        let initial = message.is_initial_invite() && by_caller && message.cseq == leg.cseq;
        let own = leg.dialogs.get(&tag).map(|dialog| dialog.state);
        let live = matches!(own, Some(State::Early | State::Confirmed));
        let known = leg.phase != Phase::Restarted || leg.is_live();
        let foreign = message.status.is_none() && !live && known;
        let foreign = foreign && !(message.key.to == 0 && by_caller);
        let first = leg.relay.is_none() && !foreign;
        self.reply(message, at, by_caller, false, now);
        let leg = self.legs.get_mut(&at).unwrap();
        let CallUpdate { offer_answer, relayed_lines, relay, .. } = held.update;
        if initial && offer_answer.offered == Some(leg.cseq) {
            leg.carried = true;
        }
        if initial {
            leg.relayed = relayed_lines.or(leg.relayed);
        } else if message.status.is_none() && relayed_lines.is_some() && tag != 0 {
            let dialog = leg.dialog(tag, State::Assumed, 0);
            let side = usize::from(by_caller);
            dialog.offered[side] = dialog.offered[side].max(offer_answer.offered);
            dialog.relayed = relayed_lines;
            dialog.last = Some((by_caller, message.cseq));
        } else if let Some(dialog) = leg.dialogs.get_mut(&tag) {
            let side = usize::from(by_caller);
            dialog.offered[side] = dialog.offered[side].max(offer_answer.offered);
            if relayed_lines.is_some() {
                dialog.relayed = relayed_lines;
                dialog.last = Some((by_caller, message.cseq));
            }
        }
        if !foreign {
            leg.relay = Some(relay);
        }
        leg.touch(now);
        match leg.end_if_over(tag, now) {
            DeleteScope::Nothing => {
                Recorded::Stored { first, cancelled: leg.phase == Phase::Cancelled }
            }
            scope => Recorded::EndedMeanwhile(scope),
        }
    }

    /// The dialog of a reply to INVITE. `alone`: nothing else is stored of it.
    fn reply(
        &mut self,
        message: &CallMessage,
        at: (u64, u32),
        by_caller: bool,
        alone: bool,
        now: u32,
    ) -> DeleteScope {
        let leg = self.legs.get_mut(&at).unwrap();
        let tag = message.key.callee_tag(by_caller);
        if message.is_invite_success() {
            leg.dialog(tag, State::Confirmed, message.branch);
            if by_caller && message.cseq == leg.cseq && leg.is_unanswered() {
                leg.phase = Phase::Completed;
            }
        } else if message.is_invite_provisional() && tag != 0 {
            // RFC 3261 13.2.2.1.
            if !(leg.phase == Phase::Completed && by_caller) {
                leg.dialog(tag, State::Early, message.branch);
            }
        }
        if !alone {
            return DeleteScope::Nothing;
        }
        leg.touch(now);
        leg.end_if_over(tag, now)
    }

    fn reply_without_sdp(&mut self, message: &CallMessage, now: u32) -> DeleteScope {
        let found = self.find(message.key, now);
        let ended = found.filter(|(at, _)| self.legs[at].ended && message.is_invite_success());
        if let Some((at, _)) = ended {
            self.legs.get_mut(&at).unwrap().expires = now + ENDED;
        }
        let active = found.filter(|(at, _)| self.legs[at].status(now) != LegStatus::Ended);
        let Some((at, by_caller)) = active else { return DeleteScope::Nothing };
        match self.reply(message, at, by_caller, true, now) {
            DeleteScope::Call => DeleteScope::Call,
            _ => DeleteScope::Nothing,
        }
    }

    fn terminate(&mut self, message: &CallMessage, scope: EndScope, now: u32) -> DeleteScope {
        let Some((at, by_caller)) = self.find(message.key, now) else {
            return match (message.method, message.status) {
                (Method::Bye, None) => DeleteScope::Dialog,
                (Method::Invite, Some(300..)) => DeleteScope::Unanswered,
                _ => DeleteScope::Nothing,
            };
        };
        let leg = self.legs.get_mut(&at).unwrap();
        let tag = message.key.callee_tag(by_caller);
        match (message.method, message.status) {
            _ if leg.status(now) == LegStatus::Ended => DeleteScope::Nothing,
            (Method::Bye, None) => Model::bye(leg, tag, now),
            (Method::Cancel, None) => {
                let own = by_caller && message.key.to == 0 && message.cseq == leg.cseq;
                if !own || !leg.is_unanswered() || leg.has(State::Confirmed) {
                    return DeleteScope::Nothing;
                }
                if leg.phase == Phase::Pending {
                    leg.phase = Phase::Cancelled;
                    leg.expires = now + 2 * ENDED;
                }
                DeleteScope::Cancelled
            }
            (Method::Invite, Some(300..)) if by_caller => Model::failure(leg, message, scope, now),
            _ => DeleteScope::Nothing,
        }
    }

    fn bye(leg: &mut Leg, tag: u32, now: u32) -> DeleteScope {
        let state = leg.dialogs.get(&tag).map(|dialog| dialog.state);
        match state {
            Some(State::Early | State::Confirmed) => {
                leg.dialogs.get_mut(&tag).unwrap().state = State::Over;
            }
            Some(State::Assumed) if leg.phase == Phase::Restarted => {
                leg.dialogs.get_mut(&tag).unwrap().state = State::Over;
            }
            None if leg.phase == Phase::Restarted => {}
            _ => return DeleteScope::Nothing,
        }
        let early = state == Some(State::Early);
        let goes_on = early && (leg.is_unanswered() || leg.has(State::Early));
        if leg.has(State::Confirmed) || goes_on {
            return DeleteScope::Dialog;
        }
        if leg.phase == Phase::Restarted {
            if leg.is_left() {
                leg.expires = now + ENDED;
            }
            return DeleteScope::Dialog;
        }
        leg.end(now)
    }

    fn failure(leg: &mut Leg, message: &CallMessage, scope: EndScope, now: u32) -> DeleteScope {
        if leg.phase == Phase::Restarted {
            return match leg.has(State::Early) && !leg.has(State::Confirmed) {
                true => DeleteScope::Unanswered,
                false => DeleteScope::Nothing,
            };
        }
        if message.cseq != leg.cseq {
            return DeleteScope::Nothing;
        }
        let final_reply = leg.is_unanswered() && scope == EndScope::Call;
        if final_reply && !leg.has(State::Confirmed) {
            return leg.end(now);
        }
        let mut own = DeleteScope::Nothing;
        for (tag, dialog) in leg.dialogs.iter_mut().filter(|(_, d)| d.state == State::Early) {
            if *tag == message.key.to && *tag != 0 {
                own = DeleteScope::Dialog;
            } else if !final_reply && (message.branch == 0 || message.branch != dialog.branch) {
                continue;
            }
            dialog.state = State::GivenUp;
        }
        own
    }

    /// Status, relay, whether the INVITE of this CSeq carried an offer, relayed lines.
    fn look_up(
        &self,
        message: &CallMessage,
        now: u32,
    ) -> (LegStatus, Option<u32>, bool, Option<u64>) {
        let Some((at, by_caller)) = self.find(message.key, now) else {
            return (LegStatus::Unknown, None, false, None);
        };
        let leg = &self.legs[&at];
        let tag = message.key.callee_tag(by_caller);
        let dialog = leg.dialogs.get(&tag);
        let initial = leg.carried && by_caller && leg.cseq == message.cseq;
        let own = dialog.and_then(|dialog| dialog.offered[usize::from(by_caller)]);
        let of_dialog = dialog.filter(|_| !(initial && message.status.is_some()));
        let answers_last = |dialog: &Dialog| {
            message.status.is_none() || dialog.last == Some((by_caller, message.cseq))
        };
        let relayed = match of_dialog.filter(|dialog| dialog.relayed.is_some()) {
            Some(dialog) => dialog.relayed.filter(|_| answers_last(dialog)),
            None => leg.relayed,
        };
        let over = dialog.is_some_and(|dialog| dialog.state == State::Over);
        let over = over && tag != 0 && message.status.is_none_or(|status| status < 300);
        let status = if over { LegStatus::Ended } else { leg.status(now) };
        (status, leg.relay, initial || own == Some(message.cseq), relayed)
    }
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
            let leg = model.begin(&message, now);
            held.push(Held { message, ticket, leg, update });
        }
        // Some relays take their time.
        while !held.is_empty() && (random.below(3) > 0 || held.len() > 3) {
            let held = held.swap_remove(random.below(held.len()));
            let recorded = calls.record(&held.message, held.ticket, &held.update, now);
            let expected = model.record(&held, now);
            let what = format!("{:?}: {recorded:?}, expected {expected:?}", held.message);
            check(&what, recorded == expected);
        }
        let active = model.legs.values();
        let active = active.filter(|leg| now <= leg.expires && leg.status(now) != LegStatus::Ended);
        let active = active.filter(|leg| leg.phase != Phase::Restarted || !leg.is_left());
        check("the number of legs", calls.len(now) == active.count());
    }
}

#[test]
fn random_messages_give_what_a_plain_model_of_the_rules_gives() {
    for seed in 0..1_500 {
        run(seed);
    }
}
