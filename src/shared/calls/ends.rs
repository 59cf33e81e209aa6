//! What a message or a command ends, and what is deleted at the relay.

use super::Calls;
use super::dialog::{Dialog, DialogState};
use super::leg::{Leg, Phase, State};
use super::message::{CallKey, CallMessage};
use super::state::LegStatus;
use crate::sip::Method;

/// Which part of the leg a failure reply to its initial INVITE ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EndScope {
    /// The reply goes upstream: it ends the leg with all its early dialogs.
    #[default]
    Call,
    /// It is one server branch's: only the early dialogs of that branch end.
    Branch,
}

/// The delete request for the relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeleteScope {
    /// Delete the whole leg.
    Call,
    /// Delete the dialog with these tags.
    Dialog,
    /// Delete the session if none of its dialogs is confirmed: the leg is not
    /// stored. Send nothing to a relay that cannot do this.
    Unanswered,
    /// Queue a delete of the leg for 32 s later, when the cancelled INVITE has had
    /// no final reply by then.
    Cancelled,
    /// Another dialog is alive, and the relay's delete would remove it as well:
    /// send none.
    Withheld,
    /// Nothing ended.
    Nothing,
}

/// What a message has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Termination {
    /// What is deleted at the relay.
    pub scope: DeleteScope,
    /// The identity of the leg's relay. `None` for a leg that is not stored, and
    /// for one that no relay has answered.
    pub relay: Option<u32>,
    /// The leg is stored, and the message's tags are those of none of its dialogs.
    pub wrong_tags: bool,
}

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
        match self.leg.end(self.seconds) {
            true => (DeleteScope::Call, false),
            // Another process was faster.
            false => self.nothing(),
        }
    }

    fn bye(&self) -> (DeleteScope, bool) {
        let (leg, state) = (&self.leg, self.leg.state());
        let tag = self.message.key.callee_tag(self.by_caller);
        let own = || leg.dialogs().filter(|(_, dialog)| dialog.tag == tag);
        let was_confirmed = own().any(|(_, dialog)| dialog.state == DialogState::Confirmed);
        let was_early = own().any(|(_, dialog)| dialog.state == DialogState::Early);
        if was_confirmed || was_early {
            if leg.end_dialogs(|dialog| dialog.tag == tag) == 0 {
                return self.nothing();
            }
        } else if own().any(|(_, dialog)| dialog.state == DialogState::Over) {
            return self.nothing();
        } else if state.may_have_more(tag) {
            leg.change(|state| Some(state.without_more(tag)));
        } else if state.has_more()
            || leg.dialogs().any(|(_, dialog)| dialog.state != DialogState::Assumed)
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

    fn cancel(&self) -> (DeleteScope, bool) {
        let message = self.message;
        if !self.by_caller || message.key.to != 0 {
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
        if state.is_unanswered() && scope == EndScope::Call {
            return self.leg();
        }
        let CallMessage { branch, key, .. } = *self.message;
        let own = |dialog: Dialog| dialog.tag == key.to && key.to != 0;
        let early = |dialog: Dialog| dialog.state == DialogState::Early;
        let had_own = leg.end_dialogs(|dialog| early(dialog) && own(dialog)) > 0;
        leg.end_dialogs(|dialog| early(dialog) && dialog.is_on(branch));
        if had_own { self.one_dialog() } else { self.nothing() }
    }
}

impl Leg<'_> {
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
