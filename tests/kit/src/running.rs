//! Programs that run beside a test, and what they have said so far.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// A directory of one test; its files are kept for who looks at a failure.
pub fn directory(group: &str, test: &str) -> PathBuf {
    let path = crate::target_tmp().join(group).join(test);
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).expect("a directory for the test");
    path
}

/// A path for a socket: it must be short, and nobody else's.
pub fn socket_path(role: &str) -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("mp-{role}-{}-{number}", std::process::id()))
}

/// How long something that must come may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `done` gives something.
pub fn wait_for<T>(what: &str, mut done: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = done() {
            return found;
        }
        assert!(Instant::now() < end, "{what} did not come");
        thread::sleep(Duration::from_millis(10));
    }
}

/// A program that runs, and what it has said so far. It is killed with this.
#[derive(Debug)]
pub struct Running {
    child: Child,
    output: PathBuf,
}

impl Running {
    /// Starts it; what it says goes to `output`, both descriptors.
    pub fn start(command: &mut Command, output: PathBuf) -> Running {
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

    pub fn said(&self) -> String {
        fs::read_to_string(&self.output).unwrap_or_default()
    }

    /// Waits until it has said this.
    pub fn says(&self, text: &str) {
        let mut last = String::new();
        let end = Instant::now() + PATIENCE;
        while !last.contains(text) {
            assert!(Instant::now() < end, "\"{text}\" was not said:\n{last}");
            thread::sleep(Duration::from_millis(10));
            last = self.said();
        }
    }

    pub fn pid(&self) -> libc::pid_t {
        libc::pid_t::try_from(self.child.id()).expect("a process id")
    }

    pub fn signal(&self, signal: libc::c_int) {
        let pid = self.pid();
        // SAFETY: takes no pointers; our own child, which was not waited for.
        unsafe { libc::kill(pid, signal) };
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("its state")
    }

    /// Kills it and all of its group, which it must lead.
    pub fn kill_group(&self) {
        self.signal_group(libc::SIGKILL);
    }

    pub fn signal_group(&self, signal: libc::c_int) {
        let group = self.pid();
        assert!(group > 1, "neither everybody nor the first process");
        // SAFETY: takes no pointers; the group of our own child.
        unsafe { libc::kill(-group, signal) };
    }

    /// Waits for its end.
    pub fn end(&mut self) -> ExitStatus {
        wait_for("the end of a program", || self.ended())
    }

    /// Ends it with SIGTERM; what it said, if it ended well.
    pub fn stop(mut self) -> String {
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
