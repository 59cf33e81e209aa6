//! The header fields of a message, found on first use.

use std::cell::Cell;

use crate::bytes;
use crate::error::{Error, Result};
use crate::sip::header::{self, Header, HeaderName, LineKind};

/// The most headers accepted.
pub const MAX_HEADERS: usize = 512;

/// The offsets of the headers of one message, as far as they were read.
#[derive(Debug)]
pub(super) struct Headers<'a> {
    /// The whole message.
    raw: &'a [u8],
    /// The offset of the first header line.
    start: usize,
    /// The first header of each name, by [`HeaderName`] as a number.
    first: [Cell<Position>; HeaderName::COUNT],
    progress: Cell<Progress>,
}

/// The position of the first header of a name; a message has at most 64 KiB, so
/// 16 bits are enough.
#[derive(Clone, Copy, Debug, Default)]
struct Position {
    state: PositionState,
    /// The number of header lines before it.
    line: u16,
    /// The offset of the value, not trimmed.
    start: u16,
    length: u16,
}

impl Position {
    fn end(self) -> usize {
        usize::from(self.start).saturating_add(usize::from(self.length))
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum PositionState {
    #[default]
    Unseen,
    Found,
    /// The name has no colon after it.
    Unreadable,
}

/// The progress of reading the headers.
#[derive(Clone, Copy, Debug)]
struct Progress {
    /// The offset of the next line; after the last line, of the body.
    next: usize,
    /// The number of header lines read.
    lines: u16,
    /// The names that occurred more than once, as bits.
    repeated: u16,
    ended: Option<Ended>,
}

/// The end of the headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// With an empty line.
    Properly,
    /// With the message.
    Short,
}

impl<'a> Headers<'a> {
    /// For the message `raw`, whose first header line starts at `next`.
    pub(super) fn new(raw: &'a [u8], next: usize) -> Self {
        let progress = Progress { next, lines: 0, repeated: 0, ended: None };
        Headers { raw, start: next, first: Default::default(), progress: Cell::new(progress) }
    }

    /// As [`super::Message::header`].
    pub(super) fn first(&self, name: HeaderName) -> Result<Option<Header<'a>>> {
        let Some(position) = self.position(name)? else { return Ok(None) };
        let value = self.raw.get(usize::from(position.start)..position.end()).unwrap_or_default();
        Ok(Some(Header { name, value: bytes::trim(value) }))
    }

    /// As [`super::Message::headers`].
    pub(super) fn all(&self, name: HeaderName) -> impl Iterator<Item = Result<Header<'a>>> + '_ {
        let mut state = State::Start;
        std::iter::from_fn(move || {
            let found = match state {
                State::Start => self.position(name).map(|position| {
                    let position = position?;
                    let end = position.end();
                    state = match self.is_single(name) {
                        true => State::Done,
                        false => State::After { next: end, lines: position.line.saturating_add(1) },
                    };
                    self.raw.get(usize::from(position.start)..end)
                }),
                State::After { next, lines } => self.next_of(name, next, lines).map(|found| {
                    let (value, next, lines) = found?;
                    state = State::After { next, lines };
                    Some(value)
                }),
                State::Done => Ok(None),
            };
            match found {
                Ok(Some(value)) => Some(Ok(Header { name, value: bytes::trim(value) })),
                Ok(None) => {
                    state = State::Done;
                    None
                }
                Err(error) => {
                    state = State::Done;
                    Some(Err(error))
                }
            }
        })
    }

