//! A value that differs when a file was changed, from one or two calls of stat.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The resolution of time stamps: a tick of the kernel (at most 10 ms), on some
/// file systems one second, on FAT two.
const TICK: Duration = Duration::from_millis(50);
const COARSE: Duration = Duration::from_millis(2100);

/// The state of a path, and of its target when it is a symbolic link. The time of
/// status change is part of it, since a change of mode, or a copy with preserved
/// times, does not change the time of modification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint {
    path: StatSnapshot,
    target: Option<StatSnapshot>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum StatSnapshot {
    There { device: u64, inode: u64, size: u64, modified: (i64, i64), changed: (i64, i64) },
    Not(Option<i32>),
}

impl StatSnapshot {
    fn at(found: &io::Result<std::fs::Metadata>) -> StatSnapshot {
        match found {
            Ok(data) => StatSnapshot::There {
                device: data.dev(),
                inode: data.ino(),
                size: data.size(),
                modified: (data.mtime(), data.mtime_nsec()),
                changed: (data.ctime(), data.ctime_nsec()),
            },
            Err(error) => StatSnapshot::Not(error.raw_os_error()),
        }
    }

    /// A file may be changed twice within the resolution of its time stamps and be
    /// equal after both. This is false until that time has passed.
    fn is_settled(&self, wall: Duration) -> bool {
        let StatSnapshot::There { modified, changed, .. } = self else { return true };
        [modified, changed].into_iter().all(|&(seconds, nanos)| {
            let (Ok(seconds), Ok(nanos)) = (u64::try_from(seconds), u32::try_from(nanos)) else {
                return true;
            };
            let stamp = Duration::new(seconds, nanos);
            let grain = if nanos == 0 { COARSE } else { TICK };
            // A time stamp in the far future must not keep it unsettled for ever.
            stamp.abs_diff(wall) > grain
        })
    }
}

impl Fingerprint {
    /// The present state of `path`.
    pub fn of(path: &Path) -> Fingerprint {
        let found = std::fs::symlink_metadata(path);
        let is_link = found.as_ref().is_ok_and(|data| data.file_type().is_symlink());
        let target = is_link.then(|| StatSnapshot::at(&std::fs::metadata(path)));
        Fingerprint { path: StatSnapshot::at(&found), target }
    }

    /// True when each later change will give another value. `wall` is the time
    /// since 1970.
    pub fn is_settled(&self, wall: Duration) -> bool {
        self.path.is_settled(wall) && self.target.is_none_or(|target| target.is_settled(wall))
    }
}

/// The wall clock, as in the time stamps of files.
pub(crate) fn wall() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// One number for several files. While one of them is not settled, the number
/// differs each time, so that the files are compared again.
pub(crate) fn combine(prints: &[Fingerprint], wall: Duration) -> u64 {
    let mut hasher = DefaultHasher::new();
    prints.hash(&mut hasher);
    if !prints.iter().all(|print| print.is_settled(wall)) {
        wall.hash(&mut hasher);
    }
    // 0 means that no fingerprint is stored yet.
    hasher.finish() | 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reload::test_directory as directory;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    /// Stamps differ between changes only when a tick lies between them.
    fn tick() {
        std::thread::sleep(Duration::from_millis(20));
    }

    #[test]
    fn every_kind_of_change_shows() {
        let directory = directory("changes");
        let path = directory.join("list");
        let mut seen = Fingerprint::of(&path);
        let mut changed = |what: &str| {
            let now = Fingerprint::of(&path);
            assert_ne!(now, seen, "{what}");
            assert_eq!(now, Fingerprint::of(&path));
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
    fn reading_changes_nothing() {
        let directory = directory("reading");
        let path = directory.join("list");
        fs::write(&path, "one").unwrap();
        let before = Fingerprint::of(&path);
        tick();
        fs::read(&path).unwrap();
        assert_eq!(Fingerprint::of(&path), before);
        fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn fresh_stamp_is_not_settled_until_its_tick_is_over() {
        let at = |nanos| {
            let stamp = (1000, nanos);
            let (device, inode, size) = (1, 2, 3);
            let path = StatSnapshot::There { device, inode, size, modified: stamp, changed: stamp };
            Fingerprint { path, target: None }
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
        assert_ne!(combine(&one, early), combine(&one, late));
        let (early, late) = (Duration::new(2000, 0), Duration::new(2001, 0));
        assert_eq!(combine(&one, early), combine(&one, late));
        assert_ne!(combine(&one, early), combine(&[at(6_000_000)], early));
    }
}
