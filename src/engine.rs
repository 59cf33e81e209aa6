//! What a server makes once, before it forks.

use std::collections::hash_map::RandomState;
use std::path::PathBuf;
use std::sync::Arc;

use crate::agents::AgentFiles;
use crate::error::{Error, Result, Status};
use crate::log::Log;
use crate::nat::Networks;
use crate::now;
use crate::relay::file::RelaysFile;
use crate::relay::{Records, Relay, RelayLine, RelayList, RelayUri};
use crate::settings::Settings;
use crate::shared::health::AdminState;
use crate::shared::{Calls, Counters, Deletes, HealthTable, Shared};

/// The engine: settings, the first copy of the client lists, and the block of
/// memory that all processes share. It has no thread, no lock and no
/// descriptor, so it may cross a fork.
#[derive(Debug)]
pub struct Engine {
    settings: Settings,
    log: Log,
    relays: Arc<RelayList>,
    relays_file: RelaysFile,
    /// The control socket of `embedded`: by default named after this process, so
    /// a child must not work it out itself.
    own_socket: PathBuf,
    private: Networks,
    agents: AgentFiles,
    shared: Shared,
    /// The key of the call table's hash: made here, so that all processes
    /// have the same.
    hash: RandomState,
}

impl Engine {
    /// Makes an engine, before the server forks. `Status::Setting` for a
    /// setting that cannot be honoured or has no effect
    /// ([`Settings::validate`]), `Status::System` when the shared memory cannot
    /// be had. Bad lines of the lists are logged.
    pub fn new(settings: Settings, log: Log) -> Result<Arc<Engine>> {
        settings.validate()?;
        let calls = usize::try_from(settings.max_calls()).unwrap_or(usize::MAX);
        let shared = Shared::new(calls)?;
        let mut engine = Engine {
            relays: Arc::new(RelayList::new(Vec::new(), |_| (0, None))),
            relays_file: RelaysFile::new(&settings.relays_file()),
            own_socket: settings.proxy_socket(),
            private: settings.private_networks().clone(),
            agents: AgentFiles::open(&settings, shared.lists(), &log),
            shared,
            hash: RandomState::new(),
            settings,
            log,
        };
        engine.open_relays()?;
        Ok(Arc::new(engine))
    }

    fn open_relays(&mut self) -> Result<()> {
        let mut lines = self.settings.relays(&self.own_socket)?;
        let generation = self.shared.relays();
        self.relays_file.read_first(&mut lines, &self.own_socket, generation, &self.log);
        self.relays = Arc::new(self.arrange(lines));
        Ok(())
    }

    /// The relays as they are named now, for statistics: nothing is logged, and
    /// where the file cannot be read they are those that the engine was made with.
    pub(crate) fn load_relays_quietly(&self) -> Arc<RelayList> {
        let load = || {
            let mut lines = self.settings.relays(&self.own_socket)?;
            self.relays_file.load_quietly(&mut lines, &self.own_socket)?;
            Ok::<_, Error>(lines)
        };
        load().map_or_else(|_| self.relays.clone(), |lines| Arc::new(self.arrange(lines)))
    }

    /// Takes an order of the operator about a relay, by its name or its line.
    /// `Status::Setting` for what is no relay, `Status::Argument` for one that
    /// was never listed.
    pub fn set_admin_state(&self, text: &str, order: AdminState) -> Result<()> {
        let name = RelayLine::parse(text, &self.own_socket)?.uri.text;
        let slot = self.health().slot(self.calls().identity(&name));
        if slot.is_some_and(|slot| self.health().set_admin_state(slot, order)) {
            return Ok(());
        }
        let text = format!("no relay is called \"{name}\"; see the settings relay and relays");
        Err(Error::new(Status::Argument, text))
    }

    /// Has all processes read the client lists and the relays file again, each
    /// with its next message, without waiting until a change is noticed.
    pub fn reload(&self) {
        self.shared.lists().raise();
        self.shared.relays().raise();
    }

    /// Reads the relays again for a process that has read `file` before. `None`:
    /// its list stays.
    pub(crate) fn read_relays(&self, file: &mut RelaysFile) -> Option<Arc<RelayList>> {
        let mut lines = self.settings.relays(&self.own_socket).ok()?;
        let (generation, counters) = (self.shared.relays(), self.counters());
        file.read_again(&mut lines, &self.own_socket, generation, counters, &self.log)
            .then(|| Arc::new(self.arrange(lines)))
    }

    /// The relays file as it was when the engine was made.
    pub(crate) fn relays_file(&self) -> &RelaysFile {
        &self.relays_file
    }

    fn arrange(&self, lines: Vec<RelayLine>) -> RelayList {
        let (calls, health) = (self.calls(), self.health());
        let seconds = u32::try_from(now() / 1000).unwrap_or(u32::MAX);
        RelayList::new(lines, |uri| {
            let identity = calls.identity(&uri.text);
            (identity, health.list(identity, &uri.text, seconds))
        })
    }

    /// A relay that some process has, or had, in its list: a call may still be
    /// on it.
    #[doc(hidden)]
    pub fn relay(&self, identity: u32) -> Option<Relay> {
        let health = self.health();
        let slot = health.slot(identity)?;
        let uri = RelayUri::parse(&health.name(slot)?, &self.own_socket).ok()?;
        Some(Relay { uri, identity, slot: Some(slot) })
    }

    /// The settings it was made with.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Where its log lines go.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// The relays as they were when it was made.
    #[doc(hidden)]
    pub fn relays(&self) -> &Arc<RelayList> {
        &self.relays
    }

    /// What counts as private.
    pub fn private_networks(&self) -> &Networks {
        &self.private
    }

    /// The client lists as they were when the engine was made. A worker has
    /// its own copy and reads it again when the files change.
    #[doc(hidden)]
    pub fn agents(&self) -> &AgentFiles {
        &self.agents
    }

    /// The call table of all processes.
    #[doc(hidden)]
    pub fn calls(&self) -> Calls<'_> {
        self.shared.calls(&self.hash)
    }

    /// The health of the relays, as all processes see it.
    #[doc(hidden)]
    pub fn health(&self) -> HealthTable<'_> {
        self.shared.health()
    }

    /// Where the outcomes of exchanges with relays are recorded.
    #[doc(hidden)]
    pub fn records(&self) -> Records<'_> {
        Records { health: self.health(), counters: self.counters(), log: &self.log }
    }

    /// The queued delete requests.
    #[doc(hidden)]
    pub fn deletes(&self) -> Deletes<'_> {
        self.shared.deletes()
    }

    /// What all processes counted.
    #[doc(hidden)]
    pub fn counters(&self) -> Counters<'_> {
        self.shared.counters()
    }

    /// The block all processes share: the keeper's lease and the generations.
    #[doc(hidden)]
    pub fn shared(&self) -> &Shared {
        &self.shared
    }
}
