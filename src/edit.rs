//! Edits against the original bytes of a message, and how they are applied.

use crate::bytes;
use crate::error::{Error, Result, Status};
use crate::sip::message::MAX_MESSAGE;
use crate::sip::{HeaderName, Message};

/// Which verb made an edit. A verb called twice on one list replaces its own
/// earlier edits and keeps those of other verbs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    /// [`crate::nat::fix_contact`]
    FixContact,
    /// [`crate::Worker::rewrite_sdp`]
    RewriteSdp,
}

/// One edit: at `offset`, `remove` bytes are replaced by `insert`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edit<'a> {
    /// Bytes from the start of the raw message.
    pub offset: usize,
    /// The number of original bytes to remove; may be 0.
    pub remove: usize,
    /// The bytes to insert; may be empty.
    pub insert: &'a [u8],
}

impl Edit<'_> {
    /// The offset after the removed bytes, at most [`MAX_MESSAGE`].
    fn end(&self) -> usize {
        self.offset + self.remove
    }
}

/// A list of edits, always sorted by offset and disjoint. Reusable: after
/// warm-up, filling it again allocates nothing.
///
/// ```
/// # use mediaproxy::{Edits, Message, Source, Transport, Worker};
/// # fn apply(message: &Message<'_>, edits: &Edits) -> mediaproxy::Result<Vec<u8>> {
/// // By the library, which also sets Content-Length:
/// let mut repaired = Vec::new();
/// edits.apply(message, &mut repaired)?;
///
/// // By a server with its own representation of changes:
/// for edit in edits.iter() {
///     println!("{} - {} + {:?}", edit.offset, edit.remove, edit.insert);
/// }
/// # Ok(repaired)
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Edits {
    entries: Vec<Entry>,
    /// The inserted text of all edits.
    text: Vec<u8>,
    /// Buffer in which [`Edits::remove_verb`] collects the text it keeps.
    spare: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    verb: Verb,
    offset: u32,
    remove: u32,
    insert_at: u32,
    insert_len: u32,
}

impl Entry {
    /// The offset after the removed bytes, at most [`MAX_MESSAGE`].
    fn end(&self) -> u32 {
        self.offset + self.remove
    }

    /// The range of its inserted text.
    fn range(&self) -> std::ops::Range<usize> {
        let start = self.insert_at as usize;
        start..start + self.insert_len as usize
    }
}

impl Edits {
    /// An empty list.
    pub fn new() -> Self {
        Self::default()
    }

