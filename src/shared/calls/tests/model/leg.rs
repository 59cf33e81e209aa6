//! The legs of the model.

use std::collections::HashMap;

use super::*;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Phase {
    Restarted,
    Pending,
    Completed,
    Cancelled,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum State {
    Early,
    Confirmed,
    Assumed,
    Over,
    GivenUp,
}

#[derive(Clone, Debug)]
pub(super) struct Dialog {
    pub(super) state: State,
    pub(super) branch: u32,
    /// The last offer of the callee and of the caller.
    pub(super) offered: [Option<u32>; 2],
    pub(super) relayed: Option<u64>,
    /// The side and the CSeq of the last offer, whose lines `relayed` has.
    pub(super) last: Option<(bool, u32)>,
}

#[derive(Clone, Debug)]
pub(super) struct Leg {
    /// Differs for each leg.
    pub(super) number: usize,
    pub(super) cseq: u32,
    pub(super) phase: Phase,
    pub(super) carried: bool,
    pub(super) ended: bool,
    pub(super) ends: u32,
    pub(super) relayed: Option<u64>,
    pub(super) relay: Option<u32>,
    pub(super) expires: u32,
    /// It began in the middle of the call and has had a request.
    pub(super) requested: bool,
    pub(super) dialogs: HashMap<u32, Dialog>,
}

impl Leg {
    pub(super) fn has(&self, state: State) -> bool {
        self.dialogs.values().any(|dialog| dialog.state == state)
    }

    pub(super) fn is_live(&self) -> bool {
        self.has(State::Early) || self.has(State::Confirmed)
    }

    pub(super) fn is_unanswered(&self) -> bool {
        matches!(self.phase, Phase::Pending | Phase::Cancelled)
    }

    pub(super) fn status(&self, now: u32) -> LegStatus {
        match self.phase {
            _ if self.ended => LegStatus::Ended,
            Phase::Pending => LegStatus::Pending,
            Phase::Cancelled if self.has(State::Confirmed) => LegStatus::Established,
            Phase::Cancelled if now > self.expires - ENDED => LegStatus::Ended,
            Phase::Cancelled => LegStatus::Cancelled,
            Phase::Restarted | Phase::Completed => LegStatus::Established,
        }
    }

    pub(super) fn touch(&mut self, now: u32) {
        self.expires = match self.phase {
            _ if self.ended => return,
            Phase::Restarted if self.is_left() => now + ENDED,
            Phase::Restarted if !self.requested => now + PENDING,
            _ if self.has(State::Confirmed) => now + ESTABLISHED,
            Phase::Completed => now + ESTABLISHED,
            Phase::Cancelled => return,
            Phase::Pending | Phase::Restarted => now + PENDING,
        };
    }

    pub(super) fn end(&mut self, now: u32) -> DeleteScope {
        self.ended = true;
        self.ends += 1;
        self.expires = now + ENDED;
        DeleteScope::Call
    }

    /// A dialog is over, and none is left.
    pub(super) fn is_left(&self) -> bool {
        self.has(State::Over) && !self.has(State::Confirmed) && !self.has(State::Assumed)
    }

    /// After a message of a dialog that is over.
    pub(super) fn end_if_over(&mut self, tag: u32, now: u32) -> DeleteScope {
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

    pub(super) fn dialog(&mut self, tag: u32, state: State, branch: u32) -> &mut Dialog {
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
