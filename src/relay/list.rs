//! The relays of a server at one moment, arranged for choosing. A list never
//! changes: a process that loads a new one keeps the old one as long as
//! requests under way need it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::relay::rendezvous::Pool;
use crate::relay::{Relay, RelayLine, RelayUri};
use crate::shared::health::Slot;

/// Which of a list's pools a call chooses from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolId(usize);

/// The relays, in the order they were named, and the pools that calls choose
/// from.
#[derive(Debug)]
pub struct RelayList {
    lines: Vec<(RelayLine, Arc<Relay>)>,
    pools: Vec<Pool>,
    /// For calls that ask for no set.
    any: Scope,
    sets: BTreeMap<String, Scope>,
}

/// The pools of a set, or of all: one per domain, and one for the rest.
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
    /// Arranges `lines`; `know` gives a relay its identity and slot.
    pub fn new(
        lines: Vec<RelayLine>,
        mut know: impl FnMut(&RelayUri) -> (u32, Option<Slot>),
    ) -> Self {
        let mut known: BTreeMap<String, Arc<Relay>> = BTreeMap::new();
        let mut relay_of = |uri: &RelayUri| {
            let relay = known.entry(uri.text.clone()).or_insert_with(|| {
                let (identity, slot) = know(uri);
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
        // A call that asks for no set is the unnamed one's, where there is one.
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

    /// Makes the pools of the lines that are `within`. The rest is served by
    /// those without domains; of them by the `first`, if there are any.
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
        let tries: [&dyn Fn(&RelayLine) -> bool; 2] =
            [&|line| line.domains.is_empty() && first(line), &|line| line.domains.is_empty()];
        for wanted in tries {
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

    /// The pool for a call: of the set asked for, if any, the relays that name
    /// the caller's domain, else the destination's, else the rest. `None` when
    /// there is no such set.
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

    /// True when domains matter for a call that asks for this set.
    pub fn has_domains(&self, set: &str) -> bool {
        let scope = if set.is_empty() { Some(&self.any) } else { self.sets.get(set) };
        scope.is_some_and(|scope| !scope.domains.is_empty())
    }

    /// The relay of a pool for a call, by the hash of its Call-ID
    /// ([`crate::hash::hash`]): see [`Pool::choose`].
    pub fn choose(
        &self,
        pool: PoolId,
        call: u64,
        usable: impl FnMut(&Relay) -> bool,
    ) -> Option<&Arc<Relay>> {
        self.pools.get(pool.0)?.choose(call, usable)
    }

    /// The relay of this identity.
    pub fn find(&self, identity: u32) -> Option<&Arc<Relay>> {
        self.relays().find(|relay| relay.identity == identity)
    }

    /// The relays as they were named; one that was named twice comes twice.
    pub fn relays(&self) -> impl Iterator<Item = &Arc<Relay>> {
        self.lines.iter().map(|(_, relay)| relay)
    }

    /// The same with what was said of when they are chosen.
    pub fn lines(&self) -> impl Iterator<Item = &(RelayLine, Arc<Relay>)> {
        self.lines.iter()
    }

    /// How many lines there are.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// True when there is no relay.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }
}