    /// The number of edits.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True without edits: the message stays as it is, byte for byte.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The edit at `index`, in order of offset.
    pub fn get(&self, index: usize) -> Option<Edit<'_>> {
        self.entries.get(index).map(|entry| self.edit(entry))
    }

    /// All edits in order of offset.
    pub fn iter(&self) -> impl Iterator<Item = Edit<'_>> {
        self.entries.iter().map(|entry| self.edit(entry))
    }

    fn edit(&self, entry: &Entry) -> Edit<'_> {
        Edit {
            offset: entry.offset as usize,
            remove: entry.remove as usize,
            insert: self.text.get(entry.range()).unwrap_or_default(),
        }
    }

    /// Removes all edits and keeps the memory.
    pub fn reset(&mut self) {
        self.entries.clear();
        self.text.clear();
    }

    /// Removes the edits that `verb` made.
    pub fn remove_verb(&mut self, verb: Verb) {
        if self.entries.iter().all(|entry| entry.verb != verb) {
            return;
        }
        self.entries.retain(|entry| entry.verb != verb);
        self.spare.clear();
        for entry in &mut self.entries {
            let kept = self.text.get(entry.range()).unwrap_or_default();
            entry.insert_at = self.spare.len() as u32;
            self.spare.extend_from_slice(kept);
        }
        std::mem::swap(&mut self.text, &mut self.spare);
    }

    /// Adds an edit, sorted by offset. Two pure insertions at one offset keep the
    /// order in which they were added. An edit that removes and inserts nothing
    /// is not stored.
    ///
    /// # Errors
    /// `Status::Edits` when the edit overlaps another one or lies beyond the
    /// longest message; the list is then unchanged.
    pub fn push(&mut self, verb: Verb, offset: usize, remove: usize, insert: &[u8]) -> Result<()> {
        self.push_with(verb, offset, remove, |text| text.extend_from_slice(insert))
    }

    /// As [`Edits::push`]; `write` appends the inserted text.
    pub(crate) fn push_with(
        &mut self,
        verb: Verb,
        offset: usize,
        remove: usize,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Result<()> {
        if offset.checked_add(remove).is_none_or(|end| end > MAX_MESSAGE) {
            return Err(Error::new(Status::Edits, "an edit lies beyond the longest message"));
        }
        let insert_at = self.text.len();
        write(&mut self.text);
        let insert_len = self.text.len().saturating_sub(insert_at);
        if remove == 0 && insert_len == 0 {
            return Ok(());
        }
        let free = self.index_for(offset as u32, remove as u32);
        let (Some(index), Ok(insert_at), Ok(insert_len)) =
            (free, u32::try_from(insert_at), u32::try_from(insert_len))
        else {
            self.text.truncate(insert_at);
            return Err(Error::new(Status::Edits, "an edit overlaps an earlier one"));
        };
        let (offset, remove) = (offset as u32, remove as u32);
        let entry = Entry { verb, offset, remove, insert_at, insert_len };
        match index == self.entries.len() {
            true => self.entries.push(entry),
            false => self.entries.insert(index, entry),
        }
        Ok(())
    }

    /// The index for an edit of these bytes; `None` when it overlaps another. At
    /// one offset, insertions come first, in the order they were added, then the
    /// edit that removes.
    fn index_for(&self, offset: u32, remove: u32) -> Option<usize> {
        // Fast path: edits are nearly always added in order.
        if self.entries.last().is_none_or(|last| last.end() <= offset) {
            return Some(self.entries.len());
        }
        let removes = |entry: &Entry| entry.remove > 0;
        let index = self.entries.partition_point(|entry| {
            entry.offset < offset || (entry.offset == offset && !removes(entry))
        });
        let before = index.checked_sub(1).and_then(|index| self.entries.get(index));
        let after = self.entries.get(index);
        let clear = before.is_none_or(|entry| entry.end() <= offset)
            && after
                .is_none_or(|entry| remove == 0 || offset.saturating_add(remove) <= entry.offset);
        clear.then_some(index)
    }

    /// Writes the edited message to `out` (which is cleared first). When an
    /// edit touches the body, every Content-Length header (compact, folded,
    /// repeated) is set to the body's new length; a missing one is not added
    /// (RFC 3261 20.14). Text inserted at the end of the body belongs to the
    /// body; bytes beyond Content-Length do not, and are copied unchanged.
    ///
    /// # Errors
    /// `Status::Edits` when an edit reaches beyond the message, across the end of
    /// the headers, or into a Content-Length that must be set; the errors of
    /// [`Message::body`] when an edit touches the body. `out` is then empty.
    pub fn apply(&self, message: &Message<'_>, out: &mut Vec<u8>) -> Result<()> {
        out.clear();
        let written = self.write(message, out);
        if written.is_err() {
            out.clear();
        }
        written
    }

    /// Writes the edited bytes of one part of the message to `out` (which is
    /// cleared first): a Contact URI, a body. Content-Length is not set.
    /// `Status::Edits`, `out` empty, when an edit is not wholly in the range
    /// (an insertion at its end is) or the range is not in the message.
    pub fn apply_range(
        &self,
        message: &Message<'_>,
        range: std::ops::Range<usize>,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        out.clear();
        let raw = message.raw().get(..range.end).ok_or_else(elsewhere)?;
        let last = raw.get(range.start..).ok_or_else(elsewhere)?;
        if self.iter().any(|edit| edit.offset < range.start || edit.end() > range.end) {
            return Err(Error::new(Status::Edits, "an edit is not within the given range"));
        }
        out.reserve(last.len().saturating_add(self.text.len()));
        let mut copied = range.start;
        for edit in self.iter() {
            copied = splice(raw, copied, &edit, out)?;
        }
        out.extend_from_slice(raw.get(copied..).ok_or_else(elsewhere)?);
        Ok(())
    }

    fn write(&self, message: &Message<'_>, out: &mut Vec<u8>) -> Result<()> {
        let raw = message.raw();
        out.reserve(raw.len().saturating_add(self.text.len()));
        let mut copied = 0usize;
        let mut rest = self.iter().peekable();
        if let Some(length) = self.new_body_length(message)? {
            for header in message.headers(HeaderName::ContentLength) {
                let value = header?.value;
                let start = message.offset_of(value).ok_or_else(elsewhere)?;
                let end = start.saturating_add(value.len());
                while let Some(edit) = rest.next_if(|edit| edit.end() < start) {
                    copied = splice(raw, copied, &edit, out)?;
                }
                if rest.peek().is_some_and(|edit| edit.offset <= end) {
                    return Err(Error::new(Status::Edits, "an edit reaches into Content-Length"));
                }
                out.extend_from_slice(raw.get(copied..start).ok_or_else(elsewhere)?);
                bytes::push_number(length, out);
                copied = end;
            }
        }
        for edit in rest {
            copied = splice(raw, copied, &edit, out)?;
        }
        out.extend_from_slice(raw.get(copied..).ok_or_else(elsewhere)?);
        Ok(())
    }

    /// The new value for Content-Length; `None` when no edit touches the body or
    /// its length does not change.
    fn new_body_length(&self, message: &Message<'_>) -> Result<Option<u32>> {
        let Some(last) = self.entries.last() else { return Ok(None) };
        if message.is_known_header(last.end() as usize) {
            return Ok(None);
        }
        let start = message.body_offset()?;
        if (last.end() as usize) < start || !message.has_body_part()? {
            return Ok(None);
        }
        let header_edits = self.entries.partition_point(|entry| (entry.end() as usize) < start);
        let touching = self.entries.get(header_edits..).unwrap_or_default();
        if touching.first().is_some_and(|entry| (entry.offset as usize) < start) {
            return Err(Error::new(Status::Edits, "an edit removes the end of the headers"));
        }
        let length = message.body()?.len();
        let end = start.saturating_add(length);
        let (mut removed, mut inserted) = (0usize, 0usize);
        for entry in touching.iter().take_while(|entry| entry.offset as usize <= end) {
            removed += (entry.end() as usize).min(end).saturating_sub(entry.offset as usize);
            inserted += entry.insert_len as usize;
        }
        let new = length.saturating_sub(removed).saturating_add(inserted);
        Ok(if new == length { None } else { u32::try_from(new).ok() })
    }
}

/// Copies the bytes before an edit and applies it; returns the offset of the
/// first byte not yet copied.
fn splice(raw: &[u8], copied: usize, edit: &Edit<'_>, out: &mut Vec<u8>) -> Result<usize> {
    out.extend_from_slice(raw.get(copied..edit.offset).ok_or_else(elsewhere)?);
    out.extend_from_slice(edit.insert);
    Ok(edit.end())
}

fn elsewhere() -> Error {
    Error::new(Status::Edits, "an edit reaches beyond the message")
}
