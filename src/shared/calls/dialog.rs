//! The dialogs of a leg (RFC 3261 12), two words each: who and in which state, and
//! the offers of both sides.

use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering};

use super::history::{OfferAnswerUpdate, ReplyOffer};
use super::leg::Leg;
use super::words::{BODY, DIALOGS};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DialogState {
    /// A provisional reply to INVITE came.
    Early = 1,
    /// A 2xx reply to INVITE came.
    Confirmed = 2,
    /// Only a request within it came: it does not keep the leg. A 2xx makes it confirmed.
    Assumed = 3,
    /// It has ended. Its offers are stored for repeated messages.
    Over = 4,
    /// It was early, and its branch has failed. A 2xx makes it confirmed.
    GivenUp = 5,
}

impl DialogState {
    pub(super) fn is_live(self) -> bool {
        matches!(self, DialogState::Early | DialogState::Confirmed)
    }
}

/// A dialog as its first word was: callee tag (32) | the top of the hash of the server
/// branch that it was made on (16) | the relayed m= lines of the last offer of its own
/// (12), and 1 when these are all (1) | state (3), 0 for a free word. A word that had no
/// dialog yet is 0, and so are those after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dialog {
    /// The index of the word.
    pub(super) at: usize,
    word: NonZeroU64,
}

const STATE_BITS: u64 = 7;
/// A free word that had a dialog. Its tag is that of no message: these are odd or 0.
const FREED: u64 = 2 << TAG_SHIFT;
const MASK_SHIFT: u32 = 3;
const MASK_LINES: u32 = 12;
/// In the mask: its lines are all that are relayed.
const WHOLE: u64 = 1;
/// Masks without that bit: the lines are not stored, or another proxy relays them.
const NOT_STORED: u64 = 2;
const UPSTREAM: u64 = 4;
const BRANCH_SHIFT: u32 = 16;
const BRANCH_BITS: u32 = 16;
const TAG_SHIFT: u32 = 32;

impl Dialog {
    /// `None` for a free word.
    #[inline]
    fn of(at: usize, word: u64) -> Option<Dialog> {
        let dialog = Dialog { at, word: NonZeroU64::new(word)? };
        (!dialog.is_freed()).then_some(dialog)
    }

    #[inline]
    fn is_freed(self) -> bool {
        self.word.get() & STATE_BITS == 0
    }

    #[inline]
    pub(super) fn tag(self) -> u32 {
        (self.word.get() >> TAG_SHIFT) as u32
    }

    #[inline]
    pub(super) fn state(self) -> DialogState {
        match self.word.get() & STATE_BITS {
            1 => DialogState::Early,
            2 => DialogState::Confirmed,
            3 => DialogState::Assumed,
            4 => DialogState::Over,
            _ => DialogState::GivenUp,
        }
    }

    /// Its word in another state.
    fn in_state(self, state: DialogState) -> u64 {
        self.word.get() & !STATE_BITS | state as u64
    }

    pub(super) fn is_live(self) -> bool {
        self.state().is_live()
    }

    /// True for a dialog made by a reply on this server branch.
    pub(super) fn is_on(self, branch: u32) -> bool {
        let own = low((self.word.get() >> BRANCH_SHIFT) as u32, BRANCH_BITS);
        branch != 0 && own == branch >> BRANCH_BITS
    }

    /// The relayed m= lines of the last offer of its own: `None` when there was none,
    /// `Some(None)` when they are not stored.
    pub(super) fn relayed_lines(self) -> Option<Option<u64>> {
        let mask = u64::from(low((self.word.get() >> MASK_SHIFT) as u32, MASK_LINES + 1));
        (mask != 0).then_some((mask & WHOLE != 0).then_some(mask >> 1))
    }

    /// True when another proxy has rewritten the last offer of its own.
    pub(super) fn is_upstream(self) -> bool {
        let mask = low((self.word.get() >> MASK_SHIFT) as u32, MASK_LINES + 1);
        u64::from(mask) == UPSTREAM
    }

    /// Its word with the relayed m= lines of an offer; `None` for one that another proxy
    /// has rewritten.
    fn with_relayed_lines(self, lines: Option<u64>) -> u64 {
        let mask = match lines {
            None => UPSTREAM,
            Some(lines) if lines >> MASK_LINES == 0 => lines << 1 | WHOLE,
            Some(_) => NOT_STORED,
        };
        let bits = !(u64::MAX << (MASK_LINES + 1)) << MASK_SHIFT;
        self.word.get() & !bits | mask << MASK_SHIFT
    }
}

