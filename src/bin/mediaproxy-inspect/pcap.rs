//! Reading capture files frame by frame: classic pcap of both byte orders, with
//! micro- and nanoseconds, and pcapng. One frame is held at a time.

use std::io::{self, Read};

/// The longest frame accepted, in bytes: tcpdump's largest snapshot length.
const MAX_FRAME: usize = 256 * 1024;
/// A pcapng packet block may carry options beside its frame.
const MAX_BLOCK: usize = MAX_FRAME + 64 * 1024;
/// The most interfaces of one pcapng section.
const MAX_INTERFACES: usize = 4096;

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
const OLD_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;
const BYTE_ORDER: u32 = 0x1a2b_3c4d;

/// Why a capture cannot be read on.
#[derive(Debug)]
pub(crate) enum ReadError {
    /// The operating system says so.
    Io(io::Error),
    /// The file says something impossible, or ends too early.
    Damaged(String),
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        ReadError::Io(error)
    }
}

/// One captured frame.
pub(crate) struct Frame<'c> {
    /// Counted from 1 over all frames of the file, as Wireshark does.
    pub(crate) number: u64,
    /// The LINKTYPE of the interface.
    pub(crate) link: u16,
    /// The captured bytes of the frame.
    pub(crate) data: &'c [u8],
}

#[derive(Clone, Copy)]
struct Interface {
    link: u16,
    /// 0: no limit.
    snap_length: usize,
}

enum Format {
    Classic(u16),
    NextGeneration(Vec<Interface>),
}

/// A capture file being read.
pub(crate) struct Capture<R> {
    input: R,
    format: Format,
    big_endian: bool,
    number: u64,
    buffer: Vec<u8>,
}

impl<R: Read> Capture<R> {
    /// True when a file that starts with `magic` is a capture.
    pub(crate) fn recognises(magic: [u8; 4]) -> bool {
        u32::from_be_bytes(magic) == SECTION_HEADER || classic_order(magic).is_some()
    }

    /// Starts reading: `magic` are the file's first four bytes, `input` gives
    /// those after them.
    pub(crate) fn new(magic: [u8; 4], mut input: R) -> Result<Self, ReadError> {
        let mut big_endian = false;
        let format = match classic_order(magic) {
            Some(order) => {
                big_endian = order;
                let mut header = [0; 20];
                fill(&mut input, &mut header, "the file header")?;
                let link = number(big_endian, header.last_chunk().copied().unwrap_or_default());
                // The upper half has the length of frame check sequences.
                Format::Classic((link & 0xffff) as u16)
            }
            None => Format::NextGeneration(Vec::new()),
        };
        let mut capture = Capture { input, format, big_endian, number: 0, buffer: Vec::new() };
        if matches!(capture.format, Format::NextGeneration(_)) {
            capture.section()?;
        }
        Ok(capture)
    }

