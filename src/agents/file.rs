//! The files of the client lists, which are read again when they change.

use std::path::PathBuf;

use crate::agents::AgentList;
use crate::log::{Level, Log};
use crate::reload::{self, Fingerprint, WatchedFile};
use crate::settings::Settings;
use crate::shared::Generation;

/// One list, as one process has read it.
#[derive(Clone, Debug)]
pub struct AgentFile {
    file: WatchedFile,
    list: AgentList,
}

impl AgentFile {
    /// Reads a list for the first time. An empty path means no list; a file that
    /// cannot be read is logged and counts as empty.
    pub fn open(path: PathBuf, index: usize, generation: Generation<'_>, log: &Log) -> Self {
        let mut file = AgentFile { file: WatchedFile::new(path, index), list: AgentList::empty() };
        file.read(generation, log);
        file
    }

    /// The list in use.
    #[inline]
    pub fn list(&self) -> &AgentList {
        &self.list
    }

    /// The file of the list.
    pub fn file(&self) -> &WatchedFile {
        &self.file
    }

    /// Reads the file. An invalid line is logged with file and line and skipped. A
    /// file that cannot be read is logged, and the list stays as it is. A missing
    /// file is an empty list. Of all processes that read the same content, only
    /// the first one logs.
    pub fn read(&mut self, generation: Generation<'_>, log: &Log) -> Reading {
        let Some(text) = self.file.read(generation, log) else { return Reading::Unchanged };
        let mut warn = |line: &str| {
            if text.is_first_report {
                log.write(Level::Warning, line);
            }
        };
        let path = self.file.path();
        self.list = AgentList::compile(path, &text.bytes, &mut warn);
        if !text.is_first_report {
            return Reading::Changed;
        }
        let lines = self.list.len();
        log.write(Level::Info, format_args!("{}: loaded {lines} patterns", path.display()));
        Reading::ChangedFirst
    }
}

/// The result of reading a list again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reading {
    /// The list is the same.
    Unchanged,
    /// The list has changed.
    Changed,
    /// The list has changed, and this process was the first to read it.
    ChangedFirst,
}

/// Both lists, as one process has read them.
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

    /// The files of the lists that are set.
    pub fn watched(&self) -> impl Iterator<Item = &WatchedFile> {
        [&self.sip, &self.rtp].into_iter().map(AgentFile::file).filter(|file| file.is_some())
    }

    /// True when no list is set.
    #[inline]
    pub fn are_none(&self) -> bool {
        !self.sip.file.is_some() && !self.rtp.file.is_some()
    }

    /// True when both lists are empty now.
    #[inline]
    pub fn are_empty(&self) -> bool {
        self.sip.list.is_empty() && self.rtp.list.is_empty()
    }

    /// True when the last reading of one of them failed.
    #[inline]
    pub fn are_failed(&self) -> bool {
        self.sip.file.is_failed() || self.rtp.file.is_failed()
    }

    /// True when one of the files has changed since it was read.
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
            file.read(Generation::new(&self.words), &self.log) > Reading::Unchanged
        }

        fn logged(&self) -> Vec<String> {
            std::mem::take(&mut *self.lines.lock().unwrap())
        }
    }

    impl Drop for Bench {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.directory);
        }
    }

    #[test]
    fn list_is_read_again_and_logged_once() {
        let bench = Bench::new("agents-again");
        let mut file = bench.open();
        assert!(file.list().is_empty() && file.file().is_some());
        assert_eq!(bench.logged(), Vec::<String>::new(), "a missing file is an empty list");

        fs::write(bench.path(), "Cisco\n([\n").unwrap();
        let mut other = file.clone();
        assert!(file.file().has_changed());
        assert!(bench.read(&mut file) && file.list().matches(b"cisco"));
        let logged = bench.logged();
        assert!(logged[0].contains("clients:2: "), "{logged:?}");
        assert!(logged[1].ends_with("clients: loaded 1 patterns"), "{logged:?}");
        assert!(bench.read(&mut other) && other.list().matches(b"cisco"));
        assert!(!bench.read(&mut file), "nothing changed");
        assert_eq!(bench.logged(), Vec::<String>::new(), "another process has logged it");

        fs::remove_file(bench.path()).unwrap();
        assert!(file.file().has_changed() && bench.read(&mut file));
        assert!(file.list().is_empty());
    }

    #[test]
    fn unreadable_file_keeps_the_list() {
        let bench = Bench::new("agents-unreadable");
        fs::write(bench.path(), "Cisco\n").unwrap();
        let mut file = bench.open();
        bench.logged();
        // The user of the tests may be root: a link to itself cannot be read
        // even then.
        fs::remove_file(bench.path()).unwrap();
        symlink(bench.path(), bench.path()).unwrap();
        assert!(!bench.read(&mut file) && file.file().is_failed());
        assert!(file.list().matches(b"cisco"));
        assert!(file.file().has_changed(), "it is tried again");
        assert!(!bench.read(&mut file));
        let logged = bench.logged();
        assert_eq!(logged.len(), 1, "{logged:?}");
        assert!(logged[0].contains(bench.path().to_str().unwrap()), "{logged:?}");
        assert!(logged[0].ends_with("keeping the previous content"), "{logged:?}");

        fs::remove_file(bench.path()).unwrap();
        fs::write(bench.path(), "Cisco\n").unwrap();
        assert!(!bench.read(&mut file), "the same list");
        assert!(!file.file().is_failed());
        assert_eq!(bench.logged().len(), 1, "one line: the file can be read again");
    }

    #[test]
    fn empty_path_is_no_list() {
        let words = Default::default();
        let generation = Generation::new(&words);
        let mut file = AgentFile::open(PathBuf::new(), 0, generation, &Log::none());
        assert!(!file.file().is_some() && !file.file().has_changed());
        assert_eq!(file.read(generation, &Log::none()), Reading::Unchanged);
    }
}
