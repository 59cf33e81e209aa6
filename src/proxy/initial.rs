//! The transaction that makes a session, or a later try of it (after a 407): its
//! offer, whose ports all dialogs share that answer it.

use std::net::SocketAddr;

use super::answer::{Answer, Answers};
use super::control::Kind;
use super::dialog::Dialog;
use super::family::Side;
use super::ids::{ChannelId, PeerId};
use super::learning::Millis;
use super::lines::Lines;
use super::media_ports::MediaPorts;
use super::refusal::Refusal;
use super::update::Update;

/// How long another branch may confirm a dialog after the first one (64 x T1,
/// RFC 3261 section 13.2.2.4): its answer names the ports of the initial offer.
const FORK_TIME: Millis = 32_000;

/// The CSeq numbers of its tries: the first and the last one.
#[derive(Clone, Copy, Debug)]
struct Sequence {
    first: u32,
    last: u32,
}

/// Whether branches may confirm a dialog.
#[derive(Clone, Copy, Debug)]
enum Branches {
    /// None has done it yet.
    Open,
    /// One has, others may follow.
    Until(Millis),
    Over,
}

/// The initial request.
#[derive(Clone, Debug)]
pub(super) struct Initial {
    sequence: Sequence,
    /// Empty when the request carried no offer, or was not seen.
    pub(super) lines: Lines,
    /// Whether it carried an offer.
    pub(super) offered: bool,
    branches: Branches,
    /// The session began with a request within a dialog: the initial one was answered
    /// before this relay was started, or by another relay.
    pub(super) missed: bool,
    answers: Answers,
}

impl Initial {
    /// A request that has carried no offer, or was not seen.
    pub(super) fn new(cseq: u32) -> Self {
        Initial {
            sequence: Sequence { first: cseq, last: cseq },
            lines: Lines::default(),
            offered: false,
            branches: Branches::Open,
            missed: false,
            answers: Answers::default(),
        }
    }

    /// True when it is later than that with this CSeq. Unknown of a session that began
    /// with a reply or within a dialog: its first CSeq may be that of a later request.
    pub(super) fn is_later(&self, cseq: u32) -> bool {
        self.offered && !self.missed && self.sequence.last > cseq
    }

    /// The ports for a request that is no new try: a repeated or late one.
    pub(super) fn ports_of_known(
        &self,
        update: &Update,
        media: &dyn MediaPorts,
    ) -> Result<Option<Vec<Option<SocketAddr>>>, Refusal> {
        if let Some(answer) = self.answers.get(update.fingerprint()) {
            return Ok(Some(answer.streams.clone()));
        }
        let Sequence { first, last } = self.sequence;
        let cseq = update.request.cseq;
        if cseq < first {
            return Err(Refusal::OutOfPlace);
        }
        if cseq < last {
            let items = update.items().unwrap_or_default();
            return Ok(Some(self.lines.ports_of_matches(update, items, media)));
        }
        // A copy with another SDP: a spiral, or somebody who has seen the request.
        let again = self.offered && cseq == last;
        Ok(again.then(|| self.lines.ports(update.receiver(), media)))
    }

    /// A new try with these streams.
    pub(super) fn start(&mut self, update: &Update, lines: Lines, media: &mut dyn MediaPorts) {
        self.sequence.last = update.request.cseq;
        self.lines = lines;
        self.offered = true;
        self.lines.apply(update, PeerId::CALLER, &Lines::default(), media);
    }

    /// True for a copy of the request.
    pub(super) fn has_answered(&self, update: &Update) -> bool {
        self.answers.get(update.fingerprint()).is_some()
    }

    /// True for the request whose answer began the session: a copy that comes behind it.
    pub(super) fn is_request_of_answer(&self, update: &Update) -> bool {
        !self.offered && self.has_message(update)
    }

    /// Stores the answer to the request, for repeated ones.
    pub(super) fn add_answer(&mut self, update: &Update, answer: &Answer) {
        self.answers.add(update.fingerprint(), answer);
    }

    /// A request without To tag in the dialog of a null tag.
    pub(super) fn note_request(&mut self, update: &Update) {
        self.sequence.last = self.sequence.last.max(update.request.cseq);
    }

    /// True for a message of its transaction or of a try before it.
    pub(super) fn has_message(&self, update: &Update) -> bool {
        let Sequence { first, last } = self.sequence;
        update.direction == Side::Caller && (first..=last).contains(&update.request.cseq)
    }

    /// True for a reply to the last try.
    pub(super) fn has_reply(&self, update: &Update) -> bool {
        update.direction == Side::Caller
            && update.request.kind == Kind::Reply
            && update.request.cseq == self.sequence.last
    }

    /// True for a message of the caller's side that is older than the last try. Where that
    /// was missed, other branches still answer it.
    pub(super) fn is_late(&self, update: &Update) -> bool {
        update.direction == Side::Caller && update.request.cseq < self.sequence.last
    }

    /// True for a message of the caller's side that is older than the first try.
    pub(super) fn is_before(&self, update: &Update) -> bool {
        update.direction == Side::Caller && update.request.cseq < self.sequence.first
    }

    /// The first dialog was confirmed.
    pub(super) fn note_answered(&mut self, now: Millis) {
        self.branches = Branches::Until(now.saturating_add(FORK_TIME));
    }

    /// True while further branches may answer.
    pub(super) fn accepts_branches(&self, now: Millis) -> bool {
        match self.branches {
            Branches::Open => true,
            Branches::Until(until) => now < until,
            Branches::Over => false,
        }
    }

    /// True once, when no further branch may answer any more.
    pub(super) fn end_branches(&mut self, now: Millis) -> bool {
        let ends = matches!(self.branches, Branches::Until(until) if until <= now);
        if ends {
            self.branches = Branches::Over;
        }
        ends
    }

    /// A dialog that may answer the offer.
    pub(super) fn dialog(&self, tag: &[u8], peer: PeerId, now: Millis) -> Dialog {
        match self.offered {
            true => {
                Dialog::of_initial_offer(tag, peer, self.sequence.last, self.lines.clone(), now)
            }
            false => Dialog::new(tag, peer),
        }
    }

    /// The ports that are open for its branches.
    pub(super) fn channels(&self, now: Millis) -> impl Iterator<Item = ChannelId> {
        let lines = Some(&self.lines).filter(|_| self.accepts_branches(now));
        lines.into_iter().flat_map(Lines::streams).map(|stream| stream.channel)
    }

    /// Only these ports are still open.
    pub(super) fn retain(&mut self, open: &[ChannelId]) {
        for line in &mut self.lines.0 {
            *line = line.take().filter(|stream| open.contains(&stream.channel));
        }
    }
}
