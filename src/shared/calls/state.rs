//! The stored state of a message's leg, as one search finds it.

use std::net::SocketAddr;

use super::dialog::{Dialog, DialogState};
use super::history::OfferAnswerState;
use super::leg::{Leg, Phase, State};
use super::update::RelayPorts;
use super::words::MASK;
use super::{CallMessage, Calls, Located};
use crate::sip::Method;

/// The state of a leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LegStatus {
    /// The leg is not stored.
    Unknown,
    /// Its initial INVITE has no final reply yet.
    Pending,
    /// A dialog is confirmed, or the leg was stored in the middle of the call.
    Established,
    /// Its initial INVITE was cancelled, at most 32 s ago, and has no final reply yet.
    Cancelled,
    /// It has ended, at most 32 s ago, or the message's dialog has.
    Ended,
}

/// What is stored of a message's dialog: a relay that has lost its sessions cannot know it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StoredDialog {
    /// It may be one of the leg's, early or confirmed, or the leg is not stored whole.
    #[default]
    Unsure,
    /// A 2xx has confirmed it.
    Confirmed,
    /// The leg is stored from its initial INVITE on, and the request has the tags of none of
    /// its dialogs.
    Missing,
}

/// The stored state of the leg and the dialog that a message belongs to.
#[derive(Clone, Copy, Debug)]
pub struct LegState<'b> {
    found: Option<Found<'b>>,
    message: CallMessage,
    status: LegStatus,
}

#[derive(Clone, Copy, Debug)]
struct Found<'b> {
    leg: Leg<'b>,
    /// The request of the message's transaction is from the leg's caller.
    by_caller: bool,
    /// The message's dialog when the leg was found.
    dialog: Option<Dialog>,
    /// The state when the leg was found.
    state: State,
}

impl<'b> Calls<'b> {
    /// Finds the stored state of a message's leg at the time `seconds`.
    #[inline(always)]
    pub fn look_up(&self, message: &CallMessage, seconds: u32) -> LegState<'b> {
        let Some(located) = self.locate(message.key, seconds) else {
            return LegState { found: None, message: *message, status: LegStatus::Unknown };
        };
        let Located { leg, by_caller, dialog } = located;
        let state = leg.state();
        let status = match located.is_over(message) {
            true => LegStatus::Ended,
            false => leg.status(state, seconds),
        };
        let found = Found { leg, by_caller, dialog, state };
        LegState { found: Some(found), message: *message, status }
    }
}

impl Calls<'_> {
    /// Notes a use of the leg by a message without SDP in a confirmed dialog, such as
    /// the refresh of a session timer (RFC 4028).
    pub fn refresh(&self, found: &LegState<'_>, seconds: u32) {
        let Some((leg, by_caller)) = found.leg().filter(|_| found.is_active()) else { return };
        let dialog = leg.dialog(found.message.key.callee_tag(by_caller));
        if dialog.is_some_and(|dialog| dialog.state() == DialogState::Confirmed) {
            leg.touch(None, seconds);
        }
    }
}

impl Located<'_> {
    /// True for a message of a dialog that is over, unless it may end more.
    #[inline(always)]
    fn is_over(&self, message: &CallMessage) -> bool {
        match self.dialog {
            Some(dialog) if dialog.state() == DialogState::Over => ends_no_more(dialog, message),
            _ => false,
        }
    }
}

/// True for a message that ends nothing besides its own dialog, if it has no null tag.
#[cold]
fn ends_no_more(dialog: Dialog, message: &CallMessage) -> bool {
    dialog.tag() != 0 && message.status.is_none_or(|status| status < 300)
}

impl<'b> LegState<'b> {
    /// The message whose leg was looked up.
    pub(super) fn message(&self) -> &CallMessage {
        &self.message
    }

    /// The leg; with it true when the message's From is its caller.
    pub(super) fn leg(&self) -> Option<(Leg<'b>, bool)> {
        self.found.map(|found| (found.leg, found.by_caller))
    }

    /// The state of the leg.
    pub fn status(&self) -> LegStatus {
        self.status
    }

    /// True when the leg is stored and has not ended.
    pub fn is_active(&self) -> bool {
        !matches!(self.status, LegStatus::Unknown | LegStatus::Ended)
    }

