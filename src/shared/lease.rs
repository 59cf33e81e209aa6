//! The keeper's lease: which process watches, probes and delivers for the whole
//! server. One word holds the process and when the lease ends; it is taken and
//! renewed by compare-and-swap, and who dies or is stopped loses it by silence.
//! Asking the kernel whether the holder lives would not do: it says yes of
//! zombies, of stopped processes, and of strangers with a recycled number.

use std::sync::atomic::{AtomicU64, Ordering};

/// A lease that is not renewed ends after this (milliseconds).
pub const LASTS: u64 = 600;
/// Its holder renews it this often.
pub const RENEW: u64 = 200;
/// An end further ahead was not written by this clock: it binds nobody.
const ABSURD: u64 = 4 * LASTS;

/// Process numbers have at most 22 bits (Linux: PID_MAX_LIMIT); the rest, 139
/// years of milliseconds, is the lease's end.
const PID_BITS: u32 = 22;

/// The word, as every process sees it.
#[derive(Clone, Copy, Debug)]
pub struct Lease<'b>(&'b AtomicU64);

/// What a keeper last wrote into the word. It holds the lease for as long as
/// the word still says so: that tells two keepers of one process apart too.
#[derive(Debug, Default)]
pub struct Claim(u64);

fn pack(pid: u32, end: u64) -> u64 {
    end << PID_BITS | u64::from(pid) & ((1 << PID_BITS) - 1)
}

impl<'b> Lease<'b> {
    /// The view over its word; 0 when nobody ever held it.
    pub fn new(word: &'b AtomicU64) -> Self {
        Lease(word)
    }

    /// When the lease ends, if it binds at `now`.
    #[inline]
    fn binding(word: u64, now: u64) -> Option<u64> {
        let end = word >> PID_BITS;
        (now < end && end <= now.saturating_add(ABSURD)).then_some(end)
    }

    /// True while a keeper lives, as far as `now` (ms of the monotonic clock,
    /// the coarse one will do) can tell.
    #[inline]
    pub fn is_held(&self, now: u64) -> bool {
        Self::binding(self.0.load(Ordering::Relaxed), now).is_some()
    }

    /// The process that holds it.
    pub fn holder(&self, now: u64) -> Option<u32> {
        let word = self.0.load(Ordering::Relaxed);
        Self::binding(word, now)?;
        Some((word & ((1 << PID_BITS) - 1)) as u32)
    }

    /// How long it still binds without being renewed.
    pub fn left(&self, now: u64) -> u64 {
        let end = Self::binding(self.0.load(Ordering::Relaxed), now);
        end.map_or(0, |end| end.saturating_sub(now))
    }

    /// Takes the lease if it is free, renews it if it is ours and due. True
    /// when it is ours now.
    pub fn hold(&self, claim: &mut Claim, pid: u32, now: u64) -> bool {
        let word = self.0.load(Ordering::Acquire);
        let ours = claim.0 != 0 && word == claim.0;
        match Self::binding(word, now) {
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

    /// Gives it up, so that another need not wait for its end.
    pub fn release(&self, claim: &mut Claim) {
        let held = std::mem::take(&mut claim.0);
        if held != 0 {
            // Where it is not ours any more there is nothing to give up.
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
    fn one_holds_it_until_it_falls_silent() {
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
    fn it_is_renewed_every_200_ms_and_not_more_often() {
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
    fn a_late_holder_keeps_what_nobody_took() {
        let word = AtomicU64::new(0);
        let lease = Lease::new(&word);
        let mut claim = Claim::default();
        assert!(lease.hold(&mut claim, PID, 1000));
        assert!(lease.hold(&mut claim, PID, 9000));
        assert!(lease.is_held(9599));
    }

    #[test]
    fn what_is_given_up_is_free_at_once() {
        let word = AtomicU64::new(0);
        let lease = Lease::new(&word);
        let (mut a, mut b) = (Claim::default(), Claim::default());
        assert!(lease.hold(&mut a, PID, 1000));
        lease.release(&mut b);
        assert!(lease.is_held(1000), "only its holder gives it up");
        lease.release(&mut a);
        assert!(lease.hold(&mut b, PID, 1001));
        lease.release(&mut a);
        assert!(lease.is_held(1001), "the second keeper of this process holds it now");
    }

    #[test]
    fn an_end_in_the_far_future_binds_nobody() {
        let word = AtomicU64::new(pack(7, 1 << 41));
        let lease = Lease::new(&word);
        assert!(!lease.is_held(1000));
        assert!(lease.hold(&mut Claim::default(), PID, 1000));
        assert_eq!(lease.holder(1000), Some(PID));
    }

    #[test]
    fn of_many_that_try_at_once_one_wins() {
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
