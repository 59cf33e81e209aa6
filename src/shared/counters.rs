//! What all processes have done, counted in the shared block.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::Status;
use crate::shared::layout::LINE;

/// What is counted. The numbers are places in the shared block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Counter {
    /// Rewrites for which a relay was asked.
    Requests,
    /// Of these, offers.
    Offers,
    /// Of these, answers.
    Answers,
    /// Of these, those that ended in edits.
    Rewritten,
    /// Of these, those that failed since no relay could be reached.
    FailedNoRelay,
    /// Of these, those that failed since no relay answered in time.
    FailedTimeout,
    /// Of these, those that a relay refused or answered with what cannot be
    /// used.
    FailedAnswer,
    /// Of these, those that failed otherwise.
    FailedOther,
    /// Of these, those given up by the caller (a request freed before its end).
    Cancelled,
    /// Times an offer went on to another relay.
    Failovers,
    /// Ends taken: BYE, CANCEL, failure replies, calls by identifiers.
    Terminations,
    /// Of these, those not told since another branch lives.
    DeletesWithheld,
    /// Ends told to their relay at once.
    DeletesSent,
    /// Ends queued for a relay that could not be told.
    DeletesQueued,
    /// Queued ends delivered.
    DeletesFlushed,
    /// Queued ends forgotten since the call was offered again.
    DeletesCancelled,
    /// Ends that could not be queued (no room, too long) or were given up.
    DeletesDropped,
    /// Calls for which the call table had no room.
    CallsNotStored,
    /// Relays found not to answer.
    RelaysFailed,
    /// Relays that answered again.
    RelaysRecovered,
    /// Probes sent.
    Probes,
    /// Changes of the client lists that were noticed.
    ListChanges,
    /// Changes of the relays file that were noticed.
    RelayChanges,
}

impl Counter {
    /// All of them, in the order of their places.
    pub const ALL: [Counter; 23] = [
        Counter::Requests,
        Counter::Offers,
        Counter::Answers,
        Counter::Rewritten,
        Counter::FailedNoRelay,
        Counter::FailedTimeout,
        Counter::FailedAnswer,
        Counter::FailedOther,
        Counter::Cancelled,
        Counter::Failovers,
        Counter::Terminations,
        Counter::DeletesWithheld,
        Counter::DeletesSent,
        Counter::DeletesQueued,
        Counter::DeletesFlushed,
        Counter::DeletesCancelled,
        Counter::DeletesDropped,
        Counter::CallsNotStored,
        Counter::RelaysFailed,
        Counter::RelaysRecovered,
        Counter::Probes,
        Counter::ListChanges,
        Counter::RelayChanges,
    ];

    /// The counter of a rewrite that failed.
    pub fn failure(status: Status) -> Counter {
        match status {
            Status::NoRelay => Counter::FailedNoRelay,
            Status::RelayTimeout => Counter::FailedTimeout,
            Status::RelayAnswer => Counter::FailedAnswer,
            _ => Counter::FailedOther,
        }
    }
}

/// Upper bounds of the latency histogram (milliseconds); what took longer is in
/// the last bucket, which has none.
pub const LATENCY_BOUNDS: [u64; 11] = [1, 2, 5, 10, 20, 50, 100, 200, 400, 1_000, 5_000];
/// Its buckets.
pub const LATENCY_BUCKETS: usize = LATENCY_BOUNDS.len() + 1;

/// Room for more counters without moving the rest.
const COUNTERS: usize = 6 * LINE;
const LATENCY: usize = COUNTERS;
const LATENCY_SUM: usize = LATENCY + LATENCY_BUCKETS;
pub(super) const COUNTER_WORDS: usize = (LATENCY_SUM + 1).next_multiple_of(LINE);

const _: () = assert!(Counter::ALL.len() <= COUNTERS);

/// The counters over a run of shared words.
#[derive(Clone, Copy, Debug)]
pub struct Counters<'b> {
    words: &'b [AtomicU64],
}

impl<'b> Counters<'b> {
    /// The view over its words.
    pub fn new(words: &'b [AtomicU64]) -> Self {
        Counters { words }
    }

    fn read(&self, at: usize) -> u64 {
        self.words.get(at).map_or(0, |word| word.load(Ordering::Relaxed))
    }

    fn raise(&self, at: usize, by: u64) {
        if let Some(word) = self.words.get(at) {
            word.fetch_add(by, Ordering::Relaxed);
        }
    }

    /// Counts one.
    pub fn count(&self, counter: Counter) {
        self.raise(counter as usize, 1);
    }

    /// Counts several.
    pub fn add(&self, counter: Counter, by: u64) {
        self.raise(counter as usize, by);
    }

    /// How many.
    pub fn get(&self, counter: Counter) -> u64 {
        self.read(counter as usize)
    }

    /// A relay was asked and this was over after so many milliseconds.
    pub fn took(&self, milliseconds: u64) {
        let bucket = LATENCY_BOUNDS.iter().position(|&bound| milliseconds <= bound);
        self.raise(LATENCY + bucket.unwrap_or(LATENCY_BOUNDS.len()), 1);
        self.raise(LATENCY_SUM, milliseconds);
    }

    /// How many fell into each bucket of [`LATENCY_BOUNDS`], the last above
    /// all bounds.
    pub fn latency(&self) -> [u64; LATENCY_BUCKETS] {
        std::array::from_fn(|bucket| self.read(LATENCY + bucket))
    }

    /// All milliseconds together.
    pub fn latency_sum(&self) -> u64 {
        self.read(LATENCY_SUM)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shared::layout::Shared;

    #[test]
    fn each_counter_has_a_place_of_its_own() {
        let shared = Shared::new(16).unwrap();
        let counters = shared.counters();
        for (at, &counter) in Counter::ALL.iter().enumerate() {
            assert_eq!(counter as usize, at);
            counters.add(counter, at as u64 + 1);
        }
        for (at, &counter) in Counter::ALL.iter().enumerate() {
            assert_eq!(counters.get(counter), at as u64 + 1);
        }
        assert_eq!(counters.latency(), [0; LATENCY_BUCKETS]);
    }

    #[test]
    fn a_latency_falls_into_the_first_bucket_that_holds_it() {
        let shared = Shared::new(16).unwrap();
        let counters = shared.counters();
        for milliseconds in [0, 1, 2, 3, 5_000, 5_001, 60_000] {
            counters.took(milliseconds);
        }
        let latency = counters.latency();
        assert_eq!(latency[..3], [2, 1, 1]);
        assert_eq!(latency[10..], [1, 2]);
        assert_eq!(latency.iter().sum::<u64>(), 7);
        assert_eq!(counters.latency_sum(), 70_007);
    }

    #[test]
    fn processes_count_together_and_lose_nothing() {
        let shared = Shared::new(16).unwrap();
        let children: Vec<_> = (0..4)
            .map(|_| {
                // SAFETY: the child only touches atomics and leaves.
                let child = unsafe { libc::fork() };
                if child == 0 {
                    (0..10_000).for_each(|_| shared.counters().count(Counter::Requests));
                    // SAFETY: leaves without running anything else.
                    unsafe { libc::_exit(0) };
                }
                child
            })
            .collect();
        for child in children {
            // SAFETY: waits for our own child.
            unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) };
        }
        assert_eq!(shared.counters().get(Counter::Requests), 40_000);
    }
}
