//! Is this client asymmetric? The answer of the two lists per User-Agent,
//! remembered: matching a list costs more than all the rest of a NAT test.

use std::hash::BuildHasher;
use std::hash::RandomState;

use crate::Engine;
use crate::agents::{AgentFiles, Reading};
use crate::error::Result;
use crate::reload::ReloadCheck;
use crate::shared::Counter;

/// What the lists say of a client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asymmetry {
    /// It hears SIP on another port than it sends from.
    pub sip: bool,
    /// The same of its media.
    pub rtp: bool,
}

/// Remembered User-Agents; a new one replaces the one in its place.
const PLACES: usize = 256;
/// Longer ones are matched each time.
const LONGEST: usize = 128;

#[derive(Debug, Default)]
struct Place {
    agent: Vec<u8>,
    asymmetry: Asymmetry,
}

/// The lists of one worker, and what it remembers of them.
#[derive(Debug)]
pub(super) struct Agents {
    files: AgentFiles,
    follow: ReloadCheck,
    memory: Memory,
}

impl Agents {
    /// A copy of the engine's lists. Their expressions are shared, what a
    /// search writes to is not.
    pub(super) fn new(engine: &Engine) -> Self {
        let files = engine.agents().clone();
        Agents { files, follow: ReloadCheck::default(), memory: Memory::new() }
    }

    /// What the lists say of the client whose message names itself by `agent`,
    /// which is not asked for where no list is set or holds anything.
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
        if self.follow.is_due(shared.lists(), shared, failed, || files.have_changed()) {
            self.read(engine);
        }
        if self.files.are_empty() {
            return Ok(Asymmetry::default());
        }
        Ok(self.memory.of(agent()?, &self.files))
    }

    #[cold]
    fn read(&mut self, engine: &Engine) {
        match self.files.read(engine.shared().lists(), engine.log()) {
            Reading::Unchanged => return,
            Reading::Changed => {}
            Reading::ChangedFirst => engine.counters().count(Counter::ClientListChanges),
        }
        self.memory.forget();
    }
}

/// Remembered User-Agents.
#[derive(Debug)]
struct Memory {
    places: Vec<Place>,
    hash: RandomState,
}

impl Memory {
    fn new() -> Self {
        let places = std::iter::repeat_with(Place::default).take(PLACES).collect();
        Memory { places, hash: RandomState::new() }
    }

    /// The lists are other ones.
    fn forget(&mut self) {
        self.places.iter_mut().for_each(|place| place.agent.clear());
    }

    /// What the lists say of `agent`.
    fn of(&mut self, agent: &[u8], lists: &AgentFiles) -> Asymmetry {
        let ask = || Asymmetry {
            sip: lists.sip.list().matches(agent),
            rtp: lists.rtp.list().matches(agent),
        };
        if agent.is_empty() {
            return Asymmetry::default();
        }
        if agent.len() > LONGEST {
            return ask();
        }
        let at = self.hash.hash_one(agent) as usize % PLACES;
        let Some(place) = self.places.get_mut(at) else { return ask() };
        if place.agent != agent {
            place.asymmetry = ask();
            place.agent.clear();
            place.agent.extend_from_slice(agent);
        }
        place.asymmetry
    }
}
