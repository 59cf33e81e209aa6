//! What a message or a command ends, and what is deleted at the relay.

use super::Calls;
use super::dialog::{Dialog, DialogState};
use super::leg::{Leg, Phase, State};
use super::message::{CallKey, CallMessage};
use super::scope::{DeleteScope, EndScope, Termination};
use super::state::LegStatus;
use crate::sip::Method;

impl<'b> Calls<'b> {
    /// Terminates what the message ends, and says what to delete at the relay.
    /// `branch_delete`: the relay can delete one dialog and keep the others.
    ///
    /// - BYE (RFC 3261 15) ends its dialog, and the leg with its last one.
    /// - CANCEL (9.1) of the initial INVITE marks it as cancelled.
    /// - A failure reply to the initial INVITE (12.3, 13.3.1.3) ends what `scope` says.
    /// - A failure reply to another INVITE ends nothing (14.1).
    pub fn terminate(
        &self,
        message: &CallMessage,
        scope: EndScope,
        branch_delete: bool,
        seconds: u32,
    ) -> Termination {
        let found = self.locate(message.key, seconds);
        let (scope, wrong_tags) = match (message.method, message.status, found) {
            (Method::Bye, None, None) => (DeleteScope::Dialog, false),
            (Method::Invite, Some(300..), None) => (DeleteScope::Unanswered, false),
            (_, _, Some((leg, by_caller))) => {
                let end = Ending { leg, message, by_caller, branch_delete, seconds };
                match (message.method, message.status) {
                    _ if leg.status(leg.state(), seconds) == LegStatus::Ended => end.nothing(),
                    (Method::Bye, None) => end.bye(),
                    (Method::Cancel, None) => end.cancel(),
                    (Method::Invite, Some(300..)) => end.failure(scope),
                    _ => end.nothing(),
                }
            }
            (_, _, None) => (DeleteScope::Nothing, false),
        };
        Termination { scope, relay: relay(found), wrong_tags }
    }

    /// Terminates a leg at the command of the SIP server. The tag of From is that
    /// of either side.
    pub fn terminate_leg(&self, key: CallKey, seconds: u32) -> Termination {
        let found = self.locate(key, seconds);
        let found = found.or_else(|| Some((self.slots.find_by_callee(key, seconds)?, false)));
        let scope = match found {
            None => DeleteScope::Call,
            Some((leg, _)) if leg.end(seconds) => DeleteScope::Call,
            Some(_) => DeleteScope::Nothing,
        };
        Termination { scope, relay: relay(found), wrong_tags: false }
    }
}

