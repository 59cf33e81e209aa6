//! Is this client asymmetric? The answer of the two lists per User-Agent,
//! remembered: matching a list costs more than all the rest of a NAT test.

use std::hash::BuildHasher;
use std::hash::RandomState;

use crate::Engine;

/// What the lists say of a client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Asymmetry {
    pub(super) sip: bool,
    pub(super) rtp: bool,
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

/// The memory of one worker.
#[derive(Debug)]
pub(super) struct Memory {
    places: Vec<Place>,
    hash: RandomState,
}

impl Memory {
    pub(super) fn new() -> Self {
        let places = std::iter::repeat_with(Place::default).take(PLACES).collect();
        Memory { places, hash: RandomState::new() }
    }

    /// What the engine's lists say of `agent`.
    pub(super) fn of(&mut self, agent: &[u8], engine: &Engine) -> Asymmetry {
        let ask = || Asymmetry {
            sip: engine.sip_asymmetrics().matches(agent),
            rtp: engine.rtp_asymmetrics().matches(agent),
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
