//! What a message or a command ends, and what is deleted at the relay.

use super::dialog::{Dialog, DialogState};
use super::leg::{Changed, Leg, Phase, State};
use super::message::{CallKey, CallMessage};
use super::scope::{DeleteScope, EndScope, Termination};
use super::state::LegStatus;
use super::words::MAX_DIALOGS;
use super::{Calls, Located};
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
            (Method::Bye, None, None) => {
                self.store_bye(message, seconds);
                (DeleteScope::Dialog, false)
            }
            (Method::Invite, Some(300..), None) => (DeleteScope::Unanswered, false),
            (_, _, Some(Located { leg, by_caller, .. })) => {
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
        Termination { scope, relay: relay(found.map(|found| found.leg)), wrong_tags }
    }

    /// Stores the end of a dialog of a leg that is not stored (after a restart): a
    /// repeated 2xx, or a rewrite that waits for its relay, makes no session after it.
    #[cold]
    fn store_bye(&self, message: &CallMessage, seconds: u32) {
        let key = message.key;
        if let Some((leg, true)) = self.slots.take(key.call, key.leg_of_from(), seconds) {
            leg.put_dialog(key.to, None, DialogState::Over, 0);
            leg.start_ended(seconds);
        }
    }

    /// Terminates a leg at the command of the SIP server. The tag of From is that
    /// of either side.
    pub fn terminate_leg(&self, key: CallKey, seconds: u32) -> Termination {
        let found = self.locate(key, seconds).map(|found| found.leg);
        // A leg that began with another message may be of a tag that anybody has used.
        let own = found.filter(|leg| leg.is_live() || leg.state().phase() != Phase::None);
        let found = own.or_else(|| self.slots.find_by_callee(key, seconds)).or(found);
        let scope = match found {
            None => DeleteScope::Call,
            Some(leg) if leg.end(seconds) => DeleteScope::Call,
            Some(_) => DeleteScope::Nothing,
        };
        Termination { scope, relay: relay(found), wrong_tags: false }
    }
}

fn relay(found: Option<Leg<'_>>) -> Option<u32> {
    found.map(|leg| leg.relay()).filter(|relay| *relay != 0)
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
        match self.leg.end(self.seconds) {
            true => (DeleteScope::Call, false),
            // Another process was faster.
            false => self.nothing(),
        }
    }

    fn bye(&self) -> (DeleteScope, bool) {
        let (leg, state) = (&self.leg, self.leg.state());
        let tag = self.message.key.callee_tag(self.by_caller);
        let own = leg.dialog(tag).map(Dialog::state);
        let restarted = state.phase() == Phase::None;
        match own {
            // Beside others it may be stored of a BYE that anybody has sent: the relay knows.
            Some(DialogState::Over) if restarted && self.branch_delete && !leg.is_left() => {
                return self.one_dialog();
            }
            Some(DialogState::Over) => return self.nothing(),
            Some(DialogState::Early | DialogState::Confirmed) => {}
            None if restarted => leg.store_over(tag),
            _ if restarted => {}
            // It may be one of those without words.
            _ if state.has_more() => return self.one_dialog(),
            _ => return (DeleteScope::Nothing, true),
        }
        if leg.end_dialogs(tag) == 0 && own.is_some_and(DialogState::is_live) {
            // Another process was faster.
            return self.nothing();
        }
        let (early, confirmed) = leg.count_dialogs();
        let state = leg.state();
        if state.has_more() && confirmed == 0 {
            leg.shorten(self.seconds);
        }
        let goes_on = own == Some(DialogState::Early) && (state.is_unanswered() || early > 0);
        if confirmed > 0 || state.has_more() || goes_on {
            return self.one_dialog();
        }
        if state.phase() == Phase::None {
            return self.last_after_restart();
        }
        self.leg()
    }

    /// The end of a dialog in a leg that was first seen in the middle of the call: it may
    /// have others, and only the relay knows whether the tags are those of one of them.
    fn last_after_restart(&self) -> (DeleteScope, bool) {
        match self.leg.is_left() {
            true => self.leg.start_ended(self.seconds),
            false => self.leg.shorten(self.seconds),
        }
        (DeleteScope::Dialog, false)
    }

    fn cancel(&self) -> (DeleteScope, bool) {
        let message = self.message;
        if !self.by_caller || message.key.to != 0 || self.leg.is_confirmed() {
            return self.nothing();
        }
        let changed = self.leg.change(|state| {
            let own = state.is_unanswered() && state.cseq() == message.cseq && !state.has_ended();
            own.then(|| state.with_phase(Phase::Cancelled))
        });
        let Changed::From(old) = changed else { return self.nothing() };
        if old.phase() == Phase::Pending {
            self.leg.start_cancelled(self.seconds);
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
        let own = |dialog: Dialog| dialog.tag() == key.to && key.to != 0;
        let early = |dialog: Dialog| dialog.state() == DialogState::Early;
        let had_own = leg.give_up_dialogs(|dialog| early(dialog) && own(dialog)) > 0;
        let others =
            leg.give_up_dialogs(|dialog| early(dialog) && (final_reply || dialog.is_on(branch)));
        match (had_own, others > 0 && !final_reply) {
            (false, false) => self.nothing(),
            (_, true) if self.branch_delete => (DeleteScope::Branch, false),
            _ => self.one_dialog(),
        }
    }
}

impl Leg<'_> {
    /// After a message of the dialog with this tag, which is stored at `at`: what to delete
    /// at the relay if its BYE has come before. The leg ends if it was waiting for the 2xx
    /// of this dialog only.
    #[inline(always)]
    pub(super) fn end_if_over(&self, tag: u32, at: Option<usize>, seconds: u32) -> DeleteScope {
        let dialog = match at {
            Some(at) => self.dialog_at(at, tag),
            None => self.dialog(tag),
        };
        match dialog.is_some_and(|dialog| dialog.state() == DialogState::Over) {
            true => self.end_over(seconds),
            false => DeleteScope::Nothing,
        }
    }

    #[cold]
    fn end_over(&self, seconds: u32) -> DeleteScope {
        let state = self.state();
        let may_have_others = matches!(state.phase(), Phase::None) || state.is_unanswered();
        if self.is_live() || state.has_more() || may_have_others || !self.end(seconds) {
            return DeleteScope::Dialog;
        }
        DeleteScope::Call
    }

    /// Stores the end of a dialog that the leg of a restarted server does not know: what is
    /// repeated or late of it makes no session behind its BYE. Anybody may send such a BYE,
    /// so at most half of the places are for dialogs that are over, and it is stored only
    /// beside a dialog that keeps the leg.
    #[cold]
    fn store_over(&self, tag: u32) {
        let of =
            |state: DialogState| self.dialogs().filter(move |old| old.state() == state).count();
        let keeps = of(DialogState::Confirmed) + of(DialogState::Assumed) > 0;
        if tag != 0 && keeps && of(DialogState::Over) < MAX_DIALOGS / 2 {
            self.put_dialog(tag, None, DialogState::Over, 0);
        }
    }

    /// Ends the leg. False when it had ended before.
    fn end(&self, seconds: u32) -> bool {
        if self.status(self.state(), seconds) == LegStatus::Ended {
            return false;
        }
        let end = |state: State| (!state.has_ended()).then(|| state.ended());
        let ended = self.change(end).is_changed();
        if ended {
            self.start_ended(seconds);
        }
        ended
    }
}