fn relay(found: Option<(Leg<'_>, bool)>) -> Option<u32> {
    found.map(|(leg, _)| leg.relay()).filter(|relay| *relay != 0)
}

/// A message that may end something of a stored leg.
struct Ending<'m, 'b> {
    leg: Leg<'b>,
    message: &'m CallMessage,
    by_caller: bool,
    branch_delete: bool,
    seconds: u32,
}

impl Ending<'_, '_> {
    fn nothing(&self) -> (DeleteScope, bool) {
        (DeleteScope::Nothing, false)
    }

    fn one_dialog(&self) -> (DeleteScope, bool) {
        match self.branch_delete {
            true => (DeleteScope::Dialog, false),
            false => (DeleteScope::Withheld, false),
        }
    }

    fn leg(&self) -> (DeleteScope, bool) {
        match (self.leg.end(self.seconds), self.leg.state().phase()) {
            // Stored in the middle of the call: the leg may have other dialogs.
            (true, Phase::None) => (DeleteScope::Dialog, false),
            (true, _) => (DeleteScope::Call, false),
            // Another process was faster.
            (false, _) => self.nothing(),
        }
    }

    fn bye(&self) -> (DeleteScope, bool) {
        let (leg, state) = (&self.leg, self.leg.state());
        let tag = self.message.key.callee_tag(self.by_caller);
        let own = || leg.dialogs().filter(|(_, dialog)| dialog.tag == tag);
        let was_confirmed = own().any(|(_, dialog)| dialog.state == DialogState::Confirmed);
        let was_early = own().any(|(_, dialog)| dialog.state == DialogState::Early);
        if state.phase() == Phase::None && !was_confirmed && !was_early {
            return self.bye_after_restart(tag);
        }
        if was_confirmed || was_early {
            if leg.end_dialogs(|dialog| dialog.tag == tag) == 0 {
                return self.nothing();
            }
        } else if own().any(|(_, dialog)| dialog.state == DialogState::Over) {
            return self.nothing();
        } else if state.may_have_more(tag) {
            leg.change(|state| Some(state.without_more(tag)));
        } else if state.has_more()
            || leg.dialogs().any(|(_, dialog)| match dialog.state {
                DialogState::Assumed => false,
                DialogState::GivenUp => state.is_unanswered(),
                _ => true,
            })
        {
            return (DeleteScope::Nothing, true);
        }
        let (early, confirmed) = leg.count_dialogs();
        let state = leg.state();
        let goes_on = was_early && !was_confirmed && (state.is_unanswered() || early > 0);
        match confirmed > 0 || state.has_more() || goes_on {
            true => self.one_dialog(),
            false => self.leg(),
        }
    }

    /// In a leg that was stored in the middle of the call: the relay knows whether the
    /// tags are those of a dialog. The leg ends when no other dialog is stored.
    fn bye_after_restart(&self, tag: u32) -> (DeleteScope, bool) {
        let own = |dialog: Dialog| dialog.tag == tag && dialog.state == DialogState::Assumed;
        self.leg.free_dialogs(own);
        let stored = || self.leg.dialogs().any(|(_, dialog)| dialog.state != DialogState::Over);
        if !stored() {
            return self.leg();
        }
        (DeleteScope::Dialog, false)
    }

    fn cancel(&self) -> (DeleteScope, bool) {
        let message = self.message;
        if !self.by_caller || message.key.to != 0 || self.leg.is_confirmed() {
            return self.nothing();
        }
        let old = self.leg.change(|state| {
            let own = state.is_unanswered() && state.cseq() == message.cseq && !state.has_ended();
            own.then(|| state.with_phase(Phase::Cancelled))
        });
        match old.map(State::phase) {
            Some(Phase::Pending) => self.leg.start_cancelled(self.seconds),
            Some(_) => {}
            None => return self.nothing(),
        }
        (DeleteScope::Cancelled, false)
    }

    fn failure(&self, scope: EndScope) -> (DeleteScope, bool) {
        let (leg, state) = (&self.leg, self.leg.state());
        if !self.by_caller {
            return self.nothing();
        }
        if state.phase() == Phase::None {
            // After a restart: whether a dialog was confirmed, the relay knows.
            let (early, confirmed) = leg.count_dialogs();
            let unanswered = early > 0 && confirmed == 0 && !state.has_more();
            return match unanswered {
                true => (DeleteScope::Unanswered, false),
                false => self.nothing(),
            };
        }
        if state.cseq() != self.message.cseq {
            return self.nothing();
        }
        let final_reply = state.is_unanswered() && scope == EndScope::Call;
        if final_reply && !leg.is_confirmed() {
            return self.leg();
        }
        let CallMessage { branch, key, .. } = *self.message;
        let own = |dialog: Dialog| dialog.tag == key.to && key.to != 0;
        let early = |dialog: Dialog| dialog.state == DialogState::Early;
        let had_own = leg.give_up_dialogs(|dialog| early(dialog) && own(dialog)) > 0;
        leg.give_up_dialogs(|dialog| early(dialog) && (final_reply || dialog.is_on(branch)));
        if had_own { self.one_dialog() } else { self.nothing() }
    }
}

impl Leg<'_> {
    /// After a message of a dialog whose BYE came before: what to delete at the relay.
    /// The leg ends if it was waiting for the 2xx of this dialog only.
    pub(super) fn end_if_over(&self, tag: u32, seconds: u32) -> DeleteScope {
        let over = |dialog: Dialog| dialog.state == DialogState::Over;
        if !self.dialog(tag).is_some_and(|(_, dialog)| over(dialog)) {
            return DeleteScope::Nothing;
        }
        let state = self.state();
        let live = self.dialogs().any(|(_, dialog)| dialog.is_live());
        if live || state.has_more() || state.is_unanswered() || !self.end(seconds) {
            return DeleteScope::Dialog;
        }
        DeleteScope::Call
    }

    /// Ends the leg. False when it had ended before.
    fn end(&self, seconds: u32) -> bool {
        if self.status(self.state(), seconds) == LegStatus::Ended {
            return false;
        }
        let end = |state: State| (!state.has_ended()).then(|| state.ended());
        let ended = self.change(end).is_some();
        if ended {
            self.start_ended(seconds);
        }
        ended
    }
}
