//! One session: a leg of a call (Call-ID and the caller's tag), its initial offer
//! and its dialogs. Pure: sockets are behind [`MediaPorts`], time is passed in.
//!
//! The ports of the initial offer are shared by all dialogs that answer it. Early
//! dialogs are all received until one is confirmed by a 200; the others lose their
//! place then.

use std::net::SocketAddr;

use super::answer::Answer;
use super::control::{Kind, MAX_STREAMS, StoredDialog};
use super::dialog::Dialog;
use super::dialogs::Dialogs;
use super::family::{Family, Side, Sides};
use super::ids::{ChannelId, PeerId};
use super::initial::Initial;
use super::learning::Millis;
use super::lines::Lines;
use super::media_ports::MediaPorts;
use super::opening::{Before, Families};
use super::refusal::Refusal;
use super::stream::Stream;
use super::update::Update;
use super::warning::Warning;

/// The most streams with open ports, in all places: one session must not take the ports
/// of all others.
const MAX_OPEN: usize = 4 * MAX_STREAMS;

/// The phase of a session, which selects its timeout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Unanswered,
    Answered,
    Held,
}

/// A session.
#[derive(Clone, Debug)]
pub(super) struct Session {
    initial: Initial,
    dialogs: Dialogs,
    /// All channels it has open.
    open: Vec<ChannelId>,
    families: Families,
    answered: bool,
    created: Millis,
    /// When the last new offer or answer came.
    changed: Millis,
    warned: [bool; 2],
}

impl Session {
    /// An empty session. The From tag of the first [`Session::update`] is the
    /// caller's, its CSeq that of the initial request.
    pub(super) fn new(cseq: u32, now: Millis) -> Self {
        Session {
            initial: Initial::new(cseq),
            dialogs: Dialogs::default(),
            open: Vec::new(),
            families: Sides::default(),
            answered: false,
            created: now,
            changed: now,
            warned: [false; 2],
        }
    }

    /// Processes a message. A refusal is answered with `error` and leaves the
    /// session unchanged.
    pub(super) fn update(
        &mut self,
        update: &Update,
        media: &mut dyn MediaPorts,
    ) -> Result<Answer, Refusal> {
        let ports = match update.items() {
            None => self.take_report(update, media)?,
            Some(_) if update.is_initial() && !self.is_within_null_tag_dialog(update) => {
                self.take_initial(update, media)?
            }
            Some(_) => self.take_sdp(update, media)?,
        };
        if update.is_early() && !self.answered {
            self.changed = update.now;
        }
        self.close_unused(media, update.now);
        self.answer(update, ports, media)
    }

    /// The offer of the initial request, or of a later try.
    fn take_initial(
        &mut self,
        update: &Update,
        media: &mut dyn MediaPorts,
    ) -> Result<Vec<Option<SocketAddr>>, Refusal> {
        if let Some(ports) = self.initial.ports_of_known(update, media)? {
            return Ok(ports);
        }
        if self.answered {
            // An offer within a dialog has both tags.
            let is_copy = self.initial.is_request_of_answer(update);
            let ports = is_copy.then(|| self.unchanged_ports(update, media));
            return ports.ok_or(Refusal::OutOfPlace);
        }
        let lines = self.initial.lines.0.iter().enumerate();
        let lines = lines.filter_map(|(line, stream)| Some((Some(line), stream.as_ref()?)));
        let before = Before {
            agreed: &Lines::default(),
            others: lines.collect(),
            families: self.families,
            callee: PeerId::CALLER,
            room: self.room(),
        };
        let lines = before.open(update, media)?;
        self.note_opened(&lines);
        // The dialogs of an earlier try are over.
        self.dialogs.clear(media);
        self.initial.start(update, lines, media);
        self.note_families(update, true);
        self.changed = update.now;
        let ports = self.initial.lines.ports(update.receiver(), media);
        let answer = self.answer(update, ports, media)?;
        self.initial.add_answer(update, &answer);
        Ok(answer.streams)
    }

