//! The choice itself, over many Call-IDs and any relays.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::Ordering;

use mediaproxy::internals::hash::hash;
use mediaproxy::internals::relay::{Relay, RelayLine, RelayList};
use mediaproxy::internals::shared::Block;
use proptest::prelude::*;

use kit::children::{alone, children};
use kit::engine;

fn list(lines: &[String]) -> RelayList {
    let line = |line: &String| RelayLine::parse(line, Path::new("/own")).unwrap();
    list_of(lines.iter().map(line).collect())
}

fn list_of(lines: Vec<RelayLine>) -> RelayList {
    // Identities are another server's each time: the choice does not hang on
    // them.
    let mut next = std::process::id();
    RelayList::new(lines, |_| {
        next = next.wrapping_mul(69_069).wrapping_add(1);
        (next, None)
    })
}

fn chosen(list: &RelayList, call_id: &str, usable: impl FnMut(&Relay) -> bool) -> Option<String> {
    let pool = list.pool("", b"", b"").unwrap();
    let relay = list.choose(pool, hash(call_id.as_bytes()), usable);
    relay.map(|relay| relay.uri.text.clone())
}

fn call_ids(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|n| format!("{:08x}-{n}@198.51.100.7", n.wrapping_mul(2_654_435_769)))
}

fn shares(list: &RelayList, calls: usize) -> BTreeMap<String, usize> {
    let mut shares = BTreeMap::new();
    for id in call_ids(calls) {
        *shares.entry(chosen(list, &id, |_| true).unwrap()).or_default() += 1;
    }
    shares
}

/// How many of `calls` each relay of these weights got, and should have got.
fn got_and_due(weights: &[usize], calls: usize) -> Vec<(f64, f64)> {
    let line = |(n, weight)| format!("mediaproxy:/run/relay-{n};weight={weight}");
    let shares = shares(&list(&weights.iter().enumerate().map(line).collect::<Vec<_>>()), calls);
    let due = |weight: usize| (calls * weight) as f64 / weights.iter().sum::<usize>() as f64;
    let of = |(n, &weight)| (shares[&format!("mediaproxy:/run/relay-{n}")] as f64, due(weight));
    weights.iter().enumerate().map(of).collect()
}

#[test]
fn calls_are_spread_by_weight_within_two_per_cent() {
    for weights in [vec![1; 5], vec![3, 4, 5, 6], vec![1, 1, 2], vec![9, 10]] {
        for (got, due) in got_and_due(&weights, 100_000) {
            assert!((got - due).abs() < 0.02 * due, "{weights:?}: {got} instead of {due}");
        }
    }
}

/// A small share of so many calls is off by more than that by chance alone.
#[test]
fn small_shares_are_off_by_chance_and_no_more() {
    let calls = 100_000;
    for weights in [vec![1, 2, 3, 4, 5, 1, 2, 3, 4, 5], vec![1, 100], (1..=40).collect()] {
        for (got, due) in got_and_due(&weights, calls) {
            let deviation = (due * (1.0 - due / calls as f64)).sqrt();
            assert!((got - due).abs() < 3.5 * deviation, "{weights:?}: {got} instead of {due}");
        }
    }
}

#[test]
fn removing_one_of_ten_moves_only_its_own_calls() {
    let lines: Vec<_> = (0..10).map(|n| format!("mediaproxy:/{n};weight={}", n % 3 + 1)).collect();
    let all = list(&lines);
    for gone in 0..10 {
        let mut rest = lines.clone();
        rest.remove(gone);
        rest.reverse();
        let rest = list(&rest);
        let name = format!("mediaproxy:/{gone}");
        for id in call_ids(2_000) {
            let before = chosen(&all, &id, |_| true).unwrap();
            let after = chosen(&rest, &id, |_| true).unwrap();
            assert!(before == name || before == after, "{id}: {before}, then {after}");
            // A relay that does not answer is as one that is not there.
            let dead = chosen(&all, &id, |relay| relay.uri.text != name).unwrap();
            assert_eq!(dead, after);
        }
    }
}

#[test]
fn best_priority_that_answers_is_used_and_backups_last() {
    let list = list(&[
        "mediaproxy:/backup;weight=0".into(),
        "mediaproxy:/late-backup;weight=0;priority=2".into(),
        "mediaproxy:/second;priority=7".into(),
        "mediaproxy:/first".into(),
        "mediaproxy:/first-too;weight=9".into(),
    ]);
    let order = ["/first", "/second", "/backup", "/late-backup"];
    for id in call_ids(500) {
        let mut gone: Vec<String> = Vec::new();
        let mut met = Vec::new();
        while let Some(relay) = chosen(&list, &id, |relay| !gone.contains(&relay.uri.text)) {
            met.push(relay.trim_start_matches("mediaproxy:").replace("-too", ""));
            gone.push(relay);
        }
        assert_eq!(met.len(), 5, "each once");
        met.dedup();
        assert_eq!(met, order);
    }
}

