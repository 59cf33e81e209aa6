//! Which relay takes a new call: weighted rendezvous hashing. Each relay draws
//! a number from the Call-ID and its own name; the highest takes the call. All
//! processes draw the same (also after a restart), and a relay that goes or
//! comes moves only calls of its own.

use std::sync::Arc;

use crate::hash::hash;
use crate::relay::{Relay, RelayLine};

/// Relays that a call may choose from.
#[derive(Debug, Default)]
pub struct Pool {
    /// The best first: by priority, the backups last.
    tiers: Vec<Tier>,
}

/// Relays of one rank.
#[derive(Debug)]
struct Tier {
    /// Backup, priority.
    rank: (bool, u16),
    /// By weight, the heaviest first: they win most often.
    groups: Vec<Group>,
}

#[derive(Debug, Default)]
struct Group {
    weight: f64,
    relays: Vec<Arc<Relay>>,
    /// Of their names.
    hashes: Vec<u64>,
}

impl Pool {
    /// The pool of these lines.
    pub fn new<'l>(lines: impl IntoIterator<Item = &'l (RelayLine, Arc<Relay>)>) -> Self {
        let mut tiers: Vec<Tier> = Vec::new();
        for (line, relay) in lines {
            let rank = (line.weight == 0, line.priority);
            let tier = find_or_add(
                &mut tiers,
                |tier| tier.rank == rank,
                || Tier { rank, groups: Vec::new() },
            );
            // Backups share evenly.
            let weight = f64::from(line.weight.max(1));
            let of_weight = |group: &Group| group.weight == weight;
            let group =
                find_or_add(&mut tier.groups, of_weight, || Group { weight, ..Group::default() });
            group.hashes.push(hash(relay.uri.text.as_bytes()));
            group.relays.push(relay.clone());
        }
        tiers.sort_by_key(|tier| tier.rank);
        for tier in &mut tiers {
            tier.groups.sort_by(|one, other| other.weight.total_cmp(&one.weight));
        }
        Pool { tiers }
    }

    /// The relay for a call among those that are `usable`, which is asked only
    /// of such as may win.
    pub fn choose(&self, call: u64, mut usable: impl FnMut(&Relay) -> bool) -> Option<&Arc<Relay>> {
        self.tiers.iter().find_map(|tier| tier.choose(call, &mut usable))
    }
}

impl Tier {
    fn choose(&self, call: u64, usable: &mut impl FnMut(&Relay) -> bool) -> Option<&Arc<Relay>> {
        let mut best = f64::NEG_INFINITY;
        let mut chosen = None;
        for group in &self.groups {
            // Of relays that weigh the same the highest draw has the best score.
            let mut highest = least(best, group.weight);
            let mut at_highest = None;
            for (at, &hash) in group.hashes.iter().enumerate() {
                let drawn = draw(call, hash);
                if drawn >= highest
                    && let Some(relay) = group.relays.get(at)
                    && usable(relay)
                {
                    highest = drawn;
                    at_highest = Some(relay);
                }
            }
            let Some(relay) = at_highest else { continue };
            let score = unit(highest).ln() / group.weight;
            if score > best {
                best = score;
                chosen = Some(relay);
            }
        }
        chosen
    }
}

/// The element that is `wanted`, made and added where there is none.
fn find_or_add<T>(
    list: &mut Vec<T>,
    wanted: impl Fn(&T) -> bool,
    make: impl FnOnce() -> T,
) -> &mut T {
    let at = list.iter().position(wanted).unwrap_or_else(|| {
        list.push(make());
        list.len() - 1
    });
    &mut list[at]
}

/// Below this a draw cannot reach the score `best`: the score of x is
/// ln(x) / weight, and below 1 ln(x) is never above 2 (x - 1) / (x + 1).
fn least(best: f64, weight: f64) -> u64 {
    let wanted = best * weight;
    if wanted <= -2.0 {
        return 0;
    }
    // A little below, so that rounding excludes nobody.
    let bound = (2.0 + wanted) / (2.0 - wanted) * (u64::MAX as f64);
    (bound as u64).saturating_sub(1 << 13)
}

/// The number that a relay draws for a call, from two well spread hashes.
fn draw(call: u64, relay: u64) -> u64 {
    let bits = (call ^ relay).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (bits ^ bits >> 32).wrapping_mul(0xd6e8_feb8_6659_fd93)
}

/// A number above 0 and below 1 from the high bits.
fn unit(bits: u64) -> f64 {
    const JUST_BELOW_ONE: f64 = 1.0 - f64::EPSILON / 2.0;
    f64::from_bits(0x3ff0_0000_0000_0000 | bits >> 12) - JUST_BELOW_ONE
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::RelayList;
    use std::path::Path;

    fn list(lines: &[String]) -> RelayList {
        let lines = lines.iter().map(|l| RelayLine::parse(l, Path::new("/own")).unwrap());
        let mut next = 0;
        RelayList::new(lines.collect(), |_| {
            next += 1;
            (next, None)
        })
    }

    fn chosen(list: &RelayList, set: &str, caller: &str, to: &str, call: &str) -> Option<String> {
        let pool = list.pool(set, caller.as_bytes(), to.as_bytes())?;
        Some(list.choose(pool, hash(call.as_bytes()), |_| true)?.uri.text.clone())
    }

    #[test]
    fn numbers_drawn_are_within_their_range_at_both_ends() {
        assert!(unit(0) > 0.0 && unit(0).ln().is_finite());
        assert!(unit(u64::MAX) < 1.0 && unit(u64::MAX) > 0.999_999);
    }

    #[test]
    fn the_callers_domain_comes_first_then_the_destinations_then_the_rest() {
        let list = list(&[
            "mediaproxy:/a;domain=a.example".into(),
            "mediaproxy:/b;domain=b.example;domain=B2.example".into(),
            "mediaproxy:/rest".into(),
            "mediaproxy:/gold;set=gold".into(),
        ]);
        let on = |caller, to| chosen(&list, "", caller, to, "call@x").unwrap();
        assert_eq!(on("a.example", "b.example"), "mediaproxy:/a");
        assert_eq!(on("c.example", "b2.EXAMPLE"), "mediaproxy:/b");
        assert_eq!(on("c.example", "d.example"), "mediaproxy:/rest");
        assert_eq!(on("", "\u{e9}"), "mediaproxy:/rest");
        assert_eq!(
            chosen(&list, "gold", "a.example", "", "call@x").as_deref(),
            Some("mediaproxy:/gold")
        );
        assert_eq!(chosen(&list, "silver", "a.example", "", "call@x"), None);
    }

    #[test]
    fn sets_without_domains_serve_the_rest_where_none_is_unnamed() {
        let named = list(&[
            "mediaproxy:/gold;set=gold".into(),
            "mediaproxy:/a;set=a;domain=a.example".into(),
        ]);
        assert_eq!(chosen(&named, "", "c", "d", "x").as_deref(), Some("mediaproxy:/gold"));
        assert_eq!(chosen(&named, "a", "a.example", "", "x").as_deref(), Some("mediaproxy:/a"));
        assert_eq!(chosen(&named, "a", "c", "d", "x"), None, "it serves its domain alone");
        assert_eq!(chosen(&list(&[]), "", "", "", "x"), None);
    }

    #[test]
    fn a_relay_in_two_sets_is_one_relay() {
        let list = list(&["mediaproxy:/a;set=1".into(), "mediaproxy:/a;set=2;weight=5".into()]);
        let identities: Vec<_> = list.relays().map(|relay| relay.identity).collect();
        assert_eq!(identities, [1, 1]);
    }
}
