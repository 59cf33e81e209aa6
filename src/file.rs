//! Files that are read again when they change: reading one whole, and whether
//! it is still what was read. The latter by what the file system says of it,
//! for the price of one or two calls of stat.

use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::error::{Error, Result};
use crate::log::{Level, Log};
use crate::shared::Generation;

/// The longest file that is read, in bytes.
pub const MAX_FILE: u64 = 1024 * 1024;

/// File systems stamp with the kernel's tick (10 ms at most), some with whole
/// seconds, FAT with two.
const TICK: Duration = Duration::from_millis(50);
const COARSE: Duration = Duration::from_millis(2100);

/// What a path looked like: itself, and what it leads to when it is a symbolic
/// link. Times of change are looked at beside those of modification: a mode
/// that was changed, and contents that were copied with their old time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Print {
    path: Look,
    target: Option<Look>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Look {
    There { device: u64, inode: u64, size: u64, modified: (i64, i64), changed: (i64, i64) },
    Not(Option<i32>),
}

impl Look {
    fn at(found: &io::Result<std::fs::Metadata>) -> Look {
        match found {
            Ok(data) => Look::There {
                device: data.dev(),
                inode: data.ino(),
                size: data.size(),
                modified: (data.mtime(), data.mtime_nsec()),
                changed: (data.ctime(), data.ctime_nsec()),
            },
            Err(error) => Look::Not(error.raw_os_error()),
        }
    }

    /// A file may be changed twice within one tick of its clock, and look the
    /// same after both. It can be relied upon when the tick is over.
    fn is_settled(&self, wall: Duration) -> bool {
        let Look::There { modified, changed, .. } = self else { return true };
        [modified, changed].into_iter().all(|&(seconds, nanos)| {
            let (Ok(seconds), Ok(nanos)) = (u64::try_from(seconds), u32::try_from(nanos)) else {
                return true;
            };
            let stamp = Duration::new(seconds, nanos);
            let grain = if nanos == 0 { COARSE } else { TICK };
            // A stamp far ahead is no reason to look for ever.
            stamp.abs_diff(wall) > grain
        })
    }
}

impl Print {
    /// How `path` looks now.
    pub fn of(path: &Path) -> Print {
        let found = std::fs::symlink_metadata(path);
        let is_link = found.as_ref().is_ok_and(|data| data.file_type().is_symlink());
        let target = is_link.then(|| Look::at(&std::fs::metadata(path)));
        Print { path: Look::at(&found), target }
    }

    /// True when any later change will show. `wall` is the time since 1970.
    pub fn is_settled(&self, wall: Duration) -> bool {
        self.path.is_settled(wall) && self.target.is_none_or(|target| target.is_settled(wall))
    }
}

/// A file as one process has read it.
#[derive(Clone, Debug)]
pub struct Watched {
    path: PathBuf,
    /// Which of its generation's files it is.
    index: usize,
    /// What was read last: its hash.
    text: u64,
    /// How the file looked then, if that can be relied upon.
    print: Option<Print>,
    /// The last reading failed; what was read is older.
    failed: bool,
}

/// What a file says now.
#[derive(Debug)]
pub struct Text {
    /// All of it; nothing where there is no file.
    pub bytes: Vec<u8>,
    /// No other process has told the log of it yet.
    pub is_news: bool,
}

