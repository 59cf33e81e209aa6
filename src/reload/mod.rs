//! Files that are read again when they change: the client lists and the relays
//! file. The keeper compares fingerprints once a second and raises a generation
//! in the shared block; each process then reads the file itself. inotify only
//! makes the comparison come sooner.

mod check;
mod fingerprint;
mod inotify;
mod watched_file;

pub(crate) use check::{COMPARE_EVERY, ReloadCheck};
pub(crate) use fingerprint::{Fingerprint, combine, wall};
pub(crate) use inotify::{Bell, DirectoryWatcher};
pub use watched_file::{MAX_FILE, Text, WatchedFile, read};

/// An empty directory for a unit test, which removes it.
#[cfg(test)]
fn test_directory(name: &str) -> std::path::PathBuf {
    let directory =
        std::env::temp_dir().join(format!("mediaproxy-print-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&directory);
    std::fs::create_dir_all(&directory).unwrap();
    directory
}
