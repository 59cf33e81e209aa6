//! What the call table must know of a message.

use crate::sip::Method;

/// The keyed hashes of a message's Call-ID and tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallKey {
    pub(super) call: u64,
    /// The tag of From; 0 when there is none.
    pub(super) from: u32,
    /// The tag of To; 0 when there is none.
    pub(super) to: u32,
}

impl CallKey {
    /// The keyed hash of the Call-ID.
    pub(in crate::shared) fn call(self) -> u64 {
        self.call
    }

    /// The keyed hashes of the two tags; 0 for one that is not there.
    pub(in crate::shared) fn tags(self) -> u64 {
        u64::from(self.from) << 32 | u64::from(self.to)
    }

    /// The tag of the leg's other side.
    pub(super) fn callee_tag(self, by_caller: bool) -> u32 {
        if by_caller { self.to } else { self.from }
    }
}

/// A message, as far as the call table depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallMessage {
    /// Call-ID and tags.
    pub key: CallKey,
    /// The method of the request, or of the request that a reply belongs to.
    pub method: Method,
    /// The status of a reply; `None` for a request.
    pub status: Option<u16>,
    /// The number of the CSeq.
    pub cseq: u32,
    /// The hash of the branch of the top Via: see [`super::Calls::branch`]. 0 when
    /// it is not known.
    pub branch: u32,
}

impl CallMessage {
    /// For a command of the SIP server, which has identifiers and no message.
    pub fn command(key: CallKey) -> CallMessage {
        CallMessage { key, method: Method::Other, status: None, cseq: 0, branch: 0 }
    }

    /// True when the message has no To tag.
    pub fn lacks_to_tag(&self) -> bool {
        self.key.to == 0
    }

    /// True for an INVITE without To tag: it starts a leg, or tries again in one.
    pub fn is_initial_invite(&self) -> bool {
        self.method == Method::Invite && self.status.is_none() && self.key.to == 0
    }

    /// True for a 2xx reply to INVITE.
    pub(super) fn is_invite_success(&self) -> bool {
        self.method == Method::Invite && matches!(self.status, Some(200..=299))
    }

    /// True for a provisional reply to INVITE that may make a dialog (RFC 3261 12.1).
    pub(super) fn is_invite_provisional(&self) -> bool {
        self.method == Method::Invite && matches!(self.status, Some(101..=199))
    }

    /// True when the message goes to the leg's caller. `by_caller`: the request is
    /// the caller's.
    pub(super) fn is_for_caller(&self, by_caller: bool) -> bool {
        by_caller == self.status.is_some()
    }
}
