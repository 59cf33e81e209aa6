//! The stored state of a message's leg, as one search finds it.

use std::net::SocketAddr;

use super::history::OfferAnswerState;
use super::update::RelayPorts;
use super::{CallMessage, Calls};

/// The state of a leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LegStatus {
    /// The leg is not stored.
    Unknown,
    /// Its initial INVITE has no final reply yet.
    Pending,
    /// A dialog is confirmed, or the leg was stored in the middle of the call.
    Established,
    /// Its initial INVITE was cancelled and has no final reply yet.
    Cancelled,
    /// It has ended, at most 32 s ago.
    Ended,
}

/// The stored state of the leg and the dialog that a message belongs to.
#[derive(Clone, Copy, Debug)]
pub struct LegState<'b> {
    pub(super) calls: Calls<'b>,
    pub(super) message: CallMessage,
    pub(super) status: LegStatus,
    pub(super) relay: Option<u32>,
}

impl LegState<'_> {
    /// The state of the leg.
    pub fn status(&self) -> LegStatus {
        self.status
    }

    /// True when the leg is stored and has not ended.
    pub fn is_active(&self) -> bool {
        !matches!(self.status, LegStatus::Unknown | LegStatus::Ended)
    }

    /// True for an INVITE that tries again in an ended leg: its CSeq is newer than that
    /// of the INVITE that failed.
    pub fn is_new_try(&self) -> bool {
        self.message.is_initial_invite()
    }

    /// True when the message has no To tag because the tag is null.
    pub fn has_null_to_tag(&self) -> bool {
        false
    }

    /// The identity of the leg's relay; `None` before a relay has answered.
    pub fn relay(&self) -> Option<u32> {
        self.relay
    }

    /// The offer/answer state of the message's dialog that decides the role of its
    /// SDP.
    pub fn offer_answer(&self) -> OfferAnswerState {
        self.calls.offer_answer_state(self.message.key, self.message.cseq)
    }

    /// True when another proxy has rewritten the leg's last offer.
    pub fn relayed_upstream(&self) -> bool {
        self.calls.relayed_upstream(self.message.key)
    }

    /// The m= lines of the leg's last offer that are relayed, as bits. `None` when
    /// they are not stored.
    pub fn relayed_lines(&self) -> Option<u64> {
        None
    }

    /// True when the leg's relay gave this address and port for this m= line, to
    /// either side: the SDP was rewritten here before, and the message is a spiral
    /// (RFC 3261 section 16.3). Of a line from [`super::update::LINES`] on only the
    /// address is stored: the caller must also check that all lines before it are
    /// the relay's.
    pub fn is_relay_address(&self, _line: usize, address: SocketAddr) -> bool {
        self.calls.is_relay_address(self.message.key, address)
    }

    /// The relay's addresses in the last SDP that the receiver of this message was
    /// sent. `None` when none are stored.
    pub fn stored_ports(&self) -> Option<RelayPorts> {
        None
    }
}