    /// A message with SDP within a dialog, or one that makes a dialog.
    fn take_sdp(
        &mut self,
        update: &Update,
        media: &mut dyn MediaPorts,
    ) -> Result<Vec<Option<SocketAddr>>, Refusal> {
        let Some((at, mut dialog)) = self.take_dialog(update)? else {
            return Ok(self.unchanged_ports(update, media));
        };
        let fingerprint = update.fingerprint();
        let known = dialog.answers.get(fingerprint).map(|answer| answer.streams.clone());
        let is_offer = dialog.is_offer(update);
        let result = match known {
            Some(ports) => Ok(ports),
            None => dialog.update(update, (self.families, self.room()), media),
        };
        let answer = result.and_then(|ports| self.answer(update, ports, media));
        let answer = match answer {
            Ok(answer) => answer,
            Err(refusal) => {
                if let Some(index) = at {
                    self.dialogs.put_back(index, dialog);
                }
                return Err(refusal);
            }
        };
        if self.has_missed_initial(at, update) {
            self.initial.missed = true;
        }
        self.note_opened(dialog.lines());
        if dialog.answers.get(fingerprint).is_none() {
            dialog.answers.add(fingerprint, &answer);
        }
        if update.is_initial() && !dialog.confirmed {
            self.initial.note_request(update);
        }
        self.note_families(update, is_offer);
        if is_offer {
            self.changed = update.now;
        }
        dialog.branches.add(update.request.branch);
        let index = self.dialogs.put(at, dialog, update, media);
        self.confirm_if_final(index, update, media);
        Ok(answer.streams)
    }

    /// A reply without SDP: the dialog exists, a final reply confirms it.
    fn take_report(
        &mut self,
        update: &Update,
        media: &mut dyn MediaPorts,
    ) -> Result<Vec<Option<SocketAddr>>, Refusal> {
        let is_request = update.request.kind == Kind::Request;
        if is_request || self.is_new() || self.initial.is_before(update) {
            return Err(Refusal::OutOfPlace);
        }
        let named = !update.dialog_tag().is_empty();
        let taken = if named || update.is_final_reply() { self.take_dialog(update)? } else { None };
        let Some((at, mut dialog)) = taken else {
            return Ok(self.unchanged_ports(update, media));
        };
        if update.is_final_reply() {
            dialog.settle_early_answer(update, media);
        }
        let ports = dialog.ports(update.receiver(), media);
        dialog.branches.add(update.request.branch);
        let index = self.dialogs.put(at, dialog, update, media);
        self.confirm_if_final(index, update, media);
        Ok(ports)
    }

    /// Takes the dialog of a message out of its place, or makes one. `None` when the
    /// message must not change anything: it belongs to a branch that lost its place.
    fn take_dialog(&mut self, update: &Update) -> Result<Option<(Option<usize>, Dialog)>, Refusal> {
        let tag = update.dialog_tag();
        let of_initial = self.initial.has_reply(update);
        if self.answered && update.is_early() && of_initial {
            // RFC 3261 section 13.2.2.1.
            return Ok(None);
        }
        if let Some((index, dialog)) = self.dialogs.take(tag) {
            return Ok(Some((Some(index), dialog)));
        }
        if of_initial && self.initial.offered && !self.initial.accepts_branches(update.now) {
            return Err(Refusal::OutOfPlace);
        }
        // Where the initial request was missed, any 2xx may be another branch's, and any
        // request may be within a dialog that was confirmed before.
        let is_foreign = self.is_foreign(update);
        let missed = !is_foreign && self.initial.missed || self.has_missed_initial(None, update);
        let confirmed = update.is_of_confirmed();
        let may_follow = of_initial || confirmed || missed && !update.is_early();
        let is_over = self.answered && !may_follow;
        let is_late = self.initial.is_late(update) && !missed;
        if is_over || is_late || self.dialogs.is_over_for(update) {
            return Ok(None);
        }
        let peer = self.dialogs.next_peer()?;
        let mut dialog = self.initial.dialog(tag, peer, update.now);
        dialog.foreign = update.request.dialog == StoredDialog::Missing;
        Ok(Some((None, dialog)))
    }

    /// A final reply to the initial request confirms its dialog; where that reply was
    /// missed, any final reply does, and any message of which the server says so. The early
    /// ones of other branches are over.
    fn confirm_if_final(&mut self, index: usize, update: &Update, media: &mut dyn MediaPorts) {
        let answers = self.initial.has_message(update) || self.initial.missed;
        if !(update.is_final_reply() && answers || update.is_of_confirmed()) {
            return;
        }
        let Some(early) = self.dialogs.confirm(index, self.initial.missed, media) else { return };
        if early.iter().any(|dialog| !dialog.is_silent()) {
            let confirmed = self.dialogs.get(update.dialog_tag());
            confirmed.into_iter().for_each(|dialog| dialog.learn_callee_again(media, update.now));
        }
        if !self.answered {
            self.answered = true;
            self.changed = update.now;
            self.initial.note_answered(update.now);
        }
    }

