//! The engine: the state of a server that is made once, before the fork.

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

/// The engine: the settings, the client lists and relays at the start, and the
/// block of memory that all processes share. It has no thread, no lock and no
/// descriptor, so it may be used after a fork.
#[derive(Debug)]
pub struct Engine {
    settings: Settings,
    log: Log,
    relays: Arc<RelayList>,
    relays_file: RelaysFile,
    /// The control socket of `embedded`. Its default name has the id of the process
    /// that made the engine, so a child must not compute it again.
    own_socket: PathBuf,
    private: Networks,
    agents: AgentFiles,
    shared: Shared,
    /// The key of the call table's hash, made before the fork so that it is equal
    /// in all processes.
    hash: RandomState,
}

impl Engine {
    /// Makes an engine. Call it before the server forks. Invalid lines of the
    /// client lists and of the relays file are logged.
    ///
    /// # Errors
    /// `Status::Setting` for a setting that cannot be used or has no effect
    /// ([`Settings::validate`]), `Status::System` when the shared memory cannot be
    /// mapped.
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

    /// The relays of the settings and of the relays file as it is now, for
    /// statistics. Writes no log line. When the file cannot be read, the relays are
    /// those at the start.
    pub(crate) fn load_relays_quietly(&self) -> Arc<RelayList> {
        let load = || {
            let mut lines = self.settings.relays(&self.own_socket)?;
            self.relays_file.load_quietly(&mut lines, &self.own_socket)?;
            Ok::<_, Error>(lines)
        };
        load().map_or_else(|_| self.relays.clone(), |lines| Arc::new(self.arrange(lines)))
    }

    /// Sets the admin state of a relay for all processes, by its name or its line
    /// in the relays file.
    ///
    /// # Errors
    /// `Status::Setting` when the text is not a relay, `Status::Argument` when the
    /// relay was in no list.
    pub fn set_admin_state(&self, text: &str, state: AdminState) -> Result<()> {
        let name = RelayLine::parse(text, &self.own_socket)?.uri.text;
        let slot = self.health().slot(self.calls().identity(&name));
        if slot.is_some_and(|slot| self.health().set_admin_state(slot, state)) {
            return Ok(());
        }
        let text = format!("no relay is called \"{name}\"; see the settings relay and relays");
        Err(Error::new(Status::Argument, text))
    }

    /// Makes every process read the client lists and the relays file again with its
    /// next message, whether or not they have changed.
    pub fn reload(&self) {
        self.shared.lists().raise();
        self.shared.relays().raise();
    }

    /// Reads the relays again for a process that has read `file` before. `None` when
    /// its list stays.
    pub(crate) fn read_relays(&self, file: &mut RelaysFile) -> Option<Arc<RelayList>> {
        let mut lines = self.settings.relays(&self.own_socket).ok()?;
        let (generation, counters) = (self.shared.relays(), self.counters());
        file.read_again(&mut lines, &self.own_socket, generation, counters, &self.log)
            .then(|| Arc::new(self.arrange(lines)))
    }

    /// The relays file at the start.
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

    /// The relay with this identity, also when it is in no list any more but a call
    /// may still be on it.
    #[doc(hidden)]
    pub fn relay(&self, identity: u32) -> Option<Relay> {
        let health = self.health();
        let slot = health.slot(identity)?;
        let uri = RelayUri::parse(&health.name(slot)?, &self.own_socket).ok()?;
        Some(Relay { uri, identity, slot: Some(slot) })
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The log.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// The relays at the start.
    #[doc(hidden)]
    pub fn relays(&self) -> &Arc<RelayList> {
        &self.relays
    }

    /// The networks that count as private.
    pub fn private_networks(&self) -> &Networks {
        &self.private
    }

    /// The client lists at the start. Each worker has a copy, and reads it again
    /// when the files change.
    #[doc(hidden)]
    pub fn agents(&self) -> &AgentFiles {
        &self.agents
    }

    /// The call table of all processes.
    #[doc(hidden)]
    pub fn calls(&self) -> Calls<'_> {
        self.shared.calls(&self.hash)
    }

    /// The health table of all processes.
    #[doc(hidden)]
    pub fn health(&self) -> HealthTable<'_> {
        self.shared.health()
    }

    /// Records the outcomes of exchanges with relays.
    #[doc(hidden)]
    pub fn records(&self) -> Records<'_> {
        Records { health: self.health(), counters: self.counters(), log: &self.log }
    }

    /// The queued delete requests.
    #[doc(hidden)]
    pub fn deletes(&self) -> Deletes<'_> {
        self.shared.deletes()
    }

    /// The counters of all processes.
    #[doc(hidden)]
    pub fn counters(&self) -> Counters<'_> {
        self.shared.counters()
    }

    /// The shared block.
    #[doc(hidden)]
    pub fn shared(&self) -> &Shared {
        &self.shared
    }
}
