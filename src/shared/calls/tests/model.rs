//! A plain model of the rules, without bounds: a map of legs with maps of dialogs, one
//! process, no packed words.

use std::collections::HashMap;

use super::*;
use crate::shared::calls::expiry::{ENDED, ESTABLISHED, PENDING};

mod ends;
mod leg;

use leg::{Dialog, Leg, Phase, State};

#[derive(Default)]
pub(super) struct Model {
    /// How many legs were made.
    made: usize,
    /// By Call-ID and caller tag.
    legs: HashMap<(u64, u32), Leg>,
}

/// The leg of a rewrite when it began: its place, its number, and how often it had ended.
pub(super) type Begun = ((u64, u32), usize, u32);

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
        // An INVITE that made no dialog has none after its end.
        let ended = stored(&to).filter(|leg| leg.ended).map(|leg| !leg.dialogs.is_empty());
        let after_end = key.to != 0 && ended == Some(true);
        if stored(&from).is_some() {
            return Some(if after_end { (to, false) } else { (from, true) });
        }
        let pending = ended.is_none() && stored(&to).is_some() && !restarted(&to);
        (after_end || key.to != 0 && pending).then_some((to, false))
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
            requested: false,
            dialogs: HashMap::new(),
        }
    }

    pub(super) fn begin(&mut self, message: &CallMessage, now: u32) -> Option<Begun> {
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

    pub(super) fn record(
        &mut self,
        message: &CallMessage,
        begun: Option<Begun>,
        update: &CallUpdate,
        now: u32,
    ) -> Recorded {
        let kept = begun.filter(|(at, number, _)| {
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
        let initial = message.is_initial_invite() && by_caller && message.cseq == leg.cseq;
        if leg.status(now) == LegStatus::Ended {
            return Recorded::EndedMeanwhile(DeleteScope::Call);
        }
        if ends.is_some_and(|ends| ends != leg.ends) {
            return Recorded::EndedMeanwhile(DeleteScope::Nothing);
        }
        let own = leg.dialogs.get(&tag).map(|dialog| dialog.state);
        let live = matches!(own, Some(State::Early | State::Confirmed));
        let known = leg.phase != Phase::Restarted || leg.is_live();
        let foreign = message.status.is_none() && !live && known;
        let foreign = foreign && !(message.key.to == 0 && by_caller);
        let first = leg.relay.is_none() && !foreign;
        leg.requested |= message.status.is_none() && message.method != Method::Ack;
        self.reply(message, at, by_caller, false, now);
        let leg = self.legs.get_mut(&at).unwrap();
        let CallUpdate { offer_answer, relayed_lines, relay, .. } = *update;
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

    pub(super) fn reply_without_sdp(&mut self, message: &CallMessage, now: u32) -> DeleteScope {
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

    /// Status, relay, whether the INVITE of this CSeq carried an offer, relayed lines.
    pub(super) fn look_up(
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
            None => leg.relayed.filter(|_| initial && message.status.is_some()),
        };
        let over = dialog.is_some_and(|dialog| dialog.state == State::Over);
        let over = over && tag != 0 && message.status.is_none_or(|status| status < 300);
        let status = if over { LegStatus::Ended } else { leg.status(now) };
        (status, leg.relay, initial || own == Some(message.cseq), relayed)
    }

    /// The number of legs that have not ended.
    pub(super) fn len(&self, now: u32) -> usize {
        let stored = self.legs.values().filter(|leg| now <= leg.expires);
        let active = stored.filter(|leg| leg.status(now) != LegStatus::Ended);
        active.filter(|leg| leg.phase != Phase::Restarted || !leg.is_left()).count()
    }
}
