//! The client lists and the files they come from, read again when they changed.

use std::path::PathBuf;

use crate::agents::AgentList;
use crate::log::{Level, Log};
use crate::reload::{self, Fingerprint, WatchedFile};
use crate::settings::Settings;
use crate::shared::Generation;

/// A list, as one process has it.
#[derive(Clone, Debug)]
pub struct AgentFile {
    file: WatchedFile,
    list: AgentList,
}

impl AgentFile {
    /// Reads a list for the first time. An empty path is no list; a file that
    /// cannot be read is told and counts as empty.
    pub fn open(path: PathBuf, index: usize, generation: Generation<'_>, log: &Log) -> Self {
        let mut file = AgentFile { file: WatchedFile::new(path, index), list: AgentList::empty() };
        file.read(generation, log);
        file
    }

    /// The list that holds.
    #[inline]
    pub fn list(&self) -> &AgentList {
        &self.list
    }

    /// Where it comes from.
    pub fn file(&self) -> &WatchedFile {
        &self.file
    }

    /// Reads the file. A bad line is told with file and line, the others hold;
    /// where the file cannot be read that is told, and the old list holds. A
    /// missing file is an empty list. Of all processes that read the same one
    /// tells.
    pub fn read(&mut self, generation: Generation<'_>, log: &Log) -> Reading {
        let Some(text) = self.file.read(generation, log) else { return Reading::Same };
        let mut complain = |line: &str| {
            if text.is_first_report {
                log.write(Level::Warning, line);
            }
        };
        let path = self.file.path();
        self.list = AgentList::compile(path, &text.bytes, &mut complain);
        if !text.is_first_report {
            return Reading::Other;
        }
        let lines = self.list.len();
        log.write(Level::Info, format_args!("{}: read, {lines} lines hold", path.display()));
        Reading::News
    }
}

/// What reading a list again came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reading {
    /// The list is what it was.
    Same,
    /// It is another one.
    Other,
    /// It is another one, and this process was the first to read it.
    News,
}

/// Both lists, as one process has them.
#[derive(Clone, Debug)]
pub struct AgentFiles {
    /// The SIP-asymmetric clients.
    pub sip: AgentFile,
    /// The RTP-asymmetric clients.
    pub rtp: AgentFile,
}

impl AgentFiles {
    /// Reads both for the first time, before the server forks.
    pub fn open(settings: &Settings, generation: Generation<'_>, log: &Log) -> Self {
        let sip = AgentFile::open(settings.sip_asymmetrics(), 0, generation, log);
        let rtp = AgentFile::open(settings.rtp_asymmetrics(), 1, generation, log);
        let files = AgentFiles { sip, rtp };
        let seen: Option<Vec<Fingerprint>> =
            files.watched().map(WatchedFile::fingerprint).collect();
        if let Some(prints) = seen {
            generation.set_fingerprint(reload::combine(&prints, reload::wall()));
        }
        files
    }

    /// Those of the two that are files, and may change.
    pub fn watched(&self) -> impl Iterator<Item = &WatchedFile> {
        [&self.sip, &self.rtp].into_iter().map(AgentFile::file).filter(|file| file.is_some())
    }

    /// True when no client can be on a list, now or later.
    #[inline]
    pub fn are_none(&self) -> bool {
        !self.sip.file.is_some() && !self.rtp.file.is_some()
    }

    /// True when both lists are empty now: no client needs to be looked up.
    #[inline]
    pub fn are_empty(&self) -> bool {
        self.sip.list.is_empty() && self.rtp.list.is_empty()
    }

    /// True when the last reading of one of them failed.
    #[inline]
    pub fn are_failed(&self) -> bool {
        self.sip.file.is_failed() || self.rtp.file.is_failed()
    }

    /// True when one of the files is not what was read.
    pub fn have_changed(&self) -> bool {
        self.sip.file.has_changed() || self.rtp.file.has_changed()
    }

