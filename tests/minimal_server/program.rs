//! `minimal_server` and the relays beside it as running programs.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use crate::c_program::{self, Language, Library};

/// How long something that must come may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `done` gives something.
pub(crate) fn wait_for<T>(what: &str, mut done: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = done() {
            return found;
        }
        assert!(Instant::now() < end, "{what} did not come");
        thread::sleep(Duration::from_millis(10));
    }
}

/// The compiled server.
pub(crate) fn minimal_server() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let source = "examples/minimal_server/minimal_server.c";
        let way = (Language::C99, Library::Static);
        c_program::build("run", source, way, &c_program::library_directory())
    })
}

/// A directory of one test; its files are kept for who looks at a failure.
pub(crate) fn directory(test: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("minimal_server").join(test);
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).expect("a directory for the test");
    path
}

/// The files of a directory whose names start like this.
pub(crate) fn files(directory: &Path, start: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("a directory");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let named = |path: &PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(start))
    };
    paths.filter(named).collect()
}

/// A program that runs, and what it has said so far. It is killed with this.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    output: PathBuf,
}

impl Running {
    /// Starts it; what it says goes to `output`, both descriptors.
    pub(crate) fn start(command: &mut Command, output: PathBuf) -> Running {
        let file = File::create(&output).expect("a file for its output");
        let errors = file.try_clone().expect("the file again");
        let child = command
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(errors)
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Running { child, output }
    }

    pub(crate) fn said(&self) -> String {
        fs::read_to_string(&self.output).unwrap_or_default()
    }

    /// Waits until it has said this.
    pub(crate) fn says(&self, text: &str) {
        let mut last = String::new();
        let end = Instant::now() + PATIENCE;
        while !last.contains(text) {
            assert!(Instant::now() < end, "\"{text}\" was not said:\n{last}");
            thread::sleep(Duration::from_millis(10));
            last = self.said();
        }
    }

    pub(crate) fn pid(&self) -> libc::pid_t {
        libc::pid_t::try_from(self.child.id()).expect("a process id")
    }

    pub(crate) fn signal(&self, signal: libc::c_int) {
        let pid = self.pid();
        // SAFETY: takes no pointers; our own child, which was not waited for.
        unsafe { libc::kill(pid, signal) };
    }

    /// Waits for its end.
    pub(crate) fn end(&mut self) -> ExitStatus {
        wait_for("the end of a program", || self.child.try_wait().expect("its state"))
    }

    /// Ends it with SIGTERM; what it said, if it ended well.
    pub(crate) fn stop(mut self) -> String {
        self.signal(libc::SIGTERM);
        let status = self.end();
        let said = self.said();
        assert!(status.success(), "{status}:\n{said}");
        said
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The longest turn of an event loop, in microseconds, over all processes.
pub(crate) fn longest_turn(said: &str) -> u64 {
    let turns = said.lines().filter_map(|line| line.split_once(" turns, the longest "));
    let times = turns.map(|(_, time)| time.trim_end_matches(" us").parse().expect("a time"));
    times.max().expect("the server tells of its turns")
}

/// How long each relayed INVITE waited for its relay, in milliseconds.
pub(crate) fn waits(said: &str) -> Vec<u64> {
    let relayed = said.lines().filter(|line| line.contains("] INVITE of call "));
    let times = relayed.filter_map(|line| {
        line.split_once(" through the relay (")?.1.strip_suffix(" ms)")?.parse().ok()
    });
    times.collect()
}
