//! Shows what became of a message, line by line, for people.
//!
//! ```text
//! line 7
//! - Contact: <sip:alice@192.168.1.10:5060>
//! + Contact: <sip:alice@203.0.113.5:61234>
//! line 12, stream 1 (audio)
//! - m=audio 4000 RTP/AVP 0 8
//! + m=audio 50000 RTP/AVP 0 8
//! ```
//!
//! Line numbers are those of the original. What cannot be printed is escaped,
//! long lines are cut around what changed.

use std::fmt::Write;
use std::ops::Range;

/// Above this many pairs of lines nothing is aligned: the changed block is
/// shown as a whole. An SDP with 64 streams stays far below.
const MAX_PAIRS: usize = 1_000_000;
/// A line longer than this is cut, in bytes.
const MAX_LINE: usize = 200;
/// The bytes that stay on each side of a change in a line that is cut.
const KEPT: usize = 40;
/// The longest stream kind shown, in bytes.
const MAX_KIND: usize = 20;

/// The differences between two messages, each line indented by `indent`;
/// empty when they are equal.
pub(crate) fn render(original: &[u8], edited: &[u8], indent: &str) -> String {
    let old: Vec<&[u8]> = original.split_inclusive(|byte| *byte == b'\n').collect();
    let new: Vec<&[u8]> = edited.split_inclusive(|byte| *byte == b'\n').collect();
    let line_end = old.first().map_or(&b"\r\n"[..], |line| split_end(line).1);
    let places = Places::of(&old);
    let mut out = String::new();
    for hunk in hunks(&old, &new) {
        let removed = old.get(hunk.old.clone()).unwrap_or_default();
        let added = new.get(hunk.new).unwrap_or_default();
        if removed.len() == added.len() {
            for (at, (before, after)) in removed.iter().zip(added).enumerate() {
                let _ = writeln!(out, "{indent}{}", places.name(hunk.old.start + at));
                let (cut_before, cut_after) = around_change(before, after);
                write_line(&mut out, indent, '-', before, cut_before, line_end);
                write_line(&mut out, indent, '+', after, cut_after, line_end);
            }
            continue;
        }
        let place = if removed.is_empty() {
            format!("after {}", places.name(hunk.old.start.saturating_sub(1)))
        } else {
            places.name(hunk.old.start)
        };
        let _ = writeln!(out, "{indent}{place}");
        for (sign, lines) in [('-', removed), ('+', added)] {
            for line in lines {
                write_line(&mut out, indent, sign, line, 0..line.len().min(MAX_LINE), line_end);
            }
        }
    }
    out
}

