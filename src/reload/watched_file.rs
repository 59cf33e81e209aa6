//! A file that is read again when it changes: reading it whole, and whether it
//! is still what was read.

use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use super::fingerprint::{Fingerprint, wall};
use crate::error::{Error, Result};
use crate::log::{Level, Log};
use crate::shared::Generation;

/// The longest file that is read, in bytes.
pub const MAX_FILE: u64 = 1024 * 1024;

/// A file as one process has read it.
#[derive(Clone, Debug)]
pub struct WatchedFile {
    path: PathBuf,
    /// Which of its generation's files it is.
    index: usize,
    /// What was read last: its hash.
    text: u64,
    /// How the file looked then, if that can be relied upon.
    fingerprint: Option<Fingerprint>,
    /// The last reading failed; what was read is older.
    failed: bool,
}

/// What a file says now.
#[derive(Debug)]
pub struct Text {
    /// All of it; nothing where there is no file.
    pub bytes: Vec<u8>,
    /// No other process has told the log of it yet.
    pub is_first_report: bool,
}

impl WatchedFile {
    /// A file that was not read yet: so far it is empty. An empty path is no
    /// file.
    pub fn new(path: PathBuf, index: usize) -> Self {
        WatchedFile { path, index, text: hash(b""), fingerprint: None, failed: false }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// True when there is a file that may change.
    #[inline]
    pub fn is_some(&self) -> bool {
        !self.path.as_os_str().is_empty()
    }

    /// True when the file could not be read and what was read is older.
    #[inline]
    pub fn is_failed(&self) -> bool {
        self.failed
    }

    /// How the file looked when it was read, if that can be relied upon.
    pub fn fingerprint(&self) -> Option<Fingerprint> {
        self.fingerprint
    }

    /// True when the file is not what was read, as far as its looks tell.
    pub fn has_changed(&self) -> bool {
        let is_same = |seen: Fingerprint| !self.failed && seen == Fingerprint::of(&self.path);
        self.is_some() && !self.fingerprint.is_some_and(is_same)
    }

    /// Reads the file: what it says, if that is not what was read before. Where
    /// it cannot be read that is told, by one of all processes that try.
    pub fn read(&mut self, generation: Generation<'_>, log: &Log) -> Option<Text> {
        if !self.is_some() {
            return None;
        }
        // Looked at first: what changes while it is read is read once more.
        let print = Fingerprint::of(&self.path);
        self.fingerprint = print.is_settled(wall()).then_some(print);
        let bytes = match read(&self.path) {
            Ok(bytes) => bytes.unwrap_or_default(),
            Err(error) => {
                self.failed = true;
                if generation.first_to_report(self.index, hash(error.text().as_bytes())) {
                    log.write(Level::Error, format_args!("{error}; what was read before holds"));
                }
                return None;
            }
        };
        let text = hash(&bytes);
        let is_other = text != self.text;
        let healed = std::mem::take(&mut self.failed);
        if !is_other && !healed {
            return None;
        }
        let is_first_report = generation.first_to_report(self.index, text);
        if healed && is_first_report {
            log.write(Level::Info, format_args!("{} can be read again", self.path.display()));
        }
        self.text = text;
        is_other.then_some(Text { bytes, is_first_report })
    }
}

fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}

/// All of a file; `None` where there is none. One that cannot be read or is
/// longer than 1 MiB is an error that names it.
pub fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    let system = |error: io::Error| Error::system(path.display(), &error);
    // Opening a pipe would wait for its other end.
    match std::fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(system(error)),
        Ok(data) if !data.is_file() => {
            return Err(system(io::Error::other("not a regular file")));
        }
        Ok(_) => {}
    }
    let file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(system)?,
    };
    let mut text = Vec::new();
    file.take(MAX_FILE.saturating_add(1)).read_to_end(&mut text).map_err(system)?;
    if text.len() as u64 > MAX_FILE {
        return Err(Error::limit(format!("{}: longer than 1 MiB", path.display())));
    }
    Ok(Some(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn directory(name: &str) -> PathBuf {
        let directory =
            std::env::temp_dir().join(format!("mediaproxy-print-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(&directory).unwrap();
        directory
    }

    #[test]
    fn files_that_are_missing_too_long_or_no_files() {
        let directory = directory("read");
        assert_eq!(read(&directory.join("missing")).unwrap(), None);
        let error = read(&directory).unwrap_err();
        assert!(error.text().contains(directory.to_str().unwrap()), "{}", error.text());
        let path = directory.join("list");
        fs::write(&path, vec![b'#'; MAX_FILE as usize]).unwrap();
        assert_eq!(read(&path).unwrap().unwrap().len() as u64, MAX_FILE);
        fs::write(&path, vec![b'#'; MAX_FILE as usize + 1]).unwrap();
        let error = read(&path).unwrap_err();
        assert!(error.text().contains("list: longer than 1 MiB"), "{}", error.text());
        fs::remove_dir_all(&directory).unwrap();
    }
}
