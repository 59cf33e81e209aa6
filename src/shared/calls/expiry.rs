//! How long a leg is stored, by its state.

use super::dialog::{Dialog, DialogState};
use super::leg::{Leg, Phase, State};
use super::state::LegStatus;

/// A leg whose INVITE has no final reply expires so long after its last use: longer
/// than proxies wait for a final reply (RFC 3261 16.6 step 11) (seconds).
pub(super) const PENDING: u32 = 360;
/// A leg with a confirmed dialog expires so long after its last use (seconds).
pub(super) const ESTABLISHED: u32 = 8 * 3600;
/// An ended leg is stored so long, for repeated messages: 64 x T1 (seconds). A
/// cancelled INVITE without a final reply ends after the same time.
pub(super) const ENDED: u32 = 32;

impl Leg<'_> {
    /// The status at this time.
    #[inline]
    pub(super) fn status(&self, state: State, seconds: u32) -> LegStatus {
        match state.phase() {
            _ if state.has_ended() => LegStatus::Ended,
            Phase::Pending => LegStatus::Pending,
            // It is stored for `ENDED` after it has ended.
            Phase::Cancelled if self.is_confirmed() => LegStatus::Established,
            Phase::Cancelled if seconds.saturating_add(ENDED) > self.expires() => LegStatus::Ended,
            Phase::Cancelled => LegStatus::Cancelled,
            Phase::None | Phase::Completed => LegStatus::Established,
        }
    }

    /// How long the leg is stored after a use in this state; `None`: as before.
    fn stored_for(&self, state: State) -> Option<u32> {
        match state.phase() {
            _ if state.has_more() && !self.is_live() => Some(PENDING),
            Phase::Completed => Some(ESTABLISHED),
            Phase::None if self.is_left() => Some(ENDED),
            // The call may be over: its 2xx is repeated, and the BYE passed before a restart.
            Phase::None if !state.requested() => Some(PENDING),
            // A 2xx to another INVITE than the last one, or after a restart.
            _ if self.is_confirmed() => Some(ESTABLISHED),
            // After a restart nothing of the other side has shown that there is a call.
            Phase::Pending | Phase::None => Some(PENDING),
            Phase::Cancelled => None,
        }
    }

    /// Notes a use of the leg. `relay` replaces its relay. The state afterwards.
    #[inline(always)]
    pub(super) fn touch(&self, relay: Option<u32>, seconds: u32) -> State {
        let state = self.state();
        let stored_for = match state.phase() {
            // Fast path.
            Phase::Completed if !state.has_more() => Some(ESTABLISHED),
            _ => self.stored_for(state),
        };
        let stored_for = stored_for.filter(|_| !state.has_ended());
        self.change_usage(|old, expires| {
            let expires =
                stored_for.map_or(expires, |stored_for| seconds.saturating_add(stored_for));
            (relay.unwrap_or(old), expires)
        });
        let now = self.state();
        // Another process has ended or cancelled the leg meanwhile.
        if now.has_ended() && !state.has_ended() {
            self.start_ended(seconds);
        } else if now.phase() == Phase::Cancelled && state.phase() != Phase::Cancelled {
            self.start_cancelled(seconds);
        }
        now
    }

    /// Starts the time for which the ended leg is stored.
    pub(super) fn start_ended(&self, seconds: u32) {
        self.change_usage(|relay, _| (relay, seconds.saturating_add(ENDED)));
    }

    /// A leg of whose dialogs it is not known whether any is left is stored no longer than
    /// an unanswered one: their messages need no memory.
    pub(super) fn shorten(&self, seconds: u32) {
        let latest = seconds.saturating_add(PENDING);
        self.change_usage(|relay, expires| (relay, expires.min(latest)));
    }

    /// Starts the time after which the cancelled leg ends.
    pub(super) fn start_cancelled(&self, seconds: u32) {
        self.change_usage(|relay, _| (relay, seconds.saturating_add(2 * ENDED)));
    }

    /// True when a dialog of the leg is over, and none is left. Early ones are over with
    /// the one that was answered.
    pub(super) fn is_left(&self) -> bool {
        let has = |state| self.dialogs().any(|dialog| dialog.state() == state);
        has(DialogState::Over)
            && !has(DialogState::Confirmed)
            && !has(DialogState::Assumed)
            && !self.state().has_more()
    }

    /// True when the leg has a confirmed dialog.
    pub(super) fn is_confirmed(&self) -> bool {
        let mut states = self.dialogs().map(Dialog::state);
        states.any(|state| state == DialogState::Confirmed) || self.state().has_more()
    }
}
