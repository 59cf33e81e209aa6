//! The lines of SDP.

use crate::bytes::find;

/// The lines of SDP with their line ends: CRLF or LF, and either or none after
/// the last line.
pub(crate) struct Lines<'a>(&'a [u8]);

impl<'a> Lines<'a> {
    pub(crate) fn new(text: &'a [u8]) -> Self {
        Lines(text)
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        if self.0.is_empty() {
            return None;
        }
        let end = find(b'\n', self.0).map_or(self.0.len(), |at| at + 1);
        let (line, rest) = self.0.split_at_checked(end)?;
        self.0 = rest;
        Some(line)
    }
}

/// A line, or the tail of one, without its CRLF or LF.
pub(super) fn without_line_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// True when the line has others in it that end in CR only: CR and the start of a line,
/// a letter and `=`. Any other CR is left alone.
pub(super) fn has_cr_line_ends(line: &[u8]) -> bool {
    find(b'\r', line).is_some()
        && line
            .windows(3)
            .any(|bytes| matches!(bytes, [b'\r', letter, b'='] if letter.is_ascii_alphabetic()))
}

/// As [`has_cr_line_ends`] for what follows the last LF: all of SDP whose lines end in
/// CR only.
pub(super) fn ends_in_cr_lines(text: &[u8]) -> bool {
    !text.ends_with(b"\n")
        && text.rsplit(|byte| *byte == b'\n').next().is_some_and(has_cr_line_ends)
}