    /// The ports for a message that changes nothing.
    fn unchanged_ports(&self, update: &Update, media: &dyn MediaPorts) -> Vec<Option<SocketAddr>> {
        let receiver = update.receiver();
        let named = self.dialogs.get(update.dialog_tag());
        if let Some(answer) = self.dialogs.answer_of_known(update) {
            return answer.streams.clone();
        }
        let initial = Some(&self.initial.lines).filter(|lines| lines.streams().next().is_some());
        let newest = self.dialogs.iter().last().map(Dialog::lines);
        let lines = named.map(Dialog::lines).or(initial).or(newest);
        lines.map_or_else(Vec::new, |lines| lines.ports(receiver, media))
    }

    /// Removes the dialog with this tag of the callee. True when the session is over
    /// then: no confirmed dialog is left of an answered call.
    pub(super) fn remove_dialog(
        &mut self,
        tag: &[u8],
        media: &mut dyn MediaPorts,
        now: Millis,
    ) -> Result<bool, Refusal> {
        if tag.is_empty() && self.dialogs.is_empty() {
            // A request without To tag that made the session was within the dialog of
            // a null tag, since a BYE has ended that dialog (RFC 3261 section 12.1.1).
            return Ok(true);
        }
        self.dialogs.remove(tag, media)?;
        self.close_unused(media, now);
        let is_over = self.answered && !self.dialogs.any_confirmed(self.initial.missed);
        Ok(is_over || self.initial.missed && self.dialogs.is_empty())
    }

    /// Removes the early dialogs of a server branch that has failed, and the early one
    /// with this tag.
    pub(super) fn remove_branch(
        &mut self,
        branch: u32,
        tag: &[u8],
        media: &mut dyn MediaPorts,
        now: Millis,
    ) -> Result<(), Refusal> {
        self.dialogs.remove_branch(branch, tag, media)?;
        self.close_unused(media, now);
        Ok(())
    }

    /// True when the INVITE of the session is a later one of its caller than that with
    /// this CSeq.
    pub(super) fn is_of_later_invite(&self, side: Side, cseq: u32) -> bool {
        side == Side::Caller && self.initial.is_later(cseq)
    }

    /// True for a message of a later transaction than the initial one, in a dialog that
    /// is not stored, unless the initial offer was seen. A 2xx that makes a session is that
    /// of a request without offer, or the relay was started behind its request: the next
    /// such message shows which, and so does what the server has stored.
    fn has_missed_initial(&self, at: Option<usize>, update: &Update) -> bool {
        let later = match (update.direction, update.request.kind) {
            _ if update.is_of_confirmed() => true,
            _ if self.is_foreign(update) => false,
            (Side::Callee, _) => true,
            (Side::Caller, Kind::Request) => !update.is_initial(),
            (Side::Caller, Kind::Reply) => self.answered && !self.initial.has_message(update),
        };
        at.is_none() && later && !self.initial.offered
    }

    /// True for a request with the tags of no dialog: anybody can send one.
    fn is_foreign(&self, update: &Update) -> bool {
        update.request.dialog == StoredDialog::Missing && !self.is_new()
    }

    /// True without an initial offer and a dialog.
    fn is_new(&self) -> bool {
        !self.initial.offered && self.dialogs.is_empty()
    }

    /// True when a dialog that is over had this tag of the callee.
    pub(super) fn had_dialog(&self, tag: &[u8]) -> bool {
        self.dialogs.had(tag)
    }

    /// True when a dialog has this tag of the callee.
    pub(super) fn has_dialog(&self, tag: &[u8]) -> bool {
        self.dialogs.get(tag).is_some()
    }

    /// True when the callee has answered without giving a tag, as a peer of RFC 2543
    /// does: requests of the caller without To tag are in that dialog, also when it is
    /// over.
    fn is_within_null_tag_dialog(&self, update: &Update) -> bool {
        if self.initial.has_answered(update) {
            return false;
        }
        let is_over = self.answered && self.dialogs.had(b"");
        is_over || self.dialogs.iter().any(|dialog| dialog.tag.is_empty() && !dialog.is_silent())
    }

    /// How many further streams may be opened.
    fn room(&self) -> usize {
        MAX_OPEN.saturating_sub(self.open.len())
    }

