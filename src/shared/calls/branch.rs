//! One branch of a call, packed into a word.

use crate::shared::calls::history::ReplyOffer;

/// The fields of a branch word, with their bits: the tag (32); whether the last
/// delayed offer was in a reply to the side with that tag (1); the low bits of
/// the CSeq of the INVITE that the reply belongs to (13) and of the request that
/// answered the offer (14); the delayed offer: 0 none, 1 not answered,
/// 2 answered (2); the state: 0 free, [`EARLY`], [`ANSWERED`] (2).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Branch {
    pub(super) tag: u32,
    to_branch: bool,
    pub(super) offered_in: u32,
    pub(super) answered_by: u32,
    pub(super) offer: u64,
    pub(super) state: u64,
}

/// A reply to the INVITE came, but no 2xx.
pub(super) const EARLY: u64 = 1;
/// A 2xx reply to the INVITE came.
pub(super) const ANSWERED: u64 = 2;

/// The stored bits of a CSeq: enough to distinguish the requests of a dialog that
/// are pending at one time.
pub(super) const OFFERED_BITS: u32 = 13;
pub(super) const ANSWERED_BITS: u32 = 14;

pub(super) fn low(cseq: u32, bits: u32) -> u32 {
    cseq & !(u32::MAX << bits)
}

/// The CSeq with these low bits that is nearest to `near`.
pub(super) fn nearest(near: u32, low_bits: u32, bits: u32) -> u32 {
    let ahead = low(low_bits.wrapping_sub(near), bits);
    let far = ahead >> (bits - 1) != 0;
    near.wrapping_add(ahead).wrapping_sub(u32::from(far) << bits)
}

impl Branch {
    pub(super) fn new(tag: u32) -> Branch {
        Branch { tag, to_branch: false, offered_in: 0, answered_by: 0, offer: 0, state: EARLY }
    }

    pub(super) fn tag_of(word: u64) -> u32 {
        (word >> 32) as u32
    }

    pub(super) fn unpack(word: u64) -> Option<Branch> {
        let state = word & 3;
        (state != 0).then_some(Branch {
            tag: Branch::tag_of(word),
            to_branch: word >> 31 & 1 == 1,
            offered_in: low((word >> 18) as u32, OFFERED_BITS),
            answered_by: low((word >> 4) as u32, ANSWERED_BITS),
            offer: word >> 2 & 3,
            state,
        })
    }

    pub(super) fn pack(self) -> u64 {
        u64::from(self.tag) << 32
            | u64::from(self.to_branch) << 31
            | u64::from(self.offered_in) << 18
            | u64::from(self.answered_by) << 4
            | self.offer << 2
            | self.state
    }

    /// The delayed offer, for a message with this CSeq from the side that received
    /// the offer, or for a reply to that side.
    pub(super) fn reply_offer(self, to_branch: bool, cseq: u32) -> Option<ReplyOffer> {
        (self.offer != 0 && self.to_branch == to_branch).then(|| ReplyOffer {
            cseq: nearest(cseq, self.offered_in, OFFERED_BITS),
            answered_by: (self.offer == 2).then(|| nearest(cseq, self.answered_by, ANSWERED_BITS)),
        })
    }

    /// Stores a delayed offer. A retransmitted or older one changes nothing.
    pub(super) fn store_reply_offer(&mut self, to_branch: bool, cseq: u32) {
        let stored = self.reply_offer(to_branch, cseq);
        if stored.is_none_or(|stored| stored.cseq < cseq) {
            self.to_branch = to_branch;
            self.offered_in = low(cseq, OFFERED_BITS);
            self.offer = 1;
        }
    }
}