impl Watched {
    /// A file that was not read yet: so far it is empty. An empty path is no
    /// file.
    pub fn new(path: PathBuf, index: usize) -> Self {
        Watched { path, index, text: hash(b""), print: None, failed: false }
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
    pub fn print(&self) -> Option<Print> {
        self.print
    }

    /// True when the file is not what was read, as far as its looks tell.
    pub fn looks_changed(&self) -> bool {
        let is_same = |seen: Print| !self.failed && seen == Print::of(&self.path);
        self.is_some() && !self.print.is_some_and(is_same)
    }

    /// Reads the file: what it says, if that is not what was read before. Where
    /// it cannot be read that is told, by one of all processes that try.
    pub fn read(&mut self, generation: Generation<'_>, log: &Log) -> Option<Text> {
        if !self.is_some() {
            return None;
        }
        // Looked at first: what changes while it is read is read once more.
        let print = Print::of(&self.path);
        self.print = print.is_settled(wall()).then_some(print);
        let bytes = match read(&self.path) {
            Ok(bytes) => bytes.unwrap_or_default(),
            Err(error) => {
                self.failed = true;
                if generation.is_news(self.index, hash(error.text().as_bytes())) {
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
        let is_news = generation.is_news(self.index, text);
        if healed && is_news {
            log.write(Level::Info, format_args!("{} can be read again", self.path.display()));
        }
        self.text = text;
        is_other.then_some(Text { bytes, is_news })
    }
}

fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}

/// The wall clock, which files are stamped with.
pub fn wall() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// One number for how several files look. While one of them is not settled it
/// differs each time: look again.
pub fn number(prints: &[Print], wall: Duration) -> u64 {
    let mut hasher = DefaultHasher::new();
    prints.hash(&mut hasher);
    if !prints.iter().all(|print| print.is_settled(wall)) {
        wall.hash(&mut hasher);
    }
    // 0 stands for nothing seen yet.
    hasher.finish() | 1
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
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::PathBuf;

    fn directory(name: &str) -> PathBuf {
        let directory =
            std::env::temp_dir().join(format!("mediaproxy-print-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(&directory).unwrap();
        directory
    }

    /// Stamps differ between changes only when a tick lies between them.
    fn tick() {
        std::thread::sleep(Duration::from_millis(20));
    }

    #[test]
    fn every_kind_of_change_shows() {
        let directory = directory("changes");
        let path = directory.join("list");
        let mut seen = Print::of(&path);
        let mut changed = |what: &str| {
            let now = Print::of(&path);
            assert_ne!(now, seen, "{what}");
            assert_eq!(now, Print::of(&path));
            seen = now;
            tick();
        };
        fs::write(&path, "one").unwrap();
        changed("made");
        fs::write(&path, "two").unwrap();
        changed("edited in place, same length");
        fs::write(directory.join("new"), "two").unwrap();
        fs::rename(directory.join("new"), &path).unwrap();
        changed("replaced by its like");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
        changed("mode");
        let old = fs::metadata(&path).unwrap().modified().unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, "six").unwrap();
        fs::File::options().write(true).open(&path).unwrap().set_modified(old).unwrap();
        changed("edited, its time put back");
        fs::remove_file(&path).unwrap();
        changed("deleted");

        for target in ["a", "b"] {
            fs::write(directory.join(target), "x").unwrap();
        }
        symlink(directory.join("a"), &path).unwrap();
        changed("a symbolic link");
        fs::write(directory.join("a"), "y").unwrap();
        changed("what the link leads to, edited");
        symlink(directory.join("b"), directory.join("link")).unwrap();
        fs::rename(directory.join("link"), &path).unwrap();
        changed("the link leads elsewhere");
        fs::remove_file(directory.join("b")).unwrap();
        changed("the link leads nowhere");
        fs::remove_dir_all(&directory).unwrap();
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

    #[test]
    fn reading_changes_nothing() {
        let directory = directory("reading");
        let path = directory.join("list");
        fs::write(&path, "one").unwrap();
        let before = Print::of(&path);
        tick();
        fs::read(&path).unwrap();
        assert_eq!(Print::of(&path), before);
        fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn a_fresh_stamp_is_looked_at_again_until_its_tick_is_over() {
        let at = |nanos| {
            let stamp = (1000, nanos);
            let (device, inode, size) = (1, 2, 3);
            let path = Look::There { device, inode, size, modified: stamp, changed: stamp };
            Print { path, target: None }
        };
        let fine = Duration::new(1000, 5_000_000);
        assert!(!at(5_000_000).is_settled(fine));
        assert!(!at(5_000_000).is_settled(fine + TICK));
        assert!(at(5_000_000).is_settled(fine + TICK + Duration::from_nanos(1)));
        assert!(!at(0).is_settled(Duration::new(1002, 0)), "stamps of whole seconds");
        assert!(at(0).is_settled(Duration::new(1003, 0)));
        assert!(at(0).is_settled(Duration::new(10, 0)), "a stamp far ahead");

        let (early, late) = (Duration::new(1000, 6_000_000), Duration::new(1000, 7_000_000));
        let one = [at(5_000_000)];
        assert_ne!(number(&one, early), number(&one, late));
        let (early, late) = (Duration::new(2000, 0), Duration::new(2001, 0));
        assert_eq!(number(&one, early), number(&one, late));
        assert_ne!(number(&one, early), number(&[at(6_000_000)], early));
    }
}
