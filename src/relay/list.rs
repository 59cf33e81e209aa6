//! The list of a server's relays, arranged in pools. A list does not change: a
//! process that has loaded a new list keeps the old one for its pending requests.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::relay::rendezvous::Pool;
use crate::relay::{Relay, RelayLine, RelayUri};
use crate::shared::health::Slot;

/// Identifies one pool of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolId(usize);

/// The relays in the order of the configuration, and the pools from which the
/// relay of a call is chosen.
#[derive(Debug)]
pub struct RelayList {
    lines: Vec<(RelayLine, Arc<Relay>)>,
    pools: Vec<Pool>,
    /// For calls without a set.
    any: Scope,
    sets: BTreeMap<String, Scope>,
}

/// The pools of one set, or of all sets: one for each domain, and one for all
/// other domains.
#[derive(Debug, Default)]
struct Scope {
    domains: BTreeMap<String, PoolId>,
    rest: PoolId,
}

impl Default for PoolId {
    /// The pool that is always empty.
    fn default() -> Self {
        PoolId(0)
    }
}

impl RelayList {
    /// Arranges `lines`. `identify` returns the identity and the slot of a relay.
    pub fn new(
        lines: Vec<RelayLine>,
        mut identify: impl FnMut(&RelayUri) -> (u32, Option<Slot>),
    ) -> Self {
        let mut relays: BTreeMap<String, Arc<Relay>> = BTreeMap::new();
        let mut relay_of = |uri: &RelayUri| {
            let relay = relays.entry(uri.text.clone()).or_insert_with(|| {
                let (identity, slot) = identify(uri);
                Arc::new(Relay { uri: uri.clone(), identity, slot })
            });
            relay.clone()
        };
        let lines: Vec<_> = lines.into_iter().map(|l| (relay_of(&l.uri), l)).collect();
        let lines: Vec<_> = lines.into_iter().map(|(relay, line)| (line, relay)).collect();
        let mut list = RelayList {
            lines: Vec::new(),
            pools: vec![Pool::default()],
            any: Scope::default(),
            sets: BTreeMap::new(),
        };
        let all = |_: &RelayLine| true;
        // A call without a set uses the unnamed set, if there is one, else all.
        list.any = list.scope(&lines, all, |line| line.set.is_empty());
        for (line, _) in &lines {
            if !list.sets.contains_key(&line.set) {
                let of_set = |other: &RelayLine| other.set == line.set;
                let scope = list.scope(&lines, of_set, all);
                list.sets.insert(line.set.clone(), scope);
            }
        }
        list.lines = lines;
        list
    }

    /// Makes the pools of the lines that are `within`. The pool for all other
    /// domains has the lines without a domain: those that are `first`, if there
    /// are any.
    fn scope(
        &mut self,
        lines: &[(RelayLine, Arc<Relay>)],
        within: impl Fn(&RelayLine) -> bool,
        first: impl Fn(&RelayLine) -> bool,
    ) -> Scope {
        let mut scope = Scope::default();
        let within: Vec<_> = lines.iter().filter(|(line, _)| within(line)).collect();
        for domain in within.iter().flat_map(|(line, _)| &line.domains) {
            if !scope.domains.contains_key(domain) {
                let pool = self.pool_of(&within, |line| line.domains.contains(domain));
                scope.domains.insert(domain.clone(), pool);
            }
        }
        let choices: [&dyn Fn(&RelayLine) -> bool; 2] =
            [&|line| line.domains.is_empty() && first(line), &|line| line.domains.is_empty()];
        for wanted in choices {
            if within.iter().any(|(line, _)| wanted(line)) {
                scope.rest = self.pool_of(&within, wanted);
                break;
            }
        }
        scope
    }

    fn pool_of(
        &mut self,
        lines: &[&(RelayLine, Arc<Relay>)],
        wanted: impl Fn(&RelayLine) -> bool,
    ) -> PoolId {
        self.pools.push(Pool::new(lines.iter().copied().filter(|(line, _)| wanted(line))));
        PoolId(self.pools.len().saturating_sub(1))
    }

    /// The pool for a call with this set (empty: without a set): the relays that
    /// serve the caller's domain, else the destination's domain, else the relays
    /// without a domain. `None` when there is no such set.
    pub fn pool(&self, set: &str, caller: &[u8], destination: &[u8]) -> Option<PoolId> {
        let scope = if set.is_empty() { &self.any } else { self.sets.get(set)? };
        if scope.domains.is_empty() {
            return Some(scope.rest);
        }
        let named = |domain: &[u8]| {
            let domain = std::str::from_utf8(domain).ok()?.to_ascii_lowercase();
            scope.domains.get(domain.as_str()).copied()
        };
        Some(named(caller).or_else(|| named(destination)).unwrap_or(scope.rest))
    }

    /// True when the pool for a call with this set depends on its domains.
    pub fn has_domains(&self, set: &str) -> bool {
        let scope = if set.is_empty() { Some(&self.any) } else { self.sets.get(set) };
        scope.is_some_and(|scope| !scope.domains.is_empty())
    }

    /// Chooses a relay of the pool for the call whose Call-ID has this hash
    /// ([`crate::hash::hash`]): see [`Pool::choose`].
    pub fn choose(
        &self,
        pool: PoolId,
        call: u64,
        usable: impl FnMut(&Relay) -> bool,
    ) -> Option<&Arc<Relay>> {
        self.pools.get(pool.0)?.choose(call, usable)
    }

    /// The relay with this identity.
    pub fn find(&self, identity: u32) -> Option<&Arc<Relay>> {
        self.relays().find(|relay| relay.identity == identity)
    }

    /// The relays in the order of the configuration. A relay in two lines comes
    /// twice.
    pub fn relays(&self) -> impl Iterator<Item = &Arc<Relay>> {
        self.lines.iter().map(|(_, relay)| relay)
    }

    /// The relays with their lines, in the order of the configuration.
    pub fn lines(&self) -> impl Iterator<Item = &(RelayLine, Arc<Relay>)> {
        self.lines.iter()
    }

    /// The number of lines.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// True when there is no relay.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }
}
