//! Whether a client is asymmetric, by its User-Agent and the two client lists. The
//! results are cached, since matching a list costs more than the rest of a NAT
//! test.

use std::hash::BuildHasher;
use std::hash::RandomState;

use crate::Engine;
use crate::agents::{AgentFiles, Reading};
use crate::error::Result;
use crate::reload::ReloadCheck;
use crate::shared::Counter;

/// The asymmetry of a client, from the client lists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asymmetry {
    /// The client receives SIP on another port than it sends from.
    pub sip: bool,
    /// The client receives RTP on another port than it sends from.
    pub rtp: bool,
}

/// The number of cached User-Agents. A new one replaces the one in its place.
const PLACES: usize = 256;
/// A longer User-Agent is not cached (bytes).
const LONGEST: usize = 128;

#[derive(Debug, Default)]
struct Place {
    agent: Vec<u8>,
    asymmetry: Asymmetry,
}

/// The client lists of one worker, with the cache of their results.
#[derive(Debug)]
pub(super) struct Agents {
    files: AgentFiles,
    reload_check: ReloadCheck,
    cache: Cache,
}

impl Agents {
    /// A copy of the engine's lists. The compiled expressions are shared, the
    /// working memory of a search is not.
    pub(super) fn new(engine: &Engine) -> Self {
        let files = engine.agents().clone();
        Agents { files, reload_check: ReloadCheck::default(), cache: Cache::new() }
    }

    /// The asymmetry of the client with the User-Agent that `agent` returns.
    /// `agent` is not called when no list is set or both are empty.
    #[inline]
    pub(super) fn of<'m>(
        &mut self,
        engine: &Engine,
        agent: impl FnOnce() -> Result<&'m [u8]>,
    ) -> Result<Asymmetry> {
        if self.files.are_none() {
            return Ok(Asymmetry::default());
        }
        let (shared, files) = (engine.shared(), &self.files);
        let failed = files.are_failed();
        if self.reload_check.is_due(shared.lists(), shared, failed, || files.have_changed()) {
            self.read(engine);
        }
        if self.files.are_empty() {
            return Ok(Asymmetry::default());
        }
        Ok(self.cache.of(agent()?, &self.files))
    }

    #[cold]
    fn read(&mut self, engine: &Engine) {
        match self.files.read(engine.shared().lists(), engine.log()) {
            Reading::Unchanged => return,
            Reading::Changed => {}
            Reading::ChangedFirst => engine.counters().count(Counter::ClientListChanges),
        }
        self.cache.clear();
    }
}

/// The cached results, by User-Agent.
#[derive(Debug)]
struct Cache {
    places: Vec<Place>,
    hash: RandomState,
}

impl Cache {
    fn new() -> Self {
        let places = std::iter::repeat_with(Place::default).take(PLACES).collect();
        Cache { places, hash: RandomState::new() }
    }

    /// Removes all results, since the lists have changed.
    fn clear(&mut self) {
        self.places.iter_mut().for_each(|place| place.agent.clear());
    }

    /// The asymmetry of a client with this User-Agent.
    fn of(&mut self, agent: &[u8], lists: &AgentFiles) -> Asymmetry {
        let search = || Asymmetry {
            sip: lists.sip.list().matches(agent),
            rtp: lists.rtp.list().matches(agent),
        };
        if agent.is_empty() {
            return Asymmetry::default();
        }
        if agent.len() > LONGEST {
            return search();
        }
        let at = self.hash.hash_one(agent) as usize % PLACES;
        let Some(place) = self.places.get_mut(at) else { return search() };
        if place.agent != agent {
            place.asymmetry = search();
            place.agent.clear();
            place.agent.extend_from_slice(agent);
        }
        place.asymmetry
    }
}
