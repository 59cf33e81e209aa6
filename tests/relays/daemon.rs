//! A real relay, `mediaproxyd`, that can be killed, restarted and frozen,
//! behind a socket that keeps what was asked. It relays at an address of its
//! own, which tells in a session description who answered.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use kit::children::freeze;
use kit::directory::Directory;

pub(crate) struct Daemon {
    pub(crate) address: String,
    running: Mutex<Option<kit::daemon::Daemon>>,
    requests: Arc<Mutex<String>>,
    directory: Directory,
}

impl Daemon {
    /// One that runs.
    pub(crate) fn start() -> Daemon {
        static NEXT: AtomicU8 = AtomicU8::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let daemon = Daemon {
            address: format!("127.0.77.{number}"),
            running: Mutex::new(None),
            requests: Arc::default(),
            directory: Directory::new(),
        };
        daemon.restart();
        daemon
    }

    /// What a worker connects to.
    fn tap(&self) -> PathBuf {
        self.directory.path("tap")
    }

    pub(crate) fn uri(&self) -> String {
        format!("mediaproxy2:{};ipv6=yes", self.tap().display())
    }

    /// Runs again after [`Daemon::kill`].
    pub(crate) fn restart(&self) {
        let socket = self.directory.path("relay");
        let output = self.directory.path("output");
        let daemon = kit::daemon::Daemon::start(&[&self.address], "42000-42999", &socket, output);
        *self.running.lock().unwrap() = Some(daemon);
        let listener = UnixListener::bind(self.tap()).unwrap();
        let (requests, tap) = (self.requests.clone(), self.tap());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let Ok(relay) = UnixStream::connect(&socket) else { return };
                let (back, answers) = (stream.try_clone().unwrap(), relay.try_clone().unwrap());
                let requests = requests.clone();
                thread::spawn(move || carry(stream, relay, Some(&requests)));
                thread::spawn(move || carry(answers, back, None));
                if !tap.exists() {
                    return;
                }
            }
        });
    }

    /// Neither answers nor closes anything any more.
    pub(crate) fn freeze(&self) {
        freeze(self.running.lock().unwrap().as_ref().unwrap().running.pid());
    }

    pub(crate) fn thaw(&self) {
        self.running.lock().unwrap().as_ref().unwrap().running.signal(libc::SIGCONT);
    }

    /// Is gone, and its socket with it.
    pub(crate) fn kill(&self) {
        self.running.lock().unwrap().take();
        let _ = std::fs::remove_file(self.tap());
    }

    /// How many requests that begin so it was sent.
    pub(crate) fn requests(&self, command: &str) -> usize {
        let requests = self.requests.lock().unwrap();
        requests.lines().filter(|line| *line == command).count()
    }

    /// Waits (5 s at most) for so many of them.
    pub(crate) fn wait_for(&self, command: &str, count: usize) {
        let end = Instant::now() + Duration::from_secs(5);
        while self.requests(command) < count {
            let requests = self.requests.lock().unwrap().clone();
            assert!(Instant::now() < end, "{count} times {command}: {requests}");
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Carries bytes until the end, and keeps them.
fn carry(mut from: UnixStream, mut to: UnixStream, kept: Option<&Mutex<String>>) {
    let mut buffer = [0u8; 4096];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        if let Some(kept) = kept {
            kept.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..length]));
        }
        if to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Both);
    let _ = from.shutdown(std::net::Shutdown::Both);
}
