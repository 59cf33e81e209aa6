//! A delete request and what it deletes.

/// What a delete deletes, at a relay that can delete less than a whole session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// The session with all its dialogs.
    #[default]
    Session = 0,
    /// The dialog with these two tags; the session with its last dialog.
    Dialog = 1,
    /// The session, if none of its dialogs is confirmed.
    Unanswered = 2,
    /// The early dialogs of one server branch, and that with these two tags.
    Branch = 3,
}

impl Scope {
    pub(super) fn from_number(number: u64) -> Option<Scope> {
        [Scope::Session, Scope::Dialog, Scope::Unanswered, Scope::Branch]
            .into_iter()
            .find(|scope| *scope as u64 == number)
    }

    /// True for the deletes of a whole session.
    pub fn is_session(self) -> bool {
        matches!(self, Scope::Session | Scope::Unanswered)
    }
}

/// A delete request: its relay, and the identifiers of the call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delete {
    /// The identity of the relay.
    pub relay: u32,
    /// What is deleted.
    pub scope: Scope,
    /// The CSeq of the INVITE whose session is deleted: not that of a later try. `None`:
    /// the session of any INVITE.
    pub cseq: Option<u32>,
    /// The hash of the server branch of [`Scope::Branch`], else 0.
    pub branch: u32,
    /// Call-ID.
    pub call_id: Vec<u8>,
    /// The tag of From.
    pub from_tag: Vec<u8>,
    /// The tag of To.
    pub to_tag: Vec<u8>,
}

/// The branch of a delete, or its CSeq plus 1: a CSeq is less than 2^31 (RFC 3261 8.1.1.5).
pub(super) fn detail(delete: &Delete) -> u64 {
    let cseq = delete.cseq.map_or(0, |cseq| cseq.saturating_add(1));
    u64::from(if delete.scope == Scope::Branch { delete.branch } else { cseq })
}

/// A checksum over a delete (FNV-1a).
pub(super) fn sum(delete: &Delete) -> u64 {
    let parts = [&delete.call_id, &delete.from_tag, &delete.to_tag];
    let lengths = parts.iter().flat_map(|part| (part.len() as u32).to_le_bytes());
    let bytes = parts.iter().flat_map(|part| part.iter().copied());
    let head = delete.relay.to_le_bytes().into_iter().chain([delete.scope as u8]);
    let head = head.chain((detail(delete) as u32).to_le_bytes());
    let all = head.chain(lengths).chain(bytes);
    all.fold(0xcbf2_9ce4_8422_2325, |sum, byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
