//! Generations: a number for each thing that may change under the running
//! processes, raised when it did. A process compares it with the number it
//! loaded at: one load per message.

use std::sync::atomic::{AtomicU64, Ordering};

/// Words of one generation (a cache line of its own: it is read by everybody
/// all the time).
pub const GENERATION_WORDS: usize = 8;

const NUMBER: usize = 0;
const PRINT: usize = 1;
const TOLD: usize = 2;

/// How many files one generation stands for at most.
pub const FILES: usize = GENERATION_WORDS - TOLD;

/// The generation of one thing.
#[derive(Clone, Copy, Debug)]
pub struct Generation<'b>(&'b [AtomicU64; GENERATION_WORDS]);

impl<'b> Generation<'b> {
    /// The view over its words.
    pub fn new(words: &'b [AtomicU64; GENERATION_WORDS]) -> Self {
        Generation(words)
    }

    /// The number. To be read before the thing itself is loaded: what changes
    /// in between is then loaded once more.
    #[inline]
    pub fn number(&self) -> u64 {
        self.0[NUMBER].load(Ordering::Acquire)
    }

    /// Says how the thing looks (any number that differs when it differs);
    /// raises the number when that is news. A process that dies in the middle
    /// has raised it already, and the next one raises it once more.
    pub fn update_fingerprint(&self, print: u64) -> bool {
        if self.0[PRINT].load(Ordering::Acquire) == print {
            return false;
        }
        self.0[NUMBER].fetch_add(1, Ordering::AcqRel);
        self.0[PRINT].store(print, Ordering::Release);
        true
    }

    /// Has the thing loaded again by all, however it looks.
    pub fn raise(&self) {
        self.0[NUMBER].fetch_add(1, Ordering::AcqRel);
    }

    /// Says how the thing looked when it was loaded before the fork.
    pub fn set_fingerprint(&self, print: u64) {
        self.0[PRINT].store(print, Ordering::Release);
    }

    /// True for the first process that wants to tell the log of `what`
    /// concerning the file of this index; each process loads the same file and
    /// would say the same.
    pub fn first_to_report(&self, file: usize, what: u64) -> bool {
        let told = self.0.get(TOLD + file.min(FILES - 1));
        told.is_none_or(|told| told.swap(what, Ordering::AcqRel) != what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_moves_with_what_is_seen() {
        let words = Default::default();
        let generation = Generation::new(&words);
        generation.set_fingerprint(5);
        assert!(!generation.update_fingerprint(5));
        assert_eq!(generation.number(), 0, "it is as it was loaded");
        assert!(
            generation.update_fingerprint(6)
                && generation.update_fingerprint(5)
                && !generation.update_fingerprint(5)
        );
        assert_eq!(generation.number(), 2);
    }

    #[test]
    fn what_is_raised_moves_though_the_looks_stay() {
        let words = Default::default();
        let generation = Generation::new(&words);
        generation.set_fingerprint(5);
        generation.raise();
        assert_eq!(generation.number(), 1);
        assert!(!generation.update_fingerprint(5), "nothing is known to have changed");
    }

    #[test]
    fn who_dies_after_raising_the_number_has_it_raised_again() {
        let words: [AtomicU64; GENERATION_WORDS] = Default::default();
        words[NUMBER].store(1, Ordering::Relaxed);
        let generation = Generation::new(&words);
        assert!(generation.update_fingerprint(6));
        assert_eq!(generation.number(), 2);
    }

    #[test]
    fn a_thing_is_told_once_for_each_file() {
        let words = Default::default();
        let generation = Generation::new(&words);
        assert!(generation.first_to_report(0, 1));
        assert!(!generation.first_to_report(0, 1));
        assert!(generation.first_to_report(1, 1));
        assert!(generation.first_to_report(0, 2));
        assert!(generation.first_to_report(99, 2) && !generation.first_to_report(FILES, 2));
    }
}
