//! The choice of a relay for a new call: weighted rendezvous hashing. Each relay
//! has a score from the Call-ID and its own name, and the highest score wins. The
//! scores are equal in all processes, also after a restart. When a relay is
//! removed or added, only the calls of that relay move.

use std::sync::Arc;

use crate::hash::hash;
use crate::relay::{Relay, RelayLine};

/// A set of relays from which one is chosen for a call.
#[derive(Debug, Default)]
pub struct Pool {
    /// In the order of use: by priority, the backups last.
    tiers: Vec<Tier>,
}

/// The relays of one rank.
#[derive(Debug)]
struct Tier {
    /// Whether they are backups, and their priority.
    rank: (bool, u16),
    /// By weight, the highest first, since those win most often.
    groups: Vec<Group>,
}

/// The relays of one weight.

#[derive(Debug, Default)]
struct Group {
    weight: f64,
    relays: Vec<Arc<Relay>>,
    /// The hashes of their names.
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
            // All backups have the same weight.
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

    /// Chooses one of the relays that are `usable` for a call. `usable` is called
    /// only for relays that may win.
    pub fn choose(&self, call: u64, mut usable: impl FnMut(&Relay) -> bool) -> Option<&Arc<Relay>> {
        self.tiers.iter().find_map(|tier| tier.choose(call, &mut usable))
    }
}

impl Tier {
    fn choose(&self, call: u64, usable: &mut impl FnMut(&Relay) -> bool) -> Option<&Arc<Relay>> {
        let mut best = f64::NEG_INFINITY;
        let mut chosen = None;
        for group in &self.groups {
            // Among relays of one weight the highest draw has the best score.
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

/// The element that is `wanted`; made and added when there is none.
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

/// The least draw that may reach the score `best`. The score of a draw x is
/// ln(x) / weight, and for x below 1, ln(x) is at most 2 (x - 1) / (x + 1).
fn least(best: f64, weight: f64) -> u64 {
    let wanted = best * weight;
    if wanted <= -2.0 {
        return 0;
    }
    // A little lower, so that rounding excludes no relay.
    let bound = (2.0 + wanted) / (2.0 - wanted) * (u64::MAX as f64);
    (bound as u64).saturating_sub(1 << 13)
}

/// The number that a relay draws for a call, from the hashes of both.
fn draw(call: u64, relay: u64) -> u64 {
    let bits = (call ^ relay).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (bits ^ bits >> 32).wrapping_mul(0xd6e8_feb8_6659_fd93)
}

/// The high bits as a number above 0 and below 1.
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
    fn unit_is_above_zero_and_below_one() {
        assert!(unit(0) > 0.0 && unit(0).ln().is_finite());
        assert!(unit(u64::MAX) < 1.0 && unit(u64::MAX) > 0.999_999);
    }

    #[test]
    fn domain_of_the_caller_comes_before_that_of_the_destination() {
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
    fn set_without_domains_serves_calls_without_a_set() {
        let named = list(&[
            "mediaproxy:/gold;set=gold".into(),
            "mediaproxy:/a;set=a;domain=a.example".into(),
        ]);
        assert_eq!(chosen(&named, "", "c", "d", "x").as_deref(), Some("mediaproxy:/gold"));
        assert_eq!(chosen(&named, "a", "a.example", "", "x").as_deref(), Some("mediaproxy:/a"));
        assert_eq!(chosen(&named, "a", "c", "d", "x"), None, "it serves only its domain");
        assert_eq!(chosen(&list(&[]), "", "", "", "x"), None);
    }

    #[test]
    fn relay_in_two_sets_is_one_relay() {
        let list = list(&["mediaproxy:/a;set=1".into(), "mediaproxy:/a;set=2;weight=5".into()]);
        let identities: Vec<_> = list.relays().map(|relay| relay.identity).collect();
        assert_eq!(identities, [1, 1]);
    }
}
