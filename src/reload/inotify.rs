//! inotify watcher. Optional: without it, changes are found by comparing files once
//! a second.
//!
//! `notify` runs a thread, which a forked child does not have; dropping the watcher
//! there would fail. So the process that ticks makes it, and only that process
//! drops it.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{
    Config, ErrorKind, Event, EventHandler, EventKind, INotifyWatcher, RecursiveMode, Watcher,
};

use crate::sys::epoll::Waker;
use crate::sys::signal::without_signals;

/// Makes the keeper's descriptor ready, from the watcher's thread.
#[derive(Debug)]
pub(crate) struct Bell {
    pub(crate) waker: Waker,
    rung: AtomicBool,
}

impl Bell {
    pub(crate) fn new() -> std::io::Result<Self> {
        Ok(Bell { waker: Waker::new()?, rung: AtomicBool::new(false) })
    }

    pub(crate) fn ring(&self) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            self.waker.wake();
        }
    }

    /// True when it rang since the last call.
    pub(crate) fn take(&self) -> bool {
        // In this order, a ring in between makes it ready once more, not never.
        self.waker.clear();
        self.rung.swap(false, Ordering::AcqRel)
    }
}

/// A running watcher.
#[derive(Debug)]
pub(crate) struct DirectoryWatcher {
    watcher: Option<INotifyWatcher>,
    /// Closed by the thread when it ends.
    ended: mpsc::Receiver<()>,
}

/// How long to wait for the thread to end.
const ENDS_WITHIN: Duration = Duration::from_secs(1);

/// Selects the events that may be a change of one of the files.
struct Filter {
    directories: BTreeSet<PathBuf>,
    names: BTreeSet<OsString>,
}

impl Filter {
    fn concerns(&self, event: &notify::Result<Event>) -> bool {
        let Ok(event) = event else { return true };
        match event.kind {
            EventKind::Access(AccessKind::Close(AccessMode::Write)) => {}
            // A process reads the file, most often a worker.
            EventKind::Access(_) => return false,
            _ => {}
        }
        event.need_rescan()
            || event.paths.iter().any(|path| {
                path.file_name().is_some_and(|name| self.names.contains(name))
                    || self.directories.contains(path)
            })
    }
}

/// Handles the events in the thread. The fields are dropped in this order: when the
/// channel closes, all others have been dropped.
struct Handler {
    filter: Filter,
    bell: Arc<Bell>,
    _end: mpsc::Sender<()>,
}

impl EventHandler for Handler {
    fn handle_event(&mut self, event: notify::Result<Event>) {
        if self.filter.concerns(&event) {
            self.bell.ring();
        }
    }
}

impl DirectoryWatcher {
    /// Watches the parent directories of `files`, which are absolute paths. A
    /// missing directory is skipped. The error is a text for the log.
    pub(crate) fn new(files: &[PathBuf], bell: &Arc<Bell>) -> Result<DirectoryWatcher, String> {
        let directories: BTreeSet<PathBuf> =
            files.iter().filter_map(|file| file.parent()).map(Path::to_path_buf).collect();
        let names = files.iter().filter_map(|file| file.file_name()).map(OsString::from).collect();
        let filter = Filter { directories: directories.clone(), names };
        let (end, ended) = mpsc::channel::<()>();
        let handler = Handler { filter, bell: Arc::clone(bell), _end: end };
        let made = without_signals(|| INotifyWatcher::new(handler, Config::default()));
        let mut watcher = made.map_err(|error| error.to_string())?;
        if ended.try_recv() == Err(mpsc::TryRecvError::Disconnected) {
            // The thread did not start, which `notify` does not report; further
            // calls and dropping the watcher would panic.
            std::mem::forget(watcher);
            return Err("its thread could not be started".to_string());
        }
        for directory in &directories {
            // The thread answers; `watch` panics if the thread has ended.
            let watched = catch_unwind(AssertUnwindSafe(|| {
                watcher.watch(directory, RecursiveMode::NonRecursive)
            }));
            let error = match watched {
                Ok(Ok(())) => continue,
                Ok(Err(error)) if matches!(error.kind, ErrorKind::PathNotFound) => continue,
                Ok(Err(error)) => error.to_string(),
                Err(_) => {
                    std::mem::forget(watcher);
                    return Err("its thread has died".to_string());
                }
            };
            drop(DirectoryWatcher { watcher: Some(watcher), ended });
            return Err(error);
        }
        Ok(DirectoryWatcher { watcher: Some(watcher), ended })
    }

    /// Drops the watcher in a forked child, which does not have its thread.
    pub(crate) fn abandon(mut self) {
        std::mem::forget(self.watcher.take());
    }
}

impl Drop for DirectoryWatcher {
    fn drop(&mut self) {
        let Some(watcher) = self.watcher.take() else { return };
        // Dropping the watcher signals its thread and does not wait for it. The
        // thread closes its descriptors first and its end of the channel last.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(watcher)));
        let _ = self.ended.recv_timeout(ENDS_WITHIN);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use notify::event::{CreateKind, DataChange, Flag, MetadataKind, ModifyKind, RemoveKind};
    use std::time::Instant;

    fn filter() -> Filter {
        Filter {
            directories: [PathBuf::from("/etc/x")].into(),
            names: [OsString::from("clients")].into(),
        }
    }

    fn event(kind: EventKind, path: &str) -> notify::Result<Event> {
        Ok(Event::new(kind).add_path(PathBuf::from(path)))
    }

    #[test]
    fn filter_accepts_a_change_of_a_file_and_no_read() {
        let written = EventKind::Access(AccessKind::Close(AccessMode::Write));
        for kind in [
            written,
            EventKind::Create(CreateKind::File),
            EventKind::Modify(ModifyKind::Data(DataChange::Any)),
            EventKind::Modify(ModifyKind::Metadata(MetadataKind::Any)),
            EventKind::Remove(RemoveKind::File),
        ] {
            assert!(filter().concerns(&event(kind, "/etc/x/clients")), "{kind:?}");
            assert!(!filter().concerns(&event(kind, "/etc/x/other")), "{kind:?}");
            assert!(filter().concerns(&event(kind, "/etc/x")), "{kind:?}: the directory itself");
        }
        for access in [
            AccessKind::Open(AccessMode::Any),
            AccessKind::Close(AccessMode::Read),
            AccessKind::Read,
        ] {
            assert!(!filter().concerns(&event(EventKind::Access(access), "/etc/x/clients")));
        }
    }

    #[test]
    fn filter_accepts_lost_events() {
        assert!(filter().concerns(&Ok(Event::new(EventKind::Other).set_flag(Flag::Rescan))));
        assert!(filter().concerns(&Err(notify::Error::generic("x"))));
    }

    #[test]
    fn bell_rings_for_a_change_and_the_thread_ends_with_the_watcher() {
        let directory = std::env::temp_dir().join(format!("inotify-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let path = directory.join("clients");
        let bell = Arc::new(Bell::new().unwrap());
        let missing = directory.join("missing/clients");
        let watcher = DirectoryWatcher::new(&[path.clone(), missing], &bell).unwrap();
        assert!(!bell.take());
        std::fs::write(&path, "x").unwrap();
        let end = Instant::now() + Duration::from_secs(10);
        while !bell.take() {
            assert!(Instant::now() < end, "no event");
            std::thread::sleep(Duration::from_millis(5));
        }
        drop(watcher);
        assert_eq!(Arc::strong_count(&bell), 1, "the thread has ended and dropped its bell");
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