    /// As [`super::Message::other_headers`].
    pub(super) fn others<'m>(
        &'m self,
        name: &'m [u8],
    ) -> impl Iterator<Item = Result<&'a [u8]>> + 'm {
        let mut rest = Some(self.raw.get(self.start..).unwrap_or_default());
        let mut lines = 0;
        std::iter::from_fn(move || {
            loop {
                let text = rest.take()?;
                let line = header::read_line(text);
                if matches!(line.kind, LineKind::Empty | LineKind::Missing) {
                    return None;
                }
                if lines >= MAX_HEADERS {
                    return Some(Err(too_many_headers()));
                }
                lines += 1;
                rest = Some(line.after);
                let whole = text.get(..text.len().saturating_sub(line.after.len()))?;
                if line.kind == LineKind::Other
                    && let Some(value) = header::value_of(whole, name)
                {
                    return Some(Ok(bytes::trim(value)));
                }
            }
        })
    }

    /// False when no header line after the first Contact can be a Contact. Reads few
    /// bytes of each line: nearly all messages have one Contact.
    pub(super) fn may_have_more_contacts(&self) -> bool {
        let Some(contact) = self.first.get(HeaderName::Contact as usize) else { return true };
        let mut rest = self.raw.get(contact.get().end()..).unwrap_or_default();
        loop {
            match rest {
                [] | [b'\n', ..] | [b'\r', b'\n', ..] => return false,
                [b'm' | b'M', b':' | b' ' | b'\t', ..] => return true,
                [b'c' | b'C', _, _, _, b'a' | b'A', ..] => return true,
                _ => {}
            }
            let Some(end) = bytes::find(b'\n', rest) else { return false };
            rest = rest.get(end.saturating_add(1)..).unwrap_or_default();
        }
    }

    /// The offset after the headers and the empty line that ends them.
    pub(super) fn end(&self) -> Result<usize> {
        self.read_until(None)?;
        Ok(self.progress.get().next)
    }

    /// As [`super::Message::has_body_part`].
    pub(super) fn end_properly(&self) -> Result<bool> {
        self.read_until(None)?;
        Ok(self.progress.get().ended == Some(Ended::Properly))
    }

    /// As [`super::Message::is_known_header`].
    pub(super) fn are_known_at(&self, offset: usize) -> bool {
        let progress = self.progress.get();
        progress.ended.is_none() && offset < progress.next
    }

    /// True when all headers were read and this one occurs at most once.
    pub(super) fn is_single(&self, name: HeaderName) -> bool {
        let progress = self.progress.get();
        progress.ended.is_some() && progress.repeated & name.bit() == 0
    }

    /// The next header of this name from the line at `next` on: its value, the
    /// offset after it and the number of lines up to there. Stores nothing.
    fn next_of(
        &self,
        name: HeaderName,
        next: usize,
        mut lines: u16,
    ) -> Result<Option<(&'a [u8], usize, u16)>> {
        let mut rest = self.raw.get(next..).unwrap_or_default();
        loop {
            let line = header::read_line(rest);
            match line.kind {
                LineKind::Empty | LineKind::Missing => return Ok(None),
                _ if usize::from(lines) >= MAX_HEADERS => return Err(too_many_headers()),
                _ => lines = lines.saturating_add(1),
            }
            rest = line.after;
            if let LineKind::Known(found, value) = line.kind
                && found == name
            {
                return Ok(Some((value, self.raw.len().saturating_sub(rest.len()), lines)));
            }
        }
    }

    fn position(&self, name: HeaderName) -> Result<Option<Position>> {
        let Some(cell) = self.first.get(name as usize) else { return Ok(None) };
        if cell.get().state == PositionState::Unseen {
            self.read_until(Some(name))?;
        }
        let position = cell.get();
        match position.state {
            PositionState::Unseen => Ok(None),
            PositionState::Found => Ok(Some(position)),
            PositionState::Unreadable => Err(Error::syntax(unreadable(name))),
        }
    }

    /// Reads header lines and stores the first of each name, up to the first
    /// `wanted` or to the end.
    fn read_until(&self, wanted: Option<HeaderName>) -> Result<()> {
        let mut progress = self.progress.get();
        if progress.ended.is_some() {
            return Ok(());
        }
        let mut rest = self.raw.get(progress.next..).unwrap_or_default();
        let mut result = Ok(());
        loop {
            let line = header::read_line(rest);
            let (name, state, value) = match line.kind {
                LineKind::Empty | LineKind::Missing => {
                    let properly = line.kind == LineKind::Empty;
                    progress.ended = Some(if properly { Ended::Properly } else { Ended::Short });
                    rest = line.after;
                    break;
                }
                _ if usize::from(progress.lines) >= MAX_HEADERS => {
                    result = Err(too_many_headers());
                    break;
                }
                LineKind::Other => {
                    rest = line.after;
                    progress.lines = progress.lines.saturating_add(1);
                    continue;
                }
                LineKind::Known(name, value) => (name, PositionState::Found, value),
                LineKind::Unreadable(name) => (name, PositionState::Unreadable, &b""[..]),
            };
            rest = line.after;
            if let Some(cell) = self.first.get(name as usize) {
                if cell.get().state == PositionState::Unseen {
                    // A value ends where its line ends. It is shorter than
                    // MAX_MESSAGE, because its name comes before it.
                    let end = self.raw.len().wrapping_sub(rest.len());
                    let start = end.wrapping_sub(value.len()) as u16;
                    let length = value.len() as u16;
                    cell.set(Position { state, line: progress.lines, start, length });
                } else {
                    progress.repeated |= name.bit();
                }
            }
            progress.lines = progress.lines.saturating_add(1);
            if wanted == Some(name) {
                break;
            }
        }
        progress.next = self.raw.len().saturating_sub(rest.len());
        self.progress.set(progress);
        result
    }
}

/// The state of the iterator of [`Headers::all`].
#[derive(Clone, Copy)]
enum State {
    Start,
    After { next: usize, lines: u16 },
    Done,
}

#[cold]
fn too_many_headers() -> Error {
    Error::limit("the message has more than 512 headers")
}

#[cold]
fn unreadable(name: HeaderName) -> String {
    format!("the {} header has no colon after its name", name.as_str())
}