    fn note_families(&mut self, update: &Update, is_offer: bool) {
        let wanted = update.request.receiver_family.filter(|_| is_offer);
        let receiver = self.families.get_mut(update.receiver());
        *receiver = wanted.or(*receiver);
        let sender = self.families.get_mut(update.sender);
        *sender = update.family().or(*sender);
    }

    fn note_opened(&mut self, lines: &Lines) {
        for stream in lines.streams() {
            if !self.open.contains(&stream.channel) {
                self.open.push(stream.channel);
            }
        }
    }

    fn answer(
        &self,
        update: &Update,
        streams: Vec<Option<SocketAddr>>,
        media: &dyn MediaPorts,
    ) -> Result<Answer, Refusal> {
        let family = update.request.receiver_family.or(*self.families.get(update.receiver()));
        let families = [family.or(update.family()), Some(Family::V4), Some(Family::V6)];
        let first = streams.iter().flatten().next().map(SocketAddr::ip);
        let any = || families.into_iter().flatten().find_map(|known| media.relay_address(known));
        let address = first.or_else(any).ok_or(Refusal::NoAddress)?;
        Ok(Answer { address, streams, mixed_families: update.request.mixed_families })
    }

    /// Closes the ports of streams that no dialog has in any place.
    fn close_unused(&mut self, media: &mut dyn MediaPorts, now: Millis) {
        self.dialogs.iter_mut().for_each(|dialog| dialog.leave_unused(media));
        let mut used: Vec<ChannelId> = self.dialogs.iter().flat_map(Dialog::channels).collect();
        used.extend(self.initial.channels(now));
        used.sort_unstable();
        self.open.retain(|channel| {
            let is_used = used.binary_search(channel).is_ok();
            if !is_used {
                media.close(*channel);
            }
            is_used
        });
        self.initial.retain(&self.open);
    }

    /// Closes streams that a re-offer replaced and those of the initial offer that
    /// no branch has answered. To be called periodically.
    pub(super) fn close_replaced(&mut self, media: &mut dyn MediaPorts, now: Millis) {
        let mut changed = self.initial.end_branches(now);
        for dialog in self.dialogs.iter_mut() {
            changed |= dialog.drop_lingering(media, now);
        }
        if changed {
            self.close_unused(media, now);
        }
    }

    /// Closes all ports.
    pub(super) fn close(&mut self, media: &mut dyn MediaPorts) {
        self.dialogs = Dialogs::default();
        self.initial.lines = Lines::default();
        self.open.drain(..).for_each(|channel| media.close(channel));
    }

    pub(super) fn phase(&self) -> Phase {
        let confirmed = || self.dialogs.iter().filter(|dialog| dialog.confirmed);
        let is_held = |dialog: &Dialog| {
            let mut streams = dialog.agreed().streams().peekable();
            streams.peek().is_some() && streams.all(Stream::is_held)
        };
        match self.answered {
            false => Phase::Unanswered,
            true if confirmed().all(is_held) => Phase::Held,
            true => Phase::Answered,
        }
    }

    /// The time of the last offer, answer or packet. Packets do not make a session
    /// live longer that nobody has answered.
    pub(super) fn quiet_since(&self, media: &dyn MediaPorts) -> Millis {
        let open = self.open.iter().filter(|_| self.answered);
        open.filter_map(|channel| media.last_packet(*channel)).fold(self.changed, Millis::max)
    }

    pub(super) fn created(&self) -> Millis {
        self.created
    }

    /// The media type and channel of each relayed stream.
    pub(super) fn channels(&self) -> Vec<(&[u8], ChannelId)> {
        let initial = Some(&self.initial.lines).filter(|_| self.dialogs.is_empty());
        let lines = self.dialogs.iter().map(Dialog::lines).chain(initial);
        let mut channels: Vec<(&[u8], ChannelId)> = Vec::new();
        for stream in lines.flat_map(Lines::streams) {
            if channels.iter().all(|(_, known)| *known != stream.channel) {
                channels.push((&stream.media, stream.channel));
            }
        }
        channels
    }

    /// True for the first warning of its kind.
    pub(super) fn is_first(&mut self, warning: &Warning) -> bool {
        let kind = match warning {
            Warning::Loop(_) => 0,
            Warning::WaitsForPacket(_) => 1,
        };
        self.warned.get_mut(kind).is_some_and(|warned| !std::mem::replace(warned, true))
    }
}
