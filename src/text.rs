//! Small readers over bytes, shared by the parsers. White space here is
//! SIP's: space, tab, and the line ends inside a folded value.

/// True for the bytes that may stand between parts of a header value: space,
/// tab, CR and LF (a folded value keeps its line ends, RFC 3261 7.3.1).
pub fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// `text` without leading and trailing white space.
pub fn trim(text: &[u8]) -> &[u8] {
    let start = text.iter().position(|b| !is_space(*b)).unwrap_or(text.len());
    let end = text.iter().rposition(|b| !is_space(*b)).map_or(start, |i| i + 1);
    text.get(start..end).unwrap_or_default()
}

/// The unsigned decimal number that `text` consists of, nothing else around
/// it; `None` when empty, not a number or above `u32::MAX`.
pub fn number(text: &[u8]) -> Option<u32> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u32, |value, byte| {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value.checked_mul(10)?.checked_add(u32::from(digit))
    })
}

/// A port: a decimal number from 0 to 65535.
pub fn port(text: &[u8]) -> Option<u16> {
    number(text).and_then(|n| u16::try_from(n).ok())
}

/// Where `part` starts within `whole`, if it lies in it: parsed pieces are
/// subslices of the message and carry their place with them.
pub fn offset_in(whole: &[u8], part: &[u8]) -> Option<usize> {
    let offset = (part.as_ptr() as usize).checked_sub(whole.as_ptr() as usize)?;
    (offset.checked_add(part.len())? <= whole.len()).then_some(offset)
}

/// Appends `value` unfolded: each line end with the white space around it
/// becomes one space.
pub fn unfold(value: &[u8], out: &mut Vec<u8>) {
    let mut rest = value;
    while let Some(at) = rest.iter().position(|b| matches!(b, b'\r' | b'\n')) {
        let (before, after) = rest.split_at(at);
        let kept = before.iter().rposition(|b| !is_space(*b)).map_or(0, |i| i + 1);
        out.extend_from_slice(before.get(..kept).unwrap_or_default());
        let skip = after.iter().position(|b| !is_space(*b)).unwrap_or(after.len());
        rest = after.get(skip..).unwrap_or_default();
        if !rest.is_empty() {
            out.push(b' ');
        }
    }
    out.extend_from_slice(rest);
}
