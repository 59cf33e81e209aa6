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
    /// True for an INVITE without To tag: it starts a leg, or tries again in one.
    pub fn is_initial_invite(&self) -> bool {
        self.method == Method::Invite && self.status.is_none() && self.key.to == 0
    }

    /// For a command of the SIP server, which has identifiers and no message.
    pub fn command(key: CallKey) -> CallMessage {
        CallMessage { key, method: Method::Other, status: None, cseq: 0, branch: 0 }
    }
}
