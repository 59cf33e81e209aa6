//! BUNDLE groups (RFC 9143) of the m= lines.

use crate::sdp::address::words;
use crate::sdp::session::MAX_STREAMS;
use crate::sdp::{Media, Session};

/// Up to this many streams, a linear search is faster than sorting.
const FEW_STREAMS: usize = 8;

/// For each m= line its BUNDLE groups, as bits. Valid SDP has no more groups than
/// streams, and no group has more members; further groups and members are
/// ignored, which bounds the work.
pub(super) fn bundle_groups<'a>(session: &Session<'a>) -> Vec<u64> {
    if session.bundles.is_empty() {
        return Vec::new();
    }
    let mut groups = vec![0u64; session.media.len()];
    let named = |(at, media): (usize, &Media<'a>)| Some((media.mid?, at));
    let mut by_mid: Vec<(&[u8], usize)> = Vec::with_capacity(session.media.len());
    by_mid.extend(session.media.iter().enumerate().filter_map(named));
    let sorted = by_mid.len() > FEW_STREAMS;
    if sorted {
        by_mid.sort_unstable();
    }
    for (bit, mids) in session.bundles.iter().take(MAX_STREAMS).enumerate() {
        for mid in words(mids).take(MAX_STREAMS) {
            let first = if sorted { by_mid.partition_point(|(own, _)| *own < mid) } else { 0 };
            for (own, at) in by_mid.iter().skip(first) {
                // Most differ in the first byte.
                if own.first() == mid.first() && *own == mid {
                    if let Some(groups) = groups.get_mut(*at) {
                        *groups |= 1 << bit;
                    }
                } else if sorted {
                    break;
                }
            }
        }
    }
    groups
}
