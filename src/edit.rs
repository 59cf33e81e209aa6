//! Edits against the original bytes of a message, and their application.

use crate::error::Result;
use crate::sip::Message;

/// Which verb made an edit. A verb called twice on one list replaces its own
/// earlier edits and leaves the others'.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    /// [`crate::nat::fix_contact`]
    FixContact,
    /// [`crate::Worker::rewrite_sdp`]
    RewriteSdp,
}

/// One edit: at `offset`, `remove` bytes go and `insert` comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edit<'a> {
    /// Bytes from the start of the raw message.
    pub offset: usize,
    /// How many original bytes go; may be 0.
    pub remove: usize,
    /// The bytes that come; may be empty.
    pub insert: &'a [u8],
}

/// A list of edits, always sorted by offset and disjoint. Reusable: after
/// warm-up, filling it again allocates nothing.
#[derive(Clone, Debug, Default)]
pub struct Edits {
    entries: Vec<Entry>,
    /// All inserted text, back to back.
    text: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    verb: Verb,
    offset: u32,
    remove: u32,
    insert_at: u32,
    insert_len: u32,
}

impl Edits {
    /// An empty list.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many edits there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True when there is no edit: the message stays byte for byte.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The edit at `index`, in order of offset.
    pub fn get(&self, index: usize) -> Option<Edit<'_>> {
        let _ = index;
        todo!()
    }

    /// All edits in order of offset.
    pub fn iter(&self) -> impl Iterator<Item = Edit<'_>> {
        (0..self.len()).filter_map(|index| self.get(index))
    }

    /// Forgets all edits, keeps the memory.
    pub fn reset(&mut self) {
        self.entries.clear();
        self.text.clear();
    }

    /// Forgets the edits `verb` made earlier.
    pub fn remove_verb(&mut self, verb: Verb) {
        let _ = verb;
        todo!()
    }

    /// Adds an edit in its place. `Status::Edits` when it overlaps another one
    /// (two pure insertions at one offset keep their order of arrival); the
    /// list is then unchanged. An edit that changes nothing (removes and
    /// inserts nothing) is not stored.
    pub fn push(&mut self, verb: Verb, offset: usize, remove: usize, insert: &[u8]) -> Result<()> {
        let _ = (verb, offset, remove, insert);
        todo!()
    }

    /// Writes the edited message to `out` (which is cleared first). When an
    /// edit touches the body, every Content-Length header (compact, folded,
    /// repeated) is set to the body's new length; none is added that was not
    /// there (RFC 3261 20.14). Bytes beyond Content-Length are not body and
    /// are copied as they are. Fails with `Status::Edits`, `out` cleared, when
    /// an edit reaches beyond the message.
    pub fn apply(&self, message: &Message<'_>, out: &mut Vec<u8>) -> Result<()> {
        let _ = (message, out);
        todo!()
    }
}
