//! The lines of SDP.

use crate::sys::line_ends::{BLOCK, LineEnds};

/// Calls `visit` with each line of SDP and its line end: CRLF or LF, and either or none
/// after the last line. An empty first line is left out.
///
/// It ends with the first error of `visit`, or with `cr_only` before a line that ends in
/// CR only: CR and the start of a line, a letter and `=`. Any other CR is a byte of its
/// line.
#[inline]
pub(crate) fn for_each_line<'a, E>(
    text: &'a [u8],
    cr_only: impl FnOnce() -> E,
    mut visit: impl FnMut(&'a [u8]) -> Result<(), E>,
) -> Result<(), E> {
    let mut start = usize::from(text.first() == Some(&b'\n'));
    let mut offset = 0usize;
    loop {
        let last;
        let whole = offset.checked_add(BLOCK + 1).and_then(|end| text.get(offset..end));
        let block = match whole.and_then(<[u8]>::first_chunk) {
            Some(block) => block,
            None => {
                last = last_block(text, offset);
                &last
            }
        };
        let found = LineEnds::find(block);
        if found.other_cr && is_before_line(text, offset) {
            return Err(cr_only());
        }
        for before_lf in found {
            let end = (offset + before_lf + 2).min(text.len());
            match text.get(start..end) {
                None | Some([]) => return Ok(()),
                Some(line) => visit(line)?,
            }
            start = end;
        }
        offset += BLOCK;
    }
}

/// The block at the end of the text. LFs behind it end the last line, and then the search.
#[cold]
fn last_block(text: &[u8], offset: usize) -> [u8; BLOCK + 1] {
    let mut block = [b'\n'; BLOCK + 1];
    let rest = text.get(offset..).unwrap_or_default();
    block.iter_mut().zip(rest).for_each(|(to, byte)| *to = *byte);
    block
}

/// True when a CR of the block is followed by the start of a line.
#[cold]
fn is_before_line(text: &[u8], offset: usize) -> bool {
    let rest = text.get(offset..).unwrap_or_default();
    let starts =
        |bytes: &[u8]| matches!(bytes, [b'\r', letter, b'='] if letter.is_ascii_alphabetic());
    rest.windows(3).take(BLOCK).any(starts)
}

/// A line, or the tail of one, without its CRLF or LF.
pub(super) fn without_line_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &[u8]) -> Result<Vec<&[u8]>, ()> {
        let mut lines = Vec::new();
        for_each_line(
            text,
            || (),
            |line| {
                lines.push(line);
                Ok(())
            },
        )?;
        Ok(lines)
    }

    #[test]
    fn lines_are_those_of_a_search_byte_by_byte() {
        let parts = ["", "\n", "\r\n", "\r", "\n\n", "\r\r\n", "\na=b", "\r\na=b", "\rab", "\r="];
        for (at, part, behind) in (0..BLOCK + 3).flat_map(|at| {
            parts.iter().flat_map(move |part| (0..BLOCK + 3).map(move |end| (at, part, end)))
        }) {
            let text = [&"x".repeat(at), *part, &"y".repeat(behind)].concat();
            let mut expected: Vec<_> = text.split_inclusive('\n').map(str::as_bytes).collect();
            if text.starts_with('\n') {
                expected.remove(0);
            }
            assert_eq!(lines(text.as_bytes()), Ok(expected), "{text:?}");
        }
    }

    #[test]
    fn line_that_ends_in_cr_only_is_found_at_each_offset() {
        for at in 0..3 * BLOCK {
            for before in ["x", "x\r\n", "\r"] {
                let text = format!("{}{}\ra=b", before.repeat(at), "y".repeat(at));
                assert_eq!(lines(text.as_bytes()), Err(()), "{text:?}");
                let longer = format!("{text}{}\r\n", "z".repeat(BLOCK));
                assert_eq!(lines(longer.as_bytes()), Err(()), "{longer:?}");
            }
        }
    }
}