/// `bytes` as one printable line: control and invisible characters, the
/// backslash and what is no UTF-8 are escaped.
pub(crate) fn escape(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if character.is_control() || is_invisible(character) || character == '\\' {
                out.extend(character.escape_default());
            } else {
                out.push(character);
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out
}

/// Characters that show nothing or turn the direction of what follows: a
/// terminal must not be fooled by a display name.
fn is_invisible(character: char) -> bool {
    matches!(character,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// A line without its line end, and the line end: CRLF, LF or nothing.
fn split_end(line: &[u8]) -> (&[u8], &[u8]) {
    let end = match line {
        [.., b'\r', b'\n'] => 2,
        [.., b'\n'] => 1,
        _ => 0,
    };
    line.split_at_checked(line.len() - end).unwrap_or((line, b""))
}

/// Writes `- text`; a line end other than the message's own is shown.
fn write_line(
    out: &mut String,
    indent: &str,
    sign: char,
    line: &[u8],
    shown: Range<usize>,
    usual_end: &[u8],
) {
    let (text, end) = split_end(line);
    let shown = shown.start.min(text.len())..shown.end.min(text.len());
    let before = if shown.start > 0 { "..." } else { "" };
    let after = if shown.end < text.len() { "..." } else { "" };
    let part = escape(text.get(shown).unwrap_or_default());
    let _ = write!(out, "{indent}{sign} {before}{part}{after}");
    if end.is_empty() {
        out.push_str(" (no line end)");
    } else if end != usual_end {
        out.push_str(&escape(end));
    }
    out.push('\n');
}

/// The ranges of two lines to show, one of which replaces the other: all of short
/// lines, and of long ones the change with some bytes on both sides.
fn around_change(before: &[u8], after: &[u8]) -> (Range<usize>, Range<usize>) {
    let start = before.iter().zip(after).take_while(|(a, b)| a == b).count();
    let most = before.len().min(after.len()) - start;
    let same_end =
        before.iter().rev().zip(after.iter().rev()).take(most).take_while(|(a, b)| a == b).count();
    let window = |line: &[u8]| {
        if line.len() <= MAX_LINE {
            return 0..line.len();
        }
        let first = character_start(line, start.saturating_sub(KEPT));
        let last = (line.len() - same_end).saturating_add(KEPT).min(line.len());
        first..character_start(line, last.min(first + MAX_LINE))
    };
    (window(before), window(after))
}

/// `at` moved back to the start of a UTF-8 character.
fn character_start(line: &[u8], at: usize) -> usize {
    let inside = |at: &usize| line.get(*at).is_some_and(|byte| byte & 0xc0 == 0x80);
    (at.saturating_sub(3)..=at).rev().find(|at| !inside(at)).unwrap_or(at)
}

/// A run of lines that changed.
struct Hunk {
    old: Range<usize>,
    new: Range<usize>,
}

/// The changed runs, in order: what is left beside a longest common
/// subsequence of lines.
fn hunks(old: &[&[u8]], new: &[&[u8]]) -> Vec<Hunk> {
    let head = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let most = old.len().min(new.len()) - head;
    let tail =
        old.iter().rev().zip(new.iter().rev()).take(most).take_while(|(a, b)| a == b).count();
    let old_end = old.len() - tail;
    let new_end = new.len() - tail;
    if head == old_end && head == new_end {
        return Vec::new();
    }
    let (rows, columns) = (old_end - head, new_end - head);
    if rows.saturating_mul(columns) > MAX_PAIRS {
        return vec![Hunk { old: head..old_end, new: head..new_end }];
    }
    // longest[r][c]: the most lines that old[r..] and new[c..] share in order.
    let width = columns + 1;
    let mut longest = vec![0u32; (rows + 1) * width];
    for row in (0..rows).rev() {
        for column in (0..columns).rev() {
            longest[row * width + column] = if old[head + row] == new[head + column] {
                longest[(row + 1) * width + column + 1] + 1
            } else {
                longest[(row + 1) * width + column].max(longest[row * width + column + 1])
            };
        }
    }
    let mut found = Vec::new();
    let (mut row, mut column) = (0, 0);
    while row < rows || column < columns {
        let (from_row, from_column) = (row, column);
        while row < rows || column < columns {
            if row < rows && column < columns && old[head + row] == new[head + column] {
                break;
            }
            let down = row < rows
                && (column == columns
                    || longest[(row + 1) * width + column] >= longest[row * width + column + 1]);
            if down { row += 1 } else { column += 1 }
        }
        if row > from_row || column > from_column {
            found.push(Hunk {
                old: head + from_row..head + row,
                new: head + from_column..head + column,
            });
        }
        while row < rows && column < columns && old[head + row] == new[head + column] {
            row += 1;
            column += 1;
        }
    }
    found
}

/// The part of each line: the headers, or one of the streams.
struct Places {
    /// The line and number of each m= line of the body.
    streams: Vec<(usize, usize, String)>,
    /// The number of each v= line of the body, at which an SDP starts.
    sessions: Vec<usize>,
}

impl Places {
    fn of(lines: &[&[u8]]) -> Places {
        let mut places = Places { streams: Vec::new(), sessions: Vec::new() };
        let mut stream = 0;
        let body =
            lines.iter().position(|line| split_end(line).0.is_empty()).unwrap_or(lines.len());
        for (at, line) in lines.iter().enumerate().skip(body) {
            if line.starts_with(b"v=") {
                stream = 0;
                places.sessions.push(at);
            } else if let Some(value) = line.strip_prefix(b"m=") {
                stream += 1;
                let kind =
                    split_end(value).0.split(|byte| *byte == b' ').next().unwrap_or_default();
                let kind = escape(kind.get(..kind.len().min(MAX_KIND)).unwrap_or_default());
                places.streams.push((at, stream, kind));
            }
        }
        places
    }

    fn name(&self, line: usize) -> String {
        let number = line + 1;
        let session = self.sessions.iter().rfind(|start| **start <= line);
        let stream = self.streams.iter().rfind(|(start, ..)| *start <= line);
        match (session, stream) {
            (session, Some((start, count, kind))) if session.is_none_or(|at| at < start) => {
                format!("line {number}, stream {count} ({kind})")
            }
            (Some(_), _) => format!("line {number}, session"),
            _ => format!("line {number}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_messages_have_no_differences() {
        assert_eq!(render(b"a\r\nb\r\n", b"a\r\nb\r\n", ""), "");
        assert_eq!(render(b"", b"", ""), "");
    }

    #[test]
    fn a_contact_and_a_stream_change() {
        let old = b"INVITE sip:b SIP/2.0\r\nContact: <sip:a@10.0.0.1>\r\n\r\n\
                    v=0\r\nc=IN IP4 10.0.0.1\r\nm=audio 4000 RTP/AVP 0\r\na=x\r\n";
        let new = b"INVITE sip:b SIP/2.0\r\nContact: <sip:a@192.0.2.1:6>\r\n\r\n\
                    v=0\r\nc=IN IP4 192.0.2.9\r\nm=audio 5000 RTP/AVP 0\r\na=x\r\n";
        assert_eq!(
            render(old, new, "  "),
            "  line 2\n  - Contact: <sip:a@10.0.0.1>\n  + Contact: <sip:a@192.0.2.1:6>\n  \
             line 5, session\n  - c=IN IP4 10.0.0.1\n  + c=IN IP4 192.0.2.9\n  \
             line 6, stream 1 (audio)\n  - m=audio 4000 RTP/AVP 0\n  + m=audio 5000 RTP/AVP 0\n"
        );
    }

    #[test]
    fn an_insertion_names_the_line_before_it() {
        assert_eq!(
            render(b"a\n\nv=0\nm=x 1\n", b"a\n\nv=0\nm=x 1\nc=y\n", ""),
            "after line 4, stream 1 (x)\n+ c=y\n"
        );
        assert_eq!(render(b"a\nb\nc\n", b"a\nc\n", ""), "line 2\n- b\n");
    }

    #[test]
    fn line_ends_that_differ_from_the_first_are_shown() {
        assert_eq!(render(b"a\r\nb\r\n", b"a\r\nb\n", ""), "line 2\n- b\n+ b\\n\n");
        assert_eq!(render(b"a\r\nb", b"a\r\nc\r\n", ""), "line 2\n- b (no line end)\n+ c\n");
    }

    #[test]
    fn what_cannot_be_printed_is_escaped() {
        assert_eq!(escape(b"M\xc3\xbcller\x1b[2J\xff\\\0"), "Müller\\u{1b}[2J\\xff\\\\\\u{0}");
        assert_eq!(escape("a\u{202e}b".as_bytes()), "a\\u{202e}b");
    }

    #[test]
    fn a_long_line_is_cut_around_its_change() {
        let old = [b"x".repeat(500), b"OLD".to_vec(), b"y".repeat(500)].concat();
        let new = [b"x".repeat(500), b"NEWER".to_vec(), b"y".repeat(500)].concat();
        let sides = |text: &str| format!("...{}{text}{}...", "x".repeat(KEPT), "y".repeat(KEPT));
        assert_eq!(
            render(&old, &new, ""),
            format!(
                "line 1\n- {} (no line end)\n+ {} (no line end)\n",
                sides("OLD"),
                sides("NEWER")
            )
        );
    }

    #[test]
    fn too_many_lines_are_shown_as_one_block() {
        let old = b"a\n".repeat(2000);
        let new = b"b\n".repeat(2001);
        let text = render(&old, &new, "");
        assert_eq!(text.lines().filter(|line| *line == "- a").count(), 2000);
        assert_eq!(text.lines().filter(|line| *line == "+ b").count(), 2001);
    }
}
