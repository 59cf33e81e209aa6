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

/// True when a line ends in CR only: CR and the start of a line, a letter and `=`. Any
/// other CR is left alone.
pub(super) fn has_cr_line_ends(text: &[u8]) -> bool {
    let behind = text.get(2..).unwrap_or_default();
    // Without an early end the compiler compares 16 bytes at once.
    let suspect = |found, (byte, behind): (&u8, &u8)| found | (*byte == b'\r') & (*behind == b'=');
    let is_start =
        |bytes: &[u8]| matches!(bytes, [b'\r', letter, b'='] if letter.is_ascii_alphabetic());
    text.iter().zip(behind).fold(false, suspect) && text.windows(3).any(is_start)
}
