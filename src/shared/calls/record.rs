//! What messages change in the table: rewrites from their beginning to the relay's
//! answer, and replies without SDP.

use super::claim::same_leg;
use super::dialog::{Dialog, DialogState};
use super::history::OfferAnswerUpdate;
use super::leg::{Changed, Leg, Phase, State};
use super::scope::DeleteScope;
use super::state::{LegState, LegStatus};
use super::update::{CallUpdate, Recorded, RelayPorts, Ticket};
use super::words::MASK;
use super::{CallMessage, Calls, Located};
use crate::sip::Method;

/// What a message with SDP changes.
#[derive(Default)]
struct Change {
    /// `None`: no relay has the SDP, or another proxy's.
    relay: Option<u32>,
    /// Another proxy has rewritten the SDP.
    upstream: bool,
    offer_answer: OfferAnswerUpdate,
    media: RelayPorts,
    relayed_lines: Option<u64>,
}

impl Change {
    /// True for an offer.
    fn is_offer(&self) -> bool {
        self.relayed_lines.is_some() || self.upstream
    }
}

impl<'b> Calls<'b> {
    /// Stores that the rewrite of a message begins, before the request to its relay.
    /// It makes the entry for an initial INVITE. An initial INVITE that is newer than
    /// the one before starts again in its leg, also in an ended one (RFC 3261 8.1.3.5,
    /// 22.2).
    pub fn begin(&self, message: &CallMessage, seconds: u32) -> Ticket {
        self.begin_found(&self.look_up(message, seconds), seconds)
    }

    /// The same for a message whose leg was looked up just before.
    pub fn begin_found(&self, found: &LegState<'b>, seconds: u32) -> Ticket {
        let message = found.message();
        let initial = message.is_initial_invite();
        let (leg, made) = match found.leg() {
            Some((leg, by_caller)) => {
                if initial && by_caller {
                    leg.invite_again(message.cseq, seconds);
                }
                (leg, false)
            }
            None if initial => match self.take(message, seconds) {
                Some((leg, made)) => (leg, made),
                None => return Ticket::default(),
            },
            None => return Ticket::default(),
        };
        Ticket { place: Some((leg.place, leg.word)), ends: leg.state().ends(), made }
    }

    /// Gives up a rewrite that has failed or was cancelled. An entry that only
    /// [`Calls::begin`] made is free then.
    pub fn abandon(&self, ticket: Ticket, seconds: u32) {
        let Some(leg) = self.at(ticket).filter(|_| ticket.made) else { return };
        let state = leg.state();
        if !state.has_ended() && state.ends() == ticket.ends {
            let over = seconds.saturating_sub(1);
            leg.change_usage(|relay, expires| (relay, if relay == 0 { over } else { expires }));
        }
    }

    /// Takes a slot for the leg that the message starts. True with the leg if it was
    /// not stored.
    fn take(&self, message: &CallMessage, seconds: u32) -> Option<(Leg<'b>, bool)> {
        let key = message.key;
        let (leg, made) = self.slots.take(key.call, key.leg_of_from(), seconds)?;
        if made && message.is_initial_invite() {
            let pending = State::pending(message.cseq);
            leg.change(|state| (state == State::default()).then_some(pending));
        }
        Some((leg, made))
    }

