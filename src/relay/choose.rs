//! Which relay takes a new call: weighted rendezvous hashing. Each relay draws
//! a number from the Call-ID and its own name; the highest takes the call. All
//! processes draw the same (also after a restart), and a relay that goes or
//! comes moves only calls of its own.

use std::sync::Arc;

use crate::relay::{Relay, RelayLine};

/// Relays that a call may choose from.
#[derive(Debug, Default)]
pub struct Pool {
    /// The best first: by priority, the backups last.
    tiers: Vec<Tier>,
}

#[derive(Debug)]
struct Tier {
    /// Backup, priority.
    rank: (bool, u16),
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    /// Of the relay's name.
    hash: u64,
    per_weight: f64,
    relay: Arc<Relay>,
}

impl Pool {
    /// The pool of these lines.
    pub fn new<'l>(lines: impl IntoIterator<Item = &'l (RelayLine, Arc<Relay>)>) -> Self {
        let mut tiers: Vec<Tier> = Vec::new();
        for (line, relay) in lines {
            let rank = (line.weight == 0, line.priority);
            let row = Row {
                hash: hash(relay.uri.text.as_bytes()),
                // Backups share evenly.
                per_weight: 1.0 / f64::from(line.weight.max(1)),
                relay: relay.clone(),
            };
            match tiers.iter_mut().find(|tier| tier.rank == rank) {
                Some(tier) => tier.rows.push(row),
                None => tiers.push(Tier { rank, rows: vec![row] }),
            }
        }
        tiers.sort_by_key(|tier| tier.rank);
        Pool { tiers }
    }

    /// The relay for a call among those that are `usable`, which is asked only
    /// of such as would win.
    pub fn choose(&self, call: u64, mut usable: impl FnMut(&Relay) -> bool) -> Option<&Arc<Relay>> {
        self.tiers.iter().find_map(|tier| tier.choose(call, &mut usable))
    }
}

impl Tier {
    fn choose(&self, call: u64, usable: &mut impl FnMut(&Relay) -> bool) -> Option<&Arc<Relay>> {
        let mut best = f64::NEG_INFINITY;
        let mut chosen = None;
        for row in &self.rows {
            let draw = unit(mix(call ^ row.hash));
            // The score is ln(draw) / weight. ln(x) is never above x - 1: the
            // logarithm is only taken of the few that may win.
            if (draw - 1.0) * row.per_weight <= best {
                continue;
            }
            let score = draw.ln() * row.per_weight;
            if score > best && usable(&row.relay) {
                best = score;
                chosen = Some(&row.relay);
            }
        }
        chosen
    }
}

/// A hash of any bytes, the same in every process and on every machine.
pub fn hash(bytes: &[u8]) -> u64 {
    bytes.chunks(8).fold(bytes.len() as u64, |hash, chunk| {
        let mut word = [0; 8];
        word.iter_mut().zip(chunk).for_each(|(to, from)| *to = *from);
        mix(hash ^ u64::from_le_bytes(word))
    })
}

/// Spreads every bit over all.
fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ bits >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ bits >> 32).wrapping_mul(0xd6e8_feb8_6659_fd93);
    bits ^ bits >> 32
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
    fn hashes_tell_apart_what_differs_anywhere() {
        let texts: [&[u8]; 7] = [b"", b"\0", b"\0\0", b"a", b"aaaaaaaa", b"aaaaaaaab", b"b"];
        let hashes: std::collections::BTreeSet<_> = texts.iter().map(|text| hash(text)).collect();
        assert_eq!(hashes.len(), texts.len());
        assert_eq!(
            hash(b"call@example.com"),
            11_914_958_239_627_313_798,
            "the same on every machine"
        );
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
