//! The call table without a worker.

use std::collections::hash_map::RandomState;

use super::history::OfferAnswerUpdate;
use super::*;
use crate::shared::Block;
use crate::sip::Method;

mod dialogs;
mod ends;
mod junk;
mod legs;
mod many_dialogs;
mod model;
mod processes;
mod random;
mod random_messages;
mod storage;
mod wrong_tags;

/// The relay of every update.
const RELAY: u32 = 7;

struct Table {
    block: Block,
    hash: RandomState,
}

impl Table {
    fn new(legs: usize) -> Self {
        Table { block: Block::new(table_words(legs).unwrap()).unwrap(), hash: RandomState::new() }
    }

    fn calls(&self) -> Calls<'_> {
        Calls::new(self.block.words(), &self.hash)
    }

    fn key(&self, from: &str, to: &str) -> CallKey {
        self.calls().key(b"call@x", from.as_bytes(), to.as_bytes())
    }

    fn request(&self, method: Method, cseq: u32, from: &str, to: &str) -> CallMessage {
        CallMessage { key: self.key(from, to), method, status: None, cseq, branch: 0 }
    }

    /// A reply to INVITE.
    fn reply(&self, status: u16, cseq: u32, from: &str, to: &str) -> CallMessage {
        CallMessage { status: Some(status), ..self.request(Method::Invite, cseq, from, to) }
    }

    /// An initial INVITE with an offer, at 100 s.
    fn invite(&self, cseq: u32) {
        self.offer(&self.request(Method::Invite, cseq, "a", ""), 100);
    }

    fn offer(&self, message: &CallMessage, seconds: u32) {
        stored(self.record(message, &offered(message.cseq), seconds));
    }

    fn record(&self, message: &CallMessage, update: &CallUpdate, seconds: u32) -> Recorded {
        let ticket = self.calls().begin(message, seconds);
        self.calls().record(message, ticket, update, seconds)
    }

    /// A reply with an answer, at 100 s.
    fn answer(&self, status: u16, cseq: u32, from: &str, to: &str) {
        stored(self.record(&self.reply(status, cseq, from, to), &update(), 100));
    }

    /// A reply without SDP, at 100 s.
    fn bare(&self, status: u16, cseq: u32, from: &str, to: &str) {
        self.calls().reply_without_sdp(&self.reply(status, cseq, from, to), 100);
    }

    fn bye(&self, from: &str, to: &str) -> DeleteScope {
        self.end(&self.request(Method::Bye, 9, from, to))
    }

    /// The reply that goes upstream.
    fn failure(&self, cseq: u32, from: &str, to: &str) -> DeleteScope {
        self.end(&self.reply(486, cseq, from, to))
    }

    fn branch_failure(&self, cseq: u32, to: &str, branch: u32) -> DeleteScope {
        let message = CallMessage { branch, ..self.reply(486, cseq, "a", to) };
        self.calls().terminate(&message, EndScope::Branch, true, 100).scope
    }

    fn cancel(&self, cseq: u32) -> DeleteScope {
        self.end(&self.request(Method::Cancel, cseq, "a", ""))
    }

    /// With a relay that can delete one dialog, at 100 s.
    fn end(&self, message: &CallMessage) -> DeleteScope {
        self.calls().terminate(message, EndScope::Call, true, 100).scope
    }

    fn status_of(&self, from: &str, to: &str) -> LegStatus {
        self.calls().look_up(&self.request(Method::Info, 1, from, to), 100).status()
    }

    /// The status of the leg of `a` at a time.
    fn status(&self, seconds: u32) -> LegStatus {
        self.calls().look_up(&self.request(Method::Info, 1, "a", "b"), seconds).status()
    }
}

fn stored(recorded: Recorded) {
    assert!(matches!(recorded, Recorded::Stored { .. }), "{recorded:?}");
}

fn update() -> CallUpdate {
    let media = RelayPorts::default();
    let offer_answer = OfferAnswerUpdate::default();
    CallUpdate { relay: RELAY, offer_answer, media, relayed_lines: None }
}

/// An INVITE that carried an offer.
fn offered(cseq: u32) -> CallUpdate {
    let offered = Some(cseq);
    let offer_answer = OfferAnswerUpdate { offered, ..OfferAnswerUpdate::default() };
    CallUpdate { offer_answer, ..update() }
}

fn with_ports(ports: &[(usize, &str)]) -> CallUpdate {
    let mut with = update();
    for (line, address) in ports {
        with.media.set(*line, address.parse().unwrap());
    }
    with
}
