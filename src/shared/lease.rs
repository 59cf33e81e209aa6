//! The keeper's lease: which process watches files, probes relays and flushes
//! queued deletes for the whole server. One word holds the process id and the
//! expiry time. It is taken and renewed by compare-and-swap; a holder that stops
//! renewing loses the lease when it expires. `kill(pid, 0)` cannot replace it: it
//! succeeds for zombies, for stopped processes and for a recycled process id.

use std::sync::atomic::{AtomicU64, Ordering};

/// A lease that is not renewed expires after this (milliseconds).
pub const LASTS: u64 = 600;
/// The holder renews the lease this often (milliseconds).
pub const RENEW: u64 = 200;
/// An expiry time further ahead was not written with this clock and is ignored.
const ABSURD: u64 = 4 * LASTS;

/// Process ids have at most 22 bits (Linux: PID_MAX_LIMIT); the other 42 bits,
/// 139 years of milliseconds, hold the expiry time.
const PID_BITS: u32 = 22;

/// The lease, over its word in the shared block.
#[derive(Clone, Copy, Debug)]
pub struct Lease<'b>(&'b AtomicU64);

/// The value a keeper last wrote into the word. The keeper holds the lease while
/// the word still has this value; that also distinguishes two keepers of one
/// process.
#[derive(Debug, Default)]
pub struct Claim(u64);

fn pack(pid: u32, end: u64) -> u64 {
    end << PID_BITS | u64::from(pid) & ((1 << PID_BITS) - 1)
}

impl<'b> Lease<'b> {
    /// A view over its word, which is 0 before the first holder.
    pub fn new(word: &'b AtomicU64) -> Self {
        Lease(word)
    }

    /// The expiry time, if the lease is held at `now`.
    #[inline]
    fn expiry(word: u64, now: u64) -> Option<u64> {
        let end = word >> PID_BITS;
        (now < end && end <= now.saturating_add(ABSURD)).then_some(end)
    }

    /// True while a keeper holds the lease at `now` (milliseconds of the monotonic
    /// clock; the coarse clock is precise enough).
    #[inline]
    pub fn is_held(&self, now: u64) -> bool {
        Self::expiry(self.0.load(Ordering::Relaxed), now).is_some()
    }

    /// The id of the process that holds the lease.
    pub fn holder(&self, now: u64) -> Option<u32> {
        let word = self.0.load(Ordering::Relaxed);
        Self::expiry(word, now)?;
        Some((word & ((1 << PID_BITS) - 1)) as u32)
    }

    /// The time until the lease expires (milliseconds); 0 when it is free.
    pub fn left(&self, now: u64) -> u64 {
        let end = Self::expiry(self.0.load(Ordering::Relaxed), now);
        end.map_or(0, |end| end.saturating_sub(now))
    }

    /// Takes the lease if it is free, or renews it if `claim` holds it and
    /// [`RENEW`] has passed. Returns true when `claim` now holds it.
    pub fn hold(&self, claim: &mut Claim, pid: u32, now: u64) -> bool {
        let word = self.0.load(Ordering::Acquire);
        let ours = claim.0 != 0 && word == claim.0;
        match Self::expiry(word, now) {
            Some(end) if ours && end > now.saturating_add(LASTS - RENEW) => return true,
            Some(_) if !ours => {
                claim.0 = 0;
                return false;
            }
            _ => {}
        }
        let new = pack(pid, now.saturating_add(LASTS));
        let taken = self.0.compare_exchange(word, new, Ordering::AcqRel, Ordering::Relaxed).is_ok();
        claim.0 = if taken { new } else { 0 };
        taken
    }

    /// Releases the lease, so that another keeper need not wait until it expires.
    pub fn release(&self, claim: &mut Claim) {
        let held = std::mem::take(&mut claim.0);
        if held != 0 {
            // When another keeper holds the lease, there is nothing to release.
            let _ = self.0.compare_exchange(held, 0, Ordering::AcqRel, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;

    const PID: u32 = 4_194_303;

    #[test]
    fn lease_is_lost_when_not_renewed() {
        let word = AtomicU64::new(0);
        let lease = Lease::new(&word);
        let (mut a, mut b) = (Claim::default(), Claim::default());
        assert!(!lease.is_held(1000));
        assert!(lease.hold(&mut a, PID, 1000));
        assert!(!lease.hold(&mut b, 7, 1000));
        assert_eq!(lease.holder(1000), Some(PID));
        assert!(lease.hold(&mut a, PID, 1500), "renewed");
        assert!(!lease.hold(&mut b, 7, 2099));
        assert_eq!(lease.left(2099), 1);
        assert!(!lease.is_held(2100));
        assert!(lease.hold(&mut b, 7, 2100), "the holder was silent for 600 ms");
        assert!(!lease.hold(&mut a, PID, 2100), "and has lost it when it wakes");
        assert_eq!(lease.holder(2100), Some(7));
    }

    #[test]
    fn lease_is_renewed_every_200_ms() {
        let word = AtomicU64::new(0);
        let lease = Lease::new(&word);
        let mut claim = Claim::default();
        assert!(lease.hold(&mut claim, PID, 1000));
        let first = word.load(Ordering::Relaxed);
        assert!(lease.hold(&mut claim, PID, 1199));
        assert_eq!(word.load(Ordering::Relaxed), first);
        assert!(lease.hold(&mut claim, PID, 1200));
        assert_eq!(lease.left(1200), LASTS);
    }

    #[test]
    fn expired_lease_is_renewed_if_not_taken() {
        let word = AtomicU64::new(0);
        let lease = Lease::new(&word);
        let mut claim = Claim::default();
        assert!(lease.hold(&mut claim, PID, 1000));
        assert!(lease.hold(&mut claim, PID, 9000));
        assert!(lease.is_held(9599));
    }

    #[test]
    fn released_lease_is_free_at_once() {
        let word = AtomicU64::new(0);
        let lease = Lease::new(&word);
        let (mut a, mut b) = (Claim::default(), Claim::default());
        assert!(lease.hold(&mut a, PID, 1000));
        lease.release(&mut b);
        assert!(lease.is_held(1000), "only its holder can release it");
        lease.release(&mut a);
        assert!(lease.hold(&mut b, PID, 1001));
        lease.release(&mut a);
        assert!(lease.is_held(1001), "the second keeper of this process holds it now");
    }

    #[test]
    fn expiry_in_the_far_future_is_ignored() {
        let word = AtomicU64::new(pack(7, 1 << 41));
        let lease = Lease::new(&word);
        assert!(!lease.is_held(1000));
        assert!(lease.hold(&mut Claim::default(), PID, 1000));
        assert_eq!(lease.holder(1000), Some(PID));
    }

    #[test]
    fn lease_is_taken_by_one_of_many_keepers() {
        let word = AtomicU64::new(0);
        for round in 1..50 {
            let now = round * 10_000;
            let barrier = Barrier::new(4);
            let wins = std::thread::scope(|scope| {
                let tries: Vec<_> = (0..4)
                    .map(|pid| {
                        let (barrier, word) = (&barrier, &word);
                        scope.spawn(move || {
                            barrier.wait();
                            Lease::new(word).hold(&mut Claim::default(), pid, now)
                        })
                    })
                    .collect();
                tries.into_iter().filter_map(|thread| thread.join().ok()).filter(|won| *won).count()
            });
            assert_eq!(wins, 1);
        }
    }
}