    /// The leg of a ticket, if it still is at its place.
    fn at(&self, ticket: Ticket) -> Option<Leg<'b>> {
        let (place, word) = ticket.place?;
        self.slots.leg_at(place as usize).filter(|leg| leg.word == word)
    }

    /// Stores the state of a leg after its relay has answered. `ticket` is from
    /// [`Calls::begin`] for this message.
    pub fn record(
        &self,
        message: &CallMessage,
        ticket: Ticket,
        update: &CallUpdate,
        seconds: u32,
    ) -> Recorded {
        let CallUpdate { relay, offer_answer, media, relayed_lines } = *update;
        let relay = Some(relay);
        let change = Change { relay, upstream: false, offer_answer, media, relayed_lines };
        self.store(message, ticket, &change, seconds)
    }

    /// Stores an offer whose SDP another proxy has rewritten: the answer to it
    /// belongs to that proxy as well.
    pub fn mark_relayed_upstream(
        &self,
        message: &CallMessage,
        offer_answer: &OfferAnswerUpdate,
        seconds: u32,
    ) -> Recorded {
        let offer_answer = *offer_answer;
        let change = Change { upstream: true, offer_answer, ..Change::default() };
        self.store(message, self.begin(message, seconds), &change, seconds)
    }

    /// Stores an offer whose SDP stays as it is, since none of its m= lines is relayed:
    /// nor is any of its answer.
    pub fn mark_left_alone(
        &self,
        message: &CallMessage,
        offer_answer: &OfferAnswerUpdate,
        seconds: u32,
    ) -> Recorded {
        let offer_answer = *offer_answer;
        let change = Change { relayed_lines: Some(0), offer_answer, ..Change::default() };
        self.store(message, self.begin(message, seconds), &change, seconds)
    }

    /// The leg of a message whose ticket has none, or none any more.
    #[cold]
    fn locate_or_take(&self, message: &CallMessage, seconds: u32) -> Option<(Leg<'b>, bool)> {
        match self.locate(message.key, seconds) {
            Some(located) => Some((located.leg, located.by_caller)),
            None => Some((self.take(message, seconds)?.0, true)),
        }
    }

    fn store(
        &self,
        message: &CallMessage,
        ticket: Ticket,
        change: &Change,
        seconds: u32,
    ) -> Recorded {
        let kept = self.at(ticket).filter(|leg| !leg.is_expired(seconds));
        let ends = kept.map(|_| ticket.ends);
        let kept = kept.map(|leg| (leg, same_leg(leg.word, message.key.leg_of_from())));
        let found = kept.or_else(|| self.locate_or_take(message, seconds));
        let Some((leg, by_caller)) = found else {
            return Recorded::Full { log: self.slots.note_full(seconds) };
        };
        let tag = message.key.callee_tag(by_caller);
        let own = leg.dialog(tag);
        let foreign = leg.is_foreign(message, by_caller, own);
        // Another INVITE without To tag is within the dialog of a null tag.
        let initial =
            message.is_initial_invite() && by_caller && leg.state().cseq() == message.cseq;
        let first = !foreign && leg.relay() == 0;
        let changed = leg.change(|state| {
            if leg.status(state, seconds) == LegStatus::Ended
                || ends.is_some_and(|ends| ends != state.ends())
            {
                return None;
            }
            let mut new = state.after(message, by_caller);
            if initial && change.offer_answer.offered.is_some() {
                new = new.with_offered();
            }
            if initial && let Some(lines) = change.relayed_lines {
                leg.store(MASK, lines);
                new = new.with_masked();
            }
            Some(if initial { new.with_upstream(change.upstream) } else { new })
        });
        let state = match changed {
            Changed::From(state) => state,
            Changed::Refused => return Recorded::EndedMeanwhile(leg.ended_scope(seconds)),
            Changed::GaveUp => return Recorded::Full { log: false },
        };
        let mut at = own.map(|own| own.at);
        if !initial {
            at = leg.store_dialog(message, by_caller, own, state, change);
            if let Some(at) = at.filter(|_| change.is_offer()) {
                leg.store_relayed_lines(at, tag, change.relayed_lines);
            }
        }
        if !foreign && !change.media.is_empty() {
            leg.store_ports(message.is_for_caller(by_caller), &change.media);
        }
        let now = leg.touch(change.relay.filter(|_| !foreign), seconds);
        // The end of the leg reads the relay after it has changed the state.
        if now.has_ended() || now.ends() != state.ends() {
            return Recorded::EndedMeanwhile(DeleteScope::Call);
        }
        match leg.end_if_over(tag, at, seconds) {
            DeleteScope::Nothing => {
                Recorded::Stored { first, cancelled: now.phase() == Phase::Cancelled }
            }
            scope => Recorded::EndedMeanwhile(scope),
        }
    }

    /// Stores the state of a dialog after a provisional or 2xx reply to INVITE without
    /// SDP, and returns what must be deleted at the relay: the leg, when the BYE of its
    /// only dialog has come before the 2xx. A leg that is not stored stays so.
    pub fn reply_without_sdp(&self, message: &CallMessage, seconds: u32) -> DeleteScope {
        let nothing = DeleteScope::Nothing;
        if !message.is_invite_provisional() && !message.is_invite_success() {
            return nothing;
        }
        let located = self.locate(message.key, seconds);
        let Some(Located { leg, by_caller, dialog }) = located else { return nothing };
        let changed = leg.change(|state| match leg.status(state, seconds) {
            LegStatus::Ended => None,
            _ => Some(state.after(message, by_caller)),
        });
        let Changed::From(state) = changed else {
            // The callee repeats a 2xx for 64 x T1 (RFC 3261 13.3.1.4).
            if message.is_invite_success() && leg.state().has_ended() {
                leg.start_ended(seconds);
            }
            return nothing;
        };
        let at = leg.store_dialog(message, by_caller, dialog, state, &Change::default());
        leg.touch(None, seconds);
        match leg.end_if_over(message.key.callee_tag(by_caller), at, seconds) {
            DeleteScope::Call => DeleteScope::Call,
            _ => nothing,
        }
    }
}

