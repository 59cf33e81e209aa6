//! Finds changed files for all processes of the server. Fingerprints are compared
//! once a second, and sooner after an event of inotify. The comparison alone is
//! sufficient.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::keeper::duty::Duty;
use crate::log::{Level, Log};
use crate::reload::{self, Bell, COMPARE_EVERY, DirectoryWatcher, Fingerprint};
use crate::shared::Generation;

/// After an event the comparison waits this long for further ones, since one
/// change often causes several (milliseconds).
const COALESCE: u64 = 50;

/// The files of one generation.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) files: Vec<PathBuf>,
    pub(super) generation: for<'s> fn(&'s crate::Engine) -> Generation<'s>,
}

/// The duty: the watched files, and the time of the next comparison.
#[derive(Debug)]
pub(super) struct Reload {
    groups: Vec<Group>,
    compare_at: u64,
    source: Source,
    bell: Arc<Bell>,
}

/// The source of events.
#[derive(Debug)]
enum Source {
    /// inotify is not started yet.
    NotStarted,
    Inotify {
        watcher: DirectoryWatcher,
        watched: Vec<Option<Identity>>,
    },
    /// No events: files are compared once a second only.
    Poll,
}

/// The device and inode of a directory, which change when another directory gets
/// its name.
type Identity = (u64, u64);

impl Reload {
    /// A duty that has started no inotify watcher yet. With `poll` it never does.
    pub(super) fn new(mut groups: Vec<Group>, poll: bool, bell: Arc<Bell>) -> Self {
        groups.retain(|group| !group.files.is_empty());
        let source = if poll { Source::Poll } else { Source::NotStarted };
        Reload { groups, compare_at: 0, source, bell }
    }

    /// Compares the files if that is due, and raises the generation of each group
    /// that has changed. True when a group has changed.
    fn compare(&mut self, engine: &crate::Engine, now: u64) -> bool {
        if self.groups.is_empty() {
            self.compare_at = u64::MAX;
            return false;
        }
        if matches!(self.source, Source::NotStarted) {
            self.start_inotify(engine.log());
        }
        if self.bell.take() {
            self.compare_at = self.compare_at.min(now.saturating_add(COALESCE));
        }
        if now < self.compare_at {
            return false;
        }
        self.compare_at = now.saturating_add(COMPARE_EVERY);
        self.watch_new_directories(engine.log());
        let wall = reload::wall();
        let mut changed = false;
        for group in &self.groups {
            let prints: Vec<Fingerprint> =
                group.files.iter().map(|path| Fingerprint::of(path)).collect();
            let generation = (group.generation)(engine);
            changed |= generation.update_fingerprint(reload::combine(&prints, wall));
        }
        changed
    }

    fn files(&self) -> Vec<PathBuf> {
        let files = self.groups.iter().flat_map(|group| &group.files);
        files.filter_map(|file| std::path::absolute(file).ok()).collect()
    }

    fn start_inotify(&mut self, log: &Log) {
        let files = self.files();
        let watched = identities(&files);
        self.source = match DirectoryWatcher::new(&files, &self.bell) {
            Ok(watcher) => Source::Inotify { watcher, watched },
            Err(error) => {
                let text = format!("inotify unavailable ({error}); comparing files once a second");
                log.write(Level::Warning, text);
                Source::Poll
            }
        };
    }

    /// Starts inotify again when a directory was created or replaced, which is not
    /// watched yet.
    fn watch_new_directories(&mut self, log: &Log) {
        let Source::Inotify { watched, .. } = &self.source else { return };
        if *watched != identities(&self.files()) {
            self.source = Source::NotStarted;
            self.start_inotify(log);
        }
    }
}

impl Duty for Reload {
    fn turn(&mut self, engine: &crate::Engine, now: u64) -> u64 {
        self.compare(engine, now);
        self.compare_at
    }

    fn release(&mut self, _: &crate::Engine, _: u64) {
        self.compare_at = 0;
        if let Source::Inotify { .. } = self.source {
            self.source = Source::NotStarted;
        }
        // An event before this would make the descriptor stay readable.
        self.bell.take();
    }

    fn abandon(&mut self) {
        if let Source::Inotify { watcher, .. } = std::mem::replace(&mut self.source, Source::Poll) {
            watcher.abandon();
        }
    }
}

