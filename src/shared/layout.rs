//! The layout of the shared block: which words belong to which table.

use std::collections::hash_map::RandomState;
use std::ops::Range;
use std::sync::atomic::AtomicU64;

use crate::error::{Error, Result};
use crate::shared::block::LINE;
use crate::shared::calls::table_words;
use crate::shared::counters::COUNTER_WORDS;
use crate::shared::deletes::DELETES_WORDS;
use crate::shared::health::HEALTH_WORDS;
use crate::shared::{Block, Calls, Counters, Deletes, Generation, HealthTable, Lease};

// Each of these three has a cache line of its own.
const LEASE: usize = 0;
const LISTS: usize = LINE;
const RELAYS: usize = 2 * LINE;

const COUNTERS: Range<usize> = 3 * LINE..3 * LINE + COUNTER_WORDS;
const HEALTH: Range<usize> = COUNTERS.end..COUNTERS.end + HEALTH_WORDS;
const DELETES: Range<usize> = HEALTH.end..HEALTH.end + DELETES_WORDS;
const CALLS: usize = DELETES.end.next_multiple_of(LINE);

/// The shared block of one server, divided into its tables.
#[derive(Debug)]
pub struct Shared {
    block: Block,
}

impl Shared {
    /// Maps a block with a call table of `calls` entries.
    pub fn new(calls: usize) -> Result<Self> {
        let words = table_words(calls)
            .and_then(|words| words.checked_add(CALLS))
            .ok_or_else(|| Error::limit(format!("{calls} calls cannot be addressed")))?;
        Ok(Shared { block: Block::new(words)? })
    }

    fn part(&self, range: Range<usize>) -> &[AtomicU64] {
        self.block.words().get(range).unwrap_or_default()
    }

    /// The keeper's lease.
    pub fn lease(&self) -> Lease<'_> {
        // The block has at least the words before the call table.
        Lease::new(&self.block.words()[LEASE])
    }

    /// The generation of the two client lists.
    pub fn lists(&self) -> Generation<'_> {
        Generation::new(self.line(LISTS))
    }

    /// The generation of the relays file.
    pub fn relays(&self) -> Generation<'_> {
        Generation::new(self.line(RELAYS))
    }

    fn line(&self, at: usize) -> &[AtomicU64; LINE] {
        match self.block.words()[at..].first_chunk() {
            Some(line) => line,
            None => unreachable!("the call table follows every line"),
        }
    }

    /// The counters of all processes.
    pub fn counters(&self) -> Counters<'_> {
        Counters::new(self.part(COUNTERS))
    }

    /// The health of the relays.
    pub fn health(&self) -> HealthTable<'_> {
        HealthTable::new(self.part(HEALTH))
    }

    /// The queue of delete requests for unreachable relays.
    pub fn deletes(&self) -> Deletes<'_> {
        Deletes::new(self.part(DELETES))
    }

    /// The call table; `hash` must be the one made before the fork.
    pub fn calls<'b>(&'b self, hash: &'b RandomState) -> Calls<'b> {
        Calls::new(self.part(CALLS..self.block.words().len()), hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::Ordering;

    #[test]
    fn layout_gives_each_word_to_one_table() {
        let shared = Shared::new(16).unwrap();
        let parts = [LEASE..LEASE + LINE, LISTS..LISTS + LINE, RELAYS..RELAYS + LINE];
        let parts = parts.into_iter().chain([COUNTERS, HEALTH, DELETES]);
        let parts = parts.chain(std::iter::once(CALLS..CALLS + table_words(16).unwrap()));
        for range in parts {
            for word in shared.part(range) {
                assert_eq!(word.fetch_add(1, Ordering::Relaxed), 0);
            }
        }
        assert_eq!((shared.lists().number(), shared.relays().number()), (1, 1));
    }

    #[test]
    fn layout_separates_tables_by_cache_lines() {
        for start in [COUNTERS.start, HEALTH.start, DELETES.start] {
            assert!(start.is_multiple_of(LINE), "{start}");
        }
        assert!(CALLS.is_multiple_of(LINE));
    }

    #[test]
    fn layout_refuses_too_many_calls() {
        assert!(Shared::new(usize::MAX / 8).is_err());
    }
}
