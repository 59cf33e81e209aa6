//! Generations: a number for each group of files that may change, raised when one
//! has changed. A process compares it with the number at which it read the files:
//! one load per message.

use std::sync::atomic::{AtomicU64, Ordering};

/// Words of one generation: a cache line of its own, since all processes read it
/// for each message.
pub const GENERATION_WORDS: usize = 8;

const NUMBER: usize = 0;
const FINGERPRINT: usize = 1;
const REPORTED: usize = 2;

/// The most files of one generation.
pub const FILES: usize = GENERATION_WORDS - REPORTED;

/// The generation of one group of files.
#[derive(Clone, Copy, Debug)]
pub struct Generation<'b>(&'b [AtomicU64; GENERATION_WORDS]);

impl<'b> Generation<'b> {
    /// A view over its words.
    pub fn new(words: &'b [AtomicU64; GENERATION_WORDS]) -> Self {
        Generation(words)
    }

    /// The number. To be read before the files are: a change in between then
    /// causes another read.
    #[inline]
    pub fn number(&self) -> u64 {
        self.0[NUMBER].load(Ordering::Acquire)
    }

    /// Stores the fingerprint of the files and raises the number if it differs from
    /// the one before; returns whether it did. If a process dies between the two
    /// writes, the next one raises the number again.
    pub fn update_fingerprint(&self, print: u64) -> bool {
        if self.0[FINGERPRINT].load(Ordering::Acquire) == print {
            return false;
        }
        self.0[NUMBER].fetch_add(1, Ordering::AcqRel);
        self.0[FINGERPRINT].store(print, Ordering::Release);
        true
    }

    /// Raises the number, so that all processes read the files again.
    pub fn raise(&self) {
        self.0[NUMBER].fetch_add(1, Ordering::AcqRel);
    }

    /// Stores the fingerprint of the files as read before the fork.
    pub fn set_fingerprint(&self, print: u64) {
        self.0[FINGERPRINT].store(print, Ordering::Release);
    }

    /// True for the first process that reports `what` about the file of this index.
    /// All processes read the same file; only the first one logs it.
    pub fn first_to_report(&self, file: usize, what: u64) -> bool {
        let reported = self.0.get(REPORTED + file.min(FILES - 1));
        reported.is_none_or(|reported| reported.swap(what, Ordering::AcqRel) != what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn number_is_raised_by_new_fingerprint() {
        let words = Default::default();
        let generation = Generation::new(&words);
        generation.set_fingerprint(5);
        assert!(!generation.update_fingerprint(5));
        assert_eq!(generation.number(), 0, "the files are as they were read");
        assert!(
            generation.update_fingerprint(6)
                && generation.update_fingerprint(5)
                && !generation.update_fingerprint(5)
        );
        assert_eq!(generation.number(), 2);
    }

    #[test]
    fn raise_works_without_new_fingerprint() {
        let words = Default::default();
        let generation = Generation::new(&words);
        generation.set_fingerprint(5);
        generation.raise();
        assert_eq!(generation.number(), 1);
        assert!(!generation.update_fingerprint(5), "the fingerprint is the same");
    }

    #[test]
    fn number_is_raised_again_after_a_crash() {
        let words: [AtomicU64; GENERATION_WORDS] = Default::default();
        words[NUMBER].store(1, Ordering::Relaxed);
        let generation = Generation::new(&words);
        assert!(generation.update_fingerprint(6));
        assert_eq!(generation.number(), 2);
    }

    #[test]
    fn first_to_report_is_true_once_per_file() {
        let words = Default::default();
        let generation = Generation::new(&words);
        assert!(generation.first_to_report(0, 1));
        assert!(!generation.first_to_report(0, 1));
        assert!(generation.first_to_report(1, 1));
        assert!(generation.first_to_report(0, 2));
        assert!(generation.first_to_report(99, 2) && !generation.first_to_report(FILES, 2));
    }
}
