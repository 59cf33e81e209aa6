//! Where the words of the table are.

use crate::shared::block::LINE;

/// The number of m= lines whose relay ports are stored.
pub const LINES: usize = 12;
/// Words of the table for each leg: 256 bytes.
pub(super) const ENTRY_WORDS: usize = BODY + 2;
/// Words of a leg besides its key and its usage.
pub(super) const BODY: usize = DIALOGS + 2 * MAX_DIALOGS;
/// The dialogs with words. Of more confirmed ones the leg knows only that there are any.
pub(super) const MAX_DIALOGS: usize = 8;

/// The word with the state of the leg.
pub(super) const STATE: usize = 0;
/// The m= lines of the last offer that are relayed.
pub(super) const MASK: usize = 1;
/// The relay's ports: [`PORT_WORDS`] for the caller's SDP, then for the callee's.
pub(super) const PORTS: usize = 2;
/// The words for the SDP of one side.
pub(super) const PORT_WORDS: usize = 3 + LINES.div_ceil(PORTS_IN_A_WORD);
pub(super) const PORTS_IN_A_WORD: usize = 4;
/// Two words for each dialog.
pub(super) const DIALOGS: usize = PORTS + 2 * PORT_WORDS;

const _: () = assert!(ENTRY_WORDS == 32, "256 bytes a leg");
const _: () = assert!(LINES.is_multiple_of(PORTS_IN_A_WORD), "whole words of ports");

/// The words for a table of this many legs; `None` when they cannot be counted.
pub fn table_words(legs: usize) -> Option<usize> {
    legs.checked_mul(ENTRY_WORDS)?.checked_add(LINE)
}
