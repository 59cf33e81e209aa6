//! The client lists and the files they come from, read again when they changed.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use crate::agents::AgentList;
use crate::file::{self, Print};
use crate::log::{Level, Log};
use crate::settings::Settings;
use crate::shared::Generation;

/// A list, as one process has it.
#[derive(Clone, Debug)]
pub struct AgentFile {
    path: PathBuf,
    /// Which of the generation's files it is.
    index: usize,
    list: AgentList,
    /// What the list was made from.
    text: u64,
    /// How the file looked when it was read.
    print: Option<Print>,
    /// The last reading failed; `list` is older.
    failed: bool,
}

impl AgentFile {
    /// Reads a list for the first time. An empty path is no list; a file that
    /// cannot be read is told and counts as empty.
    pub fn open(path: PathBuf, index: usize, generation: Generation<'_>, log: &Log) -> Self {
        let (text, print, failed) = (hash(b""), None, false);
        let mut file = AgentFile { path, index, list: AgentList::empty(), text, print, failed };
        file.read(generation, log);
        file
    }

    /// The list that holds.
    pub fn list(&self) -> &AgentList {
        &self.list
    }

    /// True when there is a file that may change.
    pub fn is_watched(&self) -> bool {
        !self.path.as_os_str().is_empty()
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// True when the list that holds is older than the file: it could not be
    /// read.
    pub fn is_failed(&self) -> bool {
        self.failed
    }

    /// True when the file is not what was read, as far as its looks tell.
    pub fn looks_changed(&self) -> bool {
        let seen = |seen: Print| !self.failed && seen == Print::of(&self.path);
        self.is_watched() && !self.print.is_some_and(seen)
    }

    /// Reads the file. True when the list is another one now. A bad line is
    /// told with file and line, the others hold; where the file cannot be
    /// read that is told, and the old list holds. A missing file is an empty
    /// list. Of all processes that read the same one tells.
    pub fn read(&mut self, generation: Generation<'_>, log: &Log) -> bool {
        if !self.is_watched() {
            return false;
        }
        // Looked at first: what changes while it is read is read once more.
        let print = Print::of(&self.path);
        self.print = print.is_settled(file::wall()).then_some(print);
        let text = match file::read(&self.path) {
            Ok(text) => text.unwrap_or_default(),
            Err(error) => {
                self.failed = true;
                if generation.is_news(self.index, hash(error.text().as_bytes())) {
                    log.write(Level::Error, format!("{error}; the list as it was read last holds"));
                }
                return false;
            }
        };
        let made_from = hash(&text);
        let healed = std::mem::take(&mut self.failed);
        let is_other = made_from != self.text;
        if !is_other && !healed {
            return false;
        }
        let news = generation.is_news(self.index, made_from);
        if is_other {
            let mut complain = |line: &str| {
                if news {
                    log.write(Level::Warning, line);
                }
            };
            self.list = AgentList::compile(&self.path, &text, &mut complain);
            self.text = made_from;
        }
        if news {
            let text = format!("{}: read, {} lines hold", self.path.display(), self.list.len());
            log.write(Level::Info, text);
        }
        is_other
    }
}

/// Both lists, as one process has them.
#[derive(Clone, Debug)]
pub struct AgentFiles {
    /// The SIP-asymmetric clients.
    pub sip: AgentFile,
    /// The RTP-asymmetric clients.
    pub rtp: AgentFile,
    /// The generation they were read at.
    number: u64,
}

impl AgentFiles {
    /// Reads both for the first time, before the server forks.
    pub fn open(settings: &Settings, generation: Generation<'_>, log: &Log) -> Self {
        let sip = AgentFile::open(settings.sip_asymmetrics(), 0, generation, log);
        let rtp = AgentFile::open(settings.rtp_asymmetrics(), 1, generation, log);
        let files = AgentFiles { sip, rtp, number: generation.number() };
        let seen: Option<Vec<Print>> = files.watched().map(|file| file.print).collect();
        if let Some(prints) = seen {
            generation.looked(file::number(&prints, file::wall()));
        }
        files
    }

    /// Those of the two that are files, and may change.
    pub fn watched(&self) -> impl Iterator<Item = &AgentFile> {
        [&self.sip, &self.rtp].into_iter().filter(|file| file.is_watched())
    }

    /// True when no client can be on a list, now or later.
    #[inline]
    pub fn are_none(&self) -> bool {
        !self.sip.is_watched() && !self.rtp.is_watched()
    }

    /// True when both lists are empty now: no client needs to be looked up.
    #[inline]
    pub fn are_empty(&self) -> bool {
        self.sip.list.is_empty() && self.rtp.list.is_empty()
    }

    /// True when the last reading of one of them failed.
    #[inline]
    pub fn are_failed(&self) -> bool {
        self.sip.failed || self.rtp.failed
    }

    /// The generation they were read at.
    #[inline]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// True when one of the files is not what was read.
    pub fn look_changed(&self) -> bool {
        self.sip.looks_changed() || self.rtp.looks_changed()
    }

    /// Reads both again. True when a list is another one now.
    pub fn read(&mut self, generation: Generation<'_>, log: &Log) -> bool {
        self.number = generation.number();
        let sip = self.sip.read(generation, log);
        self.rtp.read(generation, log) || sip
    }
}

fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
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
            file.read(Generation::new(&self.words), &self.log)
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
        assert!(file.list().is_empty() && file.is_watched());
        assert_eq!(bench.told(), Vec::<String>::new(), "a missing file is an empty list");

        fs::write(bench.path(), "Cisco\n([\n").unwrap();
        let mut other = file.clone();
        assert!(file.looks_changed());
        assert!(bench.read(&mut file) && file.list().matches(b"cisco"));
        let told = bench.told();
        assert!(told[0].contains("clients:2: "), "{told:?}");
        assert!(told[1].ends_with("clients: read, 1 lines hold"), "{told:?}");
        assert!(bench.read(&mut other) && other.list().matches(b"cisco"));
        assert!(!bench.read(&mut file), "nothing changed");
        assert_eq!(bench.told(), Vec::<String>::new(), "another process says the same");

        fs::remove_file(bench.path()).unwrap();
        assert!(file.looks_changed() && bench.read(&mut file));
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
        assert!(!bench.read(&mut file) && file.is_failed());
        assert!(file.list().matches(b"cisco"));
        assert!(file.looks_changed(), "it is tried again");
        assert!(!bench.read(&mut file));
        let told = bench.told();
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains(bench.path().to_str().unwrap()), "{told:?}");
        assert!(told[0].ends_with("the list as it was read last holds"), "{told:?}");

        fs::remove_file(bench.path()).unwrap();
        fs::write(bench.path(), "Cisco\n").unwrap();
        assert!(!bench.read(&mut file), "the same list");
        assert!(!file.is_failed());
        assert_eq!(bench.told().len(), 1, "but it is told that it can be read again");
    }

    #[test]
    fn no_path_is_no_list() {
        let words = Default::default();
        let generation = Generation::new(&words);
        let mut file = AgentFile::open(PathBuf::new(), 0, generation, &Log::none());
        assert!(
            !file.is_watched() && !file.looks_changed() && !file.read(generation, &Log::none())
        );
    }
}
