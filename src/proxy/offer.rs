//! An offer of a dialog, and what a message with SDP is to it.

use super::family::Side;
use super::learning::Millis;

/// How far the offer in force is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    Open,
    /// By a provisional reply: the final one may still change it.
    Early,
    Answered,
}

/// The offer in force.
#[derive(Clone, Copy, Debug)]
pub(super) struct Offer {
    /// The side whose request and CSeq the offer belongs to.
    pub(super) direction: Side,
    pub(super) cseq: u32,
    pub(super) offerer: Side,
    pub(super) progress: Progress,
    pub(super) since: Millis,
    /// Later offers of the dialog have higher ones.
    pub(super) number: u32,
    /// The answer to the offer before it came later: either it was refused, or it has
    /// overtaken that answer.
    pub(super) doubt: Option<Doubt>,
}

/// An offer that may have been refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doubt {
    /// Its packets pass until then.
    Until(Millis),
    /// The callee's packets are no longer accepted, but on agreed ports.
    Muted,
}

/// The meaning of a message with SDP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    Offer,
    /// The offer in force again.
    OfferAgain,
    Answer,
    /// The crossing offer again.
    CrossingAgain,
    /// Belongs to an offer that a later one replaced, or has overtaken.
    Stale,
}