    /// True for the CANCEL of an INVITE that a 2xx has answered meanwhile, and for that
    /// 2xx.
    pub fn crossed_cancel(&self) -> bool {
        let crossed = |found: Found<'_>| {
            found.by_caller && found.state.crossed() && found.state.cseq() == self.message.cseq
        };
        self.is_active() && self.found.is_some_and(crossed)
    }

    /// True for an INVITE that tries again in an ended leg: its CSeq is newer than that
    /// of the INVITE before.
    pub fn is_new_try(&self) -> bool {
        self.status == LegStatus::Ended
            && self.message.is_initial_invite()
            && self.found.is_some_and(|found| self.is_newer(found))
    }

    /// True for an INVITE that starts a leg, or that tries again in one with a newer
    /// CSeq. False for a repeated one. That of an answered call is a copy, or within the
    /// dialog of a null tag.
    pub fn is_first_try(&self) -> bool {
        self.message.is_initial_invite()
            && self.found.is_none_or(|found| self.is_newer(found) && !self.is_answered(found))
    }

    /// True for a copy of the INVITE that made an answered call. With a null tag a newer
    /// one is within the dialog, and so is any of the callee.
    pub fn repeats_initial_invite(&self) -> bool {
        let copies = |found: Found<'_>| match found.by_caller {
            true => !self.is_newer(found),
            false => !self.has_null_to_tag(),
        };
        self.message.is_initial_invite()
            && self.status == LegStatus::Established
            && self.found.is_some_and(copies)
    }

    /// True for a newer CSeq than that of the leg's initial INVITE, from the same side.
    fn is_newer(&self, found: Found<'_>) -> bool {
        found.by_caller && self.message.cseq > found.state.cseq()
    }

    /// True when the leg has an answer. One that was stored in the middle of the call may
    /// have none.
    fn is_answered(&self, found: Found<'_>) -> bool {
        self.status == LegStatus::Established
            && (found.state.phase() != Phase::None || found.leg.is_live())
    }

    /// True when the message is within a dialog although it has no To tag: the side
    /// that receives the request has a null tag (RFC 3261 12.1.1).
    pub fn has_null_to_tag(&self) -> bool {
        self.message.key.to == 0
            && self.found.is_some_and(|found| match found.by_caller {
                true => found.dialog.is_some(),
                // A leg is found by a null To tag only for its dialogs.
                false => true,
            })
    }

    /// True when the tag of From is that of the leg's caller or of one of its dialogs.
    pub fn has_from_tag(&self) -> bool {
        self.found.is_some_and(|found| found.by_caller || found.dialog.is_some())
    }

    /// What is stored of the dialog that both tags of the message name.
    #[inline]
    pub fn stored_dialog(&self) -> StoredDialog {
        match self.message.lacks_to_tag() {
            true => StoredDialog::Unsure,
            false => self.named_dialog(),
        }
    }

    fn named_dialog(&self) -> StoredDialog {
        let Some(found) = self.found else { return StoredDialog::Unsure };
        let Found { by_caller, dialog, state, .. } = found;
        let is_whole = state.phase() != Phase::None && !state.has_more();
        // A repeated reply to the initial INVITE is as the first one was.
        let later = is_whole && !(by_caller && self.message.cseq == state.cseq());
        match (dialog.map(Dialog::state), self.message.status) {
            (Some(DialogState::Confirmed), None) => StoredDialog::Confirmed,
            (Some(DialogState::Confirmed), Some(200..)) if later => StoredDialog::Confirmed,
            (Some(DialogState::Confirmed | DialogState::Early), _) => StoredDialog::Unsure,
            (_, None) if is_whole => StoredDialog::Missing,
            _ => StoredDialog::Unsure,
        }
    }

    /// The identity of the leg's relay; `None` before a relay has answered.
    #[inline]
    pub fn relay(&self) -> Option<u32> {
        self.found.map(|found| found.leg.relay()).filter(|relay| *relay != 0)
    }

    /// The offer/answer state of the message's dialog that decides the role of its
    /// SDP. The offer of the initial INVITE is an offer in each of its dialogs.
    pub fn offer_answer(&self) -> OfferAnswerState {
        let Some(Found { leg, by_caller, dialog, state }) = self.found else {
            return OfferAnswerState::default();
        };
        let cseq = self.message.cseq;
        let offers = dialog.map(|dialog| leg.offers(dialog));
        let initial = state.offered().filter(|_| by_caller);
        let own = offers.and_then(|offers| offers.offered(by_caller, cseq));
        OfferAnswerState {
            carried_offer: initial == Some(cseq) || own == Some(cseq),
            newest_offer: initial.max(own),
            reply_offer: offers.and_then(|offers| offers.delayed(by_caller, cseq)),
        }
    }

    /// True when the leg has ended, and not only the message's dialog.
    pub fn has_ended_leg(&self) -> bool {
        self.found.is_some_and(|found| found.leg.state().has_ended())
    }

    /// The CSeq of the leg's initial INVITE; `None` when that did not pass here.
    pub fn initial_cseq(&self) -> Option<u32> {
        self.found.filter(|found| found.state.phase() != Phase::None).map(|f| f.state.cseq())
    }

    /// True when another proxy has rewritten the offer that the message answers.
    pub fn relayed_upstream(&self) -> bool {
        let Some(found) = self.found else { return false };
        match self.own_offer().filter(|_| !self.is_reply_to_initial()) {
            Some((_, answered)) => {
                answered && found.dialog.is_some_and(|dialog| dialog.is_upstream())
            }
            None => found.state.upstream(),
        }
    }

    /// The m= lines that are relayed of the offer that the message answers, as bits:
    /// the last one of its dialog, else, in a reply to the initial INVITE, that of this
    /// INVITE. `None` when they are not stored, also for an answer to an earlier offer.
    pub fn relayed_lines(&self) -> Option<u64> {
        let Found { leg, state, .. } = self.found?;
        match self.own_offer().filter(|_| !self.is_reply_to_initial()) {
            Some((lines, true)) => lines,
            Some((_, false)) => None,
            None => (state.masked() && self.is_reply_to_initial()).then(|| leg.load(MASK)),
        }
    }

    /// True for an answer to another offer than the last one of its dialog: it is
    /// repeated or late.
    pub fn answers_earlier_offer(&self) -> bool {
        let own = self.own_offer();
        own.is_some_and(|(_, answered)| !answered || self.is_reply_to_initial())
    }

    /// True for a reply to the initial INVITE with its offer.
    fn is_reply_to_initial(&self) -> bool {
        let CallMessage { status, cseq, .. } = self.message;
        self.found.is_some_and(|Found { by_caller, state, .. }| {
            by_caller && status.is_some() && state.offered() == Some(cseq)
        })
    }

    /// The last offer of the message's dialog besides the initial one: its relayed
    /// lines, if they are stored, and whether the message may answer it.
    fn own_offer(&self) -> Option<(Option<u64>, bool)> {
        let Found { leg, by_caller, dialog, .. } = self.found?;
        let CallMessage { method, status, cseq, .. } = self.message;
        let dialog = dialog?;
        let lines = dialog.relayed_lines()?;
        let offers = leg.offers(dialog);
        let answered = match (method, status) {
            // It answers an offer in a reply to INVITE.
            (Method::Prack, None) => offers.delayed(by_caller, cseq).map(|offer| offer.cseq),
            (Method::Ack, None) | (_, Some(_)) => Some(cseq),
            _ => None,
        };
        Some((lines, answered.is_none_or(|cseq| offers.is_last(by_caller, cseq))))
    }

    /// True when the leg's relay gave this address and port for this m= line, to
    /// either side: the SDP was rewritten here before, and the message is a spiral
    /// (RFC 3261 section 16.3). Of a line from [`super::update::LINES`] on only the
    /// address is stored: the caller must also check that all lines before it are
    /// the relay's.
    pub fn is_relay_address(&self, line: usize, address: SocketAddr) -> bool {
        self.found.is_some_and(|found| found.leg.is_relay_address(line, address))
    }

    /// The relay's addresses in the last SDP that the receiver of this message was
    /// sent. `None` when none are stored.
    pub fn stored_ports(&self) -> Option<RelayPorts> {
        let found = self.found?;
        let ports = found.leg.ports(self.message.is_for_caller(found.by_caller));
        (!ports.is_empty()).then_some(ports)
    }
}
