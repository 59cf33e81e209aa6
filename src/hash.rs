//! A hash with the same value in every process and on every machine, so that all
//! servers choose the same relay for a Call-ID.

/// The hash of `bytes`.
pub fn hash(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks();
    let add = |hash: u64, word: [u8; 8]| mix(hash ^ u64::from_le_bytes(word));
    let whole = words.iter().fold(bytes.len() as u64, |hash, word| add(hash, *word));
    if rest.is_empty() {
        return whole;
    }
    let mut word = [0; 8];
    word.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    add(whole, word)
}

/// Makes each bit of the result depend on each bit of the input.
fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ bits >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ bits >> 32).wrapping_mul(0xd6e8_feb8_6659_fd93);
    bits ^ bits >> 32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hash_differs_and_is_stable() {
        let texts: [&[u8]; 7] = [b"", b"\0", b"\0\0", b"a", b"aaaaaaaa", b"aaaaaaaab", b"b"];
        let hashes: std::collections::BTreeSet<_> = texts.iter().map(|text| hash(text)).collect();
        assert_eq!(hashes.len(), texts.len());
        assert_eq!(
            hash(b"call@example.com"),
            11_914_958_239_627_313_798,
            "the same on every machine"
        );
    }
}
