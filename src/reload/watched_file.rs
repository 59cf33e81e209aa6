//! A file that is read again when it changes.

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
    /// Its index among the files of its generation.
    index: usize,
    /// The hash of the content read last.
    text: u64,
    /// The fingerprint at that time, if it is settled.
    fingerprint: Option<Fingerprint>,
    /// The last read failed; the content is from an earlier one.
    failed: bool,
}

/// The new content of a file.
#[derive(Debug)]
pub struct Text {
    /// The content; empty for a missing file.
    pub bytes: Vec<u8>,
    /// True for the first process that read this content, which logs it.
    pub is_first_report: bool,
}

impl WatchedFile {
    /// A file that was not read yet and counts as empty. An empty path means no
    /// file.
    pub fn new(path: PathBuf, index: usize) -> Self {
        WatchedFile { path, index, text: hash(b""), fingerprint: None, failed: false }
    }

    /// The path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// True when the path is set.
    #[inline]
    pub fn is_some(&self) -> bool {
        !self.path.as_os_str().is_empty()
    }

    /// True when the last read failed.
    #[inline]
    pub fn is_failed(&self) -> bool {
        self.failed
    }

    /// The fingerprint of the last read, if it is settled.
    pub fn fingerprint(&self) -> Option<Fingerprint> {
        self.fingerprint
    }

    /// True when the fingerprint differs from that of the last read.
    pub fn has_changed(&self) -> bool {
        let is_same = |seen: Fingerprint| !self.failed && seen == Fingerprint::of(&self.path);
        self.is_some() && !self.fingerprint.is_some_and(is_same)
    }

    /// Reads the file and returns its content, if that differs from the last read.
    /// A file that cannot be read is logged, by the first process that tries.
    pub fn read(&mut self, generation: Generation<'_>, log: &Log) -> Option<Text> {
        if !self.is_some() {
            return None;
        }
        // Taken before reading: a change during the read is then found later.
        let print = Fingerprint::of(&self.path);
        self.fingerprint = print.is_settled(wall()).then_some(print);
        let bytes = match read(&self.path) {
            Ok(bytes) => bytes.unwrap_or_default(),
            Err(error) => {
                self.failed = true;
                if generation.first_to_report(self.index, hash(error.text().as_bytes())) {
                    log.write(Level::Error, format_args!("{error}; keeping the previous content"));
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

/// The content of a file; `None` for a missing one. A file that cannot be read or
/// is longer than 1 MiB is an error that names it.
pub fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    let system = |error: io::Error| Error::system(path.display(), &error);
    // Opening a named pipe would wait for its other end.
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
    use crate::reload::test_directory as directory;
    use std::fs;

    #[test]
    fn read_handles_missing_long_and_special_files() {
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
