//! The tables of metrics, and the counters in the shared block.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::Status;
use crate::metrics::{Kind, metrics};
use crate::shared::block::LINE;

metrics! {
    /// The metrics of a server, all processes together. The variant's number is
    /// its word in the shared block. The word of a gauge stays 0: its value is
    /// computed by [`crate::statistics::Statistics::of`].
    pub enum Counter {
        gauge ActiveCalls active_calls "Calls in the call table.";
        gauge MaxCalls max_calls "Calls that fit into the call table (setting max_calls).";
        gauge DeletesWaiting deletes_waiting "Delete requests queued for a relay.";
        counter Requests requests "SDP rewrites that needed a relay.";
        counter Offers offers "SDP rewrites of an offer (RFC 3264).";
        counter Answers answers "SDP rewrites of an answer (RFC 3264).";
        counter Rewritten rewritten "SDP rewrites that succeeded.";
        counter FailedNoRelay failed_no_relay
            "SDP rewrites that failed because no relay could be reached.";
        counter FailedTimeout failed_timeout
            "SDP rewrites that failed because no relay answered in time.";
        counter FailedAnswer failed_answer
            "SDP rewrites that failed because the relay refused the request or its answer was unusable.";
        counter FailedEnded failed_ended
            "SDP rewrites refused because their call had ended, or ended meanwhile.";
        counter FailedOther failed_other "SDP rewrites that failed for another reason.";
        counter Cancelled cancelled "SDP rewrites that the caller gave up before their end.";
        counter Failovers failovers "Offers sent to another relay because one failed.";
        counter Terminations terminations "Session terminations processed.";
        counter TerminationsUnmatched terminations_unmatched
            "Session terminations whose tags are those of no dialog of the call.";
        counter EndedMeanwhile ended_meanwhile
            "Calls that ended while their relay worked on a request; a delete followed.";
        counter DeletesWithheld deletes_withheld
            "Deletes not sent because another dialog of the call is alive.";
        counter DeletesSent deletes_sent "Delete requests sent to their relay without queueing.";
        counter DeletesQueued deletes_queued
            "Delete requests queued: their relay could not be reached, or a rewrite was cancelled.";
        counter DeletesScheduled deletes_scheduled
            "Delete requests queued for the case that a cancelled INVITE gets no final reply.";
        counter DeletesFlushed deletes_flushed "Queued deletes completed.";
        counter DeletesCancelled deletes_cancelled
            "Queued deletes cancelled by a new INVITE or by the reply to a cancelled one.";
        counter DeletesDropped deletes_dropped
            "Delete requests dropped: no room in the queue, too long, or expired.";
        counter CallsNotStored calls_not_stored
            "Calls not stored because the call table was full.";
        counter RelaysFailed relays_failed "Times a relay stopped answering.";
        counter RelaysRecovered relays_recovered "Times a relay answered again.";
        counter Probes probes "Probes sent to relays.";
        counter ClientListChanges client_list_changes
            "Changes of the client list files detected.";
        counter RelaysFileChanges relays_file_changes "Changes of the relays file detected.";
    }
}

metrics! {
    /// The metrics of one relay. The variant's number is its word in the relay's
    /// slot of the shared block; that of a gauge stays 0, as with [`Counter`].
    pub enum RelayCounter {
        gauge ActiveCalls active_calls "Calls on this relay now.";
        counter Calls calls_total "New calls this relay accepted.";
        counter Requests requests "Requests for ports sent to this relay.";
        counter Failures failures "Requests that did not reach this relay or timed out.";
        counter Refusals refusals
            "Requests that this relay refused or answered with an unusable answer.";
        counter Deletes deletes "Delete requests sent to this relay.";
        gauge DeletesWaiting deletes_waiting "Delete requests queued for this relay.";
        counter Probes probes "Probes sent to this relay.";
    }
}

impl Counter {
    /// The counter of a rewrite that failed.
    pub fn failure(status: Status) -> Counter {
        match status {
            Status::NoRelay => Counter::FailedNoRelay,
            Status::RelayTimeout => Counter::FailedTimeout,
            Status::RelayAnswer => Counter::FailedAnswer,
            Status::Ended => Counter::FailedEnded,
            _ => Counter::FailedOther,
        }
    }
}

/// Upper bounds of the buckets of the latency histogram (milliseconds). One more
/// bucket, the last, counts longer durations.
pub const LATENCY_BOUNDS: [u64; 11] = [1, 2, 5, 10, 20, 50, 100, 200, 400, 1_000, 5_000];
/// The number of buckets.
pub const LATENCY_BUCKETS: usize = LATENCY_BOUNDS.len() + 1;

/// Words for the rows of [`Counter`], with room for new rows.
const COUNTERS: usize = 6 * LINE;
const LATENCY: usize = COUNTERS;
const LATENCY_SUM: usize = LATENCY + LATENCY_BUCKETS;
pub(super) const COUNTER_WORDS: usize = (LATENCY_SUM + 1).next_multiple_of(LINE);

const _: () = assert!(Counter::ALL.len() <= COUNTERS);

/// The counters in their part of the shared block.
#[derive(Clone, Copy, Debug)]
pub struct Counters<'b> {
    words: &'b [AtomicU64],
}

impl<'b> Counters<'b> {
    /// `words` is their part of the shared block.
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

    /// Adds one. Not for gauges.
    pub fn count(&self, counter: Counter) {
        self.add(counter, 1);
    }

    /// Adds `by`. Not for gauges.
    pub fn add(&self, counter: Counter, by: u64) {
        debug_assert!(counter.metric().kind == Kind::Counter, "{counter:?}");
        self.raise(counter as usize, by);
    }

    /// The value of a counter; 0 for a gauge.
    pub fn get(&self, counter: Counter) -> u64 {
        self.read(counter as usize)
    }

    /// Records the duration of a rewrite that needed a relay.
    pub fn took(&self, milliseconds: u64) {
        let bucket = LATENCY_BOUNDS.iter().position(|&bound| milliseconds <= bound);
        self.raise(LATENCY + bucket.unwrap_or(LATENCY_BOUNDS.len()), 1);
        self.raise(LATENCY_SUM, milliseconds);
    }

    /// The number of durations in each bucket: see [`LATENCY_BOUNDS`].
    pub fn latency(&self) -> [u64; LATENCY_BUCKETS] {
        std::array::from_fn(|bucket| self.read(LATENCY + bucket))
    }

    /// The sum of all durations (milliseconds).
    pub fn latency_sum(&self) -> u64 {
        self.read(LATENCY_SUM)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shared::layout::Shared;

    #[test]
    fn counters_have_distinct_words() {
        let shared = Shared::new(16).unwrap();
        let counters = shared.counters();
        let counting = || Counter::ALL.into_iter().filter(|c| c.metric().kind == Kind::Counter);
        for counter in counting() {
            counters.add(counter, counter as u64);
        }
        for counter in counting() {
            assert_eq!(counters.get(counter), counter as u64);
        }
        assert_eq!(counters.latency(), [0; LATENCY_BUCKETS]);
    }

    #[test]
    fn latency_is_counted_in_the_first_bucket_that_holds_it() {
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
    fn counters_add_up_over_processes() {
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