    /// Reads both again.
    pub fn read(&mut self, generation: Generation<'_>, log: &Log) -> Reading {
        let sip = self.sip.read(generation, log);
        self.rtp.read(generation, log).max(sip)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::sync::{Arc, Mutex};

    struct Bench {
        directory: PathBuf,
        words: [std::sync::atomic::AtomicU64; 8],
        lines: Arc<Mutex<Vec<String>>>,
        log: Log,
    }

    impl Bench {
        fn new(name: &str) -> Bench {
            let directory = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&directory);
            fs::create_dir_all(&directory).unwrap();
            let lines = Arc::new(Mutex::new(Vec::new()));
            let kept = lines.clone();
            let log = Log::new(move |_, line| kept.lock().unwrap().push(line.to_string()));
            Bench { directory, words: Default::default(), lines, log }
        }

        fn path(&self) -> PathBuf {
            self.directory.join("clients")
        }

        fn open(&self) -> AgentFile {
            AgentFile::open(self.path(), 0, Generation::new(&self.words), &self.log)
        }

        fn read(&self, file: &mut AgentFile) -> bool {
            file.read(Generation::new(&self.words), &self.log) > Reading::Same
        }

        fn told(&self) -> Vec<String> {
            std::mem::take(&mut *self.lines.lock().unwrap())
        }
    }

    impl Drop for Bench {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.directory);
        }
    }

    #[test]
    fn a_list_is_read_again_and_its_bad_lines_are_told_once() {
        let bench = Bench::new("agents-again");
        let mut file = bench.open();
        assert!(file.list().is_empty() && file.file().is_some());
        assert_eq!(bench.told(), Vec::<String>::new(), "a missing file is an empty list");

        fs::write(bench.path(), "Cisco\n([\n").unwrap();
        let mut other = file.clone();
        assert!(file.file().has_changed());
        assert!(bench.read(&mut file) && file.list().matches(b"cisco"));
        let told = bench.told();
        assert!(told[0].contains("clients:2: "), "{told:?}");
        assert!(told[1].ends_with("clients: read, 1 lines hold"), "{told:?}");
        assert!(bench.read(&mut other) && other.list().matches(b"cisco"));
        assert!(!bench.read(&mut file), "nothing changed");
        assert_eq!(bench.told(), Vec::<String>::new(), "another process says the same");

        fs::remove_file(bench.path()).unwrap();
        assert!(file.file().has_changed() && bench.read(&mut file));
        assert!(file.list().is_empty());
    }

    #[test]
    fn one_that_cannot_be_read_leaves_the_old_list() {
        let bench = Bench::new("agents-unreadable");
        fs::write(bench.path(), "Cisco\n").unwrap();
        let mut file = bench.open();
        bench.told();
        // Whoever runs the tests may read any file: a link that leads to
        // itself cannot be read by anybody.
        fs::remove_file(bench.path()).unwrap();
        symlink(bench.path(), bench.path()).unwrap();
        assert!(!bench.read(&mut file) && file.file().is_failed());
        assert!(file.list().matches(b"cisco"));
        assert!(file.file().has_changed(), "it is tried again");
        assert!(!bench.read(&mut file));
        let told = bench.told();
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains(bench.path().to_str().unwrap()), "{told:?}");
        assert!(told[0].ends_with("what was read before holds"), "{told:?}");

        fs::remove_file(bench.path()).unwrap();
        fs::write(bench.path(), "Cisco\n").unwrap();
        assert!(!bench.read(&mut file), "the same list");
        assert!(!file.file().is_failed());
        assert_eq!(bench.told().len(), 1, "but it is told that it can be read again");
    }

    #[test]
    fn no_path_is_no_list() {
        let words = Default::default();
        let generation = Generation::new(&words);
        let mut file = AgentFile::open(PathBuf::new(), 0, generation, &Log::none());
        assert!(!file.file().is_some() && !file.file().has_changed());
        assert_eq!(file.read(generation, &Log::none()), Reading::Same);
    }
}
