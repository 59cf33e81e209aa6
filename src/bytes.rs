//! Functions over bytes, shared by the parsers. White space is that of SIP:
//! space, tab, and the line ends inside a folded value.

/// True for the white space of header values: space, tab, CR and LF (a folded
/// value keeps its line ends, RFC 3261 7.3.1).
pub fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// `text` without leading and trailing white space.
pub fn trim(text: &[u8]) -> &[u8] {
    trim_end(trim_start(text))
}

/// `text` without leading white space.
pub fn trim_start(text: &[u8]) -> &[u8] {
    let mut text = text;
    while let [first, rest @ ..] = text
        && is_space(*first)
    {
        text = rest;
    }
    text
}

/// `text` without trailing white space.
pub fn trim_end(text: &[u8]) -> &[u8] {
    let mut text = text;
    while let [rest @ .., last] = text
        && is_space(*last)
    {
        text = rest;
    }
    text
}

/// The offset of the first `byte`. Header and SDP lines are short: for them the
/// inlined SSE2 search, which every x86-64 processor has, is faster than the call
/// of `memchr::memchr`, which selects wider registers at run time.
#[inline]
pub fn find(byte: u8, text: &[u8]) -> Option<usize> {
    #[cfg(target_arch = "x86_64")]
    if let Some(one) = memchr::arch::x86_64::sse2::memchr::One::new(byte) {
        return one.find(text);
    }
    memchr::memchr(byte, text)
}

/// The offset of the first byte equal to `one` or `other`.
#[inline]
pub fn find_either(one: u8, other: u8, text: &[u8]) -> Option<usize> {
    #[cfg(target_arch = "x86_64")]
    if let Some(two) = memchr::arch::x86_64::sse2::memchr::Two::new(one, other) {
        return two.find(text);
    }
    memchr::memchr2(one, other, text)
}

/// The value of `text` as an unsigned decimal number; `None` when it is empty, has
/// another byte than digits, or is above `u32::MAX`.
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

/// The value of `text` as a port: a decimal number from 0 to 65535.
pub fn port(text: &[u8]) -> Option<u16> {
    number(text).and_then(|n| u16::try_from(n).ok())
}

/// The offset of `part` in `whole`, from their addresses in memory; `None` unless
/// `part` is a slice of `whole`, as parsed parts are slices of the message.
pub fn offset_in(whole: &[u8], part: &[u8]) -> Option<usize> {
    let offset = (part.as_ptr() as usize).checked_sub(whole.as_ptr() as usize)?;
    (offset.checked_add(part.len())? <= whole.len()).then_some(offset)
}

/// Appends `value` unfolded: each line end with the white space around it
/// becomes one space.
pub fn unfold(value: &[u8], out: &mut Vec<u8>) {
    let mut rest = value;
    while let Some(at) = find_either(b'\r', b'\n', rest) {
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

/// Appends a number in decimal.
pub fn push_number(number: u32, out: &mut Vec<u8>) {
    // Filled from the last digit on; a u32 has at most ten digits.
    let mut digits = [b'0'; 10];
    let mut rest = number;
    let mut used = 0usize;
    for slot in digits.iter_mut().rev() {
        *slot = b'0'.wrapping_add((rest % 10) as u8);
        rest /= 10;
        used = used.wrapping_add(1);
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(digits.len().saturating_sub(used)..).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn number_accepts_only_digits_up_to_u32_max() {
        assert_eq!(number(b"0068"), Some(68));
        assert_eq!(number(b"4294967295"), Some(u32::MAX));
        for bad in ["", " 1", "1 ", "-1", "+1", "4294967296", "0x1", "1a"] {
            assert_eq!(number(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(port(b"65535"), Some(65535));
        assert_eq!(port(b"65536"), None);
    }

    #[test]
    fn push_number_writes_decimal() {
        for n in [0, 7, 10, 99, 100, 65_535, u32::MAX] {
            let mut out = Vec::new();
            push_number(n, &mut out);
            assert_eq!(out, n.to_string().into_bytes());
        }
    }

    #[test]
    fn trim_removes_only_sip_white_space() {
        assert_eq!(trim(b" \t\r\n a b \r\n "), b"a b");
        assert_eq!(trim(b" \r\n "), b"");
        assert_eq!(trim(b""), b"");
        assert_eq!(trim(b"\0a\x0b"), b"\0a\x0b");
    }

    #[test]
    fn offset_in_is_none_for_other_slices() {
        let whole = b"0123456789";
        assert_eq!(offset_in(whole, &whole[3..5]), Some(3));
        assert_eq!(offset_in(whole, &whole[10..]), Some(10));
        assert_eq!(offset_in(&whole[4..6], &whole[3..5]), None);
        assert_eq!(offset_in(&whole[4..6], &whole[5..7]), None);
    }

    #[test]
    fn unfold_replaces_line_end_by_one_space() {
        let mut out = Vec::new();
        unfold(b"Phone\r\n  1.0 \n\t(x)", &mut out);
        assert_eq!(out, b"Phone 1.0 (x)");
    }
}
