//! What ends what in the model.

use super::*;

impl Model {
    pub(in super::super) fn terminate(
        &mut self,
        message: &CallMessage,
        scope: EndScope,
        now: u32,
    ) -> DeleteScope {
        let Some((at, by_caller)) = self.find(message.key, now) else {
            return match (message.method, message.status) {
                (Method::Bye, None) => {
                    let mut leg = self.new_leg(message, now);
                    leg.dialog(message.key.to, State::Over, 0);
                    leg.expires = now + ENDED;
                    self.legs.insert((message.key.call, message.key.from), leg);
                    DeleteScope::Dialog
                }
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
            // Beside others the relay knows whether the tags are those of a dialog.
            Some(State::Over) if leg.phase == Phase::Restarted && !leg.is_left() => {
                return DeleteScope::Dialog;
            }
            None if leg.phase == Phase::Restarted => {
                // Its end is stored beside what keeps the leg.
                if tag != 0 && (leg.has(State::Confirmed) || leg.has(State::Assumed)) {
                    leg.dialog(tag, State::Over, 0);
                }
            }
            _ => return DeleteScope::Nothing,
        }
        let early = state == Some(State::Early);
        let goes_on = early && (leg.is_unanswered() || leg.has(State::Early));
        if leg.has(State::Confirmed) || goes_on {
            return DeleteScope::Dialog;
        }
        if leg.phase == Phase::Restarted {
            leg.expires = match leg.is_left() {
                true => now + ENDED,
                false => leg.expires.min(now + PENDING),
            };
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
        let (mut own, mut others) = (false, false);
        for (tag, dialog) in leg.dialogs.iter_mut().filter(|(_, d)| d.state == State::Early) {
            if *tag == message.key.to && *tag != 0 {
                own = true;
            } else if !final_reply && (message.branch == 0 || message.branch != dialog.branch) {
                continue;
            } else {
                others = true;
            }
            dialog.state = State::GivenUp;
        }
        match (own, others && !final_reply) {
            (_, true) => DeleteScope::Branch,
            (true, false) => DeleteScope::Dialog,
            (false, false) => DeleteScope::Nothing,
        }
    }
}
