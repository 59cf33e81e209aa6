//! Where a generated script takes its decisions from: a seed, or bytes of a
//! fuzzer.

/// A source of small numbers.
#[derive(Debug)]
pub enum Choices<'b> {
    Seed(u64),
    Bytes(&'b [u8]),
}

impl Choices<'_> {
    /// The decisions of a seed.
    pub fn of_seed(seed: u64) -> Self {
        Choices::Seed(seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `bound`, which is at most 256. 0 when no bytes are left.
    pub fn below(&mut self, bound: u64) -> u64 {
        let number = match self {
            Choices::Seed(state) => {
                *state ^= *state << 13;
                *state ^= *state >> 7;
                *state ^= *state << 17;
                *state >> 16
            }
            Choices::Bytes(bytes) => match bytes.split_first() {
                Some((first, rest)) => {
                    *bytes = rest;
                    u64::from(*first)
                }
                None => 0,
            },
        };
        number % bound.max(1)
    }

    pub fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u64) as usize]
    }

    /// True in one of `times` cases.
    pub fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == times - 1
    }

    /// True when a fuzzer gave no more bytes.
    pub fn is_over(&self) -> bool {
        matches!(self, Choices::Bytes([]))
    }
}
