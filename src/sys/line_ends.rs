//! Line ends, found in many bytes at once: each byte of a message is compared.

/// The bytes that are searched at once.
pub(crate) const BLOCK: usize = 64;

/// Where LF and CR are in a block and the byte behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LineEnds {
    /// The bytes of the block that have LF behind them, as bits: bit 0 is the first.
    pub(crate) before_lf: u64,
    /// Another one is CR.
    pub(crate) other_cr: bool,
}

impl Iterator for LineEnds {
    type Item = usize;

    /// The next byte of the block that has LF behind it.
    #[inline]
    fn next(&mut self) -> Option<usize> {
        let at = self.before_lf.trailing_zeros() as usize;
        let rest = self.before_lf.checked_sub(1)?;
        self.before_lf &= rest;
        Some(at)
    }
}

impl LineEnds {
    #[cfg(target_arch = "x86_64")]
    #[inline]
    pub(crate) fn find(block: &[u8; BLOCK + 1]) -> LineEnds {
        use std::arch::x86_64::*;

        const WIDTH: usize = 16;
        // SAFETY: every x86-64 processor has SSE2. The last load, at offset 49, ends at
        // the end of `block`; loads need no alignment.
        unsafe {
            let (cr, lf) = (_mm_set1_epi8(b'\r' as i8), _mm_set1_epi8(b'\n' as i8));
            let (mut before_lf, mut others) = (0, _mm_setzero_si128());
            for at in [3 * WIDTH, 2 * WIDTH, WIDTH, 0] {
                let load = |at| _mm_loadu_si128(block.as_ptr().add(at).cast());
                let followed = _mm_cmpeq_epi8(load(at + 1), lf);
                let other_cr = _mm_andnot_si128(followed, _mm_cmpeq_epi8(load(at), cr));
                before_lf = before_lf << WIDTH | u64::from(_mm_movemask_epi8(followed) as u32);
                others = _mm_or_si128(others, other_cr);
            }
            LineEnds { before_lf, other_cr: _mm_movemask_epi8(others) != 0 }
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    pub(crate) fn find(block: &[u8; BLOCK + 1]) -> LineEnds {
        LineEnds::one_by_one(block)
    }

    #[cfg(any(test, not(target_arch = "x86_64")))]
    fn one_by_one(block: &[u8; BLOCK + 1]) -> LineEnds {
        let mut found = LineEnds { before_lf: 0, other_cr: false };
        for (at, (byte, behind)) in block.iter().zip(block.iter().skip(1)).enumerate() {
            match *behind == b'\n' {
                true => found.before_lf |= 1 << at,
                false => found.other_cr |= *byte == b'\r',
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends_are_those_of_a_search_byte_by_byte() {
        let places = 0..=BLOCK;
        for (first, second) in places.clone().flat_map(|at| places.clone().map(move |b| (at, b))) {
            for bytes in [*b"\r\n", *b"\n\r", *b"\r\r", *b"\n\n", [0x8d, 0x8a], [0x8a, b'\n']] {
                let mut block = [b'.'; BLOCK + 1];
                [block[first], block[second]] = bytes;
                let found = LineEnds::find(&block);
                assert_eq!(found, LineEnds::one_by_one(&block), "{bytes:?} {first} {second}");
            }
        }
    }
}