#[test]
fn forked_processes_choose_the_same() {
    let _alone = alone();
    let mut settings: Vec<(&str, String)> = Vec::new();
    for n in 0..20 {
        settings.push(("relay", format!("mediaproxy:/{n};weight={}", n % 4)));
    }
    let settings: Vec<_> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let engine = engine(&settings);
    let (processes, calls) = (8, 500);
    let chosen_by = Block::new(processes * calls).unwrap();
    children(processes, |process| {
        let list = engine.relays();
        let pool = list.pool("", b"", b"").unwrap();
        for (at, id) in call_ids(calls).enumerate() {
            let relay = list.choose(pool, hash(id.as_bytes()), |_| true).unwrap();
            let word = &chosen_by.words()[process * calls + at];
            word.store(relay.identity.into(), Ordering::Relaxed);
        }
    });
    let words = chosen_by.words();
    for at in 0..words.len() {
        let (one, other) = (&words[at], &words[at % calls]);
        assert_ne!(one.load(Ordering::Relaxed), 0);
        assert_eq!(one.load(Ordering::Relaxed), other.load(Ordering::Relaxed));
    }
}

#[test]
fn example_relays_are_in_the_sets_of_the_example_script() {
    let folder = kit::root().join("examples/config");
    let mut told = Vec::new();
    let mut complain = |line: &str| told.push(line.to_string());
    let lines = RelayLine::load(&folder.join("relays"), Path::new("/own"), &mut complain).unwrap();
    assert!(told.is_empty(), "{told:?}");
    let of: Vec<_> = lines.iter().map(|line| (line.set.as_str(), line.weight)).collect();
    assert_eq!(of, [("near", 3), ("near", 1), ("far", 1), ("near", 1)]);
    assert_eq!(lines[3].domains, ["example.net"]);

    let script = std::fs::read_to_string(folder.join("kamailio-relays.cfg")).unwrap();
    let asked: Vec<_> = script
        .split("use_media_proxy(\"")
        .skip(1)
        .map(|after| after.split('"').next().unwrap())
        .collect();
    assert_eq!(asked, ["far", "near"]);
    let list = list_of(lines);
    for set in asked {
        for domain in [&b"example.com"[..], b"example.net", b"10.0.0.1"] {
            let pool = list.pool(set, domain, b"").expect("a set of the file");
            assert!(list.choose(pool, 7, |_| true).is_some(), "{set}");
        }
    }
}

prop_compose! {
    /// Relays of any weights and priorities, each named once.
    fn relays()(options in prop::collection::vec((0u16..20, 0u16..3), 1..30)) -> Vec<String> {
        let line = |(n, (weight, priority)): (usize, &(u16, u16))| {
            format!("mediaproxy:/relay/{n};weight={weight};priority={priority}")
        };
        options.iter().enumerate().map(line).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn order_of_the_lines_does_not_matter(lines in relays(), seed: u64) {
        let mut shuffled = lines.clone();
        shuffled.sort_by_key(|line| hash(format!("{seed}{line}").as_bytes()));
        let (one, other) = (list(&lines), list(&shuffled));
        for id in call_ids(50) {
            prop_assert_eq!(chosen(&one, &id, |_| true), chosen(&other, &id, |_| true));
        }
    }

    #[test]
    fn what_is_chosen_is_usable_and_of_the_best_rank_that_is(lines in relays(), dead: u32) {
        let list = list(&lines);
        let alive = |name: &str| {
            let number: u32 = name.rsplit('/').next().unwrap().parse().unwrap();
            dead >> number & 1 == 0
        };
        let rank = |line: &RelayLine| (line.weight == 0, line.priority);
        let lines: Vec<RelayLine> = list.lines().map(|(line, _)| line.clone()).collect();
        let best = lines.iter().filter(|line| alive(&line.uri.text)).map(rank).min();
        for id in call_ids(20) {
            let relay = chosen(&list, &id, |relay| alive(&relay.uri.text));
            let found = lines.iter().find(|line| Some(&line.uri.text) == relay.as_ref());
            prop_assert_eq!(found.map(rank), best);
            prop_assert!(relay.is_none_or(|name| alive(&name)));
        }
    }

    #[test]
    fn relay_that_comes_takes_calls_and_moves_no_other(lines in relays(), weight in 1u16..20) {
        let before = list(&lines);
        let new = format!("mediaproxy:/new;weight={weight}");
        let after = list(&lines.iter().cloned().chain([new]).collect::<Vec<_>>());
        for id in call_ids(50) {
            let (was, is) = (chosen(&before, &id, |_| true), chosen(&after, &id, |_| true));
            prop_assert!(is.as_deref() == Some("mediaproxy:/new") || was == is);
        }
    }
}