fn identities(files: &[PathBuf]) -> Vec<Option<Identity>> {
    let of = |directory: &Path| std::fs::metadata(directory).ok().map(|d| (d.dev(), d.ino()));
    files.iter().map(|file| file.parent().and_then(of)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Engine;
    use crate::settings::Settings;
    use std::fs;

    struct Bench {
        directory: PathBuf,
        engine: Arc<Engine>,
        watch: Reload,
        bell: Arc<Bell>,
    }

    impl Bench {
        fn new(name: &str, poll: bool) -> Bench {
            let directory =
                std::env::temp_dir().join(format!("watch-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&directory);
            let list = directory.join("clients");
            let mut settings = Settings::new();
            settings.set("sip_asymmetrics", list.to_str().unwrap()).unwrap();
            settings.set("rtp_asymmetrics", "").unwrap();
            settings.set("max_calls", "16").unwrap();
            let engine = Engine::new(settings, Log::none()).unwrap();
            let bell = Arc::new(Bell::new().unwrap());
            let group = Group { files: vec![list], generation: |engine| engine.shared().lists() };
            let watch = Reload::new(vec![group], poll, Arc::clone(&bell));
            Bench { directory, engine, watch, bell }
        }

        fn turn(&mut self, now: u64) -> bool {
            self.watch.compare(&self.engine, now)
        }

        fn write(&self) {
            fs::create_dir_all(&self.directory).unwrap();
            fs::write(self.directory.join("clients"), "Cisco\n").unwrap();
        }
    }

    impl Drop for Bench {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.directory);
        }
    }

    #[test]
    fn files_are_compared_once_a_second() {
        let mut bench = Bench::new("second", true);
        assert!(!bench.turn(10_000), "as the engine has read it");
        bench.write();
        assert!(!bench.turn(10_999));
        assert_eq!(bench.watch.compare_at, 11_000);
        assert!(bench.turn(11_000));
        assert_eq!(bench.engine.shared().lists().number(), 1);
        assert_eq!(bench.watch.compare_at, 12_000);
    }

    #[test]
    fn comparison_waits_50_ms_after_an_event() {
        let mut bench = Bench::new("coalesce", true);
        bench.turn(10_000);
        bench.write();
        bench.bell.ring();
        assert!(!bench.turn(10_100));
        bench.bell.ring();
        assert!(!bench.turn(10_149));
        assert_eq!(bench.watch.compare_at, 10_150);
        assert!(bench.turn(10_150));
    }

    #[test]
    fn directory_created_or_replaced_later_is_watched() {
        let mut bench = Bench::new("directory", false);
        bench.turn(10_000);
        let mut events = 0;
        let mut now = 10_000;
        for _ in 0..2 {
            bench.write();
            now += COMPARE_EVERY;
            assert!(bench.turn(now));
            // From here on inotify watches the directory.
            bench.bell.take();
            fs::write(bench.directory.join("clients"), "Snom\n").unwrap();
            let end = std::time::Instant::now() + std::time::Duration::from_secs(10);
            while !bench.bell.take() {
                assert!(std::time::Instant::now() < end, "no event");
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
            events += 1;
            let moved = bench.directory.with_extension("moved");
            let _ = fs::remove_dir_all(&moved);
            fs::rename(&bench.directory, &moved).unwrap();
        }
        assert_eq!(events, 2);
        fs::remove_dir_all(bench.directory.with_extension("moved")).unwrap();
    }

    #[test]
    fn bell_that_rang_while_another_keeper_works_wakes_once() {
        let mut bench = Bench::new("rest", true);
        bench.bell.ring();
        let engine = bench.engine.clone();
        bench.watch.release(&engine, 10_000);
        assert!(!bench.bell.take());
    }

    #[test]
    fn second_keeper_raises_no_generation_without_a_change() {
        let mut bench = Bench::new("another", true);
        bench.write();
        // Until the file's fingerprint is settled.
        std::thread::sleep(std::time::Duration::from_millis(100));
        assert!(bench.turn(10_000));
        let group = Group {
            files: vec![bench.directory.join("clients")],
            generation: |engine| engine.shared().lists(),
        };
        let mut other = Reload::new(vec![group], true, Arc::clone(&bench.bell));
        assert!(!other.compare(&bench.engine, 10_500));
        assert_eq!(bench.engine.shared().lists().number(), 1);
    }
}