    /// The next frame; `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Frame<'_>>, ReadError> {
        let found = match &self.format {
            Format::Classic(link) => {
                let link = *link;
                self.classic_record()?.map(|length| (link, 0, length))
            }
            Format::NextGeneration(_) => self.packet_block()?,
        };
        let Some((link, start, length)) = found else { return Ok(None) };
        let place = start..start.saturating_add(length);
        if place.end > self.buffer.len() {
            return Err(self.damaged("it is longer than its block"));
        }
        self.number += 1;
        let data = self.buffer.get(place).unwrap_or_default();
        Ok(Some(Frame { number: self.number, link, data }))
    }

    fn damaged(&self, what: &str) -> ReadError {
        ReadError::Damaged(format!("frame {}: {what}", self.number + 1))
    }

    /// Reads `length` bytes into the buffer. It grows with what really comes,
    /// not with what a header promises.
    fn load(&mut self, length: usize) -> Result<(), ReadError> {
        self.buffer.clear();
        let got = (&mut self.input).take(length as u64).read_to_end(&mut self.buffer)?;
        if got < length {
            return Err(self.damaged("the file ends inside it"));
        }
        Ok(())
    }

    fn classic_record(&mut self) -> Result<Option<usize>, ReadError> {
        let mut header = [0; 16];
        if !fill_or_end(&mut self.input, &mut header)? {
            return Ok(None);
        }
        let [_, _, _, _, _, _, _, _, a, b, c, d, ..] = header;
        let length = number(self.big_endian, [a, b, c, d]) as usize;
        if length > MAX_FRAME {
            return Err(self.damaged(&format!("a length of {length} bytes cannot be")));
        }
        self.load(length)?;
        Ok(Some(length))
    }

    /// Reads a section header whose block type was read already.
    fn section(&mut self) -> Result<(), ReadError> {
        let mut head = [0; 8];
        fill(&mut self.input, &mut head, "a section header")?;
        let [a, b, c, d, order @ ..] = head;
        self.big_endian = if u32::from_be_bytes(order) == BYTE_ORDER {
            true
        } else if u32::from_le_bytes(order) == BYTE_ORDER {
            false
        } else {
            return Err(ReadError::Damaged("a section header without its byte order".into()));
        };
        self.format = Format::NextGeneration(Vec::new());
        let length = number(self.big_endian, [a, b, c, d]);
        // Type, length and byte order are read; a length stands again at the end.
        let rest = length.checked_sub(12).filter(|rest| *rest >= 4 && length.is_multiple_of(4));
        let rest = rest.ok_or_else(|| self.damaged("a section header of impossible length"))?;
        self.skip(u64::from(rest))
    }

    fn skip(&mut self, length: u64) -> Result<(), ReadError> {
        let skipped = io::copy(&mut (&mut self.input).take(length), &mut io::sink())?;
        if skipped < length {
            return Err(self.damaged("the file ends inside a block before it"));
        }
        Ok(())
    }

    /// Reads blocks up to the next frame: its link type and its place in the
    /// buffer.
    fn packet_block(&mut self) -> Result<Option<(u16, usize, usize)>, ReadError> {
        loop {
            let mut kind = [0; 4];
            if !fill_or_end(&mut self.input, &mut kind)? {
                return Ok(None);
            }
            let kind = number(self.big_endian, kind);
            if kind == SECTION_HEADER {
                self.section()?;
                continue;
            }
            let mut length = [0; 4];
            fill(&mut self.input, &mut length, "a block header")?;
            let length = number(self.big_endian, length);
            let body = length.checked_sub(12).filter(|_| length.is_multiple_of(4));
            let body = body.ok_or_else(|| self.damaged("a block of impossible length"))? as usize;
            let wanted =
                [INTERFACE_DESCRIPTION, OLD_PACKET, SIMPLE_PACKET, ENHANCED_PACKET].contains(&kind);
            if !wanted {
                self.skip(body as u64 + 4)?;
                continue;
            }
            if body > MAX_BLOCK {
                return Err(self.damaged(&format!("a block of {length} bytes cannot be")));
            }
            self.load(body + 4)?;
            let trailer = self.buffer.last_chunk().copied().unwrap_or_default();
            if number(self.big_endian, trailer) != length {
                return Err(self.damaged("a block has two different lengths"));
            }
            self.buffer.truncate(body);
            if kind == INTERFACE_DESCRIPTION {
                self.interface()?;
                continue;
            }
            let found = self.packet(kind);
            return found.map(Some).ok_or_else(|| self.damaged("a packet block makes no sense"));
        }
    }

    fn interface(&mut self) -> Result<(), ReadError> {
        let snap_length = self.word(4).map(|length| length as usize);
        let (link, snap_length) = self.half(0).zip(snap_length).ok_or_else(|| {
            ReadError::Damaged("an interface description is too short".to_string())
        })?;
        let Format::NextGeneration(interfaces) = &mut self.format else { return Ok(()) };
        if interfaces.len() >= MAX_INTERFACES {
            return Err(ReadError::Damaged(format!("more than {MAX_INTERFACES} interfaces")));
        }
        interfaces.push(Interface { link, snap_length });
        Ok(())
    }

    /// The link type of a packet block, and where its frame lies.
    fn packet(&self, kind: u32) -> Option<(u16, usize, usize)> {
        let Format::NextGeneration(interfaces) = &self.format else { return None };
        let (interface, start, length) = match kind {
            ENHANCED_PACKET => (self.word(0)? as usize, 20, self.word(12)? as usize),
            OLD_PACKET => (usize::from(self.half(0)?), 20, self.word(12)? as usize),
            _ => (0, 4, self.word(0)? as usize),
        };
        let interface = interfaces.get(interface)?;
        let length = match kind {
            SIMPLE_PACKET if interface.snap_length > 0 => length.min(interface.snap_length),
            _ => length,
        };
        Some((interface.link, start, length))
    }

    fn word(&self, at: usize) -> Option<u32> {
        Some(number(self.big_endian, *self.buffer.get(at..)?.first_chunk()?))
    }

    fn half(&self, at: usize) -> Option<u16> {
        let bytes = *self.buffer.get(at..)?.first_chunk()?;
        Some(if self.big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    }
}

/// The byte order of a classic capture, true for big-endian.
fn classic_order(magic: [u8; 4]) -> Option<bool> {
    let is_magic = |number| matches!(number, 0xa1b2_c3d4u32 | 0xa1b2_3c4d);
    if is_magic(u32::from_be_bytes(magic)) {
        Some(true)
    } else {
        is_magic(u32::from_le_bytes(magic)).then_some(false)
    }
}

fn number(big_endian: bool, bytes: [u8; 4]) -> u32 {
    if big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
}

fn fill(input: &mut impl Read, buffer: &mut [u8], what: &str) -> Result<(), ReadError> {
    match input.read_exact(buffer) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Err(ReadError::Damaged(format!("the file ends inside {what}")))
        }
        other => Ok(other?),
    }
}

/// Fills `buffer`; false at the end of the file. A header cut at the end, as
/// an interrupted capture leaves it, is an error.
fn fill_or_end(input: &mut impl Read, buffer: &mut [u8]) -> Result<bool, ReadError> {
    let Some((first, rest)) = buffer.split_first_mut() else { return Ok(true) };
    match input.read_exact(std::slice::from_mut(first)) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error.into()),
        Ok(()) => fill(input, rest, "a record header").map(|()| true),
    }
}
