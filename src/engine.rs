//! What a server makes once, before it forks.

use std::collections::hash_map::RandomState;
use std::path::Path;
use std::sync::Arc;

use crate::agents::AgentList;
use crate::error::Result;
use crate::log::{Level, Log};
use crate::nat::Networks;
use crate::relay::RelayUri;
use crate::settings::Settings;
use crate::shared::{Calls, Counters, Deletes, Health, Shared};

/// The engine: settings, the first copy of the client lists, and the block of
/// memory that all processes share. It has no thread, no lock and no
/// descriptor, so it may cross a fork.
#[derive(Debug)]
pub struct Engine {
    settings: Settings,
    log: Log,
    relays: Vec<RelayUri>,
    private: Networks,
    sip_asymmetrics: AgentList,
    rtp_asymmetrics: AgentList,
    shared: Shared,
    /// The key of the call table's hash: made here, so that all processes
    /// have the same.
    hash: RandomState,
}

impl Engine {
    /// Makes an engine, before the server forks. `Status::Setting` for a
    /// setting that cannot be honoured, `Status::System` when the shared
    /// memory cannot be had. Bad lines of the lists are logged.
    pub fn new(settings: Settings, log: Log) -> Result<Arc<Engine>> {
        let calls = usize::try_from(settings.max_calls()).unwrap_or(usize::MAX);
        Ok(Arc::new(Engine {
            relays: settings.relays()?,
            private: settings.private_networks(),
            sip_asymmetrics: load(&settings.sip_asymmetrics(), &log),
            rtp_asymmetrics: load(&settings.rtp_asymmetrics(), &log),
            shared: Shared::new(calls)?,
            hash: RandomState::new(),
            settings,
            log,
        }))
    }

    /// The settings it was made with.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Where its log lines go.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// The relays, in the order they were set.
    pub fn relays(&self) -> &[RelayUri] {
        &self.relays
    }

    /// What counts as private.
    pub fn private_networks(&self) -> &Networks {
        &self.private
    }

    /// The SIP-asymmetric clients.
    pub fn sip_asymmetrics(&self) -> &AgentList {
        &self.sip_asymmetrics
    }

    /// The RTP-asymmetric clients.
    pub fn rtp_asymmetrics(&self) -> &AgentList {
        &self.rtp_asymmetrics
    }

    /// True when both lists are empty: no client needs to be looked up.
    pub fn has_no_asymmetrics(&self) -> bool {
        self.sip_asymmetrics.is_empty() && self.rtp_asymmetrics.is_empty()
    }

    /// The call table of all processes.
    pub fn calls(&self) -> Calls<'_> {
        self.shared.calls(&self.hash)
    }

    /// The health of the relays, as all processes see it.
    pub fn health(&self) -> Health<'_> {
        self.shared.health()
    }

    /// The ends that wait for their relay.
    pub fn deletes(&self) -> Deletes<'_> {
        self.shared.deletes()
    }

    /// What all processes counted.
    pub fn counters(&self) -> Counters<'_> {
        self.shared.counters()
    }

    /// The block all processes share: the keeper's lease and the generations.
    pub fn shared(&self) -> &Shared {
        &self.shared
    }
}

/// Loads a client list; one that cannot be read is told and counts as empty.
fn load(path: &Path, log: &Log) -> AgentList {
    if path.as_os_str().is_empty() {
        return AgentList::empty();
    }
    let mut complain = |line: &str| log.write(Level::Warning, line);
    AgentList::load(path, &mut complain).unwrap_or_else(|error| {
        log.write(Level::Error, &error);
        AgentList::empty()
    })
}