/// The word of a new dialog.
fn new_word(tag: u32, state: DialogState, branch: u32) -> u64 {
    let branch = u64::from(branch >> BRANCH_BITS);
    u64::from(tag) << TAG_SHIFT | branch << BRANCH_SHIFT | state as u64
}

/// The bits of a CSeq that are stored: enough to distinguish the requests of a
/// dialog that are pending at one time.
pub(super) const OFFERED_BITS: u32 = 13;
const DELAYED_BITS: u32 = 13;
/// The bits of the CSeq of the last relayed offer: enough to distinguish it from those
/// that are repeated.
const LAST_BITS: u32 = 3;

pub(super) fn low(cseq: u32, bits: u32) -> u32 {
    cseq & !(u32::MAX << bits)
}

/// The CSeq with these low bits that is nearest to `near`.
pub(super) fn nearest(near: u32, low_bits: u32, bits: u32) -> u32 {
    let ahead = low(low_bits.wrapping_sub(near), bits);
    let far = ahead >> (bits - 1) != 0;
    near.wrapping_add(ahead).wrapping_sub(u32::from(far) << bits)
}

/// The second word of a dialog. From the low bits: the CSeq of the caller's last
/// INVITE with an offer (13) and whether there is one (1); the same of the callee (13,
/// 1); the last delayed offer: the side that received it (1), the CSeq of the INVITE
/// (13), the CSeq of the request that answered it (13), and 0 none, 1 not answered, 2
/// answered (2); the last offer of its own, whose relayed lines the first word has: the
/// side whose transaction it was in (1) and its CSeq (3); three bits of the tag, against
/// a word of the dialog before.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Offers(u64);

const SIDE: u32 = OFFERED_BITS + 1;
const TO_CALLER: u32 = 2 * SIDE;
const DELAYED: u32 = TO_CALLER + 1;
const ANSWERED_BY: u32 = DELAYED + DELAYED_BITS;
const KIND: u32 = ANSWERED_BY + DELAYED_BITS;
const LAST: u32 = KIND + 2;
const CHECK: u32 = LAST + 1 + LAST_BITS;

impl Offers {
    fn of(word: u64, tag: u32) -> Offers {
        let check = u64::from(tag >> (CHECK - u32::BITS)) << CHECK;
        Offers(if word >> CHECK << CHECK == check { word } else { check })
    }

    fn bits(self, shift: u32, bits: u32) -> u32 {
        low((self.0 >> shift) as u32, bits)
    }

    fn set(&mut self, shift: u32, bits: u32, value: u32) {
        let mask = !(u64::MAX << bits) << shift;
        self.0 = self.0 & !mask | u64::from(low(value, bits)) << shift;
    }

    /// The CSeq of the last INVITE with an offer of one side.
    pub(super) fn offered(self, by_caller: bool, near: u32) -> Option<u32> {
        let shift = if by_caller { 0 } else { SIDE };
        let valid = self.bits(shift + OFFERED_BITS, 1) == 1;
        valid.then(|| nearest(near, self.bits(shift, OFFERED_BITS), OFFERED_BITS))
    }

    fn store_offered(&mut self, by_caller: bool, cseq: u32) {
        if self.offered(by_caller, cseq).is_none_or(|stored| stored < cseq) {
            let shift = if by_caller { 0 } else { SIDE };
            self.set(shift, OFFERED_BITS, cseq);
            self.set(shift + OFFERED_BITS, 1, 1);
        }
    }

    /// The last delayed offer, if this side received it.
    pub(super) fn delayed(self, to_caller: bool, near: u32) -> Option<ReplyOffer> {
        let kind = self.bits(KIND, 2);
        let side = self.bits(TO_CALLER, 1) == u32::from(to_caller);
        (kind != 0 && side).then(|| ReplyOffer {
            cseq: nearest(near, self.bits(DELAYED, DELAYED_BITS), DELAYED_BITS),
            answered_by: (kind == 2)
                .then(|| nearest(near, self.bits(ANSWERED_BY, DELAYED_BITS), DELAYED_BITS)),
        })
    }