impl State {
    /// The state after the message: a 2xx reply completes the initial INVITE.
    fn after(self, message: &CallMessage, by_caller: bool) -> State {
        let completes = by_caller && message.is_invite_success() && message.cseq == self.cseq();
        match self.phase() {
            Phase::Pending | Phase::Cancelled if completes => self.completed(),
            Phase::None if message.status.is_none() && message.method != Method::Ack => {
                self.with_requested()
            }
            _ => self,
        }
    }
}

impl Leg<'_> {
    /// What is deleted after a rewrite that began before the leg ended: nothing when the
    /// leg has started again since.
    fn ended_scope(&self, seconds: u32) -> DeleteScope {
        match self.status(self.state(), seconds) {
            LegStatus::Ended => DeleteScope::Call,
            _ => DeleteScope::Nothing,
        }
    }

    /// Handles an initial INVITE of a stored leg.
    fn invite_again(&self, cseq: u32, seconds: u32) {
        let state = self.state();
        let status = self.status(state, seconds);
        let assumed = state.phase() == Phase::None && self.count_dialogs() == (0, 0);
        if cseq <= state.cseq() || status == LegStatus::Established && !assumed {
            if status == LegStatus::Pending {
                self.touch(None, seconds);
            }
            return;
        }
        let ended = status == LegStatus::Ended;
        self.free_dialogs(|dialog| ended || dialog.state() != DialogState::Confirmed);
        if ended {
            self.clear_ports();
        }
        let new_try = |now: State| (now == state).then(|| now.new_try(cseq));
        if self.change(new_try).is_changed() {
            self.touch(ended.then_some(0), seconds);
        }
    }

    /// True for a request with the tags of no dialog of the leg: it does not change
    /// what is stored of the others. Of a leg that was first seen in the middle of the
    /// call, any request may be of a dialog before one is live.
    fn is_foreign(&self, message: &CallMessage, by_caller: bool, own: Option<Dialog>) -> bool {
        if message.status.is_some() || message.key.to == 0 && by_caller {
            return false;
        }
        let own = own.is_some_and(Dialog::is_live);
        let known = self.state().phase() != Phase::None || self.is_live();
        !own && known
    }

    /// Stores the dialog of a message with its offers; its index. `own` is the dialog, if
    /// it is stored, `state` the leg's before the message.
    #[inline(always)]
    fn store_dialog(
        &self,
        message: &CallMessage,
        by_caller: bool,
        own: Option<Dialog>,
        state: State,
        change: &Change,
    ) -> Option<usize> {
        let offer_answer = &change.offer_answer;
        let tag = message.key.callee_tag(by_caller);
        let is_success = message.is_invite_success();
        let state = if is_success {
            Some(DialogState::Confirmed)
        } else if message.is_invite_provisional() && tag != 0 {
            let late = state.phase() == Phase::Completed && by_caller;
            match (late, offer_answer.reply_offer) {
                (false, _) => Some(DialogState::Early),
                (true, Some(_)) => Some(DialogState::Assumed),
                // RFC 3261 13.2.2.1.
                (true, None) => None,
            }
        } else if tag != 0 && (offer_answer.offered.is_some() || change.is_offer()) {
            Some(DialogState::Assumed)
        } else {
            None
        };
        let at = match state {
            Some(state) => self.put_dialog(tag, own, state, message.branch),
            None => own.map(|own| own.at),
        };
        if at.is_none() && is_success {
            self.change(|state| Some(state.with_more()));
        }
        if let Some(at) = at {
            let relayed = change.is_offer().then_some(message.cseq);
            self.store_offers(at, tag, by_caller, offer_answer, relayed);
        }
        at
    }
}
