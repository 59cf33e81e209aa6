//! The relays file: one relay in each line, read again when it changes.

use std::path::Path;

use crate::error::Result;
use crate::log::{Level, Log};
use crate::relay::RelayLine;
use crate::relay::line::MAX_RELAYS;
use crate::reload::{self, WatchedFile};
use crate::shared::{Counter, Counters, Generation};

/// The relays file, as one process has read it.
#[derive(Clone, Debug)]
pub(crate) struct RelaysFile {
    file: WatchedFile,
}

impl RelaysFile {
    /// A file that was not read yet; an empty path is no file.
    pub(crate) fn new(path: &Path) -> Self {
        RelaysFile { file: WatchedFile::new(path.to_path_buf(), 0) }
    }

    /// The file itself.
    pub(crate) fn file(&self) -> &WatchedFile {
        &self.file
    }

    /// Reads the file for the first time, before the server forks, and appends its
    /// relays to `lines`. An invalid line is logged and left out: there is no
    /// earlier list to keep.
    pub(crate) fn read_first(
        &mut self,
        lines: &mut Vec<RelayLine>,
        own_socket: &Path,
        generation: Generation<'_>,
        log: &Log,
    ) {
        if let Some(text) = self.file.read(generation, log) {
            let mut warn = |line: &str| log.write(Level::Warning, line);
            lines.extend(RelayLine::read(self.file.path(), &text.bytes, own_socket, &mut warn));
            lines.truncate(MAX_RELAYS);
        }
        if let Some(fingerprint) = self.file.fingerprint() {
            generation.set_fingerprint(reload::combine(&[fingerprint], reload::wall()));
        }
    }

    /// Reads the file again and appends its relays to `lines`. False when the
    /// previous list stays: nothing has changed, the file cannot be read, or a
    /// line is invalid, which is logged with file and line. A typing error must
    /// not remove a relay from the list.
    pub(crate) fn read_again(
        &mut self,
        lines: &mut Vec<RelayLine>,
        own_socket: &Path,
        generation: Generation<'_>,
        counters: Counters<'_>,
        log: &Log,
    ) -> bool {
        let Some(text) = self.file.read(generation, log) else { return false };
        let path = self.file.path();
        let mut invalid = 0u32;
        let mut warn = |line: &str| {
            invalid = invalid.saturating_add(1);
            if text.is_first_report {
                log.write(Level::Error, line);
            }
        };
        let read = RelayLine::read(path, &text.bytes, own_socket, &mut warn);
        if text.is_first_report {
            let (path, count) = (path.display(), read.len());
            match invalid {
                0 => log.write(Level::Info, format_args!("{path}: loaded {count} relays")),
                _ => {
                    let text = "invalid entries; keeping the previous relay list";
                    log.write(Level::Error, format_args!("{path}: {invalid} {text}"));
                }
            }
            counters.count(Counter::RelaysFileChanges);
        }
        lines.extend(read);
        lines.truncate(MAX_RELAYS);
        invalid == 0
    }

    /// Appends the relays that the file has now to `lines`. Writes no log line.
    /// `Status::System` when the file cannot be read.
    pub(crate) fn load_quietly(&self, lines: &mut Vec<RelayLine>, own_socket: &Path) -> Result<()> {
        if self.file.is_some() {
            lines.extend(RelayLine::load(self.file.path(), own_socket, &mut |_| ())?);
            lines.truncate(MAX_RELAYS);
        }
        Ok(())
    }
}