    /// Stores a delayed offer. A repeated or older one changes nothing.
    fn store_delayed(&mut self, to_caller: bool, cseq: u32) {
        if self.delayed(to_caller, cseq).is_none_or(|stored| stored.cseq < cseq) {
            self.set(TO_CALLER, 1, u32::from(to_caller));
            self.set(DELAYED, DELAYED_BITS, cseq);
            self.set(KIND, 2, 1);
        }
    }

    /// True when the last offer of the dialog was in this transaction.
    pub(super) fn is_last(self, by_caller: bool, cseq: u32) -> bool {
        self.bits(LAST, 1 + LAST_BITS) == last(by_caller, cseq)
    }

    fn store_answered(&mut self, cseq: u32) {
        if self.bits(KIND, 2) != 0 {
            self.set(ANSWERED_BY, DELAYED_BITS, cseq);
            self.set(KIND, 2, 2);
        }
    }
}

fn last(by_caller: bool, cseq: u32) -> u32 {
    low(cseq, LAST_BITS) << 1 | u32::from(by_caller)
}

impl Leg<'_> {
    /// The words of the dialogs, freed ones included, up to the first that had none yet.
    #[inline]
    fn dialog_words(&self) -> impl Iterator<Item = Dialog> + '_ {
        let (_, words) = self.body.split_at_checked(DIALOGS).unwrap_or_default();
        words.as_chunks().0.iter().enumerate().map_while(|(number, [word, _]): (_, &[_; 2])| {
            let word = NonZeroU64::new(AtomicU64::load(word, Ordering::Acquire))?;
            Some(Dialog { at: DIALOGS + 2 * number, word })
        })
    }

    pub(super) fn dialogs(&self) -> impl Iterator<Item = Dialog> + '_ {
        self.dialog_words().filter(|dialog| !dialog.is_freed())
    }

    /// The dialog with this callee tag.
    #[inline(always)]
    pub(super) fn dialog(&self, tag: u32) -> Option<Dialog> {
        self.dialog_words().find(|dialog| dialog.tag() == tag)
    }

    /// The dialog at `at`, if it has this tag.
    #[inline]
    pub(super) fn dialog_at(&self, at: usize, tag: u32) -> Option<Dialog> {
        Dialog::of(at, self.load(at)).filter(|dialog| dialog.tag() == tag)
    }

    pub(super) fn offers(&self, dialog: Dialog) -> Offers {
        Offers::of(self.load(dialog.at + 1), dialog.tag())
    }

    /// Replaces the word of a dialog if it is as it was.
    fn swap_dialog(&self, dialog: Dialog, new: u64) -> bool {
        self.swap(dialog.at, dialog.word.get(), new)
    }

    /// Gives the dialog with this tag a state, and makes it if it is not stored; `own` is
    /// what was found of it. A confirmed dialog stays confirmed, one that is over stays
    /// over. The index of its first word; `None` when no words are free.
    #[inline(always)]
    pub(super) fn put_dialog(
        &self,
        tag: u32,
        own: Option<Dialog>,
        state: DialogState,
        branch: u32,
    ) -> Option<usize> {
        match own {
            None => return self.new_dialog(tag, state, branch),
            Some(own) if own.state() == state => {}
            Some(own) => self.raise(own, state, branch),
        }
        own.map(|own| own.at)
    }

    /// The same for a dialog that was not found: another process may have made it since.
    fn new_dialog(&self, tag: u32, state: DialogState, branch: u32) -> Option<usize> {
        if let Some(dialog) = self.dialog(tag) {
            self.raise(dialog, state, branch);
            return Some(dialog.at);
        }
        let new = new_word(tag, state, branch);
        for at in (DIALOGS..BODY).step_by(2) {
            let word = self.load(at);
            if Dialog::of(at, word).is_none() && self.swap(at, word, new) {
                return Some(at);
            }
            // Another process may have been faster with the same dialog.
            if let Some(dialog) = self.dialog_at(at, tag) {
                self.raise(dialog, state, branch);
                return Some(at);
            }
        }
        // The last are those whose loss is worst. Anybody may make an assumed one.
        let weaker: &[DialogState] = match state {
            DialogState::Confirmed => {
                &[DialogState::Assumed, DialogState::GivenUp, DialogState::Over, DialogState::Early]
            }
            DialogState::Early => &[DialogState::Assumed, DialogState::GivenUp, DialogState::Over],
            _ => &[],
        };
        let of = |state: DialogState| self.dialogs().filter(move |old| old.state() == state);
        let mut replaced = weaker.iter().flat_map(|state| of(*state));
        let replaced = replaced.find(|old| self.swap_dialog(*old, new))?;
        self.store(replaced.at + 1, 0);
        Some(replaced.at)
    }

    fn raise(&self, mut dialog: Dialog, state: DialogState, branch: u32) {
        // Others raise it at most twice meanwhile, and terminate it once.
        for _ in 0..4 {
            let new = match (dialog.state(), state) {
                (
                    DialogState::Assumed | DialogState::GivenUp,
                    DialogState::Early | DialogState::Confirmed,
                ) => {
                    let branch_bits = !(u64::MAX << BRANCH_BITS) << BRANCH_SHIFT;
                    dialog.in_state(state) & !branch_bits | new_word(0, state, branch)
                }
                (DialogState::Early, DialogState::Confirmed) => dialog.in_state(state),
                _ => return,
            };
            if self.swap_dialog(dialog, new) {
                return;
            }
            match self.dialog_at(dialog.at, dialog.tag()) {
                Some(now) => dialog = now,
                None => return,
            }
        }
    }

    /// Stores the relayed m= lines of an offer in the dialog at `at`; `None` for one that
    /// another proxy has rewritten.
    pub(super) fn store_relayed_lines(&self, at: usize, tag: u32, lines: Option<u64>) {
        for _ in 0..4 {
            let Some(dialog) = self.dialog_at(at, tag) else { return };
            if self.swap_dialog(dialog, dialog.with_relayed_lines(lines)) {
                return;
            }
        }
    }

    /// Terminates the dialog with this tag. The number of dialogs that it has terminated.
    pub(super) fn end_dialogs(&self, tag: u32) -> usize {
        self.leave(
            |dialog| dialog.tag() == tag && dialog.state() != DialogState::Over,
            DialogState::Over,
        )
    }

    /// Gives up the early dialogs that `which` selects and returns their number. A 2xx
    /// may still confirm them.
    pub(super) fn give_up_dialogs(&self, which: impl Fn(Dialog) -> bool) -> usize {
        let early = |dialog: Dialog| dialog.state() == DialogState::Early && which(dialog);
        self.leave(early, DialogState::GivenUp)
    }

    fn leave(&self, which: impl Fn(Dialog) -> bool, state: DialogState) -> usize {
        let selected = self.dialogs().filter(|dialog| which(*dialog));
        selected.filter(|dialog| self.swap_dialog(*dialog, dialog.in_state(state))).count()
    }

    /// Frees the words of the dialogs that `which` selects.
    pub(super) fn free_dialogs(&self, which: impl Fn(Dialog) -> bool) {
        for dialog in self.dialogs().filter(|dialog| which(*dialog)) {
            self.store(dialog.at + 1, 0);
            self.swap_dialog(dialog, FREED);
        }
    }

    /// True when the leg has an early or a confirmed dialog with words.
    pub(super) fn is_live(&self) -> bool {
        self.dialogs().any(Dialog::is_live)
    }

    /// The numbers of early and of confirmed dialogs with words.
    pub(super) fn count_dialogs(&self) -> (usize, usize) {
        self.dialogs().fold((0, 0), |(early, confirmed), dialog| match dialog.state() {
            DialogState::Early => (early + 1, confirmed),
            DialogState::Confirmed => (early, confirmed + 1),
            _ => (early, confirmed),
        })
    }

    /// Stores the offers of a message in its dialog. `relayed`: the CSeq of the message,
    /// if it is an offer.
    #[inline(always)]
    pub(super) fn store_offers(
        &self,
        at: usize,
        tag: u32,
        by_caller: bool,
        offer_answer: &OfferAnswerUpdate,
        relayed: Option<u32>,
    ) {
        let old = self.load(at + 1);
        let mut offers = Offers::of(old, tag);
        if let Some(cseq) = offer_answer.offered {
            offers.store_offered(by_caller, cseq);
        }
        if let Some(cseq) = offer_answer.reply_offer {
            offers.store_delayed(by_caller, cseq);
        }
        if let Some(cseq) = offer_answer.answered_by {
            offers.store_answered(cseq);
        }
        if let Some(cseq) = relayed {
            offers.set(LAST, 1 + LAST_BITS, last(by_caller, cseq));
        }
        if offers.0 != old {
            self.swap(at + 1, old, offers.0);
        }
    }
}
