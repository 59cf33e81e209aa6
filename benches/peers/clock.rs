//! Wall time: in each round every peer has its turn, so that what slows the
//! machine down for a while slows all of them.

use std::time::{Duration, Instant};

use crate::message::Sample;
use crate::peer::{Job, Peer};

const ROUNDS: usize = 41;
/// How long a turn is, about.
const TURN: Duration = Duration::from_millis(2);

/// For each peer the least and the median time of once, in nanoseconds.
pub(crate) fn measure(
    job: Job,
    sample: &Sample,
    peers: &mut [(usize, &mut Box<dyn Peer>)],
) -> Vec<(f64, f64)> {
    let repetitions: Vec<usize> = peers
        .iter_mut()
        .map(|(_, peer)| {
            // The least of some: one that was interrupted would make the turns
            // too short to be measured in warm caches.
            let tries = (0..10).map(|_| turn(peer.as_mut(), job, sample, 10));
            let once = tries.fold(f64::INFINITY, f64::min);
            ((TURN.as_nanos() as f64 / once) as usize).clamp(10, 100_000)
        })
        .collect();
    let mut times = vec![Vec::with_capacity(ROUNDS); peers.len()];
    for _ in 0..ROUNDS {
        for (index, (_, peer)) in peers.iter_mut().enumerate() {
            times[index].push(turn(peer.as_mut(), job, sample, repetitions[index]));
        }
    }
    times
        .into_iter()
        .map(|mut times| {
            times.sort_by(f64::total_cmp);
            (times[0], times[ROUNDS / 2])
        })
        .collect()
}

/// The time of once, in nanoseconds.
fn turn(peer: &mut dyn Peer, job: Job, sample: &Sample, times: usize) -> f64 {
    let start = Instant::now();
    peer.run(job, sample, times);
    start.elapsed().as_nanos() as f64 / times as f64
}
