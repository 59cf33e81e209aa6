//! The header fields of a message, found when first asked for.

use std::cell::Cell;

use super::MAX_HEADERS;
use crate::bytes;
use crate::error::{Error, Result};
use crate::sip::header::{self, Header, HeaderName, LineKind};

/// Where the headers of one message stand, as far as they were read.
#[derive(Debug)]
pub(super) struct Headers<'a> {
    /// The whole message.
    raw: &'a [u8],
    /// The first header of each name, by [`HeaderName`] as a number.
    first: [Cell<Place>; HeaderName::COUNT],
    progress: Cell<Progress>,
}

/// Where the value of a first header stands in the message, which has 64 KiB
/// at most.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    state: PlaceState,
    /// How many header lines came before it.
    line: u16,
    /// Of the value, not trimmed.
    start: u16,
    length: u16,
}

impl Place {
    fn end(self) -> usize {
        usize::from(self.start).saturating_add(usize::from(self.length))
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum PlaceState {
    #[default]
    Unseen,
    Found,
    /// The name was there, a colon was not.
    Unreadable,
}

/// How far the headers have been read.
#[derive(Clone, Copy, Debug)]
struct Progress {
    /// The line to read next; after the last one the first byte of the body.
    next: usize,
    /// How many header lines were read.
    lines: u16,
    /// The names, as bits, that came more than once.
    repeated: u16,
    ended: Option<Ended>,
}

/// How the headers ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// With an empty line.
    Properly,
    /// With the message.
    Short,
}

impl<'a> Headers<'a> {
    /// Of the message `raw`, whose first header line starts at `next`.
    pub(super) fn new(raw: &'a [u8], next: usize) -> Self {
        let progress = Progress { next, lines: 0, repeated: 0, ended: None };
        Headers { raw, first: Default::default(), progress: Cell::new(progress) }
    }

    /// As [`super::Message::header`].
    pub(super) fn first(&self, name: HeaderName) -> Result<Option<Header<'a>>> {
        let Some(place) = self.place(name)? else { return Ok(None) };
        let value = self.raw.get(usize::from(place.start)..place.end()).unwrap_or_default();
        Ok(Some(Header { name, value: bytes::trim(value) }))
    }

    /// As [`super::Message::headers`].
    pub(super) fn all(&self, name: HeaderName) -> impl Iterator<Item = Result<Header<'a>>> + '_ {
        let mut state = State::Start;
        std::iter::from_fn(move || {
            let found = match state {
                State::Start => self.place(name).map(|place| {
                    let place = place?;
                    let end = place.end();
                    state = match self.is_single(name) {
                        true => State::Over,
                        false => State::After { next: end, lines: place.line.saturating_add(1) },
                    };
                    self.raw.get(usize::from(place.start)..end)
                }),
                State::After { next, lines } => self.next_of(name, next, lines).map(|found| {
                    let (value, next, lines) = found?;
                    state = State::After { next, lines };
                    Some(value)
                }),
                State::Over => Ok(None),
            };
            match found {
                Ok(Some(value)) => Some(Ok(Header { name, value: bytes::trim(value) })),
                Ok(None) => {
                    state = State::Over;
                    None
                }
                Err(error) => {
                    state = State::Over;
                    Some(Err(error))
                }
            }
        })
    }

    /// The first byte behind the headers and the empty line that ends them.
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

    /// True when all headers were read and this one came once at most.
    pub(super) fn is_single(&self, name: HeaderName) -> bool {
        let progress = self.progress.get();
        progress.ended.is_some() && progress.repeated & name.bit() == 0
    }

    /// The next header of this name from the line at `next` on, with what
    /// follows it. What was read in passing is not remembered.
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

    fn place(&self, name: HeaderName) -> Result<Option<Place>> {
        let Some(cell) = self.first.get(name as usize) else { return Ok(None) };
        if cell.get().state == PlaceState::Unseen {
            self.read_until(Some(name))?;
        }
        let place = cell.get();
        match place.state {
            PlaceState::Unseen => Ok(None),
            PlaceState::Found => Ok(Some(place)),
            PlaceState::Unreadable => Err(Error::syntax(unreadable(name))),
        }
    }

    /// Reads header lines and remembers the first of each name, until `wanted`
    /// was among them or to the end.
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
                LineKind::Known(name, value) => (name, PlaceState::Found, value),
                LineKind::Unreadable(name) => (name, PlaceState::Unreadable, &b""[..]),
            };
            rest = line.after;
            if let Some(cell) = self.first.get(name as usize) {
                if cell.get().state == PlaceState::Unseen {
                    // A value ends where its line ends, and it is shorter than
                    // MAX_MESSAGE, as its name stands before it.
                    let end = self.raw.len().wrapping_sub(rest.len());
                    let start = end.wrapping_sub(value.len()) as u16;
                    let length = value.len() as u16;
                    cell.set(Place { state, line: progress.lines, start, length });
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

/// Where the iterator of [`Headers::all`] stands.
#[derive(Clone, Copy)]
enum State {
    Start,
    After { next: usize, lines: u16 },
    Over,
}

#[cold]
fn too_many_headers() -> Error {
    Error::limit("the message has more than 512 headers")
}

#[cold]
fn unreadable(name: HeaderName) -> String {
    format!("the {} header has no colon after its name", name.as_str())
}
